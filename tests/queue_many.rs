//! So many messages at once that a queue deals with them in steps: none is forgotten in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use warren::message::{Body, Message, MessageId, address};
use warren::outbox::Wakes;
use warren::queue::{Backing, Counts, DeadLetter, Nature, QueueState, Reason, Rules};

#[path = "common/shelf.rs"]
mod shelf;

use shelf::Shelf;

/// More than two steps' worth.
const MANY: u64 = 2500;
/// When they are published, and when their time is up.
const BEGIN_MS: u64 = 1000;
const TTL_MS: u64 = 10;
/// All of them must be gone after so many steps.
const STEPS_MAX: usize = 20;

/// A queue that is full of messages, of which little is in memory if the window is small.
fn full(window_bytes: usize, dead_letter: Option<DeadLetter>) -> (QueueState, Shelf) {
    let rules = Rules { message_ttl_ms: Some(TTL_MS), dead_letter, ..Rules::default() };
    let mut queue = QueueState::with_window(Nature::default(), Arc::new(rules), window_bytes);
    let (shelf, mut wakes) = (Shelf::new(window_bytes), Wakes::at(BEGIN_MS));
    for _ in 0..MANY {
        let message = Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(b"x"), true);
        let hand_over = |id, m: &Message, wakes: &mut Wakes| shelf.append(id, m, wakes);
        queue.publish(message.published_at(BEGIN_MS), hand_over, &shelf, &mut wakes).unwrap();
        shelf.settle(1);
    }
    queue.page_out(&shelf, &mut wakes);
    (queue, shelf)
}

/// Looks after it whenever it asks for that, and answers all its questions.
fn let_time_pass(queue: &mut QueueState, shelf: &Shelf) {
    let now_ms = BEGIN_MS + TTL_MS;
    let mut wakes = Wakes::at(now_ms);
    let (mut armed_ms, mut ticks) = (None, 0);
    loop {
        if let Some((_, at_ms)) = queue.rearm(now_ms) {
            armed_ms = Some(at_ms);
        }
        if let Some(question) = shelf.take_question(0) {
            let read = shelf.answer(&question);
            queue.on_read(question.token, read, shelf, &mut wakes);
        } else if armed_ms.take_if(|at_ms| *at_ms <= now_ms).is_some() {
            queue.on_time(shelf, &mut wakes);
            ticks += 1;
            assert!(ticks < MANY, "it is looked after for ever");
        } else {
            return;
        }
    }
}

#[test]
fn all_of_many_expire_wherever_they_are() {
    for window_bytes in [1, 20_000, usize::MAX / 4] {
        let (mut queue, shelf) = full(window_bytes, None);
        let_time_pass(&mut queue, &shelf);
        assert_eq!((queue.counts().ready, shelf.ids().len()), (0, 0), "window {window_bytes}");
    }
}

#[test]
fn all_of_many_dead_are_brought_on_in_order_and_once() {
    let to = DeadLetter { exchange: "dead".into(), routing_key: None, at_least_once: false };
    let (mut queue, shelf) = full(usize::MAX / 4, Some(to));
    let_time_pass(&mut queue, &shelf);
    let Counts { ready, dead, .. } = queue.counts();
    assert_eq!(ready + dead, MANY as usize);
    assert!(dead < MANY as usize, "the rest waits until these are on their way");
    assert_eq!(shelf.ids().len(), MANY as usize, "they are in the store until they are elsewhere");
    let mut brought = Vec::new();
    for _ in 0..STEPS_MAX {
        let late = &mut Wakes::at(BEGIN_MS + TTL_MS);
        let Some((dead, _)) = queue.take_dying(&shelf, late) else { break };
        assert!(dead.iter().all(|dead| dead.reason == Reason::Expired));
        brought.extend(dead.into_iter().map(|dead| dead.kept.id));
    }
    assert_eq!(brought, (1..=MANY).map(MessageId).collect::<Vec<_>>());
    assert_eq!(queue.counts().dead, 0);
}
