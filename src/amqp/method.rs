//! Methods: payload octets to values.
//!
//! The hot ones (`basic.publish`, `ack`, `nack`, `reject`) are read by hand and borrow from the
//! payload. The others go through `amq_protocol`, which sees no field table: its parser recurses
//! as deep as the peer likes and multiplies the size of what it reads. Tables are cut out first,
//! checked by [`TableView`], and stay octets.

use amq_protocol::protocol::{self, AMQPClass, basic, channel, connection, exchange, queue};
use nom::bytes::complete::take;
use nom::combinator::{all_consuming, recognize};
use nom::multi::{count, length_data};
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};

use super::table::{Table, TableView};
use crate::error::MethodId;

pub use amq_protocol::protocol::{
    basic::{Cancel as BasicCancel, Consume as BasicConsume, Get as BasicGet},
    channel::Close as ChannelClose,
    connection::{
        Close as ConnectionClose, Open as ConnectionOpen, SecureOk as ConnectionSecureOk,
        StartOk as ConnectionStartOk, TuneOk as ConnectionTuneOk,
        UpdateSecret as ConnectionUpdateSecret,
    },
    exchange::{
        Bind as ExchangeBind, Declare as ExchangeDeclare, Delete as ExchangeDelete,
        Unbind as ExchangeUnbind,
    },
    queue::{
        Bind as QueueBind, Declare as QueueDeclare, Delete as QueueDelete, Purge as QueuePurge,
        Unbind as QueueUnbind,
    },
};

/// What a client may send, in the order of the specification.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Method<'a> {
    ConnectionStartOk(ConnectionStartOk, Table),
    ConnectionSecureOk(ConnectionSecureOk),
    ConnectionTuneOk(ConnectionTuneOk),
    ConnectionOpen(ConnectionOpen),
    ConnectionClose(ConnectionClose),
    ConnectionCloseOk,
    ConnectionUpdateSecret(ConnectionUpdateSecret),
    ChannelOpen,
    ChannelFlow {
        active: bool,
    },
    ChannelFlowOk,
    ChannelClose(ChannelClose),
    ChannelCloseOk,
    AccessRequest,
    ExchangeDeclare(ExchangeDeclare, Table),
    ExchangeDelete(ExchangeDelete),
    ExchangeBind(ExchangeBind, Table),
    ExchangeUnbind(ExchangeUnbind, Table),
    QueueDeclare(QueueDeclare, Table),
    QueueBind(QueueBind, Table),
    QueuePurge(QueuePurge),
    QueueDelete(QueueDelete),
    QueueUnbind(QueueUnbind, Table),
    BasicQos(Qos),
    BasicConsume(BasicConsume, Table),
    BasicCancel(BasicCancel),
    BasicCancelOk {
        consumer_tag: String,
    },
    BasicPublish(Publish<'a>),
    BasicGet(BasicGet),
    BasicAck(Ack),
    BasicReject {
        delivery_tag: u64,
        requeue: bool,
    },
    BasicRecover {
        requeue: bool,
        wants_reply: bool,
    },
    BasicNack {
        ack: Ack,
        requeue: bool,
    },
    TxSelect,
    TxCommit,
    TxRollback,
    ConfirmSelect {
        no_wait: bool,
    },
    /// A method that exists, and that only a server ever sends.
    ServerOnly,
}

/// `basic.publish` (60, 40).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publish<'a> {
    /// Exchange and routing key as two short strings, the way `basic.deliver` carries them.
    pub address: &'a [u8],
    /// The exchange's name; empty for the default exchange.
    pub exchange: &'a [u8],
    /// The routing key.
    pub routing_key: &'a [u8],
    /// Return the message if it reaches no queue.
    pub mandatory: bool,
    /// Not supported, as in RabbitMQ.
    pub immediate: bool,
}

/// The tag of `basic.ack` (60, 80) and `basic.nack` (60, 120).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack {
    /// The delivery, or the last one of many.
    pub delivery_tag: u64,
    /// This one and all before it.
    pub multiple: bool,
}

/// `basic.qos` (60, 10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Qos {
    /// A limit in octets. Not supported, as in RabbitMQ.
    pub prefetch_size: u32,
    /// A limit in messages; 0 for none.
    pub prefetch_count: u16,
    /// For the whole channel instead of each later consumer.
    pub global: bool,
}

/// Why a method frame's payload is no method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// No such class or method.
    Unknown(MethodId),
    /// The arguments do not fit the method.
    Malformed(MethodId),
}

/// `basic.publish`'s numbers.
pub const BASIC_PUBLISH: MethodId = MethodId::new(60, 40);
const BASIC_QOS: MethodId = MethodId::new(60, 10);
const BASIC_ACK: MethodId = MethodId::new(60, 80);
const BASIC_REJECT: MethodId = MethodId::new(60, 90);
const BASIC_NACK: MethodId = MethodId::new(60, 120);

/// The numbers that every method frame's payload starts with.
#[inline]
pub fn method_id(payload: &[u8]) -> MethodId {
    match payload.first_chunk() {
        Some(&[c0, c1, m0, m1]) => {
            MethodId::new(u16::from_be_bytes([c0, c1]), u16::from_be_bytes([m0, m1]))
        }
        None => MethodId::NONE,
    }
}

impl<'a> Method<'a> {
    /// Reads the payload of a method frame.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let id = method_id(payload);
        let arguments = payload.get(4..).unwrap_or_default();
        let hot = match id {
            BASIC_PUBLISH => Publish::decode(arguments).map(Self::BasicPublish),
            BASIC_ACK => Ack::decode(arguments).map(|(ack, _)| Self::BasicAck(ack)),
            // Read by hand, since amq_protocol drops the prefetch-size.
            BASIC_QOS => Qos::decode(arguments).map(Self::BasicQos),
            BASIC_NACK => Ack::decode(arguments)
                .map(|(ack, bits)| Self::BasicNack { ack, requeue: bits & 2 != 0 }),
            BASIC_REJECT => Ack::decode(arguments).map(|(ack, bits)| Self::BasicReject {
                delivery_tag: ack.delivery_tag,
                requeue: bits & 1 != 0,
            }),
            _ => return decode_cold(id, payload),
        };
        hot.ok_or(DecodeError::Malformed(id))
    }
}

impl<'a> Publish<'a> {
    /// Fields: short reserved, shortstr exchange, shortstr routing-key, bits mandatory, immediate.
    #[inline]
    fn decode(arguments: &'a [u8]) -> Option<Self> {
        let rest = arguments.get(2..)?;
        let (exchange, after) = short_string(rest)?;
        let (routing_key, bits) = short_string(after)?;
        let &[bits] = bits else { return None };
        let address = rest.get(..exchange.len() + routing_key.len() + 2)?;
        let (mandatory, immediate) = (bits & 1 != 0, bits & 2 != 0);
        Some(Self { address, exchange, routing_key, mandatory, immediate })
    }
}

impl Ack {
    /// Fields: longlong delivery-tag, bits multiple, (nack) requeue. The bits come along.
    #[inline]
    fn decode(arguments: &[u8]) -> Option<(Self, u8)> {
        let &[t0, t1, t2, t3, t4, t5, t6, t7, bits] = arguments else { return None };
        let delivery_tag = u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        Some((Self { delivery_tag, multiple: bits & 1 != 0 }, bits))
    }
}

impl Qos {
    /// Fields: long prefetch-size, short prefetch-count, bit global.
    fn decode(arguments: &[u8]) -> Option<Self> {
        let fields: IResult<_, _> = all_consuming((be_u32, be_u16, be_u8)).parse(arguments);
        let (_, (prefetch_size, prefetch_count, bits)) = fields.ok()?;
        Some(Self { prefetch_size, prefetch_count, global: bits & 1 != 0 })
    }
}

/// Takes a short string (0-9-1, 4.2.5.3) off the front.
#[inline]
fn short_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&size, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(size))
}

/// The fields in front of a method's table: fixed ones, short strings, octets of bits.
fn fields_before_table(id: MethodId) -> Option<(usize, usize, usize)> {
    Some(match (id.class, id.method) {
        (10, 10) => (2, 0, 0),                 // connection.start
        (10, 11) => (0, 0, 0),                 // connection.start-ok
        (40, 10) | (60, 20) => (2, 2, 1),      // exchange.declare, basic.consume
        (40, 30 | 40) | (50, 20) => (2, 3, 1), // exchange.bind, unbind, queue.bind
        (50, 10) => (2, 1, 1),                 // queue.declare
        (50, 50) => (2, 3, 0),                 // queue.unbind
        _ => return None,
    })
}

/// Cuts the table out of a method's payload: the payload with an empty one, and the table.
fn cut_table(id: MethodId, payload: &[u8]) -> Result<Option<(Vec<u8>, Table)>, DecodeError> {
    let malformed = DecodeError::Malformed(id);
    let Some((fixed, short_strings, bits)) = fields_before_table(id) else { return Ok(None) };
    let short_strings = count(length_data(be_u8), short_strings);
    let fields: IResult<_, _> =
        recognize((take(4 + fixed), short_strings, take(bits))).parse(payload);
    let (mut rest, before) = fields.map_err(|_| malformed)?;
    let table = TableView::take(&mut rest).map_err(|_| malformed)?.to_table();
    Ok(Some(([before, &0u32.to_be_bytes(), rest].concat(), table)))
}

fn decode_cold(id: MethodId, payload: &[u8]) -> Result<Method<'static>, DecodeError> {
    if !exists(id) {
        return Err(DecodeError::Unknown(id));
    }
    let cut = cut_table(id, payload)?;
    let (payload, table) = match &cut {
        Some((without, table)) => (without.as_slice(), table.clone()),
        None => (payload, Table::default()),
    };
    match protocol::parse_class(payload) {
        Ok(([], class)) => Ok(from_class(class, table)),
        _ => Err(DecodeError::Malformed(id)),
    }
}

/// Whether RabbitMQ's 0-9-1 has that method, whoever sends it.
fn exists(id: MethodId) -> bool {
    match id.class {
        10 => {
            matches!(id.method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 41 | 50 | 51 | 60 | 61 | 70 | 71)
        }
        20 => matches!(id.method, 10 | 11 | 20 | 21 | 40 | 41),
        30 => matches!(id.method, 10 | 11),
        40 => matches!(id.method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 51),
        50 => matches!(id.method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 41 | 50 | 51),
        60 => {
            matches!(id.method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 50 | 60 | 70 | 71 | 72)
                || matches!(id.method, 80 | 90 | 100 | 110 | 111 | 120)
        }
        85 => matches!(id.method, 10 | 11),
        90 => matches!(id.method, 10 | 11 | 20 | 21 | 30 | 31),
        _ => false,
    }
}

fn from_class(class: AMQPClass, table: Table) -> Method<'static> {
    match class {
        AMQPClass::Connection(method) => from_connection(method, table),
        AMQPClass::Channel(method) => from_channel(method),
        AMQPClass::Access(protocol::access::AMQPMethod::Request(_)) => Method::AccessRequest,
        AMQPClass::Exchange(method) => from_exchange(method, table),
        AMQPClass::Queue(method) => from_queue(method, table),
        AMQPClass::Basic(method) => from_basic(method, table),
        AMQPClass::Tx(protocol::tx::AMQPMethod::Select(_)) => Method::TxSelect,
        AMQPClass::Tx(protocol::tx::AMQPMethod::Commit(_)) => Method::TxCommit,
        AMQPClass::Tx(protocol::tx::AMQPMethod::Rollback(_)) => Method::TxRollback,
        AMQPClass::Confirm(protocol::confirm::AMQPMethod::Select(m)) => {
            Method::ConfirmSelect { no_wait: m.nowait }
        }
        _ => Method::ServerOnly,
    }
}

fn from_connection(method: connection::AMQPMethod, table: Table) -> Method<'static> {
    use connection::AMQPMethod as M;
    match method {
        M::StartOk(m) => Method::ConnectionStartOk(m, table),
        M::SecureOk(m) => Method::ConnectionSecureOk(m),
        M::TuneOk(m) => Method::ConnectionTuneOk(m),
        M::Open(m) => Method::ConnectionOpen(m),
        M::Close(m) => Method::ConnectionClose(m),
        M::CloseOk(_) => Method::ConnectionCloseOk,
        M::UpdateSecret(m) => Method::ConnectionUpdateSecret(m),
        _ => Method::ServerOnly,
    }
}

fn from_channel(method: channel::AMQPMethod) -> Method<'static> {
    use channel::AMQPMethod as M;
    match method {
        M::Open(_) => Method::ChannelOpen,
        M::Flow(m) => Method::ChannelFlow { active: m.active },
        M::FlowOk(_) => Method::ChannelFlowOk,
        M::Close(m) => Method::ChannelClose(m),
        M::CloseOk(_) => Method::ChannelCloseOk,
        M::OpenOk(_) => Method::ServerOnly,
    }
}

fn from_exchange(method: exchange::AMQPMethod, table: Table) -> Method<'static> {
    use exchange::AMQPMethod as M;
    match method {
        M::Declare(m) => Method::ExchangeDeclare(m, table),
        M::Delete(m) => Method::ExchangeDelete(m),
        M::Bind(m) => Method::ExchangeBind(m, table),
        M::Unbind(m) => Method::ExchangeUnbind(m, table),
        _ => Method::ServerOnly,
    }
}

fn from_queue(method: queue::AMQPMethod, table: Table) -> Method<'static> {
    use queue::AMQPMethod as M;
    match method {
        M::Declare(m) => Method::QueueDeclare(m, table),
        M::Bind(m) => Method::QueueBind(m, table),
        M::Purge(m) => Method::QueuePurge(m),
        M::Delete(m) => Method::QueueDelete(m),
        M::Unbind(m) => Method::QueueUnbind(m, table),
        _ => Method::ServerOnly,
    }
}

fn from_basic(method: basic::AMQPMethod, table: Table) -> Method<'static> {
    use basic::AMQPMethod as M;
    match method {
        M::Consume(m) => Method::BasicConsume(m, table),
        M::Cancel(m) => Method::BasicCancel(m),
        M::CancelOk(m) => Method::BasicCancelOk { consumer_tag: m.consumer_tag.to_string() },
        M::Get(m) => Method::BasicGet(m),
        M::RecoverAsync(m) => Method::BasicRecover { requeue: m.requeue, wants_reply: false },
        M::Recover(m) => Method::BasicRecover { requeue: m.requeue, wants_reply: true },
        _ => Method::ServerOnly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame};
    use amq_protocol::types::FieldTable;
    use proptest::prelude::*;

    /// The payload that `amq_protocol` makes of a method.
    fn payload(class: AMQPClass) -> Vec<u8> {
        let frame = AMQPFrame::Method(1, class);
        let context = WriteContext::from(Vec::new());
        let (bytes, _) = gen_frame(&frame)(context).unwrap().into_inner();
        bytes[7..bytes.len() - 1].to_vec()
    }

    fn publish(exchange: &str, routing_key: &str, mandatory: bool, immediate: bool) -> Vec<u8> {
        payload(AMQPClass::Basic(basic::AMQPMethod::Publish(basic::Publish {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            mandatory,
            immediate,
        })))
    }

    proptest! {
        #[test]
        fn publish_is_read_as_amq_protocol_writes_it(
            exchange in ".{0,60}", key in ".{0,60}", mandatory: bool, immediate: bool
        ) {
            let bytes = publish(&exchange, &key, mandatory, immediate);
            let Ok(Method::BasicPublish(read)) = Method::decode(&bytes) else {
                return Err(TestCaseError::fail("not read as publish"));
            };
            prop_assert_eq!(read.exchange, exchange.as_bytes());
            prop_assert_eq!(read.routing_key, key.as_bytes());
            prop_assert_eq!((read.mandatory, read.immediate), (mandatory, immediate));
            prop_assert_eq!(read.address, &bytes[6..bytes.len() - 1]);
        }

        #[test]
        fn acks_are_read_as_amq_protocol_writes_them(
            delivery_tag: u64, multiple: bool, requeue: bool
        ) {
            let ack = basic::Ack { delivery_tag, multiple };
            let bytes = payload(AMQPClass::Basic(basic::AMQPMethod::Ack(ack)));
            let is_it = matches!(Method::decode(&bytes),
                Ok(Method::BasicAck(Ack { delivery_tag: d, multiple: m }))
                    if (d, m) == (delivery_tag, multiple));
            prop_assert!(is_it);
            let nack = basic::Nack { delivery_tag, multiple, requeue };
            let bytes = payload(AMQPClass::Basic(basic::AMQPMethod::Nack(nack)));
            let is_it = matches!(Method::decode(&bytes),
                Ok(Method::BasicNack { ack: Ack { delivery_tag: d, multiple: m }, requeue: r })
                    if (d, m, r) == (delivery_tag, multiple, requeue));
            prop_assert!(is_it);
            let reject = basic::Reject { delivery_tag, requeue };
            let bytes = payload(AMQPClass::Basic(basic::AMQPMethod::Reject(reject)));
            let is_it = matches!(Method::decode(&bytes),
                Ok(Method::BasicReject { delivery_tag: d, requeue: r })
                    if (d, r) == (delivery_tag, requeue));
            prop_assert!(is_it);
        }

        #[test]
        fn random_arguments_never_panic(
            class in prop::sample::select(vec![10u16, 20, 30, 40, 50, 60, 85, 90]),
            method in 0u16..130, arguments in prop::collection::vec(any::<u8>(), 0..80)
        ) {
            let head = [class.to_be_bytes(), method.to_be_bytes()].concat();
            let _ = Method::decode(&[head, arguments].concat());
        }
    }

    #[test]
    fn a_table_is_cut_out_and_kept_as_octets() {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), 7i32.into());
        let bytes = payload(AMQPClass::Queue(queue::AMQPMethod::Declare(queue::Declare {
            queue: "jobs".into(),
            passive: false,
            durable: true,
            exclusive: false,
            auto_delete: false,
            nowait: false,
            arguments,
        })));
        let Ok(Method::QueueDeclare(declare, table)) = Method::decode(&bytes) else {
            panic!("not read as queue.declare");
        };
        assert_eq!(declare.queue.as_str(), "jobs");
        assert!(declare.durable && declare.arguments.inner().is_empty());
        assert_eq!(table.view().get("x-max-length").and_then(|v| v.as_int()), Some(7));
    }

    #[test]
    fn unknown_and_malformed_methods_are_told_apart() {
        let id = MethodId::new(60, 99);
        assert_eq!(Method::decode(&[0, 60, 0, 99]).unwrap_err(), DecodeError::Unknown(id));
        let id = MethodId::new(50, 10);
        assert_eq!(Method::decode(&[0, 50, 0, 10, 0]).unwrap_err(), DecodeError::Malformed(id));
        assert!(matches!(Method::decode(&[0, 20, 0, 11, 0, 0, 0, 0]), Ok(Method::ServerOnly)));
    }
}
