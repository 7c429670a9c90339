//! The small values of the catalogue, and their byte form (docs/format.md, "The catalogue").

use super::QueueId;
use super::catalogue::{Catalogue, CatalogueResult, Change, Tree};
use super::segments::Position;

/// From where a start has to read the log.
const POSITION: &[u8] = b"position";
/// Where the log ended when the broker was stopped in good order.
const CLEAN: &[u8] = b"clean";
/// No queue has this number or a higher one.
pub(super) const NEXT_QUEUE: &[u8] = b"next-queue";
/// The data directory's own number.
pub(super) const SALT: &[u8] = b"salt";

const VERSION: u8 = 1;

/// What is kept of a queue beside its pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct QueueRecord {
    /// No sequence above this was given.
    pub last: u64,
    /// After a stop in good order: no message above this was delivered.
    pub delivered_to: u64,
}

impl QueueRecord {
    /// Of a queue that may deliver at any time.
    pub(super) fn not_closed(last: u64) -> Self {
        Self { last, delivered_to: last }
    }

    /// As it is kept.
    pub(super) fn encode(self) -> Vec<u8> {
        numbers([self.last, self.delivered_to])
    }

    /// Reads what was kept.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let [last, delivered_to] = read_numbers(value)?;
        Some(Self { last, delivered_to })
    }
}

/// A queue's key.
pub(super) fn queue_key(queue: QueueId) -> Vec<u8> {
    queue.0.to_be_bytes().to_vec()
}

/// The queue of a key.
pub(super) fn decode_queue_key(key: &[u8]) -> Option<QueueId> {
    Some(QueueId(u64::from_be_bytes(key.try_into().ok()?)))
}

/// From where a start has to read.
pub(super) fn position(position: Position) -> Change {
    (POSITION.to_vec(), Some(encode_position(position)))
}

/// Where the log ends, in good order.
pub(super) fn clean(position: Position) -> Change {
    (CLEAN.to_vec(), Some(encode_position(position)))
}

/// A number.
pub(super) fn number(key: &[u8], value: u64) -> Change {
    (key.to_vec(), Some(numbers([value])))
}

/// Reads the position; `None` if there is none.
pub(super) fn read_position(catalogue: &dyn Catalogue) -> CatalogueResult<Option<Position>> {
    Ok(catalogue.get(Tree::Meta, POSITION)?.and_then(|value| decode_position(&value)))
}

/// Reads where the log ended in good order.
pub(super) fn read_clean(catalogue: &dyn Catalogue) -> CatalogueResult<Option<Position>> {
    Ok(catalogue.get(Tree::Meta, CLEAN)?.and_then(|value| decode_position(&value)))
}

/// Reads a number.
pub(super) fn read_number(catalogue: &dyn Catalogue, key: &[u8]) -> CatalogueResult<Option<u64>> {
    let value = catalogue.get(Tree::Meta, key)?;
    Ok(value.and_then(|value| read_numbers(&value)).map(|[number]| number))
}

/// A definition with the segment it is in.
pub(super) fn definition(segment: u64, value: &[u8]) -> Vec<u8> {
    [&numbers([segment])[..], value].concat()
}

/// The segment of a definition, and its value.
pub(super) fn decode_definition(value: &[u8]) -> Option<(u64, &[u8])> {
    let (head, value) = value.split_at_checked(9)?;
    let [segment] = read_numbers(head)?;
    Some((segment, value))
}

fn encode_position(position: Position) -> Vec<u8> {
    numbers([position.segment, position.offset, position.mark])
}

fn decode_position(value: &[u8]) -> Option<Position> {
    let [segment, offset, mark] = read_numbers(value)?;
    Some(Position { segment, offset, mark })
}

/// A version, then numbers.
fn numbers<const N: usize>(values: [u64; N]) -> Vec<u8> {
    let mut out = vec![VERSION];
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out
}

fn read_numbers<const N: usize>(value: &[u8]) -> Option<[u64; N]> {
    let (&VERSION, rest) = value.split_first()? else { return None };
    let mut numbers = [0; N];
    if rest.len() != N * 8 {
        return None;
    }
    for (number, octets) in numbers.iter_mut().zip(rest.chunks_exact(8)) {
        *number = u64::from_le_bytes(octets.try_into().ok()?);
    }
    Some(numbers)
}

/// Whether the value of a key of ours can be read; what is not known is not looked at.
pub(super) fn is_sound(key: &[u8], value: &[u8]) -> bool {
    match key {
        POSITION | CLEAN => decode_position(value).is_some(),
        NEXT_QUEUE | SALT => read_numbers::<1>(value).is_some(),
        _ => true,
    }
}

/// A value in words.
pub(super) fn show(value: &[u8]) -> String {
    if let Some(Position { segment, offset, mark }) = decode_position(value) {
        return format!("segment={segment} offset={offset} mark={mark}");
    }
    match read_numbers(value) {
        Some([number]) => number.to_string(),
        None => format!("bad {}", value.escape_ascii()),
    }
}
