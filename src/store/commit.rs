//! The commit thread: takes what the inbox holds, writes it in one go, syncs once, enters it into
//! the indexes, and only then tells everybody who waited.
//!
//! A write or sync that fails ends it for good: what a failed sync leaves on the disk is not to be
//! trusted. Only a full disk is waited for, as long as it is a write that says so: what it has
//! left is written over. A sync that says so has lost what it was to keep.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hashbrown::HashSet;

use super::contents::LastIndex;
use super::inbox::{Batch, Operation};
use super::locator::Locator;
use super::record::{
    HEADER_BYTES, Kind, MARK_RECORD_BYTES, Mark, Place, count_bytes, definition_bytes, encode,
    encode_count, encode_definition, encode_mark, encode_publish, encode_remove, pad,
    publish_bytes, record_bytes, remove_bytes,
};
use super::segment::{DATA_START, SegmentFile, SegmentHeader};
use super::segments::Position;
use super::shared::Shared;
use super::tally::Tally;
use crate::outbox::Wakes;

/// Settled messages wait this long for something more urgent to be written with.
const LAZY: Duration = Duration::from_millis(50);
/// How often a full disk is looked at again.
const FULL_PERIOD: Duration = Duration::from_millis(50);
/// While several threads hand a message over, the rest of the inbox waits this long at most before
/// it is looked at again.
const OPEN_PERIOD: Duration = Duration::from_millis(1);
/// Smaller batches than this are not worth waiting for another of their size.
const GATHER_FROM: usize = 4;
/// Between two looks at what has come together.
const GATHER_PERIOD: Duration = Duration::from_micros(50);
/// So many looks at the most.
const GATHER_ROUNDS_MAX: u32 = 3;
/// Runs in one record.
const RUNS_MAX: usize = 65_536;
/// A buffer above this size is given back.
const KEEP_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// What the commit thread owns.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// The segment that is written to, once there is one.
    current: Option<SegmentFile>,
    position: Position,
    buffer: Vec<u8>,
    tally: Tally,
    /// Where each operation's record is: offset and length.
    written: Vec<(u64, u64)>,
}

/// Part of a batch's octets: the buffer up to there, then these slices.
type Cut = (usize, Vec<Bytes>);

impl Writer {
    /// Goes on behind what a start has read: in a segment of its own.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let position = shared.segments.position();
        Self {
            shared,
            current: None,
            position,
            buffer: Vec::new(),
            tally: Tally::default(),
            written: Vec::new(),
        }
    }

    /// Writes until the store is closed, or a write fails.
    pub(super) fn run(mut self) {
        let (mut batch, mut wakes) = (Batch::default(), Wakes::default());
        let (mut lazy_until, mut last_count) = (None, 0);
        loop {
            let stopping = self.shared.stop.load(Ordering::Acquire);
            let (empty, lazy) = {
                let inbox = self.shared.inbox.lock();
                (inbox.is_empty(), inbox.is_lazy())
            };
            let held = self.shared.held.load(Ordering::Acquire) && !stopping;
            if empty || held {
                if stopping {
                    return;
                }
                self.shared.bell.wait(None);
                continue;
            }
            if lazy && !stopping {
                let until = *lazy_until.get_or_insert_with(|| Instant::now() + LAZY);
                if self.shared.bell.wait(Some(until)) {
                    continue;
                }
            }
            lazy_until = None;
            if !stopping {
                self.gather(last_count);
            }
            let began = Instant::now();
            self.shared.inbox.lock().take(&mut batch);
            last_count = batch.operations.len();
            if !batch.is_urgent() && batch.is_nothing() {
                self.shared.bell.wait(Some(Instant::now() + OPEN_PERIOD));
                continue;
            }
            self.redefine(&mut batch);
            if !batch.is_nothing()
                && let Err(error) = self.commit(&batch)
            {
                return self.shared.fail(&error);
            }
            let is_written = !batch.is_nothing();
            self.shared.settle(&mut batch, &mut wakes);
            wakes.flush();
            if is_written {
                self.shared.counters.commit_us.note(microseconds(began));
            }
        }
    }

    /// Lets about as much come together as the last time: whoever was told then is about to send
    /// again, and one sync for all costs less than two. Ends when nothing more comes.
    fn gather(&self, last_count: usize) {
        let mut count = self.shared.inbox.lock().len();
        for _ in 0..GATHER_ROUNDS_MAX {
            if last_count < GATHER_FROM || count >= last_count / 4 * 3 {
                return;
            }
            // Not on the bell: it would be rung for each of them.
            std::thread::park_timeout(GATHER_PERIOD);
            let now = self.shared.inbox.lock().len();
            if now == count {
                return;
            }
            count = now;
        }
    }

    /// Puts a batch on disk and into the indexes.
    pub(super) fn commit(&mut self, batch: &Batch) -> io::Result<()> {
        let bytes = batch_bytes(batch);
        self.make_room(bytes)?;
        let Some(file) = self.current.clone() else { return Ok(()) };
        let cuts = self.encode(batch, bytes);
        // Reserved blocks can be refused all the same, where a file system copies what is changed.
        let mut began = Instant::now();
        while let Err(error) = self.write(&file, &cuts) {
            self.wait_for_space(error)?;
            began = Instant::now();
        }
        self.shared.set_out_of_space(None);
        let counters = &self.shared.counters;
        counters.write_us.note(microseconds(began));
        let began = Instant::now();
        file.file.sync()?;
        counters.sync_us.note(microseconds(began));
        counters.written.add(batch.written_operations());
        counters.written_bytes.add(bytes);
        self.position.offset += bytes;
        self.position.mark += 1;
        self.enter(batch);
        self.shared.segments.advance(self.position, &mut self.tally);
        self.shared.note_written(bytes);
        if self.buffer.capacity() > KEEP_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Finds the values of definitions that are to be written anew, unless they have changed.
    fn redefine(&self, batch: &mut Batch) {
        let is_redefine = |o: &Operation| matches!(o, Operation::Redefine { .. });
        if !batch.operations.iter().any(is_redefine) {
            return;
        }
        let mut changed: HashSet<Vec<u8>> = HashSet::new();
        let definitions = self.shared.contents.definitions.lock();
        for operation in &mut batch.operations {
            match operation {
                Operation::Define { key, .. } | Operation::Forget { key, .. } => {
                    changed.insert(key.clone());
                }
                Operation::Redefine { key, from } => {
                    let current = definitions.all.get(key).filter(|d| d.segment == *from);
                    *operation = match current.filter(|_| !changed.contains(key)) {
                        Some(defined) => Operation::Define {
                            key: std::mem::take(key),
                            value: defined.value.to_vec(),
                        },
                        None => Operation::Nothing,
                    };
                }
                _ => {}
            }
        }
    }

    /// Begins the next segment, with room for so many octets.
    pub(super) fn begin_segment(&mut self, bytes: u64) -> io::Result<()> {
        let header = SegmentHeader {
            number: self.position.segment + 1,
            previous_end: self.position.offset,
            previous: self.position.segment,
            first_mark: self.position.mark,
            salt: self.shared.salt,
            units: 0, // known when the file is
        };
        let file = self.shared.segments.begin(header, bytes)?;
        self.position.segment = header.number;
        self.position.offset = DATA_START;
        self.current = Some(file);
        Ok(())
    }

    /// Begins a segment if the current one has no room, and waits for a full disk.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        if let Some(file) = &self.current
            && self.position.offset + bytes <= file.bytes
        {
            return Ok(());
        }
        while let Err(error) = self.begin_segment(bytes) {
            self.wait_for_space(error)?;
        }
        Ok(())
    }

    /// Waits a little if it is only that the disk is full, and nobody wants to stop.
    fn wait_for_space(&self, error: io::Error) -> io::Result<()> {
        if !is_full(&error) || self.shared.stop.load(Ordering::Acquire) {
            return Err(error);
        }
        self.shared.set_out_of_space(Some(&error));
        self.shared.bell.wait(Some(Instant::now() + FULL_PERIOD));
        Ok(())
    }

    /// Encodes a batch into the buffer; gives where large bodies go in between.
    fn encode(&mut self, batch: &Batch, batch_bytes: u64) -> Vec<Cut> {
        let Position { segment, offset: start, mark: number } = self.position;
        let salt = self.shared.salt;
        let time_ms = now_ms();
        let mut cuts: Vec<Cut> = Vec::new();
        let mut linked_bytes = 0_u64;
        let out = &mut self.buffer;
        out.clear();
        self.written.clear();
        let place_of = |out: &Vec<u8>, linked_bytes: u64| Place {
            segment,
            offset: start + out.len() as u64 + linked_bytes,
            salt,
        };
        let mark = Mark { number, synced_to: start, batch_bytes, time_ms };
        encode_mark(out, place_of(out, 0), mark);
        // What was settled was written before; what comes now may put it back.
        for runs in batch.removed.chunks(RUNS_MAX) {
            encode_remove(out, place_of(out, 0), runs);
        }
        for counted in batch.counted.chunks(RUNS_MAX) {
            encode_count(out, place_of(out, 0), counted);
        }
        for operation in &batch.operations {
            let place = place_of(out, linked_bytes);
            match operation {
                Operation::Nothing | Operation::Fence | Operation::Redefine { .. } => {}
                Operation::Start => {
                    encode(out, place, Kind::Start, &[], |out| {
                        out.extend_from_slice(&time_ms.to_le_bytes());
                    });
                }
                Operation::Publish(message, refs) => {
                    let from = out.len();
                    let linked = encode_publish(out, place, Kind::Publish, message, refs);
                    linked_bytes += cut(out, from, linked, &mut cuts);
                }
                Operation::Move(moved) => {
                    let (from, message, refs) = (out.len(), &moved.message, &moved.refs);
                    let linked = encode_publish(out, place, Kind::Move, message, refs);
                    linked_bytes += cut(out, from, linked, &mut cuts);
                }
                Operation::Define { key, value } => {
                    encode_definition(out, place, Kind::Define, key, value);
                }
                Operation::Forget { key, queue } => {
                    let queue = queue.unwrap_or_default().0.to_le_bytes();
                    encode_definition(out, place, Kind::Forget, key, &queue);
                }
                Operation::Remove(run) => encode_remove(out, place, &[*run]),
                Operation::Count(counted) => encode_count(out, place, &[*counted]),
                Operation::Drop(queue) => encode(out, place, Kind::Drop, &[], |out| {
                    out.extend_from_slice(&queue.0.to_le_bytes());
                }),
            }
            let bytes = place_of(out, linked_bytes).offset - place.offset;
            self.written.push((place.offset, bytes));
        }
        debug_assert_eq!(out.len() as u64 + linked_bytes, batch_bytes);
        cuts
    }

    fn write(&self, file: &SegmentFile, cuts: &[Cut]) -> io::Result<()> {
        let mut slices = Vec::with_capacity(1 + 2 * cuts.len());
        let mut from = 0;
        for (to, linked) in cuts {
            slices.push(IoSlice::new(self.buffer.get(from..*to).unwrap_or_default()));
            slices.extend(linked.iter().map(|slice| IoSlice::new(slice)));
            from = *to;
        }
        slices.push(IoSlice::new(self.buffer.get(from..).unwrap_or_default()));
        file.file.write_at(&mut slices, self.position.offset)
    }

    /// Enters what is on disk now into the indexes.
    fn enter(&mut self, batch: &Batch) {
        let segment = self.position.segment;
        let contents = &self.shared.contents;
        let mut last = LastIndex::default();
        for run in &batch.removed {
            contents.remove(*run, &mut self.tally, &mut last);
        }
        for counted in &batch.counted {
            contents.count(*counted, &mut last);
        }
        for (operation, (offset, bytes)) in batch.operations.iter().zip(&self.written) {
            match operation {
                Operation::Nothing
                | Operation::Fence
                | Operation::Start
                | Operation::Redefine { .. } => {}
                Operation::Publish(message, refs) => {
                    let transient = !message.survives();
                    let at = Locator::new(segment, *offset, *bytes, refs.len(), transient)
                        .with_body(message.body_bytes() as u64);
                    contents.publish(refs, at, &mut self.tally, &mut last);
                }
                Operation::Move(moved) => {
                    let transient = !moved.message.survives();
                    let at = Locator::new(segment, *offset, *bytes, moved.refs.len(), transient)
                        .with_body(moved.message.body_bytes() as u64);
                    contents.relocate(&moved.refs, Some(moved.from), at, &mut self.tally);
                }
                Operation::Define { key, value } => {
                    contents.define(key, value, segment, &mut self.tally);
                }
                Operation::Forget { key, queue } => {
                    contents.forget(key, *queue, &mut self.tally);
                    last = LastIndex::default();
                }
                Operation::Remove(run) => contents.remove(*run, &mut self.tally, &mut last),
                Operation::Count(counted) => contents.count(*counted, &mut last),
                Operation::Drop(queue) => {
                    contents.drop_queue(*queue, &mut self.tally);
                    last = LastIndex::default();
                }
            }
        }
    }
}

fn microseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Notes where slices go in the record that begins at `from`, and pads behind them; how much they
/// are.
fn cut(out: &mut Vec<u8>, from: usize, linked: &[Bytes], cuts: &mut Vec<Cut>) -> u64 {
    if linked.is_empty() {
        return 0;
    }
    cuts.push((out.len(), linked.to_vec()));
    let bytes: usize = linked.iter().map(Bytes::len).sum();
    pad(out, out.len() - from - HEADER_BYTES + bytes);
    bytes as u64
}

fn batch_bytes(batch: &Batch) -> u64 {
    let of = |operation: &Operation| match operation {
        Operation::Nothing | Operation::Fence | Operation::Redefine { .. } => 0,
        Operation::Publish(message, refs) => publish_bytes(message, refs.len()),
        Operation::Move(moved) => publish_bytes(&moved.message, moved.refs.len()),
        Operation::Define { key, value } => definition_bytes(key, value),
        Operation::Forget { key, .. } => definition_bytes(key, &[0; 8]),
        Operation::Start | Operation::Drop(_) => record_bytes(8),
        Operation::Remove(_) => remove_bytes(1),
        Operation::Count(_) => count_bytes(1),
    };
    let operations: u64 = batch.operations.iter().map(of).sum();
    let removed: u64 = batch.removed.chunks(RUNS_MAX).map(|r| remove_bytes(r.len())).sum();
    let counted: u64 = batch.counted.chunks(RUNS_MAX).map(|c| count_bytes(c.len())).sum();
    MARK_RECORD_BYTES + operations + removed + counted
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
