//! What holds the messages of a queue up, from what the API says of it.

use serde_json::{Value, json};

use crate::cli::commands::thing::Thing;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Format, at_path};

const COLUMNS: &[Column] = &[Column::text("finding"), Column::text("advice")];

/// Shows what was found.
pub(crate) fn explain(context: &Context, name: &str) -> Result<(), Failure> {
    let vhost = context.vhost();
    let thing = Thing::within("queue", name, vhost);
    let queue = context.client.get(&thing.route(&["queues", vhost, name]))?;
    let found = findings(&queue);
    if found.is_empty() && context.output.format() == Format::Table {
        return context.output.print("nothing holds it up\n");
    }
    let row =
        |(finding, advice): &(String, String)| json!({ "finding": finding, "advice": advice });
    let rows: Vec<_> = found.iter().map(row).collect();
    context.output.table(COLUMNS, &rows)
}

/// What is noteworthy, and what can be done about it.
fn findings(queue: &Value) -> Vec<(String, String)> {
    let number = |key: &str| queue.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (ready, unacked) = (number("messages_ready"), number("messages_unacknowledged"));
    let consumers = number("consumers");
    let mut found = Vec::new();
    let mut find = |finding: String, advice: &str| found.push((finding, advice.to_owned()));
    let state = queue.get("state").and_then(Value::as_str).unwrap_or("running");
    if !matches!(state, "running" | "idle" | "flow") {
        find(format!("the queue is {state}"), "see the log of the broker");
    }
    if ready > 0 && consumers == 0 {
        find(format!("messages are ready ({ready}) and nobody consumes"), "start a consumer");
    }
    let list = queue.get("consumer_details").and_then(Value::as_array);
    let list = list.map_or(&[][..], Vec::as_slice);
    if ready > 0 && !list.is_empty() {
        let room = |consumer: &Value| {
            let acks = consumer.get("ack_required").is_none_or(|required| *required == true);
            let prefetch = consumer.get("prefetch_count").and_then(Value::as_u64);
            let prefetch = prefetch.filter(|prefetch| acks && *prefetch > 0);
            prefetch.unwrap_or(u64::MAX)
        };
        let room = list.iter().map(room).fold(0, u64::saturating_add);
        if unacked >= room {
            let finding = format!("consumers have {unacked} unacknowledged of at most {room}");
            find(finding, "they must acknowledge, or have a larger prefetch");
        }
        let is_active = |consumer: &Value| consumer.get("active").is_none_or(|a| *a == true);
        if !list.iter().any(is_active) {
            find("no consumer is active".to_owned(), "see single active consumer and priorities");
        }
    }
    let redelivered = at_path(queue, "message_stats.redeliver_details.rate");
    let rate = redelivered.and_then(Value::as_f64).unwrap_or_default();
    if rate > 0.0 {
        let advice = "consumers give messages back; a delivery limit would end that";
        find(format!("{rate:.1} messages a second are redelivered"), advice);
    }
    let limited = |key: &str| {
        let policy = at_path(queue, "effective_policy_definition").and_then(|p| p.get(key));
        let argument = queue.get("arguments").and_then(|a| a.get(format!("x-{key}")));
        [policy, argument].into_iter().flatten().filter_map(Value::as_u64).min()
    };
    for (key, current, what) in [
        ("max-length", ready, "messages"),
        ("max-length-bytes", number("message_bytes_ready"), "bytes"),
    ] {
        if let Some(limit) = limited(key).filter(|limit| current >= *limit) {
            let finding = format!("{current} {what} are ready, and {key} is {limit}");
            find(finding, "it is full: messages are dropped or refused, as x-overflow says");
        }
    }
    if let Some(ttl) = limited("message-ttl") {
        find(format!("messages are removed after {ttl} ms"), "see message-ttl");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(queue: &Value) -> String {
        findings(queue).into_iter().map(|(finding, _)| finding + "; ").collect()
    }

    #[test]
    fn what_holds_a_queue_up_is_found() {
        for (queue, finding) in [
            (json!({"messages_ready": 0}), ""),
            (
                json!({"messages_ready": 3, "consumers": 0}),
                "messages are ready (3) and nobody consumes; ",
            ),
            (json!({"state": "down"}), "the queue is down; "),
            (
                json!({"messages_ready": 3, "messages_unacknowledged": 5, "consumers": 1,
                    "consumer_details": [{"prefetch_count": 5, "ack_required": true}]}),
                "consumers have 5 unacknowledged of at most 5; ",
            ),
            (
                json!({"messages_ready": 3, "messages_unacknowledged": 5, "consumers": 1,
                    "consumer_details": [{"prefetch_count": 0}]}),
                "",
            ),
            (
                json!({"messages_ready": 2, "consumers": 1, "arguments": {"x-max-length": 2}}),
                "2 messages are ready, and max-length is 2; ",
            ),
            (
                json!({"effective_policy_definition": {"message-ttl": 9}}),
                "messages are removed after 9 ms; ",
            ),
        ] {
            assert_eq!(found(&queue), finding, "{queue}");
        }
    }
}
