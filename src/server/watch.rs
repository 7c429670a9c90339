//! Watches the memory that the process uses, and raises the alarm above the limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use super::Phase;
use crate::alarm::Alarm;
use crate::broker::Node;
use crate::memory::resident_bytes;

/// How often: a publisher brings some hundred megabytes in that time at the most.
const PERIOD: Duration = Duration::from_millis(250);

/// Watches until the broker ends.
pub(super) async fn memory(node: Arc<Node>, mut phase: Receiver<Phase>) {
    let limit = node.config.memory_limit_bytes;
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut over = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
        }
        let is_over = resident_bytes().is_some_and(|resident| resident > limit);
        if is_over != over {
            over = is_over;
            node.set_alarm(Alarm::Memory, over);
        }
    }
}
