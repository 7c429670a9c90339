//! Opening a store: the files, the catalogue, what a start finds in them, and the threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::catalogue::Catalogue;
use super::commit::{Writer, is_full};
use super::disk::Disk;
use super::inbox::Batch;
use super::shared::Shared;
use super::sled_catalogue::{OnDamage, SledCatalogue};
use super::{
    DataDirectory, Files, Recovered, RecoveredQueue, Store, StoreError, StoreOptions, Windows,
    reader, recover, upkeep,
};
use crate::bell::Bell;
use crate::message::Seq;
use crate::stats::StoreCounters;

/// Below the data directory: the segments of the log.
pub(super) const LOG: &str = "log";
/// Below the data directory: sled.
pub(super) const CATALOGUE: &str = "catalogue";

impl Store {
    /// Opens the store of a data directory, or begins one.
    pub fn open(directory: DataDirectory) -> Result<(Arc<Self>, Recovered), StoreError> {
        Self::open_directory(directory, StoreOptions::default())
    }

    /// The same, working otherwise than usual.
    pub fn open_directory(
        directory: DataDirectory,
        options: StoreOptions,
    ) -> Result<(Arc<Self>, Recovered), StoreError> {
        let path = directory.path().join(LOG);
        let files = Disk::open(&path);
        let files = Arc::new(files.map_err(|error| StoreError::File { path, error })?);
        let catalogue = open_catalogue(directory.path())?;
        Self::open_with(files, catalogue, options, Some(directory))
    }

    /// The same on files and a catalogue of the caller's.
    #[allow(clippy::needless_pass_by_value, reason = "the store keeps it")]
    pub fn open_with(
        files: Arc<dyn Files>,
        catalogue: Arc<dyn Catalogue>,
        options: StoreOptions,
        directory: Option<DataDirectory>,
    ) -> Result<(Arc<Self>, Recovered), StoreError> {
        let began = Instant::now();
        let mut salt = [0; 8];
        let no_chance = |error: getrandom::Error| std::io::Error::other(error.to_string());
        getrandom::fill(&mut salt).map_err(no_chance).map_err(StoreError::start)?;
        let salt = u64::from_le_bytes(salt);
        let found = recover::recover(files, &catalogue, options.segment_bytes, salt, true)?;
        let definitions = found.contents.decoded();
        let replayed_bytes = found.replayed_bytes;
        let recovered = Recovered { definitions, queues: found.queues, damage: found.damage };
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            bell: Arc::default(),
            settled: 0.into(),
            contents: found.contents,
            segments: found.segments,
            upkeep: Bell::default(),
            stop: false.into(),
            salt: found.salt,
            next_queue: found.next_queue.into(),
            definitions_seq: Seq::NONE.0.into(),
            // What was read would be read again: worth a checkpoint soon.
            written_bytes: replayed_bytes.into(),
            checkpointing: Mutex::default(),
            checkpoint: 1.into(),
            memory_short: false.into(),
            out_of_space: false.into(),
            failed: false.into(),
            full: false.into(),
            held: false.into(),
            on_failure: options.on_failure,
            counters: StoreCounters::default(),
        });
        shared.segments.remove_useless();
        // From here on the log says that a process has run: nothing is clean any more.
        let mut writer = Writer::new(shared.clone());
        let is_full = writer.begin_segment(0).is_err_and(|error| is_full(&error));
        if is_full && upkeep::checkpoint(&shared, None).is_ok() {
            tracing::warn!("the disk is full: freed what the log does not need any more");
        }
        writer.commit(&Batch::start()).map_err(StoreError::start)?;
        let store = Self {
            shared,
            requests: Arc::default(),
            windows: Windows::default(),
            threads: Mutex::default(),
            directory,
        };
        store.spawn(writer).map_err(StoreError::start)?;
        tracing::info!(
            definitions = recovered.definitions.len(),
            messages = recovered.queues.values().map(RecoveredQueue::count).sum::<u64>(),
            replayed_bytes, clean = found.clean, took = ?began.elapsed(),
            "store opened"
        );
        Ok((Arc::new(store), recovered))
    }

    fn spawn(&self, writer: Writer) -> std::io::Result<()> {
        let requests = self.requests.clone();
        let mut threads = self.threads.lock();
        threads.push(spawn("commit", &self.shared, move |_| writer.run())?);
        threads.push(spawn("reader", &self.shared, move |shared| reader::run(shared, &requests))?);
        threads.push(spawn("upkeep", &self.shared, upkeep::run)?);
        Ok(())
    }
}

/// Begins a thread of the store. What it has left half done if it panics (a batch, a checkpoint, an
/// answer to a queue) cannot be gone on with.
fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    run: impl FnOnce(&Shared) + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let shared = shared.clone();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(|| run(&shared))).is_err() {
            shared.fail(&std::io::Error::other("a thread of the store has panicked"));
        }
    })
}

/// Opens the catalogue. One that cannot be opened is kept under another name, and an empty one
/// takes its place: the log can make it anew.
fn open_catalogue(data_dir: &Path) -> Result<Arc<dyn Catalogue>, StoreError> {
    let path = data_dir.join(CATALOGUE);
    let open = || SledCatalogue::open(&path, OnDamage::Exit);
    let damage = match open() {
        Ok(catalogue) => return Ok(Arc::new(catalogue)),
        Err(failure) if failure.is_damage => failure.error,
        Err(failure) => {
            let error = std::io::Error::other(failure.error.to_string());
            return Err(StoreError::File { path, error });
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    let aside = data_dir.join(format!("{CATALOGUE}.damaged-{now}"));
    tracing::error!(
        file = %path.display(), kept_as = %aside.display(), error = %damage,
        "the catalogue cannot be opened; it is kept aside and made anew from the log"
    );
    std::fs::rename(&path, &aside)
        .and_then(|()| SledCatalogue::forget_damage(&path))
        .map_err(|error| StoreError::File { path: path.clone(), error })?;
    match open() {
        Ok(catalogue) => Ok(Arc::new(catalogue)),
        Err(failure) => {
            Err(StoreError::Damaged { path: path.clone(), what: failure.error.to_string() })
        }
    }
}
