//! When something has to be looked at that nobody else may touch before: one list for all.
//!
//! Whoever has a deadline is on the list once, under its earliest one. Knows no clock and nothing
//! of what a deadline means; one task sleeps until the first of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::outbox::Wakes;

/// Whoever is told that its time has come.
pub trait OnTime: Send + Sync {
    /// The time that it asked for has come, or gone by.
    fn on_time(self: Arc<Self>, wakes: &mut Wakes);
}

/// The deadlines of a broker.
#[derive(Default)]
pub struct Timers {
    /// By time in milliseconds since 1970, and a number that tells those apart who wait for it.
    waiting: Mutex<BTreeMap<(u64, u64), Weak<dyn OnTime>>>,
    earlier: Notify,
}

impl Timers {
    /// Has it told at that time, and not at the one it was to be told before.
    pub fn arm(&self, number: u64, old_ms: Option<u64>, at_ms: u64, who: Weak<dyn OnTime>) {
        let is_first = {
            let mut waiting = self.waiting.lock();
            if let Some(old_ms) = old_ms {
                waiting.remove(&(old_ms, number));
            }
            waiting.insert((at_ms, number), who);
            waiting.first_key_value().is_some_and(|(first, _)| *first == (at_ms, number))
        };
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// It has nothing to wait for any more.
    pub fn disarm(&self, number: u64, at_ms: u64) {
        self.waiting.lock().remove(&(at_ms, number));
    }

    /// Takes out those whose time has come, up to a number of them.
    pub fn due(&self, now_ms: u64, max: usize) -> Vec<Arc<dyn OnTime>> {
        let mut waiting = self.waiting.lock();
        let mut due = Vec::new();
        while due.len() < max
            && let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= now_ms)
        {
            due.extend(first.remove().upgrade());
        }
        due
    }

    /// The first time that anybody waits for.
    pub fn next_ms(&self) -> Option<u64> {
        self.waiting.lock().first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Waits until somebody waits for an earlier time than all others.
    pub async fn earlier(&self) {
        self.earlier.notified().await;
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.lock().len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Timers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timers").field("waiting", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl OnTime for Nobody {
        fn on_time(self: Arc<Self>, _: &mut Wakes) {}
    }

    #[test]
    fn whoever_waits_is_there_once_and_comes_out_in_order() {
        let (timers, nobody) = (Timers::default(), Arc::new(Nobody));
        let who = || Arc::downgrade(&nobody) as Weak<dyn OnTime>;
        timers.arm(1, None, 50, who());
        timers.arm(2, None, 20, who());
        timers.arm(1, Some(50), 10, who());
        assert_eq!((timers.len(), timers.next_ms()), (2, Some(10)));
        assert_eq!(timers.due(9, 9).len(), 0);
        assert_eq!(timers.due(30, 1).len(), 1);
        assert_eq!(timers.next_ms(), Some(20));
        timers.disarm(2, 20);
        assert!(timers.is_empty());
    }

    #[test]
    fn those_that_are_gone_are_forgotten() {
        let timers = Timers::default();
        timers.arm(1, None, 5, Arc::downgrade(&Arc::new(Nobody)) as Weak<dyn OnTime>);
        assert_eq!((timers.due(5, 9).len(), timers.len()), (0, 0));
    }
}
