//! Empties segments in which little lives, so that their files can be used again.
//!
//! What lives is written anew at the end of the log, in the order of the old segment, and counts
//! from then on. Bounded in rate: it is never more urgent than what clients do.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::inbox::{INBOX_MAX_BYTES, Moved, Operation};
use super::record::{Kind, Place, Published, Raw, Ref};
use super::scan::{Extent, scan};
use super::segment::DATA_START;
use super::segments::Segment;
use super::shared::Shared;

/// So much is moved in a second.
const MOVED_PER_SECOND_BYTES: u64 = 64 * 1024 * 1024;
/// It is checked whether to wait after so much.
const PACE_BYTES: u64 = 1024 * 1024;

/// Empties segments for as long as the files take more than they should. True if there were any.
pub(super) fn compact(shared: &Shared) -> bool {
    let mut any = false;
    while let Some((number, segment)) = shared.segments.sparse() {
        if shared.stop.load(Ordering::Acquire) {
            break;
        }
        any = true;
        let mut mover = Mover { shared, moved_bytes: 0, paced_bytes: 0, began: Instant::now() };
        if let Err(error) = mover.empty(number, &segment) {
            tracing::error!(file = &*segment.file.name, %error, "a segment cannot be read");
            shared.segments.stay(number);
            break;
        }
        tracing::debug!(number, bytes = mover.moved_bytes, "moved what lived in a segment");
    }
    any
}

struct Mover<'a> {
    shared: &'a Shared,
    moved_bytes: u64,
    paced_bytes: u64,
    began: Instant,
}

impl Mover<'_> {
    fn empty(&mut self, number: u64, segment: &Segment) -> std::io::Result<()> {
        let salt = self.shared.salt;
        let extent = Extent { number, salt, start: DATA_START, mark: None, end: None };
        scan(&segment.file, extent, &mut |place, raw| self.on_record(place, raw))?;
        Ok(())
    }

    fn on_record(&mut self, place: Place, raw: Raw<'_>) {
        if self.shared.stop.load(Ordering::Acquire) {
            return;
        }
        match raw.kind {
            Some(Kind::Publish | Kind::Move) => {
                let Some(published) = Published::decode(raw.payload) else { return };
                let refs: Vec<Ref> =
                    published.refs().filter(|r| self.lives_at(*r, place)).collect();
                if refs.is_empty() {
                    return;
                }
                let (message, from) = (published.message(), (place.segment, place.offset));
                let moved = Box::new(Moved { message, refs, from });
                self.push(Operation::Move(moved), raw.bytes);
            }
            Some(Kind::Define) => {
                let Some((key, _)) = super::record::decode_definition(raw.payload) else { return };
                let definitions = self.shared.contents.definitions.lock();
                let lives = definitions.all.get(key).is_some_and(|d| d.segment == place.segment);
                drop(definitions);
                if lives {
                    let operation = Operation::Redefine { key: key.to_vec(), from: place.segment };
                    self.push(operation, raw.bytes);
                }
            }
            _ => {}
        }
    }

    fn lives_at(&self, r: Ref, place: Place) -> bool {
        let Some(index) = self.shared.contents.index(r.queue) else { return false };
        let at = index.lock().get(r.id, &*self.shared.contents.catalogue);
        at.is_some_and(|at| at.is_at(place.segment, place.offset))
    }

    fn push(&mut self, operation: Operation, bytes: u64) {
        self.shared.inbox.lock().push(operation);
        self.shared.bell.ring();
        self.moved_bytes += bytes;
        self.paced_bytes += bytes;
        if self.paced_bytes >= PACE_BYTES {
            self.paced_bytes = 0;
            self.pace();
        }
    }

    /// Waits until as much time has gone by as the rate asks for, and clients leave room.
    fn pace(&self) {
        let should = Duration::from_micros(
            self.moved_bytes.saturating_mul(1_000_000) / MOVED_PER_SECOND_BYTES,
        );
        let mut until = self.began + should;
        loop {
            while Instant::now() < until && !self.shared.stop.load(Ordering::Acquire) {
                self.shared.upkeep.wait(Some(until));
            }
            let crowded = self.shared.inbox.lock().bytes() > INBOX_MAX_BYTES / 4;
            if !crowded || self.shared.stop.load(Ordering::Acquire) {
                return;
            }
            until = Instant::now() + Duration::from_millis(10);
        }
    }
}
