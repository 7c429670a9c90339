//! `x-expires`: a queue that nobody uses goes.
//!
//! What counts as use: a declaration, also a passive one; `basic.get`, also of nothing; and as
//! long as there are consumers the time does not run at all.

use super::QueueState;

impl QueueState {
    /// Somebody has used it.
    #[inline]
    pub fn note_use(&mut self, now_ms: u64) {
        if self.rules.expires_ms.is_some() {
            self.used_ms = now_ms;
        }
    }

    /// When it has not been used for too long, if nobody uses it until then.
    pub(super) fn lease_ends_ms(&self) -> Option<u64> {
        let expires_ms = self.rules.expires_ms.filter(|_| self.consumers.is_empty())?;
        Some(self.used_ms.saturating_add(expires_ms))
    }

    /// Whether it has not been used for too long.
    pub fn lease_is_over(&self, now_ms: u64) -> bool {
        !self.closed && self.lease_ends_ms().is_some_and(|ends_ms| ends_ms <= now_ms)
    }
}
