//! A segment: one file of the log, with a number that is never used again.
//!
//! The file is longer than what was written to it, and may hold what an earlier segment left
//! there; where the log ends in it is told by the records, and by the header of the next segment.
//! The layout is in docs/format.md, "Segments".

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::files::{Files, LogFile};

/// What a segment file usually takes on disk, header included.
pub(super) const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// The first record's offset: the header has a page of its own, so that writing it anew never
/// touches a record.
pub(super) const DATA_START: u64 = 4096;

const MAGIC: &[u8; 8] = b"warrenlg";
const VERSION: u32 = 1;
/// Octets of a header.
pub(super) const HEADER_BYTES: usize = 64;
const SUFFIX: &str = ".segment";

/// The first octets of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct SegmentHeader {
    /// Its number; 0 for a file that waits to be used again.
    pub number: u64,
    /// Where the log ends in the segment before; 0 if there was none.
    pub previous_end: u64,
    /// The number of the segment before; 0 if there was none.
    pub previous: u64,
    /// The number of its first mark.
    pub first_mark: u64,
    /// The data directory's own number.
    pub salt: u64,
    /// How long the file is, in units of [`DATA_START`].
    pub units: u32,
}

impl SegmentHeader {
    /// How long the file is.
    pub(super) fn file_bytes(&self) -> u64 {
        u64::from(self.units) * DATA_START
    }

    /// As it is written.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for value in [self.number, self.previous_end, self.previous, self.first_mark, self.salt] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&self.units.to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.try_into().unwrap_or([0; HEADER_BYTES])
    }

    /// Reads a file's; `None` if it has no sound one.
    pub(super) fn read(file: &dyn LogFile) -> io::Result<Option<Self>> {
        let mut octets = [0; HEADER_BYTES];
        if file.read_at(&mut octets, 0)? < HEADER_BYTES {
            return Ok(None);
        }
        if is_of_later_version(&octets) {
            let text = "a later version of warren wrote it; this one leaves it as it is";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Ok(Self::decode(&octets))
    }

    /// Whether a file is as it was before any segment was begun in it.
    pub(super) fn was_never_written(file: &dyn LogFile) -> io::Result<bool> {
        let mut octets = [0; HEADER_BYTES];
        file.read_at(&mut octets, 0)?;
        let free = Self::decode(&octets).is_some_and(|header| header.number == 0);
        Ok(free || octets.iter().all(|octet| *octet == 0))
    }

    fn decode(octets: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (covered, _) = octets.split_last_chunk::<4>()?;
        let sound = is_whole(octets) && covered.get(8..12) == Some(&VERSION.to_le_bytes());
        let value = |at: usize| covered.get(at..)?.first_chunk().map(|o| u64::from_le_bytes(*o));
        sound.then_some(Self {
            number: value(16)?,
            previous_end: value(24)?,
            previous: value(32)?,
            first_mark: value(40)?,
            salt: value(48)?,
            units: covered.get(56..)?.first_chunk().map(|o| u32::from_le_bytes(*o))?,
        })
    }

    /// Writes it to a file.
    pub(super) fn write(&self, file: &dyn LogFile) -> io::Result<()> {
        file.write_at(&mut [IoSlice::new(&self.encode())], 0)
    }
}

/// Whatever the version, a header begins with the same octets and ends with a checksum.
fn is_whole(octets: &[u8; HEADER_BYTES]) -> bool {
    octets.split_last_chunk::<4>().is_some_and(|(covered, crc)| {
        covered.starts_with(MAGIC) && crc32fast::hash(covered) == u32::from_le_bytes(*crc)
    })
}

fn is_of_later_version(octets: &[u8; HEADER_BYTES]) -> bool {
    let version = octets.get(8..).and_then(|o| o.first_chunk()).map(|o| u32::from_le_bytes(*o));
    is_whole(octets) && version.is_some_and(|version| version > VERSION)
}

/// A segment file.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    /// Its name; it says nothing of the segment's number.
    pub name: Arc<str>,
    /// Its octets.
    pub file: Arc<dyn LogFile>,
    /// How long it is.
    pub bytes: u64,
}

impl SegmentFile {
    /// Makes a new one that no other has the name of.
    pub(super) fn create(
        files: &dyn Files,
        number: u64,
        bytes: u64,
        written: bool,
    ) -> io::Result<Self> {
        let name = format!("{number:010}{SUFFIX}");
        let file = files.create(&name, bytes, written)?;
        Ok(Self { name: name.into(), file, bytes })
    }

    /// Opens one.
    pub(super) fn open(files: &dyn Files, name: &str) -> io::Result<Self> {
        let file = files.open(name)?;
        let bytes = file.len()?;
        Ok(Self { name: name.into(), file, bytes })
    }

    /// The number in a file's name, if it is that of a segment file.
    pub(super) fn number_of(name: &str) -> Option<u64> {
        name.strip_suffix(SUFFIX)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_sound_or_none() {
        let header = SegmentHeader {
            number: 5,
            previous_end: 77,
            previous: 4,
            first_mark: 9,
            salt: 1,
            units: 8,
        };
        let octets = header.encode();
        assert_eq!(SegmentHeader::decode(&octets), Some(header));
        for bit in 0..octets.len() * 8 {
            let mut flipped = octets;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), None, "bit {bit}");
        }
    }
}
