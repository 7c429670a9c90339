//! The one task that publishes events. Knows nothing of what has happened.

use std::sync::Arc;

use tokio::sync::watch::Receiver;

use super::Phase;
use crate::broker::Node;

/// So many are published before other tasks get a turn.
const AT_ONCE: usize = 64;

/// Runs until the broker ends.
pub(super) async fn run(node: Arc<Node>, mut phase: Receiver<Phase>) {
    tokio::select! {
        () = publish(&node) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Running) => {}
    }
}

async fn publish(node: &Node) {
    loop {
        node.events.ready().await;
        loop {
            // Those that are published wait for the store as everybody does; new ones have a limit.
            node.room().await;
            let events = node.events.take(AT_ONCE);
            if events.is_empty() {
                break;
            }
            node.publish_events(&events);
            tokio::task::yield_now().await;
        }
    }
}
