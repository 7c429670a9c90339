//! The firehose: copies of all messages that are published and delivered in a virtual host, for
//! whoever has bound a queue to its trace exchange.
//!
//! Callers look at a flag first, so that nothing of this costs anything while nobody traces. Knows
//! neither frames nor requests.

use std::sync::Arc;

use super::Actor;
use crate::amqp::properties::{BCC, CC, Properties};
use crate::amqp::table::{Table, TableBuilder, Value};
use crate::message::{Message, Traits, address};
use crate::outbox::Wakes;
use crate::queue::{Queue, presented};
use crate::vhost::TRACE_EXCHANGE;

/// Octets of a short string, such as a routing key.
const KEY_MAX_BYTES: usize = 255;
/// The properties of a message are shown with its headers up to this: they become part of one
/// header, which has to fit into a frame.
const SHOWN_MAX_BYTES: usize = 64 * 1024;
/// What tells that a message was dead-lettered, and where it was published first.
const FIRST_DEATH_EXCHANGE: &str = "x-first-death-exchange";

/// By what a message comes or goes.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// The connection's name.
    pub connection: &'a str,
    /// The channel's number.
    pub channel: u16,
}

impl Via<'_> {
    /// By the HTTP API.
    pub const HTTP: Self = Self { connection: "http", channel: 0 };
}

impl Actor {
    /// Tells of a message that is published, and where it goes.
    #[cold]
    pub fn trace_publish(
        &self,
        via: Via<'_>,
        message: &Message,
        queues: &[Arc<Queue>],
        wakes: &mut Wakes,
    ) {
        let exchange = String::from_utf8_lossy(message.exchange());
        self.trace(&format!("publish.{exchange}"), message, wakes, |about| {
            let names = queues.iter().map(|queue| queue.name().as_bytes());
            self.with_origin(about, via).array_of_long_strings("routed_queues", names)
        });
    }

    /// Tells of a message that is delivered, or got.
    #[cold]
    pub fn trace_delivery(
        &self,
        via: Via<'_>,
        (queue, redelivered): (&Queue, bool),
        message: &Message,
        wakes: &mut Wakes,
    ) {
        self.trace(&format!("deliver.{}", queue.name()), message, wakes, |about| {
            self.with_origin(about.int("redelivered", redelivered.into()), via)
        });
    }

    fn with_origin(&self, about: TableBuilder, via: Via<'_>) -> TableBuilder {
        about
            .long_string("vhost", self.vhost().name())
            .long_string("connection", via.connection)
            .int("channel", via.channel.into())
            .long_string("user", &self.user().name)
    }

    fn trace(
        &self,
        key: &str,
        message: &Message,
        wakes: &mut Wakes,
        about: impl FnOnce(TableBuilder) -> TableBuilder,
    ) {
        let vhost = self.vhost();
        let Ok(exchange) = vhost.exchange(TRACE_EXCHANGE) else { return };
        let properties = Properties::check(message.properties()).unwrap_or_default();
        if !exchange.has_bindings() || is_trace(message, &properties) {
            return;
        }
        let shown = presented(message, None);
        let shown = shown.as_ref().unwrap_or(message);
        let shown = Properties::check(shown.properties()).unwrap_or_default();
        let builder = TableBuilder::new()
            .value("exchange_name", &Value::LongString(message.exchange()))
            .array_of_long_strings("routing_keys", keys(message, &properties))
            .table("properties", &shown_properties(&shown))
            .long_string("node", vhost.node_name());
        let headers = about(builder).build();
        let mut encoded = Properties::default();
        encoded.headers = Some(headers.view());
        let end = (0..=key.len().min(KEY_MAX_BYTES)).rev().find(|end| key.is_char_boundary(*end));
        let key = key.get(..end.unwrap_or_default()).unwrap_or_default();
        let address = address(TRACE_EXCHANGE.as_bytes(), key.as_bytes());
        let copy = message.readdressed(&address, &encoded.encoded(), Traits::default());
        vhost.publish_own(&exchange, &copy.published_at(wakes.now_ms()), wakes);
    }
}

/// What comes from the trace exchange is not traced again, nor if it has died since: that would go
/// on for ever.
fn is_trace(message: &Message, properties: &Properties<'_>) -> bool {
    let first = properties.headers.and_then(|headers| headers.get(FIRST_DEATH_EXCHANGE));
    let trace = TRACE_EXCHANGE.as_bytes();
    message.exchange() == trace || matches!(first, Some(Value::LongString(first)) if first == trace)
}

/// All keys of a message, in the order in which its publisher has named them.
fn keys<'a>(message: &'a Message, properties: &Properties<'a>) -> Vec<&'a [u8]> {
    let mut keys = vec![message.routing_key()];
    if message.traits().has(Traits::KEY_ONLY) {
        return keys;
    }
    for name in [CC, BCC] {
        if let Some(Value::Array(more)) = properties.headers.and_then(|headers| headers.get(name)) {
            keys.extend(more.iter().filter_map(|key| match key {
                Value::LongString(key) => Some(key),
                _ => None,
            }));
        }
    }
    keys
}

/// The properties as a table, without headers that would not fit: too large, or as deep as a table
/// may be already.
fn shown_properties(properties: &Properties<'_>) -> Table {
    let all = described(properties);
    let nested = TableBuilder::new().table("properties", &all).build();
    let mut copy = Properties::default();
    copy.headers = Some(nested.view());
    if all.view().as_bytes().len() <= SHOWN_MAX_BYTES && Properties::check(&copy.encoded()).is_ok()
    {
        return all;
    }
    let mut without = *properties;
    without.headers = None;
    described(&without)
}

fn described(properties: &Properties<'_>) -> Table {
    let texts = [
        ("content_type", properties.content_type),
        ("content_encoding", properties.content_encoding),
        ("correlation_id", properties.correlation_id),
        ("reply_to", properties.reply_to),
        ("expiration", properties.expiration),
        ("message_id", properties.message_id),
        ("type", properties.kind),
        ("user_id", properties.user_id),
        ("app_id", properties.app_id),
    ];
    let numbers = [
        ("delivery_mode", properties.delivery_mode.map(i64::from)),
        ("priority", properties.priority.map(i64::from)),
        ("timestamp", properties.timestamp.map(u64::cast_signed)),
    ];
    let mut built = TableBuilder::new();
    for (name, text) in texts {
        if let Some(text) = text {
            built = built.value(name, &Value::LongString(text));
        }
    }
    for (name, number) in numbers {
        built = match number.map(|number| (number, i32::try_from(number))) {
            Some((_, Ok(number))) => built.int(name, number),
            Some((number, Err(_))) => built.long(name, number),
            None => built,
        };
    }
    match properties.headers {
        Some(headers) => built.value("headers", &Value::Table(headers)),
        None => built,
    }
    .build()
}
