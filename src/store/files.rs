//! Where the log's files are: small traits, so that a test can lose or tear what was not synced.
//!
//! Knows nothing of segments and records.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::sync::Arc;

/// A folder of log files.
pub trait Files: Debug + Send + Sync {
    /// The names of all files in it.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file of that many octets whose blocks are reserved, so that writing to it cannot
    /// run out of space. `written` has every block written too, which takes longer and makes later
    /// syncs cheaper. Its name survives a power cut once this has returned.
    fn create(&self, name: &str, bytes: u64, written: bool) -> io::Result<Arc<dyn LogFile>>;

    /// Opens a file that is there.
    fn open(&self, name: &str) -> io::Result<Arc<dyn LogFile>>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Octets that can still be written to the file system.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// A file of the log.
pub trait LogFile: Debug + Send + Sync {
    /// How long it is, in octets.
    fn len(&self) -> io::Result<u64>;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Writes all slices behind each other from `offset` on.
    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Everything written survives a power cut once this has returned.
    fn sync(&self) -> io::Result<()>;

    /// Reads up to the buffer's length; less only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}
