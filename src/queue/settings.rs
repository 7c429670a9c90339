//! What a policy asks of queues, as typed values.
//!
//! Whoever makes one has checked the values. Knows nothing of names, patterns and JSON, and not
//! which of several policies is the one that counts.

use std::sync::Arc;

/// What happens when a queue is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overflow {
    /// The message at the head makes room.
    #[default]
    DropHead,
    /// The new message is refused.
    RejectPublish,
    /// The new message is refused, and a copy of it dead-lettered.
    RejectPublishDlx,
}

impl Overflow {
    /// Whether what comes is refused, rather than what is there dropped.
    #[inline]
    pub fn refuses(self) -> bool {
        self != Self::DropHead
    }
}

/// How hard a queue tries to dead-letter a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// Once; it is lost if nobody takes it.
    AtMostOnce,
    /// Until every target has confirmed it.
    AtLeastOnce,
}

/// What a policy says about queues. What it says nothing about is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// `message-ttl`
    pub message_ttl_ms: Option<u64>,
    /// `expires`
    pub expires_ms: Option<u64>,
    /// `max-length`
    pub max_length: Option<u64>,
    /// `max-length-bytes`
    pub max_length_bytes: Option<u64>,
    /// `overflow`
    pub overflow: Option<Overflow>,
    /// `dead-letter-exchange`
    pub dead_letter_exchange: Option<Arc<str>>,
    /// `dead-letter-routing-key`
    pub dead_letter_routing_key: Option<Arc<[u8]>>,
    /// `dead-letter-strategy`
    pub dead_letter_strategy: Option<Strategy>,
    /// `delivery-limit`; no limit at all if negative.
    pub delivery_limit: Option<i64>,
    /// `consumer-timeout`; as if it were not there if 0.
    pub consumer_timeout_ms: Option<u64>,
}

impl Overflow {
    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "drop-head" => Some(Self::DropHead),
            "reject-publish" => Some(Self::RejectPublish),
            "reject-publish-dlx" => Some(Self::RejectPublishDlx),
            _ => None,
        }
    }
}

impl Strategy {
    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "at-most-once" => Some(Self::AtMostOnce),
            "at-least-once" => Some(Self::AtLeastOnce),
            _ => None,
        }
    }
}

/// The policies in force for a queue or an exchange, as people are told of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EffectivePolicy {
    /// The policy's name.
    pub policy: Option<Arc<str>>,
    /// The operator policy's name.
    pub operator_policy: Option<Arc<str>>,
    /// What they say together, as JSON.
    pub definition: Box<str>,
}
