//! What may happen to a queue without rules.

use proptest::collection::vec;
use proptest::prelude::*;

/// Channels that take part; each is a connection of its own.
pub(crate) const CHANNELS: usize = 3;
/// What may happen. Numbers pick among what there is, modulo how many there are.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Publish {
        big: bool,
        stored: bool,
    },
    Get {
        channel: usize,
        no_ack: bool,
    },
    Consume {
        channel: usize,
        no_ack: bool,
        exclusive: bool,
        priority: i64,
        prefetch: u16,
    },
    Cancel {
        which: usize,
    },
    /// Clients see so many of the deliveries that were drained.
    See {
        channel: usize,
        count: usize,
    },
    Ack {
        channel: usize,
        picks: Vec<usize>,
    },
    Requeue {
        channel: usize,
        picks: Vec<usize>,
    },
    EndChannel {
        channel: usize,
    },
    Limit {
        channel: usize,
        limit: u32,
    },
    Purge,
    /// The store gets on.
    Settle {
        count: u64,
    },
    /// The store answers one of the questions.
    Answer {
        which: usize,
    },
    MemoryShort(bool),
    /// Messages that a channel holds leave memory.
    PageOut {
        channel: usize,
    },
    /// Somebody looks whether messages may leave the queue's memory.
    PageOutQueue,
    Close {
        if_unused: bool,
        if_empty: bool,
    },
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    let channel = 0..CHANNELS;
    let picks = || vec(0..100_usize, 1..5);
    prop_oneof![
        18 => (prop::bool::weighted(0.3), prop::bool::weighted(0.7))
            .prop_map(|(big, stored)| Step::Publish { big, stored }),
        2 => (channel.clone(), any::<bool>())
            .prop_map(|(channel, no_ack)| Step::Get { channel, no_ack }),
        5 => any_consumer(),
        2 => (0..100_usize).prop_map(|which| Step::Cancel { which }),
        4 => (channel.clone(), 0..6_usize)
            .prop_map(|(channel, count)| Step::See { channel, count }),
        5 => (channel.clone(), picks()).prop_map(|(channel, picks)| Step::Ack { channel, picks }),
        5 => (channel.clone(), picks())
            .prop_map(|(channel, picks)| Step::Requeue { channel, picks }),
        1 => channel.clone().prop_map(|channel| Step::EndChannel { channel }),
        1 => (channel.clone(), 0..4_u32)
            .prop_map(|(channel, limit)| Step::Limit { channel, limit }),
        1 => Just(Step::Purge),
        5 => (0..10_u64).prop_map(|count| Step::Settle { count }),
        4 => (0..10_usize).prop_map(|which| Step::Answer { which }),
        1 => prop::bool::weighted(0.3).prop_map(Step::MemoryShort),
        2 => channel.clone().prop_map(|channel| Step::PageOut { channel }),
        1 => Just(Step::PageOutQueue),
        1 => (prop::bool::weighted(0.8), prop::bool::weighted(0.8))
            .prop_map(|(if_unused, if_empty)| Step::Close { if_unused, if_empty }),
    ]
}

pub(crate) fn any_consumer() -> impl Strategy<Value = Step> {
    let (no_ack, exclusive) = (prop::bool::weighted(0.3), prop::bool::weighted(0.1));
    (0..CHANNELS, no_ack, exclusive, 0..3_i64, 0..6_u16).prop_map(
        |(channel, no_ack, exclusive, priority, prefetch)| Step::Consume {
            channel,
            no_ack,
            exclusive,
            priority,
            prefetch,
        },
    )
}
