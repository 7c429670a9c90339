//! Watches the memory that the process uses and the room on its disk, and raises the alarms.
//!
//! An alarm that somebody sets by hand is left alone: only what changes here is told on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use super::Phase;
use crate::alarm::Alarm;
use crate::broker::Node;
use crate::disk::free_bytes;
use crate::memory::resident_bytes;

/// How often: a publisher brings some hundred megabytes in that time at the most.
const PERIOD: Duration = Duration::from_millis(250);
/// From this share of the memory limit on, the store takes over what it can.
const SHORT_FROM_PERCENT: u64 = 50;

/// Watches until the broker ends.
pub(super) async fn resources(node: Arc<Node>, mut phase: Receiver<Phase>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut memory_is_over = false;
    let mut disk = Disk::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
        }
        look_at_memory(&node, &mut memory_is_over);
        disk.look(&node);
    }
}

fn look_at_memory(node: &Node, was_over: &mut bool) {
    let Some(resident_bytes) = resident_bytes() else { return };
    let limit_bytes = node.config.memory_limit_bytes;
    let is_short = resident_bytes > limit_bytes / 100 * SHORT_FROM_PERCENT;
    node.store.set_memory_short(is_short);
    if is_short {
        node.page_out();
    }
    let is_over = resident_bytes > limit_bytes;
    if is_over == *was_over {
        return;
    }
    *was_over = is_over;
    if is_over {
        tracing::warn!(resident_bytes, limit_bytes, "memory is short: publishers are stopped");
    } else {
        tracing::warn!(resident_bytes, limit_bytes, "there is memory again");
    }
    node.set_alarm(Alarm::Memory, is_over);
}

/// What was seen of the disk the last time.
#[derive(Debug, Default)]
struct Disk {
    is_short: bool,
    is_unknown: bool,
}

impl Disk {
    fn look(&mut self, node: &Node) {
        let free_bytes = self.free_bytes(node);
        let limit_bytes = node.config.disk_free_limit_bytes;
        let is_full = node.store.is_out_of_space();
        let is_short = is_full || free_bytes.is_some_and(|free_bytes| free_bytes < limit_bytes);
        if is_short == self.is_short {
            return;
        }
        self.is_short = is_short;
        if is_short {
            tracing::warn!(
                ?free_bytes,
                limit_bytes,
                is_full,
                "disk space is short: publishers are stopped"
            );
        } else {
            tracing::warn!(?free_bytes, limit_bytes, "there is disk space again");
        }
        node.set_alarm(Alarm::Disk, is_short);
    }

    /// `None` where the system does not tell, which is logged once.
    fn free_bytes(&mut self, node: &Node) -> Option<u64> {
        let directory = node.store.directory()?;
        let found = free_bytes(directory);
        if let (Err(error), false) = (&found, self.is_unknown) {
            let directory = directory.display();
            tracing::warn!(%directory, %error, "cannot tell how much disk space is free");
        }
        self.is_unknown = found.is_err();
        found.ok()
    }
}
