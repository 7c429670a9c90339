//! How many messages, and how large: for statistics.

use super::kept::Kept;
use crate::message::Seq;
use crate::outbox::Entry;

/// How many messages there are of something, and the octets of their bodies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Volume {
    /// Messages.
    pub count: u64,
    /// Octets of their bodies.
    pub bytes: u64,
    /// Those of them that the store has.
    pub kept: u64,
    /// Octets of their bodies.
    pub kept_bytes: u64,
}

impl Volume {
    /// One message.
    #[inline]
    pub(super) fn one(seq: Seq, bytes: u64) -> Self {
        let kept = u64::from(seq != Seq::NONE);
        Self { count: 1, bytes, kept, kept_bytes: bytes * kept }
    }

    /// More of it.
    #[inline]
    pub fn add(&mut self, more: Self) {
        self.count += more.count;
        self.bytes += more.bytes;
        self.kept += more.kept;
        self.kept_bytes += more.kept_bytes;
    }

    /// Less of it; never less than nothing.
    #[inline]
    pub fn subtract(&mut self, less: Self) {
        self.count = self.count.saturating_sub(less.count);
        self.bytes = self.bytes.saturating_sub(less.bytes);
        self.kept = self.kept.saturating_sub(less.kept);
        self.kept_bytes = self.kept_bytes.saturating_sub(less.kept_bytes);
    }
}

impl From<&Kept> for Volume {
    #[inline]
    fn from(kept: &Kept) -> Self {
        Self::one(kept.seq, kept.body_bytes.into())
    }
}

impl From<&Entry> for Volume {
    #[inline]
    fn from(entry: &Entry) -> Self {
        Self::one(entry.seq, entry.message.body_bytes() as u64)
    }
}

impl<'a, T> FromIterator<&'a T> for Volume
where
    Volume: From<&'a T>,
{
    fn from_iter<I: IntoIterator<Item = &'a T>>(iter: I) -> Self {
        let mut sum = Self::default();
        iter.into_iter().for_each(|one| sum.add(one.into()));
        sum
    }
}
