//! What a connection waits for at the store: replies that promise something, confirms, and room.
//!
//! While a reply is held, or a publisher has to wait for room, no frame of the connection is acted
//! on and nothing is read; deliveries and heartbeats go on. The store wakes the connection through
//! its outbox. The signal is taken before anything is looked at, so that what is settled after the
//! look raises it again.

use super::connection::{Connection, State};
use super::session::Session;
use crate::amqp::reply::Reply;
use crate::message::Seq;

/// A reply that is given once the store has what it promises.
#[derive(Debug, Default)]
pub(super) struct Held {
    seq: Seq,
    frames: Vec<u8>,
}

impl Session {
    /// Appends a method once that is settled; until then no other frame is acted on.
    pub(super) fn reply_when(&mut self, seq: Seq, channel: u16, reply: Reply) {
        if self.held.is_none() && !self.node.store.wait(seq, &self.outbox) {
            return self.reply(channel, reply);
        }
        let held = self.held.get_or_insert_default();
        held.seq = held.seq.max(seq);
        reply.encode(channel, &mut held.frames);
    }

    /// The same for a reply to a change of what is durable, which the client may not want.
    pub(super) fn reply_when_defined(&mut self, no_wait: bool, channel: u16, reply: Reply) {
        // Without an answer to wait for it would never have to stop.
        self.floods |= no_wait;
        if !no_wait {
            let seq = self.node.store.definitions_seq();
            self.reply_when(seq, channel, reply);
        }
    }

    fn release_held(&mut self) {
        let store = &self.node.store;
        if let Some(held) = self.held.take_if(|held| store.is_settled(held.seq)) {
            self.out.tail().extend_from_slice(&held.frames);
        }
    }
}

impl Connection {
    /// Goes on with what has waited, if the store has settled anything.
    pub(super) fn on_settled(&mut self) {
        if !self.session.outbox.take_settled() {
            return;
        }
        self.waits_for_room = false;
        // A channel that still waits puts itself on the list again.
        for number in std::mem::take(&mut self.session.awaiting_confirms) {
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.settle_confirms(&mut self.session);
            }
        }
        if self.state == State::Open {
            self.session.release_held();
            if self.session.held.is_none() {
                for consumer in std::mem::take(&mut self.session.cancelled) {
                    self.on_cancelled(consumer);
                }
            }
        }
    }

    /// Lets a publisher wait for room in the store, which is a matter of milliseconds: it is not
    /// told, as it would be of an alarm.
    pub(super) fn look_for_room(&mut self) {
        if (self.session.publishes || self.session.floods) && !self.waits_for_room {
            let store = &self.session.node.store;
            self.waits_for_room = store.is_full() && store.wait_for_room(&self.session.outbox);
        }
    }

    /// Whether frames have to wait for the store.
    pub(super) fn waits_for_store(&self) -> bool {
        self.session.held.is_some() || self.waits_for_room
    }
}
