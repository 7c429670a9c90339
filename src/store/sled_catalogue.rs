//! The catalogue in sled.
//!
//! sled's own flush hands its pages to the system and stops there: a power cut may take them, or
//! the file's length (sled issue 1452). So every sync here is a flush followed by a sync of sled's
//! files and their folder. sled can panic on a damaged file: every call is made behind a guard.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::catalogue::{Catalogue, CatalogueError, CatalogueResult, Change, Each, Tree};

/// What sled may keep of its pages in memory. The broker reads a page once and keeps what it needs.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// Pages of sled's file are made and given back in pieces of this size; the default of 512 KiB
/// wastes most of a small catalogue.
const SEGMENT_BYTES: usize = 512 * 1024;
/// Folders in sled's folder are one level deep.
const DEPTH_MAX: u32 = 3;

/// sled, opened.
#[derive(Debug)]
pub(super) struct SledCatalogue {
    path: PathBuf,
    open: Mutex<Option<Opened>>,
}

#[derive(Clone, Debug)]
struct Opened {
    db: sled::Db,
    trees: [sled::Tree; Tree::ALL.len()],
}

impl SledCatalogue {
    /// Opens the catalogue in that folder, or makes one.
    pub(super) fn open(path: &Path) -> CatalogueResult<Self> {
        let opened = open(path)?;
        Ok(Self { path: path.to_owned(), open: Mutex::new(Some(opened)) })
    }

    fn opened(&self) -> CatalogueResult<Opened> {
        let mut current = self.open.lock();
        if let Some(opened) = &*current {
            return Ok(opened.clone());
        }
        let opened = open(&self.path)?;
        *current = Some(opened.clone());
        Ok(opened)
    }

    /// Runs something against sled. After an error sled refuses everything: it is opened anew the
    /// next time, with what was synced before.
    fn guarded<T>(&self, run: impl FnOnce(&Opened) -> sled::Result<T>) -> CatalogueResult<T> {
        let opened = self.opened()?;
        let result = guard(|| run(&opened));
        if result.is_err() {
            *self.open.lock() = None;
        }
        result
    }
}

impl Catalogue for SledCatalogue {
    fn get(&self, tree: Tree, key: &[u8]) -> CatalogueResult<Option<Vec<u8>>> {
        self.guarded(|opened| Ok(opened.tree(tree)?.get(key)?.map(|value| value.to_vec())))
    }

    fn scan(&self, tree: Tree, prefix: &[u8], each: Each<'_>) -> CatalogueResult<()> {
        self.guarded(|opened| {
            for entry in opened.tree(tree)?.scan_prefix(prefix) {
                let (key, value) = entry?;
                if !each(&key, &value) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn apply(&self, tree: Tree, changes: Vec<Change>) -> CatalogueResult<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.guarded(|opened| opened.tree(tree)?.apply_batch(batch))
    }

    fn sync(&self) -> CatalogueResult<()> {
        self.guarded(|opened| {
            opened.db.flush()?;
            sync_all_in(&self.path, DEPTH_MAX)?;
            Ok(())
        })
    }
}

impl Opened {
    fn tree(&self, tree: Tree) -> sled::Result<&sled::Tree> {
        let found = Tree::ALL.iter().position(|t| *t == tree).and_then(|at| self.trees.get(at));
        found.ok_or_else(|| sled::Error::Unsupported("no such tree".to_owned()))
    }
}

fn open(path: &Path) -> CatalogueResult<Opened> {
    let opened = guard(|| {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(None);
        let db = config.open()?;
        let [meta, definitions, queues, pages] = Tree::ALL.map(|tree| db.open_tree(tree.name()));
        Ok(Opened { trees: [meta?, definitions?, queues?, pages?], db })
    })?;
    sync_all_in(path, DEPTH_MAX).map_err(|error| CatalogueError(error.to_string()))?;
    Ok(opened)
}

/// Files, then the folder that names them.
fn sync_all_in(folder: &Path, depth_left: u32) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let synced = if kind.is_dir() && depth_left > 0 {
            sync_all_in(&entry.path(), depth_left - 1)
        } else if kind.is_file() {
            File::open(entry.path()).and_then(|file| file.sync_all())
        } else {
            Ok(())
        };
        match synced {
            // sled removes old snapshots while we look.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    File::open(folder)?.sync_all()
}

fn guard<T>(run: impl FnOnce() -> sled::Result<T>) -> CatalogueResult<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(CatalogueError(error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(CatalogueError(format!("sled failed: {}", text.unwrap_or("for no stated reason"))))
        }
    }
}
