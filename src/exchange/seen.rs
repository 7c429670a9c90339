//! A set of numbers that lives as long as one message is routed.
//!
//! It nearly always stays empty or tiny, so it starts on the stack and is searched from end to
//! end; only when it grows does it become a hash set.

use hashbrown::HashSet;
use smallvec::SmallVec;

/// Numbers kept on the stack: as many as are found quicker by comparing than by hashing.
const FEW_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Seen {
    few: SmallVec<[usize; FEW_MAX]>,
    many: HashSet<usize>,
}

impl Seen {
    pub(super) fn contains(&self, number: usize) -> bool {
        self.few.contains(&number) || self.many.contains(&number)
    }

    /// Whether the number is new.
    pub(super) fn insert(&mut self, number: usize) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(number);
        }
        if self.few.contains(&number) {
            return false;
        }
        if self.few.len() == FEW_MAX {
            self.many.extend(self.few.drain(..));
            return self.many.insert(number);
        }
        self.few.push(number);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_new_once_however_many_there_are() {
        let mut seen = Seen::default();
        for last in 0..4 * FEW_MAX {
            assert!(!seen.contains(last) && seen.insert(last) && seen.contains(last));
            assert!((0..=last).all(|number| !seen.insert(number)));
        }
    }
}
