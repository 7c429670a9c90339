//! The history that a dead letter carries, in a form that tests can write down.

use std::time::{SystemTime, UNIX_EPOCH};

use amq_protocol::protocol::BasicProperties;
use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use super::broker::here;

/// A death is not longer ago than a test run takes, in seconds.
const LONG_AGO_S: u64 = 3600;

/// One entry of `x-death`, but for its time.
#[derive(Clone, Debug, PartialEq, PartialOrd, Eq, Ord)]
pub struct Death {
    pub queue: String,
    pub reason: String,
    pub count: i64,
    pub exchange: String,
    pub routing_keys: Vec<String>,
    pub original_expiration: Option<String>,
}

/// A first death in a queue that the message reached by its name.
pub fn death(queue: &str, reason: &str) -> Death {
    Death {
        queue: queue.to_owned(),
        reason: reason.to_owned(),
        count: 1,
        exchange: String::new(),
        routing_keys: vec![queue.to_owned()],
        original_expiration: None,
    }
}

impl Death {
    pub fn times(mut self, count: i64) -> Self {
        self.count = count;
        self
    }

    /// How the message had come to the queue.
    pub fn via(mut self, exchange: &str, keys: &[&str]) -> Self {
        exchange.clone_into(&mut self.exchange);
        self.routing_keys = keys.iter().map(|key| (*key).to_owned()).collect();
        self
    }

    pub fn expiration(mut self, ms: i32) -> Self {
        self.original_expiration = Some(ms.to_string());
        self
    }
}

/// A header of that name.
pub fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

/// A header that is a text.
pub fn text_header(properties: &BasicProperties, name: &str) -> Option<String> {
    header(properties, name).map(|value| as_text(value, name))
}

/// The history, newest first. Types are checked, and that no entry has more than it should.
pub fn deaths(properties: &BasicProperties) -> Vec<Death> {
    match header(properties, "x-death") {
        None => Vec::new(),
        Some(AMQPValue::FieldArray(entries)) => entries.as_slice().iter().map(one).collect(),
        Some(other) => panic!("x-death is no array: {other:?}"),
    }
}

/// Compares a history. RabbitMQ 3.10 has the newest entry in front and the others anyhow.
#[track_caller]
pub fn assert_deaths(properties: &BasicProperties, expected: &[Death]) {
    let (mut came, mut expected) = (deaths(properties), expected.to_vec());
    if here(false, true) && came.len() > 2 && came.len() == expected.len() {
        came[1..].sort();
        expected[1..].sort();
    }
    assert_eq!(came, expected, "the history, newest first");
}

/// Compares `x-first-death-*`, and `x-last-death-*`, which RabbitMQ 3.10 does not have.
#[track_caller]
pub fn assert_first_and_last(properties: &BasicProperties, first: &Death, last: &Death) {
    let field = |when: &str, what: &str| text_header(properties, &format!("x-{when}-death-{what}"));
    let all = |when: &str| [field(when, "queue"), field(when, "reason"), field(when, "exchange")];
    let named = |d: &Death| [&d.queue, &d.reason, &d.exchange].map(|field| Some(field.clone()));
    assert_eq!(all("first"), named(first), "x-first-death-queue, -reason, -exchange");
    assert_eq!(all("last"), here(named(last), [None, None, None]), "x-last-death-*");
}

fn one(entry: &AMQPValue) -> Death {
    let AMQPValue::FieldTable(fields) = entry else { panic!("not a table: {entry:?}") };
    let names: Vec<&str> = fields.inner().keys().map(ShortString::as_str).collect();
    let known = ["count", "exchange", "queue", "reason", "routing-keys", "time"];
    let known = |name: &&&str| **name != "original-expiration" && !known.contains(*name);
    assert_eq!(names.iter().find(known), None, "an unknown field in {names:?}");
    let texts = |name: &str| as_text(field(fields, name), name);
    let AMQPValue::LongLongInt(count) = field(fields, "count") else {
        panic!("count is no 64-bit number: {fields:?}")
    };
    let AMQPValue::Timestamp(time) = field(fields, "time") else {
        panic!("time is no timestamp: {fields:?}")
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(now.abs_diff(*time) < LONG_AGO_S, "time is in seconds: {time}");
    let AMQPValue::FieldArray(keys) = field(fields, "routing-keys") else {
        panic!("routing-keys is no array: {fields:?}")
    };
    Death {
        queue: texts("queue"),
        reason: texts("reason"),
        count: *count,
        exchange: texts("exchange"),
        routing_keys: keys.as_slice().iter().map(|key| as_text(key, "routing-keys")).collect(),
        original_expiration: fields
            .inner()
            .get("original-expiration")
            .map(|value| as_text(value, "original-expiration")),
    }
}

fn field<'a>(fields: &'a FieldTable, name: &str) -> &'a AMQPValue {
    fields.inner().get(name).unwrap_or_else(|| panic!("no {name} in {fields:?}"))
}

fn as_text(value: &AMQPValue, name: &str) -> String {
    let AMQPValue::LongString(text) = value else { panic!("{name} is no longstr: {value:?}") };
    text.to_string()
}

/// The names in the order in which they stand in a content header, each as a field name does:
/// with its length in front.
#[track_caller]
pub fn assert_order(content_header: &[u8], names: &[&str]) {
    let mut from = 0;
    for name in names {
        let mut field = vec![name.len() as u8];
        field.extend(name.bytes());
        let found = content_header[from..].windows(field.len()).position(|w| w == field);
        let at = found.unwrap_or_else(|| {
            panic!("{name} is not behind those before it: {}", content_header.escape_ascii())
        });
        from += at + field.len();
    }
}
