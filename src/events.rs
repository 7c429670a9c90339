//! What has happened, for whoever has bound a queue to the exchange of events.
//!
//! Events are noted where things happen, under whatever locks, and published later by one task, in
//! the order in which they were noted. While nothing is bound to that exchange an event costs one
//! look at a flag. Knows nothing of who publishes them, nor of what happens.

use std::collections::VecDeque;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::amqp::frame::erlang_binary;
use crate::amqp::properties::Properties;
use crate::amqp::table::{Table, TableBuilder, TableView, Value};
use crate::clock;

/// Where events go. It is in the first virtual host alone.
pub const EVENT_EXCHANGE: &str = "amq.rabbitmq.event";

/// What has not been published yet may take this much memory. What comes then is lost, and
/// counted: whoever does things fast must not wait for those who watch.
const PENDING_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Arguments and what clients say of themselves are shown up to this: a header has to fit into one
/// frame of whoever gets it.
const SHOWN_MAX_BYTES: usize = 32 * 1024;
/// What an event costs in memory beside its headers, roughly.
const OVERHEAD_BYTES: usize = 128;
/// `delivery-mode` of a persistent message.
const PERSISTENT: u8 = 2;
/// Who does what nobody has asked for.
const NOBODY: &str = "rmq-internal";
const WHO: &str = "user_who_performed_action";

tokio::task_local! {
    /// On whose behalf this thread or task does something.
    static ACTING: Arc<str>;
}

/// Does something on behalf of a user: events that come of it say so.
pub fn acting<T>(user: &Arc<str>, work: impl FnOnce() -> T) -> T {
    ACTING.sync_scope(user.clone(), work)
}

/// The same for what takes its time.
pub async fn acting_later<T>(user: Arc<str>, work: impl Future<Output = T>) -> T {
    ACTING.scope(user, work).await
}

/// Something that has happened.
#[derive(Debug)]
pub struct Event {
    key: &'static str,
    at_ms: u64,
    headers: Table,
}

/// Events on their way.
#[derive(Debug, Default)]
pub struct Events {
    wanted: Arc<AtomicBool>,
    /// What the node is called.
    node: String,
    pending: Mutex<Pending>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    events: VecDeque<Event>,
    bytes: usize,
    lost: u64,
}

impl Events {
    /// Of a node of that name.
    pub fn new(node: String) -> Self {
        Self { node, ..Self::default() }
    }

    /// What the node is called.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// What stands for a connection, or for one of its channels, in events about both.
    pub fn pid(&self, connection: u64, channel: u16) -> String {
        format!("<{}.{connection}.{channel}>", self.node)
    }

    /// Set while anything is bound to the exchange of events.
    pub fn wanted(&self) -> Arc<AtomicBool> {
        self.wanted.clone()
    }

    /// Notes that something has happened; `about` adds what is to be told of it. Can be called
    /// under any lock.
    #[inline]
    pub fn note(&self, key: &'static str, about: impl FnOnce(TableBuilder) -> TableBuilder) {
        if self.wanted.load(Ordering::Relaxed) {
            self.push(key, |headers| about(by_whom(headers)));
        }
    }

    /// The same for what is nobody's doing.
    #[inline]
    pub fn note_plain(&self, key: &'static str, about: impl FnOnce(TableBuilder) -> TableBuilder) {
        if self.wanted.load(Ordering::Relaxed) {
            self.push(key, about);
        }
    }

    #[cold]
    fn push(&self, key: &'static str, about: impl FnOnce(TableBuilder) -> TableBuilder) {
        let at_ms = clock::now_ms();
        let headers = about(TableBuilder::new());
        let headers = headers.long("timestamp_in_ms", at_ms.cast_signed()).build();
        let event = Event { key, at_ms, headers };
        let bytes = event.memory_bytes();
        let mut pending = self.pending.lock();
        if pending.bytes + bytes > PENDING_MAX_BYTES {
            pending.lost += 1;
        } else {
            pending.bytes += bytes;
            pending.events.push_back(event);
        }
        drop(pending);
        self.wake.notify_one();
    }

    /// Takes the first ones, in order; so many at the most.
    pub fn take(&self, max: usize) -> Vec<Event> {
        let mut pending = self.pending.lock();
        let lost = mem::take(&mut pending.lost);
        let count = pending.events.len().min(max);
        let events: Vec<_> = pending.events.drain(..count).collect();
        pending.bytes -= events.iter().map(Event::memory_bytes).sum::<usize>();
        if pending.events.is_empty() {
            // A burst is over.
            pending.events = VecDeque::new();
        }
        drop(pending);
        if lost > 0 {
            tracing::warn!(lost, "more events at once than memory is kept for");
        }
        events
    }

    /// Waits until there may be something to take.
    pub async fn ready(&self) {
        self.wake.notified().await;
    }
}

impl Event {
    /// Its routing key.
    pub fn key(&self) -> &'static str {
        self.key
    }

    fn memory_bytes(&self) -> usize {
        self.headers.view().as_bytes().len() + OVERHEAD_BYTES
    }

    /// The properties of the message that tells of it, encoded.
    pub fn properties(&self) -> Vec<u8> {
        let mut properties = Properties::default();
        properties.headers = Some(self.headers.view());
        properties.delivery_mode = Some(PERSISTENT);
        properties.timestamp = Some(self.at_ms / 1000);
        properties.encoded()
    }
}

fn by_whom(headers: TableBuilder) -> TableBuilder {
    let who = ACTING.try_with(Arc::clone);
    headers.long_string(WHO, who.as_deref().unwrap_or(NOBODY))
}

/// Adds a table the way events show it: a list of texts, each an Erlang term.
pub fn with_terms(headers: TableBuilder, name: &str, table: TableView<'_>) -> TableBuilder {
    let mut shown_bytes = 0;
    let terms = table.iter().map_while(|(name, value)| {
        // What would be cut anyway is not formatted.
        let bytes = shown_bytes + name.len();
        let fits = bytes + raw_bytes(&value) <= SHOWN_MAX_BYTES;
        let term = fits.then(|| entry_term(name, &value))?;
        shown_bytes += term.len();
        (shown_bytes <= SHOWN_MAX_BYTES).then_some(term)
    });
    headers.array_of_long_strings(name, terms)
}

fn raw_bytes(value: &Value<'_>) -> usize {
    match value {
        Value::LongString(octets) | Value::Bytes(octets) => octets.len(),
        Value::Array(array) => array.as_bytes().len(),
        Value::Table(table) => table.as_bytes().len(),
        _ => size_of::<u64>(),
    }
}

fn entry_term(name: &[u8], value: &Value<'_>) -> String {
    format!("{{{},{},{}}}", erlang_binary(name), value.type_name(), term(value))
}

fn term(value: &Value<'_>) -> String {
    let list = |terms: Vec<String>| format!("[{}]", terms.join(","));
    if let Some(number) = value.as_int() {
        return number.to_string();
    }
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::F32(number) => format!("{number:?}"),
        Value::F64(number) => format!("{number:?}"),
        Value::Decimal { scale, value } => format!("{{{scale},{value}}}"),
        Value::Timestamp(seconds) => seconds.to_string(),
        Value::LongString(octets) | Value::Bytes(octets) => erlang_binary(octets),
        Value::Array(array) => {
            let typed = |value: Value<'_>| format!("{{{},{}}}", value.type_name(), term(&value));
            list(array.iter().map(typed).collect())
        }
        Value::Table(table) => {
            list(table.iter().map(|(name, value)| entry_term(name, &value)).collect())
        }
        _ => "undefined".to_owned(),
    }
}

/// An address as events show it: a tuple of its numbers.
pub fn address_term(address: IpAddr) -> String {
    let numbers: Vec<String> = match address {
        IpAddr::V4(address) => address.octets().iter().map(u8::to_string).collect(),
        IpAddr::V6(address) => address.segments().iter().map(u16::to_string).collect(),
    };
    format!("{{{}}}", numbers.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Events {
        let events = Events::default();
        events.wanted().store(true, Ordering::Relaxed);
        events
    }

    #[test]
    fn nothing_is_noted_for_nobody() {
        let events = Events::default();
        events.note("queue.created", |_| unreachable!("nobody wants to know"));
        assert!(events.take(1).is_empty());
    }

    #[test]
    fn events_say_who_and_when_and_come_in_order() {
        let events = wanted();
        acting(&"ann".into(), || events.note("a", |it| it.long_string("name", "x")));
        events.note("b", |it| it);
        events.note_plain("c", |it| it);
        let taken = events.take(10);
        assert_eq!(taken.iter().map(Event::key).collect::<Vec<_>>(), ["a", "b", "c"]);
        let who = |event: &Event| match event.headers.view().get(WHO) {
            Some(Value::LongString(who)) => String::from_utf8_lossy(who).into_owned(),
            _ => String::new(),
        };
        assert_eq!(taken.iter().map(who).collect::<Vec<_>>(), ["ann", "rmq-internal", ""]);
        let properties = taken.first().expect("an event").properties();
        let properties = Properties::check(&properties).expect("encoded well");
        assert_eq!(properties.delivery_mode, Some(2));
        let ms = properties.headers.and_then(|it| it.get("timestamp_in_ms")?.as_int());
        assert_eq!(ms.map(|ms| ms.cast_unsigned() / 1000), properties.timestamp);
    }

    #[test]
    fn what_waits_has_a_limit() {
        let events = wanted();
        let large = "x".repeat(1024 * 1024);
        for _ in 0..20 {
            events.note("a", |it| it.long_string("large", &large));
        }
        assert_eq!(events.pending.lock().lost, 5);
        assert_eq!(events.take(100).len(), 15);
        events.note("a", |it| it.long_string("large", &large));
        assert_eq!(events.take(100).len(), 1);
    }

    #[test]
    fn tables_are_shown_as_terms() {
        let inner = TableBuilder::new().bool("t", true).build();
        let table = TableBuilder::new()
            .int("x-max-length", 3)
            .long_string("e", "foo")
            .table("i", &inner)
            .array_of_long_strings("l", ["a"])
            .long_string("huge", &"x".repeat(SHOWN_MAX_BYTES))
            .build();
        let shown = with_terms(TableBuilder::new(), "arguments", table.view()).build();
        let Some(Value::Array(shown)) = shown.view().get("arguments") else { panic!("no array") };
        let terms = shown.iter().map(|it| match it {
            Value::LongString(term) => String::from_utf8_lossy(term).into_owned(),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            terms.collect::<Vec<_>>(),
            [
                "{<<\"x-max-length\">>,signedint,3}",
                "{<<\"e\">>,longstr,<<\"foo\">>}",
                "{<<\"i\">>,table,[{<<\"t\">>,bool,true}]}",
                "{<<\"l\">>,array,[{longstr,<<\"a\">>}]}",
            ]
        );
    }

    #[test]
    fn addresses_are_tuples() {
        assert_eq!(address_term(IpAddr::from([127, 0, 0, 1])), "{127,0,0,1}");
        let mapped = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]);
        assert_eq!(address_term(mapped), "{0,0,0,0,0,65535,32512,1}");
    }
}
