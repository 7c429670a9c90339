//! What a connection has published to each exchange since the exchanges were last told.
//!
//! Counters of exchanges are shared by all connections: they are told once per batch of work.

use std::sync::Arc;

use crate::exchange::Exchange;
use crate::stats::ExchangeCounts;

/// Exchanges that are told at once, rather than searched among.
const EXCHANGES_MAX: usize = 32;

/// Counts by exchange.
#[derive(Debug, Default)]
pub(super) struct ExchangeTally {
    counts: Vec<(Arc<Exchange>, ExchangeCounts)>,
    /// Where the last one was found: the next message mostly goes there too.
    last: usize,
}

impl ExchangeTally {
    /// The counts of an exchange, to be added to.
    #[inline]
    pub(super) fn of(&mut self, exchange: &Arc<Exchange>) -> Option<&mut ExchangeCounts> {
        let is_last = self.counts.get(self.last).is_some_and(|(it, _)| Arc::ptr_eq(it, exchange));
        if !is_last {
            self.find(exchange);
        }
        self.counts.get_mut(self.last).map(|(_, counts)| counts)
    }

    fn find(&mut self, exchange: &Arc<Exchange>) {
        let found = self.counts.iter().position(|(it, _)| Arc::ptr_eq(it, exchange));
        self.last = found.unwrap_or_else(|| {
            if self.counts.len() >= EXCHANGES_MAX {
                self.tell();
            }
            self.counts.push((exchange.clone(), ExchangeCounts::default()));
            self.counts.len() - 1
        });
    }

    /// Tells the exchanges, and lets go of those that nothing was published to.
    #[inline]
    pub(super) fn tell(&mut self) {
        if !self.counts.is_empty() {
            self.tell_all();
        }
    }

    fn tell_all(&mut self) {
        self.counts.retain_mut(|(exchange, counts)| {
            let counts = std::mem::take(counts);
            if counts == ExchangeCounts::default() {
                return false;
            }
            exchange.counters().add(&counts);
            true
        });
    }
}
