//! Wakes a thread that sleeps until there is something to do.
//!
//! A ring that comes while the thread is busy is not lost: its next wait ends at once.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// A bell that one thread listens to.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    /// Wakes the listener.
    pub fn ring(&self) {
        let was_rung = std::mem::replace(&mut *self.rung.lock(), true);
        if !was_rung {
            self.heard.notify_one();
        }
    }

    /// Waits until somebody has rung since the last wait, or until then. True if somebody has.
    pub fn wait(&self, until: Option<Instant>) -> bool {
        let mut rung = self.rung.lock();
        while !*rung {
            match until {
                None => self.heard.wait(&mut rung),
                Some(until) => {
                    if self.heard.wait_until(&mut rung, until).timed_out() {
                        break;
                    }
                }
            }
        }
        std::mem::take(&mut *rung)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_ring_before_the_wait_ends_it_at_once() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        assert!(bell.wait(None));
        assert!(!bell.wait(Some(Instant::now() + Duration::from_millis(1))));
    }
}
