//! Who is connected, for whoever wants to know; and what the node has done in all.

use std::sync::Arc;

use super::{Node, Presence};
use crate::error::{Reason, ReplyCode};
use crate::outbox::{Outgoing, Wakes};
use crate::queue::{ConnectionId, Queue};
use crate::stats::{MESSAGE_SERIES, MessageCounts, QueueTotals, Rates, Totals};

/// How much of everything there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ObjectCounts {
    /// Connections that are open.
    pub connections: usize,
    /// Their channels.
    pub channels: usize,
    /// Those of them that have published.
    pub publishers: usize,
    /// Consumers of all channels.
    pub consumers: usize,
    /// Queues of all virtual hosts.
    pub queues: usize,
    /// Exchanges of all virtual hosts.
    pub exchanges: usize,
}

/// How fast the node's own counters grow, a second.
#[derive(Debug, Default)]
pub struct NodeRates {
    /// Of [`ChurnCounts`](crate::stats::ChurnCounts).
    pub churn: Rates<7>,
    /// Of what was done with messages.
    pub messages: Rates<MESSAGE_SERIES>,
}

impl Node {
    /// A connection is open, and can be found.
    pub fn add_presence(&self, presence: Arc<Presence>) {
        self.ledger.churn.connection_created.add(1);
        self.note_connection_created(&presence);
        self.presences.insert(presence.identity.id, presence);
    }

    /// A connection has ended.
    pub fn remove_presence(&self, id: ConnectionId) {
        let mut gone = None;
        self.ledger.session_leaves(|| {
            let (_, presence) = self.presences.remove(&id)?;
            gone = Some(presence.clone());
            let channels = presence.channel_count() as u64;
            self.ledger.churn.channel_closed.add(channels);
            Some(presence.totals())
        });
        if let Some(presence) = gone {
            self.note_connection_closed(&presence);
        }
    }

    /// The open connections, in the order in which they were opened.
    pub fn presences(&self) -> Vec<Arc<Presence>> {
        let mut all: Vec<_> = self.presences.iter().map(|one| one.value().clone()).collect();
        all.sort_unstable_by_key(|presence| presence.identity.id);
        all
    }

    /// An open connection.
    pub fn presence(&self, id: ConnectionId) -> Option<Arc<Presence>> {
        self.presences.get(&id).map(|one| one.value().clone())
    }

    /// The open connection of that name.
    pub fn presence_named(&self, name: &str) -> Option<Arc<Presence>> {
        self.presences.iter().find(|one| &*one.name == name).map(|one| one.value().clone())
    }

    /// Asks the connection of that name to close (320, with `CONNECTION_FORCED - ` in front of the
    /// reason). False if there is none.
    pub fn close_connection(&self, name: &str, reason: &str) -> bool {
        let Some(presence) = self.presence_named(name) else { return false };
        self.close_presence(&presence, reason);
        true
    }

    /// Asks a connection to close.
    pub fn close_presence(&self, presence: &Presence, reason: &str) {
        tracing::info!(connection = &*presence.name, ?reason, "connection is to be closed");
        let reason = Reason::new(ReplyCode::ConnectionForced, reason);
        presence.outbox().push(Outgoing::Close(reason), &mut Wakes::default());
    }

    /// The queues of all virtual hosts.
    pub fn all_queues(&self) -> Vec<Arc<Queue>> {
        self.vhosts.iter().flat_map(|vhost| vhost.queues()).collect()
    }

    /// How much of everything there is.
    pub fn object_counts(&self) -> ObjectCounts {
        let mut counts = ObjectCounts::default();
        for vhost in &self.vhosts {
            counts.queues += vhost.queue_count();
            counts.exchanges += vhost.exchange_count();
        }
        for presence in self.presences() {
            counts.connections += 1;
            for channel in presence.channels() {
                counts.channels += 1;
                counts.publishers += usize::from(channel.received.get() > 0);
                counts.consumers += channel.consumers.get() as usize;
            }
        }
        counts
    }

    /// What has been done over connections in all; those that have ended count too.
    pub fn totals(&self) -> Totals {
        self.ledger.sessions(|sum| {
            self.presences.iter().for_each(|presence| sum.add(&presence.totals()));
        })
    }

    /// What only queues count, in all; those that are gone count too.
    pub fn queue_totals(&self) -> QueueTotals {
        self.ledger.queues(|each| {
            for queue in self.all_queues() {
                let (messages, dead) = queue.totals();
                each(queue.spec().options.nature.kind.statistics_type(), &messages, &dead);
            }
        })
    }

    /// What was done with messages in all.
    pub fn message_counts(&self) -> MessageCounts {
        let QueueTotals { disk_reads, disk_writes, .. } = self.queue_totals();
        MessageCounts { disk_reads, disk_writes, ..self.totals().messages() }
    }

    /// Somebody looks at statistics: rates are to be known for a while.
    pub fn note_watched(&self, now_ms: u64) {
        self.watch.note(now_ms);
    }

    /// Takes a sample of everything that has a rate, if anybody looks; or lets go of the last one.
    pub fn sample(&self, now_ms: u64) {
        let watched = self.watch.is_on(now_ms);
        if !watched && !self.watch.stop() {
            return;
        }
        for presence in self.presences() {
            presence.rates.update(watched.then(|| (now_ms, presence.traffic.values())));
            for channel in presence.channels() {
                let values = || (now_ms, channel.totals().messages().values());
                channel.rates.update(watched.then(values));
            }
        }
        for vhost in &self.vhosts {
            vhost.sample(watched.then_some(now_ms));
        }
        let churn = || (now_ms, self.ledger.churn.get().values());
        self.rates.churn.update(watched.then(churn));
        let messages = || (now_ms, self.message_counts().values());
        self.rates.messages.update(watched.then(messages));
    }
}
