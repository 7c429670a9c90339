//! What a queue counts as it works, and what it tells of itself.
//!
//! Plain fields under the queue's lock: nothing is added up, allocated or looked up for it on the
//! way of a message.

use super::QueueState;
use crate::amqp::properties::Properties;
use crate::message::{Message, MessageId, Seq};
use crate::outbox::Entry;
use crate::queue::consumer::{ConsumerDetails, Taken};
use crate::queue::death::Reason;
use crate::queue::statistics::{Held, QueueStatistics};
use crate::queue::volume::Volume;
use crate::stats::{
    DeadCounts, DeathCause, DeathStrategy, MessageCounts, WAIT_BOUNDS_MS, WaitHistogram,
};
use crate::store::Wanted;

/// The consumers' capacity is measured over at least so long.
const CAPACITY_PERIOD_MS: u64 = 5000;

/// What a queue counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    hot: Hot,
    pub(super) get_empty: u64,
    pub(super) disk_reads: u64,
    get: u64,
    get_no_ack: u64,
    /// Made with the first death: most queues see none.
    pub(super) dead: Option<Box<DeadCounts>>,
    /// Made with the first delivery, so that what is idle stays small.
    waits: Option<Box<WaitHistogram>>,
    capacity: Capacity,
    /// Since when the first message has been here, if it was looked for on disk: where it was
    /// looked for, and its time.
    head: Option<(MessageId, u64)>,
}

/// What every message changes. The threads of publishers and consumers hand it to each other with
/// the lock: it is one line of the cache.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Hot {
    publish: u64,
    deliver: u64,
    deliver_no_ack: u64,
    redeliver: u64,
    ack: u64,
    disk_writes: u64,
    /// When something was last done.
    active_ms: u64,
    /// Somebody could take a message.
    has_room: bool,
}

/// For how much of the time somebody could have taken a message.
#[derive(Debug, Default)]
struct Capacity {
    /// Somebody could, since then.
    has_room: bool,
    since_ms: u64,
    /// For so long before.
    room_ms: u64,
    /// When it was last asked for, what `room_ms` was then, and what came out.
    asked_ms: u64,
    asked_room_ms: u64,
    last: f64,
}

impl Capacity {
    /// That has changed.
    fn note(&mut self, has_room: bool, now_ms: u64) {
        if self.has_room {
            self.room_ms += now_ms.saturating_sub(self.since_ms);
        }
        (self.has_room, self.since_ms) = (has_room, now_ms);
    }

    /// The share of the time since it was last asked for.
    fn ask(&mut self, now_ms: u64) -> f64 {
        let going_on_ms = if self.has_room { now_ms.saturating_sub(self.since_ms) } else { 0 };
        let room_ms = self.room_ms + going_on_ms;
        let period_ms = now_ms.saturating_sub(self.asked_ms);
        if self.asked_ms == 0 {
            self.last = f64::from(u8::from(self.has_room));
        } else if period_ms >= CAPACITY_PERIOD_MS {
            let share_ms = room_ms.saturating_sub(self.asked_room_ms).min(period_ms);
            #[allow(clippy::cast_precision_loss, reason = "times are far below 2^52 ms")]
            let share = share_ms as f64 / period_ms as f64;
            self.last = share;
        } else {
            return self.last;
        }
        (self.asked_ms, self.asked_room_ms) = (now_ms, room_ms);
        self.last
    }
}

impl Tally {
    #[inline]
    pub(super) fn on_publish(&mut self, seq: Seq, now_ms: u64) {
        self.hot.publish += 1;
        self.hot.disk_writes += u64::from(seq != Seq::NONE);
        self.hot.active_ms = now_ms;
    }

    /// A message goes to a consumer.
    #[inline]
    pub(super) fn on_delivery(&mut self, going: Going, taken: Taken, now_ms: u64) {
        match taken {
            Taken::ToBeAcked => self.hot.deliver += 1,
            Taken::ForGood => self.hot.deliver_no_ack += 1,
        }
        self.on_going(going, now_ms);
    }

    /// A message goes out with `basic.get`.
    pub(super) fn on_get(&mut self, going: Going, no_ack: bool, now_ms: u64) {
        if no_ack {
            self.get_no_ack += 1;
        } else {
            self.get += 1;
        }
        self.on_going(going, now_ms);
    }

    #[inline]
    fn on_going(&mut self, going: Going, now_ms: u64) {
        self.hot.active_ms = now_ms;
        if going.redelivered {
            self.hot.redeliver += 1;
        } else {
            let new = || Box::new(WaitHistogram::new(&WAIT_BOUNDS_MS));
            let waits = self.waits.get_or_insert_with(new);
            waits.note(now_ms.saturating_sub(going.published_ms));
        }
    }

    /// Whether somebody could take a message now.
    #[inline]
    pub(super) fn note_room(&mut self, has_room: bool, now_ms: u64) {
        if has_room != self.hot.has_room {
            self.hot.has_room = has_room;
            self.capacity.note(has_room, now_ms);
        }
    }

    /// So many deliveries are acknowledged.
    #[inline]
    pub(super) fn on_ack(&mut self, count: u64, now_ms: u64) {
        self.hot.ack += count;
        self.hot.active_ms = now_ms;
    }

    fn messages(&self) -> MessageCounts {
        let Hot { publish, deliver, deliver_no_ack, redeliver, ack, disk_writes, .. } = self.hot;
        MessageCounts {
            publish,
            deliver,
            deliver_no_ack,
            get: self.get,
            get_no_ack: self.get_no_ack,
            get_empty: self.get_empty,
            redeliver,
            ack,
            disk_reads: self.disk_reads,
            disk_writes,
            ..MessageCounts::default()
        }
    }
}

/// What statistics want to know of a message that goes out.
#[derive(Clone, Copy)]
pub(super) struct Going {
    published_ms: u64,
    redelivered: bool,
    pub(super) volume: Volume,
}

impl From<&Entry> for Going {
    #[inline]
    fn from(entry: &Entry) -> Self {
        let published_ms = entry.message.published_ms();
        Self { published_ms, redelivered: entry.redelivered, volume: Volume::from(entry) }
    }
}

impl QueueState {
    /// A message has died.
    pub(super) fn note_death(&mut self, reason: Reason) {
        let strategy = match &self.rules.dead_letter {
            None => DeathStrategy::Disabled,
            Some(to) if to.at_least_once => DeathStrategy::AtLeastOnce,
            Some(_) => DeathStrategy::AtMostOnce,
        };
        let cause = match reason {
            Reason::Rejected => DeathCause::Rejected,
            Reason::Expired => DeathCause::Expired,
            Reason::MaxLen => DeathCause::MaxLen,
            Reason::DeliveryLimit => DeathCause::DeliveryLimit,
        };
        self.tally.dead.get_or_insert_default().note(strategy, cause);
    }

    /// So many of the dead have been taken in by every target.
    pub fn note_dead_confirmed(&mut self, count: u64) {
        self.tally.dead.get_or_insert_default().confirmed += count;
    }

    /// What it has counted: what was done with messages, and deaths.
    pub fn totals(&self) -> (MessageCounts, DeadCounts) {
        (self.tally.messages(), self.tally.dead.as_deref().copied().unwrap_or_default())
    }

    /// What it is asked for, as it is now.
    pub fn statistics(&mut self, now_ms: u64) -> QueueStatistics {
        let consumer_capacity = self.tally.capacity.ask(now_ms);
        let (messages, dead) = self.totals();
        let (resident, resident_bytes) = self.ready.resident();
        let (mut head_timestamp, mut oldest_ms): (Option<u64>, Option<u64>) = (None, None);
        self.ready.each_front(|_, front| {
            oldest_ms = oldest_ms.into_iter().chain(front.map(Message::published_ms)).min();
        });
        if let Some((_, ms)) = self.known_head() {
            oldest_ms = oldest_ms.into_iter().chain(Some(ms)).min();
        }
        if let Some(front) = self.ready.front() {
            head_timestamp = timestamp(front);
        }
        QueueStatistics {
            messages,
            dead,
            ready: self.ready.volume(),
            unacked: self.unacked,
            resident: Held { count: resident as u64, bytes: self.ready.resident_body_bytes() },
            memory_bytes: (resident_bytes + size_of::<Self>()) as u64
                + resident as u64 * (size_of::<Entry>() as u64)
                + self.consumers.memory_bytes() as u64,
            dead_waiting: self.burial.len() as u64,
            head_timestamp,
            oldest_age_ms: oldest_ms.map(|oldest_ms| now_ms.saturating_sub(oldest_ms)),
            waits: self.tally.waits.as_ref().map(|waits| waits.counts()).unwrap_or_default(),
            consumers: self.consumers.len(),
            consumer_capacity,
            active_ms: self.tally.hot.active_ms,
            exclusive_consumer: self.consumers.exclusive(),
            single_active_consumer: self.consumers.single_active_one(),
            ..QueueStatistics::default()
        }
    }

    /// What the first message's time was when it was last read, if it is still the first.
    fn known_head(&self) -> Option<(MessageId, u64)> {
        let place = first_of(&self.ready.unread_head()?)?;
        self.tally.head.filter(|(known, _)| *known == place)
    }

    /// What has to be read so that the age of the oldest message is known.
    pub fn unknown_head(&self) -> Option<Wanted> {
        if self.known_head().is_some() { None } else { self.ready.unread_head() }
    }

    /// The first message has been read there: that is its time.
    pub fn note_head_time(&mut self, wanted: &Wanted, published_ms: u64) {
        self.tally.head = first_of(wanted).map(|place| (place, published_ms));
    }

    /// Its consumers, in the order of their arrival.
    pub fn consumers(&self) -> Vec<ConsumerDetails> {
        self.consumers.details()
    }
}

fn first_of(wanted: &Wanted) -> Option<MessageId> {
    match wanted {
        Wanted::Range { first, .. } => Some(*first),
        Wanted::Ids(ids) => ids.first().copied(),
    }
}

/// What its publisher says of a message's time: seconds since 1970.
fn timestamp(message: &Message) -> Option<u64> {
    Properties::check(message.properties()).ok()?.timestamp
}
