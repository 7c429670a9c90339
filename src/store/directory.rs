//! The data directory: made if missing, used by one process at a time.
//!
//! A lock on `warren.lock` is held for as long as the `DataDirectory` lives; the system lets go of
//! it even if the process is killed, so a lock file left behind is no obstacle. Knows nothing of
//! what else is in the directory.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file that is locked. It holds the number of the process that has the lock.
const LOCK_FILE: &str = "warren.lock";
/// For the owner only: messages and password hashes are nobody else's business.
pub(super) const DIRECTORY_MODE: u32 = 0o700;
pub(super) const FILE_MODE: u32 = 0o600;
/// No process number is longer; what another program wrote there is not ours to read.
const PID_MAX_BYTES: u64 = 20;

/// A data directory that no other process uses while this value lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    // Closing the file gives up the lock.
    _lock: File,
}

/// Why the data directory cannot be used.
#[derive(Debug)]
pub enum DataDirectoryError {
    /// There is something else of that name.
    NotADirectory(PathBuf),
    /// It cannot be made or written to.
    NotWritable(PathBuf, io::Error),
    /// Another process uses it; its number, if it has written it already.
    InUse(PathBuf, Option<u32>),
    /// The file system cannot lock files.
    CannotLock(PathBuf, io::Error),
}

impl DataDirectory {
    /// Makes the directory if it is missing, and locks it.
    pub fn open(path: &Path) -> Result<Self, DataDirectoryError> {
        let not_usable = |error| classify(path, error);
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path).map_err(not_usable)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let mut lock = options.open(path.join(LOCK_FILE)).map_err(not_usable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirectoryError::InUse(path.to_owned(), read_pid(lock)));
            }
            Err(TryLockError::Error(error)) => {
                return Err(DataDirectoryError::CannotLock(path.to_owned(), error));
            }
        }
        write_pid(&mut lock).map_err(not_usable)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Keeps brokers out of a directory while somebody looks at it. Makes and writes nothing, so it
/// works on what may only be read; where it cannot lock, the inner error says why.
pub(super) fn lock_to_look(path: &Path) -> Result<io::Result<File>, DataDirectoryError> {
    let lock = match File::open(path.join(LOCK_FILE)) {
        Ok(lock) => lock,
        Err(error) => return Ok(Err(error)),
    };
    // Shared: others may look too.
    match lock.try_lock_shared() {
        Ok(()) => Ok(Ok(lock)),
        Err(TryLockError::WouldBlock) => {
            Err(DataDirectoryError::InUse(path.to_owned(), read_pid(lock)))
        }
        Err(TryLockError::Error(error)) => Ok(Err(error)),
    }
}

fn classify(path: &Path, error: io::Error) -> DataDirectoryError {
    // `create` says only that something exists if that is no directory.
    match error.kind() {
        io::ErrorKind::AlreadyExists => DataDirectoryError::NotADirectory(path.to_owned()),
        _ => DataDirectoryError::NotWritable(path.to_owned(), error),
    }
}

fn read_pid(lock: File) -> Option<u32> {
    let mut text = String::new();
    lock.take(PID_MAX_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

impl fmt::Display for DataDirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADirectory(path) => {
                write!(f, "the data directory {} is not a directory", path.display())
            }
            Self::NotWritable(path, error) => {
                write!(f, "cannot write to the data directory {}: {error}", path.display())
            }
            Self::InUse(path, pid) => {
                let path = path.display();
                write!(f, "the data directory {path} is in use by another warren")?;
                pid.map_or(Ok(()), |pid| write!(f, " (process {pid})"))
            }
            Self::CannotLock(path, error) => {
                write!(f, "cannot lock the data directory {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for DataDirectoryError {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_with_its_parents_for_the_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a/b");
        let data = DataDirectory::open(&path).expect("opened");
        assert_eq!(data.path(), path);
        let mode = fs::metadata(&path).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn one_at_a_time_and_again_after_that() {
        let dir = tempfile::tempdir().expect("a directory");
        // A longer number that a process left behind must not shine through.
        fs::write(dir.path().join(LOCK_FILE), "4294967295\n").expect("written");
        let first = DataDirectory::open(dir.path()).expect("opened");
        let error = DataDirectory::open(dir.path()).expect_err("in use").to_string();
        let expected = format!("is in use by another warren (process {})", std::process::id());
        assert!(error.ends_with(&expected), "{error}");
        assert!(error.contains(&*dir.path().to_string_lossy()), "{error}");
        drop(first);
        DataDirectory::open(dir.path()).expect("opened again");
    }

    #[test]
    fn a_lock_file_that_says_nothing_is_in_use_all_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = File::create(dir.path().join(LOCK_FILE)).expect("made");
        file.lock().expect("locked");
        let error = DataDirectory::open(dir.path()).expect_err("in use").to_string();
        assert!(error.ends_with("is in use by another warren"), "{error}");
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = DataDirectory::open(file.path()).expect_err("a file").to_string();
        assert!(error.ends_with("is not a directory"), "{error}");
        let below = file.path().join("data");
        let error = DataDirectory::open(&below).expect_err("below a file").to_string();
        let expected = format!("cannot write to the data directory {}: ", below.display());
        assert!(error.starts_with(&expected), "{error}");
    }
}
