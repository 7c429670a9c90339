//! Tests of the order in which messages come out that a start has found.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::message::{Body, address};
use crate::store::{RecoveredLevel, Wanted};

/// A store that has everything at once, and answers when it is asked to.
#[derive(Default)]
struct Stored {
    messages: RefCell<BTreeMap<MessageId, Message>>,
    asked: RefCell<VecDeque<(u64, Wanted, usize)>>,
}

impl Stored {
    fn recovered(&self) -> RecoveredQueue {
        let mut levels: BTreeMap<u16, RecoveredLevel> = BTreeMap::new();
        let messages = self.messages.borrow();
        let sequence = messages.keys().map(|id| id.sequence()).max().expect("messages");
        for (id, message) in &*messages {
            let last = MessageId::in_level(id.level(), sequence);
            let new = RecoveredLevel { first: *id, last, ..RecoveredLevel::default() };
            let level = levels.entry(id.level()).or_insert(new);
            level.count += 1;
            level.body_bytes += message.body_bytes() as u64;
        }
        let levels = levels.into_values().collect();
        RecoveredQueue { last: sequence, delivered_to: 0, levels }
    }

    fn answer(&self, delayed: &mut Delayed) -> bool {
        let asked = self.asked.borrow_mut().pop_front();
        let Some((token, wanted, max_bytes)) = asked else { return false };
        let Wanted::Range { first, last } = wanted else { panic!("a range: {wanted:?}") };
        let mut read = Read { messages: Vec::new(), up_to: last };
        let mut bytes = 0;
        for (id, message) in self.messages.borrow().range(first..=last) {
            bytes += message.memory_bytes();
            read.messages.push((*id, message.clone(), Attempts::default()));
            if bytes >= max_bytes {
                read.up_to = *id;
                break;
            }
        }
        assert_eq!(delayed.on_read(token, read, self), 0, "nothing is lost");
        true
    }
}

impl Backing for Stored {
    fn append(&self, id: MessageId, message: &Message, _: &mut Wakes) -> Seq {
        self.messages.borrow_mut().insert(id, message.clone());
        Seq::ON_DISK
    }

    fn is_settled(&self, _: Seq) -> bool {
        true
    }

    fn is_memory_short(&self) -> bool {
        false
    }

    fn remove(&self, _: &[(MessageId, Seq)], _: &mut Wakes) {}

    fn count(&self, _: &Kept, _: &mut Wakes) {}

    fn remove_range(&self, _: MessageId, _: MessageId, _: &mut Wakes) {}

    fn read(&self, wanted: Wanted, max_bytes: usize, token: u64) {
        self.asked.borrow_mut().push_back((token, wanted, max_bytes));
    }

    fn resize_window(&self, window_bytes: usize) -> usize {
        window_bytes
    }

    fn give_window_back(&self, _: usize) {}
}

fn hold(delayed: &mut Delayed, delay_ms: u64, stored: &Stored) {
    let properties = Properties::default();
    let headers = TableBuilder::new().long(DELAY, delay_ms.cast_signed()).build();
    let properties = properties.with_headers(&headers);
    let message = Message::new(&address(b"x", b"k"), &properties, Body::Inline(b"body"), true);
    let message = held_back(&message.published_at(0), delay_ms);
    let hand_over = |id, m: &Message, wakes: &mut Wakes| stored.append(id, m, wakes);
    delayed.hold(message, hand_over, stored, &mut Wakes::at(0));
}

/// When those messages are due that come out.
fn take_all(delayed: &mut Delayed, stored: &Stored) -> Vec<u64> {
    let mut came = Vec::new();
    loop {
        let due = delayed.take_due(64, stored, u64::MAX);
        if due.is_empty() && !stored.answer(delayed) {
            return came;
        }
        came.extend(due.iter().map(|kept| {
            let messages = stored.messages.borrow();
            due_ms(kept.message.as_ref().unwrap_or_else(|| &messages[&kept.id]))
        }));
    }
}

/// More runs than there may be, and what fits into none of them.
#[test]
fn strays_come_back_in_the_order_in_which_they_are_due() {
    let (stored, mut delayed) = (Stored::default(), Delayed::default());
    let count = RUNS_MAX as u64 + 500;
    for number in 0..count {
        hold(&mut delayed, 10 * (count - number), &stored);
    }
    let mut delayed = Delayed::recovered(&stored.recovered());
    delayed.ask_for_unknown(&stored);
    // One more of them, while nothing is known of the others.
    hold(&mut delayed, 5, &stored);
    let came = take_all(&mut delayed, &stored);
    let expected: Vec<u64> = std::iter::once(5).chain((1..=count).map(|n| 10 * n)).collect();
    assert_eq!(came.len(), expected.len());
    assert!(came == expected, "the first that differs: {:?}", {
        came.iter().zip(&expected).find(|(came, expected)| came != expected)
    });
    assert_eq!(delayed.len(), 0);
}
