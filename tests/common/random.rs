//! Numbers that are random enough, all from one seed.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// xorshift64*.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not begin alike, and 0 stays 0 for ever.
        let state = (seed ^ 0x5DEE_CE66_D1CE_4E5B).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { seed, state }
    }

    /// From `WARREN_SEED` if it is set, else from the clock.
    pub fn seeded() -> Self {
        let clock =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
        Self::new(from_environment("WARREN_SEED").unwrap_or_else(clock))
    }

    pub fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below that one, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(count + 8);
        while octets.len() < count {
            octets.extend_from_slice(&self.next().to_le_bytes()[..6]);
        }
        octets.truncate(count);
        octets
    }
}

/// What makes a run repeat.
impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WARREN_SEED={}", self.seed)
    }
}

/// A number from the environment, to repeat a run or to make it longer.
pub fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}
