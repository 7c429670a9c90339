//! Crashes at bad moments, and files that are not what they were: nothing that was synced is lost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use std::fmt;

use super::*;
use crate::amqp::table::Table;
use crate::message::{Body, Message, MessageId, Seq, address};
use crate::outbox::Wakes;
use crate::store::catalogue::{CatalogueResult, Change, Each};
use crate::store::disk::Disk;
use crate::store::inbox::{Moved, Operation};
use crate::store::open::{CATALOGUE, LOG};
use crate::store::record::Ref;
use crate::store::sled_catalogue::{OnDamage, SledCatalogue};
use crate::store::{
    DataDirectory, Definition, OnFailure, QueueDefinition, Recovered, Store, StoreOptions, Wanted,
    upkeep,
};

const QUEUE: QueueId = QueueId(1);
const LARGE_BYTES: usize = 500_000;

type Hook = Box<dyn FnOnce() + Send>;

/// A catalogue that lets something happen in the middle of a checkpoint.
struct Hooked {
    inner: SledCatalogue,
    at_next_sync: Mutex<Option<Hook>>,
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooked").finish_non_exhaustive()
    }
}

impl Catalogue for Hooked {
    fn get(&self, tree: Tree, key: &[u8]) -> CatalogueResult<Option<Vec<u8>>> {
        self.inner.get(tree, key)
    }

    fn scan(&self, tree: Tree, prefix: &[u8], each: Each<'_>) -> CatalogueResult<()> {
        self.inner.scan(tree, prefix, each)
    }

    fn apply(&self, tree: Tree, changes: Vec<Change>) -> CatalogueResult<()> {
        self.inner.apply(tree, changes)
    }

    fn sync(&self) -> CatalogueResult<()> {
        let hook = self.at_next_sync.lock().take();
        if let Some(hook) = hook {
            hook();
        }
        self.inner.sync()
    }
}

fn open(path: &Path) -> (Arc<Store>, Recovered) {
    Store::open(DataDirectory::open(path).expect("a directory")).expect("opens")
}

fn open_hooked(path: &Path) -> (Arc<Store>, Arc<Hooked>) {
    let directory = DataDirectory::open(path).expect("a directory");
    let files = Arc::new(Disk::open(&path.join(LOG)).expect("a log"));
    let inner = SledCatalogue::open(&path.join(CATALOGUE), OnDamage::Report).expect("a catalogue");
    let hooked = Arc::new(Hooked { inner, at_next_sync: Mutex::default() });
    let options = StoreOptions { on_failure: OnFailure::Stop, ..StoreOptions::default() };
    let opened = Store::open_with(files, hooked.clone(), options, Some(directory));
    (opened.expect("opens").0, hooked)
}

fn settle(store: &Store, wakes: &mut Wakes) {
    let fence = store.fence(wakes);
    wakes.flush();
    let until = Instant::now() + Duration::from_mins(1);
    while !store.is_settled(fence) {
        assert!(Instant::now() < until, "never settled");
        std::thread::yield_now();
    }
}

fn queue(id: QueueId) -> Definition {
    let (vhost, name) = ("/".into(), format!("q{}", id.0).into());
    let arguments = Table::default();
    Definition::Queue(QueueDefinition { vhost, name, id, auto_delete: false, arguments })
}

fn define(store: &Store, id: QueueId) {
    let mut wakes = Wakes::default();
    store.define(queue(id).key(), queue(id).value(), &mut wakes);
    settle(store, &mut wakes);
}

fn message(bytes: usize) -> Message {
    Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(&vec![b'x'; bytes]), true)
}

fn publish(store: &Store, queue: QueueId, ids: impl Iterator<Item = u64>, bytes: usize) {
    let mut wakes = Wakes::default();
    for id in ids {
        store.append(queue, MessageId(id), &message(bytes), &mut wakes);
        settle(store, &mut wakes);
    }
}

fn remove(store: &Store, ids: impl Iterator<Item = u64>) {
    let mut wakes = Wakes::default();
    let settled: Vec<_> = ids.map(|id| (MessageId(id), Seq::ON_DISK)).collect();
    store.remove(QUEUE, &settled, &mut wakes);
    settle(store, &mut wakes);
}

fn segment_of(store: &Store, id: u64) -> u64 {
    let index = store.shared.contents.index(QUEUE).expect("an index");
    let at = index.lock().get(MessageId(id), &*store.shared.contents.catalogue);
    at.expect("there").segment().into()
}

/// What compaction does with a message.
fn relocate(store: &Store, id: u64) {
    let index = store.shared.contents.index(QUEUE).expect("an index");
    let at = index.lock().get(MessageId(id), &*store.shared.contents.catalogue).expect("there");
    let refs = vec![Ref { queue: QUEUE, id: MessageId(id) }];
    let from = (u64::from(at.segment()), at.offset());
    let moved = Box::new(Moved { message: message(LARGE_BYTES), refs, from });
    store.shared.inbox.lock().push(Operation::Move(moved));
    settle(store, &mut Wakes::default());
    assert_ne!(segment_of(store, id), from.0);
}

/// And with a definition.
fn redefine(store: &Store, from: u64) {
    let operation = Operation::Redefine { key: queue(QUEUE).key(), from };
    store.shared.inbox.lock().push(operation);
    settle(store, &mut Wakes::default());
}

fn ids(store: &Store, queue: QueueId) -> Vec<u64> {
    let wanted = Wanted::Range { first: MessageId(0), last: MessageId(u64::MAX) };
    let read = store.read_now(queue, &wanted, usize::MAX);
    read.messages.iter().map(|(id, ..)| id.0).collect()
}

/// Message 1 alone is in the first segment, message 40 in a later one.
fn with_one_left_in_the_first_segment(store: &Store) {
    define(store, QUEUE);
    publish(store, QUEUE, 1..=40, LARGE_BYTES);
    remove(store, 2..=39);
    redefine(store, 1);
    assert!(segment_of(store, 1) < segment_of(store, 40));
    upkeep::checkpoint(&store.shared, None).expect("a checkpoint");
}

#[test]
fn a_segment_that_is_emptied_while_a_checkpoint_is_written_is_still_needed() {
    for moved in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, hooked) = open_hooked(dir.path());
        with_one_left_in_the_first_segment(&store);
        let weak = Arc::downgrade(&store);
        *hooked.at_next_sync.lock() = Some(Box::new(move || {
            let store = weak.upgrade().expect("still open");
            if moved { relocate(&store, 1) } else { remove(&store, 1..=1) }
        }));
        // The checkpoint has the message in the first segment; the log has the change.
        upkeep::checkpoint(&store.shared, None).expect("a checkpoint");
        // Files that can be used again are.
        publish(&store, QUEUE, 41..=110, LARGE_BYTES);
        drop((store, hooked));
        let (store, recovered) = open(dir.path());
        assert_eq!(recovered.damage, []);
        let first = ids(&store, QUEUE).first().copied();
        assert_eq!(first, Some(if moved { 1 } else { 40 }));
    }
}

#[test]
fn a_catalogue_that_has_gone_back_in_time_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(dir.path());
    with_one_left_in_the_first_segment(&store);
    store.close(&[]);
    drop(store);
    let (catalogue, old) = (dir.path().join(CATALOGUE), dir.path().join("old"));
    copy(&catalogue, &old);

    let (store, _) = open(dir.path());
    publish(&store, QUEUE, 41..=80, LARGE_BYTES);
    let written_in = segment_of(&store, 41);
    // An old message moves, and one that the old catalogue has never heard of; their segments go.
    for id in [1, 40, 41] {
        relocate(&store, id);
    }
    remove(&store, 42..=79);
    redefine(&store, 2);
    redefine(&store, 3);
    publish(&store, QUEUE, 81..=120, LARGE_BYTES);
    for _ in 0..2 {
        upkeep::checkpoint(&store.shared, None).expect("a checkpoint");
    }
    // Files that can be used again are.
    publish(&store, QUEUE, 121..=280, LARGE_BYTES);
    let there = ids(&store, QUEUE);
    assert!(!store.shared.segments.all().contains_key(&written_in), "still needed");
    drop(store);
    fs::remove_dir_all(&catalogue).expect("removed");
    fs::rename(&old, &catalogue).expect("renamed");
    let (store, recovered) = open(dir.path());
    assert_ne!(recovered.damage, []);
    let back = ids(&store, QUEUE);
    let lost: Vec<_> = there.iter().filter(|id| !back.contains(id)).collect();
    assert!(lost.is_empty(), "lost {lost:?}");
    assert_eq!(recovered.definitions, [queue(QUEUE)]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn the_last_segment_is_read_though_its_header_is_damaged() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(dir.path());
    define(&store, QUEUE);
    store.close(&[]);
    drop(store);
    for checkpoint in [true, false] {
        let (store, _) = open(dir.path());
        if checkpoint {
            upkeep::checkpoint(&store.shared, None).expect("a checkpoint");
        }
        let id = if checkpoint { 1 } else { 2 };
        publish(&store, QUEUE, id..=id, 5);
        let name = store.shared.segments.file(segment_of(&store, id)).expect("a file").name;
        drop(store);
        let file = dir.path().join(LOG).join(&*name);
        let mut octets = fs::read(&file).expect("readable");
        octets[20] ^= 1;
        fs::write(&file, octets).expect("written");
        let (store, recovered) = open(dir.path());
        assert_eq!(ids(&store, QUEUE).last(), Some(&id), "{:?}", recovered.damage);
        assert_ne!(recovered.damage, []);
        store.close(&[]);
    }
}

#[test]
fn a_number_of_a_queue_is_not_given_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(dir.path());
    let given: Vec<_> = (0..7).map(|_| store.new_queue_id()).collect();
    assert_eq!(given.last(), Some(&QueueId(7)));
    publish(&store, QueueId(5), 1..=1, 5); // Transient: it has no definition.
    define(&store, QueueId(7));
    let mut wakes = Wakes::default();
    store.forget(queue(QueueId(7)).key(), Some(QueueId(7)), &mut wakes);
    settle(&store, &mut wakes);
    drop(store);
    let (store, recovered) = open(dir.path());
    assert!(recovered.definitions.is_empty());
    assert_eq!(store.new_queue_id(), QueueId(8));
}

#[test]
fn what_a_later_version_wrote_is_not_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(dir.path());
    define(&store, QUEUE);
    let name = store.shared.segments.file(1).expect("a file").name;
    store.close(&[]);
    drop(store);
    let file = dir.path().join(LOG).join(&*name);
    let mut octets = fs::read(&file).expect("readable");
    octets[8] = 2;
    let crc = crc32fast::hash(&octets[..60]).to_le_bytes();
    octets[60..64].copy_from_slice(&crc);
    fs::write(&file, &octets).expect("written");
    let directory = DataDirectory::open(dir.path()).expect("a directory");
    let error = Store::open(directory).expect_err("refused").to_string();
    assert!(error.contains("later version"), "{error}");
    assert!(fs::read(&file).expect("readable") == octets, "it was changed");
}
