//! The segments of the log: which there are, what lives in them, and the files that wait to be
//! used again.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::files::Files;
use super::segment::{DATA_START, SegmentFile, SegmentHeader};
use super::tally::{Living, Tally};

/// Files that wait to be used again; more are removed.
const SPARES_MAX: usize = 4;
/// And so many once nothing is going on.
const SPARES_IDLE_MAX: usize = 1;

/// With less room than for so many segments, the next ones are smaller, and fewer files wait.
const LITTLE_ROOM_SEGMENTS: u64 = 8;
/// By this factor.
const SMALL_PARTS: u64 = 16;

/// A place in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Position {
    /// The segment's number; 0 before the first.
    pub segment: u64,
    /// The offset there.
    pub offset: u64,
    /// The number of the next mark.
    pub mark: u64,
}

/// A segment of the log.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Its file.
    pub file: SegmentFile,
    /// What is needed of it.
    pub living: Living,
    /// What is living is on its way out of it.
    pub moving: bool,
}

/// All segments.
#[derive(Debug)]
pub(super) struct Segments {
    files: Arc<dyn Files>,
    /// What a file usually takes.
    segment_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: BTreeMap<u64, Segment>,
    spares: Vec<SegmentFile>,
    next_file: u64,
    position: Position,
}

impl Segments {
    /// Those that a start has found: the log's, and files that can be used again.
    pub(super) fn new(
        files: Arc<dyn Files>,
        segment_bytes: u64,
        all: BTreeMap<u64, Segment>,
        spares: Vec<SegmentFile>,
        next_file: u64,
    ) -> Self {
        let position = Position::default();
        let state = Mutex::new(State { all, spares, next_file, position });
        Self { files, segment_bytes, state }
    }

    /// Removes files that were cut off while they were made: they are of no use.
    pub(super) fn remove_useless(&self) {
        let spares = std::mem::take(&mut self.state.lock().spares);
        let (spares, useless): (Vec<_>, Vec<_>) =
            spares.into_iter().partition(|file| file.bytes == self.segment_bytes);
        self.state.lock().spares = spares;
        for file in useless {
            remove(&*self.files, &file);
        }
    }

    /// Where the files are.
    pub(super) fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    /// The file of a segment.
    pub(super) fn file(&self, number: u64) -> Option<SegmentFile> {
        self.state.lock().all.get(&number).map(|segment| segment.file.clone())
    }

    /// Begins a segment with that number which has room for so many octets.
    pub(super) fn begin(&self, header: SegmentHeader, bytes: u64) -> io::Result<SegmentFile> {
        let needed = (DATA_START + bytes).next_multiple_of(DATA_START);
        let file = match self.take_spare(needed) {
            Some(file) => file,
            None => self.create(needed.max(self.usual_bytes()), false)?,
        };
        // Synced before any record is written: a file without its header holds no batch that
        // anybody relies on.
        let units = u32::try_from(file.bytes / DATA_START).unwrap_or(u32::MAX);
        let header = SegmentHeader { units, ..header };
        if let Err(error) = header.write(&*file.file).and_then(|()| file.file.sync()) {
            // On a full disk this is tried again and again: not with a new file each time,
            // and always with the same one, so that no two ever carry one number.
            self.state.lock().spares.insert(0, file);
            return Err(error);
        }
        let segment = Segment { file: file.clone(), living: Living::default(), moving: false };
        self.state.lock().all.insert(header.number, segment);
        Ok(file)
    }

    /// Everything before this place is on disk and known to the indexes.
    pub(super) fn advance(&self, position: Position, tally: &mut Tally) {
        let mut state = self.state.lock();
        state.position = position;
        for (number, change) in tally.drain() {
            if let Some(segment) = state.all.get_mut(&u64::from(number)) {
                segment.living.items += change.items;
                segment.living.bytes += change.bytes;
            }
        }
    }

    /// Up to where everything is on disk and known to the indexes.
    pub(super) fn position(&self) -> Position {
        self.state.lock().position
    }

    /// The same, and the segments before in which nothing lives. What is dead stays dead: whatever
    /// a checkpoint writes after this was asked does not name them. What dies later may have been
    /// written as living, so it is left to the next checkpoint.
    pub(super) fn begin_checkpoint(&self) -> (Position, Vec<u64>) {
        let state = self.state.lock();
        let before = state.all.range(..state.position.segment);
        let dead = before.filter(|(_, s)| s.living.items <= 0).map(|(number, _)| *number);
        (state.position, dead.collect())
    }

    /// Frees the segments that were dead when a checkpoint began, once it is on disk.
    pub(super) fn reclaim(&self, dead: &[u64]) {
        let freed: Vec<SegmentFile> = {
            let mut state = self.state.lock();
            dead.iter().filter_map(|number| state.all.remove(number)).map(|s| s.file).collect()
        };
        let spares_max = if self.has_little_room() { SPARES_IDLE_MAX } else { SPARES_MAX };
        for file in freed {
            self.free(file, spares_max);
        }
    }

    /// Keeps a file for later, or removes it.
    fn free(&self, file: SegmentFile, spares_max: usize) {
        let keep = {
            let state = self.state.lock();
            file.bytes == self.segment_bytes && state.spares.len() < spares_max
        };
        // The mark is for whoever has lost the catalogue; nothing relies on its being there.
        let marked = SegmentHeader::default().write(&*file.file);
        if keep && marked.is_ok() {
            self.state.lock().spares.push(file);
        } else {
            remove(&*self.files, &file);
        }
    }

    /// Sees to it that one file is ready to be used, and that not too many are.
    pub(super) fn tidy_spares(&self) {
        let surplus = {
            let mut state = self.state.lock();
            let keep = state.spares.len().min(SPARES_IDLE_MAX);
            state.spares.split_off(keep)
        };
        for file in surplus {
            self.free(file, 0);
        }
        let is_wanted = self.state.lock().spares.is_empty() && !self.has_little_room();
        if is_wanted {
            // Without room there will be one later.
            if let Ok(file) = self.create(self.segment_bytes, true) {
                self.state.lock().spares.push(file);
            }
        }
    }

    /// The segment that is most worth being emptied, if the files take more than they should:
    /// twice what lives, and the segment that is written to; a quarter more than what lives while
    /// the disk has little room. (A spare file comes on top.)
    pub(super) fn sparse(&self) -> Option<(u64, Segment)> {
        let free_bytes = self.files.free_bytes().unwrap_or(u64::MAX);
        let mut state = self.state.lock();
        let current = state.position.segment;
        let staying = state.all.values().filter(|segment| !segment.moving);
        let taken_bytes: u64 = staying.map(|segment| segment.file.bytes).sum();
        let living_bytes: i64 = state.all.values().map(|segment| segment.living.bytes).sum();
        let living_bytes = living_bytes.max(0).cast_unsigned();
        let is_tight = free_bytes < taken_bytes / 2;
        let (more_bytes, share) =
            if is_tight { (living_bytes / 4, (4, 5)) } else { (living_bytes, (1, 2)) };
        if taken_bytes <= living_bytes + more_bytes + self.segment_bytes {
            return None;
        }
        let is_sparse = |segment: &Segment| {
            let limit_bytes = segment.file.bytes / share.1 * share.0;
            segment.living.items > 0 && segment.living.bytes < limit_bytes.cast_signed()
        };
        let old = state.all.iter_mut().filter(|(n, s)| **n < current && !s.moving);
        let (number, segment) =
            old.filter(|(_, s)| is_sparse(s)).min_by_key(|(_, s)| s.living.bytes)?;
        segment.moving = true;
        Some((*number, segment.clone()))
    }

    /// What lives in a segment could not all be moved: another time.
    pub(super) fn stay(&self, number: u64) {
        if let Some(segment) = self.state.lock().all.get_mut(&number) {
            segment.moving = false;
        }
    }

    /// How many segments the log has, and how many octets of their files something wants, or
    /// nothing does.
    pub(super) fn figures(&self) -> (u64, u64, u64) {
        let state = self.state.lock();
        let bytes: u64 = state.all.values().map(|segment| segment.file.bytes).sum();
        let living_bytes: i64 = state.all.values().map(|segment| segment.living.bytes).sum();
        let living_bytes = living_bytes.max(0).cast_unsigned();
        (state.all.len() as u64, living_bytes, bytes.saturating_sub(living_bytes))
    }

    /// Every segment of the log.
    pub(super) fn all(&self) -> BTreeMap<u64, Segment> {
        self.state.lock().all.clone()
    }

    /// Less than usual while the disk has little room: a start needs a segment too.
    fn usual_bytes(&self) -> u64 {
        if self.has_little_room() { self.segment_bytes / SMALL_PARTS } else { self.segment_bytes }
    }

    fn has_little_room(&self) -> bool {
        let free_bytes = self.files.free_bytes().unwrap_or(u64::MAX);
        free_bytes < LITTLE_ROOM_SEGMENTS * self.segment_bytes
    }

    fn take_spare(&self, bytes: u64) -> Option<SegmentFile> {
        let mut state = self.state.lock();
        let found = state.spares.iter().position(|file| file.bytes >= bytes)?;
        Some(state.spares.swap_remove(found))
    }

    fn create(&self, bytes: u64, written: bool) -> io::Result<SegmentFile> {
        let number = {
            let mut state = self.state.lock();
            state.next_file += 1;
            state.next_file
        };
        SegmentFile::create(&*self.files, number, bytes, written)
    }
}

fn remove(files: &dyn Files, file: &SegmentFile) {
    if let Err(error) = files.remove(&file.name) {
        tracing::warn!(file = &*file.name, %error, "a file of the log cannot be removed");
    }
}
