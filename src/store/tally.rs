//! How the living of segments changes in a batch of work, to be told to the segments at its end.

use hashbrown::HashMap;

use super::locator::Locator;
use super::page::Share;

/// Changes by segment.
#[derive(Debug, Default)]
pub(super) struct Tally(HashMap<u32, Living>);

/// What lives in a segment, or by how much that has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Living {
    /// Messages (one per queue) and definitions.
    pub items: i64,
    /// What they take.
    pub bytes: i64,
}

impl Tally {
    /// A message lives there now.
    #[inline]
    pub(super) fn add(&mut self, at: Locator) {
        self.change(at.segment(), 1, at.share_bytes().cast_signed());
    }

    /// A message is gone from there.
    #[inline]
    pub(super) fn take(&mut self, at: Locator) {
        self.change(at.segment(), -1, -(at.share_bytes().cast_signed()));
    }

    /// The messages of a page are gone from there.
    pub(super) fn take_share(&mut self, share: &Share) {
        self.change(share.segment, -i64::from(share.messages), -(share.bytes.cast_signed()));
    }

    /// The messages of a page are there.
    pub(super) fn add_share(&mut self, share: &Share) {
        self.change(share.segment, i64::from(share.messages), share.bytes.cast_signed());
    }

    /// Something lives there, or does no longer.
    #[inline]
    pub(super) fn change(&mut self, segment: u32, items: i64, bytes: i64) {
        let living = self.0.entry(segment).or_default();
        living.items += items;
        living.bytes += bytes;
    }

    /// What there is.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Living)> + '_ {
        self.0.iter().map(|(segment, living)| (*segment, *living))
    }

    /// Takes out all changes.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u32, Living)> + '_ {
        self.0.drain()
    }
}
