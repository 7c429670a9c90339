//! How much of their messages queues keep in memory in front of what is only on disk.
//!
//! Every queue has a small window for nothing. What it wants beyond that comes out of one pool: a
//! fixed part of what is left there, so that few queues have large windows, many have small ones,
//! and all of them together are bounded. Knows no queues; it is asked once per many messages.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What every queue may keep without asking. Ten thousand queues keep 40 MiB like that.
pub const WINDOW_MIN_BYTES: usize = 4 * 1024;
/// No queue keeps more: it is some milliseconds of a fast consumer, and one read of the disk.
pub const WINDOW_MAX_BYTES: usize = 1024 * 1024;
/// What all windows together take beyond the minimum.
const POOL_BYTES: usize = 24 * 1024 * 1024;
/// Who asks gets this part of what is left. With n queues that ask again and again each of them
/// ends up with about `POOL_BYTES / (n + PARTS)`.
const PARTS: usize = POOL_BYTES / WINDOW_MAX_BYTES;

/// The pool that windows come out of.
#[derive(Debug)]
pub struct Windows {
    left_bytes: AtomicUsize,
}

impl Default for Windows {
    fn default() -> Self {
        Self { left_bytes: AtomicUsize::new(POOL_BYTES) }
    }
}

impl Windows {
    /// A window in place of the one that the queue has: larger or smaller, as things are now.
    pub fn resize(&self, window_bytes: usize) -> usize {
        let had = window_bytes.saturating_sub(WINDOW_MIN_BYTES);
        let part = |left: usize| {
            let left = left.saturating_add(had);
            (left, (left / PARTS).min(WINDOW_MAX_BYTES - WINDOW_MIN_BYTES))
        };
        let take = |left| {
            let (left, part) = part(left);
            Some(left - part)
        };
        let before = self.left_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        WINDOW_MIN_BYTES + before.map_or(0, |left| part(left).1)
    }

    /// The queue needs no more than the minimum any longer.
    pub fn give_back(&self, window_bytes: usize) {
        let had = window_bytes.saturating_sub(WINDOW_MIN_BYTES);
        self.left_bytes.fetch_add(had, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_queue_gets_a_large_window_and_keeps_it() {
        let windows = Windows::default();
        let window = windows.resize(WINDOW_MIN_BYTES);
        assert_eq!(window, WINDOW_MAX_BYTES);
        assert_eq!(windows.resize(window), window);
        windows.give_back(window);
        assert_eq!(windows.left_bytes.into_inner(), POOL_BYTES);
    }

    #[test]
    fn many_queues_share_the_pool_and_those_that_ask_again_share_it_alike() {
        let windows = Windows::default();
        let mut all = vec![WINDOW_MIN_BYTES; 1000];
        for _ in 0..2000 {
            for window in &mut all {
                *window = windows.resize(*window);
            }
        }
        let total: usize = all.iter().sum();
        assert!(total <= POOL_BYTES + all.len() * WINDOW_MIN_BYTES, "{total}");
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!(most - least < WINDOW_MIN_BYTES, "{least} to {most}");
        for window in all {
            windows.give_back(window);
        }
        assert_eq!(windows.left_bytes.into_inner(), POOL_BYTES);
    }
}
