//! Tests of what is in memory, what is not, and in which order it comes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::*;
use crate::message::{Body, address};

/// What a message of these tests takes of memory.
const EACH_BYTES: usize = 1024;
/// The window has room for eight of them.
const WINDOW: usize = 8 * EACH_BYTES;

/// A store that has settled everything up to `settled`.
#[derive(Default)]
struct Shelf {
    messages: RefCell<BTreeMap<MessageId, Message>>,
    settled: Cell<u64>,
    memory_short: Cell<bool>,
    removed: RefCell<Vec<MessageId>>,
}

impl Shelf {
    fn body_bytes(&self) -> u64 {
        self.messages.borrow().values().map(|message| message.body_bytes() as u64).sum()
    }

    fn answer(&self, request: &Request) -> Read {
        let messages = self.messages.borrow();
        let ids: Vec<MessageId> = match &request.wanted {
            Wanted::Range { first, last } => {
                messages.range(first..=last).map(|(id, _)| *id).collect()
            }
            Wanted::Ids(ids) => ids.clone(),
        };
        let last = match &request.wanted {
            Wanted::Range { last, .. } => *last,
            Wanted::Ids(ids) => *ids.last().unwrap(),
        };
        let (mut found, mut bytes) = (Vec::new(), 0);
        for id in ids {
            let Some(message) = messages.get(&id) else { continue };
            bytes += message.memory_bytes();
            found.push((id, message.clone(), Attempts::default()));
            if bytes >= request.max_bytes {
                return Read { messages: found, up_to: id };
            }
        }
        Read { messages: found, up_to: last }
    }
}

impl Backing for Shelf {
    fn append(&self, id: MessageId, message: &Message, _: &mut Wakes) -> Seq {
        self.messages.borrow_mut().insert(id, message.clone());
        Seq(id.0 + 1)
    }

    fn is_settled(&self, seq: Seq) -> bool {
        seq.0 <= self.settled.get()
    }

    fn is_memory_short(&self) -> bool {
        self.memory_short.get()
    }

    fn remove(&self, settled: &[(MessageId, Seq)], _: &mut Wakes) {
        self.removed.borrow_mut().extend(settled.iter().map(|(id, _)| *id));
    }

    fn count(&self, _: &Kept, _: &mut Wakes) {
        panic!("a list counts nothing");
    }

    fn remove_range(&self, first: MessageId, last: MessageId, _: &mut Wakes) {
        self.removed.borrow_mut().extend((first.0..=last.0).map(MessageId));
    }

    fn read(&self, _: Wanted, _: usize, _: u64) {
        panic!("a list asks nobody");
    }

    fn resize_window(&self, _: usize) -> usize {
        WINDOW
    }

    fn give_window_back(&self, _: usize) {}
}

struct List {
    ready: Ready,
    shelf: Shelf,
    wakes: Wakes,
}

impl List {
    fn new() -> Self {
        let (shelf, wakes) = (Shelf::default(), Wakes::default());
        Self { ready: Ready::new(WINDOW), shelf, wakes }
    }

    /// Messages with these numbers; the store gets them, and settles all of them.
    fn settled(ids: std::ops::RangeInclusive<u64>) -> Self {
        let mut list = Self::new();
        list.shelf.settled.set(u64::MAX);
        ids.for_each(|id| list.push(id, true));
        list
    }

    fn push(&mut self, id: u64, stored: bool) {
        let message = message(id);
        let id = MessageId(id);
        let seq = if stored { self.shelf.append(id, &message, &mut self.wakes) } else { Seq::NONE };
        let attempts = Attempts::default();
        if self.ready.push(Entry { id, seq, redelivered: false, attempts, message }) {
            self.ready.page_out(&self.shelf, &mut self.wakes);
        }
    }

    /// Takes so many, which are handed out, reading what is needed.
    fn take(&mut self, count: usize) -> Vec<Entry> {
        let mut taken = Vec::new();
        while taken.len() < count {
            if let Some(entry) = self.ready.pop() {
                assert_eq!(entry.message.routing_key(), entry.id.0.to_string().as_bytes());
                self.ready.note_delivered(entry.id);
                taken.push(entry);
            } else if !self.read() {
                break;
            }
        }
        taken
    }

    /// False if nothing is wanted.
    fn read(&mut self) -> bool {
        let Some(request) = self.ready.wanted(&self.shelf) else { return false };
        let answer = self.ready.on_read(&request, self.shelf.answer(&request));
        assert_eq!(answer, Answer::default());
        true
    }

    fn resident(&self) -> usize {
        self.ready.resident().0
    }
}

fn message(id: u64) -> Message {
    let address = address(b"", id.to_string().as_bytes());
    let empty = Message::new(&address, &[0, 0], Body::Inline(b""), true).memory_bytes();
    let body = vec![0; EACH_BYTES - empty];
    Message::new(&address, &[0, 0], Body::Inline(&body), true)
}

fn ids(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.id.0).collect()
}

#[test]
fn a_short_list_is_in_memory() {
    let mut list = List::settled(1..=8);
    assert_eq!((list.ready.len(), list.resident()), (8, 8));
    assert_eq!(ids(&list.take(9)), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(list.ready.is_empty());
}

#[test]
fn memory_does_not_grow_with_the_list_and_the_order_holds() {
    let mut list = List::settled(1..=1000);
    assert_eq!(list.ready.len(), 1000);
    assert!(list.resident() <= 10, "{}", list.resident());
    let mut taken = list.take(500);
    for id in 1001..=1500 {
        list.push(id, true);
        assert!(list.resident() <= 18, "{}", list.resident());
    }
    taken.extend(list.take(usize::MAX));
    assert_eq!(ids(&taken), (1..=1500).collect::<Vec<_>>());
    assert!(taken.iter().all(|entry| !entry.redelivered));
    assert_eq!(list.ready.resident(), (0, 0));
}

#[test]
fn only_what_the_store_has_leaves_memory() {
    let mut list = List::new();
    list.shelf.settled.set(101); // up to the message 100
    (1..=200).for_each(|id| list.push(id, true));
    assert!((100..=118).contains(&list.resident()), "{}", list.resident());
    list.push(201, false);
    list.shelf.settled.set(u64::MAX);
    (202..=300).for_each(|id| list.push(id, true));
    let behind = 300 - 201;
    assert!((behind..=behind + 18).contains(&list.resident()), "{}", list.resident());
    assert_eq!(ids(&list.take(usize::MAX)), (1..=300).collect::<Vec<_>>());
}

#[test]
fn transient_messages_leave_when_memory_is_short() {
    let mut list = List::new();
    list.shelf.settled.set(u64::MAX);
    (1..=500).for_each(|id| list.push(id, false));
    assert_eq!((list.resident(), list.ready.handed_over()), (500, false));
    list.shelf.memory_short.set(true);
    (501..=520).for_each(|id| list.push(id, false));
    assert!(list.resident() <= 18, "{}", list.resident());
    assert!(list.ready.handed_over());
    let taken = list.take(usize::MAX);
    assert_eq!(ids(&taken), (1..=520).collect::<Vec<_>>());
    assert_eq!(taken[0].seq, Seq::NONE, "the head stays as it is");
    assert_eq!(taken[100].seq, Seq::ON_DISK);
}

#[test]
fn what_is_put_back_comes_first_and_may_have_to_be_read() {
    let mut list = List::settled(1..=100);
    let taken = list.take(20);
    for entry in taken.into_iter().rev() {
        let bare = entry.id.0 % 2 == 0;
        let mut kept = Kept { redelivered: true, ..entry.into() };
        if bare {
            assert!(kept.page_out(|_| true));
        }
        list.ready.put_back(kept, &list.shelf);
    }
    assert_eq!(list.ready.len(), 100);
    assert_eq!(ids(&[list.ready.pop().unwrap()]), [1]);
    assert!(list.ready.pop().is_none(), "nothing overtakes the one that has to be read");
    let all = list.take(usize::MAX);
    assert_eq!(ids(&all), (2..=100).collect::<Vec<_>>());
    assert!(all.iter().all(|entry| entry.redelivered == (entry.id.0 <= 20)));
    assert_eq!(list.ready.resident(), (0, 0));
}

#[test]
fn much_that_is_put_back_does_not_stay_in_memory() {
    let count = 3 * RETURNED_MAX_BYTES / EACH_BYTES;
    let mut list = List::settled(1..=count as u64);
    for entry in list.take(count) {
        list.ready.put_back(entry.into(), &list.shelf);
    }
    assert_eq!(list.resident(), RETURNED_MAX_BYTES / EACH_BYTES);
    assert_eq!(list.take(usize::MAX).len(), count);
}

#[test]
fn an_unpopped_message_is_the_first_again() {
    let mut list = List::settled(1..=100);
    let back = list.take(3);
    for entry in back {
        list.ready.put_back(entry.into(), &list.shelf);
    }
    for _ in 0..2 {
        let first = list.ready.pop().unwrap();
        assert_eq!(first.id, MessageId(1));
        list.ready.unpop(first);
    }
    list.take(3);
    let first = list.ready.pop().unwrap();
    assert_eq!((first.id, first.redelivered), (MessageId(4), false));
    list.ready.unpop(first);
    assert_eq!(ids(&list.take(usize::MAX)), (4..=100).collect::<Vec<_>>());
}

#[test]
fn a_recovered_list_tells_what_may_have_been_seen() {
    let mut list = List::settled(1..=50);
    list.shelf.messages.borrow_mut().retain(|id, _| id.0 % 2 == 1 && id.0 > 10);
    let known = RecoveredLevel {
        first: MessageId(11),
        last: MessageId(50),
        count: 20,
        body_bytes: list.shelf.body_bytes(),
    };
    list.ready = Ready::recovered(WINDOW, known, 31);
    assert_eq!(list.ready.body_bytes(), list.shelf.body_bytes());
    assert_eq!((list.ready.len(), list.resident()), (20, 0));
    list.push(51, true);
    let taken = list.take(usize::MAX);
    assert_eq!(ids(&taken), (11..=51).step_by(2).collect::<Vec<_>>());
    assert!(taken.iter().all(|entry| entry.redelivered == (entry.id.0 <= 31)));
    assert_eq!(list.ready.body_bytes(), 0);
}

#[test]
fn a_message_that_cannot_be_read_is_lost_and_holds_nothing_up() {
    let mut list = List::settled(1..=30);
    let first_on_disk = list.ready.gap.unwrap().first;
    let mut bare: Kept = list.take(1).remove(0).into();
    assert!(bare.page_out(|_| true));
    list.ready.put_back(bare, &list.shelf);
    list.shelf.messages.borrow_mut().remove(&MessageId(1));
    list.shelf.messages.borrow_mut().remove(&first_on_disk);
    let last_on_disk = list.ready.gap.unwrap().last;
    list.shelf.messages.borrow_mut().remove(&last_on_disk);
    let (mut missing, mut taken) = (0, Vec::new());
    loop {
        if let Some(entry) = list.ready.pop() {
            taken.push(entry);
        } else if let Some(request) = list.ready.wanted(&list.shelf) {
            let answer = list.ready.on_read(&request, list.shelf.answer(&request));
            assert!(!answer.told_nothing);
            missing += answer.lost;
        } else {
            break;
        }
    }
    let gone = [first_on_disk.0, last_on_disk.0];
    let left: Vec<_> = (2..=30).filter(|id| !gone.contains(id)).collect();
    assert_eq!((missing, ids(&taken)), (3, left));
    assert!(list.ready.is_empty());
}

#[test]
fn an_answer_that_tells_nothing_is_seen_as_that() {
    let mut list = List::settled(1..=30);
    list.take(8);
    let request = list.ready.wanted(&list.shelf).unwrap();
    let answer = list.ready.on_read(&request, Read::default());
    assert_eq!(answer, Answer { lost: 0, told_nothing: true });
    assert_eq!(ids(&list.take(usize::MAX)), (9..=30).collect::<Vec<_>>());
}

#[test]
fn late_answers_change_nothing() {
    let mut list = List::settled(1..=30);
    list.take(8);
    let request = list.ready.wanted(&list.shelf).unwrap();
    let read = || list.shelf.answer(&request);
    let (first, second, third) = (read(), read(), read());
    assert_eq!(list.ready.on_read(&request, first), Answer::default());
    let length = list.ready.len();
    assert_eq!(list.ready.on_read(&request, second), Answer::default());
    assert_eq!(list.ready.len(), length, "the second of two that asked at once");
    let purged = list.ready.take_all();
    assert_eq!(purged.len(), 22);
    (31..=60).for_each(|id| list.push(id, true));
    assert_eq!(list.ready.on_read(&request, third), Answer::default());
    assert_eq!(ids(&list.take(usize::MAX)), (31..=60).collect::<Vec<_>>());
}

#[test]
fn what_is_purged_is_removed_wherever_it_is() {
    let mut list = List::settled(1..=100);
    list.push(101, false);
    list.push(102, true);
    for entry in list.take(5) {
        list.ready.put_back(entry.into(), &list.shelf);
    }
    let purged = list.ready.take_all();
    assert_eq!(purged.len(), 102);
    purged.remove_all(&list.shelf, &mut list.wakes);
    let mut removed = list.shelf.removed.take();
    removed.sort_unstable();
    let expected: Vec<_> = (1..=102).filter(|id| *id != 101).map(MessageId).collect();
    assert_eq!(removed, expected, "all that the store has, each once");
}

#[test]
fn a_smaller_window_is_kept_to() {
    let mut list = List::settled(1..=100);
    list.ready.window_bytes = 50 * EACH_BYTES;
    list.take(8);
    let request = Request { max_bytes: 50 * EACH_BYTES, ..list.ready.wanted(&list.shelf).unwrap() };
    list.ready.on_read(&request, list.shelf.answer(&request));
    assert!(list.resident() >= 50);
    let Gap { first, last, .. } = list.ready.gap.unwrap();
    let asked = Request { wanted: Wanted::Range { first, last }, max_bytes: EACH_BYTES };
    (101..=110).for_each(|id| list.push(id, true));
    assert!(list.resident() <= 18, "{}", list.resident());
    let late = list.shelf.answer(&asked);
    assert_eq!(list.ready.on_read(&asked, late), Answer::default());
    assert_eq!(ids(&list.take(usize::MAX)), (9..=110).collect::<Vec<_>>());
}
