//! Statistics as plain data: counters, histograms, what is told of a channel, and rates.
//!
//! Whoever does the work counts it, in its own task or under a lock that it holds anyway; whoever
//! asks adds up. Knows no queues, no sessions and no form in which anything is shown.

mod channel;
mod counter;
mod exchange;
mod histogram;
mod ledger;
mod messages;
mod rates;
mod store;
mod totals;

pub use channel::{ChannelDetails, ChannelStatistics};
pub use counter::{Counter, SharedCounter};
pub use exchange::{ExchangeCounters, ExchangeCounts};
pub use histogram::{
    Histogram, HistogramCounts, LATENCY_BOUNDS_US, LatencyHistogram, MESSAGE_SIZE_BOUNDS_BYTES,
    MessageSizes, WAIT_BOUNDS_MS, WaitHistogram,
};
pub use ledger::{Churn, ChurnCounts, Ledger, LoginCounters, QueueTotals};
pub use messages::{MESSAGE_SERIES, MessageCounts};
pub use rates::{RATE_PERIOD, Rates, Watch};
pub use store::{StoreCounters, StoreFigures};
pub use totals::{
    DeadCounts, DeathCause, DeathStrategy, QueueType, Served, ServedCounters, Totals,
};
