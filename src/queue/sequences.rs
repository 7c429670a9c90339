//! The sequence numbers of a queue's messages.
//!
//! The store has neighbours in one level on one page of its index. If many levels shared out the
//! numbers one by one, each message would have a page of its own. So a queue that uses more than
//! one level gives them numbers in blocks of a page; in each level they still rise. Knows no
//! messages.

use std::collections::BTreeMap;

use crate::message::MessageId;
use crate::store::PAGE_IDS;

/// What has been given out.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    /// No number above this one has been given to anybody.
    last: u64,
    /// Of each level, the last number it has used and the last of its block; of none as long as
    /// there is one level.
    blocks: BTreeMap<u16, (u64, u64)>,
}

impl Sequences {
    /// Goes on above this number.
    pub(super) fn after(last: u64) -> Self {
        Self { last, blocks: BTreeMap::new() }
    }

    /// An id above all others of its level.
    #[inline]
    pub(super) fn next(&mut self, level: u16) -> MessageId {
        if level == 0 && self.blocks.is_empty() {
            self.last += 1;
            return MessageId::in_level(0, self.last);
        }
        self.next_of_block(level)
    }

    fn next_of_block(&mut self, level: u16) -> MessageId {
        let (used, end) = self.blocks.entry(level).or_default();
        if used >= end {
            // Up to the end of a page, wherever on it the numbers have come to.
            *used = self.last;
            *end = (self.last + 1) | (PAGE_IDS - 1);
            self.last = *end;
        }
        *used += 1;
        MessageId::in_level(level, *used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_level_has_them_one_by_one() {
        let mut sequences = Sequences::after(41);
        assert_eq!([42, 43, 44], [(); 3].map(|()| sequences.next(0).sequence()));
    }

    #[test]
    fn in_each_of_many_levels_they_rise_and_few_pages_are_used() {
        let mut sequences = Sequences::after(1000);
        let mut given: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
        for number in 0..100_000_u64 {
            let level = (number.wrapping_mul(7919) % 255) as u16;
            let id = sequences.next(level);
            assert_eq!(id.level(), level);
            given.entry(level).or_default().push(id.sequence());
        }
        assert!(given.values().all(|of_level| of_level.is_sorted_by(|a, b| a < b)));
        let pages = |of_level: &Vec<u64>| {
            let pages = of_level.iter().map(|sequence| sequence / PAGE_IDS);
            pages.collect::<std::collections::BTreeSet<_>>().len() as u64
        };
        let pages: u64 = given.values().map(pages).sum();
        assert!(pages <= 100_000 / PAGE_IDS + 3 * 255, "{pages} pages");
        assert!(given.values().flatten().all(|sequence| *sequence > 1000));
    }
}
