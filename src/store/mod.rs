//! The store's edge: what durable queues and definitions hand over, and what they take back.

mod directory;
mod windows;

use std::collections::VecDeque;
use std::sync::Arc;

pub use directory::{DataDirectory, DataDirectoryError};
pub use windows::{WINDOW_MAX_BYTES, WINDOW_MIN_BYTES, Windows};

use crate::message::{Message, MessageId, Seq};
use crate::outbox::{Outbox, Wakes};

/// A queue's number in the store. It is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct QueueId(pub u64);

/// What survives; one per broker.
#[derive(Debug)]
pub struct Store {
    directory: DataDirectory,
    windows: Windows,
}

/// Which messages of a queue are wanted back.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Those with these ids, in order, both ends included.
    Range {
        /// The first.
        first: MessageId,
        /// The last.
        last: MessageId,
    },
    /// Exactly these, in order.
    Ids(Vec<MessageId>),
}

/// What was read.
#[derive(Debug, Default)]
pub struct Read {
    /// In order of their ids, with their number of octets limited as asked (at least one).
    pub messages: Vec<(MessageId, Message)>,
    /// Everything wanted up to here has been looked for: what is not among `messages` cannot be
    /// read (which has been reported) or is not there.
    pub up_to: MessageId,
}

/// Who wants messages back.
pub trait ReadBack: Send + Sync {
    /// They are here. `token` is the one of the request.
    fn on_read(&self, token: u64, read: Read, wakes: &mut Wakes);
}

/// What the store knows of a queue at its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecoveredQueue {
    /// The first message's id.
    pub first: MessageId,
    /// No id above this was ever given.
    pub last: MessageId,
    /// How many messages there are from `first` to `last`.
    pub count: u64,
    /// Messages up to this one may have been delivered before.
    pub delivered_to: MessageId,
}

impl Store {
    /// The store in that directory.
    pub fn new(directory: DataDirectory) -> Self {
        Self { directory, windows: Windows::default() }
    }

    /// Where it is.
    pub fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    /// A number that no queue has had.
    pub fn new_queue_id(&self) -> QueueId {
        QueueId(0)
    }

    // ---- messages -------------------------------------------------------------------------

    /// A message was taken into a queue. Called under the queue's lock.
    #[inline]
    pub fn append(&self, _queue: QueueId, _id: MessageId, _m: &Message, _w: &mut Wakes) -> Seq {
        Seq::NONE
    }

    /// Begins a message that goes to several queues: [`add`](Self::add) them, then
    /// [`end`](Self::end). Nothing handed over later is written before the end.
    pub fn begin(&self, _message: &Message) -> Seq {
        Seq::NONE
    }

    /// One of the queues has taken it. Called under the queue's lock, before it is delivered.
    pub fn add(&self, _seq: Seq, _queue: QueueId, _id: MessageId) {}

    /// All of them have.
    pub fn end(&self, _seq: Seq, _wakes: &mut Wakes) {}

    /// Messages were settled for good.
    #[inline]
    pub fn remove(&self, _queue: QueueId, _settled: &[(MessageId, Seq)], _wakes: &mut Wakes) {}

    /// Every message with an id from `first` to `last` was dropped; all are on disk.
    pub fn remove_range(&self, _q: QueueId, _first: MessageId, _last: MessageId, _w: &mut Wakes) {}

    /// The messages of a queue that has no definition are of no use any more.
    pub fn drop_queue(&self, _queue: QueueId, _wakes: &mut Wakes) {}

    /// Reads messages back, up to about `max_bytes`, and hands them over later.
    pub fn read(
        &self,
        _queue: QueueId,
        _wanted: Wanted,
        _max_bytes: usize,
        _token: u64,
        _to: Arc<dyn ReadBack>,
    ) {
    }

    /// The same at once: takes as long as the disk does.
    pub fn read_now(&self, _queue: QueueId, _wanted: &Wanted, _max_bytes: usize) -> Read {
        Read::default()
    }

    // ---- definitions ----------------------------------------------------------------------

    /// Something is defined, or defined anew. Called under the virtual host's topology lock.
    pub fn define(&self, _key: Vec<u8>, _value: Vec<u8>, _wakes: &mut Wakes) -> Seq {
        Seq::NONE
    }

    /// Something is no longer defined; a queue's messages go with it.
    pub fn forget(&self, _key: Vec<u8>, _queue: Option<QueueId>, _wakes: &mut Wakes) -> Seq {
        Seq::NONE
    }

    /// The latest change of definitions: once that is settled, so are all before.
    pub fn definitions_seq(&self) -> Seq {
        Seq::NONE
    }

    // ---- waiting --------------------------------------------------------------------------

    /// Everything handed over before it, removals too, is settled when this is.
    pub fn fence(&self, _wakes: &mut Wakes) -> Seq {
        Seq::NONE
    }

    /// Whether something is on disk, or need not go there any more.
    pub fn is_settled(&self, _seq: Seq) -> bool {
        true
    }

    /// Has that outbox woken, with `confirms` raised, once something is settled. False if it is
    /// settled already, and then nothing happens.
    pub fn wait(&self, _seq: Seq, _outbox: &Arc<Outbox>) -> bool {
        false
    }

    /// Takes off the front what is settled; gives the last of that. If something remains and its
    /// first is not `waited_for`, the outbox is woken once that is settled, and it is waited for.
    pub fn pop_settled<T>(
        &self,
        owed: &mut VecDeque<(Seq, T)>,
        _waited_for: &mut Seq,
        _outbox: &Arc<Outbox>,
    ) -> Option<T> {
        owed.drain(..).last().map(|(_, last)| last)
    }

    /// So much waits to be written that publishers should not be read from.
    pub fn is_full(&self) -> bool {
        false
    }

    /// Has that outbox woken once there is room. False if there is.
    pub fn wait_for_room(&self, _outbox: &Arc<Outbox>) -> bool {
        false
    }

    // ---- memory ---------------------------------------------------------------------------

    /// Whether memory is short: then transient messages are handed over too.
    pub fn is_memory_short(&self) -> bool {
        false
    }

    /// How much of their messages queues keep in memory, if the rest is on disk.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }
}
