//! The catalogue in sled.
//!
//! sled's own flush hands its pages to the system and stops there: a power cut may take them, or
//! the file's length (sled issue 1452). So every sync here is a flush followed by a sync of sled's
//! files and their folder.
//!
//! sled uses a segment of its file again once what replaced it is in a later segment that is full,
//! whether that one is on the disk or only with the system. So a real sync is made long before a
//! segment's worth has been written: then nothing is overwritten whose successor a power cut could
//! take. Values are kept so small that sled puts none in a file of its own, which it would remove
//! as carelessly.
//!
//! sled can panic on a damaged file: every call is made behind a guard.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::catalogue::{
    Catalogue, CatalogueError, CatalogueResult, Change, Each, Tree, change_bytes,
};
use super::shared::EXIT_DISK_FAILED;

/// What sled may keep of its pages in memory. The broker reads a page once and keeps what it needs.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// What sled writes and uses again in one piece.
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;
/// So much is handed to sled between two real syncs. sled writes about eight times that, since it
/// rewrites neighbours along: a quarter of a segment.
const UNSYNCED_MAX_BYTES: usize = 64 * 1024;
/// What cannot be read is tried again so many times,
const READ_TRIES_MAX: u32 = 100;
/// after so long each.
const READ_PERIOD: Duration = Duration::from_millis(100);
/// Values that are copied in one go.
const COPIED_AT_ONCE: usize = 64;
/// sled's file, in its folder.
const DATABASE: &str = "db";
/// Folders in sled's folder are one level deep; deeper ones than this are not looked into.
pub(super) const DEPTH_MAX: u32 = 3;
/// sled's file never gets smaller by itself. It is made anew when it is larger than this, beside
const SHRINK_FROM_BYTES: u64 = 32 * 1024 * 1024;
/// so many times what is in it.
const SHRINK_FACTOR: u64 = 8;
/// Beside the catalogue's folder: what it is about to be replaced with.
const NEW_EXTENSION: &str = "new";
/// Beside the catalogue's folder: what it was before it was replaced.
const OLD_EXTENSION: &str = "old";
/// Beside the catalogue's folder: it is damaged, and the next start makes it anew from the log.
const REBUILD_EXTENSION: &str = "rebuild";

/// What becomes of the process if the catalogue turns out to be damaged while it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OnDamage {
    /// It ends; the next start makes the catalogue anew from the log.
    Exit,
    /// The caller is told.
    Report,
}

/// sled, opened.
#[derive(Debug)]
pub(super) struct SledCatalogue {
    path: PathBuf,
    on_damage: OnDamage,
    unsynced_bytes: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    opened: Option<Arc<Opened>>,
    /// Something has failed since the last [`Catalogue::begin`]: what was applied since may be
    /// gone.
    failed: bool,
}

/// sled's handles; there until this is dropped.
#[derive(Debug)]
struct Opened(Option<Handles>);

#[derive(Debug)]
struct Handles {
    db: sled::Db,
    trees: [sled::Tree; Tree::ALL.len()],
}

impl SledCatalogue {
    /// Opens the catalogue in that folder, or makes one.
    pub(super) fn open(path: &Path, on_damage: OnDamage) -> Result<Self, Failure> {
        if rebuild_mark(path).exists() {
            let error = CatalogueError("it was found to be damaged".to_owned());
            return Err(Failure { error, is_damage: true });
        }
        finish_replacing(path).map_err(Failure::io)?;
        let opened = Arc::new(open(path)?);
        Ok(Self {
            path: path.to_owned(),
            on_damage,
            unsynced_bytes: AtomicUsize::new(0),
            state: Mutex::new(State { opened: Some(opened), failed: false }),
        })
    }

    /// The damaged catalogue has been put aside: what comes in its place is not damaged.
    pub(super) fn forget_damage(path: &Path) -> std::io::Result<()> {
        match fs::remove_file(rebuild_mark(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// After an error sled refuses everything: it is opened anew, with what was synced before.
    fn opened(&self) -> Result<Arc<Opened>, Failure> {
        let mut state = self.state.lock();
        if let Some(opened) = &state.opened {
            return Ok(opened.clone());
        }
        if !self.path.join(DATABASE).exists() {
            // Never an empty one in its place.
            return Err(Failure::io(std::io::ErrorKind::NotFound.into()));
        }
        let opened = Arc::new(open(&self.path)?);
        state.opened = Some(opened.clone());
        Ok(opened)
    }

    fn guarded<T>(&self, run: impl FnOnce(&Opened) -> sled::Result<T>) -> CatalogueResult<T> {
        let result = self.opened().and_then(|opened| guard(|| run(&opened)));
        result.map_err(|failure| {
            {
                let mut state = self.state.lock();
                state.failed = true;
                state.opened = None;
            }
            if failure.is_damage && self.on_damage == OnDamage::Exit {
                self.give_up(&failure.error);
            }
            failure.error
        })
    }

    fn give_up(&self, error: &CatalogueError) {
        let marked = File::create(rebuild_mark(&self.path)).and_then(|mark| mark.sync_all());
        tracing::error!(
            file = %self.path.display(), %error, marked = marked.is_ok(),
            "the catalogue is damaged: this is the end; the next start makes it anew from the log"
        );
        std::process::exit(EXIT_DISK_FAILED.into());
    }

    fn check_not_failed(&self) -> CatalogueResult<()> {
        if self.state.lock().failed {
            return Err(CatalogueError("it has failed since the checkpoint began".to_owned()));
        }
        Ok(())
    }

    fn sync_now(&self) -> CatalogueResult<()> {
        self.guarded(|opened| opened.db()?.flush())?;
        if let Err(error) = sync_all_in(&self.path, DEPTH_MAX) {
            self.state.lock().failed = true;
            if self.on_damage == OnDamage::Exit && is_disk_failure(&error) {
                // What a failed sync leaves on the disk is not to be trusted.
                tracing::error!(%error, "a sync of the catalogue has failed: this is the end");
                std::process::exit(EXIT_DISK_FAILED.into());
            }
            return Err(Failure::io(error).error);
        }
        self.unsynced_bytes.store(0, Ordering::Release);
        // Somebody who reads may have met an error meanwhile, and sled have been opened anew.
        self.check_not_failed()
    }
}

impl Catalogue for SledCatalogue {
    fn get(&self, tree: Tree, key: &[u8]) -> CatalogueResult<Option<Vec<u8>>> {
        let read =
            || self.guarded(|opened| Ok(opened.tree(tree)?.get(key)?.map(|value| value.to_vec())));
        let mut found = read();
        // A full disk may keep sled from being opened again after an error. Nobody can go on
        // without what is asked for.
        for _ in 0..READ_TRIES_MAX {
            if found.is_ok() || self.on_damage == OnDamage::Report {
                return found;
            }
            std::thread::park_timeout(READ_PERIOD);
            found = read();
        }
        found.inspect_err(|error| {
            tracing::error!(%error, "the catalogue cannot be read: this is the end");
            std::process::exit(EXIT_DISK_FAILED.into());
        })
    }

    fn is_wrong(&self, what: &str) {
        if self.on_damage == OnDamage::Exit {
            self.give_up(&CatalogueError(what.to_owned()));
        }
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

    fn begin(&self) -> CatalogueResult<()> {
        self.state.lock().failed = false;
        self.opened().map(drop).map_err(|failure| failure.error)
    }

    fn apply(&self, tree: Tree, changes: Vec<Change>) -> CatalogueResult<()> {
        self.check_not_failed()?;
        let bytes: usize = changes.iter().map(change_bytes).sum();
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.guarded(|opened| opened.tree(tree)?.apply_batch(batch))?;
        if self.unsynced_bytes.fetch_add(bytes, Ordering::AcqRel) + bytes >= UNSYNCED_MAX_BYTES {
            self.sync_now()?;
        }
        Ok(())
    }

    fn sync(&self) -> CatalogueResult<()> {
        self.check_not_failed()?;
        self.sync_now()
    }

    fn shrink(&self, living_bytes: u64) -> CatalogueResult<()> {
        let bytes = self.guarded(|opened| opened.db()?.size_on_disk())?;
        if bytes <= SHRINK_FROM_BYTES.saturating_add(living_bytes.saturating_mul(SHRINK_FACTOR)) {
            return Ok(());
        }
        finish_replacing(&self.path).map_err(|error| Failure::io(error).error)?;
        self.copy_to(&self.path.with_extension(NEW_EXTENSION))?;
        let mut state = self.state.lock();
        state.opened = None;
        self.replace().map_err(|error| Failure::io(error).error)?;
        let opened = open(&self.path).map_err(|failure| failure.error)?;
        let now_bytes = opened.db().and_then(sled::Db::size_on_disk).unwrap_or_default();
        state.opened = Some(Arc::new(opened));
        tracing::info!(bytes, now_bytes, "the catalogue was made anew");
        Ok(())
    }
}

impl SledCatalogue {
    /// Makes a catalogue with the same contents in another folder, which is on disk then.
    fn copy_to(&self, path: &Path) -> CatalogueResult<()> {
        let old = self.opened().map_err(|failure| failure.error)?;
        let new = open(path).map_err(|failure| failure.error)?;
        let copied = guard(|| {
            for tree in Tree::ALL {
                let (mut batch, mut count) = (sled::Batch::default(), 0);
                for entry in old.tree(tree)? {
                    let (key, value) = entry?;
                    batch.insert(key, value);
                    count += 1;
                    if count == COPIED_AT_ONCE {
                        new.tree(tree)?.apply_batch(std::mem::take(&mut batch))?;
                        count = 0;
                    }
                }
                new.tree(tree)?.apply_batch(batch)?;
            }
            new.db()?.flush()?;
            Ok(())
        });
        copied.map_err(|failure| failure.error)?;
        drop(new); // it writes once more
        sync_all_in(path, DEPTH_MAX).map_err(|error| Failure::io(error).error)
    }

    fn replace(&self) -> std::io::Result<()> {
        let (new, old) =
            (self.path.with_extension(NEW_EXTENSION), self.path.with_extension(OLD_EXTENSION));
        fs::rename(&self.path, &old)?;
        if let Err(error) = fs::rename(&new, &self.path) {
            if fs::rename(&old, &self.path).is_err() {
                tracing::error!(%error, "the catalogue cannot be put back in its place");
                std::process::exit(EXIT_DISK_FAILED.into()); // the next start puts it back
            }
            return Err(error);
        }
        sync_parent(&self.path)?;
        fs::remove_dir_all(&old)
    }
}

/// A process that has ended while it replaced the catalogue has left the old one or both; a new
/// one that is not in its place may not be whole.
fn finish_replacing(path: &Path) -> std::io::Result<()> {
    let (new, old) = (path.with_extension(NEW_EXTENSION), path.with_extension(OLD_EXTENSION));
    if old.exists() && !path.exists() {
        fs::rename(&old, path)?;
        sync_parent(path)?;
    }
    for folder in [new, old] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
    }
    Ok(())
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

impl Opened {
    fn handles(&self) -> sled::Result<&Handles> {
        self.0.as_ref().ok_or_else(|| sled::Error::Unsupported("it is closed".to_owned()))
    }

    fn db(&self) -> sled::Result<&sled::Db> {
        Ok(&self.handles()?.db)
    }

    fn tree(&self, tree: Tree) -> sled::Result<&sled::Tree> {
        let at = Tree::ALL.iter().position(|t| *t == tree);
        let found = at.and_then(|at| self.handles().ok()?.trees.get(at));
        found.ok_or_else(|| sled::Error::Unsupported("no such tree".to_owned()))
    }
}

/// sled writes once more when it is let go, and panics if it cannot.
impl Drop for Opened {
    fn drop(&mut self) {
        let handles = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(handles))).is_err() {
            tracing::error!("sled has failed to close its file");
        }
    }
}

fn rebuild_mark(path: &Path) -> PathBuf {
    path.with_extension(REBUILD_EXTENSION)
}

fn open(path: &Path) -> Result<Opened, Failure> {
    if path.exists() {
        // What a killed process has left with the system is what sled will build upon.
        sync_all_in(path, DEPTH_MAX).map_err(Failure::io)?;
    }
    let opened = guard(|| {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(None);
        let db = config.open()?;
        let [meta, definitions, queues, pages] = Tree::ALL.map(|tree| db.open_tree(tree.name()));
        Ok(Opened(Some(Handles { trees: [meta?, definitions?, queues?, pages?], db })))
    })?;
    sync_all_in(path, DEPTH_MAX).map_err(Failure::io)?;
    Ok(opened)
}

/// The disk has failed, and what was to be written may be gone. Other errors (too many open files,
/// a folder that somebody has removed) say nothing of what is on it.
fn is_disk_failure(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
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

/// Why sled has failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: CatalogueError,
    /// What it has on disk makes no sense.
    pub(super) is_damage: bool,
}

impl Failure {
    #[allow(clippy::needless_pass_by_value, reason = "for map_err")]
    fn io(error: std::io::Error) -> Self {
        Self { error: CatalogueError(error.to_string()), is_damage: false }
    }
}

fn guard<T>(run: impl FnOnce() -> sled::Result<T>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let is_damage =
                matches!(error, sled::Error::Corruption { .. } | sled::Error::ReportableBug(_));
            Err(Failure { error: CatalogueError(error.to_string()), is_damage })
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("for no stated reason");
            // It also panics where it cannot write: then the disk is to blame.
            let is_damage = !(text.contains("Io") || text.contains("os error"));
            Err(Failure { error: CatalogueError(format!("sled failed: {text}")), is_damage })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE_BYTES: usize = 32 * 1024;

    fn put(catalogue: &SledCatalogue, key: u32, value: Option<Vec<u8>>) {
        let change = vec![(key.to_be_bytes().to_vec(), value)];
        catalogue.apply(Tree::Pages, change).expect("applied");
    }

    fn get(catalogue: &SledCatalogue, key: u32) -> Option<Vec<u8>> {
        catalogue.get(Tree::Pages, &key.to_be_bytes()).expect("read")
    }

    #[test]
    fn what_was_taken_beyond_need_is_given_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("catalogue");
        let catalogue = SledCatalogue::open(&path, OnDamage::Report).expect("opens");
        let size = || {
            catalogue.opened().expect("opened").db().and_then(sled::Db::size_on_disk).expect("told")
        };
        let mut count = 0;
        while size() <= SHRINK_FROM_BYTES {
            put(&catalogue, count, Some(vec![1; VALUE_BYTES]));
            count += 1;
        }
        (1..count).for_each(|key| put(&catalogue, key, None));
        catalogue.sync().expect("synced");
        catalogue.shrink(SHRINK_FROM_BYTES).expect("left alone");
        let before = size();
        catalogue.shrink(VALUE_BYTES as u64 / 16).expect("made anew");
        assert!(size() < before / 2, "{} of {before}", size());
        put(&catalogue, 1, Some(vec![2]));
        assert_eq!(get(&catalogue, 0), Some(vec![1; VALUE_BYTES]));
        assert_eq!((get(&catalogue, 1), get(&catalogue, 2)), (Some(vec![2]), None));
    }

    #[test]
    fn a_replacement_that_was_cut_short_is_taken_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("catalogue");
        let catalogue = SledCatalogue::open(&path, OnDamage::Report).expect("opens");
        put(&catalogue, 1, Some(vec![1]));
        catalogue.sync().expect("synced");
        drop(catalogue);
        fs::rename(&path, path.with_extension(OLD_EXTENSION)).expect("renamed");
        fs::create_dir(path.with_extension(NEW_EXTENSION)).expect("made");
        let catalogue = SledCatalogue::open(&path, OnDamage::Report).expect("opens");
        assert_eq!(get(&catalogue, 1), Some(vec![1]));
        assert!(!path.with_extension(NEW_EXTENSION).exists());
    }
}
