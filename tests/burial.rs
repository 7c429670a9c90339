//! What dies in a queue while its dead are brought on: the queue's state machine alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use bytes::Bytes;
use warren::message::{Body, Message, Seq, address};
use warren::outbox::{ConsumerId, Outbox, Outgoing, Wakes};
use warren::queue::{ConsumerSpec, Dead, DeadLetter, Got, Nature, QueueState, Rules};

#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "common/shelf.rs"]
mod shelf;

use shelf::Shelf;

/// More than ever wait to be brought on, by far.
const MANY: u64 = 20_000;
const TTL_MS: u32 = 10;
/// When everything that was published at 0 has expired.
const LATER_MS: u64 = 100;

fn rules(at_least_once: bool) -> Rules {
    let dead_letter = DeadLetter { exchange: "dlx".into(), routing_key: None, at_least_once };
    let message_ttl_ms = Some(TTL_MS.into());
    Rules { message_ttl_ms, dead_letter: Some(dead_letter), ..Rules::default() }
}

/// A queue with messages that came at 0 but for the last, which comes later.
fn queue(rules: Rules, count: u64, body_bytes: usize, shelf: &Shelf) -> QueueState {
    let mut queue = QueueState::new(Nature::default(), Arc::new(rules));
    for number in 1..=count {
        let at_ms = if number == count { LATER_MS } else { 0 };
        let body = Body::Linked(vec![Bytes::from(vec![0; body_bytes])]);
        let address = address(b"", number.to_string().as_bytes());
        let message = Message::new(&address, &[0, 0], body, false).published_at(at_ms);
        let wakes = &mut Wakes::at(0);
        queue.publish(message, |_, _, _| Seq::NONE, shelf, wakes).unwrap();
    }
    queue
}

/// Brings on what can be, as the undertaker does; the numbers in the order of the deaths.
fn bring_on(queue: &mut QueueState, shelf: &Shelf, mut each: impl FnMut(&mut QueueState, Dead)) {
    let wakes = &mut Wakes::at(LATER_MS);
    while let Some((dead, _)) = queue.take_dying(shelf, wakes) {
        for dead in dead {
            each(queue, dead);
        }
    }
}

#[test]
fn no_more_expire_than_are_brought_on_and_all_of_them_in_order() {
    let shelf = Shelf::new(1 << 20);
    for (count, body_bytes, most) in [(MANY, 1, 2048), (50, 1 << 20, 2)] {
        let mut queue = queue(rules(false), count, body_bytes, &shelf);
        let wakes = &mut Wakes::at(LATER_MS);
        assert!(queue.on_time(&shelf, wakes) || queue.begins_burial());
        let mut brought = Vec::new();
        let mut most_dead = queue.counts().dead;
        bring_on(&mut queue, &shelf, |queue, dead| {
            most_dead = most_dead.max(queue.counts().dead);
            brought.push(dead.kept.id.0);
        });
        assert!((1..=most).contains(&most_dead), "{most_dead} dead at once");
        assert_eq!(brought, (1..count).collect::<Vec<_>>());
        assert_eq!((queue.counts().ready, queue.counts().dead), (1, 0));
    }
}

#[test]
fn the_dead_do_not_hide_what_lives_from_consumers_for_good() {
    let shelf = Shelf::new(1 << 20);
    let mut queue = queue(rules(false), MANY, 1, &shelf);
    let (outbox, wakes) = (Arc::new(Outbox::default()), &mut Wakes::at(LATER_MS));
    assert!(matches!(queue.get(false, &shelf, wakes), Got::Nothing));
    queue.consume(ConsumerSpec::plain(ConsumerId(1), outbox.clone()), &shelf, wakes).unwrap();
    assert!(queue.begins_burial());
    bring_on(&mut queue, &shelf, |_, _| {});
    let mut drained = Vec::new();
    outbox.swap(&mut drained);
    let delivered: Vec<u64> = drained
        .iter()
        .map(|item| match item {
            Outgoing::Delivery { entry, .. } => entry.id.0,
            other => panic!("not a delivery: {other:?}"),
        })
        .collect();
    assert_eq!(delivered, [MANY]);
}

#[test]
fn what_nobody_takes_stays_where_it_is_until_somebody_does() {
    let shelf = Shelf::new(1 << 20);
    let mut queue = queue(rules(true), MANY, 1, &shelf);
    let wakes = &mut Wakes::at(LATER_MS);
    assert!(queue.on_time(&shelf, wakes) || queue.begins_burial());
    bring_on(&mut queue, &shelf, |queue, dead| queue.keep_dead(dead, &shelf, LATER_MS));
    let counts = queue.counts();
    assert!(counts.dead < 10_000 && counts.ready > 10_000, "{counts:?}");
    assert_eq!((counts.dead + counts.ready) as u64, MANY);
    // Nothing is to be done before the next try, which finds a target.
    let (_, retry_ms) = queue.rearm(LATER_MS).expect("it is tried again");
    assert!(retry_ms > LATER_MS);
    let mut brought = Vec::new();
    for _ in 0..MANY {
        let wakes = &mut Wakes::at(retry_ms);
        if queue.on_time(&shelf, wakes) {
            while let Some((dead, _)) = queue.take_dying(&shelf, wakes) {
                brought.extend(dead.into_iter().map(|dead| dead.kept.id.0));
            }
        }
        if queue.counts().ready + queue.counts().dead == 0 {
            break;
        }
    }
    brought.sort_unstable();
    brought.dedup();
    // The last one has expired too by now.
    assert_eq!(brought.len() as u64, MANY);
}
