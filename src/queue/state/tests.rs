//! Tests of the dead: those that are on their way when the rules change or the queue is deleted.

use std::cell::RefCell;
use std::time::Duration;

use super::*;
use crate::message::{Body, Traits, address};
use crate::queue::death::Dead;
use crate::queue::rules::DeadLetter;
use crate::queue::settings::Overflow;
use crate::store::{WINDOW_MAX_BYTES, Wanted};

/// A store that has everything at once.
#[derive(Default)]
struct Stored {
    removed: RefCell<Vec<MessageId>>,
}

impl Backing for Stored {
    fn append(&self, id: MessageId, _: &Message, _: &mut Wakes) -> Seq {
        Seq(Seq::ON_DISK.0 + id.sequence())
    }

    fn is_settled(&self, _: Seq) -> bool {
        true
    }

    fn is_memory_short(&self) -> bool {
        false
    }

    fn remove(&self, settled: &[(MessageId, Seq)], _: &mut Wakes) {
        self.removed.borrow_mut().extend(settled.iter().map(|(id, _)| *id));
    }

    fn count(&self, _: &Kept, _: &mut Wakes) {}

    fn remove_range(&self, _: MessageId, _: MessageId, _: &mut Wakes) {}

    fn read(&self, _: Wanted, _: usize, _: u64) {}

    fn resize_window(&self, window_bytes: usize) -> usize {
        window_bytes
    }

    fn give_window_back(&self, _: usize) {}
}

const NOW_MS: u64 = 1_000_000;
const SECOND_MS: u64 = Duration::from_secs(1).as_millis() as u64;

fn wakes(at_ms: u64) -> Wakes {
    Wakes::at(at_ms)
}

fn rules(at_least_once: bool) -> Rules {
    let dead_letter = DeadLetter { exchange: "dlx".into(), routing_key: None, at_least_once };
    Rules { dead_letter: Some(dead_letter), ..Rules::default() }
}

fn with_rules(rules: Rules) -> QueueState {
    QueueState::new(Nature::default(), Arc::new(rules))
}

/// Publishes a persistent message, which may expire at once.
fn publish(state: &mut QueueState, body: &[u8], expires: bool, stored: &Stored) -> MessageId {
    let traits = Traits::from(true).with(Traits::EXPIRES, expires);
    // The flag of the property expiration, and "0".
    let properties: &[u8] = if expires { &[0x01, 0x00, 1, b'0'] } else { &[0, 0] };
    let message = Message::new(&address(b"", b"q"), properties, Body::Inline(body), traits);
    let message = message.published_at(NOW_MS);
    let hand_over = |id, m: &Message, wakes: &mut Wakes| stored.append(id, m, wakes);
    let taken = state.publish(message, hand_over, stored, &mut wakes(NOW_MS));
    taken.expect("there is room").0
}

/// A message that has died, and is on its way.
fn take_one(state: &mut QueueState, stored: &Stored) -> Dead {
    assert!(state.begins_burial());
    let taken = state.take_dying(stored, &mut wakes(NOW_MS));
    let (mut dead, _) = taken.expect("a dead message");
    assert_eq!(dead.len(), 1);
    dead.remove(0)
}

#[test]
fn what_comes_back_when_its_exchange_has_gone_goes_for_good() {
    for postponed in [true, false] {
        let (stored, mut state) = (Stored::default(), with_rules(rules(true)));
        let id = publish(&mut state, b"x", true, &stored);
        let dead = take_one(&mut state, &stored);
        state.set_rules(Arc::default(), &stored, &mut wakes(NOW_MS));
        if postponed {
            state.postpone_burial(vec![dead], NOW_MS);
        } else {
            state.keep_dead(dead, &stored, NOW_MS);
            assert!(state.take_dying(&stored, &mut wakes(NOW_MS)).is_none());
        }
        // Somebody looks after it as long as it is there.
        if !state.is_quiet() && state.on_time(&stored, &mut wakes(NOW_MS + 2 * SECOND_MS)) {
            assert!(state.take_dying(&stored, &mut wakes(NOW_MS + 2 * SECOND_MS)).is_none());
        }
        assert_eq!((state.counts().dead, &*stored.removed.borrow()), (0, &vec![id]));
        state.on_time(&stored, &mut wakes(NOW_MS + 4 * SECOND_MS));
        assert!(!state.begins_burial());
    }
}

#[test]
fn what_was_postponed_is_brought_on_when_the_queue_is_deleted() {
    let (stored, mut state) = (Stored::default(), with_rules(rules(false)));
    publish(&mut state, b"x", true, &stored);
    let dead = take_one(&mut state, &stored);
    state.postpone_burial(vec![dead], NOW_MS);
    assert!(!state.begins_burial(), "it has to wait");
    state.close(Conditions::default(), NOW_MS, &stored).expect("deleted");
    take_one(&mut state, &stored);
}

#[test]
fn the_timer_goes_on_with_what_was_left() {
    let (stored, mut state) = (Stored::default(), with_rules(rules(false)));
    publish(&mut state, b"x", true, &stored);
    assert!(state.begins_burial() && !state.begins_burial());
    state.postpone_burial(Vec::new(), NOW_MS);
    assert_eq!(state.rearm(NOW_MS), Some((None, NOW_MS)));
    assert!(!state.begins_burial());
    assert!(state.on_time(&stored, &mut wakes(NOW_MS)));
    assert!(!state.begins_burial());
}

#[test]
fn what_waited_under_other_rules_takes_no_room() {
    let (stored, mut state) = (Stored::default(), with_rules(rules(true)));
    publish(&mut state, b"dead", true, &stored);
    let dead = take_one(&mut state, &stored);
    state.keep_dead(dead, &stored, NOW_MS);
    publish(&mut state, b"alive", false, &stored);
    let drops = Rules { max_length: Some(1), overflow: Overflow::DropHead, ..rules(false) };
    state.set_rules(Arc::new(drops), &stored, &mut wakes(NOW_MS));
    assert_eq!((state.counts().ready, state.counts().dead), (1, 1));
}

#[test]
fn what_waits_long_leaves_memory() {
    let (stored, mut state) = (Stored::default(), with_rules(rules(true)));
    let body = vec![0; WINDOW_MAX_BYTES / 8];
    for _ in 0..100 {
        publish(&mut state, &body, true, &stored);
        let dead = take_one(&mut state, &stored);
        state.keep_dead(dead, &stored, NOW_MS);
        assert!(state.take_dying(&stored, &mut wakes(NOW_MS)).is_none());
    }
    assert!(state.on_time(&stored, &mut wakes(NOW_MS + SECOND_MS)));
    let (again, _) = state.take_dying(&stored, &mut wakes(NOW_MS + SECOND_MS)).expect("again");
    let resident: usize = again.iter().map(|dead| dead.kept.memory_bytes()).sum();
    assert_eq!(again.len(), 100);
    assert!(resident < 2 * WINDOW_MAX_BYTES, "{resident} octets");
}

#[test]
fn no_more_expire_than_can_be_brought_on() {
    let ttl = Rules { message_ttl_ms: Some(SECOND_MS), ..rules(false) };
    let (stored, mut state) = (Stored::default(), with_rules(ttl));
    for _ in 0..20_000 {
        let message = Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(b"x"), false);
        let message = message.published_at(NOW_MS);
        state.publish(message, |_, _, _| Seq::NONE, &stored, &mut wakes(NOW_MS)).expect("taken");
    }
    // Nothing is brought on while the store has too much to write.
    let mut now_ms = NOW_MS + 2 * SECOND_MS;
    for _ in 0..100 {
        if state.on_time(&stored, &mut wakes(now_ms)) || state.begins_burial() {
            let (dead, _) = state.take_dying(&stored, &mut wakes(now_ms)).expect("the dead");
            state.postpone_burial(dead, now_ms + 10);
        }
        let (_, next_ms) = state.rearm(now_ms).expect("it is looked after");
        now_ms = now_ms.max(next_ms);
    }
    assert!(state.counts().dead < 10_000, "{:?}", state.counts());
    assert!(now_ms > NOW_MS + 2 * SECOND_MS, "there is time between two looks");
    // Then there is room again.
    for _ in 0..200 {
        if state.on_time(&stored, &mut wakes(now_ms)) || state.begins_burial() {
            while state.take_dying(&stored, &mut wakes(now_ms)).is_some() {}
        }
        match state.rearm(now_ms) {
            Some((_, next_ms)) => now_ms = now_ms.max(next_ms),
            None => break,
        }
    }
    assert_eq!((state.counts().ready, state.counts().dead), (0, 0));
}
