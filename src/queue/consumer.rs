//! A consumer as its queue sees it, and the turns that consumers take.
//!
//! Consumers that can take a message stand in a ring per priority; one that cannot is parked and
//! costs nothing until it has room again. So the next consumer is found in constant time however
//! many there are.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashMap;

use super::ConnectionId;
use crate::amqp::table::Table;
use crate::outbox::{ConsumerId, Entry, Outbox, Wakes};

/// The rings are swept when they are this much longer than twice the number of consumers.
const STALE_MIN: usize = 16;

/// The limit of a whole channel (`basic.qos` with global=1), shared by its consumers.
#[derive(Debug, Default)]
pub struct ChannelCredit {
    limit: AtomicU32,
    used: AtomicU32,
}

impl ChannelCredit {
    /// Sets the limit; 0 lifts it.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Release);
    }

    /// The limit; 0 for none.
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Acquire)
    }

    /// Whether another delivery fits.
    fn has_room(&self) -> bool {
        let limit = self.limit.load(Ordering::Acquire);
        limit == 0 || self.used.load(Ordering::Acquire) < limit
    }

    /// Takes a slot if there is one. Queues race for the last one.
    fn take(&self) -> bool {
        let limit = self.limit.load(Ordering::Acquire);
        let take = |used| (limit == 0 || used < limit).then_some(used + 1);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }

    /// Frees slots. True if consumers may have waited for them.
    pub fn give_back(&self, slots: u32) -> bool {
        self.used.fetch_sub(slots, Ordering::AcqRel);
        self.limit.load(Ordering::Acquire) > 0
    }
}

/// Who a consumer is, for people.
#[derive(Clone, Debug, Default)]
pub struct ConsumerFacts {
    /// Its tag in its channel.
    pub tag: Box<str>,
    /// What it was made with.
    pub arguments: Table,
    /// Its connection.
    pub connection: ConnectionId,
    /// The channel's number.
    pub channel: u16,
}

/// What is told of a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerDetails {
    /// Who it is.
    pub facts: Arc<ConsumerFacts>,
    /// Its deliveries wait for an acknowledgement.
    pub ack_required: bool,
    /// Nobody else may consume.
    pub exclusive: bool,
    /// Higher ones are served first.
    pub priority: i64,
    /// Unacknowledged messages that it may hold; 0 for no limit.
    pub prefetch: u16,
    /// What it holds.
    pub unacked: u32,
    /// Whether and why it gets messages.
    pub activity: Activity,
}

/// Whether and why a consumer gets messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// All consumers do.
    Up,
    /// It alone does.
    SingleActive,
    /// Another one alone does.
    Waiting,
}

impl Activity {
    /// As clients of the management API know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::SingleActive => "single_active",
            Self::Waiting => "waiting",
        }
    }

    /// Whether it gets messages.
    pub fn is_active(self) -> bool {
        self != Self::Waiting
    }
}

/// What a consumer asks for when it subscribes.
#[derive(Debug)]
pub struct ConsumerSpec {
    /// Its identity.
    pub id: ConsumerId,
    /// Deliveries need no acknowledgement.
    pub no_ack: bool,
    /// Nobody else may consume.
    pub exclusive: bool,
    /// Higher ones are served first.
    pub priority: i64,
    /// Unacknowledged messages that it may hold; 0 for no limit.
    pub prefetch: u16,
    /// The limit of its channel.
    pub channel: Arc<ChannelCredit>,
    /// Where its deliveries go.
    pub outbox: Arc<Outbox>,
    /// Who it is.
    pub facts: Arc<ConsumerFacts>,
}

#[derive(Debug)]
struct Consumer {
    spec: ConsumerSpec,
    unacked: u32,
    in_ring: bool,
}

impl Consumer {
    fn has_room(&self) -> bool {
        let own = self.spec.no_ack
            || self.spec.prefetch == 0
            || self.unacked < u32::from(self.spec.prefetch);
        own && self.spec.channel.has_room()
    }
}

/// How the one consumer is chosen that alone gets messages, if only one does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Succession {
    /// All consumers get messages.
    #[default]
    None,
    /// The active one stays until it leaves.
    Stays,
    /// It gives way to one of a higher priority once it has settled what it holds.
    GivesWay,
}

/// The consumers of one queue.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    all: HashMap<ConsumerId, Consumer>,
    /// Those that may have room, highest priority first. Some may have left meanwhile.
    rings: Vec<(i64, VecDeque<ConsumerId>)>,
    succession_rule: Succession,
    active: Option<ConsumerId>,
    /// The active one gets nothing more: somebody else is to take over.
    gives_way: bool,
    /// Who becomes active next, if only one is: the highest priority, then the longest there.
    succession: BTreeSet<(Reverse<i64>, ConsumerId)>,
    exclusive: Option<ConsumerId>,
}

impl Consumers {
    pub(super) fn new(succession_rule: Succession) -> Self {
        Self { succession_rule, ..Self::default() }
    }

    fn single_active(&self) -> bool {
        self.succession_rule != Succession::None
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn has_exclusive(&self) -> bool {
        self.exclusive.is_some()
    }

    /// The one that consumes exclusively.
    pub(super) fn exclusive(&self) -> Option<Arc<ConsumerFacts>> {
        self.facts_of(self.exclusive)
    }

    /// The one that alone gets messages, where only one does.
    pub(super) fn single_active_one(&self) -> Option<Arc<ConsumerFacts>> {
        self.facts_of(self.active)
    }

    fn facts_of(&self, id: Option<ConsumerId>) -> Option<Arc<ConsumerFacts>> {
        self.all.get(&id?).map(|consumer| consumer.spec.facts.clone())
    }

    /// All of them, in the order of their arrival.
    pub(super) fn details(&self) -> Vec<ConsumerDetails> {
        let mut all: Vec<_> = self.all.values().collect();
        all.sort_unstable_by_key(|consumer| consumer.spec.id);
        let activity = |id| match self.active {
            _ if !self.single_active() => Activity::Up,
            Some(active) if active == id => Activity::SingleActive,
            _ => Activity::Waiting,
        };
        let details = all.into_iter().map(|Consumer { spec, unacked, .. }| ConsumerDetails {
            facts: spec.facts.clone(),
            ack_required: !spec.no_ack,
            exclusive: spec.exclusive,
            priority: spec.priority,
            prefetch: spec.prefetch,
            unacked: *unacked,
            activity: activity(spec.id),
        });
        details.collect()
    }

    /// What they take of memory, roughly.
    pub(super) fn memory_bytes(&self) -> usize {
        self.all.len() * (size_of::<Consumer>() + size_of::<ConsumerFacts>())
    }

    pub(super) fn add(&mut self, spec: ConsumerSpec) {
        let id = spec.id;
        if spec.exclusive {
            self.exclusive = Some(id);
        }
        if self.single_active() {
            self.succession.insert((Reverse(spec.priority), id));
        }
        self.all.insert(id, Consumer { spec, unacked: 0, in_ring: false });
        if self.single_active() && self.active.is_none() {
            self.active = Some(id);
        }
        self.resume(id);
        self.look_for_successor();
    }

    /// Where a higher priority takes over, it does so once the active one holds nothing.
    fn look_for_successor(&mut self) {
        let Some(active) = self.active.filter(|_| self.succession_rule == Succession::GivesWay)
        else {
            return;
        };
        let first = self.succession.first().map(|(_, first)| *first);
        let holds = self.all.get(&active).map_or(0, |consumer| consumer.unacked);
        let outranked = match (self.all.get(&active), first.and_then(|id| self.all.get(&id))) {
            (Some(active), Some(first)) => first.spec.priority > active.spec.priority,
            _ => false,
        };
        if !outranked {
            return;
        }
        self.gives_way = true;
        self.rings.clear();
        if let Some(consumer) = self.all.get_mut(&active) {
            consumer.in_ring = false;
        }
        if holds == 0 {
            self.succeed();
        }
    }

    /// The next one becomes active.
    fn succeed(&mut self) {
        self.gives_way = false;
        self.active = self.succession.first().map(|(_, next)| *next);
        if let Some(next) = self.active {
            self.resume(next);
        }
    }

    /// Removes a consumer. True if it was there.
    pub(super) fn remove(&mut self, id: ConsumerId) -> bool {
        let Some(consumer) = self.all.remove(&id) else { return false };
        self.succession.remove(&(Reverse(consumer.spec.priority), id));
        self.exclusive.take_if(|exclusive| *exclusive == id);
        self.sweep_rings();
        if self.active == Some(id) {
            self.succeed();
        } else if self.gives_way {
            // The one that was to take over may be the one that has left.
            self.gives_way = false;
            self.active.into_iter().for_each(|active| self.resume(active));
            self.look_for_successor();
        }
        true
    }

    /// Removes all of them; who and where they are, in the order of their arrival.
    pub(super) fn clear(&mut self) -> Vec<(ConsumerId, Arc<Outbox>)> {
        let all = std::mem::take(self).all;
        let mut told: Vec<_> = all.into_iter().map(|(id, c)| (id, c.spec.outbox)).collect();
        told.sort_unstable_by_key(|(id, _)| *id);
        told
    }

    /// Settles deliveries of a consumer: its room grows.
    pub(super) fn settle(&mut self, id: ConsumerId, count: u32) {
        if let Some(consumer) = self.all.get_mut(&id) {
            consumer.unacked = consumer.unacked.saturating_sub(count);
            if self.gives_way && self.active == Some(id) {
                return self.look_for_successor();
            }
            self.resume(id);
        }
    }

    /// Puts a consumer that may have room back in the ring.
    pub(super) fn resume(&mut self, id: ConsumerId) {
        if self.single_active() && (self.active != Some(id) || self.gives_way) {
            return;
        }
        let Some(consumer) = self.all.get_mut(&id) else { return };
        if consumer.in_ring || !consumer.has_room() {
            return;
        }
        consumer.in_ring = true;
        let priority = consumer.spec.priority;
        match self.rings.binary_search_by(|(p, _)| priority.cmp(p)) {
            Ok(at) => {
                if let Some((_, ring)) = self.rings.get_mut(at) {
                    ring.push_back(id);
                }
            }
            Err(at) => self.rings.insert(at, (priority, VecDeque::from([id]))),
        }
    }

    /// Offers a message to the consumer whose turn it is. Gives it back if nobody has room.
    #[inline]
    pub(super) fn offer(&mut self, mut entry: Entry, wakes: &mut Wakes) -> Result<Taken, Entry> {
        while let Some((_, ring)) = self.rings.iter_mut().find(|(_, ring)| !ring.is_empty()) {
            let Some(id) = ring.pop_front() else { break };
            let Some(consumer) = self.all.get_mut(&id) else { continue };
            match consumer.take(entry, wakes) {
                Ok(taken) => {
                    if consumer.has_room() {
                        ring.push_back(id);
                    } else {
                        consumer.in_ring = false;
                    }
                    return Ok(taken);
                }
                Err(back) => {
                    consumer.in_ring = false;
                    entry = back;
                }
            }
        }
        Err(entry)
    }

    /// Whether anybody may have room.
    #[inline]
    pub(super) fn any_in_turn(&self) -> bool {
        self.rings.iter().any(|(_, ring)| !ring.is_empty())
    }

    /// Whether anybody has room, as far as that can be told without offering something.
    pub(super) fn any_with_room(&self) -> bool {
        let mut standing = self.rings.iter().flat_map(|(_, ring)| ring);
        standing.any(|id| self.all.get(id).is_some_and(Consumer::has_room))
    }

    /// Takes those that have left out of the rings, once they are most of them.
    fn sweep_rings(&mut self) {
        let standing: usize = self.rings.iter().map(|(_, ring)| 1 + ring.len()).sum();
        if standing <= STALE_MIN + 2 * self.all.len() {
            return;
        }
        for (_, ring) in &mut self.rings {
            ring.retain(|id| self.all.contains_key(id));
        }
        self.rings.retain(|(_, ring)| !ring.is_empty());
    }
}

/// A consumer has taken a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// And will acknowledge it.
    ToBeAcked,
    /// For good.
    ForGood,
}

impl Consumer {
    #[inline]
    fn take(&mut self, entry: Entry, wakes: &mut Wakes) -> Result<Taken, Entry> {
        if !self.has_room() || !(self.spec.no_ack || self.spec.channel.take()) {
            return Err(entry);
        }
        if let Err(back) = self.spec.outbox.deliver(self.spec.id, entry, wakes) {
            if !self.spec.no_ack {
                self.spec.channel.give_back(1);
            }
            return Err(back);
        }
        if self.spec.no_ack {
            return Ok(Taken::ForGood);
        }
        self.unacked += 1;
        Ok(Taken::ToBeAcked)
    }
}

/// A consumer for tests and for code that has no channel: no limits.
impl ConsumerSpec {
    /// A plain consumer with manual acknowledgements.
    pub fn plain(id: ConsumerId, outbox: Arc<Outbox>) -> Self {
        Self {
            id,
            no_ack: false,
            exclusive: false,
            priority: 0,
            prefetch: 0,
            channel: Arc::new(ChannelCredit::default()),
            outbox,
            facts: Arc::default(),
        }
    }
}
