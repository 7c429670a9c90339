//! Log files on a real disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, pwritev};

use super::directory::{DIRECTORY_MODE, FILE_MODE};
use super::files::{Files, LogFile};

/// Zeros are written in pieces of this size.
const ZEROS_BYTES: usize = 256 * 1024;
/// The system takes no more slices at once (`IOV_MAX`).
const SLICES_MAX: usize = 1024;

/// A directory of files.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    directory: File,
}

impl Disk {
    /// Opens the directory, and makes it if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path)?;
            if let Some(parent) = path.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self { path: path.to_owned(), directory: File::open(path)? })
    }

    /// Opens the directory as it is, to look at.
    pub(super) fn look_at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), directory: File::open(path)? })
    }
}

impl Files for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, name: &str, bytes: u64, written: bool) -> io::Result<Arc<dyn LogFile>> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(FILE_MODE).open(&path)?;
        let made = reserve(&file, bytes, written)
            .and_then(|()| file.sync_all())
            .and_then(|()| self.directory.sync_all());
        if let Err(error) = made {
            // Half a file is of no use; if it cannot be removed either, the next start will see it.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn LogFile>> {
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        // Whoever only looks may not be allowed to write.
        Ok(Arc::new(DiskFile(file.or_else(|_| File::open(&path))?)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        crate::disk::free_bytes(&self.path)
    }
}

fn reserve(mut file: &File, bytes: u64, written: bool) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) if !written => return Ok(()),
        // Not every file system can; then writing zeros reserves as well.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let zeros = vec![0; ZEROS_BYTES];
    let mut left = bytes;
    while left > 0 {
        let piece = zeros.get(..left.min(ZEROS_BYTES as u64) as usize).unwrap_or(&zeros);
        file.write_all(piece)?;
        left -= piece.len() as u64;
    }
    Ok(())
}

#[derive(Debug)]
struct DiskFile(File);

impl LogFile for DiskFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn write_at(&self, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let some = slices.get(..slices.len().min(SLICES_MAX)).unwrap_or(slices);
            match pwritev(&self.0, some, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    offset += bytes as u64;
                    IoSlice::advance_slices(&mut slices, bytes);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + read as u64) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}
