//! What the tests of exchanges of type `x-delayed-message` share.

use std::time::Duration;

use super::broker::unique;
use super::methods::{ExchangeDeclare, Publish, consume, exchange_declare, publish, queue_bind};
use super::peer::Peer;
use super::replies::{consume_ok, exchange_declare_ok, queue_bind_ok};
use super::{headers, int, table, text};

pub const WHY: &str = "x-delayed-message is a plugin of RabbitMQ's community";
/// The broker counts in whole milliseconds, and from its own reading of the clock.
pub const ROUNDING: Duration = Duration::from_millis(2);

/// An exchange that delays, and then routes as that type does.
pub fn delayed(name: &str, kind: &str) -> ExchangeDeclare {
    exchange_declare(name, "x-delayed-message").args(table(&[("x-delayed-type", text(kind))]))
}

/// A publish that is to wait so long.
pub fn later(exchange: &str, key: &str, ms: i32, body: &[u8]) -> Publish {
    publish(exchange, key, body).with(headers(&[("x-delay", int(ms))]))
}

/// A delayed exchange of that type, and a queue bound to it with that key, consumed from as `c`.
pub async fn bound(peer: &mut Peer, kind: &str, key: &str) -> (String, String) {
    let (exchange, queue) = (unique("delayed"), unique("jobs"));
    peer.ask(delayed(&exchange, kind), exchange_declare_ok()).await;
    peer.declare(&queue).await;
    peer.ask(queue_bind(&queue, &exchange, key), queue_bind_ok()).await;
    peer.ask(consume(&queue, "c").no_ack(), consume_ok("c")).await;
    (exchange, queue)
}
