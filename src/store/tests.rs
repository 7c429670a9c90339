//! The store on a real disk: what it takes in comes back, and what is settled does not.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::open::CATALOGUE;
use super::*;
use crate::message::{Body, address};

const QUEUE: QueueId = QueueId(1);

fn open(path: &Path) -> (Arc<Store>, Recovered) {
    Store::open(DataDirectory::open(path).expect("a directory")).expect("opens")
}

fn message(text: &str) -> Message {
    Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(text.as_bytes()), true)
}

fn define(store: &Store, wakes: &mut Wakes) -> Seq {
    let definition = Definition::Queue(QueueDefinition {
        vhost: "/".into(),
        name: "q".into(),
        id: QUEUE,
        auto_delete: false,
        arguments: crate::amqp::table::Table::default(),
    });
    store.define(definition.key(), definition.value(), wakes)
}

fn settled(store: &Store, seq: Seq, wakes: &mut Wakes) {
    wakes.flush();
    let until = Instant::now() + Duration::from_secs(10);
    while !store.is_settled(seq) {
        assert!(Instant::now() < until, "{seq:?} is not settled");
        std::thread::yield_now();
    }
}

fn all(store: &Store) -> Vec<(u64, String)> {
    let wanted = Wanted::Range { first: MessageId(0), last: MessageId(u64::MAX) };
    let read = store.read_now(QUEUE, &wanted, usize::MAX);
    let text = |m: &Message| String::from_utf8_lossy(m.inline_body()).into_owned();
    read.messages.iter().map(|(id, m, _)| (id.0, text(m))).collect()
}

#[test]
fn what_was_settled_stays_settled_and_the_rest_comes_back() {
    for clean in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, recovered) = open(dir.path());
        assert!(recovered.definitions.is_empty());
        let mut wakes = Wakes::default();
        define(&store, &mut wakes);
        let seqs: Vec<Seq> = (1..=5)
            .map(|id| store.append(QUEUE, MessageId(id), &message(&format!("m{id}")), &mut wakes))
            .collect();
        settled(&store, seqs[4], &mut wakes);
        store.remove(QUEUE, &[(MessageId(2), seqs[1]), (MessageId(3), seqs[2])], &mut wakes);
        let fence = store.fence(&mut wakes);
        settled(&store, fence, &mut wakes);
        assert_eq!(all(&store).len(), 3);
        if clean {
            store.close(&[(QUEUE, 3)]);
        }
        drop(store);
        let (store, recovered) = open(dir.path());
        assert_eq!(recovered.definitions.len(), 1);
        let queue = &recovered.queues[&QUEUE];
        let delivered_to = if clean { 3 } else { 5 };
        assert_eq!((queue.last, queue.count()), (5, 3));
        assert_eq!(queue.levels[0].body_bytes, 6);
        assert_eq!(queue.delivered_to, delivered_to, "clean: {clean}");
        let left = [(1, "m1"), (4, "m4"), (5, "m5")].map(|(id, text)| (id, text.to_owned()));
        assert_eq!(all(&store), left);
        assert!(store.new_queue_id() > QUEUE);
    }
}

#[test]
fn a_message_of_several_queues_is_written_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(dir.path());
    let mut wakes = Wakes::default();
    let body = "x".repeat(1_000_000);
    let seq = store.begin(&message(&body));
    for queue in 1..=10 {
        store.add(seq, QueueId(queue), MessageId(1));
    }
    store.end(seq, &mut wakes);
    settled(&store, seq, &mut wakes);
    assert!(store.shared.segments.position().offset < 2_000_000);
    for queue in 1..=10 {
        let wanted = Wanted::Ids(vec![MessageId(1)]);
        let read = store.read_now(QueueId(queue), &wanted, 1);
        assert_eq!(read.messages[0].1.body_bytes(), 1_000_000);
    }
}

#[test]
fn a_large_body_comes_back_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(dir.path());
    let mut wakes = Wakes::default();
    define(&store, &mut wakes);
    let slices: Vec<bytes::Bytes> =
        (0..201_u8).map(|n| bytes::Bytes::from(vec![n; 100_003])).collect();
    let large = Message::new(&address(b"", b"q"), &[0, 0], Body::Linked(slices.clone()), true);
    store.append(QUEUE, MessageId(1), &large, &mut wakes);
    let seq = store.append(QUEUE, MessageId(2), &message("small"), &mut wakes);
    settled(&store, seq, &mut wakes);
    drop(store);
    let (store, recovered) = open(dir.path());
    assert_eq!(recovered.queues[&QUEUE].count(), 2);
    let wanted = Wanted::Range { first: MessageId(1), last: MessageId(2) };
    let read = store.read_now(QUEUE, &wanted, usize::MAX);
    let [(_, first, _), (_, second, _)] = &read.messages[..] else { panic!("two messages") };
    assert_eq!(first.linked_body().concat(), slices.concat());
    assert_eq!(second.inline_body(), b"small");
}

#[test]
fn segments_without_living_messages_are_used_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(dir.path());
    let mut wakes = Wakes::default();
    define(&store, &mut wakes);
    let body = "x".repeat(100_000);
    let keep = store.append(QUEUE, MessageId(1), &message("keep"), &mut wakes);
    settled(&store, keep, &mut wakes);
    for id in 2..1500 {
        let seq = store.append(QUEUE, MessageId(id), &message(&body), &mut wakes);
        settled(&store, seq, &mut wakes);
        store.remove(QUEUE, &[(MessageId(id), seq)], &mut wakes);
    }
    let fence = store.fence(&mut wakes);
    settled(&store, fence, &mut wakes);
    upkeep::checkpoint(&store.shared, None).expect("a checkpoint");
    compact::compact(&store.shared);
    let fence = store.fence(&mut wakes);
    settled(&store, fence, &mut wakes);
    upkeep::checkpoint(&store.shared, None).expect("a checkpoint");
    assert!(store.shared.segments.all().len() <= 2, "{:?}", store.shared.segments.all());
    drop(store);
    let (store, recovered) = open(dir.path());
    assert_eq!(recovered.definitions.len(), 1);
    assert_eq!(all(&store), [(1, "keep".to_owned())]);
}

#[test]
fn a_lost_catalogue_is_made_anew_from_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(dir.path());
    let mut wakes = Wakes::default();
    define(&store, &mut wakes);
    for id in 1..=3 {
        let text = format!("m{id}");
        store.append(QUEUE, MessageId(id), &message(&text), &mut wakes);
    }
    let fence = store.append(QUEUE, MessageId(4), &message("m4"), &mut wakes);
    settled(&store, fence, &mut wakes);
    store.close(&[]);
    drop(store);
    std::fs::remove_dir_all(dir.path().join(CATALOGUE)).expect("removed");
    let (store, recovered) = open(dir.path());
    assert_eq!((recovered.definitions.len(), recovered.queues[&QUEUE].count()), (1, 4));
    assert_eq!(all(&store).len(), 4);
}

/// Tells what time it was said to be.
#[derive(Default)]
struct Hearer(Mutex<Option<u64>>);

impl ReadBack for Hearer {
    fn on_read(&self, _: u64, _: Read, wakes: &mut Wakes) {
        *self.0.lock() = Some(wakes.now_ms());
    }
}

/// Whatever expires is judged by that time, and dead letters begin their lives with it.
#[test]
fn what_is_read_back_comes_with_the_present_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(dir.path());
    let ask = || {
        let hearer = Arc::new(Hearer::default());
        store.read(QUEUE, Wanted::Ids(vec![MessageId(1)]), 1, 1, hearer.clone());
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(heard_ms) = *hearer.0.lock() {
                return heard_ms;
            }
            assert!(Instant::now() < until, "no answer");
            std::thread::yield_now();
        }
    };
    let first_ms = ask();
    while crate::clock::now_ms() <= first_ms + 1 {
        std::thread::yield_now();
    }
    let asked_ms = crate::clock::now_ms();
    assert!(ask() >= asked_ms);
}
