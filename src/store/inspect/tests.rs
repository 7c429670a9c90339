//! Data directories that are sound, and some that are not: what is told of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::amqp::table::Table;
use crate::message::{Body, Message, Seq, address};
use crate::outbox::Wakes;
use crate::store::catalogue::Tree;
use crate::store::index::{PAGE_KEY, page_key};
use crate::store::page::Slots;
use crate::store::record::{HEADER_BYTES, MARK_RECORD_BYTES, Mark, encode_mark};
use crate::store::sled_catalogue::{OnDamage, SledCatalogue};
use crate::store::{DataDirectory, Definition, QueueDefinition, QueueId, Store};

const QUEUE: QueueId = QueueId(1);

struct Filled {
    dir: tempfile::TempDir,
    wakes: Wakes,
    store: Arc<Store>,
}

impl Filled {
    /// A store with the queue 'jobs' in it.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path());
        let mut filled = Self { dir, wakes: Wakes::default(), store };
        let queue = QueueDefinition {
            vhost: "/".into(),
            name: "jobs".into(),
            id: QUEUE,
            auto_delete: false,
            arguments: Table::default(),
        };
        let definition = Definition::Queue(queue);
        filled.store.define(definition.key(), definition.value(), &mut filled.wakes);
        filled
    }

    fn publish(&mut self, id: u64, body: &[u8]) -> Seq {
        let message = Message::new(&address(b"x", b"key"), &[0, 0], Body::Inline(body), true);
        self.store.append(QUEUE, MessageId(id), &message, &mut self.wakes)
    }

    fn settle(&mut self) {
        let fence = self.store.fence(&mut self.wakes);
        self.wakes.flush();
        let until = Instant::now() + Duration::from_mins(1);
        while !self.store.is_settled(fence) {
            assert!(Instant::now() < until, "never settled");
            std::thread::yield_now();
        }
    }

    /// Where a message is: file, offset of its record.
    fn place(&self, id: u64) -> (PathBuf, u64) {
        let shared = &self.store.shared;
        let index = shared.contents.index(QUEUE).expect("an index");
        let at = index.lock().get(MessageId(id), &*shared.contents.catalogue).expect("there");
        let file = shared.segments.file(at.segment().into()).expect("a file");
        (self.dir.path().join(LOG).join(&*file.name), at.offset())
    }

    /// Without a last checkpoint.
    fn crash(self) -> tempfile::TempDir {
        drop(self.store);
        self.dir
    }

    fn close(self) -> tempfile::TempDir {
        self.store.close(&[(QUEUE, 0)]);
        self.dir
    }
}

fn open(path: &Path) -> Arc<Store> {
    Store::open(DataDirectory::open(path).expect("a directory")).expect("opens").0
}

fn checked(path: &Path) -> (u8, String) {
    let mut out = Vec::new();
    let code = check(path, &mut out).expect("written");
    (code, String::from_utf8(out).expect("text"))
}

fn dumped(path: &Path, options: &DumpOptions) -> (u8, String) {
    let mut out = Vec::new();
    let code = dump(path, options, &mut out).expect("written");
    (code, String::from_utf8(out).expect("text"))
}

fn assert_tells(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

fn flip(file: &Path, offset: u64) {
    let mut octets = fs::read(file).expect("readable");
    octets[offset as usize] ^= 1;
    fs::write(file, octets).expect("written");
}

/// Every file below, with all that would change if somebody wrote there.
fn state(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let modified = fs::metadata(&path).expect("there").modified().expect("a time");
        if path.is_dir() {
            all.extend(state(&path));
            all.insert(path, (modified, Vec::new()));
        } else {
            let octets = fs::read(&path).expect("readable");
            all.insert(path, (modified, octets));
        }
    }
    all
}

#[test]
fn what_is_sound_is_told_and_shown_and_nothing_is_changed() {
    for clean in [true, false] {
        let mut filled = Filled::new();
        let seqs = [1, 2, 3].map(|id| filled.publish(id, format!("body {id}\n").as_bytes()));
        filled.settle();
        filled.store.remove(QUEUE, &[(MessageId(2), seqs[1])], &mut filled.wakes);
        filled.settle();
        let dir = if clean { filled.close() } else { filled.crash() };
        let before = state(dir.path());
        let (code, text) = checked(dir.path());
        assert_eq!(code, EXIT_SOUND, "{text}");
        assert_tells(
            &text,
            &["queue 1 'jobs' in vhost '/': 2 messages", "definitions: 1", "sound"],
        );
        assert_tells(&text, &["3 messages, 0 moved, 1 of settlements, 1 definitions"]);
        assert_eq!(text.contains("in good order"), clean, "{text}");

        let (code, text) = dumped(dir.path(), &DumpOptions::default());
        assert_eq!(code, EXIT_SOUND, "{text}");
        assert_tells(&text, &["queue 'jobs' in vhost '/' number=1", "messages=2", "ids=1,3"]);
        assert_tells(&text, &["catalogue salt secret\n"]);
        assert!(!text.contains("body 1"), "{text}");
        let all = DumpOptions { records: true, messages: true, queue: None };
        let (_, text) = dumped(dir.path(), &all);
        assert_tells(&text, &["kind=remove runs=1:2-2\n", "kind=start\n", "kind=mark number=0"]);
        assert_tells(&text, &["kind=publish refs=1:2 persistent", "body='body 2\\n'"]);
        assert_tells(&text, &["message 3 of queue 1 'jobs'", "exchange='x' key='key'"]);
        assert!(!text.contains("message 2 of"), "{text}");
        for (queue, shown) in [("jobs", true), ("1", true), ("2", false)] {
            let queue = Some(queue.to_owned());
            let (_, text) = dumped(dir.path(), &DumpOptions { queue, ..DumpOptions::default() });
            assert_eq!(text.contains("body 3"), shown, "{text}");
        }
        assert!(before == state(dir.path()), "something was changed");
    }
}

#[test]
fn a_flipped_bit_in_a_body_is_told_with_its_message() {
    let mut filled = Filled::new();
    for id in 1..=3 {
        filled.publish(id, &[b'x'; 1000]);
    }
    filled.settle();
    let (file, offset) = filled.place(2);
    let dir = filled.close();
    flip(&file, offset + 500);
    let (code, text) = checked(dir.path());
    assert_eq!(code, EXIT_DAMAGED, "{text}");
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert_tells(&text, &[&format!("damage: {name} offset {offset} length ")]);
    assert_tells(&text, &["queue 1 'jobs' in vhost '/' message 2: there is no sound record"]);
    assert!(!text.contains("message 1:") && !text.contains("message 3:"), "{text}");
    let all = DumpOptions { messages: true, ..DumpOptions::default() };
    let (code, text) = dumped(dir.path(), &all);
    assert_eq!(code, EXIT_DAMAGED, "{text}");
    assert_tells(&text, &["damage message 2 of queue 1 'jobs'", "\nmessage 3 of"]);
}

#[test]
fn a_flipped_bit_in_a_segments_header_is_told() {
    let mut filled = Filled::new();
    filled.publish(1, b"one");
    filled.settle();
    let (file, _) = filled.place(1);
    let dir = filled.close();
    flip(&file, 20);
    let (code, text) = checked(dir.path());
    assert_eq!(code, EXIT_DAMAGED, "{text}");
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert_tells(&text, &[&format!("damage: {name} offset 0 length 4096: the header")]);
}

#[test]
fn a_bad_page_is_told() {
    let mut filled = Filled::new();
    filled.publish(1, b"one");
    filled.publish(2, b"two");
    filled.settle();
    let dir = filled.close();
    let key = page_key(PAGE_KEY, QUEUE, 0);
    let change = |value: &[u8]| {
        let catalogue =
            SledCatalogue::open(&dir.path().join(CATALOGUE), OnDamage::Report).expect("opens");
        let old = catalogue.get(Tree::Pages, &key).expect("read").expect("a page");
        catalogue.apply(Tree::Pages, vec![(key.clone(), Some(value.to_vec()))]).expect("applied");
        catalogue.sync().expect("synced");
        old
    };
    let sound = change(b"nonsense");
    let (code, text) = checked(dir.path());
    assert_eq!(code, EXIT_DAMAGED, "{text}");
    assert_tells(&text, &["index page 0 (messages from 0) of queue 1 'jobs' in vhost '/'"]);
    assert_tells(&text, &["0 messages are there instead of 2"]);

    // The place of the second message becomes that of the first.
    let slots = Slots::decode(&sound).expect("a page");
    let mut wrong = slots.clone();
    wrong.insert(MessageId(2), slots.get(MessageId(1)).expect("there"));
    change(&wrong.encode());
    let (code, text) = checked(dir.path());
    assert_eq!(code, EXIT_DAMAGED, "{text}");
    assert_tells(&text, &["message 2: the record there is of other messages"]);
    assert!(!text.contains("message 1:"), "{text}");
}

#[test]
fn a_missing_segment_is_told_with_its_messages() {
    let mut filled = Filled::new();
    for id in 1..=40 {
        filled.publish(id, &vec![b'x'; 500_000]);
        filled.settle();
    }
    let (first, _) = filled.place(1);
    assert_ne!(first, filled.place(40).0, "one segment is not enough for this test");
    let last_there = (1..=40).rev().find(|id| filled.place(*id).0 == first).expect("the first");
    let dir = filled.close();
    fs::remove_file(first).expect("removed");
    let (code, text) = checked(dir.path());
    assert_eq!(code, EXIT_DAMAGED, "{text}");
    let told = format!("in vhost '/' messages 1-{last_there}: their segment 1 is missing");
    assert_tells(&text, &["segment 1 is missing", &told]);
}

#[test]
fn a_catalogue_that_is_missing_or_damaged_is_told_and_the_log_is_read_instead() {
    let mut filled = Filled::new();
    filled.publish(1, b"one");
    filled.settle();
    let dir = filled.close();
    let db = dir.path().join(CATALOGUE).join("db");
    let length = fs::metadata(&db).expect("there").len();
    fs::write(&db, vec![b'?'; length as usize]).expect("written");
    let (code, text) = checked(dir.path());
    assert_eq!(code, EXIT_DAMAGED, "{text}");
    assert_tells(&text, &["damage: the catalogue", "'/': 1 messages"]);
    fs::remove_dir_all(dir.path().join(CATALOGUE)).expect("removed");
    let (code, text) = checked(dir.path());
    assert_eq!(code, EXIT_DAMAGED, "{text}");
    assert_tells(&text, &["damage: the catalogue: it is missing", "'/': 1 messages"]);
}

#[test]
fn a_torn_batch_is_told_and_is_no_damage() {
    let mut filled = Filled::new();
    filled.publish(1, b"one");
    filled.settle();
    let (position, salt) = (filled.store.shared.segments.position(), filled.store.shared.salt);
    let (file, _) = filled.place(1);
    let dir = filled.crash();
    let place = Place { segment: position.segment, offset: position.offset, salt };
    let mut torn = Vec::new();
    let bytes = MARK_RECORD_BYTES + HEADER_BYTES as u64 + 104;
    let (number, synced_to) = (position.mark, position.offset);
    encode_mark(&mut torn, place, Mark { number, synced_to, batch_bytes: bytes, time_ms: 0 });
    let mut octets = fs::read(&file).expect("readable");
    let at = position.offset as usize;
    octets[at..at + torn.len()].copy_from_slice(&torn);
    fs::write(&file, octets).expect("written");
    let (code, text) = checked(dir.path());
    assert_eq!(code, EXIT_SOUND, "{text}");
    assert_tells(&text, &[&format!("torn: {bytes} octets"), "'/': 1 messages"]);
}

#[test]
fn where_a_broker_runs_or_nothing_is_stored_nothing_is_read() {
    let filled = Filled::new();
    let (code, text) = checked(filled.dir.path());
    assert_eq!(code, EXIT_UNREADABLE, "{text}");
    assert_tells(&text, &["cannot read ", "in use by another warren"]);
    let empty = tempfile::tempdir().expect("a directory");
    for path in [empty.path(), &empty.path().join("nowhere")] {
        for (code, text) in [checked(path), dumped(path, &DumpOptions::default())] {
            assert_eq!(code, EXIT_UNREADABLE, "{text}");
            assert_tells(&text, &[&path.display().to_string()]);
        }
    }
    assert_eq!(fs::read_dir(empty.path()).expect("there").count(), 0);
}
