//! The one task that looks after whatever has a deadline: messages, queues, the dead that wait.
//!
//! Knows nothing of what a deadline means.

use std::sync::Arc;

use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

use super::Phase;
use crate::broker::Node;
use crate::clock;
use crate::outbox::Wakes;

/// So many are looked after before other tasks get a turn.
const AT_ONCE: usize = 64;

/// Runs until the broker ends.
pub(super) async fn run(node: Arc<Node>, mut phase: Receiver<Phase>) {
    let mut wakes = Wakes::default();
    loop {
        wakes.begin();
        let due = node.timers.due(wakes.now_ms(), AT_ONCE);
        if !due.is_empty() {
            for one in due {
                one.on_time(&mut wakes);
            }
            wakes.flush();
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = until(node.timers.next_ms()) => {}
            () = node.timers.earlier() => {}
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
        }
    }
}

async fn until(at_ms: Option<u64>) {
    // A millisecond that has begun is not over.
    match at_ms.and_then(|at_ms| clock::instant_of(at_ms.saturating_add(1))) {
        Some(at) => sleep_until(Instant::from_std(at)).await,
        None => std::future::pending().await,
    }
}
