//! Whether a queue is declared again as what it is. The texts are RabbitMQ's.

use crate::amqp::table::{Table, Value};
use crate::error::{Error, Result};

use super::{ConnectionId, Queue, QueueKind};

/// The arguments that are compared for a classic queue; others are ignored in both directions.
const CLASSIC_KEYS: &[&str] = &[
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
    "x-queue-leader-locator",
];

/// The same for a quorum queue.
const QUORUM_KEYS: &[&str] = &[
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-message-ttl",
    "x-queue-leader-locator",
    "x-consumer-timeout",
    "x-consumer-disconnected-timeout",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
];

/// What `queue.declare` asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The declaring connection, if the queue is to be exclusive.
    pub owner: Option<ConnectionId>,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The arguments.
    pub arguments: &'a Table,
}

impl Queue {
    /// Refuses a declaration of something else under this name; the first difference counts.
    pub fn check_equivalent(&self, asked: &Asked<'_>) -> Result<()> {
        if self.spec.owner != asked.owner {
            return Err(self.locked());
        }
        let subject = self.to_string();
        same_flag(&subject, "durable", asked.durable, self.spec.durable)?;
        same_flag(&subject, "auto_delete", asked.auto_delete, self.spec.auto_delete)?;
        let keys = match self.spec.options.nature.kind {
            QueueKind::Classic => CLASSIC_KEYS,
            QueueKind::Quorum => QUORUM_KEYS,
        };
        same_arguments(&subject, keys, asked.arguments, &self.spec.options.arguments)
    }
}

/// Compares a property of the thing that `subject` describes.
pub fn same_flag(subject: &str, key: &str, received: bool, current: bool) -> Result<()> {
    if received == current {
        return Ok(());
    }
    Err(inequivalent(subject, key, &format!("'{received}'"), &format!("'{current}'")))
}

/// Compares arguments by value: widths of integers do not matter, types else do.
pub fn same_arguments(
    subject: &str,
    keys: &[&str],
    received: &Table,
    current: &Table,
) -> Result<()> {
    for key in keys {
        let (r, c) = (argument(received, key), argument(current, key));
        let (shown_r, shown_c) = match (&r, &c) {
            (None, None) => continue,
            (Some(r), Some(c)) if r.equals(c) => continue,
            (Some(r), Some(c)) => (format!("'{r}'"), format!("'{c}'")),
            (r, c) => (one_sided(r.as_ref()), one_sided(c.as_ref())),
        };
        return Err(inequivalent(subject, key, &shown_r, &shown_c));
    }
    Ok(())
}

/// 406 with RabbitMQ's text.
pub fn inequivalent(subject: &str, key: &str, received: &str, current: &str) -> Error {
    Error::precondition_failed(format!(
        "inequivalent arg '{key}' for {subject}: received {received} but current is {current}"
    ))
}

/// An argument; a queue's type is classic unless it says otherwise.
fn argument<'a>(table: &'a Table, key: &str) -> Option<Value<'a>> {
    let default = (key == "x-queue-type").then_some(Value::LongString(b"classic"));
    table.view().get(key).or(default)
}

fn one_sided(value: Option<&Value<'_>>) -> String {
    match value {
        None => "none".to_owned(),
        Some(value) => format!("the value '{}' of type '{}'", value, value.type_name()),
    }
}
