//! Takes samples of all counters while somebody looks at rates. Knows nothing of what is counted.

use std::sync::Arc;

use tokio::sync::watch::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Phase;
use crate::broker::Node;
use crate::clock;
use crate::stats::RATE_PERIOD;

/// Runs until the broker ends.
pub(super) async fn run(node: Arc<Node>, mut phase: Receiver<Phase>) {
    let mut ticks = interval_at(Instant::now() + RATE_PERIOD, RATE_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
        }
        let node = node.clone();
        // Millions of objects take a while, and others want to be served meanwhile.
        let sampled = tokio::task::spawn_blocking(move || node.sample(clock::now_ms())).await;
        if let Err(error) = sampled {
            tracing::error!(%error, "statistics could not be sampled");
        }
    }
}
