//! Publisher confirms of one channel: what was published, and what that still owes.
//!
//! Knows no store: whoever publishes says that a message is settled.

/// The publish sequence of a channel in confirm mode.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    published: u64,
    confirmed: u64,
}

/// One `basic.ack` to a publisher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Confirm {
    pub(super) delivery_tag: u64,
    pub(super) multiple: bool,
}

impl Confirms {
    /// A publish has passed its checks and is settled. True if it is the first that owes a
    /// confirm.
    #[inline]
    pub(super) fn publish(&mut self) -> bool {
        self.published += 1;
        self.published == self.confirmed + 1
    }

    /// What is to be confirmed now: one frame for all that was published since the last one.
    pub(super) fn settle(&mut self) -> Option<Confirm> {
        let count = self.published - self.confirmed;
        self.confirmed = self.published;
        (count > 0).then_some(Confirm { delivery_tag: self.published, multiple: count > 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_confirmed_with_one_frame() {
        let mut confirms = Confirms::default();
        assert_eq!(confirms.settle(), None);
        assert!(confirms.publish());
        assert_eq!(confirms.settle(), Some(Confirm { delivery_tag: 1, multiple: false }));
        assert!(confirms.publish());
        assert!(!confirms.publish());
        assert_eq!(confirms.settle(), Some(Confirm { delivery_tag: 3, multiple: true }));
        assert_eq!(confirms.settle(), None);
    }
}
