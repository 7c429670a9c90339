//! A machine in memory: files and a catalogue that write down, in one order, everything that is
//! done to them and everything that the test was promised meanwhile. They can be made to fail.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use parking_lot::Mutex;
use warren::store::{
    Catalogue, CatalogueError, CatalogueResult, Change, Each, Files, LogFile, QueueId, Tree,
};

use super::image::{DiskImage, FileImage};

const SECTOR_BYTES: usize = 512;

/// Something that was done to the disk, or promised.
#[derive(Clone, Debug)]
pub enum Event {
    Create {
        name: Arc<str>,
        bytes: u64,
    },
    Write {
        name: Arc<str>,
        offset: u64,
        octets: Arc<[u8]>,
    },
    Sync {
        name: Arc<str>,
    },
    /// What was written before may be there or not, and no later sync sees to it.
    SyncFailed {
        name: Arc<str>,
    },
    Remove {
        name: Arc<str>,
    },
    Apply {
        tree: Tree,
        changes: Arc<[Change]>,
    },
    CatalogueSync,
    /// The catalogue was opened anew, with what was synced.
    CatalogueLost,
    /// The store can be used.
    Opened,
    /// So many operations of the model may have begun.
    Asked(usize),
    /// So many are on disk, but perhaps not what they remove.
    Written(usize),
    /// So many are on disk.
    Kept(usize),
    /// The store is being closed, or has been, and how far queues have delivered.
    Closing(Arc<[(QueueId, u64)]>),
    Closed,
}

impl Event {
    /// Whether the disk is another one after it.
    pub fn touches_disk(&self) -> bool {
        !matches!(
            self,
            Self::Opened
                | Self::Asked(_)
                | Self::Written(_)
                | Self::Kept(_)
                | Self::Closing(_)
                | Self::Closed
        )
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { name, offset, octets } => {
                write!(f, "write {} octets to {name} at {offset}", octets.len())?;
                // The number of the segment, if it is a header.
                let number = octets.get(16..24).filter(|_| *offset == 0);
                number.map_or(Ok(()), |number| write!(f, ": segment {number:?}"))
            }
            Self::Apply { tree, changes } => {
                let keys: Vec<String> = changes
                    .iter()
                    .map(|(key, value)| {
                        let sign = if value.is_some() { '+' } else { '-' };
                        format!("{sign}{}", key.escape_ascii())
                    })
                    .collect();
                write!(f, "apply to {}: {}", tree.name(), keys.join(" "))
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// What fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failing {
    /// Writes and syncs of the log: EIO.
    Log,
    /// Creations and writes of the log: ENOSPC.
    Space,
    /// Changes and syncs of the catalogue.
    Catalogue,
}

/// From which operation of its kind on, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub failing: Failing,
    pub from: u64,
    pub times: u64,
}

#[derive(Debug, Default)]
struct State {
    live: DiskImage,
    synced_trees: DiskImage,
    journal: Vec<Event>,
    fault: Option<Fault>,
    /// Operations that a fault of each kind would have counted.
    counted: [u64; 3],
    /// On which threads something has failed.
    failed_on: Vec<String>,
}

#[derive(Default)]
pub struct Machine(Mutex<State>);

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

impl Machine {
    pub fn new(image: DiskImage) -> Arc<Self> {
        let synced_trees = DiskImage { trees: image.trees.clone(), ..DiskImage::default() };
        let state = State { live: image, synced_trees, ..State::default() };
        Arc::new(Self(Mutex::new(state)))
    }

    pub fn files(self: &Arc<Self>) -> Arc<dyn Files> {
        Arc::new(SimFiles(self.clone()))
    }

    pub fn catalogue(self: &Arc<Self>) -> Arc<dyn Catalogue> {
        Arc::new(SimCatalogue(self.clone()))
    }

    pub fn note(&self, event: Event) {
        self.0.lock().journal.push(event);
    }

    pub fn journal(&self) -> Vec<Event> {
        self.0.lock().journal.clone()
    }

    /// How many operations there were that a fault of that kind would have counted.
    pub fn counted(&self, failing: Failing) -> u64 {
        self.0.lock().counted[failing as usize]
    }

    pub fn set_fault(&self, fault: Option<Fault>) {
        self.0.lock().fault = fault;
    }

    /// The threads on which something has failed.
    pub fn failed_on(&self) -> Vec<String> {
        self.0.lock().failed_on.clone()
    }
}

impl State {
    /// Counts an operation; whether it fails.
    fn fails(&mut self, kinds: &[Failing]) -> Option<Failing> {
        for kind in kinds {
            self.counted[*kind as usize] += 1;
        }
        let fault = self.fault.as_mut()?;
        let concerned = kinds.contains(&fault.failing) && fault.times > 0;
        if !concerned || self.counted[fault.failing as usize] <= fault.from {
            return None;
        }
        fault.times -= 1;
        let thread = std::thread::current();
        self.failed_on.push(thread.name().unwrap_or_default().to_owned());
        Some(fault.failing)
    }

    fn file(&mut self, name: &str) -> io::Result<&mut FileImage> {
        self.live.files.get_mut(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn error(failing: Failing) -> io::Error {
    match failing {
        Failing::Space => io::ErrorKind::StorageFull.into(),
        Failing::Log | Failing::Catalogue => io::Error::other("injected EIO"),
    }
}

#[derive(Debug)]
struct SimFiles(Arc<Machine>);

#[derive(Debug)]
struct SimFile {
    machine: Arc<Machine>,
    name: Arc<str>,
}

impl SimFiles {
    fn file(&self, name: &str) -> Arc<dyn LogFile> {
        Arc::new(SimFile { machine: self.0.clone(), name: name.into() })
    }
}

impl Files for SimFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.0.lock().live.files.keys().map(ToString::to_string).collect())
    }

    fn create(&self, name: &str, bytes: u64, _written: bool) -> io::Result<Arc<dyn LogFile>> {
        let mut state = self.0.0.lock();
        if let Some(failing) = state.fails(&[Failing::Space]) {
            return Err(error(failing));
        }
        if state.live.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.live.files.insert(name.into(), FileImage::of_zeros(bytes));
        state.journal.push(Event::Create { name: name.into(), bytes });
        Ok(self.file(name))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn LogFile>> {
        self.0.0.lock().file(name)?;
        Ok(self.file(name))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.0.lock();
        state.live.files.remove(name);
        state.journal.push(Event::Remove { name: name.into() });
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl LogFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.machine.0.lock().file(&self.name)?.bytes)
    }

    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut octets: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let mut state = self.machine.0.lock();
        let failed = state.fails(&[Failing::Log, Failing::Space]);
        if failed.is_some() {
            // Half of it is there, in whole sectors.
            octets.truncate(octets.len() / 2 / SECTOR_BYTES * SECTOR_BYTES);
        }
        // A file that was removed while it was open can still be written to; nobody will see it.
        if let Ok(file) = state.file(&self.name) {
            file.write(offset, &octets);
            let (name, octets) = (self.name.clone(), octets.into());
            state.journal.push(Event::Write { name, offset, octets });
        }
        failed.map_or(Ok(()), |failing| Err(error(failing)))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.machine.0.lock();
        let name = self.name.clone();
        if let Some(failing) = state.fails(&[Failing::Log]) {
            state.journal.push(Event::SyncFailed { name });
            return Err(error(failing));
        }
        state.journal.push(Event::Sync { name });
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.machine.0.lock().file(&self.name)?.read(buffer, offset))
    }
}

/// Stops a thread before everything that it does to the catalogue, until it may go on.
#[derive(Debug)]
pub struct Gate {
    pub arrived: Sender<()>,
    pub go: Receiver<()>,
}

thread_local! {
    static GATE: RefCell<Option<Gate>> = const { RefCell::new(None) };
}

impl Gate {
    /// From now on, on this thread.
    pub fn set(self) {
        GATE.with(|gate| *gate.borrow_mut() = Some(self));
    }

    fn pass() {
        GATE.with(|gate| {
            // Once the other side is gone it stands open.
            if let Some(gate) = &*gate.borrow()
                && gate.arrived.send(()).is_ok()
            {
                let _ = gate.go.recv();
            }
        });
    }
}

#[derive(Debug)]
struct SimCatalogue(Arc<Machine>);

impl SimCatalogue {
    fn change(&self, change: impl FnOnce(&mut State)) -> CatalogueResult<()> {
        Gate::pass();
        let mut state = self.0.0.lock();
        if state.fails(&[Failing::Catalogue]).is_some() {
            let state = &mut *state;
            state.live.trees.clone_from(&state.synced_trees.trees);
            state.journal.push(Event::CatalogueLost);
            return Err(CatalogueError("injected".to_owned()));
        }
        change(&mut state);
        Ok(())
    }
}

impl Catalogue for SimCatalogue {
    fn get(&self, tree: Tree, key: &[u8]) -> CatalogueResult<Option<Vec<u8>>> {
        Ok(self.0.0.lock().live.tree(tree).get(key).cloned())
    }

    fn scan(&self, tree: Tree, prefix: &[u8], each: Each<'_>) -> CatalogueResult<()> {
        let image = self.0.0.lock().live.tree(tree).clone();
        for (key, value) in image.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) || !each(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, tree: Tree, changes: Vec<Change>) -> CatalogueResult<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.change(|state| {
            state.live.apply(tree, &changes);
            state.journal.push(Event::Apply { tree, changes: changes.into() });
        })
    }

    fn sync(&self) -> CatalogueResult<()> {
        self.change(|state| {
            state.synced_trees.trees.clone_from(&state.live.trees);
            state.journal.push(Event::CatalogueSync);
        })
    }
}
