//! What every transcript test starts from: a broker, a scripted client, and short names for frames.
//!
//! With `WARREN_TEST_PEER=host:port` the same tests talk to a broker that already runs there,
//! which shows that they ask for what RabbitMQ does and not for what warren happens to do.
//! RabbitMQ 3.10 is the one they are run against; where it differs a test says so.

#![allow(dead_code, reason = "every test file uses a part of this")]
#![allow(unused_imports, reason = "the same")]
#![allow(unreachable_pub, reason = "a module of several test crates, each private")]
#![allow(clippy::doc_markdown, reason = "RabbitMQ is a name")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

pub mod api;
mod broker;
pub mod damage;
pub mod deaths;
pub mod delayed;
mod expected;
pub mod handed_out;
mod handshake;
pub mod http;
mod in_process;
pub mod log;
mod methods;
mod own;
mod peer;
pub mod program;
pub mod queues;
pub mod random;
mod replies;
pub mod routes;
pub mod specimen;
pub mod tls;
pub mod users;
mod wire;

pub use amq_protocol::{
    protocol::{AMQPClass, BasicProperties},
    types::{AMQPValue, ByteArray, FieldTable},
};

pub use self::{
    broker::{TestBroker, here, only_on_warren, only_on_warren_with, unique},
    expected::Item,
    handshake::{
        Hello, PROTOCOL_HEADER, client_properties, opening, start_ok, tune_ok, update_secret,
    },
    in_process::Settings,
    methods::*,
    own::{OwnBroker, with_http},
    peer::{FRAME_MAX, Peer, WAIT_MAX},
    replies::*,
    wire::{
        body_frame, encode_header, encode_method, frame, header_frame, method_frame, properties_of,
    },
};

/// A field table from its entries.
pub fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert((*key).into(), value.clone());
    }
    table
}

/// A field value of the commonest type.
pub fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// A signed 32-bit field value.
pub fn int(value: i32) -> AMQPValue {
    AMQPValue::LongInt(value)
}

/// An array of strings, as the `CC` and `BCC` headers want it.
pub fn texts(values: &[&str]) -> AMQPValue {
    AMQPValue::FieldArray(values.iter().map(|v| text(v)).collect::<Vec<_>>().into())
}

/// Properties with nothing but these headers.
pub fn headers(entries: &[(&str, AMQPValue)]) -> BasicProperties {
    BasicProperties::default().with_headers(table(entries))
}
