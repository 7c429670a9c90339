//! What survives: a log of messages, settlements and definitions, and a catalogue of what it adds
//! up to.
//!
//! Everything is handed to the [`inbox`], gets a number, and is written by the one [`commit`]
//! thread, which syncs once for all that has gathered; whoever waits for a number is then told.
//! [`upkeep`] makes checkpoints and frees segments, [`reader`] reads messages back, [`recover`]
//! reads everything at start, and [`open`] puts it together. What is on disk is described in
//! docs/format.md. Knows nothing of queues' states or of channels.

mod catalogue;
mod check;
mod commit;
mod compact;
mod contents;
mod definition;
mod directory;
mod disk;
mod dump;
mod error;
mod files;
mod hooks;
mod inbox;
mod index;
mod inspect;
mod inspect_copy;
mod inspect_text;
mod locator;
mod meta;
mod open;
mod page;
mod reader;
mod record;
mod recover;
mod scan;
mod segment;
mod segments;
mod shared;
mod sled_catalogue;
mod tally;
mod upkeep;
mod windows;

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use parking_lot::Mutex;

pub use catalogue::{Catalogue, CatalogueError, CatalogueResult, Change, Each, Tree};
pub use definition::{
    BadDefinition, BindingDefinition, Definition, DestinationName, ExchangeDefinition,
    GlobalParameterDefinition, Half, HashText, PermissionDefinition, PolicyDefinition,
    QueueDefinition, TopicPermissionDefinition, UserDefinition, VirtualHostDefinition,
};
pub use directory::{DataDirectory, DataDirectoryError};
pub use error::StoreError;
pub use files::{Files, LogFile};
pub use inspect::{DumpOptions, EXIT_DAMAGED, EXIT_SOUND, EXIT_UNREADABLE, check, dump};
pub use page::PAGE_IDS;
pub use scan::Damage;
pub use shared::{EXIT_DISK_FAILED, OnFailure, StoreOptions};
pub use windows::{WINDOW_MAX_BYTES, WINDOW_MIN_BYTES, Windows};

use crate::message::{Attempts, Message, MessageId, Seq};
use crate::outbox::{Outbox, Wakes};
use crate::stats::StoreFigures;
use inbox::Operation;
use reader::{Request, Requests};
use record::{Counted, Ref, Run};
use shared::Shared;

/// A queue's number in the store. It is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct QueueId(pub u64);

/// So much of a digest is enough to tell stores apart.
const IDENTITY_BYTES: usize = 12;

/// What survives; one per broker.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    requests: Arc<Requests>,
    windows: Windows,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Given up last, when no thread writes there any more.
    directory: Option<DataDirectory>,
}

/// What a start has found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Everything that is defined.
    pub definitions: Vec<Definition>,
    /// The messages of queues.
    pub queues: HashMap<QueueId, RecoveredQueue>,
    /// What could not be read.
    pub damage: Vec<Damage>,
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
    /// In order of their ids, with their number of octets limited as asked (at least one); how
    /// often each had come back.
    pub messages: Vec<(MessageId, Message, Attempts)>,
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
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecoveredQueue {
    /// No sequence above this was ever given.
    pub last: u64,
    /// Messages up to this sequence may have been delivered before.
    pub delivered_to: u64,
    /// Its messages, level by level.
    pub levels: Vec<RecoveredLevel>,
}

impl RecoveredQueue {
    /// How many messages it has.
    pub fn count(&self) -> u64 {
        self.levels.iter().map(|level| level.count).sum()
    }
}

/// What the store knows of a level of a queue at its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecoveredLevel {
    /// No message of the level has a lower id.
    pub first: MessageId,
    /// And none a higher one.
    pub last: MessageId,
    /// How many messages there are from `first` to `last`.
    pub count: u64,
    /// Octets of their bodies.
    pub body_bytes: u64,
}

impl Store {
    /// Where it is; `None` if it is in memory.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(DataDirectory::path)
    }

    /// What tells this store from all others, as long as it is there.
    pub fn identity(&self) -> String {
        use sha2::{Digest, Sha256};
        // The salt itself tells records from other octets: nobody is to know it.
        let digest =
            Sha256::digest([b"identity".as_slice(), &self.shared.salt.to_le_bytes()].concat());
        let octets = digest.iter().take(IDENTITY_BYTES);
        octets.fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
    }

    /// A number that no queue has had.
    pub fn new_queue_id(&self) -> QueueId {
        QueueId(self.shared.next_queue.fetch_add(1, Ordering::AcqRel))
    }

    // ---- messages -------------------------------------------------------------------------

    /// A message was taken into a queue. Called under the queue's lock.
    #[inline]
    pub fn append(
        &self,
        queue: QueueId,
        id: MessageId,
        message: &Message,
        wakes: &mut Wakes,
    ) -> Seq {
        let refs = smallvec::SmallVec::from([Ref { queue, id }]);
        wakes.ring(&self.shared.bell);
        let mut inbox = self.shared.inbox.lock();
        let seq = inbox.push(Operation::Publish(message.clone(), refs));
        self.shared.look_at_room(&inbox);
        seq
    }

    /// Begins a message that goes to several queues: [`add`](Self::add) them, then
    /// [`end`](Self::end). Nothing handed over later is written before the end.
    pub fn begin(&self, message: &Message) -> Seq {
        let mut inbox = self.shared.inbox.lock();
        let seq = inbox.begin(message.clone());
        self.shared.look_at_room(&inbox);
        seq
    }

    /// One of the queues has taken it. Called under the queue's lock, before it is delivered.
    pub fn add(&self, seq: Seq, queue: QueueId, id: MessageId) {
        self.shared.inbox.lock().add(seq, Ref { queue, id });
    }

    /// All of them have.
    pub fn end(&self, seq: Seq, wakes: &mut Wakes) {
        self.shared.inbox.lock().end(seq, wakes);
        wakes.ring(&self.shared.bell);
    }

    /// Messages were settled for good; those that were never handed over are none of its business.
    #[inline]
    pub fn remove(&self, queue: QueueId, settled: &[(MessageId, Seq)], wakes: &mut Wakes) {
        let mut inbox = self.shared.inbox.lock();
        let was_empty = inbox.is_empty();
        for (id, seq) in settled.iter().filter(|(_, seq)| *seq != Seq::NONE) {
            inbox.remove(Ref { queue, id: *id }, *seq, wakes);
        }
        if was_empty && !inbox.is_empty() {
            wakes.ring(&self.shared.bell);
        }
    }

    /// Messages are settled, since they have been taken in elsewhere: no sooner than that is on
    /// disk. So they are in one of the two places whatever happens.
    pub fn remove_behind(&self, queue: QueueId, settled: &[(MessageId, Seq)], wakes: &mut Wakes) {
        let mut inbox = self.shared.inbox.lock();
        for (id, _) in settled.iter().filter(|(_, seq)| *seq != Seq::NONE) {
            inbox.push(Operation::Remove(Run { queue, first: *id, last: *id }));
        }
        wakes.ring(&self.shared.bell);
    }

    /// A message has come back to its queue.
    pub fn count(
        &self,
        queue: QueueId,
        id: MessageId,
        seq: Seq,
        attempts: Attempts,
        wakes: &mut Wakes,
    ) {
        let counted = Counted { at: Ref { queue, id }, attempts };
        self.shared.inbox.lock().count(counted, seq);
        wakes.ring(&self.shared.bell);
    }

    /// Every message with an id from `first` to `last` was dropped; all are on disk.
    pub fn remove_range(
        &self,
        queue: QueueId,
        first: MessageId,
        last: MessageId,
        wakes: &mut Wakes,
    ) {
        self.shared.inbox.lock().remove_written(Run { queue, first, last });
        wakes.ring(&self.shared.bell);
    }

    /// The messages of a queue that has no definition are of no use any more.
    pub fn drop_queue(&self, queue: QueueId, wakes: &mut Wakes) {
        self.shared.inbox.lock().push(Operation::Drop(queue));
        wakes.ring(&self.shared.bell);
    }

    /// Reads messages back, up to about `max_bytes`, and hands them over later.
    pub fn read(
        &self,
        queue: QueueId,
        wanted: Wanted,
        max_bytes: usize,
        token: u64,
        to: Arc<dyn ReadBack>,
    ) {
        self.requests.push(Request { queue, wanted, max_bytes, token, to });
    }

    /// The same at once: takes as long as the disk does.
    pub fn read_now(&self, queue: QueueId, wanted: &Wanted, max_bytes: usize) -> Read {
        reader::read(&self.shared, queue, wanted, max_bytes, &mut Vec::new())
    }

    // ---- definitions ----------------------------------------------------------------------

    /// Something is defined, or defined anew. Called under the virtual host's topology lock.
    pub fn define(&self, key: Vec<u8>, value: Vec<u8>, wakes: &mut Wakes) -> Seq {
        self.change_definitions(Operation::Define { key, value }, wakes)
    }

    /// Something is no longer defined; a queue's messages go with it.
    pub fn forget(&self, key: Vec<u8>, queue: Option<QueueId>, wakes: &mut Wakes) -> Seq {
        self.change_definitions(Operation::Forget { key, queue }, wakes)
    }

    fn change_definitions(&self, operation: Operation, wakes: &mut Wakes) -> Seq {
        wakes.ring(&self.shared.bell);
        let mut inbox = self.shared.inbox.lock();
        let seq = inbox.push(operation);
        self.shared.look_at_room(&inbox);
        self.shared.definitions_seq.store(seq.0, Ordering::Release);
        seq
    }

    /// What is defined and on disk, as far as it can be read: for tests.
    #[doc(hidden)]
    pub fn definitions(&self) -> Vec<Definition> {
        self.shared.contents.decoded()
    }

    /// The latest change of definitions: once that is settled, so are all before.
    pub fn definitions_seq(&self) -> Seq {
        Seq(self.shared.definitions_seq.load(Ordering::Acquire))
    }

    // ---- waiting --------------------------------------------------------------------------

    /// Everything handed over before it, removals too, is settled when this is.
    pub fn fence(&self, wakes: &mut Wakes) -> Seq {
        wakes.ring(&self.shared.bell);
        self.shared.inbox.lock().push(Operation::Fence)
    }

    /// A number that is settled when both of these are.
    pub fn both(&self, one: Seq, other: Seq, wakes: &mut Wakes) -> Seq {
        match (one, other) {
            (Seq::NONE, seq) | (seq, Seq::NONE) => seq,
            _ => self.fence(wakes),
        }
    }

    /// Whether something is on disk, or need not go there any more.
    #[inline]
    pub fn is_settled(&self, seq: Seq) -> bool {
        self.shared.is_settled(seq)
    }

    /// Has that outbox woken, with [`Outbox::take_settled`] raised, once something is settled.
    /// False if it is settled already, and then nothing happens.
    pub fn wait(&self, seq: Seq, outbox: &Arc<Outbox>) -> bool {
        self.shared.inbox.lock().wait(seq, outbox)
    }

    /// Takes off the front what is settled; gives the last of that. If something remains, the
    /// outbox is woken once its first is settled.
    pub fn pop_settled<T>(&self, owed: &mut VecDeque<(Seq, T)>, outbox: &Arc<Outbox>) -> Option<T> {
        let mut inbox = self.shared.inbox.lock();
        let mut popped = None;
        while owed.front().is_some_and(|(seq, _)| inbox.is_settled(*seq)) {
            popped = owed.pop_front().map(|(_, owed)| owed);
        }
        if let Some((seq, _)) = owed.front() {
            inbox.wait(*seq, outbox);
        }
        popped
    }

    /// So much waits to be written that publishers should not be read from.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.shared.full.load(Ordering::Acquire)
    }

    /// Has that outbox woken once there is room. False if there is.
    pub fn wait_for_room(&self, outbox: &Arc<Outbox>) -> bool {
        self.shared.inbox.lock().wait_for_room(outbox)
    }

    // ---- resources ------------------------------------------------------------------------

    /// Whether memory is short: then transient messages are handed over too.
    pub fn is_memory_short(&self) -> bool {
        self.shared.memory_short.load(Ordering::Relaxed)
    }

    /// Says whether memory is short.
    pub fn set_memory_short(&self, short: bool) {
        self.shared.memory_short.store(short, Ordering::Relaxed);
    }

    /// Whether something waits for room on the disk.
    pub fn is_out_of_space(&self) -> bool {
        self.shared.out_of_space.load(Ordering::Relaxed)
    }

    /// Whether a write or sync has failed: nothing is settled any more.
    pub fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    /// Makes a checkpoint and empties what is mostly dead now, rather than when it is due. Takes
    /// as long as the disk does.
    pub fn tidy_now(&self) -> CatalogueResult<()> {
        upkeep::checkpoint(&self.shared, None)?;
        self.shared.segments.tidy_spares();
        compact::compact(&self.shared);
        upkeep::shrink_catalogue(&self.shared);
        Ok(())
    }

    /// What it has done, and how full it is.
    pub fn figures(&self) -> StoreFigures {
        let (waiting, waiting_bytes) = {
            let inbox = self.shared.inbox.lock();
            (inbox.len() as u64, inbox.bytes() as u64)
        };
        let (segments, living_bytes, dead_bytes) = self.shared.segments.figures();
        let counted = self.shared.counters.get();
        StoreFigures { living_bytes, dead_bytes, segments, waiting, waiting_bytes, ..counted }
    }

    // ---- end ------------------------------------------------------------------------------

    /// Writes what is left and a last checkpoint, with how far each durable queue has delivered.
    /// Takes as long as the disk does.
    pub fn close(&self, delivered: &[(QueueId, u64)]) {
        let was_closed = self.shared.stop.load(Ordering::Acquire);
        self.stop_threads();
        if !was_closed
            && !self.has_failed()
            && upkeep::checkpoint(&self.shared, Some(delivered)).is_ok()
        {
            tracing::info!("store closed");
        }
    }

    fn stop_threads(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.bell.ring();
        self.shared.upkeep.ring();
        self.requests.stop();
        for thread in self.threads.lock().drain(..) {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the store has panicked");
            }
        }
    }

    /// How much of their messages queues keep in memory, if the rest is on disk.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop_threads();
    }
}

#[cfg(test)]
mod tests;
