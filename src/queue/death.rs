//! Dead messages: why they died, and the copy that goes to the dead-letter exchange.
//!
//! The history of a message lies in its `x-death` header, which counts only if the broker wrote
//! it: what a publisher sends under that name is replaced. Knows no exchanges and no routes.

use super::kept::Kept;
use super::rules::DeadLetter;
use crate::amqp::properties::Properties;
use crate::amqp::table::{Table, TableBuilder, TableView, Value};
use crate::message::{Message, Traits, address};
use crate::store::QueueId;

/// The header with the history: an array of tables, the newest first.
const X_DEATH: &str = "x-death";
/// Headers with further routing keys.
const CC: &str = "CC";
const BCC: &str = "BCC";
/// Headers about the first and the last death; each has a queue, a reason and an exchange.
const FIRST: [&str; 3] = ["x-first-death-queue", "x-first-death-reason", "x-first-death-exchange"];
const LAST: [&str; 3] = ["x-last-death-queue", "x-last-death-reason", "x-last-death-exchange"];

/// Why a message died.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A consumer did not want it.
    Rejected,
    /// Its time was up.
    Expired,
    /// The queue was full.
    MaxLen,
    /// It had come back too often.
    DeliveryLimit,
}

impl Reason {
    /// As in `x-death`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLen => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// A message that has died and is still to be taken in elsewhere.
#[derive(Clone, Debug)]
pub struct Dead {
    /// The message.
    pub kept: Kept,
    /// Why it died.
    pub reason: Reason,
    /// Queues that have taken it in already, when not all could.
    pub reached: Vec<QueueId>,
}

/// A message for the dead-letter exchange.
#[derive(Debug)]
pub struct DeadLettered {
    /// The copy.
    pub message: Message,
    /// Its routing keys.
    pub keys: Vec<Box<[u8]>>,
}

/// The copy of a message that died in that queue, at that time.
pub fn dead_letter(
    message: &Message,
    queue: &str,
    reason: Reason,
    to: &DeadLetter,
    now_ms: u64,
) -> DeadLettered {
    let properties = Properties::check(message.properties()).unwrap_or_default();
    let headers = properties.headers.unwrap_or_default();
    let keys = routing_keys(message, headers, to.routing_key.as_deref());
    let history = history(message, &properties, queue, reason, now_ms);
    let headers = with_history(message, headers, &history, queue, reason, to);
    let alive = properties.without_expiration();
    let alive = Properties::check(&alive).unwrap_or(properties);
    let key_only = message.traits().has(Traits::KEY_ONLY) || to.routing_key.is_some();
    let traits = message
        .traits()
        .with(Traits::EXPIRES | Traits::KEPT, false)
        .with(Traits::DIED, true)
        .with(Traits::BLIND_COPIES, headers.view().get(BCC).is_some())
        .with(Traits::KEY_ONLY, key_only);
    let key = keys.first().map_or(message.routing_key(), |key| key);
    let address = address(to.exchange.as_bytes(), key);
    let message = message.readdressed(&address, &alive.with_headers(&headers), traits);
    DeadLettered { message: message.published_at(now_ms), keys }
}

/// Whether a dead-lettered message must not enter that queue, since it would go round for ever: it
/// has died there before, and nobody has rejected it since.
pub fn is_cycle(message: &Message, target: &str) -> bool {
    let properties = Properties::check(message.properties()).unwrap_or_default();
    let headers = properties.headers.unwrap_or_default();
    for death in deaths(headers) {
        if death.reason() == Some(Reason::Rejected.name().as_bytes()) {
            return false;
        }
        if death.queue() == Some(target.as_bytes()) {
            return true;
        }
    }
    false
}

/// A table of `x-death`.
#[derive(Clone, Copy)]
struct Death<'a>(TableView<'a>);

impl<'a> Death<'a> {
    fn queue(self) -> Option<&'a [u8]> {
        self.0.get("queue")?.as_bytes()
    }

    fn reason(self) -> Option<&'a [u8]> {
        self.0.get("reason")?.as_bytes()
    }

    fn counted_again(self) -> Table {
        let mut again = TableBuilder::new();
        for (name, value) in &self.0 {
            let name = String::from_utf8_lossy(name);
            again = match (&*name, value.as_int()) {
                ("count", Some(count)) => again.long("count", count.saturating_add(1)),
                _ => again.value(&name, &value),
            };
        }
        again.build()
    }
}

fn deaths(headers: TableView<'_>) -> impl Iterator<Item = Death<'_>> {
    let array = match headers.get(X_DEATH) {
        Some(Value::Array(array)) => Some(array),
        _ => None,
    };
    array.into_iter().flat_map(|array| array.iter()).filter_map(|value| match value {
        Value::Table(table) => Some(Death(table)),
        _ => None,
    })
}

/// All deaths, this one first.
fn history(
    message: &Message,
    properties: &Properties<'_>,
    queue: &str,
    reason: Reason,
    now_ms: u64,
) -> Vec<Table> {
    let headers = properties.headers.unwrap_or_default();
    let is_ours = message.traits().has(Traits::DIED);
    let mut before: Vec<Death<'_>> = deaths(headers).take_while(|_| is_ours).collect();
    let same = before.iter().position(|death| {
        let same = (Some(queue.as_bytes()), Some(reason.name().as_bytes()));
        (death.queue(), death.reason()) == same
    });
    let this = match same {
        Some(at) => before.remove(at).counted_again(),
        None => first_death(message, properties, queue, reason, now_ms),
    };
    let before = before.into_iter().map(|death| death.0.to_table());
    std::iter::once(this).chain(before).collect()
}

fn first_death(
    message: &Message,
    properties: &Properties<'_>,
    queue: &str,
    reason: Reason,
    now_ms: u64,
) -> Table {
    let mut death = TableBuilder::new();
    if let Some(expiration) = properties.expiration {
        death = death.value("original-expiration", &Value::LongString(expiration));
    }
    let mut keys = vec![message.routing_key()];
    if !message.traits().has(Traits::KEY_ONLY) {
        further_keys(properties.headers.unwrap_or_default(), CC, &mut keys);
    }
    death
        .long("count", 1)
        .long_string("reason", reason.name())
        .long_string("queue", queue)
        .timestamp("time", now_ms / 1000)
        .value("exchange", &Value::LongString(message.exchange()))
        .array_of_long_strings("routing-keys", keys)
        .build()
}

fn with_history(
    message: &Message,
    headers: TableView<'_>,
    history: &[Table],
    queue: &str,
    reason: Reason,
    to: &DeadLetter,
) -> Table {
    let died_before = message.traits().has(Traits::DIED);
    let gone = |name: &[u8]| {
        let is = |other: &&str| other.as_bytes() == name;
        name == X_DEATH.as_bytes()
            || LAST.iter().any(is)
            || (!died_before && FIRST.iter().any(is))
            // With a key of its own, the message is for nobody else any more.
            || (to.routing_key.is_some() && name == BCC.as_bytes())
    };
    let mut with = headers.filtered(|name| !gone(name));
    with = with.array_of_tables(X_DEATH, history.iter().map(Table::view));
    let exchange = Value::LongString(message.exchange());
    for names in [(!died_before).then_some(FIRST), Some(LAST)].into_iter().flatten() {
        let [queue_name, reason_name, exchange_name] = names;
        with = with
            .long_string(queue_name, queue)
            .long_string(reason_name, reason.name())
            .value(exchange_name, &exchange);
    }
    // As RabbitMQ writes a table to which it adds something.
    with.build().sorted_by_name()
}

/// The routing keys of a dead message: its own, unless the queue has one for all.
fn routing_keys(
    message: &Message,
    headers: TableView<'_>,
    instead: Option<&[u8]>,
) -> Vec<Box<[u8]>> {
    if let Some(key) = instead {
        return vec![key.into()];
    }
    let mut keys = vec![message.routing_key()];
    if !message.traits().has(Traits::KEY_ONLY) {
        further_keys(headers, CC, &mut keys);
        further_keys(headers, BCC, &mut keys);
    }
    keys.into_iter().map(Into::into).collect()
}

fn further_keys<'a>(headers: TableView<'a>, name: &str, keys: &mut Vec<&'a [u8]>) {
    if let Some(Value::Array(array)) = headers.get(name) {
        keys.extend(array.iter().filter_map(|value| match value {
            Value::LongString(key) => Some(key),
            _ => None,
        }));
    }
}
