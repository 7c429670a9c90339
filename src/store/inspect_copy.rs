//! A copy of the catalogue to look at, in a folder of its own below the system's for temporary
//! files, removed when done.
//!
//! It takes as much room there as the catalogue does: some 20 octets for each message that waits.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalogue::{Catalogue, CatalogueResult};
use super::directory::DIRECTORY_MODE;
use super::sled_catalogue::{DEPTH_MAX, OnDamage, SledCatalogue};
use crate::disk::free_bytes;

/// In the folder: the copy.
const COPY: &str = "copy";
/// In the folder: an empty catalogue, for when there is none to copy.
const EMPTY: &str = "empty";

/// The folder of the copy.
pub(super) struct CatalogueCopy {
    folder: PathBuf,
    missing: bool,
}

impl CatalogueCopy {
    /// Copies the catalogue, if there is one.
    pub(super) fn make(catalogue: &Path) -> io::Result<Self> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("warren-look-{:016x}", u64::from_le_bytes(name));
        let folder = std::env::temp_dir().join(name);
        make(&folder)?;
        let made = Self { folder, missing: !catalogue.is_dir() };
        if !made.missing {
            let (bytes, free) = (bytes_of(catalogue, DEPTH_MAX)?, free_bytes(&made.folder)?);
            if bytes > free {
                let text = format!("{bytes} octets into {free}; TMPDIR can name another place");
                return Err(io::Error::new(io::ErrorKind::StorageFull, text));
            }
            copy(catalogue, &made.folder.join(COPY), DEPTH_MAX)?;
        }
        Ok(made)
    }

    /// Opens the copy, or an empty catalogue with the reason why.
    pub(super) fn open(&self) -> CatalogueResult<(Arc<dyn Catalogue>, Option<String>)> {
        let lost = if self.missing {
            "it is missing".to_owned()
        } else {
            match SledCatalogue::open(&self.folder.join(COPY), OnDamage::Report) {
                Ok(catalogue) => return Ok((Arc::new(catalogue), None)),
                Err(failure) => format!("it cannot be opened: {}", failure.error),
            }
        };
        let empty = SledCatalogue::open(&self.folder.join(EMPTY), OnDamage::Report);
        Ok((Arc::new(empty.map_err(|failure| failure.error)?), Some(lost)))
    }
}

impl Drop for CatalogueCopy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot be removed");
        }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(DIRECTORY_MODE).create(folder)
}

fn bytes_of(folder: &Path, depth_left: u32) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_file() {
            bytes += entry.metadata()?.len();
        } else if kind.is_dir() && depth_left > 0 {
            bytes += bytes_of(&entry.path(), depth_left - 1)?;
        }
    }
    Ok(bytes)
}

fn copy(from: &Path, to: &Path, depth_left: u32) -> io::Result<()> {
    make(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_file() {
            // Not `fs::copy`: it would copy the permissions too, and these may forbid writing.
            let mut source = fs::File::open(entry.path())?;
            io::copy(&mut source, &mut fs::File::create_new(target)?)?;
        } else if kind.is_dir() && depth_left > 0 {
            copy(&entry.path(), &target, depth_left - 1)?;
        }
    }
    Ok(())
}
