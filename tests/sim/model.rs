//! What a test has asked of a store, and whether what is found after a cut is what it was promised.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use warren::message::{Attempts, Message, MessageId};
use warren::store::{
    Definition, ExchangeDefinition, QueueDefinition, QueueId, Recovered, RecoveredLevel, Store,
    Wanted,
};

use super::machine::Event;

/// A message of a queue.
pub type Ref = (QueueId, u64);

/// What was asked for, in the order of the asking.
#[derive(Clone, Debug)]
pub enum Op {
    Publish {
        refs: Vec<Ref>,
        body: Bytes,
        persistent: bool,
    },
    Remove(Vec<Ref>),
    /// One that these copies of it stand for, which were published before.
    RemoveBehind {
        of: Ref,
        copies: Vec<Ref>,
    },
    /// How often a message has come back.
    Count(Ref, Attempts),
    Define(Definition),
    Forget {
        key: Vec<u8>,
        queue: Option<QueueId>,
    },
    Drop(QueueId),
    Fence,
}

/// Everything that was asked for, and what there was before.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub ops: Vec<Op>,
    /// So many of them stand for what was there at the start.
    before: usize,
    /// The highest ids of queues that the store told of when it was opened.
    pub told_last: HashMap<QueueId, u64>,
    /// Queues below this are not new.
    pub told_next_queue: u64,
}

/// What was promised up to some point of the journal.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The store can be used.
    pub opened: bool,
    /// So many operations may have begun.
    pub asked: usize,
    /// So many are on disk, but perhaps not what they remove.
    pub written: usize,
    /// So many are on disk.
    pub kept: usize,
    /// If the stop was in good order, this is how far queues have delivered.
    pub closing: Option<HashMap<QueueId, u64>>,
    /// It was.
    pub closed: bool,
}

/// What a store holds after a start.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub messages: BTreeMap<Ref, Bytes>,
    /// How often those have come back that have.
    pub attempts: BTreeMap<Ref, Attempts>,
    pub definitions: Vec<Definition>,
    pub last: HashMap<QueueId, u64>,
    /// A queue made now would have this number.
    pub next_queue: u64,
}

struct Fate<'a> {
    published: usize,
    /// It may have been published before, removed, and published again under the same id.
    first_published: usize,
    removed: Option<usize>,
    /// Likewise, and what stands for it.
    removed_behind: Option<(usize, &'a [Ref])>,
    /// How often it has come back, since when.
    counted: Vec<(usize, Attempts)>,
    body: &'a Bytes,
    persistent: bool,
}

impl Fate<'_> {
    fn is_removed(&self) -> bool {
        self.removed.is_some() || self.removed_behind.is_some()
    }
}

impl Known {
    pub fn learn(&mut self, event: &Event) {
        match event {
            Event::Opened => self.opened = true,
            Event::Asked(count) => self.asked = *count,
            Event::Written(count) => self.written = self.written.max(*count),
            Event::Kept(count) => {
                self.kept = *count;
                self.written = self.written.max(*count);
            }
            Event::Closing(delivered) => {
                self.closing = Some(delivered.iter().copied().collect());
            }
            Event::Closed => self.closed = true,
            _ => {}
        }
    }
}

impl Model {
    /// One that begins with what a start has found: all of that is there to stay.
    pub fn after(found: &Found) -> Self {
        let mut ops: Vec<Op> = found.definitions.iter().cloned().map(Op::Define).collect();
        for (at, body) in &found.messages {
            ops.push(Op::Publish { refs: vec![*at], body: body.clone(), persistent: true });
        }
        ops.extend(found.attempts.iter().map(|(at, attempts)| Op::Count(*at, *attempts)));
        let (told_last, told_next_queue) = (found.last.clone(), found.next_queue);
        Self { before: ops.len(), ops, told_last, told_next_queue }
    }

    /// What is known before anything of the journal has happened.
    pub fn known(&self) -> Known {
        let all = self.before;
        Known { asked: all, written: all, kept: all, ..Known::default() }
    }

    /// Compares what a start has found with what it may find.
    pub fn check(&self, known: &Known, store: &Store, start: &Recovered) -> Result<Found, String> {
        if let Some(damage) = start.damage.first() {
            return Err(format!("it reports damage: {damage:?}"));
        }
        let fates = self.fates(known);
        let mut found = self.read(store, start)?;
        let horizon = self.horizon(known, &fates, &found)?;
        self.check_definitions(known, horizon, &found)?;
        let defined = queues_of(&found.definitions);
        for (at, fate) in &fates {
            let must = fate.persistent && fate.published < horizon && !fate.is_removed();
            if must && defined.contains(&at.0) && !found.messages.contains_key(at) {
                return Err(format!("{at:?} of operation {} is lost", fate.published));
            }
        }
        if let Some(stray) = found.messages.keys().find(|at| !defined.contains(&at.0)) {
            return Err(format!("{stray:?} is there, but its queue is not defined"));
        }
        check_copies(&fates, horizon, &found, &defined)?;
        check_attempts(known, &fates, &found)?;
        self.check_ids(known, horizon, &fates, start)?;
        found.next_queue = self.check_next_queue(horizon, &fates, store)?;
        Ok(found)
    }

    /// What becomes of each message that may have been published.
    fn fates(&self, known: &Known) -> HashMap<Ref, Fate<'_>> {
        let mut fates: HashMap<Ref, Fate<'_>> = HashMap::new();
        for (number, op) in self.ops.iter().take(known.asked).enumerate() {
            match op {
                Op::Publish { refs, body, persistent } => {
                    let persistent = *persistent;
                    for at in refs {
                        let before = fates.remove(at);
                        let fate = Fate {
                            published: number,
                            first_published: before.as_ref().map_or(number, |b| b.first_published),
                            removed: None,
                            removed_behind: None,
                            counted: before.map_or_else(Vec::new, |mut before: Fate<'_>| {
                                before.counted.push((number, Attempts::default()));
                                before.counted
                            }),
                            body,
                            persistent,
                        };
                        fates.insert(*at, fate);
                    }
                }
                Op::Remove(refs) => {
                    for at in refs {
                        if let Some(fate) = fates.get_mut(at) {
                            fate.removed = Some(number);
                        }
                    }
                }
                Op::RemoveBehind { of, copies } => {
                    if let Some(fate) = fates.get_mut(of) {
                        fate.removed_behind = Some((number, copies));
                    }
                }
                Op::Count(at, attempts) => {
                    if let Some(fate) = fates.get_mut(at) {
                        fate.counted.push((number, *attempts));
                    }
                }
                Op::Define(_) | Op::Forget { .. } | Op::Drop(_) | Op::Fence => {}
            }
        }
        fates
    }

    /// Reads everything back, as whole as it claims to be.
    fn read(&self, store: &Store, start: &Recovered) -> Result<Found, String> {
        let mut found = Found { definitions: start.definitions.clone(), ..Found::default() };
        let mut queues: BTreeSet<QueueId> = start.queues.keys().copied().collect();
        queues.extend(self.ops.iter().flat_map(queues_in));
        for queue in queues {
            let told = start.queues.get(&queue).cloned().unwrap_or_default();
            let mut before = None;
            let all = read_all(store, queue);
            if told.count() != all.len() as u64 {
                return Err(format!("{queue:?} is said to have {} of {}", told.count(), all.len()));
            }
            let mut levels: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
            for (id, message, attempts) in all {
                let within = |level: &&RecoveredLevel| (level.first..=level.last).contains(&id);
                if before >= Some(id) || told.levels.iter().filter(within).count() != 1 {
                    return Err(format!("{queue:?}: {id:?} after {before:?}, told {told:?}"));
                }
                before = Some(id);
                let level = levels.entry(id.level()).or_default();
                *level = (level.0 + 1, level.1 + message.body_bytes() as u64);
                found.messages.insert((queue, id.0), body_of(&message));
                if attempts != Attempts::default() {
                    found.attempts.insert((queue, id.0), attempts);
                }
            }
            let of =
                |level: &RecoveredLevel| (level.first.level(), (level.count, level.body_bytes));
            if told.levels.iter().map(of).ne(levels.clone()) {
                return Err(format!("{queue:?} has {levels:?} and is said to have {told:?}"));
            }
            if told.last > 0 {
                found.last.insert(queue, told.last);
            }
        }
        Ok(found)
    }

    /// The log ends behind the last thing that is found: everything before it must be there too.
    fn horizon(
        &self,
        known: &Known,
        fates: &HashMap<Ref, Fate<'_>>,
        found: &Found,
    ) -> Result<usize, String> {
        let mut horizon = known.written;
        for (at, body) in &found.messages {
            let fate = fates.get(at).ok_or_else(|| format!("nobody has published {at:?}"))?;
            if body != fate.body {
                return Err(format!("{at:?} has another body"));
            }
            if !fate.persistent {
                return Err(format!("{at:?} is transient and has come back"));
            }
            if let Some(removed) = fate.removed.filter(|removed| *removed < known.kept) {
                return Err(format!("{at:?} was removed by operation {removed} and is back"));
            }
            horizon = horizon.max(fate.first_published + 1);
        }
        for definition in &found.definitions {
            let by = |op: &Op| matches!(op, Op::Define(defined) if defined == definition);
            let number = self.ops.iter().take(known.asked).position(by);
            let number = number.ok_or_else(|| format!("nobody has defined {definition:?}"))?;
            horizon = horizon.max(number + 1);
        }
        Ok(horizon)
    }

    fn check_definitions(
        &self,
        known: &Known,
        horizon: usize,
        found: &Found,
    ) -> Result<(), String> {
        type History<'a> = Vec<(usize, Option<&'a Definition>)>;
        let mut histories: BTreeMap<Vec<u8>, History<'_>> = BTreeMap::new();
        for (number, op) in self.ops.iter().take(known.asked).enumerate() {
            let (key, value) = match op {
                Op::Define(definition) => (definition.key(), Some(definition)),
                Op::Forget { key, .. } => (key.clone(), None),
                _ => continue,
            };
            histories.entry(key).or_default().push((number, value));
        }
        let mut there: BTreeMap<Vec<u8>, &Definition> = BTreeMap::new();
        for definition in &found.definitions {
            if there.insert(definition.key(), definition).is_some() {
                return Err(format!("{definition:?} is there twice"));
            }
        }
        for (key, history) in &histories {
            let sure = history.iter().rposition(|(number, _)| *number < horizon);
            let may = history.iter().skip(sure.unwrap_or(0)).map(|(_, value)| *value);
            let mut may = may.chain(sure.is_none().then_some(None));
            let is = there.get(key).copied();
            if !may.any(|value| value == is) {
                return Err(format!("{is:?} is defined by {}", key.escape_ascii()));
            }
        }
        Ok(())
    }

    fn check_ids(
        &self,
        known: &Known,
        horizon: usize,
        fates: &HashMap<Ref, Fate<'_>>,
        start: &Recovered,
    ) -> Result<(), String> {
        let mut used = self.told_last.clone();
        for ((queue, id), fate) in fates {
            // Struck out before it was written, an id may be given again: nothing tells of it.
            let sure = fate.removed.is_none() && fate.persistent && fate.published < horizon;
            let last = used.entry(*queue).or_default();
            *last = (*last).max(if sure { MessageId(*id).sequence() } else { 0 });
        }
        for queue in queues_of(&start.definitions) {
            let told = start.queues.get(&queue).cloned().unwrap_or_default();
            let used = used.get(&queue).copied().unwrap_or_default();
            if told.last < used {
                return Err(format!("{queue:?} gives {used} again: {told:?}"));
            }
            let closing = known.closing.as_ref().and_then(|closing| closing.get(&queue));
            let covered = told.delivered_to >= told.last;
            let closed = closing.is_some_and(|to| told.delivered_to == *to);
            if !(closed || covered && !(known.closed && closing.is_some())) {
                return Err(format!(
                    "{queue:?} was delivered to {closing:?}, and is told {told:?}"
                ));
            }
        }
        Ok(())
    }

    fn check_next_queue(
        &self,
        horizon: usize,
        fates: &HashMap<Ref, Fate<'_>>,
        store: &Store,
    ) -> Result<u64, String> {
        // What was struck out before it was written tells of no queue.
        let told = |op: &&Op| matches!(op, Op::Define(_) | Op::Forget { .. } | Op::Drop(_));
        let ops = self.ops.iter().take(horizon);
        let told = ops.filter(told).flat_map(queues_in).map(|queue| queue.0);
        let sure = |fate: &Fate<'_>| fate.published < horizon && fate.removed.is_none();
        let used = fates.iter().filter(|(_, fate)| sure(fate)).map(|(at, _)| at.0.0);
        let given = told.chain(used).max().unwrap_or(0);
        let new = store.new_queue_id();
        if new.0 <= given || new.0 < self.told_next_queue {
            let told = self.told_next_queue;
            return Err(format!("{new:?} is given again, there was {given}, {told} was told"));
        }
        Ok(new.0)
    }
}

/// A message that was removed behind its copies is not there any more if anything is that came
/// later, and one that is not there has copies, as far as they were not removed in their turn.
fn check_copies(
    fates: &HashMap<Ref, Fate<'_>>,
    horizon: usize,
    found: &Found,
    defined: &BTreeSet<QueueId>,
) -> Result<(), String> {
    for (at, fate) in fates {
        let Some((number, copies)) = fate.removed_behind else { continue };
        let is_there = found.messages.contains_key(at);
        if is_there && number < horizon {
            return Err(format!("{at:?} was removed by operation {number} and is back"));
        }
        let must = fate.persistent && fate.published < horizon && fate.removed.is_none();
        if is_there || !must || !defined.contains(&at.0) {
            continue;
        }
        let is_missing = |copy: &&Ref| {
            let may_be_gone = |fate: &Fate<'_>| {
                let again = fate.first_published < fate.published;
                fate.is_removed() || (again && fate.published >= horizon)
            };
            let was_removed = fates.get(*copy).is_some_and(may_be_gone);
            defined.contains(&copy.0) && !was_removed && !found.messages.contains_key(*copy)
        };
        if let Some(copy) = copies.iter().find(is_missing) {
            return Err(format!("{at:?} is gone, and there is no {copy:?}"));
        }
    }
    Ok(())
}

/// How often a message has come back is known from when that was on disk on, and of no other one.
fn check_attempts(
    known: &Known,
    fates: &HashMap<Ref, Fate<'_>>,
    found: &Found,
) -> Result<(), String> {
    for at in found.messages.keys() {
        let counted = fates.get(at).map_or(&[][..], |fate| &fate.counted);
        let sure = counted.iter().rposition(|(number, _)| *number < known.kept);
        let may = counted.iter().skip(sure.unwrap_or(0)).map(|(_, attempts)| *attempts);
        let mut may = may.chain(sure.is_none().then(Attempts::default));
        let is = found.attempts.get(at).copied().unwrap_or_default();
        if !may.any(|attempts| attempts == is) {
            return Err(format!("{at:?} is said to have {is:?}, of {counted:?}"));
        }
    }
    Ok(())
}

/// All messages of a queue, and how often they have come back.
pub fn read_all(store: &Store, queue: QueueId) -> Vec<(MessageId, Message, Attempts)> {
    let wanted = Wanted::Range { first: MessageId(0), last: MessageId(u64::MAX) };
    store.read_now(queue, &wanted, usize::MAX).messages
}

pub fn body_of(message: &Message) -> Bytes {
    match message.linked_body() {
        [] => Bytes::copy_from_slice(message.inline_body()),
        [one] => one.clone(),
        several => several.concat().into(),
    }
}

pub fn queues_of(definitions: &[Definition]) -> BTreeSet<QueueId> {
    let queue = |definition: &Definition| match definition {
        Definition::Queue(queue) => Some(queue.id),
        _ => None,
    };
    definitions.iter().filter_map(queue).collect()
}

fn queues_in(op: &Op) -> Vec<QueueId> {
    match op {
        Op::Publish { refs, .. } | Op::Remove(refs) => refs.iter().map(|at| at.0).collect(),
        Op::RemoveBehind { of: at, .. } | Op::Count(at, _) => vec![at.0],
        Op::Define(Definition::Queue(queue)) => vec![queue.id],
        Op::Drop(queue) => vec![*queue],
        Op::Forget { queue, .. } => queue.iter().copied().collect(),
        Op::Define(_) | Op::Fence => Vec::new(),
    }
}

pub fn queue_definition(id: QueueId) -> Definition {
    Definition::Queue(QueueDefinition {
        vhost: "/".into(),
        name: format!("queue-{}", id.0).into(),
        id,
        auto_delete: false,
        arguments: warren::amqp::table::Table::default(),
    })
}

/// An exchange of that name, in a version that is not like any other.
pub fn exchange_definition(name: usize, version: usize) -> Definition {
    Definition::Exchange(ExchangeDefinition {
        vhost: "/".into(),
        name: format!("exchange-{name}").into(),
        kind: format!("version-{version}").into(),
        auto_delete: false,
        internal: false,
        arguments: warren::amqp::table::Table::default(),
    })
}
