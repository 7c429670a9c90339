//! Queues of special kinds: how they are declared and filled, and what is read off the messages
//! that come out of them.

use std::time::Instant;

use amq_protocol::protocol::{AMQPClass, BasicProperties, basic::AMQPMethod, queue};
use amq_protocol::types::AMQPValue;

use super::expected::Item;
use super::methods::{
    Outgoing, Publish, QueueDeclare, cancel, confirm_select, consume, publish, queue_declare,
};
use super::peer::{Peer, WAIT_MAX};
use super::replies::{cancel_ok, confirm_select_ok, consume_ok, queue_declare_ok};
use super::{broker::unique, int, table, text};

/// What the tests do not use themselves.
const STORE_CHANNEL: u16 = 1999;
const CLOCK_CHANNEL: u16 = 1998;

/// A signed 64-bit field value.
pub fn long(value: i64) -> AMQPValue {
    AMQPValue::LongLongInt(value)
}

pub fn yes() -> AMQPValue {
    AMQPValue::Boolean(true)
}

/// A durable queue of type quorum.
pub fn quorum(name: &str, arguments: &[(&str, AMQPValue)]) -> QueueDeclare {
    let mut all = vec![("x-queue-type", text("quorum"))];
    all.extend_from_slice(arguments);
    queue_declare(name).durable().args(table(&all))
}

/// A transient queue of type classic.
pub fn classic(name: &str, arguments: &[(&str, AMQPValue)]) -> QueueDeclare {
    queue_declare(name).args(table(arguments))
}

/// A publish to a queue, with a priority.
pub fn prioritised(queue: &str, priority: u8, body: &[u8]) -> Publish {
    publish("", queue, body).with(BasicProperties::default().with_priority(priority))
}

/// A publish to a queue that survives.
pub fn persistent(queue: &str, body: &[u8]) -> Publish {
    publish("", queue, body).persistent()
}

/// A message as it came, of `basic.deliver` or `basic.get-ok`.
pub struct Came {
    pub method: AMQPMethod,
    pub properties: BasicProperties,
    pub body: Vec<u8>,
}

impl Came {
    pub fn delivery_tag(&self) -> u64 {
        match &self.method {
            AMQPMethod::Deliver(m) => m.delivery_tag,
            AMQPMethod::GetOk(m) => m.delivery_tag,
            other => panic!("{other:?} has no delivery tag"),
        }
    }

    pub fn redelivered(&self) -> bool {
        match &self.method {
            AMQPMethod::Deliver(m) => m.redelivered,
            AMQPMethod::GetOk(m) => m.redelivered,
            other => panic!("{other:?} is not delivered"),
        }
    }

    pub fn consumer_tag(&self) -> &str {
        match &self.method {
            AMQPMethod::Deliver(m) => m.consumer_tag.as_str(),
            other => panic!("{other:?} is for no consumer"),
        }
    }

    pub fn header(&self, key: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref().and_then(|headers| headers.inner().get(key))
    }

    /// How often it was handed out in vain.
    pub fn failed(&self) -> Option<i64> {
        self.count("x-delivery-count")
    }

    /// How often it was handed out before.
    pub fn acquired(&self) -> Option<i64> {
        self.count("x-acquired-count")
    }

    fn count(&self, key: &str) -> Option<i64> {
        match self.header(key) {
            None => None,
            Some(AMQPValue::LongLongInt(count)) => Some(*count),
            Some(other) => panic!("{key} is {other:?}, which is not a long"),
        }
    }
}

impl Peer {
    /// The next thing on this channel is a message.
    pub async fn next_message(&mut self, channel: u16) -> Came {
        match self.next(channel, "a message").await {
            Item::Content { method, properties, body } => {
                Came { method, properties: *properties, body }
            }
            other => self.fail("a message", &other.to_string()),
        }
    }

    /// What a question on channel 1 is answered with is a message.
    pub async fn ask_message(&mut self, what: impl Into<Outgoing>) -> Came {
        self.send(what).await;
        self.next_message(1).await
    }

    /// Declares a queue that does not exist yet.
    pub async fn declare_as(&mut self, declare: QueueDeclare) {
        let name = declare.0.queue.to_string();
        self.ask(declare, queue_declare_ok(&name, 0, 0)).await;
    }

    /// Publishes on a channel of its own and waits until all of it is confirmed.
    pub async fn store(&mut self, publishes: impl IntoIterator<Item = Publish>) {
        self.open_channel(STORE_CHANNEL).await;
        self.send_on(STORE_CHANNEL, confirm_select()).await;
        self.expect_on(STORE_CHANNEL, confirm_select_ok()).await;
        let mut open = std::collections::BTreeSet::new();
        for (tag, publish) in (1_u64..).zip(publishes) {
            self.send_on(STORE_CHANNEL, publish).await;
            open.insert(tag);
        }
        while !open.is_empty() {
            match self.next_method_on(STORE_CHANNEL, "a confirm").await {
                AMQPClass::Basic(AMQPMethod::Ack(m)) if m.multiple => {
                    open.retain(|tag| *tag > m.delivery_tag);
                }
                AMQPClass::Basic(AMQPMethod::Ack(m)) => drop(open.remove(&m.delivery_tag)),
                other => self.fail("a confirm", &format!("{other:?}")),
            }
        }
        self.close_channel(STORE_CHANNEL).await;
    }

    /// Asks for the counts of a queue until they are these: for what another connection causes.
    pub async fn until_counts(&mut self, queue: &str, ready: u32, consumers: u32) {
        let expected = queue_declare_ok(queue, ready, consumers);
        let until = Instant::now() + WAIT_MAX;
        loop {
            self.send(queue_declare(queue).passive()).await;
            let came = self.next_method_on(1, "queue.declare-ok").await;
            if came == expected {
                return;
            }
            let counts = matches!(came, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(_)));
            if !counts || Instant::now() >= until {
                self.fail(&format!("{expected:?}"), &format!("{came:?}"));
            }
        }
    }

    /// Waits until a message that expires after so many milliseconds has done so: then those that
    /// were to expire earlier have had the same chance.
    pub async fn let_expire(&mut self, ms: u32) {
        let (source, target) = (&unique("clock"), &unique("clock-expired"));
        self.open_channel(CLOCK_CHANNEL).await;
        let to_target =
            [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(target))];
        for declare in [queue_declare(target), classic(source, &to_target)] {
            let name = declare.0.queue.to_string();
            self.send_on(CLOCK_CHANNEL, declare).await;
            self.expect_on(CLOCK_CHANNEL, queue_declare_ok(&name, 0, 0)).await;
        }
        self.send_on(CLOCK_CHANNEL, consume(target, "clock").no_ack()).await;
        self.expect_on(CLOCK_CHANNEL, consume_ok("clock")).await;
        let expiring = BasicProperties::default().with_expiration(ms.to_string().into());
        self.send_on(CLOCK_CHANNEL, publish("", source, b"tick").with(expiring)).await;
        self.next_message(CLOCK_CHANNEL).await;
        self.send_on(CLOCK_CHANNEL, cancel("clock")).await;
        self.expect_on(CLOCK_CHANNEL, cancel_ok("clock")).await;
        self.close_channel(CLOCK_CHANNEL).await;
    }
}

/// The argument that makes a classic queue one with these levels.
pub fn levels(max: i32) -> Vec<(&'static str, AMQPValue)> {
    vec![("x-max-priority", int(max))]
}
