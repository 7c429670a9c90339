//! The end of channels: what their clients held goes back to the queues.

use std::sync::Arc;

use hashbrown::HashMap;

use super::channel::Channel;
use super::consume::delete_unused;
use super::session::Session;
use super::unacked::Unacked;
use crate::message::Seq;
use crate::queue::{Queue, Released, Volume};

/// What goes back to each queue; the queue's address is the key.
type ByQueue = HashMap<*const Queue, (Arc<Queue>, Released)>;

/// Ends channels: their consumers leave, then every queue gets back what they held, seen or not,
/// in one step. Auto-delete queues that nobody consumes any more go.
pub(super) fn release(session: &mut Session, channels: impl IntoIterator<Item = Channel>) {
    let mut by_queue = ByQueue::default();
    let mut channels: Vec<Channel> = channels.into_iter().collect();
    for channel in &mut channels {
        channel.end_replies(session);
        detach_consumers(session, channel, &mut by_queue);
    }
    for channel in channels {
        let buffered = channel.transaction.map(|t| t.settlements).unwrap_or_default();
        let mut unacked = channel.unacked;
        let mut held = Vec::new();
        if unacked.take_up_to(0, |unacked| held.push(unacked)).is_err() {
            tracing::error!("unacknowledged messages were left behind");
        }
        for unacked in held.into_iter().chain(buffered.into_iter().map(|(unacked, _)| unacked)) {
            put_back(unacked, &mut by_queue);
        }
    }
    for (queue, released) in by_queue.into_values() {
        if queue.release(released, &mut session.wakes) {
            delete_unused(session, &queue);
        }
    }
}

fn detach_consumers(session: &mut Session, channel: &mut Channel, by_queue: &mut ByQueue) {
    for (_, subscription) in channel.consumers.drain() {
        let Some(id) = subscription.id else { continue };
        session.subscriptions.remove(&id);
        session.note_consumer_deleted(&subscription);
        if let Some(queue) = &subscription.queue {
            queue.detach(id, &mut session.wakes);
        }
        let mut unseen = session.extract(id);
        let Some(queue) = &subscription.queue else { continue };
        let released = of(queue, by_queue);
        released.consumers.push(id);
        if subscription.no_ack {
            // The store was told that they are settled when they left the queue.
            for entry in &mut unseen {
                entry.seq = Seq::NONE;
            }
        } else {
            released.unacked.add(unseen.iter().collect());
        }
        released.unseen.extend(unseen);
    }
}

fn put_back(unacked: Unacked, by_queue: &mut ByQueue) {
    let Some(queue) = &unacked.subscription.queue else { return };
    let released = of(queue, by_queue);
    released.unacked.add(Volume::from(&unacked.kept));
    released.seen.push(unacked.kept);
}

fn of<'a>(queue: &Arc<Queue>, by_queue: &'a mut ByQueue) -> &'a mut Released {
    let entry = by_queue.entry(Arc::as_ptr(queue));
    &mut entry.or_insert_with(|| (queue.clone(), Released::default())).1
}
