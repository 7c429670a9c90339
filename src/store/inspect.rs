//! What `warren check` and `warren dump` share: a data directory that no broker uses, opened to be
//! looked at.
//!
//! Nothing in the directory is made or changed, so it may be mounted for reading only. sled writes
//! when it opens: what is opened is a copy of the catalogue. Knows not what is looked for.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::check::Checking;
use super::directory::lock_to_look;
use super::disk::Disk;
use super::dump::Dumping;
use super::files::Files;
use super::index::QueueIndex;
use super::inspect_copy::CatalogueCopy;
use super::locator::Locator;
use super::meta;
use super::open::{CATALOGUE, LOG};
use super::page::first_id;
use super::record::{Kind, Place, Published, Raw, decode};
use super::recover::{Found, Listing, list, recover};
use super::scan::{Extent, Scanned, scan};
use super::segment::{DATA_START, SEGMENT_BYTES, SegmentFile};
use super::segments::Position;
use crate::message::{Attempts, MessageId};

/// Exit code of both when nothing is wrong.
pub const EXIT_SOUND: u8 = 0;
/// Exit code of both when some of what is stored is damaged.
pub const EXIT_DAMAGED: u8 = 1;
/// Exit code of both when what is stored cannot be read at all.
pub const EXIT_UNREADABLE: u8 = 2;

/// What is written down beside the definitions, the queues and the segments.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DumpOptions {
    /// Every record of the log.
    pub records: bool,
    /// The messages that a start would bring back.
    pub messages: bool,
    /// Only those of queues with this name or number.
    pub queue: Option<String>,
}

/// Reads everything and tells what is wrong; gives the exit code. An error is one of `out`.
pub fn check(data_dir: &Path, out: &mut dyn Write) -> io::Result<u8> {
    let mut out = BufWriter::new(out);
    let code = match Look::open(data_dir) {
        Ok(look) => Checking::new(&look, &mut out).run()?,
        Err(why) => unreadable(data_dir, &why, &mut out)?,
    };
    out.flush()?;
    Ok(code)
}

/// Writes down what is stored; gives the exit code. An error is one of `out`.
pub fn dump(data_dir: &Path, options: &DumpOptions, out: &mut dyn Write) -> io::Result<u8> {
    let mut out = BufWriter::new(out);
    let code = match Look::open(data_dir) {
        Ok(look) => Dumping::new(&look, &mut out).run(options)?,
        Err(why) => unreadable(data_dir, &why, &mut out)?,
    };
    out.flush()?;
    Ok(code)
}

fn unreadable(data_dir: &Path, why: &str, out: &mut dyn Write) -> io::Result<u8> {
    writeln!(out, "cannot read {}: {why}", data_dir.display())?;
    Ok(EXIT_UNREADABLE)
}

/// A data directory as a start would find it.
pub(super) struct Look {
    /// The files of the log, as they were listed.
    pub listing: Listing,
    /// A copy of the catalogue; empty if there is none or sled does not open it.
    pub catalogue: Arc<dyn Catalogue>,
    /// Why the catalogue is an empty one, if that is so.
    pub catalogue_lost: Option<String>,
    /// Why brokers could not be kept out, if that is so.
    pub unlocked: Option<io::Error>,
    /// What a start would recover.
    pub found: Found,
    /// Where the checkpoint says that reading begins.
    pub position: Option<Position>,
    // Given up last: the copy first, then the lock.
    _copy: CatalogueCopy,
    _lock: Option<File>,
}

impl Look {
    fn open(data_dir: &Path) -> Result<Self, String> {
        let text = |error: io::Error| error.to_string();
        data_dir.read_dir().map_err(text)?;
        let (log, catalogue) = (data_dir.join(LOG), data_dir.join(CATALOGUE));
        if !log.is_dir() && !catalogue.is_dir() {
            return Err(format!("there is neither a folder {LOG} nor {CATALOGUE} in it"));
        }
        let lock = lock_to_look(data_dir).map_err(|error| error.to_string())?;
        let (lock, unlocked) = match lock {
            Ok(lock) => (Some(lock), None),
            Err(error) => (None, Some(error)),
        };
        let files: Arc<dyn Files> =
            Arc::new(Disk::look_at(&log).map_err(|error| format!("{LOG}: {error}"))?);
        let listing = list(&*files).map_err(|error| format!("{LOG}: {error}"))?;
        let copy = CatalogueCopy::make(&catalogue)
            .map_err(|error| format!("the catalogue cannot be copied to be read: {error}"))?;
        let (catalogue, catalogue_lost) = copy.open().map_err(|error| error.to_string())?;
        let position = meta::read_position(&*catalogue).map_err(|error| error.to_string())?;
        let found = recover(files, &catalogue, SEGMENT_BYTES, 0, false);
        let found = found.map_err(|error| error.to_string())?;
        Ok(Self {
            listing,
            catalogue,
            catalogue_lost,
            unlocked,
            found,
            position,
            _copy: copy,
            _lock: lock,
        })
    }

    /// Reads every record of a segment, with all that is known of where the log ends in it.
    pub(super) fn scan(
        &self,
        number: u64,
        file: &SegmentFile,
        each: &mut dyn FnMut(Place, Raw<'_>),
    ) -> io::Result<Scanned> {
        let headers = self.listing.sound.values();
        let next = headers.map(|(_, h)| h).find(|h| h.previous == number && h.previous_end > 0);
        let known_end = next.map(|header| header.previous_end);
        let salt = self.found.salt;
        let whole = Extent { number, salt, start: DATA_START, mark: None, end: known_end };
        let position = self.position.filter(|position| position.segment == number);
        let (None, Some(position)) = (known_end, position) else {
            return scan(file, whole, each);
        };
        // A checkpoint names only what was synced.
        let first = Extent { end: Some(position.offset), ..whole };
        let mut scanned = scan(file, first, each)?;
        let rest = Extent { start: position.offset, mark: Some(position.mark), ..whole };
        let rest = scan(file, rest, each)?;
        scanned.damage.extend(rest.damage);
        Ok(Scanned { damage: scanned.damage, ..rest })
    }

    /// The living messages of an index in order, a page at a time: so it takes no more memory
    /// than that. `each` ends it with a break.
    pub(super) fn each_message(
        &self,
        index: &mut QueueIndex,
        each: &mut dyn FnMut(MessageId, Locator, Attempts) -> ControlFlow<io::Error>,
    ) -> io::Result<()> {
        let mut ended = ControlFlow::Continue(());
        for page in index.page_numbers() {
            let last = MessageId(first_id(page + 1).0.saturating_sub(1));
            index.range(first_id(page), last, &*self.catalogue, 0, |id, at, attempts| {
                ended = each(id, at, attempts);
                ended.is_break()
            });
            index.evict(u64::MAX);
            if let ControlFlow::Break(error) = ended {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reads the record of a message into the buffer.
    pub(super) fn read<'a>(
        &self,
        at: Locator,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Published<'a>, &'static str> {
        let number = u64::from(at.segment());
        let Some(segment) = self.found.segments.file(number) else {
            return Err("the segment is missing");
        };
        if at.offset().saturating_add(at.bytes()) > segment.bytes {
            return Err("the record would end behind the end of its file");
        }
        buffer.resize(at.bytes() as usize, 0);
        let read = segment.file.read_at(buffer, at.offset());
        let read = read.map_err(|_| "the file cannot be read there")?;
        let octets = buffer.get(..read).unwrap_or_default();
        let raw = decode(octets, at.place(self.found.salt)).ok_or("there is no sound record")?;
        if !matches!(raw.kind, Some(Kind::Publish | Kind::Move)) || raw.bytes != at.bytes() {
            return Err("the record there is another one");
        }
        Published::decode(raw.payload).ok_or("the record there is no message")
    }
}

#[cfg(test)]
mod tests;
