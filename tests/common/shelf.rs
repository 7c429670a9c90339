//! A store for one queue that settles and answers when it is told to, and fails the test if it is
//! used wrongly: nothing is handed over or removed twice, only what is settled is asked for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use warren::message::{Attempts, Message, MessageId, Seq};
use warren::outbox::Wakes;
use warren::queue::{Backing, Kept};
use warren::store::{Read, Wanted};

/// A question that has not been answered.
#[derive(Debug)]
pub(crate) struct Question {
    /// Its number.
    pub(crate) token: u64,
    wanted: Wanted,
    max_bytes: usize,
    /// The queue has been purged since.
    pub(crate) stale: bool,
}

/// The store.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    messages: RefCell<BTreeMap<MessageId, (Seq, Message)>>,
    /// How often those have come back that have.
    attempts: RefCell<BTreeMap<MessageId, Attempts>>,
    /// All that were ever handed over.
    pub(crate) ever: RefCell<BTreeSet<u64>>,
    last_seq: Cell<u64>,
    settled: Cell<u64>,
    questions: RefCell<Vec<Question>>,
    /// Whether transient messages are wanted too.
    pub(crate) memory_short: Cell<bool>,
    window_bytes: usize,
}

#[allow(dead_code, reason = "every test file uses a part of this")]
impl Shelf {
    /// An empty one for a queue whose window is that large.
    pub(crate) fn new(window_bytes: usize) -> Self {
        // 0 and 1 have a meaning of their own.
        let first = Cell::new(Seq::ON_DISK.0);
        Self { window_bytes, last_seq: first.clone(), settled: first, ..Self::default() }
    }

    /// Settles so many more of what was handed over.
    pub(crate) fn settle(&self, count: u64) {
        self.settled.set(self.settled.get().saturating_add(count).min(self.last_seq.get()));
    }

    /// The messages that it has.
    pub(crate) fn ids(&self) -> BTreeSet<u64> {
        self.messages.borrow().keys().map(|id| id.0).collect()
    }

    /// How often a message has come back, as far as it was told.
    pub(crate) fn attempts(&self, id: MessageId) -> Attempts {
        self.attempts.borrow().get(&id).copied().unwrap_or_default()
    }

    /// Whether the queue waits for an answer.
    pub(crate) fn is_asked(&self) -> bool {
        self.questions.borrow().iter().any(|question| !question.stale)
    }

    /// One of the questions that were not answered.
    pub(crate) fn take_question(&self, which: usize) -> Option<Question> {
        let mut questions = self.questions.borrow_mut();
        let at = which.checked_rem(questions.len())?;
        Some(questions.remove(at))
    }

    /// The queue was purged, or is gone.
    pub(crate) fn note_purged(&self) {
        self.questions.borrow_mut().iter_mut().for_each(|question| question.stale = true);
    }

    /// Nobody waits for an answer any more.
    pub(crate) fn forget_questions(&self) {
        self.questions.borrow_mut().clear();
    }

    /// The queue is gone with all it had.
    pub(crate) fn clear(&self) {
        self.note_purged();
        self.messages.borrow_mut().clear();
    }

    /// What a question asks for.
    pub(crate) fn answer(&self, question: &Question) -> Read {
        self.read_now(&question.wanted, question.max_bytes)
    }

    /// The same at once.
    pub(crate) fn read_now(&self, wanted: &Wanted, max_bytes: usize) -> Read {
        let messages = self.messages.borrow();
        let (ids, last): (Vec<_>, _) = match wanted {
            Wanted::Range { first, last } => {
                (messages.range(first..=last).map(|(id, _)| *id).collect(), *last)
            }
            Wanted::Ids(ids) => (ids.clone(), *ids.last().expect("at least one")),
        };
        assert!(ids.is_sorted(), "asked for {ids:?}");
        let (mut found, mut bytes) = (Vec::new(), 0);
        for id in ids {
            let Some((seq, message)) = messages.get(&id) else { continue };
            assert!(self.is_settled(*seq), "{id:?} is read before it is settled");
            bytes += message.memory_bytes();
            let attempts = self.attempts(id);
            found.push((id, message.clone(), attempts));
            if bytes >= max_bytes {
                return Read { messages: found, up_to: id };
            }
        }
        Read { messages: found, up_to: last }
    }
}

impl Backing for Shelf {
    fn append(&self, id: MessageId, message: &Message, _: &mut Wakes) -> Seq {
        let seq = Seq(self.last_seq.get() + 1);
        self.last_seq.set(seq.0);
        let before = self.messages.borrow_mut().insert(id, (seq, message.clone()));
        assert!(before.is_none(), "{id:?} is handed over twice");
        self.ever.borrow_mut().insert(id.0);
        seq
    }

    fn is_settled(&self, seq: Seq) -> bool {
        assert_ne!(seq, Seq::NONE, "the store never had it");
        seq.0 <= self.settled.get()
    }

    fn is_memory_short(&self) -> bool {
        self.memory_short.get()
    }

    fn remove(&self, settled: &[(MessageId, Seq)], _: &mut Wakes) {
        assert!(!settled.is_empty());
        for (id, seq) in settled {
            let had = self.messages.borrow_mut().remove(id).map(|(seq, _)| seq);
            let as_known = had == Some(*seq) || *seq == Seq::ON_DISK;
            assert!(had.is_some() && as_known, "{id:?} {seq:?} is removed, was {had:?}");
        }
    }

    fn count(&self, kept: &Kept, _: &mut Wakes) {
        if kept.seq != Seq::NONE {
            assert!(self.messages.borrow().contains_key(&kept.id), "{:?} is not there", kept.id);
            self.attempts.borrow_mut().insert(kept.id, kept.attempts);
        }
    }

    fn remove_range(&self, first: MessageId, last: MessageId, _: &mut Wakes) {
        self.messages.borrow_mut().retain(|id, (seq, _)| {
            let within = (first..=last).contains(id);
            assert!(!within || self.is_settled(*seq), "{id:?} is not on disk");
            !within
        });
    }

    fn read(&self, wanted: Wanted, max_bytes: usize, token: u64) {
        assert!(!self.is_asked(), "one at a time");
        let question = Question { token, wanted, max_bytes, stale: false };
        self.questions.borrow_mut().push(question);
    }

    fn resize_window(&self, _: usize) -> usize {
        self.window_bytes
    }

    fn give_window_back(&self, _: usize) {}
}
