//! How often a message has come back, and when that is too often.
//!
//! In a quorum queue a negative acknowledgement is no failure; in a classic one with a limit, which
//! RabbitMQ does not have, every return is.

use super::QueueState;
use crate::outbox::Wakes;
use crate::queue::backing::Backing;
use crate::queue::kept::Kept;
use crate::queue::options::QueueKind;

impl QueueState {
    /// Whether it shows how often a message has come back.
    pub fn counts_attempts(&self) -> bool {
        self.nature.counts(&self.rules)
    }

    pub(super) fn count_attempt(
        &self,
        kept: &mut Kept,
        failed: bool,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) {
        let failed = failed || self.nature.kind == QueueKind::Classic;
        kept.attempts.acquired = kept.attempts.acquired.saturating_add(1);
        kept.attempts.failed = kept.attempts.failed.saturating_add(failed.into());
        backing.count(kept, wakes);
    }

    pub(super) fn has_failed_too_often(&self, kept: &Kept) -> bool {
        self.rules.delivery_limit.is_some_and(|limit| kept.attempts.failed > limit)
    }
}
