//! What may happen to a queue. Numbers pick among what there is, modulo how many there are.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::{self, weighted};
use proptest::prelude::*;
use warren::queue::{DeadLetter, Nature, Overflow, QueueKind, Rules};

/// Channels that take part; each is a connection of its own.
pub(crate) const CHANNELS: usize = 2;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Publish {
        body_bytes: usize,
        priority: Option<u8>,
        expiration_ms: Option<u64>,
        stored: bool,
    },
    Get {
        channel: usize,
        no_ack: bool,
    },
    Consume {
        channel: usize,
        no_ack: bool,
        priority: i64,
        prefetch: u16,
    },
    Cancel {
        which: usize,
    },
    Settle {
        channel: usize,
        picks: Vec<usize>,
        how: How,
    },
    /// What the client has not seen goes back as if it had never been sent.
    EndChannel {
        channel: usize,
        seen: usize,
    },
    Rules(AnyRules),
    Declare,
    Purge,
    Close {
        if_unused: bool,
        if_empty: bool,
        if_lease_is_over: bool,
    },
    /// The process ends, and begins again with what the store has.
    Restart,
    /// Time goes by. Who asked to be looked after is, in time or not.
    Time {
        ms: u64,
        in_time: bool,
    },
    Tick,
    /// Whoever brings the dead on takes some, or brings on what he has.
    Host(Vec<Outcome>),
    /// The store gets on.
    StoreSettles {
        count: u64,
    },
    StoreAnswers {
        which: usize,
    },
    MemoryShort(bool),
    /// Messages that a channel holds leave memory.
    PageOut {
        channel: usize,
    },
    PageOutQueue,
}

/// How deliveries are settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Ack,
    Reject,
    Requeue { failed: bool },
}

/// What becomes of a dead message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Taken,
    /// One of its new queues does not want it.
    Refused,
    /// The store has too much to write: all of them wait.
    NoRoom,
}

/// Rules before it is known what the queue is, which forbids some.
#[derive(Clone, Debug)]
pub(crate) struct AnyRules {
    rules: Rules,
    at_least_once: bool,
    has_dead_letter: bool,
}

impl AnyRules {
    /// Exactly these, with a dead-letter exchange or not.
    pub(crate) fn exactly(rules: Rules, has_dead_letter: bool, at_least_once: bool) -> Self {
        Self { rules, at_least_once, has_dead_letter }
    }

    /// As they can be in force for such a queue.
    pub(crate) fn of(&self, kind: QueueKind) -> Arc<Rules> {
        let is_quorum = kind == QueueKind::Quorum;
        let mut rules = self.rules.clone();
        if is_quorum && rules.overflow == Overflow::RejectPublishDlx {
            rules.overflow = Overflow::DropHead;
        }
        let refuses = rules.overflow == Overflow::RejectPublish;
        let at_least_once = self.at_least_once && is_quorum && refuses;
        rules.dead_letter = self.has_dead_letter.then(|| DeadLetter {
            exchange: "dead".into(),
            routing_key: None,
            at_least_once,
        });
        Arc::new(rules)
    }
}

pub(crate) fn any_rules() -> impl Strategy<Value = AnyRules> {
    prop_oneof![4 => any_mixture(), 1 => any_keeping()]
}

/// Rules of a queue that is full of dead messages, which nobody wants.
fn any_keeping() -> impl Strategy<Value = AnyRules> {
    let full = prop_oneof![
        (1..4_u64).prop_map(|max| (Some(max), None)),
        prop_oneof![Just(30), Just(100)].prop_map(|max| (None, Some(max))),
    ];
    (option::of(Just(1)), full).prop_map(|(message_ttl_ms, (max_length, max_length_bytes))| {
        let overflow = Overflow::RejectPublish;
        let rules =
            Rules { message_ttl_ms, max_length, max_length_bytes, overflow, ..Rules::default() };
        AnyRules { rules, has_dead_letter: true, at_least_once: true }
    })
}

fn any_mixture() -> impl Strategy<Value = AnyRules> {
    let ttl_ms = option::of(prop_oneof![Just(0), Just(1), Just(20), Just(100)]);
    let expires_ms = weighted(0.3, prop_oneof![Just(30), Just(300)]);
    let max_length = option::of(0..5_u64);
    let max_length_bytes = weighted(0.3, prop_oneof![Just(0), Just(30), Just(100)]);
    let overflow = prop_oneof![
        3 => Just(Overflow::DropHead),
        3 => Just(Overflow::RejectPublish),
        1 => Just(Overflow::RejectPublishDlx),
    ];
    let dead_letter = (prop::bool::weighted(0.7), prop::bool::weighted(0.8));
    let delivery_limit = option::of(0..3_u32);
    (ttl_ms, expires_ms, max_length, max_length_bytes, overflow, dead_letter, delivery_limit)
        .prop_map(|(ttl_ms, expires_ms, length, bytes, overflow, dead_letter, limit)| AnyRules {
            rules: Rules {
                message_ttl_ms: ttl_ms,
                expires_ms,
                max_length: length,
                max_length_bytes: bytes,
                overflow,
                delivery_limit: limit,
                ..Rules::default()
            },
            has_dead_letter: dead_letter.0,
            at_least_once: dead_letter.1,
        })
}

pub(crate) fn any_nature() -> impl Strategy<Value = Nature> {
    let max_priority = prop_oneof![Just(None), Just(Some(0)), Just(Some(2)), Just(Some(255))];
    let kind = (prop::bool::weighted(0.4), max_priority);
    (kind, prop::bool::weighted(0.3)).prop_map(|((is_quorum, max_priority), single_active)| {
        let (kind, max_priority) =
            if is_quorum { (QueueKind::Quorum, None) } else { (QueueKind::Classic, max_priority) };
        Nature { kind, single_active, max_priority }
    })
}

fn any_publish() -> impl Strategy<Value = Step> {
    let priority = option::of(prop_oneof![Just(0_u8), Just(1), Just(2), Just(5), Just(200)]);
    let expiration_ms = weighted(0.35, prop_oneof![Just(0), Just(5), Just(40), Just(1000)]);
    (0..40_usize, priority, expiration_ms, prop::bool::weighted(0.7)).prop_map(
        |(body_bytes, priority, expiration_ms, stored)| Step::Publish {
            body_bytes,
            priority,
            expiration_ms,
            stored,
        },
    )
}

fn any_settling() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        3 => Just(How::Ack),
        2 => Just(How::Reject),
        5 => any::<bool>().prop_map(|failed| How::Requeue { failed }),
    ];
    (0..CHANNELS, vec(0..100_usize, 1..5), how).prop_map(|(channel, picks, how)| Step::Settle {
        channel,
        picks,
        how,
    })
}

fn any_outcomes() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Taken),
        3 => Just(Outcome::Refused),
        1 => Just(Outcome::NoRoom),
    ];
    vec(outcome, 1..4).prop_map(Step::Host)
}

/// What comes from connections.
fn any_request() -> impl Strategy<Value = Step> {
    let channel = 0..CHANNELS;
    prop_oneof![
        16 => any_publish(),
        5 => (channel.clone(), prop::bool::weighted(0.2))
            .prop_map(|(channel, no_ack)| Step::Get { channel, no_ack }),
        4 => (channel.clone(), prop::bool::weighted(0.2), 0..3_i64, 0..4_u16).prop_map(
            |(channel, no_ack, priority, prefetch)| {
                Step::Consume { channel, no_ack, priority, prefetch }
            },
        ),
        3 => (0..100_usize).prop_map(|which| Step::Cancel { which }),
        10 => any_settling(),
        1 => (channel, 0..6_usize).prop_map(|(channel, seen)| Step::EndChannel { channel, seen }),
        2 => any_rules().prop_map(Step::Rules),
        1 => Just(Step::Declare),
        1 => Just(Step::Purge),
    ]
}

/// What comes from elsewhere.
fn any_event() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop_oneof![Just(1), Just(7), Just(25), Just(400)], any::<bool>())
            .prop_map(|(ms, in_time)| Step::Time { ms, in_time }),
        3 => Just(Step::Tick),
        6 => any_outcomes(),
        6 => (0..10_u64).prop_map(|count| Step::StoreSettles { count }),
        5 => (0..10_usize).prop_map(|which| Step::StoreAnswers { which }),
        1 => any::<bool>().prop_map(Step::MemoryShort),
        2 => (0..CHANNELS).prop_map(|channel| Step::PageOut { channel }),
        2 => Just(Step::PageOutQueue),
    ]
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    let close = (prop::bool::weighted(0.9), prop::bool::weighted(0.9), any::<bool>());
    prop_oneof![
        60 => any_request(),
        40 => any_event(),
        1 => Just(Step::Restart),
        1 => close.prop_map(|(if_unused, if_empty, if_lease_is_over)| {
            Step::Close { if_unused, if_empty, if_lease_is_over }
        }),
    ]
}
