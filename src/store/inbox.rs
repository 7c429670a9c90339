//! The inbox: everything handed to the store that is not on disk, in the order of its numbers.
//!
//! What is settled before the commit thread takes it is struck out and never written. Whoever
//! waits for a number is told when it is on disk or struck out. Knows no files.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use super::QueueId;
use super::record::{Counted, Ref, Run};
use crate::message::{Message, Seq};
use crate::outbox::{Outbox, Wakes};

/// Publishers stop when this much waits to be written.
pub(super) const INBOX_MAX_BYTES: usize = 16 * 1024 * 1024;
/// They go on when this much is left.
const INBOX_LOW_BYTES: usize = 4 * 1024 * 1024;
/// The commit thread takes so much at once, if what comes first is not larger.
const BATCH_MAX_BYTES: usize = 4 * 1024 * 1024;
/// What something takes in the inbox beside its octets.
const OVERHEAD_BYTES: usize = 128;
/// An empty list above this size gives its memory back.
const KEEP_CAPACITY: usize = 8192;
/// Numbers begin behind those that stand for something else.
const FIRST_SEQ: u64 = Seq::ON_DISK.0 + 1;

/// Something for the commit thread.
#[derive(Debug)]
pub(super) enum Operation {
    /// Settled before it was written, or nothing to write but to be waited for.
    Nothing,
    /// A message, and the queues that still want it.
    Publish(Message, SmallVec<[Ref; 1]>),
    /// A message from an old segment, to be written anew.
    Move(Box<Moved>),
    /// A definition.
    Define { key: Vec<u8>, value: Vec<u8> },
    /// A definition that is still in that segment is written anew.
    Redefine { key: Vec<u8>, from: u64 },
    /// No longer defined.
    Forget { key: Vec<u8>, queue: Option<QueueId> },
    /// Messages that have been taken in elsewhere, by an operation before this one.
    Remove(Run),
    /// How often a message has come back that is not on disk yet.
    Count(Counted),
    /// A queue without a definition is gone.
    Drop(QueueId),
    /// To be waited for, with all that came before.
    Fence,
    /// A process begins to write.
    Start,
}

/// A message from an old segment.
#[derive(Debug)]
pub(super) struct Moved {
    pub message: Message,
    pub refs: Vec<Ref>,
    /// Segment and offset.
    pub from: (u64, u64),
}

/// What the commit thread takes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In order.
    pub operations: Vec<Operation>,
    /// The number of the last of them; everything up to it is settled once this is on disk.
    pub last: Seq,
    /// Messages that were settled, of this batch or an earlier one.
    pub removed: Vec<Run>,
    /// How often messages of earlier batches have come back.
    pub counted: Vec<Counted>,
    bytes: usize,
}

impl Batch {
    /// A process begins to write.
    pub(super) fn start() -> Self {
        Self { operations: vec![Operation::Start], ..Self::default() }
    }

    /// Whether nothing has to be written.
    pub(super) fn is_nothing(&self) -> bool {
        self.removed.is_empty()
            && self.counted.is_empty()
            && self.operations.iter().all(|o| matches!(o, Operation::Nothing | Operation::Fence))
    }

    /// How much has to be written.
    pub(super) fn written_operations(&self) -> u64 {
        let nothing = |o: &&Operation| !matches!(o, Operation::Nothing | Operation::Fence);
        let operations = self.operations.iter().filter(nothing).count();
        (operations + self.removed.len() + self.counted.len()) as u64
    }

    /// Whether something waits for it.
    pub(super) fn is_urgent(&self) -> bool {
        !self.operations.is_empty()
    }
}

type Waiters = SmallVec<[Arc<Outbox>; 1]>;

/// The inbox.
#[derive(Debug)]
pub(super) struct Inbox {
    /// The number of the first operation that the commit thread has not taken.
    base: u64,
    operations: VecDeque<Operation>,
    /// Everything up to here is settled.
    settled: u64,
    /// Which of the operations that the commit thread has taken were struck out before.
    struck_out: Vec<bool>,
    removed: Vec<Run>,
    counted: Vec<Counted>,
    /// The last operation that counts: what is counted later must not be written before it.
    last_count: u64,
    /// Messages that are being handed to several queues: nothing from there on is taken.
    open: SmallVec<[u64; 4]>,
    /// Octets that wait here or are being written.
    bytes: usize,
    waiters: BTreeMap<u64, Waiters>,
    /// Who waits for room.
    crowd: Vec<Arc<Outbox>>,
    /// For tests: there is no room.
    pretends_full: bool,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            base: FIRST_SEQ,
            operations: VecDeque::new(),
            settled: FIRST_SEQ - 1,
            struck_out: Vec::new(),
            removed: Vec::new(),
            counted: Vec::new(),
            last_count: 0,
            open: SmallVec::new(),
            bytes: 0,
            waiters: BTreeMap::new(),
            crowd: Vec::new(),
            pretends_full: false,
        }
    }
}

impl Inbox {
    /// Takes something in.
    #[inline]
    pub(super) fn push(&mut self, operation: Operation) -> Seq {
        self.bytes += operation.bytes();
        self.operations.push_back(operation);
        Seq(self.base + self.operations.len() as u64 - 1)
    }

    /// Takes a message in whose queues are still to come.
    pub(super) fn begin(&mut self, message: Message) -> Seq {
        let seq = self.push(Operation::Publish(message, SmallVec::new()));
        self.open.push(seq.0);
        seq
    }

    /// A queue has taken the message.
    pub(super) fn add(&mut self, seq: Seq, at: Ref) {
        if let Some(Operation::Publish(_, refs)) = self.operation(seq) {
            refs.push(at);
        }
    }

    /// All queues have. True if none of them wants it any more.
    pub(super) fn end(&mut self, seq: Seq, wakes: &mut Wakes) {
        self.open.retain(|open| *open != seq.0);
        if let Some(Operation::Publish(_, refs)) = self.operation(seq)
            && refs.is_empty()
        {
            self.strike_out(seq, wakes);
        }
    }

    /// A message was settled.
    #[inline]
    pub(super) fn remove(&mut self, at: Ref, seq: Seq, wakes: &mut Wakes) {
        if seq.0 < self.base {
            return self.remove_written(Run { queue: at.queue, first: at.id, last: at.id });
        }
        let is_open = !self.open.is_empty() && self.open.contains(&seq.0);
        if let Some(Operation::Publish(_, refs)) = self.operation(seq) {
            refs.retain(|r| *r != at);
            if refs.is_empty() && !is_open {
                self.strike_out(seq, wakes);
            }
        }
    }

    /// Messages that the commit thread has taken were settled.
    #[inline]
    pub(super) fn remove_written(&mut self, run: Run) {
        if let Some(last) = self.removed.last_mut()
            && last.queue == run.queue
            && last.last.0 + 1 == run.first.0
        {
            last.last = run.last;
            return;
        }
        self.removed.push(run);
    }

    /// A message has come back to its queue.
    pub(super) fn count(&mut self, counted: Counted, seq: Seq) {
        if seq.0 >= self.base || self.last_count >= self.base {
            self.last_count = self.push(Operation::Count(counted)).0;
        } else {
            self.counted.push(counted);
        }
    }

    /// Whether it is on disk or need not go there.
    #[inline]
    pub(super) fn is_settled(&self, seq: Seq) -> bool {
        if seq.0 <= self.settled {
            return true;
        }
        if let Some(at) = seq.0.checked_sub(self.base) {
            return matches!(self.operations.get(at as usize), Some(Operation::Nothing));
        }
        let at = seq.0 - self.settled - 1;
        self.struck_out.get(at as usize).is_some_and(|struck_out| *struck_out)
    }

    /// Has an outbox woken once it is. False if it is already.
    pub(super) fn wait(&mut self, seq: Seq, outbox: &Arc<Outbox>) -> bool {
        if self.is_settled(seq) {
            return false;
        }
        let waiters = self.waiters.entry(seq.0).or_default();
        if !waiters.iter().any(|waiting| Arc::ptr_eq(waiting, outbox)) {
            waiters.push(outbox.clone());
        }
        true
    }

    /// Octets that wait here or are being written.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether publishers have to stop.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= INBOX_MAX_BYTES || self.pretends_full
    }

    /// Has an outbox woken once there is room. False if there is.
    pub(super) fn wait_for_room(&mut self, outbox: &Arc<Outbox>) -> bool {
        if !self.is_full() {
            return false;
        }
        if !self.crowd.iter().any(|waiting| Arc::ptr_eq(waiting, outbox)) {
            self.crowd.push(outbox.clone());
        }
        true
    }

    /// Whether there is anything to take.
    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.removed.is_empty() && self.counted.is_empty()
    }

    /// How many operations wait.
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether only removals wait, which are in no hurry.
    pub(super) fn is_lazy(&self) -> bool {
        self.operations.is_empty()
    }

    /// Takes what can be written now, into a batch that is empty.
    pub(super) fn take(&mut self, batch: &mut Batch) {
        let open = self.open.iter().min().map_or(u64::MAX, |open| open - self.base);
        let can = (self.operations.len() as u64).min(open) as usize;
        let (mut count, mut bytes) = (0, 0);
        for operation in self.operations.iter().take(can) {
            let more = bytes + operation.bytes();
            if more > BATCH_MAX_BYTES && count > 0 {
                break;
            }
            (count, bytes) = (count + 1, more);
        }
        batch.operations.extend(self.operations.drain(..count));
        let is_nothing = |operation: &Operation| matches!(operation, Operation::Nothing);
        self.struck_out.extend(batch.operations.iter().map(is_nothing));
        batch.bytes = bytes;
        self.base += count as u64;
        batch.last = Seq(self.base - 1);
        std::mem::swap(&mut batch.removed, &mut self.removed);
        std::mem::swap(&mut batch.counted, &mut self.counted);
        if self.operations.is_empty() && self.operations.capacity() > KEEP_CAPACITY {
            self.operations = VecDeque::new();
        }
    }

    /// A batch is on disk: tells who waited.
    pub(super) fn settle(&mut self, batch: &mut Batch, wakes: &mut Wakes) {
        self.settled = batch.last.0;
        self.struck_out.clear();
        self.bytes -= batch.bytes;
        let later = self.waiters.split_off(&(self.settled + 1));
        for outbox in std::mem::replace(&mut self.waiters, later).into_values().flatten() {
            outbox.tell_settled(wakes);
        }
        if self.bytes <= INBOX_LOW_BYTES && !self.pretends_full {
            self.let_crowd_in(wakes);
        }
        batch.operations.clear();
        batch.removed.clear();
        batch.counted.clear();
        batch.bytes = 0;
    }

    /// For tests: there is no room while this is on.
    pub(super) fn pretend_full(&mut self, on: bool, wakes: &mut Wakes) {
        self.pretends_full = on;
        if !on {
            self.let_crowd_in(wakes);
        }
    }

    /// How many wait for something.
    pub(super) fn waiting(&self) -> usize {
        self.crowd.len() + self.waiters.values().map(SmallVec::len).sum::<usize>()
    }

    fn let_crowd_in(&mut self, wakes: &mut Wakes) {
        for outbox in self.crowd.drain(..) {
            outbox.tell_settled(wakes);
        }
    }

    #[inline]
    fn operation(&mut self, seq: Seq) -> Option<&mut Operation> {
        let at = seq.0.checked_sub(self.base)?;
        self.operations.get_mut(at as usize)
    }

    fn strike_out(&mut self, seq: Seq, wakes: &mut Wakes) {
        let Some(operation) = self.operation(seq) else { return };
        let bytes = operation.bytes();
        *operation = Operation::Nothing;
        self.bytes -= bytes - Operation::Nothing.bytes();
        if self.waiters.is_empty() {
            return;
        }
        for outbox in self.waiters.remove(&seq.0).into_iter().flatten() {
            outbox.tell_settled(wakes);
        }
    }
}

impl Operation {
    #[inline]
    fn bytes(&self) -> usize {
        let octets = match self {
            Self::Nothing
            | Self::Fence
            | Self::Start
            | Self::Drop(_)
            | Self::Remove(_)
            | Self::Count(_) => 0,
            // Its queues come and go while it waits: they are not counted.
            Self::Publish(message, _) => message.memory_bytes(),
            Self::Move(moved) => moved.message.memory_bytes(),
            Self::Define { key, value } => key.len() + value.len(),
            Self::Redefine { key, .. } | Self::Forget { key, .. } => key.len(),
        };
        octets + OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Attempts, Body, MessageId, address};

    fn message() -> Message {
        Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(b"hello"), true)
    }

    fn at(id: u64) -> Ref {
        Ref { queue: QueueId(1), id: MessageId(id) }
    }

    fn publish(inbox: &mut Inbox, id: u64) -> Seq {
        inbox.push(Operation::Publish(message(), SmallVec::from([at(id)])))
    }

    #[test]
    fn what_is_settled_before_it_is_taken_is_not_written_and_told_at_once() {
        let (mut inbox, mut wakes) = (Inbox::default(), Wakes::default());
        let outbox = Arc::new(Outbox::default());
        let (first, second) = (publish(&mut inbox, 1), publish(&mut inbox, 2));
        assert!(inbox.wait(first, &outbox));
        assert!(!outbox.take_settled());
        inbox.remove(at(1), first, &mut wakes);
        assert!(outbox.take_settled() && inbox.is_settled(first) && !inbox.is_settled(second));
        let mut batch = Batch::default();
        inbox.take(&mut batch);
        assert!(matches!(&batch.operations[..], [Operation::Nothing, Operation::Publish(..)]));
        assert!(batch.removed.is_empty());
        assert!(!inbox.is_settled(second));
        inbox.settle(&mut batch, &mut wakes);
        assert!(inbox.is_settled(second) && !inbox.wait(second, &outbox));
        assert_eq!(inbox.bytes, 0);
    }

    #[test]
    fn what_was_struck_out_stays_settled_when_it_is_taken() {
        let (mut inbox, mut wakes) = (Inbox::default(), Wakes::default());
        let (first, second) = (publish(&mut inbox, 1), publish(&mut inbox, 2));
        inbox.remove(at(1), first, &mut wakes);
        let mut batch = Batch::default();
        inbox.take(&mut batch);
        assert!(inbox.is_settled(first) && !inbox.is_settled(second));
        let third = publish(&mut inbox, 3);
        inbox.settle(&mut batch, &mut wakes);
        assert!(inbox.is_settled(second) && !inbox.is_settled(third));
    }

    #[test]
    fn what_was_taken_is_removed_in_runs() {
        let (mut inbox, mut wakes) = (Inbox::default(), Wakes::default());
        let seqs: Vec<Seq> = (1..=4).map(|id| publish(&mut inbox, id)).collect();
        let mut batch = Batch::default();
        inbox.take(&mut batch);
        for (id, seq) in [(1, seqs[0]), (2, seqs[1]), (4, seqs[3])] {
            inbox.remove(at(id), seq, &mut wakes);
        }
        let run =
            |first, last| Run { queue: QueueId(1), first: MessageId(first), last: MessageId(last) };
        assert_eq!(inbox.removed, [run(1, 2), run(4, 4)]);
        assert!(inbox.is_lazy() && !inbox.is_empty());
    }

    #[test]
    fn a_message_for_several_queues_is_taken_whole() {
        let (mut inbox, mut wakes) = (Inbox::default(), Wakes::default());
        let before = publish(&mut inbox, 1);
        let open = inbox.begin(message());
        let after = publish(&mut inbox, 2);
        inbox.add(open, at(7));
        let mut batch = Batch::default();
        inbox.take(&mut batch);
        assert_eq!((batch.operations.len(), batch.last), (1, before));
        inbox.settle(&mut batch, &mut wakes);
        // Settled by the first queue's consumer before the second has taken it.
        inbox.remove(at(7), open, &mut wakes);
        assert!(!inbox.is_settled(open));
        inbox.add(open, at(8));
        inbox.end(open, &mut wakes);
        inbox.take(&mut batch);
        let Operation::Publish(_, refs) = &batch.operations[0] else { panic!("a publish") };
        assert_eq!((refs.as_slice(), batch.last), (&[at(8)][..], after));
    }

    #[test]
    fn a_message_that_no_queue_wants_any_more_is_struck_out_at_its_end() {
        let (mut inbox, mut wakes) = (Inbox::default(), Wakes::default());
        let open = inbox.begin(message());
        inbox.add(open, at(7));
        inbox.remove(at(7), open, &mut wakes);
        inbox.end(open, &mut wakes);
        assert!(inbox.is_settled(open));
    }

    #[test]
    fn a_later_count_is_not_written_before_an_earlier_one() {
        let mut inbox = Inbox::default();
        let counted = |acquired| {
            let attempts = Attempts { acquired, ..Attempts::default() };
            Counted { at: at(1), attempts }
        };
        let (first, open) = (publish(&mut inbox, 1), inbox.begin(message()));
        inbox.count(counted(1), first);
        let mut batch = Batch::default();
        inbox.take(&mut batch);
        assert_eq!(batch.last, first, "the count is behind the open one");
        inbox.settle(&mut batch, &mut Wakes::default());
        inbox.count(counted(2), first);
        inbox.add(open, at(2));
        inbox.end(open, &mut Wakes::default());
        inbox.take(&mut batch);
        let in_order = batch.operations.iter().filter_map(|operation| match operation {
            Operation::Count(counted) => Some(counted.attempts.acquired),
            _ => None,
        });
        assert_eq!((in_order.collect::<Vec<_>>(), batch.counted.len()), (vec![1, 2], 0));
        inbox.settle(&mut batch, &mut Wakes::default());
        inbox.count(counted(3), first);
        inbox.take(&mut batch);
        assert_eq!(batch.counted.len(), 1, "nothing is before it any more");
    }

    #[test]
    fn a_crowd_waits_until_most_is_written() {
        let (mut inbox, mut wakes) = (Inbox::default(), Wakes::default());
        let outbox = Arc::new(Outbox::default());
        assert!(!inbox.wait_for_room(&outbox));
        while !inbox.is_full() {
            publish(&mut inbox, 1);
        }
        assert!(inbox.wait_for_room(&outbox));
        let mut batch = Batch::default();
        while !outbox.take_settled() {
            assert!(inbox.bytes > INBOX_LOW_BYTES);
            inbox.take(&mut batch);
            inbox.settle(&mut batch, &mut wakes);
        }
        assert!(!inbox.is_full());
    }
}
