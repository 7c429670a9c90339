//! Records: what the log is made of (docs/format.md, "Records").
//!
//! A record is a header of 16 octets, its payload, and zeros up to a multiple of 8. The checksum
//! is seeded with the segment's number, the record's offset and a secret, so that what a recycled
//! file held before, or what was written to another place, is never taken for a record of this one.
//! Integers are little-endian. Knows no files.

use crate::message::{Attempts, Body, Message, MessageId, Traits};

use super::QueueId;

/// Octets of a record's header.
pub(super) const HEADER_BYTES: usize = 16;
/// Records begin at multiples of this.
pub(super) const ALIGN_BYTES: usize = 8;
/// The version of the payloads below.
const VERSION: u8 = 1;
/// Octets of a publish record's payload before its queues.
const PUBLISH_FIXED_BYTES: usize = 24;
/// Octets per queue in a publish record.
const REF_BYTES: usize = 16;
/// Octets of a mark's payload.
const MARK_BYTES: usize = 32;
/// Octets per run in a remove record.
const RUN_BYTES: usize = 24;
/// Octets per message in a count record.
const COUNTED_BYTES: usize = 24;

/// Spreads small numbers over all bits (2^64 divided by the golden ratio).
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    /// Begins what was written in one go.
    Mark = 1,
    /// A message, and the queues that it went to.
    Publish = 2,
    /// Messages that were settled.
    Remove = 3,
    /// A definition.
    Define = 4,
    /// A definition is gone, and a queue's messages with it.
    Forget = 5,
    /// A queue without a definition is gone.
    Drop = 6,
    /// A message in a new place; only for queues that still have it.
    Move = 7,
    /// A process has begun to write.
    Start = 8,
    /// How often messages have come back to their queues.
    Count = 9,
}

impl Kind {
    fn from_octet(octet: u8) -> Option<Self> {
        let all = [
            Self::Mark,
            Self::Publish,
            Self::Remove,
            Self::Define,
            Self::Forget,
            Self::Drop,
            Self::Move,
            Self::Start,
            Self::Count,
        ];
        all.into_iter().find(|kind| *kind as u8 == octet)
    }
}

/// Where a record is: the seed of its checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The segment's number.
    pub segment: u64,
    /// The offset of the record's header in the segment.
    pub offset: u64,
    /// The data directory's own number, which no client knows: so none can make up a body that
    /// passes for records.
    pub salt: u64,
}

impl Place {
    fn seed(self) -> u32 {
        let mixed = (self.segment ^ self.salt).wrapping_mul(MIX) ^ self.offset;
        (mixed ^ (mixed >> 32)) as u32
    }

    /// Two octets that a header of this segment carries in the open: a quick test while searching.
    fn tint(self) -> u16 {
        (self.segment.wrapping_mul(MIX) >> 48) as u16
    }
}

/// One message in one queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ref {
    /// The queue.
    pub queue: QueueId,
    /// The message's id there.
    pub id: MessageId,
}

/// Messages of a queue from one id to another, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// The queue.
    pub queue: QueueId,
    /// The first message.
    pub first: MessageId,
    /// The last.
    pub last: MessageId,
}

/// How often a message has come back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Counted {
    /// The message.
    pub at: Ref,
    /// How often.
    pub attempts: Attempts,
}

/// The begin of what was written in one go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    /// Grows by one with every mark.
    pub number: u64,
    /// Everything before this offset of the segment had been synced when this was written.
    pub synced_to: u64,
    /// Octets from the mark's header to the end of the last record of the batch.
    pub batch_bytes: u64,
    /// When: milliseconds since 1970.
    pub time_ms: u64,
}

/// Appends a record: `fill` writes the payload, `further_bytes` of it come from elsewhere and are
/// covered by `further`, which is called with a hasher.
pub(super) fn encode(
    out: &mut Vec<u8>,
    place: Place,
    kind: Kind,
    further: &[bytes::Bytes],
    fill: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    fill(out);
    let own = out.len() - start - HEADER_BYTES;
    let length = own + further.iter().map(bytes::Bytes::len).sum::<usize>();
    let mut header = [0; HEADER_BYTES];
    put(&mut header, 4, &(length as u32).to_le_bytes());
    put(&mut header, 8, &[kind as u8, VERSION]);
    put(&mut header, 10, &place.tint().to_le_bytes());
    if let Some(slot) = out.get_mut(start..start + HEADER_BYTES) {
        slot.copy_from_slice(&header);
    }
    let mut hasher = crc32fast::Hasher::new_with_initial(place.seed());
    hasher.update(out.get(start + 4..).unwrap_or_default());
    for slice in further {
        hasher.update(slice);
    }
    let crc = hasher.finalize().to_le_bytes();
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&crc);
    }
    if further.is_empty() {
        pad(out, length);
    }
}

/// Appends the zeros that follow a payload of that length.
pub(super) fn pad(out: &mut Vec<u8>, payload_bytes: usize) {
    let used = HEADER_BYTES + payload_bytes;
    out.resize(out.len() + used.next_multiple_of(ALIGN_BYTES) - used, 0);
}

/// What a record with such a payload takes in the log.
pub(super) fn record_bytes(payload_bytes: usize) -> u64 {
    (HEADER_BYTES + payload_bytes).next_multiple_of(ALIGN_BYTES) as u64
}

/// What the record of a message takes in the log.
pub(super) fn publish_bytes(message: &Message, refs: usize) -> u64 {
    let message = message.address().len() + message.properties().len() + message.body_bytes();
    record_bytes(PUBLISH_FIXED_BYTES + refs * REF_BYTES + message)
}

/// Appends a mark.
pub(super) fn encode_mark(out: &mut Vec<u8>, place: Place, mark: Mark) {
    encode(out, place, Kind::Mark, &[], |out| {
        for value in [mark.number, mark.synced_to, mark.batch_bytes, mark.time_ms] {
            out.extend_from_slice(&value.to_le_bytes());
        }
    });
}

/// What a mark takes in the log.
pub(super) const MARK_RECORD_BYTES: u64 = (HEADER_BYTES + MARK_BYTES) as u64;

/// Appends a message's record; gives the slices of its body that follow, then the padding is the
/// caller's.
pub(super) fn encode_publish<'a>(
    out: &mut Vec<u8>,
    place: Place,
    kind: Kind,
    message: &'a Message,
    refs: &[Ref],
) -> &'a [bytes::Bytes] {
    let linked = message.linked_body();
    let traits = message.traits();
    encode(out, place, kind, linked, |out| {
        out.extend_from_slice(&[traits.flags(), traits.priority().unwrap_or_default()]);
        out.extend_from_slice(&(message.address().len() as u16).to_le_bytes());
        out.extend_from_slice(&(message.properties().len() as u32).to_le_bytes());
        out.extend_from_slice(&(refs.len() as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&message.published_ms().to_le_bytes());
        for at in refs {
            out.extend_from_slice(&at.queue.0.to_le_bytes());
            out.extend_from_slice(&at.id.0.to_le_bytes());
        }
        out.extend_from_slice(message.octets());
    });
    linked
}

/// Appends a record of settled messages.
pub(super) fn encode_remove(out: &mut Vec<u8>, place: Place, runs: &[Run]) {
    encode(out, place, Kind::Remove, &[], |out| {
        for run in runs {
            for value in [run.queue.0, run.first.0, run.last.0] {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    });
}

/// What such a record takes in the log.
pub(super) fn remove_bytes(runs: usize) -> u64 {
    record_bytes(runs * RUN_BYTES)
}

/// Appends a record of how often messages have come back.
pub(super) fn encode_count(out: &mut Vec<u8>, place: Place, counted: &[Counted]) {
    encode(out, place, Kind::Count, &[], |out| {
        for Counted { at, attempts } in counted {
            out.extend_from_slice(&at.queue.0.to_le_bytes());
            out.extend_from_slice(&at.id.0.to_le_bytes());
            out.extend_from_slice(&attempts.failed.to_le_bytes());
            out.extend_from_slice(&attempts.acquired.to_le_bytes());
            out.extend_from_slice(&[0; 2]);
        }
    });
}

/// What such a record takes in the log.
pub(super) fn count_bytes(messages: usize) -> u64 {
    record_bytes(messages * COUNTED_BYTES)
}

/// Appends a definition, or that one is gone.
pub(super) fn encode_definition(
    out: &mut Vec<u8>,
    place: Place,
    kind: Kind,
    key: &[u8],
    rest: &[u8],
) {
    encode(out, place, kind, &[], |out| {
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(rest);
    });
}

/// What such a record takes in the log.
pub(super) fn definition_bytes(key: &[u8], rest: &[u8]) -> u64 {
    record_bytes(4 + key.len() + rest.len())
}

/// A record as it was read: its kind, its payload, and what it takes in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    /// What it is; `None` for one of a later version of this program.
    pub kind: Option<Kind>,
    /// Its payload.
    pub payload: &'a [u8],
    /// With header and padding.
    pub bytes: u64,
}

/// The length that a header at the begin of `octets` claims, padding included, if it may be a
/// header of that segment at all.
pub(super) fn claimed_bytes(octets: &[u8], place: Place) -> Option<u64> {
    let header = octets.get(..HEADER_BYTES)?;
    let tint = u16::from_le_bytes([*header.get(10)?, *header.get(11)?]);
    (tint == place.tint() && header.get(12..) == Some(&[0; 4]))
        .then(|| record_bytes(u32_at(header, 4) as usize))
}

/// Reads the record at the begin of `octets`; `None` if there is no sound one.
pub(super) fn decode(octets: &[u8], place: Place) -> Option<Raw<'_>> {
    let raw = parse(octets, place)?;
    let mut hasher = crc32fast::Hasher::new_with_initial(place.seed());
    hasher.update(octets.get(4..HEADER_BYTES + raw.payload.len())?);
    (hasher.finalize() == u32_at(octets, 0)).then_some(raw)
}

/// The same of octets that were found to be sound: the checksum is not looked at again.
pub(super) fn parse(octets: &[u8], place: Place) -> Option<Raw<'_>> {
    let bytes = claimed_bytes(octets, place)?;
    let length = u32_at(octets, 4) as usize;
    let payload = octets.get(HEADER_BYTES..HEADER_BYTES + length)?;
    let known = octets.get(9) == Some(&VERSION);
    let kind = octets.get(8).and_then(|octet| Kind::from_octet(*octet)).filter(|_| known);
    Some(Raw { kind, payload, bytes })
}

/// A mark's payload.
pub(super) fn decode_mark(payload: &[u8]) -> Option<Mark> {
    (payload.len() >= MARK_BYTES).then(|| Mark {
        number: u64_at(payload, 0),
        synced_to: u64_at(payload, 8),
        batch_bytes: u64_at(payload, 16),
        time_ms: u64_at(payload, 24),
    })
}

/// A publish or move record's payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published<'a> {
    /// What is known of the message.
    pub traits: Traits,
    /// When its queues took it in: milliseconds since 1970.
    pub time_ms: u64,
    refs: &'a [u8],
    octets: &'a [u8],
    address_bytes: usize,
    properties_bytes: usize,
}

impl<'a> Published<'a> {
    /// Reads one.
    pub(super) fn decode(payload: &'a [u8]) -> Option<Self> {
        let fixed = payload.get(..PUBLISH_FIXED_BYTES)?;
        let refs_bytes = (u32_at(fixed, 8) as usize).checked_mul(REF_BYTES)?;
        let refs_end = PUBLISH_FIXED_BYTES.checked_add(refs_bytes)?;
        let address_bytes = usize::from(u16::from_le_bytes([*fixed.get(2)?, *fixed.get(3)?]));
        let properties_bytes = u32_at(fixed, 4) as usize;
        let octets = payload.get(refs_end..)?;
        (address_bytes.checked_add(properties_bytes)? <= octets.len()).then_some(Self {
            traits: Traits::new(*fixed.first()?, *fixed.get(1)?),
            time_ms: u64_at(fixed, 16),
            refs: payload.get(PUBLISH_FIXED_BYTES..refs_end)?,
            octets,
            address_bytes,
            properties_bytes,
        })
    }

    /// The queues that it went to.
    pub(super) fn refs(&self) -> impl Iterator<Item = Ref> + '_ {
        let read = |at: &[u8]| Ref { queue: QueueId(u64_at(at, 0)), id: MessageId(u64_at(at, 8)) };
        self.refs.chunks_exact(REF_BYTES).map(read)
    }

    /// The message.
    pub(super) fn message(&self) -> Message {
        let (address, properties) = (self.address_bytes, self.properties_bytes);
        if self.octets.len() - address - properties < crate::message::LINK_FROM_BYTES {
            let message = Message::from_octets(self.octets, address, properties, self.traits);
            return message.published_at(self.time_ms);
        }
        let (head, body) = self.octets.split_at(address + properties);
        let (address, properties) = head.split_at(address);
        let body = bytes::Bytes::copy_from_slice(body);
        let message = Message::new(address, properties, Body::Linked(vec![body]), self.traits);
        message.published_at(self.time_ms)
    }

    /// Not for after a restart.
    pub(super) fn is_transient(&self) -> bool {
        !self.traits.has(Traits::PERSISTENT | Traits::KEPT)
    }

    /// Flags and values of the content header.
    pub(super) fn properties(&self) -> &'a [u8] {
        let end = self.address_bytes + self.properties_bytes;
        self.octets.get(self.address_bytes..end).unwrap_or_default()
    }

    /// The body.
    pub(super) fn body(&self) -> &'a [u8] {
        self.octets.get(self.address_bytes + self.properties_bytes..).unwrap_or_default()
    }

    /// Exchange and routing key as two short strings.
    pub(super) fn address(&self) -> &'a [u8] {
        self.octets.get(..self.address_bytes).unwrap_or_default()
    }
}

/// A remove record's payload.
pub(super) fn decode_remove(payload: &[u8]) -> impl Iterator<Item = Run> + '_ {
    payload.chunks_exact(RUN_BYTES).map(|at| Run {
        queue: QueueId(u64_at(at, 0)),
        first: MessageId(u64_at(at, 8)),
        last: MessageId(u64_at(at, 16)),
    })
}

/// A count record's payload.
pub(super) fn decode_count(payload: &[u8]) -> impl Iterator<Item = Counted> + '_ {
    payload.chunks_exact(COUNTED_BYTES).map(|at| Counted {
        at: Ref { queue: QueueId(u64_at(at, 0)), id: MessageId(u64_at(at, 8)) },
        attempts: Attempts { failed: u32_at(at, 16), acquired: u32_at(at, 20) as u16 },
    })
}

/// A define or forget record's payload: the key and what follows.
pub(super) fn decode_definition(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = payload.split_at_checked(4)?;
    rest.split_at_checked(u32_at(size, 0) as usize)
}

/// The queue that a forget or drop record ends with; 0 for none.
pub(super) fn decode_queue(rest: &[u8]) -> Option<QueueId> {
    rest.first_chunk().map(|octets| QueueId(u64::from_le_bytes(*octets)))
}

fn put(header: &mut [u8; HEADER_BYTES], at: usize, octets: &[u8]) {
    if let Some(slot) = header.get_mut(at..at + octets.len()) {
        slot.copy_from_slice(octets);
    }
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    octets.get(at..).and_then(|o| o.first_chunk()).map_or(0, |o| u32::from_le_bytes(*o))
}

fn u64_at(octets: &[u8], at: usize) -> u64 {
    octets.get(at..).and_then(|o| o.first_chunk()).map_or(0, |o| u64::from_le_bytes(*o))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::address;

    const PLACE: Place = Place { segment: 7, offset: 4096, salt: 99 };

    #[test]
    fn a_message_comes_back_as_it_was() {
        let message = Message::new(&address(b"x", b"key"), &[0, 0], Body::Inline(b"hello"), true)
            .published_at(5);
        let refs = [
            Ref { queue: QueueId(3), id: MessageId(9) },
            Ref { queue: QueueId(4), id: MessageId(1) },
        ];
        let mut out = Vec::new();
        assert!(encode_publish(&mut out, PLACE, Kind::Publish, &message, &refs).is_empty());
        assert_eq!(out.len() as u64, publish_bytes(&message, 2));
        let raw = decode(&out, PLACE).expect("sound");
        assert_eq!((raw.kind, raw.bytes), (Some(Kind::Publish), out.len() as u64));
        let published = Published::decode(raw.payload).expect("sound");
        assert_eq!(published.refs().collect::<Vec<_>>(), refs);
        assert_eq!(published.time_ms, 5);
        let back = published.message();
        assert_eq!((back.octets(), back.routing_key()), (message.octets(), &b"key"[..]));
    }

    #[test]
    fn a_record_is_sound_only_in_its_place_and_whole() {
        let mut out = Vec::new();
        encode_remove(
            &mut out,
            PLACE,
            &[Run { queue: QueueId(1), first: MessageId(2), last: MessageId(3) }],
        );
        assert!(decode(&out, PLACE).is_some());
        assert!(decode(&out, Place { segment: 8, ..PLACE }).is_none());
        assert!(decode(&out, Place { offset: 4104, ..PLACE }).is_none());
        assert!(decode(&out, Place { salt: 98, ..PLACE }).is_none());
        for bit in 0..out.len() * 8 {
            let mut flipped = out.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped, PLACE).is_none(), "bit {bit}");
        }
        for length in 0..out.len() {
            assert!(decode(&out[..length], PLACE).is_none(), "{length} octets");
        }
    }
}
