//! A queue as it is shown.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::broker::Node;
use crate::http::list::{Object, Wanted};
use crate::http::time::rfc3339;
use crate::http::{figures, json};
use crate::queue::{Queue, QueueKind, QueueStatistics};
use crate::stats::WAIT_BOUNDS_MS;

/// Shares of messages for which it is told how long they waited.
const QUANTILES: [(f64, &str); 4] = [(0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9")];

/// How much is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Detail {
    /// What it was declared with.
    Definition,
    /// The same, and how many messages there are.
    Totals,
    /// What lists show unless they are asked for more.
    Usual,
    /// All.
    Everything,
}

/// Fields that take the queue's lock.
const COUNTED: [&str; 29] = [
    "consumers",
    "consumer_capacity",
    "consumer_utilisation",
    "exclusive_consumer_tag",
    "head_message_timestamp",
    "idle_since",
    "memory",
    "message_bytes",
    "message_bytes_paged_out",
    "message_bytes_persistent",
    "message_bytes_ram",
    "message_bytes_ready",
    "message_bytes_unacknowledged",
    "message_stats",
    "messages",
    "messages_details",
    "messages_dlx",
    "messages_paged_out",
    "messages_persistent",
    "messages_ram",
    "messages_ready",
    "messages_ready_details",
    "messages_ready_ram",
    "messages_unacknowledged",
    "messages_unacknowledged_details",
    "messages_unacknowledged_ram",
    "oldest_message_age_ms",
    "single_active_consumer_tag",
    "time_in_queue_ms",
];

/// Renders what is wanted.
pub(super) fn render<'w>(
    node: &Node,
    node_name: &str,
    queue: &Arc<Queue>,
    detail: Detail,
    now_ms: u64,
    wanted: &'w Wanted,
) -> Object<'w> {
    let mut object = Object::new(wanted);
    put_definition(&mut object, node_name, queue);
    if detail >= Detail::Totals && COUNTED.iter().any(|field| object.wants(field)) {
        let statistics = queue.statistics(now_ms);
        put_lengths(&mut object, &statistics);
        if detail >= Detail::Usual {
            put_usual(&mut object, &statistics);
        }
        if detail == Detail::Everything {
            put_rest(&mut object, &statistics);
        }
    }
    if detail == Detail::Everything
        && object.wants("owner_pid_details")
        && let Some(owner) = queue.spec().owner
        && let Some(presence) = node.presence(owner)
    {
        object.put("owner_pid_details", super::connections::brief(&presence));
    }
    object
}

fn put_definition(object: &mut Object<'_>, node_name: &str, queue: &Queue) {
    let spec = queue.spec();
    let kind = spec.options.nature.kind;
    object.put("name", &*spec.name);
    object.put("vhost", &*spec.vhost);
    object.put("durable", spec.durable);
    object.put("auto_delete", spec.auto_delete);
    object.put("exclusive", spec.owner.is_some());
    object.put_with("arguments", || json::from_table(spec.options.arguments.view()));
    object.put("type", kind.name());
    object.put("node", node_name);
    object.put("state", "running");
    if kind == QueueKind::Quorum {
        object.put("leader", node_name);
        object.put("members", json!([node_name]));
        object.put("online", json!([node_name]));
    }
    if ["policy", "operator_policy", "effective_policy_definition"].iter().any(|f| object.wants(f))
    {
        let shown = queue.effective_policy();
        let shown = shown.as_deref();
        object.put("policy", shown.and_then(|shown| shown.policy.as_deref()));
        object.put("operator_policy", shown.and_then(|shown| shown.operator_policy.as_deref()));
        object.put_with("effective_policy_definition", || {
            let definition = shown.map(|shown| serde_json::from_str(&shown.definition));
            definition.and_then(Result::ok).unwrap_or_else(|| json!({}))
        });
    }
}

fn put_lengths(object: &mut Object<'_>, statistics: &QueueStatistics) {
    let [messages, ready, unacked] = statistics.length_rates();
    figures::put_rated(object, "messages", statistics.len(), messages);
    figures::put_rated(object, "messages_ready", statistics.ready.count, ready);
    figures::put_rated(object, "messages_unacknowledged", statistics.unacked.count, unacked);
}

fn put_usual(object: &mut Object<'_>, statistics: &QueueStatistics) {
    object.put("consumers", statistics.consumers);
    object.put("consumer_capacity", statistics.consumer_capacity);
    object.put("consumer_utilisation", statistics.consumer_capacity);
    if statistics.active_ms > 0 {
        object.put_with("idle_since", || rfc3339(statistics.active_ms).into());
    }
    object.put("memory", statistics.memory_bytes);
    object.put("message_bytes", statistics.bytes());
    object.put("messages_persistent", statistics.ready.kept + statistics.unacked.kept);
    object.put("messages_ram", statistics.resident.count + statistics.unacked.count);
    object.put("oldest_message_age_ms", statistics.oldest_age_ms);
    if object.wants("message_stats") {
        let stats = figures::messages(&statistics.messages, &statistics.message_rates());
        figures::put_message_stats(object, stats);
    }
}

fn put_rest(object: &mut Object<'_>, statistics: &QueueStatistics) {
    let QueueStatistics { ready, unacked, resident, .. } = statistics;
    let tag = |facts: &Option<Arc<crate::queue::ConsumerFacts>>| {
        facts.as_ref().map_or(Value::Null, |facts| (*facts.tag).into())
    };
    object.put("exclusive_consumer_tag", tag(&statistics.exclusive_consumer));
    object.put("single_active_consumer_tag", tag(&statistics.single_active_consumer));
    object.put("message_bytes_ready", ready.bytes);
    object.put("message_bytes_unacknowledged", unacked.bytes);
    object.put("message_bytes_ram", resident.bytes + unacked.bytes);
    object.put("message_bytes_persistent", ready.kept_bytes + unacked.kept_bytes);
    object.put("message_bytes_paged_out", ready.bytes.saturating_sub(resident.bytes));
    object.put("messages_ready_ram", resident.count);
    object.put("messages_unacknowledged_ram", unacked.count);
    object.put("messages_paged_out", ready.count.saturating_sub(resident.count));
    object.put("messages_dlx", statistics.dead_waiting);
    object.put("head_message_timestamp", statistics.head_timestamp);
    object.put_with("time_in_queue_ms", || quantiles(statistics));
    object.put("storage_version", 2);
}

/// Within how many milliseconds so many of a hundred messages were delivered for the first time;
/// `null` beyond the last bound that is kept.
fn quantiles(statistics: &QueueStatistics) -> Value {
    let counts = &statistics.waits;
    let quantile =
        |share: f64| counts.quantile(share, &WAIT_BOUNDS_MS).map_or(Value::Null, Value::from);
    let all = QUANTILES.iter().map(|(share, name)| ((*name).to_owned(), quantile(*share)));
    Value::Object(all.collect())
}
