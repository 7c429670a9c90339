//! What the log's records add up to: definitions, and an index per queue.
//!
//! The commit thread enters what it has written; a start enters what it reads. Entering something
//! twice, in order, changes nothing: so a start may read again what a checkpoint already has.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};

use super::QueueId;
use super::catalogue::Catalogue;
use super::definition::Definition;
use super::index::QueueIndex;
use super::locator::Locator;
use super::record::{
    Counted, Kind, Place, Published, Raw, Ref, Run, decode_count, decode_definition, decode_queue,
    decode_remove,
};
use super::tally::Tally;

/// A definition as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Defined {
    /// The segment in which it was written last.
    pub segment: u64,
    /// Its value.
    pub value: Arc<[u8]>,
}

/// Definitions, and which of them a checkpoint has to write.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    /// By key.
    pub all: BTreeMap<Vec<u8>, Defined>,
    /// Changed since the last checkpoint.
    pub dirty: HashSet<Vec<u8>>,
}

/// A queue's index, shared by the commit thread, readers and checkpoints.
pub(super) type SharedIndex = Arc<Mutex<QueueIndex>>;

/// What the log adds up to.
#[derive(Debug)]
pub(super) struct Contents {
    /// Where pages are that are not in memory.
    pub catalogue: Arc<dyn Catalogue>,
    /// What is defined.
    pub definitions: Mutex<Definitions>,
    /// Queues whose pages have to leave the catalogue.
    pub dropped: Mutex<Vec<QueueId>>,
    indexes: RwLock<HashMap<QueueId, SharedIndex>>,
}

impl Contents {
    /// Nothing yet.
    pub(super) fn new(catalogue: Arc<dyn Catalogue>) -> Self {
        let (definitions, dropped) = (Mutex::default(), Mutex::default());
        Self { catalogue, definitions, dropped, indexes: RwLock::default() }
    }

    /// The index of a queue, if it has ever had a message.
    pub(super) fn index(&self, queue: QueueId) -> Option<SharedIndex> {
        self.indexes.read().get(&queue).cloned()
    }

    /// The index of a queue.
    pub(super) fn index_or_new(&self, queue: QueueId) -> SharedIndex {
        if let Some(index) = self.index(queue) {
            return index;
        }
        let new = || Arc::new(Mutex::new(QueueIndex::new(queue)));
        self.indexes.write().entry(queue).or_insert_with(new).clone()
    }

    /// All of them.
    pub(super) fn indexes(&self) -> Vec<(QueueId, SharedIndex)> {
        self.indexes.read().iter().map(|(queue, index)| (*queue, index.clone())).collect()
    }

    /// Enters a message that was written.
    pub(super) fn publish(
        &self,
        refs: &[Ref],
        at: Locator,
        tally: &mut Tally,
        last: &mut LastIndex,
    ) {
        for r in refs {
            let index = last.get(r.queue, || Some(self.index_or_new(r.queue)));
            let Some(index) = index else { continue };
            index.lock().insert(r.id, at, &*self.catalogue, tally);
        }
    }

    /// Enters a message's new place in the queues that still have it.
    pub(super) fn relocate(
        &self,
        refs: &[Ref],
        from: Option<(u64, u64)>,
        to: Locator,
        tally: &mut Tally,
    ) {
        for r in refs {
            let Some(index) = self.index(r.queue) else { continue };
            let mut index = index.lock();
            let current = index.get(r.id, &*self.catalogue);
            let still = current
                .is_some_and(|at| from.is_none_or(|(segment, offset)| at.is_at(segment, offset)));
            if still {
                index.insert(r.id, to, &*self.catalogue, tally);
            }
        }
    }

    /// Enters what was settled.
    pub(super) fn remove(&self, run: Run, tally: &mut Tally, last: &mut LastIndex) {
        if let Some(index) = last.get(run.queue, || self.index(run.queue)) {
            index.lock().remove(run.first, run.last, &*self.catalogue, tally);
        }
    }

    /// Enters how often a message has come back.
    pub(super) fn count(&self, counted: Counted, last: &mut LastIndex) {
        if let Some(index) = last.get(counted.at.queue, || self.index(counted.at.queue)) {
            index.lock().set_attempts(counted.at.id, counted.attempts, &*self.catalogue);
        }
    }

    /// Enters a definition.
    pub(super) fn define(&self, key: &[u8], value: &[u8], segment: u64, tally: &mut Tally) {
        let mut definitions = self.definitions.lock();
        let defined = Defined { segment, value: value.into() };
        tally.change(segment as u32, 1, defined.bytes(key));
        if let Some(old) = definitions.all.insert(key.to_vec(), defined) {
            tally.change(old.segment as u32, -1, -old.bytes(key));
        }
        definitions.dirty.insert(key.to_vec());
    }

    /// Enters that something is no longer defined.
    pub(super) fn forget(&self, key: &[u8], queue: Option<QueueId>, tally: &mut Tally) {
        {
            let mut definitions = self.definitions.lock();
            if let Some(old) = definitions.all.remove(key) {
                tally.change(old.segment as u32, -1, -old.bytes(key));
            }
            definitions.dirty.insert(key.to_vec());
        }
        if let Some(queue) = queue {
            self.drop_queue(queue, tally);
        }
    }

    /// Enters that a queue is gone with its messages.
    pub(super) fn drop_queue(&self, queue: QueueId, tally: &mut Tally) {
        let index = self.indexes.write().remove(&queue);
        if let Some(index) = index {
            index.lock().shares().for_each(|share| tally.take_share(&share));
            self.dropped.lock().push(queue);
        }
    }

    /// What is defined, as far as it can be read.
    pub(super) fn decoded(&self) -> Vec<Definition> {
        let all = self.definitions.lock();
        let mut definitions = Vec::with_capacity(all.all.len());
        for (key, defined) in &all.all {
            match Definition::decode(key, &defined.value) {
                Ok(definition) => definitions.push(definition),
                Err(error) => tracing::error!(
                    key = %key.escape_ascii(), %error,
                    "a definition cannot be read; it is kept as it is"
                ),
            }
        }
        definitions
    }

    /// The queues that are defined; `None` if some definition cannot be read, and might be one.
    pub(super) fn defined_queues(&self) -> Option<HashSet<QueueId>> {
        let definitions = self.definitions.lock();
        let mut queues = HashSet::new();
        for (key, defined) in &definitions.all {
            if let Definition::Queue(queue) = Definition::decode(key, &defined.value).ok()? {
                queues.insert(queue.id);
            }
        }
        Some(queues)
    }

    /// Enters a record that a start has read. `rebuilding`: nothing else is known, so that a
    /// moved message counts as one.
    pub(super) fn replay(&self, place: Place, raw: Raw<'_>, rebuilding: bool, tally: &mut Tally) {
        let mut last = LastIndex::default();
        match raw.kind {
            Some(kind @ (Kind::Publish | Kind::Move)) => {
                let Some(published) = Published::decode(raw.payload) else { return };
                if published.is_transient() {
                    return;
                }
                let refs: Vec<Ref> = published.refs().collect();
                let at = Locator::new(place.segment, place.offset, raw.bytes, refs.len(), false)
                    .with_body(published.body().len() as u64);
                if kind == Kind::Publish || rebuilding {
                    self.publish(&refs, at, tally, &mut last);
                } else {
                    self.relocate(&refs, None, at, tally);
                }
            }
            Some(Kind::Remove) => {
                decode_remove(raw.payload).for_each(|run| self.remove(run, tally, &mut last));
            }
            Some(Kind::Count) => {
                decode_count(raw.payload).for_each(|counted| self.count(counted, &mut last));
            }
            Some(Kind::Define) => {
                if let Some((key, value)) = decode_definition(raw.payload) {
                    self.define(key, value, place.segment, tally);
                }
            }
            Some(Kind::Forget) => {
                if let Some((key, rest)) = decode_definition(raw.payload) {
                    self.forget(key, decode_queue(rest).filter(|queue| queue.0 > 0), tally);
                }
            }
            Some(Kind::Drop) => {
                if let Some(queue) = decode_queue(raw.payload) {
                    self.drop_queue(queue, tally);
                }
            }
            Some(Kind::Mark | Kind::Start) => {}
            None => tracing::error!(
                segment = place.segment,
                offset = place.offset,
                "a record of a kind or version that this program does not know is left alone"
            ),
        }
    }
}

impl Defined {
    /// What it takes of its segment.
    pub(super) fn bytes(&self, key: &[u8]) -> i64 {
        super::record::definition_bytes(key, &self.value).cast_signed()
    }
}

/// The index that was used last: mostly it is the next one too.
#[derive(Debug, Default)]
pub(super) struct LastIndex(Option<(QueueId, SharedIndex)>);

impl LastIndex {
    fn get(
        &mut self,
        queue: QueueId,
        find: impl FnOnce() -> Option<SharedIndex>,
    ) -> Option<&SharedIndex> {
        if self.0.as_ref().is_none_or(|(last, _)| *last != queue) {
            self.0 = Some((queue, find()?));
        }
        self.0.as_ref().map(|(_, index)| index)
    }
}
