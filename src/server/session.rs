//! What the channels of one connection share with it: who is there, where, and the way out.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::consume::Subscription;
use super::exchange_tally::ExchangeTally;
use super::route_cache::RouteCache;
use super::waiting::Held;
use crate::access::User;
use crate::amqp::content::Content;
use crate::amqp::reply::Reply;
use crate::amqp::write::WriteQueue;
use crate::broker::{Actor, Node, Presence};
use crate::outbox::{ConsumerId, Entry, Outbox, Outgoing, Wakes};
use crate::queue::{ConnectionId, Queue};
use crate::stats::ChannelStatistics;
use crate::vhost::VirtualHost;

/// What tuning agreed on (0-9-1, 1.4.2.6).
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuning {
    pub(super) channel_max: u16,
    /// 0 for no limit.
    pub(super) frame_max_bytes: u32,
    /// Seconds; 0 for none.
    pub(super) heartbeat: u16,
}

/// What a client says it understands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capabilities {
    pub(super) consumer_cancel_notify: bool,
    pub(super) connection_blocked: bool,
    pub(super) authentication_failure_close: bool,
}

/// A connection that the node has let in, and that has to be [removed](Node::remove_connection).
pub(super) struct Admitted {
    pub(super) id: ConnectionId,
    pub(super) outbox: Arc<Outbox>,
    pub(super) user: Arc<User>,
    pub(super) vhost: Arc<VirtualHost>,
}

/// A connection as its channels see it.
pub(super) struct Session {
    pub(super) id: ConnectionId,
    pub(super) node: Arc<Node>,
    pub(super) vhost: Arc<VirtualHost>,
    /// On whose behalf, and what that one may do.
    pub(super) actor: Actor,
    pub(super) tuning: Tuning,
    pub(super) capabilities: Capabilities,
    pub(super) outbox: Arc<Outbox>,
    /// What others see of it.
    pub(super) presence: Arc<Presence>,
    /// What exchanges are told of at the end of the batch.
    pub(super) exchanges: ExchangeTally,
    pub(super) out: WriteQueue,
    pub(super) wakes: Wakes,
    pub(super) routes: RouteCache,
    /// A buffer for the next message.
    pub(super) spare: Content,
    /// The consumers of all channels, for what comes out of the outbox.
    pub(super) subscriptions: HashMap<ConsumerId, Arc<Subscription>>,
    /// Which of them is the next to be asked first whether it has room.
    turn: usize,
    /// Deleted with the connection.
    pub(super) exclusive_queues: HashMap<Arc<str>, Arc<Queue>>,
    /// Taken out of the outbox, in order, and not acted on yet.
    pub(super) pending: VecDeque<Outgoing>,
    /// Channels that have published in this batch and want confirms.
    pub(super) to_confirm: Vec<u16>,
    /// Channels that owe confirms for what the store has not settled.
    pub(super) awaiting_confirms: Vec<u16>,
    /// What the client is told once the store has settled it.
    pub(super) held: Option<Held>,
    /// Consumers whose queue is gone: they are told behind what is held, which may be the answer
    /// to the deletion.
    pub(super) cancelled: Vec<ConsumerId>,
    /// When a consumer may have kept a delivery for too long: milliseconds since 1970.
    pub(super) timeouts_ms: Option<u64>,
    /// It has published: an alarm concerns it.
    pub(super) publishes: bool,
    /// It has changed definitions without waiting: it is not read from while the store is full.
    pub(super) floods: bool,
    /// Copies of messages are wanted, as of the beginning of the batch.
    pub(super) traced: bool,
}

impl Session {
    pub(super) fn new(
        node: Arc<Node>,
        admitted: Admitted,
        presence: Arc<Presence>,
        tuning: Tuning,
        capabilities: Capabilities,
        out: WriteQueue,
    ) -> Self {
        let Admitted { id, outbox, user, vhost } = admitted;
        let actor = Actor::new(&node, user, vhost.clone(), id);
        Self {
            id,
            node,
            vhost,
            actor,
            tuning,
            capabilities,
            outbox,
            presence,
            exchanges: ExchangeTally::default(),
            out,
            wakes: Wakes::default(),
            routes: RouteCache::default(),
            spare: Content::default(),
            subscriptions: HashMap::new(),
            turn: 0,
            exclusive_queues: HashMap::new(),
            pending: VecDeque::new(),
            to_confirm: Vec::new(),
            awaiting_confirms: Vec::new(),
            held: None,
            cancelled: Vec::new(),
            timeouts_ms: None,
            publishes: false,
            floods: false,
            traced: false,
        }
    }

    /// The next batch of work begins.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.wakes.begin();
        self.traced = self.vhost.is_traced();
    }

    /// A channel is opened.
    pub(super) fn note_channel_opened(&self, statistics: Arc<ChannelStatistics>) {
        self.node.ledger.churn.channel_created.add(1);
        self.node.note_channel_created(&self.presence, statistics.number);
        self.presence.add_channel(statistics);
    }

    /// A channel is closed.
    pub(super) fn note_channel_closed(&self, number: u16) {
        if self.presence.remove_channel(number) {
            self.node.ledger.churn.channel_closed.add(1);
            self.node.note_channel_closed(&self.presence, number);
        }
    }

    /// Appends a method.
    pub(super) fn reply(&mut self, channel: u16, reply: Reply) {
        reply.encode(channel, self.out.tail());
    }

    /// Appends a method unless the client does not want it.
    pub(super) fn reply_unless(&mut self, no_wait: bool, channel: u16, reply: Reply) {
        if !no_wait {
            self.reply(channel, reply);
        }
    }

    /// Gives large buffers back that are not in use.
    pub(super) fn release_buffers(&mut self) {
        self.out.release();
        self.outbox.release();
        self.spare = Content::default();
        if self.pending.is_empty() {
            self.pending = VecDeque::new();
        }
    }

    /// A queue is deleted: nothing of it is left to the end of the connection.
    pub(super) fn forget_exclusive(&mut self, queue: &Arc<Queue>) {
        if self.exclusive_queues.get(queue.name()).is_some_and(|q| Arc::ptr_eq(q, queue)) {
            self.exclusive_queues.remove(queue.name());
        }
    }

    /// The consumers of all channels, beginning with another one each time: the first one asked
    /// may take all the room there is.
    pub(super) fn subscriptions_in_turn(&mut self) -> Vec<Arc<Subscription>> {
        let mut all: Vec<_> = self.subscriptions.values().cloned().collect();
        if !all.is_empty() {
            self.turn = (self.turn + 1) % all.len();
            all.rotate_left(self.turn);
        }
        all
    }

    /// Takes what is on its way to a consumer and has not been written.
    pub(super) fn extract(&mut self, consumer: ConsumerId) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.pending.retain(Outgoing::all_but(consumer, &mut entries));
        self.outbox.extract(consumer, &mut entries);
        entries
    }
}
