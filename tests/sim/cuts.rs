//! What a power cut can leave of a disk: everything that was synced, and of the rest what chance
//! will have it.

use std::sync::Arc;

use warren::store::{Change, Tree};

use super::image::{DiskImage, FileImage, PAGE_BYTES, pieces};
use super::machine::Event;
use super::random::Random;

/// Disks write no less than this at once.
const SECTOR_BYTES: u64 = 512;
/// At most so many places in one write are torn, of all that could be.
const TEARS_MAX: usize = 4;
/// So many random mixtures of what was not synced.
const MIXTURES: usize = 3;

#[derive(Clone, Debug)]
enum Unsynced {
    Write { name: Arc<str>, offset: u64, octets: Arc<[u8]>, never: bool },
    Remove { name: Arc<str> },
    Apply { tree: Tree, changes: Arc<[Change]> },
}

/// The disk at some point of a journal.
#[derive(Clone, Debug)]
pub struct Replay {
    durable: DiskImage,
    unsynced: Vec<Unsynced>,
}

impl Replay {
    pub fn new(image: DiskImage) -> Self {
        Self { durable: image, unsynced: Vec::new() }
    }

    pub fn step(&mut self, event: &Event) {
        match event {
            Event::Create { name, bytes } => self.create(name, *bytes),
            Event::Write { name, offset, octets } => {
                let (name, offset, octets) = (name.clone(), *offset, octets.clone());
                self.unsynced.push(Unsynced::Write { name, offset, octets, never: false });
            }
            Event::Sync { name } => self.sync(name),
            Event::SyncFailed { name } => {
                for unsynced in &mut self.unsynced {
                    if let Unsynced::Write { name: of, never, .. } = unsynced {
                        *never |= of == name;
                    }
                }
            }
            Event::Remove { name } => self.unsynced.push(Unsynced::Remove { name: name.clone() }),
            Event::Apply { tree, changes } => {
                let (tree, changes) = (*tree, changes.clone());
                self.unsynced.push(Unsynced::Apply { tree, changes });
            }
            Event::CatalogueSync => {
                let durable = &mut self.durable;
                self.unsynced.retain(|unsynced| {
                    let Unsynced::Apply { tree, changes } = unsynced else { return true };
                    durable.apply(*tree, changes);
                    false
                });
            }
            Event::CatalogueLost => {
                self.unsynced.retain(|unsynced| !matches!(unsynced, Unsynced::Apply { .. }));
            }
            Event::Opened
            | Event::Asked(_)
            | Event::Written(_)
            | Event::Kept(_)
            | Event::Closing(_)
            | Event::Closed => {}
        }
    }

    /// Names are durable once a file is made: those that are gone too.
    fn create(&mut self, name: &Arc<str>, bytes: u64) {
        let removed: Vec<Arc<str>> = self.unsynced.iter().filter_map(removed_name).collect();
        self.unsynced.retain(|unsynced| match unsynced {
            Unsynced::Write { name, .. } => !removed.contains(name),
            Unsynced::Remove { .. } => false,
            Unsynced::Apply { .. } => true,
        });
        for gone in removed {
            self.durable.files.remove(&gone);
        }
        self.durable.files.insert(name.clone(), FileImage::of_zeros(bytes));
    }

    fn sync(&mut self, synced: &Arc<str>) {
        let durable = &mut self.durable;
        self.unsynced.retain(|unsynced| {
            let Unsynced::Write { name, offset, octets, never: false } = unsynced else {
                return true;
            };
            if name != synced {
                return true;
            }
            if let Some(file) = durable.files.get_mut(name) {
                file.write(*offset, octets);
            }
            false
        });
    }

    /// What the disk may be after a cut before `next`, each with a word on how it came to be.
    pub fn survivors(&self, next: Option<&Event>, random: &mut Random) -> Vec<(String, DiskImage)> {
        let mut all = vec![("nothing unsynced".to_owned(), self.durable.clone())];
        if !self.unsynced.is_empty() {
            let count = self.unsynced.len();
            all.push(("everything unsynced".to_owned(), self.with_first(count, None)));
            for first in 0..count {
                if first > 0 {
                    let what = format!("the first {first} of {count} unsynced");
                    all.push((what, self.with_first(first, None)));
                }
                for bytes in tears(&self.unsynced[first], random) {
                    let what = format!("the first {first} of {count} unsynced and {bytes} octets");
                    all.push((what, self.with_first(first, Some(bytes))));
                }
            }
            for _ in 0..MIXTURES {
                all.push(self.mixture(random));
            }
        }
        if let Some(Event::Create { name, bytes }) = next {
            let mut half = self.durable.clone();
            let made = random.below(*bytes as usize) as u64;
            half.files.insert(name.clone(), FileImage::of_zeros(made));
            all.push((format!("{name} half made"), half));
        }
        all
    }

    /// What a killed process leaves: everything is there, but some of it only in the system's
    /// memory, until the next one syncs it. Opening the catalogue does so.
    pub fn killed(&self) -> (DiskImage, DiskImage, Vec<Event>) {
        let live = self.with_first(self.unsynced.len(), None);
        let (mut durable, mut unsynced) = (self.durable.clone(), Vec::new());
        for left in &self.unsynced {
            match left {
                Unsynced::Apply { tree, changes } => durable.apply(*tree, changes),
                Unsynced::Remove { name } => unsynced.push(Event::Remove { name: name.clone() }),
                Unsynced::Write { name, offset, octets, .. } => {
                    let (name, offset, octets) = (name.clone(), *offset, octets.clone());
                    unsynced.push(Event::Write { name, offset, octets });
                }
            }
        }
        (live, durable, unsynced)
    }

    fn with_first(&self, count: usize, torn_bytes: Option<usize>) -> DiskImage {
        let mut image = self.durable.clone();
        for unsynced in self.unsynced.iter().take(count) {
            unsynced.enter(&mut image);
        }
        if let (Some(bytes), Some(Unsynced::Write { name, offset, octets, .. })) =
            (torn_bytes, self.unsynced.get(count))
            && let Some(file) = image.files.get_mut(name)
        {
            file.write(*offset, &octets[..bytes]);
        }
        image
    }

    /// Any pages, changes and removals of what was not synced, as a disk may reorder them.
    fn mixture(&self, random: &mut Random) -> (String, DiskImage) {
        let mut image = self.durable.clone();
        let (mut what, often) = ("a mixture:".to_owned(), random.one_in(2));
        for unsynced in &self.unsynced {
            let mut lucky = || if often { !random.one_in(6) } else { random.one_in(2) };
            let Unsynced::Write { name, offset, octets, .. } = unsynced else {
                let lucky = lucky();
                what.push(if lucky { '+' } else { '-' });
                if lucky {
                    unsynced.enter(&mut image);
                }
                continue;
            };
            let mut at = *offset;
            what.push(' ');
            for piece in pieces(*offset, octets, PAGE_BYTES) {
                let lucky = lucky();
                what.push(if lucky { '1' } else { '0' });
                if let (true, Some(file)) = (lucky, image.files.get_mut(name)) {
                    file.write(at, piece);
                }
                at += piece.len() as u64;
            }
        }
        (what, image)
    }
}

impl Unsynced {
    fn enter(&self, image: &mut DiskImage) {
        match self {
            Self::Write { name, offset, octets, .. } => {
                if let Some(file) = image.files.get_mut(name) {
                    file.write(*offset, octets);
                }
            }
            Self::Remove { name } => drop(image.files.remove(name)),
            Self::Apply { tree, changes } => image.apply(*tree, changes),
        }
    }
}

fn removed_name(unsynced: &Unsynced) -> Option<Arc<str>> {
    let Unsynced::Remove { name } = unsynced else { return None };
    Some(name.clone())
}

/// How much of a write may be there: all sector boundaries, or some of them and of the pages'.
fn tears(unsynced: &Unsynced, random: &mut Random) -> Vec<usize> {
    let Unsynced::Write { offset, octets, .. } = unsynced else { return Vec::new() };
    let boundaries = |unit_bytes| {
        let mut sum = 0;
        let all = pieces(*offset, octets, unit_bytes).map(move |piece| {
            sum += piece.len();
            sum
        });
        all.filter(|bytes| *bytes < octets.len()).collect::<Vec<usize>>()
    };
    let mut sectors = boundaries(SECTOR_BYTES);
    if sectors.len() <= TEARS_MAX {
        return sectors;
    }
    let pages = boundaries(PAGE_BYTES);
    let mut chosen = Vec::new();
    if !pages.is_empty() {
        chosen.push(pages[random.below(pages.len())]);
    }
    while chosen.len() < TEARS_MAX {
        chosen.push(sectors.swap_remove(random.below(sectors.len())));
    }
    chosen
}
