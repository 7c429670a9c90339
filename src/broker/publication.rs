//! What is asked of a message before it goes anywhere, and how one is published that comes alone.
//!
//! Connections publish in batches and remember routes (`server/publish.rs`); the questions are the
//! same. Knows no frames and no requests.

use std::sync::Arc;

use bytes::Bytes;

use super::{Actor, Node, Via};
use crate::amqp::properties::{BCC, CC, FURTHER_KEYS, Properties};
use crate::amqp::table::{TableView, Value};
use crate::error::{Error, Result};
use crate::exchange::{self, Exchange, Routed, Subject, describe};
use crate::message::{Body, LINK_FROM_BYTES, Message, Seq, Traits, address};
use crate::outbox::{Outbox, Wakes};
use crate::stats::{ExchangeCounts, Totals};
use crate::vhost::{Handed, Handover};

/// `delivery-mode` of a persistent message.
const PERSISTENT: u8 = 2;
/// Ten years, the longest expiration.
const EXPIRATION_MAX_MS: u64 = 315_360_000_000;
/// What the addresses of direct replies start with.
pub const REPLY_ADDRESS_PREFIX: &str = "amq.rabbitmq.reply-to.";
/// What stands for the address of one's own connection.
const REPLY_NAME: &[u8] = b"amq.rabbitmq.reply-to";

/// A message to be published.
#[derive(Debug)]
pub struct Publication<'a> {
    /// The exchange's name.
    pub exchange: &'a str,
    /// The routing key; not longer than a short string.
    pub routing_key: &'a [u8],
    /// Its properties, encoded.
    pub properties: &'a [u8],
    /// Its body.
    pub body: Bytes,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Somebody has taken it.
    pub routed: bool,
    /// A queue had no room for it.
    pub refused: bool,
    /// What a confirm has to wait for.
    pub seq: Seq,
}

impl Node {
    /// Waits until the store has settled that.
    pub async fn settled(&self, seq: Seq) {
        let outbox = Arc::new(Outbox::default());
        while self.store.wait(seq, &outbox) {
            outbox.ready().await;
        }
    }

    /// Waits until the store takes more.
    pub async fn room(&self) {
        let outbox = Arc::new(Outbox::default());
        while self.store.is_full() && self.store.wait_for_room(&outbox) {
            outbox.ready().await;
        }
    }
}

impl Actor {
    /// The exchange of that name, if messages may be published to it.
    pub fn publishable(&self, name: &[u8]) -> Result<Arc<Exchange>> {
        let Ok(name) = std::str::from_utf8(name) else {
            // A name that is no text cannot have been declared.
            let (name, vhost) = (String::from_utf8_lossy(name), self.vhost().name());
            return Err(Error::not_found(format!("no {}", describe(&name, vhost))));
        };
        self.check_publish(name)?;
        let exchange = self.vhost().exchange(name)?;
        if exchange.spec().internal {
            return Err(Error::access_refused(format!("cannot publish to internal {exchange}")));
        }
        Ok(exchange)
    }

    /// Publishes one message. Whoever wants it confirmed waits for what comes back.
    pub fn publish(
        &self,
        node: &Node,
        publication: Publication<'_>,
        wakes: &mut Wakes,
    ) -> Result<Published> {
        let Publication { exchange, routing_key, properties: encoded, body } = publication;
        let malformed = |_| Error::frame_error("cannot decode the properties");
        let properties = Properties::check(encoded).map_err(malformed)?;
        let exchange = self.publishable(exchange.as_bytes())?;
        check_further_keys(properties.headers)?;
        let keys = properties.routing_keys(routing_key);
        self.check_publish_keys(&exchange, &keys)?;
        check_no_reply_name(&properties)?;
        check_expiration(properties.expiration)?;
        self.check_user_id(properties.user_id)?;
        check_size(body.len(), node.config.max_message_size_bytes)?;
        let subject = Subject { keys: &keys, properties: &properties };
        let routed = exchange::route(&exchange, &subject, &**self.vhost());
        let plain = properties.headers.is_none_or(|h| h.get(CC).is_none() && h.get(BCC).is_none());
        let address = address(exchange.name().as_bytes(), routing_key);
        let body_bytes = body.len();
        let body = if body_bytes < LINK_FROM_BYTES {
            Body::Inline(&body)
        } else {
            Body::Linked(vec![body])
        };
        let message = Message::new(&address, encoded, body, traits(&properties, plain));
        let message = message.published_at(wakes.now_ms());
        let queues = routed.queues.len() as u64;
        if self.vhost().is_traced() {
            self.trace_publish(Via::HTTP, &message, &routed.queues, wakes);
        }
        let published = self.hand_over(node, &message, &keys, routed, wakes);
        exchange.counters().add(&ExchangeCounts {
            publish_in: 1,
            publish_out: queues,
            unroutable_returned: u64::from(!published.routed),
            ..ExchangeCounts::default()
        });
        node.ledger.note(&totals(published, queues));
        Ok(published)
    }

    fn hand_over(
        &self,
        node: &Node,
        message: &Message,
        keys: &[&[u8]],
        routed: Routed,
        wakes: &mut Wakes,
    ) -> Published {
        let Routed { queues, histories, holders, .. } = routed;
        let mut handover = Handover::default();
        handover.publish(message, queues.iter(), &node.store, wakes);
        let Handed { mut taken, refused, mut seq } = handover.end(&node.store, wakes);
        taken |= !holders.is_empty();
        for exchange in histories {
            exchange.remember(message);
        }
        for (exchange, delay_ms) in holders {
            let held = exchange.hold(message, delay_ms, wakes);
            seq = node.store.both(seq, held, wakes);
        }
        if message.exchange().is_empty() {
            let prefix = REPLY_ADDRESS_PREFIX.as_bytes();
            for key in keys.iter().filter(|key| key.starts_with(prefix)) {
                taken |= self.vhost().reply(key, message.clone(), wakes);
            }
        }
        Published { routed: taken, refused, seq }
    }
}

/// What the node counts of it.
fn totals(published: Published, queues: u64) -> Totals {
    Totals {
        received: 1,
        received_confirm: 1,
        publish: 1,
        confirmed: u64::from(!published.refused),
        routed: queues,
        unroutable_returned: u64::from(!published.routed),
        ..Totals::default()
    }
}

/// Nobody can answer who has no connection.
fn check_no_reply_name(properties: &Properties<'_>) -> Result<()> {
    match properties.reply_to {
        Some(REPLY_NAME) => Err(Error::precondition_failed("fast reply consumer does not exist")),
        _ => Ok(()),
    }
}

fn check_size(body_bytes: usize, max_bytes: u64) -> Result<()> {
    if body_bytes as u64 <= max_bytes {
        return Ok(());
    }
    Err(Error::precondition_failed(format!(
        "message size {body_bytes} is larger than configured max size {max_bytes}"
    )))
}

/// What queues will want to know of a message. `plain`: it has neither CC nor BCC.
#[inline]
pub fn traits(properties: &Properties<'_>, plain: bool) -> Traits {
    let blind = !plain && properties.headers.is_some_and(|h| h.get(BCC).is_some());
    Traits::from(properties.delivery_mode == Some(PERSISTENT))
        .with(Traits::EXPIRES, properties.expiration.is_some())
        .with(Traits::BLIND_COPIES, blind)
        .with_priority(properties.priority)
}

/// Further keys come in arrays.
pub fn check_further_keys(headers: Option<TableView<'_>>) -> Result<()> {
    for name in FURTHER_KEYS {
        match headers.and_then(|headers| headers.get(name)) {
            None | Some(Value::Array(_)) => {}
            Some(other) => {
                return Err(Error::precondition_failed(format!(
                    "invalid message: {{unacceptable_type_in_header,\"{name}\",{}}}",
                    other.type_name()
                )));
            }
        }
    }
    Ok(())
}

/// Expiration is text: decimal milliseconds.
pub fn check_expiration(expiration: Option<&[u8]>) -> Result<()> {
    let Some(expiration) = expiration else { return Ok(()) };
    let text = String::from_utf8_lossy(expiration);
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let number = digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = digits.split_at(number);
    let why = match (number.parse::<u64>(), text.starts_with('-'), rest) {
        _ if number.is_empty() => "no_integer".to_owned(),
        (_, _, rest) if !rest.is_empty() => format!("{{leftover_string,\"{rest}\"}}"),
        (Ok(number), true, _) if number > 0 => format!("{{value_negative,-{number}}}"),
        (Ok(number), _, _) if number <= EXPIRATION_MAX_MS => return Ok(()),
        _ => format!("{{value_too_large,{number}}}"),
    };
    Err(Error::precondition_failed(format!("invalid expiration '{text}': {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expirations_are_decimal_milliseconds() {
        let error = |text: &str| match check_expiration(Some(text.as_bytes())) {
            Ok(()) => String::new(),
            Err(error) => error.to_string().split_once("': ").unwrap().1.to_owned(),
        };
        assert_eq!(error("0"), "");
        assert_eq!(error("60000"), "");
        assert_eq!(error("abc"), "no_integer");
        assert_eq!(error(""), "no_integer");
        assert_eq!(error("10abc"), "{leftover_string,\"abc\"}");
        assert_eq!(error("-1"), "{value_negative,-1}");
        assert_eq!(error("--1"), "no_integer");
        assert_eq!(error("315360000001"), "{value_too_large,315360000001}");
    }
}
