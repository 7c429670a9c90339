//! Messages that come back: how often they have, and when that is too often.
//!
//! In a quorum queue a negative acknowledgement is no failure; in a classic one with a limit, which
//! RabbitMQ does not have, every return is.

use super::QueueState;
use crate::outbox::Wakes;
use crate::queue::backing::Backing;
use crate::queue::death::Reason;
use crate::queue::kept::Kept;
use crate::queue::options::QueueKind;

impl QueueState {
    /// Whether it shows how often a message has come back.
    pub fn counts_attempts(&self) -> bool {
        self.nature.counts(&self.rules)
    }

    /// A delivery that a client has seen comes back.
    pub(super) fn put_back(
        &mut self,
        kept: Kept,
        failed: bool,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) {
        if self.closed {
            return;
        }
        let mut kept = Kept { redelivered: true, ..kept };
        if self.nature.counts(&self.rules) {
            self.count_attempt(&mut kept, failed, backing, wakes);
            if self.has_failed_too_often(&kept) {
                return self.bury(kept, Reason::DeliveryLimit);
            }
        }
        self.put_in_place(kept, backing);
    }

    /// It goes back to its place as it is.
    pub(super) fn put_in_place(&mut self, kept: Kept, backing: &impl Backing) {
        let level = kept.id.level();
        self.note_return(&kept);
        self.ready.put_back(kept, backing);
        self.note_head(level);
    }

    fn count_attempt(
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

    fn has_failed_too_often(&self, kept: &Kept) -> bool {
        self.rules.delivery_limit.is_some_and(|limit| kept.attempts.failed > limit)
    }
}
