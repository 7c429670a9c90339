//! What a queue is asked with, and what it answers.

use std::sync::Arc;

use super::gap::Request;
use super::kept::Kept;
use super::levels::Levels;
use super::volume::Volume;
use crate::outbox::{ConsumerId, Entry, Outbox};

/// Why a message is not taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotTaken {
    /// The queue was deleted.
    Closed,
    /// It is full, and refuses what comes.
    Full,
}

/// Why a consumer is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The queue was deleted.
    Closed,
    /// Somebody consumes exclusively, or the newcomer wants to and is not alone.
    ExclusiveUse,
}

/// When alone a queue is to be deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    /// Not while it has consumers.
    pub if_unused: bool,
    /// Not while it has messages ready.
    pub if_empty: bool,
    /// Only if nobody has used it for as long as it may be left alone.
    pub if_lease_is_over: bool,
}

/// Why a queue is not deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unless {
    /// It has consumers.
    Used,
    /// It has messages ready.
    NotEmpty,
}

/// What a queue leaves when it is deleted.
#[derive(Debug)]
pub struct Remains {
    /// The messages that were ready. Dropping a million of them takes a while: not under a lock.
    pub ready: Levels,
    /// The store has messages of it that need not survive: it may not know of the end otherwise.
    pub handed_over: bool,
    /// The consumers that have to be told.
    pub consumers: Vec<(ConsumerId, Arc<Outbox>)>,
}

/// How many messages a queue has, and consumers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Waiting.
    pub ready: usize,
    /// Delivered and not settled.
    pub unacked: usize,
    /// Consumers, whether they have room or not.
    pub consumers: usize,
    /// Octets of the bodies of those that wait.
    pub ready_bytes: u64,
    /// Dead, and not taken in elsewhere.
    pub dead: usize,
}

/// What a channel held of a queue when it ended.
#[derive(Debug, Default)]
pub struct Released {
    /// Consumers that it had.
    pub consumers: Vec<ConsumerId>,
    /// Delivered and not settled.
    pub seen: Vec<Kept>,
    /// On their way.
    pub unseen: Vec<Entry>,
    /// What of all of them counts as unacknowledged.
    pub unacked: Volume,
}

/// What `basic.get` meets.
#[derive(Debug)]
pub enum Got {
    /// A message; with it, how many remain.
    Taken(Entry, usize),
    /// No message.
    Nothing,
    /// The first message is not in memory: read this, hand it to
    /// [`on_read_now`](super::QueueState::on_read_now), and ask again.
    Elsewhere(Request),
}
