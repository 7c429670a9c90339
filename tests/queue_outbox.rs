//! The queue's state machine where it meets full outboxes, and an answer that comes too late.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use bytes::Bytes;
use warren::message::{Body, Message, MessageId, Seq, address};
use warren::outbox::{ConsumerId, OUTBOX_MAX_BYTES, Outbox, Outgoing, Wakes};
use warren::queue::{Answer, Backing, ConsumerSpec, Counts, Kept, Nature, QueueState, Volume};

#[path = "common/shelf.rs"]
mod shelf;

use shelf::Shelf;

/// Without a store: everything is transient.
struct NoStore;

/// Messages ready and unacknowledged, and consumers.
fn few(queue: &QueueState) -> (usize, usize, usize) {
    let Counts { ready, unacked, consumers, .. } = queue.counts();
    (ready, unacked, consumers)
}

impl Backing for NoStore {
    fn append(&self, _: MessageId, _: &Message, _: &mut Wakes) -> Seq {
        Seq::NONE
    }

    fn is_settled(&self, _: Seq) -> bool {
        panic!("nothing was stored")
    }

    fn is_memory_short(&self) -> bool {
        false
    }

    fn remove(&self, _: &[(MessageId, Seq)], _: &mut Wakes) {
        panic!("nothing was stored")
    }

    fn count(&self, _: &Kept, _: &mut Wakes) {}

    fn remove_range(&self, _: MessageId, _: MessageId, _: &mut Wakes) {
        panic!("nothing was stored")
    }

    fn read(&self, _: warren::store::Wanted, _: usize, _: u64) {
        panic!("nothing was stored")
    }

    fn resize_window(&self, window_bytes: usize) -> usize {
        window_bytes
    }

    fn give_window_back(&self, _: usize) {}
}

fn publish(queue: &mut QueueState, number: u64, body_bytes: usize, wakes: &mut Wakes) {
    let message = message(number, body_bytes);
    queue.publish(message, |_, _, _| Seq::NONE, &NoStore, wakes).unwrap();
}

/// A message whose routing key is its number.
fn message(number: u64, body_bytes: usize) -> Message {
    let address = address(b"", number.to_string().as_bytes());
    Message::new(&address, &[0, 0], Body::Linked(vec![Bytes::from(vec![0; body_bytes])]), false)
}

fn delivered(outbox: &Arc<Outbox>) -> (Vec<u64>, bool) {
    let mut drained = Vec::new();
    let refused = outbox.swap(&mut drained);
    let ids = drained.into_iter().map(|item| match item {
        Outgoing::Delivery { entry, .. } => entry.id.0,
        other => panic!("not a delivery: {other:?}"),
    });
    (ids.collect(), refused)
}

#[test]
fn a_full_outbox_keeps_messages_in_the_queue_until_there_is_room() {
    let (mut queue, mut wakes) =
        (QueueState::new(Nature::default(), Arc::default()), Wakes::default());
    let outbox = Arc::new(Outbox::default());
    queue
        .consume(ConsumerSpec::plain(ConsumerId(1), outbox.clone()), &NoStore, &mut wakes)
        .unwrap();
    for number in 1..=4 {
        publish(&mut queue, number, OUTBOX_MAX_BYTES / 2, &mut wakes);
    }
    assert_eq!(few(&queue), (2, 2, 1));
    assert_eq!(delivered(&outbox), (vec![1, 2], true));
    let one = Volume { count: 1, bytes: OUTBOX_MAX_BYTES as u64 / 2, ..Volume::default() };
    queue.settle(Some(ConsumerId(1)), one, &NoStore, &mut wakes);
    assert_eq!(delivered(&outbox), (vec![3, 4], false));
    assert_eq!(few(&queue), (0, 3, 1));
}

#[test]
fn what_a_full_outbox_refused_is_delivered_when_it_is_told_of_room() {
    let (mut queue, mut wakes) =
        (QueueState::new(Nature::default(), Arc::default()), Wakes::default());
    let outbox = Arc::new(Outbox::default());
    publish(&mut queue, 1, OUTBOX_MAX_BYTES, &mut wakes);
    publish(&mut queue, 2, 1, &mut wakes);
    queue
        .consume(ConsumerSpec::plain(ConsumerId(1), outbox.clone()), &NoStore, &mut wakes)
        .unwrap();
    assert_eq!(few(&queue), (1, 1, 1));
    publish(&mut queue, 3, 1, &mut wakes);
    assert_eq!(queue.counts().ready, 2, "nobody overtakes the refused one");
    assert_eq!(delivered(&outbox), (vec![1], true));
    queue.resume(ConsumerId(1), &NoStore, &mut wakes);
    assert_eq!(delivered(&outbox), (vec![2, 3], false));
}

#[test]
fn a_consumer_with_a_full_outbox_does_not_hold_up_the_others() {
    let (mut queue, mut wakes) =
        (QueueState::new(Nature::default(), Arc::default()), Wakes::default());
    let (stuck, quick) = (Arc::new(Outbox::default()), Arc::new(Outbox::default()));
    queue.consume(ConsumerSpec::plain(ConsumerId(1), stuck.clone()), &NoStore, &mut wakes).unwrap();
    publish(&mut queue, 1, OUTBOX_MAX_BYTES, &mut wakes);
    queue.consume(ConsumerSpec::plain(ConsumerId(2), quick.clone()), &NoStore, &mut wakes).unwrap();
    for number in 2..=5 {
        publish(&mut queue, number, 1, &mut wakes);
    }
    assert_eq!(delivered(&quick), (vec![2, 3, 4, 5], false));
    assert_eq!(delivered(&stuck), (vec![1], true));
}

#[test]
fn an_answer_from_before_a_purge_is_not_taken_for_a_later_one() {
    let (mut queue, mut wakes) =
        (QueueState::with_window(Nature::default(), Arc::default(), 1), Wakes::default());
    let (shelf, outbox) = (Shelf::new(1), Arc::new(Outbox::default()));
    let fill = |queue: &mut QueueState, numbers: std::ops::RangeInclusive<u64>| {
        for number in numbers {
            let hand_over = |id, m: &Message, wakes: &mut Wakes| shelf.append(id, m, wakes);
            let message = message(number, OUTBOX_MAX_BYTES);
            queue.publish(message, hand_over, &shelf, &mut Wakes::default()).unwrap();
            shelf.settle(1);
        }
        queue.page_out(&shelf, &mut Wakes::default());
    };
    fill(&mut queue, 1..=5);
    let consumer = ConsumerSpec::plain(ConsumerId(1), outbox.clone());
    queue.consume(consumer, &shelf, &mut wakes).unwrap();
    assert_eq!(delivered(&outbox), (vec![1], false));
    let early = shelf.take_question(0).expect("the next one is on disk");
    let late = shelf.answer(&early);
    queue.purge(&shelf).remove_all(&shelf, &mut wakes);
    fill(&mut queue, 6..=10);
    assert_eq!(delivered(&outbox), (vec![6], true));
    queue.resume(ConsumerId(1), &shelf, &mut wakes);
    assert!(shelf.is_asked());
    assert_eq!(queue.on_read(early.token, late, &shelf, &mut wakes), Answer::default());
    let question = shelf.take_question(0).expect("still to be answered");
    let read = shelf.answer(&question);
    queue.on_read(question.token, read, &shelf, &mut wakes);
    assert_eq!(delivered(&outbox).0, [7]);
}
