//! The start: the catalogue's last checkpoint, and the log from there on.
//!
//! Why this is right is told in docs/format.md, "Recovery". Reads everything back as plain values;
//! knows nothing of brokers.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use hashbrown::HashSet;

use super::catalogue::{Catalogue, Tree};
use super::contents::{Contents, Defined};
use super::files::Files;
use super::index::{SUMMARY_KEY, decode_page_key};
use super::meta::{self, QueueRecord};
use super::page::Summary;
use super::record::{
    Kind, MARK_RECORD_BYTES, Place, Published, Raw, decode, decode_definition, decode_queue,
};
use super::scan::{Damage, Extent, Scanned, scan};
use super::segment::{DATA_START, SegmentFile, SegmentHeader};
use super::segments::{Position, Segment, Segments};
use super::tally::{Living, Tally};
use super::{QueueId, RecoveredQueue, StoreError};

/// What a start has found.
#[derive(Debug)]
pub(super) struct Found {
    /// What the log adds up to.
    pub contents: Contents,
    /// Its segments.
    pub segments: Segments,
    /// The data directory's own number.
    pub salt: u64,
    /// No queue has this number or a higher one.
    pub next_queue: u64,
    /// Per queue with messages.
    pub queues: HashMap<QueueId, RecoveredQueue>,
    /// What cannot be read.
    pub damage: Vec<Damage>,
    /// Octets of the log that were read.
    pub replayed_bytes: u64,
    /// The broker had been stopped in good order.
    pub clean: bool,
}

/// Reads everything back. `rebuild`: the catalogue was lost, and the whole log is read.
/// `repair`: the log's end is synced and files without use are kept for later; without it nothing
/// is written.
pub(super) fn recover(
    files: Arc<dyn Files>,
    catalogue: &Arc<dyn Catalogue>,
    segment_bytes: u64,
    new_salt: u64,
    repair: bool,
) -> Result<Found, StoreError> {
    let known = meta::read_position(&**catalogue)?;
    let all = list(&*files)?;
    let rebuilding = known.is_none() && !all.sound.is_empty();
    let salt = meta::read_number(&**catalogue, meta::SALT)?;
    let salt = salt.or_else(|| all.salt()).unwrap_or(new_salt);
    if known.is_none() && !rebuilding && repair {
        begin_catalogue(&**catalogue, salt)?;
    }
    let contents = Contents::new(catalogue.clone());
    let mut start = Start {
        position: known.unwrap_or_default(),
        clean: meta::read_clean(&**catalogue)?,
        rebuilding,
        salt,
        records: HashMap::new(),
        damage: Vec::new(),
        missing: Vec::new(),
        headless: Vec::new(),
        highest_queue: 0,
        tally: Tally::default(),
        replayed_bytes: 0,
        contents,
    };
    if rebuilding {
        tracing::error!(
            segments = all.sound.len(),
            "the catalogue is empty though the log is not: it is made anew from the log, and \
             messages that were acknowledged before may come back"
        );
    }
    start.read_catalogue()?;
    let last_file = all.last_file;
    let (log, free) = start.sort_out(all)?;
    let end = start.replay(&log, repair)?;
    let log = log.into_iter().map(|(number, (file, _))| {
        (number, Segment { file, living: Living::default(), moving: false })
    });
    let segments = Segments::new(files, segment_bytes, log.collect(), free, last_file);
    start.finish(segments, end)
}

/// Before the first segment is: so that an empty catalogue beside a log is known to be a loss.
fn begin_catalogue(catalogue: &dyn Catalogue, salt: u64) -> Result<(), StoreError> {
    let facts = vec![meta::number(meta::SALT, salt), meta::position(Position::default())];
    catalogue.apply(Tree::Meta, facts)?;
    catalogue.sync()?;
    Ok(())
}

/// The files of the log as they were found.
pub(super) struct Listing {
    /// With a sound header, by number.
    pub sound: BTreeMap<u64, (SegmentFile, SegmentHeader)>,
    /// With none, or one that says that the file is free.
    pub others: Vec<SegmentFile>,
    last_file: u64,
}

impl Listing {
    fn salt(&self) -> Option<u64> {
        self.sound.values().next().map(|(_, header)| header.salt)
    }
}

/// Looks at every file of the log.
pub(super) fn list(files: &dyn Files) -> io::Result<Listing> {
    let mut listing = Listing { sound: BTreeMap::new(), others: Vec::new(), last_file: 0 };
    for name in files.list()? {
        let Some(number) = SegmentFile::number_of(&name) else { continue };
        listing.last_file = listing.last_file.max(number);
        let named = |error: io::Error| in_file(&name, &error);
        let file = SegmentFile::open(files, &name).map_err(named)?;
        match SegmentHeader::read(&*file.file).map_err(named)? {
            Some(header) if header.number > 0 => {
                if let Some((twin, _)) = listing.sound.insert(header.number, (file, header)) {
                    listing.others.push(twin);
                }
            }
            _ => listing.others.push(file),
        }
    }
    Ok(listing)
}

/// Whoever reads of an error wants to know which file it is.
fn in_file(name: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {error}"))
}

/// The segments that count, in order, and where each ends if the next one says so.
type Log = BTreeMap<u64, (SegmentFile, Option<u64>)>;

struct Start {
    position: Position,
    clean: Option<Position>,
    rebuilding: bool,
    salt: u64,
    records: HashMap<QueueId, QueueRecord>,
    damage: Vec<Damage>,
    /// Segments that should be there.
    missing: Vec<u64>,
    /// Segments that were found by their first record.
    headless: Vec<(u64, SegmentFile)>,
    highest_queue: u64,
    tally: Tally,
    replayed_bytes: u64,
    contents: Contents,
}

impl Start {
    /// What the last checkpoint has written.
    fn read_catalogue(&mut self) -> Result<(), StoreError> {
        let catalogue = self.contents.catalogue.clone();
        let mut bad = 0;
        catalogue.scan(Tree::Definitions, &[], &mut |key, value| {
            let Some((segment, value)) = meta::decode_definition(value) else {
                bad += 1;
                return true;
            };
            let defined = Defined { segment, value: value.into() };
            self.tally.change(segment as u32, 1, defined.bytes(key));
            self.contents.definitions.lock().all.insert(key.to_vec(), defined);
            true
        })?;
        catalogue.scan(Tree::Queues, &[], &mut |key, value| {
            match (meta::decode_queue_key(key), QueueRecord::decode(value)) {
                (Some(queue), Some(record)) => {
                    // It has an index, so that the record goes with the queue.
                    self.contents.index_or_new(queue).lock().raise_last(record.last);
                    self.records.insert(queue, record);
                }
                _ => bad += 1,
            }
            true
        })?;
        catalogue.scan(Tree::Pages, &[SUMMARY_KEY], &mut |key, value| {
            match (decode_page_key(key), Summary::decode(value)) {
                (Some((queue, page)), Some(summary)) => {
                    summary.shares.iter().for_each(|share| self.tally.add_share(share));
                    let index = self.contents.index_or_new(queue);
                    index.lock().add_stored(page, summary);
                }
                _ => bad += 1,
            }
            true
        })?;
        if bad > 0 {
            tracing::error!(bad, "the catalogue holds values that cannot be read; they are kept");
        }
        for (_, index) in self.contents.indexes() {
            index.lock().remove_transient(&*catalogue, &mut self.tally);
        }
        Ok(())
    }

    /// Which files are the log, and which are of no use any more.
    fn sort_out(&mut self, all: Listing) -> io::Result<(Log, Vec<SegmentFile>)> {
        let mut needed: HashSet<u64> = HashSet::new();
        for (segment, living) in self.tally.iter() {
            if living.items > 0 {
                needed.insert(u64::from(segment));
            }
        }
        let last = all.sound.keys().next_back().copied().unwrap_or(0).max(self.position.segment);
        let from = if self.rebuilding { last + 1 } else { self.position.segment.max(1) };
        needed.extend(from..=last);
        if self.rebuilding {
            needed.extend(all.sound.keys());
        }
        let lengths: HashMap<u64, u64> =
            all.sound.iter().map(|(number, (_, header))| (*number, header.file_bytes())).collect();
        let ends: HashMap<u64, u64> =
            all.sound.values().map(|(_, header)| (header.previous, header.previous_end)).collect();
        let (mut log, mut free, mut others) = (Log::new(), Vec::new(), all.others);
        for (number, (file, _)) in all.sound {
            if needed.remove(&number) {
                log.insert(number, (file, ends.get(&number).copied()));
            } else {
                free.push(file);
            }
        }
        // Nothing says how many follow the last one whose header is sound.
        let behind = (last + 1..).map_while(|number| {
            find_without_header(&mut others, number, self.salt).map(|file| (number, file))
        });
        let mut headless: Vec<_> = behind.collect();
        for number in needed {
            match find_without_header(&mut others, number, self.salt) {
                Some(file) => headless.push((number, file)),
                None => self.missing.push(number),
            }
        }
        for (number, file) in headless {
            self.headless.push((number, file.clone()));
            log.insert(number, (file, ends.get(&number).copied()));
        }
        for file in others {
            if SegmentHeader::was_never_written(&*file.file)? {
                free.push(file);
            } else {
                let what = "what was in this file cannot be told any more; it is left alone";
                self.report(&file, 0, file.bytes, what.to_owned());
            }
        }
        for (number, (file, end)) in &log {
            let whole = end.unwrap_or(0).max(lengths.get(number).copied().unwrap_or(0));
            if file.bytes < whole {
                let what = "the file has been cut short".to_owned();
                self.report(file, file.bytes, whole - file.bytes, what);
            }
        }
        Ok((log, free))
    }

    fn report(&mut self, file: &SegmentFile, offset: u64, bytes: u64, what: String) {
        self.damage.push(Damage { file: file.name.clone(), offset, bytes, what });
    }

    /// A segment has its header no more, or a power cut took it before it was synced. `previous`:
    /// where the one before it ends, if that is known.
    fn on_headless(
        &mut self,
        number: u64,
        file: &SegmentFile,
        previous: Option<&Position>,
        repair: bool,
    ) -> io::Result<()> {
        let lives = self.tally.iter().any(|(n, living)| u64::from(n) == number && living.items > 0);
        if !lives && number < self.position.segment {
            return Ok(());
        }
        if number <= self.position.segment || !SegmentHeader::was_never_written(&*file.file)? {
            let what = format!("the header of segment {number} is damaged");
            self.report(file, 0, DATA_START, what);
        }
        if repair {
            let previous = previous.copied().unwrap_or_default();
            let header = SegmentHeader {
                number,
                previous_end: previous.offset,
                previous: previous.segment,
                first_mark: previous.mark,
                salt: self.salt,
                units: u32::try_from(file.bytes / DATA_START).unwrap_or(u32::MAX),
            };
            header.write(&*file.file)?;
            file.file.sync()?;
        }
        Ok(())
    }

    /// A segment is gone with all that lived in it, unless the log behind it has moved or removed
    /// it: sled may have taken a damaged part of its file for a torn end and gone back to an
    /// earlier checkpoint, whose segments have been used for something else since.
    fn on_missing(&mut self, number: u64) {
        let catalogue = self.contents.catalogue.clone();
        let mut lost = 0;
        for (queue, index) in self.contents.indexes() {
            let gone = index.lock().remove_segment(number, &*catalogue, &mut self.tally);
            if gone > 0 {
                tracing::error!(segment = number, queue = queue.0, messages = gone, "lost");
            }
            lost += gone;
        }
        if lost == 0 && number < self.position.segment {
            return;
        }
        let what = format!("segment {number} is missing, and {lost} messages that the index has");
        self.damage.push(Damage { file: "".into(), offset: 0, bytes: 0, what });
    }

    /// Reads the log from the checkpoint on; where it ends.
    fn replay(&mut self, log: &Log, repair: bool) -> Result<Position, StoreError> {
        let mut end = self.position;
        let mut ends: HashMap<u64, Position> = HashMap::new();
        // Then the record that a moved message was published with may be missing too.
        let stale = self.missing.iter().any(|number| *number >= self.position.segment);
        let first = if self.rebuilding { 0 } else { self.position.segment };
        for (&number, (file, known_end)) in log.range(first..) {
            let here = number == self.position.segment && !self.rebuilding;
            let start = if here { self.position.offset } else { DATA_START };
            let mark = if here { Some(self.position.mark) } else { None };
            let extent = Extent { number, salt: self.salt, start, mark, end: *known_end };
            let Self { contents, tally, highest_queue, .. } = self;
            let moves_are_messages = self.rebuilding || stale;
            let scanned = scan(file, extent, &mut |place, raw| {
                *highest_queue = (*highest_queue).max(highest_queue_in(raw));
                contents.replay(place, raw, moves_are_messages, tally);
            });
            let scanned = scanned.map_err(|error| in_file(&file.name, &error))?;
            self.replayed_bytes += scanned.end.saturating_sub(start);
            if repair && known_end.is_none() {
                // A process that was killed may have left this to the system; from now on we
                // rely on it.
                file.file.sync().map_err(|error| in_file(&file.name, &error))?;
            }
            let Scanned { end: offset, next_mark, damage, torn_bytes } = scanned;
            if torn_bytes > 0 {
                tracing::info!(file = &*file.name, offset, torn_bytes, "dropped a torn batch");
            }
            self.damage.extend(damage);
            end = Position { segment: number, offset, mark: next_mark.unwrap_or(end.mark) };
            ends.insert(number, end);
        }
        let indexed = self.contents.indexes().into_iter().map(|(queue, _)| queue);
        let defined = self.contents.defined_queues();
        let seen = indexed.chain(defined.iter().flatten().copied()).map(|queue| queue.0).max();
        self.highest_queue = self.highest_queue.max(seen.unwrap_or(0));
        if let Some(defined) = defined {
            let is_damaged = !self.damage.is_empty();
            drop_undefined(&self.contents, &defined, is_damaged, &mut self.tally);
        }
        // What the log says to be elsewhere by now, or gone, needs none of them.
        for (number, file) in std::mem::take(&mut self.headless) {
            self.on_headless(number, &file, ends.get(&(number - 1)), repair)?;
        }
        for number in std::mem::take(&mut self.missing) {
            self.on_missing(number);
        }
        Ok(end)
    }

    fn finish(self, segments: Segments, end: Position) -> Result<Found, StoreError> {
        let Self { contents, mut tally, salt, records, damage, replayed_bytes, .. } = self;
        let clean = self.clean == Some(end) && replayed_bytes == 0;
        segments.advance(end, &mut tally);
        let next_queue = meta::read_number(&*contents.catalogue, meta::NEXT_QUEUE)?.unwrap_or(1);
        // Also behind queues that are gone: on disk there may be messages of theirs for long.
        let next_queue = next_queue.max(self.highest_queue + 1);
        let queues = recovered_queues(&contents, &records, clean);
        for damaged in &damage {
            tracing::error!(
                file = &*damaged.file,
                offset = damaged.offset,
                bytes = damaged.bytes,
                what = damaged.what,
                "the log is damaged; what can be read is kept"
            );
        }
        Ok(Found { contents, segments, salt, next_queue, queues, damage, replayed_bytes, clean })
    }
}

fn highest_queue_in(raw: Raw<'_>) -> u64 {
    let of_queue = |octets| decode_queue(octets).unwrap_or_default().0;
    match raw.kind {
        Some(Kind::Publish | Kind::Move) => {
            let published = Published::decode(raw.payload);
            published.and_then(|p| p.refs().map(|r| r.queue.0).max()).unwrap_or(0)
        }
        Some(Kind::Forget) => decode_definition(raw.payload).map_or(0, |(_, rest)| of_queue(rest)),
        Some(Kind::Drop) => of_queue(raw.payload),
        _ => 0,
    }
}

/// A file that begins with a mark of that segment: its header was damaged.
fn find_without_header(
    others: &mut Vec<SegmentFile>,
    number: u64,
    salt: u64,
) -> Option<SegmentFile> {
    let begins = |file: &SegmentFile| {
        let mut octets = [0; MARK_RECORD_BYTES as usize];
        let read = file.file.read_at(&mut octets, DATA_START).unwrap_or(0);
        let place = Place { segment: number, offset: DATA_START, salt };
        let first = octets.get(..read).and_then(|octets| decode(octets, place));
        first.is_some_and(|raw| raw.kind == Some(Kind::Mark))
    };
    let found = others.iter().position(begins)?;
    Some(others.swap_remove(found))
}

/// Messages of queues that are not defined were never to survive, or went with their queue. In a
/// damaged log the definition may be what was hit: then it is said.
fn drop_undefined(
    contents: &Contents,
    defined: &HashSet<QueueId>,
    is_damaged: bool,
    tally: &mut Tally,
) {
    for (queue, index) in contents.indexes() {
        if defined.contains(&queue) {
            continue;
        }
        let messages = index.lock().live();
        if is_damaged && messages > 0 {
            tracing::error!(queue = queue.0, messages, "dropped with their queue's definition");
        }
        contents.drop_queue(queue, tally);
    }
}

fn recovered_queues(
    contents: &Contents,
    records: &HashMap<QueueId, QueueRecord>,
    clean: bool,
) -> HashMap<QueueId, RecoveredQueue> {
    let mut queues = HashMap::new();
    // Every queue with a record has an index.
    for (queue, index) in contents.indexes() {
        let index = index.lock();
        let (last, levels) = (index.last(), index.levels());
        // Without a stop in good order anything may have been delivered.
        let delivered = records.get(&queue).map_or(0, |record| record.delivered_to);
        let delivered_to = if clean { delivered } else { last };
        queues.insert(queue, RecoveredQueue { last, delivered_to, levels });
    }
    queues
}

#[cfg(test)]
mod tests;
