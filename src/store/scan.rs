//! Reading a segment from end to end: batch by batch, telling a torn end from damage.
//!
//! What was not synced may be torn, or be there in part: at the end of the log such a batch is
//! dropped whole, since nothing of it was ever answered for. What was synced must be sound:
//! whatever is not is damage, reported with its place, and everything sound around it is kept.

use std::io;
use std::sync::Arc;

use super::record::{
    ALIGN_BYTES, HEADER_BYTES, Kind, MARK_RECORD_BYTES, Mark, Place, Raw, claimed_bytes, decode,
    decode_mark, parse,
};
use super::segment::{DATA_START, SegmentFile};

/// A search reads pieces of this size.
const SEARCH_BYTES: usize = 1024 * 1024;

/// Something that cannot be read though it was synced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The file's name.
    pub file: Arc<str>,
    /// Where it begins.
    pub offset: u64,
    /// How much of the file.
    pub bytes: u64,
    /// What it is.
    pub what: String,
}

/// What is known of a segment before it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Its number.
    pub number: u64,
    /// The data directory's own number.
    pub salt: u64,
    /// Where to begin.
    pub start: u64,
    /// The number of the mark that is there, if known.
    pub mark: Option<u64>,
    /// Where the log ends in it, if the next segment says so: then all of it was synced.
    pub end: Option<u64>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// Where the log ends.
    pub end: u64,
    /// The number of the next mark.
    pub next_mark: Option<u64>,
    /// What cannot be read.
    pub damage: Vec<Damage>,
    /// Octets of a torn batch at the end.
    pub torn_bytes: u64,
}

/// Reads a segment; `each` gets every sound record, marks too, in order.
pub(super) fn scan(
    segment: &SegmentFile,
    extent: Extent,
    each: &mut dyn FnMut(Place, Raw<'_>),
) -> io::Result<Scanned> {
    let limit = extent.end.unwrap_or(segment.bytes).min(segment.bytes);
    let mut scan = Scan { segment, extent, limit, buffer: Vec::new(), found: Scanned::default() };
    scan.found.next_mark = extent.mark;
    scan.run(each)?;
    Ok(scan.found)
}

struct Scan<'a> {
    segment: &'a SegmentFile,
    extent: Extent,
    limit: u64,
    buffer: Vec<u8>,
    found: Scanned,
}

impl Scan<'_> {
    fn run(&mut self, each: &mut dyn FnMut(Place, Raw<'_>)) -> io::Result<()> {
        let mut at = self.extent.start.max(DATA_START);
        while at < self.limit {
            let Some(mark) = self.mark_at(at)?.filter(|mark| self.is_next(*mark)) else {
                match self.next_mark_after(at)? {
                    Some((next, _)) => self.salvage(at, next, each)?,
                    None if self.extent.end.is_some() => self.salvage(at, self.limit, each)?,
                    None => break,
                }
                at = self.next_mark_after(at)?.map_or(self.limit, |(next, _)| next);
                continue;
            };
            let end = at.saturating_add(mark.batch_bytes);
            let whole = end <= self.limit && self.batch_is_sound(at, mark.batch_bytes)?;
            if whole {
                self.deliver(at, each);
            } else if self.extent.end.is_some() || self.next_mark_after(at + 1)?.is_some() {
                self.salvage(at, end.min(self.limit), each)?;
            } else {
                self.found.torn_bytes = end.min(self.limit) - at;
                break;
            }
            self.found.next_mark = Some(mark.number + 1);
            at = end;
        }
        self.found.end = at.min(self.limit);
        Ok(())
    }

    fn is_next(&self, mark: Mark) -> bool {
        self.found.next_mark.is_none_or(|next| mark.number >= next)
            && mark.batch_bytes >= MARK_RECORD_BYTES
    }

    fn place(&self, offset: u64) -> Place {
        Place { segment: self.extent.number, offset, salt: self.extent.salt }
    }

    fn mark_at(&self, at: u64) -> io::Result<Option<Mark>> {
        let mut octets = [0; MARK_RECORD_BYTES as usize];
        let read = self.segment.file.read_at(&mut octets, at)?;
        Ok(mark_in(octets.get(..read).unwrap_or_default(), self.place(at)))
    }

    /// Reads a batch into the buffer; whether all of it is sound.
    fn batch_is_sound(&mut self, at: u64, bytes: u64) -> io::Result<bool> {
        self.buffer.resize(bytes as usize, 0);
        let read = self.segment.file.read_at(&mut self.buffer, at)?;
        self.buffer.truncate(read);
        let mut offset = 0;
        while offset < bytes {
            let octets = self.buffer.get(offset as usize..).unwrap_or_default();
            let Some(raw) = decode(octets, self.place(at + offset)) else { return Ok(false) };
            offset += raw.bytes;
        }
        Ok(offset == bytes)
    }

    /// Hands over what the buffer holds, which is sound.
    fn deliver(&self, at: u64, each: &mut dyn FnMut(Place, Raw<'_>)) {
        let mut offset = 0;
        while let Some(raw) = self
            .buffer
            .get(offset as usize..)
            .and_then(|octets| parse(octets, self.place(at + offset)))
        {
            each(self.place(at + offset), raw);
            offset += raw.bytes;
        }
    }

    /// Hands over what is sound between two offsets, and reports the rest.
    fn salvage(
        &mut self,
        from: u64,
        to: u64,
        each: &mut dyn FnMut(Place, Raw<'_>),
    ) -> io::Result<()> {
        let mut buffer = vec![0; to.saturating_sub(from) as usize];
        let read = self.segment.file.read_at(&mut buffer, from)?;
        buffer.truncate(read);
        let (mut offset, mut bad_from) = (0_u64, None);
        while from + offset < to {
            let octets = buffer.get(offset as usize..).unwrap_or_default();
            if let Some(raw) = decode(octets, self.place(from + offset)) {
                self.report(bad_from.take(), from + offset);
                each(self.place(from + offset), raw);
                offset += raw.bytes;
            } else {
                bad_from.get_or_insert(from + offset);
                offset += ALIGN_BYTES as u64;
            }
        }
        self.report(bad_from, to);
        Ok(())
    }

    fn report(&mut self, from: Option<u64>, to: u64) {
        let Some(from) = from else { return };
        self.found.damage.push(Damage {
            file: self.segment.name.clone(),
            offset: from,
            bytes: to - from,
            what: format!("no sound record in segment {}", self.extent.number),
        });
    }

    /// The next mark behind `at` that was written when `at` had been synced.
    fn next_mark_after(&self, at: u64) -> io::Result<Option<(u64, Mark)>> {
        let mut from = at.next_multiple_of(ALIGN_BYTES as u64);
        let mut buffer = vec![0; SEARCH_BYTES];
        while from < self.limit {
            let read = self.segment.file.read_at(&mut buffer, from)?;
            let octets = buffer.get(..read).unwrap_or_default();
            let mut offset = 0;
            while offset + MARK_RECORD_BYTES as usize <= read {
                let place = self.place(from + offset as u64);
                let here = octets.get(offset..offset + MARK_RECORD_BYTES as usize);
                if let Some(mark) = here.and_then(|here| mark_in(here, place))
                    && self.is_next(mark)
                    && (self.extent.end.is_some() || mark.synced_to > at)
                    && place.offset < self.limit
                {
                    return Ok(Some((place.offset, mark)));
                }
                offset += ALIGN_BYTES;
            }
            if read < buffer.len() {
                break;
            }
            from += (read - MARK_RECORD_BYTES as usize) as u64;
        }
        Ok(None)
    }
}

fn mark_in(octets: &[u8], place: Place) -> Option<Mark> {
    if claimed_bytes(octets.get(..HEADER_BYTES)?, place)? != MARK_RECORD_BYTES {
        return None;
    }
    let raw = decode(octets, place)?;
    (raw.kind == Some(Kind::Mark)).then(|| decode_mark(raw.payload)).flatten()
}
