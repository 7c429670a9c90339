//! What a client says, under short names. Flags are words behind the method, as in
//! `queue_declare("jobs").durable()`.

use amq_protocol::{
    protocol::{
        AMQPClass, BasicProperties, access, basic, channel, confirm, connection, exchange, queue,
        tx,
    },
    types::FieldTable,
};

/// What a peer can be told to send: a method, with content if it is a publish.
pub enum Outgoing {
    Method(AMQPClass),
    Content(basic::Publish, Box<BasicProperties>, Vec<u8>),
}

impl From<AMQPClass> for Outgoing {
    fn from(method: AMQPClass) -> Self {
        Self::Method(method)
    }
}

#[derive(Clone, Copy, PartialEq)]
pub enum Requeue {
    Yes,
    No,
}

// queue

pub struct QueueDeclare(pub queue::Declare);

pub fn queue_declare(name: &str) -> QueueDeclare {
    QueueDeclare(queue::Declare {
        queue: name.into(),
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: FieldTable::default(),
    })
}

impl QueueDeclare {
    pub fn passive(mut self) -> Self {
        self.0.passive = true;
        self
    }
    pub fn durable(mut self) -> Self {
        self.0.durable = true;
        self
    }
    pub fn exclusive(mut self) -> Self {
        self.0.exclusive = true;
        self
    }
    pub fn auto_delete(mut self) -> Self {
        self.0.auto_delete = true;
        self
    }
    pub fn nowait(mut self) -> Self {
        self.0.nowait = true;
        self
    }
    pub fn args(mut self, arguments: FieldTable) -> Self {
        self.0.arguments = arguments;
        self
    }
}

impl From<QueueDeclare> for Outgoing {
    fn from(m: QueueDeclare) -> Self {
        Self::Method(AMQPClass::Queue(queue::AMQPMethod::Declare(m.0)))
    }
}

pub struct QueueDelete(queue::Delete);

pub fn queue_delete(name: &str) -> QueueDelete {
    QueueDelete(queue::Delete {
        queue: name.into(),
        if_unused: false,
        if_empty: false,
        nowait: false,
    })
}

impl QueueDelete {
    pub fn if_unused(mut self) -> Self {
        self.0.if_unused = true;
        self
    }
    pub fn if_empty(mut self) -> Self {
        self.0.if_empty = true;
        self
    }
    pub fn nowait(mut self) -> Self {
        self.0.nowait = true;
        self
    }
}

impl From<QueueDelete> for Outgoing {
    fn from(m: QueueDelete) -> Self {
        Self::Method(AMQPClass::Queue(queue::AMQPMethod::Delete(m.0)))
    }
}

pub fn queue_bind(queue: &str, exchange: &str, key: &str) -> AMQPClass {
    queue_bind_args(queue, exchange, key, FieldTable::default())
}

pub fn queue_bind_args(queue: &str, exchange: &str, key: &str, arguments: FieldTable) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Bind(queue::Bind {
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        nowait: false,
        arguments,
    }))
}

pub fn queue_bind_nowait(queue: &str, exchange: &str, key: &str) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Bind(queue::Bind {
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        nowait: true,
        arguments: FieldTable::default(),
    }))
}

pub fn queue_unbind(queue: &str, exchange: &str, key: &str) -> AMQPClass {
    queue_unbind_args(queue, exchange, key, FieldTable::default())
}

pub fn queue_unbind_args(
    queue: &str,
    exchange: &str,
    key: &str,
    arguments: FieldTable,
) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Unbind(queue::Unbind {
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        arguments,
    }))
}

pub fn queue_purge(queue: &str) -> AMQPClass {
    purge(queue, false)
}

pub fn queue_purge_nowait(queue: &str) -> AMQPClass {
    purge(queue, true)
}

fn purge(queue: &str, nowait: bool) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Purge(queue::Purge { queue: queue.into(), nowait }))
}

// exchange

pub struct ExchangeDeclare(pub exchange::Declare);

pub fn exchange_declare(name: &str, kind: &str) -> ExchangeDeclare {
    ExchangeDeclare(exchange::Declare {
        exchange: name.into(),
        kind: kind.into(),
        passive: false,
        durable: false,
        auto_delete: false,
        internal: false,
        nowait: false,
        arguments: FieldTable::default(),
    })
}

impl ExchangeDeclare {
    pub fn passive(mut self) -> Self {
        self.0.passive = true;
        self
    }
    pub fn durable(mut self) -> Self {
        self.0.durable = true;
        self
    }
    pub fn auto_delete(mut self) -> Self {
        self.0.auto_delete = true;
        self
    }
    pub fn internal(mut self) -> Self {
        self.0.internal = true;
        self
    }
    pub fn nowait(mut self) -> Self {
        self.0.nowait = true;
        self
    }
    pub fn args(mut self, arguments: FieldTable) -> Self {
        self.0.arguments = arguments;
        self
    }
}

impl From<ExchangeDeclare> for Outgoing {
    fn from(m: ExchangeDeclare) -> Self {
        Self::Method(AMQPClass::Exchange(exchange::AMQPMethod::Declare(m.0)))
    }
}

pub struct ExchangeDelete(exchange::Delete);

pub fn exchange_delete(name: &str) -> ExchangeDelete {
    ExchangeDelete(exchange::Delete { exchange: name.into(), if_unused: false, nowait: false })
}

impl ExchangeDelete {
    pub fn if_unused(mut self) -> Self {
        self.0.if_unused = true;
        self
    }
    pub fn nowait(mut self) -> Self {
        self.0.nowait = true;
        self
    }
}

impl From<ExchangeDelete> for Outgoing {
    fn from(m: ExchangeDelete) -> Self {
        Self::Method(AMQPClass::Exchange(exchange::AMQPMethod::Delete(m.0)))
    }
}

/// Binds so that what reaches `source` goes on to `destination`.
pub fn exchange_bind(destination: &str, source: &str, key: &str) -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::Bind(exchange::Bind {
        destination: destination.into(),
        source: source.into(),
        routing_key: key.into(),
        nowait: false,
        arguments: FieldTable::default(),
    }))
}

pub fn exchange_bind_nowait(destination: &str, source: &str, key: &str) -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::Bind(exchange::Bind {
        destination: destination.into(),
        source: source.into(),
        routing_key: key.into(),
        nowait: true,
        arguments: FieldTable::default(),
    }))
}

pub fn exchange_unbind(destination: &str, source: &str, key: &str) -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::Unbind(exchange::Unbind {
        destination: destination.into(),
        source: source.into(),
        routing_key: key.into(),
        nowait: false,
        arguments: FieldTable::default(),
    }))
}

// basic

pub struct Publish {
    method: basic::Publish,
    properties: BasicProperties,
    body: Vec<u8>,
}

pub fn publish(exchange: &str, key: &str, body: &[u8]) -> Publish {
    let method = basic::Publish {
        exchange: exchange.into(),
        routing_key: key.into(),
        mandatory: false,
        immediate: false,
    };
    Publish { method, properties: BasicProperties::default(), body: body.to_vec() }
}

impl Publish {
    pub fn mandatory(mut self) -> Self {
        self.method.mandatory = true;
        self
    }
    pub fn immediate(mut self) -> Self {
        self.method.immediate = true;
        self
    }
    pub fn with(mut self, properties: BasicProperties) -> Self {
        self.properties = properties;
        self
    }
    pub fn persistent(mut self) -> Self {
        self.properties = self.properties.with_delivery_mode(2);
        self
    }
    /// The method without its content.
    pub fn method(self) -> AMQPClass {
        AMQPClass::Basic(basic::AMQPMethod::Publish(self.method))
    }
}

impl From<Publish> for Outgoing {
    fn from(m: Publish) -> Self {
        Self::Content(m.method, Box::new(m.properties), m.body)
    }
}

pub struct Consume(basic::Consume);

pub fn consume(queue: &str, tag: &str) -> Consume {
    Consume(basic::Consume {
        queue: queue.into(),
        consumer_tag: tag.into(),
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    })
}

impl Consume {
    pub fn no_ack(mut self) -> Self {
        self.0.no_ack = true;
        self
    }
    pub fn no_local(mut self) -> Self {
        self.0.no_local = true;
        self
    }
    pub fn exclusive(mut self) -> Self {
        self.0.exclusive = true;
        self
    }
    pub fn nowait(mut self) -> Self {
        self.0.nowait = true;
        self
    }
    pub fn args(mut self, arguments: FieldTable) -> Self {
        self.0.arguments = arguments;
        self
    }
}

impl From<Consume> for Outgoing {
    fn from(m: Consume) -> Self {
        Self::Method(AMQPClass::Basic(basic::AMQPMethod::Consume(m.0)))
    }
}

fn of_basic(method: basic::AMQPMethod) -> AMQPClass {
    AMQPClass::Basic(method)
}

pub fn cancel(tag: &str) -> AMQPClass {
    of_basic(basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag: tag.into(), nowait: false }))
}

/// From a client that wants no answer, and from the broker, which never wants one.
pub fn cancel_nowait(tag: &str) -> AMQPClass {
    of_basic(basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag: tag.into(), nowait: true }))
}

pub fn get(queue: &str) -> AMQPClass {
    of_basic(basic::AMQPMethod::Get(basic::Get { queue: queue.into(), no_ack: false }))
}

pub fn get_no_ack(queue: &str) -> AMQPClass {
    of_basic(basic::AMQPMethod::Get(basic::Get { queue: queue.into(), no_ack: true }))
}

/// Also what the broker says to confirm one publish.
pub fn ack(delivery_tag: u64) -> AMQPClass {
    of_basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple: false }))
}

/// With the multiple bit: this tag and all before it; 0 means all.
pub fn ack_up_to(delivery_tag: u64) -> AMQPClass {
    of_basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple: true }))
}

pub fn nack(delivery_tag: u64, requeue: Requeue) -> AMQPClass {
    let requeue = requeue == Requeue::Yes;
    of_basic(basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple: false, requeue }))
}

pub fn nack_up_to(delivery_tag: u64, requeue: Requeue) -> AMQPClass {
    let requeue = requeue == Requeue::Yes;
    of_basic(basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple: true, requeue }))
}

pub fn reject(delivery_tag: u64, requeue: Requeue) -> AMQPClass {
    let requeue = requeue == Requeue::Yes;
    of_basic(basic::AMQPMethod::Reject(basic::Reject { delivery_tag, requeue }))
}

pub fn recover(requeue: Requeue) -> AMQPClass {
    of_basic(basic::AMQPMethod::Recover(basic::Recover { requeue: requeue == Requeue::Yes }))
}

pub fn recover_async(requeue: Requeue) -> AMQPClass {
    let requeue = requeue == Requeue::Yes;
    of_basic(basic::AMQPMethod::RecoverAsync(basic::RecoverAsync { requeue }))
}

/// A prefetch limit for the consumers that come later.
pub fn qos(prefetch_count: u16) -> AMQPClass {
    of_basic(basic::AMQPMethod::Qos(basic::Qos { prefetch_count, global: false }))
}

/// A prefetch limit for the channel.
pub fn qos_global(prefetch_count: u16) -> AMQPClass {
    of_basic(basic::AMQPMethod::Qos(basic::Qos { prefetch_count, global: true }))
}

// confirm, tx, channel, connection, access

pub fn confirm_select() -> AMQPClass {
    AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false }))
}

pub fn confirm_select_nowait() -> AMQPClass {
    AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: true }))
}

pub fn tx_select() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {}))
}

pub fn tx_commit() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::Commit(tx::Commit {}))
}

pub fn tx_rollback() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::Rollback(tx::Rollback {}))
}

pub fn channel_open() -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))
}

pub fn channel_flow(active: bool) -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active }))
}

pub fn channel_close() -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::Close(channel::Close {
        reply_code: 200,
        reply_text: "bye".into(),
        class_id: 0,
        method_id: 0,
    }))
}

pub fn connection_open(vhost: &str) -> AMQPClass {
    let virtual_host = vhost.into();
    AMQPClass::Connection(connection::AMQPMethod::Open(connection::Open { virtual_host }))
}

pub fn connection_close() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::Close(connection::Close {
        reply_code: 200,
        reply_text: "bye".into(),
        class_id: 0,
        method_id: 0,
    }))
}

pub fn access_request() -> AMQPClass {
    AMQPClass::Access(access::AMQPMethod::Request(access::Request {
        realm: "/data".into(),
        exclusive: false,
        passive: true,
        active: true,
        write: true,
        read: true,
    }))
}
