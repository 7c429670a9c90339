//! Counters and rates in the form that clients of RabbitMQ know.
//!
//! Each counter `x` has a sibling `x_details` with its rate. Counters that never moved are left
//! out, as are objects without any. Knows nothing of what is counted.

use serde_json::{Map, Value, json};

use super::list::Object;
use crate::stats::{MESSAGE_SERIES, MessageCounts};

/// A rate as `x_details` tells it.
pub(super) fn rate(rate: f64) -> Value {
    json!({"rate": rate})
}

/// Puts a number, and its rate beside it.
pub(super) fn put_rated(object: &mut Object<'_>, name: &str, value: u64, per_second: f64) {
    object.put(name, value);
    let details = format!("{name}_details");
    object.put_with(&details, || rate(per_second));
}

/// Counters with their rates; those that never moved are left out.
pub(super) fn counters<'a>(
    counters: impl IntoIterator<Item = (&'a str, u64, f64)>,
) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value, per_second) in counters {
        if value > 0 {
            object.insert(name.to_owned(), value.into());
            object.insert(format!("{name}_details"), rate(per_second));
        }
    }
    object
}

/// What was done with messages.
pub(super) fn messages(
    counts: &MessageCounts,
    rates: &[f64; MESSAGE_SERIES],
) -> Map<String, Value> {
    let values = counts.values().into_iter().zip(rates);
    let named = MessageCounts::NAMES.into_iter().zip(values);
    counters(named.map(|(name, (value, rate))| (name, value, *rate)))
}

/// Puts `message_stats`, unless it is empty.
pub(super) fn put_message_stats(object: &mut Object<'_>, stats: Map<String, Value>) {
    if !stats.is_empty() {
        object.put("message_stats", Value::Object(stats));
    }
}
