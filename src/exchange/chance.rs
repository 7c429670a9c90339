//! Numbers that look like chance, at the cost of an addition and a few multiplications.
//!
//! Each thread has a sequence of its own, from a seed that nobody chose; nothing is shared. Good
//! enough to spread messages, and for nothing that must not be guessed.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::stable_hash::mix;

/// The step of `SplitMix64`: odd, so that all numbers come before one comes again.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(STEP));
}

/// The next number.
pub(super) fn number() -> u64 {
    STATE.with(|state| {
        let next = state.get().wrapping_add(STEP);
        state.set(next);
        mix(next)
    })
}
