//! The store's edge: what durable queues and definitions hand over, and what they take back.

mod definition;
mod directory;
mod double;
mod error;
mod inspect;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub use definition::{
    BadDefinition, BindingDefinition, Definition, DestinationName, ExchangeDefinition, Half,
    QueueDefinition,
};
pub use directory::{DataDirectory, DataDirectoryError};
pub use error::StoreError;
pub use inspect::{EXIT_DAMAGED, EXIT_SOUND, EXIT_UNREADABLE, check, dump};

use double::Double;

use crate::message::{Message, MessageId, Seq};
use crate::outbox::{Outbox, Wakes};

/// A queue's number in the store. It is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct QueueId(pub u64);

/// What survives; one per broker.
#[derive(Debug)]
pub struct Store {
    directory: DataDirectory,
    double: Arc<Double>,
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

/// What a store has found at its start.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Everything that is defined and could be read, in any order.
    pub definitions: Vec<Definition>,
    /// The queues that have had messages.
    pub queues: HashMap<QueueId, RecoveredQueue>,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.double.state.lock().ended = true;
        self.double.bell.ring();
    }
}

impl Store {
    /// Opens the store in that directory, which takes as long as reading all of it does.
    pub fn open(directory: DataDirectory) -> Result<(Arc<Self>, Recovered), StoreError> {
        let (double, definitions) = Double::open(directory.path());
        let recovered = Recovered { definitions, queues: HashMap::new() };
        Ok((Arc::new(Self { directory, double }), recovered))
    }

    /// Writes everything that waits and ends. Takes as long as that does; a second call does
    /// nothing. `delivered` tells up to where each queue has delivered its messages.
    pub fn close(&self, delivered: Vec<(QueueId, MessageId)>) {
        self.double.close(self.directory.path(), delivered);
    }

    /// Where it is.
    pub fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    /// A number that no queue has had.
    pub fn new_queue_id(&self) -> QueueId {
        let mut state = self.double.state.lock();
        state.last_queue += 1;
        QueueId(state.last_queue)
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
    pub fn define(&self, key: Vec<u8>, value: Vec<u8>, wakes: &mut Wakes) -> Seq {
        let mut state = self.double.state.lock();
        state.definitions.insert(key, value);
        state.last += 1;
        wakes.ring(&self.double.bell);
        Seq(state.last)
    }

    /// Something is no longer defined; a queue's messages go with it.
    #[allow(clippy::needless_pass_by_value, reason = "the real store keeps it")]
    pub fn forget(&self, key: Vec<u8>, _queue: Option<QueueId>, wakes: &mut Wakes) -> Seq {
        let mut state = self.double.state.lock();
        state.definitions.remove(&key);
        state.last += 1;
        wakes.ring(&self.double.bell);
        Seq(state.last)
    }

    /// The latest change of definitions: once that is settled, so are all before.
    pub fn definitions_seq(&self) -> Seq {
        Seq(self.double.state.lock().last)
    }

    // ---- waiting --------------------------------------------------------------------------

    /// Everything handed over before it, removals too, is settled when this is.
    pub fn fence(&self, wakes: &mut Wakes) -> Seq {
        let mut state = self.double.state.lock();
        state.last += 1;
        wakes.ring(&self.double.bell);
        Seq(state.last)
    }

    /// Whether something is on disk, or need not go there any more.
    pub fn is_settled(&self, seq: Seq) -> bool {
        seq.0 <= self.double.state.lock().settled
    }

    /// Has that outbox woken, with `settled` raised, once something is settled. False if it is
    /// settled already, and then nothing happens.
    pub fn wait(&self, seq: Seq, outbox: &Arc<Outbox>) -> bool {
        let mut state = self.double.state.lock();
        let waits = seq.0 > state.settled;
        if waits {
            state.waiting.push((seq, outbox.clone()));
        }
        waits
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
    #[inline]
    pub fn is_full(&self) -> bool {
        self.double.state.lock().full
    }

    /// Has that outbox woken, with `settled` raised, once there is room. False if there is. Who
    /// waits already may ask again, and is woken at least once.
    pub fn wait_for_room(&self, outbox: &Arc<Outbox>) -> bool {
        let mut state = self.double.state.lock();
        if state.full {
            state.for_room.push(outbox.clone());
        }
        state.full
    }

    /// The disk has no room: what waits to be written goes on waiting.
    pub fn is_out_of_space(&self) -> bool {
        self.double.state.lock().out_of_space
    }

    // ---- memory ---------------------------------------------------------------------------

    /// Whether memory is short: then transient messages are handed over too.
    pub fn is_memory_short(&self) -> bool {
        false
    }

    /// Somebody has looked at the memory.
    pub fn set_memory_short(&self, _short: bool) {}

    // ---- for tests, until the real store is here -----------------------------------------

    /// Nothing is settled while this is on.
    #[doc(hidden)]
    pub fn hold(&self, on: bool) {
        self.double.state.lock().held = on;
        self.double.bell.ring();
    }

    /// There is no room while this is on.
    #[doc(hidden)]
    pub fn set_full(&self, on: bool) {
        self.double.state.lock().full = on;
        self.double.bell.ring();
    }

    /// The disk has no room while this is on.
    #[doc(hidden)]
    pub fn set_out_of_space(&self, on: bool) {
        self.double.state.lock().out_of_space = on;
    }

    /// How many of those who wait for something to be settled there are.
    #[doc(hidden)]
    pub fn waiting(&self) -> usize {
        let state = self.double.state.lock();
        state.waiting.len() + state.for_room.len()
    }

    /// Everything defined now.
    #[doc(hidden)]
    pub fn defined(&self) -> Vec<String> {
        let state = self.double.state.lock();
        let decoded = state.definitions.iter().map(|(key, value)| Definition::decode(key, value));
        decoded.map(|found| found.map_or_else(|e| e.to_string(), |d| d.to_string())).collect()
    }
}
