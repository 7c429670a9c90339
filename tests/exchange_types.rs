//! The exchange types beyond those of the specification (behaviour 14.8 to 14.11).
//!
//! RabbitMQ has all but the delayed one and the local random one, most of them as plugins.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::*;

const DECLARE: (u16, u16) = (40, 10);
const EXCHANGE_BIND: (u16, u16) = (40, 30);
const QUEUE_BIND: (u16, u16) = (50, 20);

const HASH: &str = "x-consistent-hash";
const HISTORY: &str = "x-recent-history";
const LOCAL: &str = "x-local-random";
const DELAYED: &str = "x-delayed-message";

/// A broker with queues behind one exchange.
struct Spread {
    broker: TestBroker,
    peer: Peer,
    exchange: String,
    queues: Vec<String>,
    published: u64,
}

impl Spread {
    async fn new(kind: &str, arguments: &[(&str, AMQPValue)]) -> Self {
        Self::on(TestBroker::start().await, kind, arguments).await
    }

    async fn on(broker: TestBroker, kind: &str, arguments: &[(&str, AMQPValue)]) -> Self {
        let mut peer = broker.peer().await;
        let exchange = unique(kind);
        let declare = exchange_declare(&exchange, kind).args(table(arguments));
        peer.ask(declare, exchange_declare_ok()).await;
        peer.ask(confirm_select(), confirm_select_ok()).await;
        Self { broker, peer, exchange, queues: Vec::new(), published: 0 }
    }

    /// A new queue, bound with this key.
    async fn bind(&mut self, key: &str) -> String {
        let queue = self.queue().await;
        self.peer.ask(queue_bind(&queue, &self.exchange, key), queue_bind_ok()).await;
        queue
    }

    async fn queue(&mut self) -> String {
        let queue = unique("queue");
        self.peer.declare(&queue).await;
        self.queues.push(queue.clone());
        queue
    }

    async fn publish(&mut self, message: Publish) {
        self.peer.send(message).await;
        self.published += 1;
        self.peer.expect(ack(self.published)).await;
    }

    /// How many messages each queue has; they are taken out.
    async fn counts(&mut self) -> Vec<usize> {
        let mut counts = Vec::new();
        for queue in self.queues.clone() {
            counts.push(self.drain(&queue).await.len());
        }
        counts
    }

    /// The bodies in a queue.
    async fn drain(&mut self, queue: &str) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        loop {
            self.peer.send(get_no_ack(queue)).await;
            match self.peer.next(1, "get-ok or get-empty").await {
                Item::Content { body, .. } => bodies.push(body),
                Item::Method(m) if m == get_empty() => return bodies,
                other => self.peer.fail("get-ok or get-empty", &other.to_string()),
            }
        }
    }

    /// Which of the queues the message reaches: exactly one.
    async fn reached(&mut self, message: Publish) -> usize {
        self.publish(message).await;
        let counts = self.counts().await;
        assert_eq!(counts.iter().sum::<usize>(), 1, "one destination: {counts:?}");
        counts.iter().position(|count| *count == 1).expect("one of them")
    }

    async fn stop(self) {
        self.broker.stop_and_check().await;
    }
}

fn with_header(exchange: &str, key: &str, value: AMQPValue) -> Publish {
    publish(exchange, key, b"x").with(headers(&[("h", value)]))
}

async fn refuse_declare(kind: &str, arguments: &[(&str, AMQPValue)], why: &str) {
    let broker = TestBroker::start().await;
    refuse_declare_on(&broker, kind, arguments, why).await;
    broker.stop_and_check().await;
}

async fn refuse_declare_on(
    broker: &TestBroker,
    kind: &str,
    arguments: &[(&str, AMQPValue)],
    why: &str,
) {
    let mut peer = broker.peer().await;
    peer.send(exchange_declare(&unique("x"), kind).args(table(arguments))).await;
    peer.expect_channel_close(406, &format!("PRECONDITION_FAILED - {why}"), DECLARE).await;
}

async fn refuse_bind(spread: &mut Spread, key: &str, why: &str) {
    let queue = spread.queue().await;
    let (exchange, peer) = (spread.exchange.clone(), &mut spread.peer);
    peer.send(queue_bind(&queue, &exchange, key)).await;
    peer.expect_channel_close(406, &format!("PRECONDITION_FAILED - {why}"), QUEUE_BIND).await;
    peer.open_channel(1).await;
}

// All of them

#[tokio::test]
async fn they_can_be_declared_and_declared_again_with_other_arguments() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in [HASH, "x-modulus-hash", "x-random", HISTORY] {
        let name = &unique(kind);
        peer.ask(exchange_declare(name, kind), exchange_declare_ok()).await;
        let other = table(&[("hash-header", text("h")), ("x-recent-history-length", int(3))]);
        peer.ask(exchange_declare(name, kind).args(other), exchange_declare_ok()).await;
        peer.send(exchange_declare(name, "fanout")).await;
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{name}' in vhost '/': \
             received 'fanout' but current is ''{kind}''"
        );
        peer.expect_channel_close(406, &text, DECLARE).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn their_alternate_exchange_takes_what_no_binding_does() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in [HASH, "x-modulus-hash", "x-random", HISTORY] {
        let (alternate, queue) = (&unique("alternate"), &unique("queue"));
        peer.ask(exchange_declare(alternate, "fanout"), exchange_declare_ok()).await;
        peer.declare(queue).await;
        peer.ask(queue_bind(queue, alternate, ""), queue_bind_ok()).await;
        let name = &unique(kind);
        let arguments = table(&[("alternate-exchange", text(alternate))]);
        peer.ask(exchange_declare(name, kind).args(arguments), exchange_declare_ok()).await;
        peer.send(publish(name, "k", b"one")).await;
        peer.expect_counts(queue, 1, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_bindings_a_mandatory_message_comes_back() {
    for kind in [HASH, "x-modulus-hash", "x-random", HISTORY] {
        let mut spread = Spread::new(kind, &[]).await;
        let exchange = spread.exchange.clone();
        spread.peer.send(publish(&exchange, "k", b"one").mandatory()).await;
        spread.peer.expect(no_route(&exchange, "k", b"one")).await;
        spread.peer.expect(ack(1)).await;
        spread.stop().await;
    }
}

#[tokio::test]
async fn they_may_lead_to_exchanges() {
    for kind in [HASH, "x-modulus-hash", "x-random", HISTORY] {
        let mut spread = Spread::new(kind, &[]).await;
        let (queue, inner) = (spread.queue().await, unique("inner"));
        let peer = &mut spread.peer;
        peer.ask(exchange_declare(&inner, "direct"), exchange_declare_ok()).await;
        peer.ask(queue_bind(&queue, &inner, "k"), queue_bind_ok()).await;
        peer.ask(exchange_bind(&inner, &spread.exchange, "1"), exchange_bind_ok()).await;
        let exchange = spread.exchange.clone();
        assert_eq!(spread.reached(publish(&exchange, "k", b"one")).await, 0);
        spread.publish(publish(&exchange, "other", b"two")).await;
        assert_eq!(spread.counts().await, [0]);
        spread.stop().await;
    }
}

// x-consistent-hash

#[tokio::test]
async fn a_key_always_goes_to_the_same_queue_and_keys_are_spread_by_weight() {
    let mut spread = Spread::new(HASH, &[]).await;
    for weight in ["1", "1", "3"] {
        spread.bind(weight).await;
    }
    let exchange = spread.exchange.clone();
    let first = spread.reached(publish(&exchange, "key", b"x")).await;
    for _ in 0..5 {
        assert_eq!(spread.reached(publish(&exchange, "key", b"x")).await, first);
    }
    for n in 0..500 {
        spread.publish(publish(&exchange, &format!("key-{n}"), b"x")).await;
    }
    let counts = spread.counts().await;
    for (count, expected) in counts.iter().zip([100_usize, 100, 300]) {
        assert!(count.abs_diff(expected) < 60, "{counts:?}");
    }
    spread.stop().await;
}

#[tokio::test]
async fn a_header_can_be_hashed_in_place_of_the_key() {
    for argument in ["hash-header", "x-hash-on"] {
        let warren = here(true, false);
        if argument == "x-hash-on" && !warren {
            continue;
        }
        let mut spread = Spread::new(HASH, &[(argument, text("h"))]).await;
        for _ in 0..4 {
            spread.bind("1").await;
        }
        let exchange = spread.exchange.clone();
        let one = spread.reached(with_header(&exchange, "a", text("same"))).await;
        for key in ["b", "c", "d", "e"] {
            let reached = spread.reached(with_header(&exchange, key, text("same"))).await;
            assert_eq!(reached, one, "the key has no say");
        }
        for n in 0..100 {
            spread.publish(with_header(&exchange, "a", text(&n.to_string()))).await;
        }
        let counts = spread.counts().await;
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        spread.stop().await;
    }
}

#[tokio::test]
async fn a_property_can_be_hashed_in_place_of_the_key() {
    for property in ["message_id", "correlation_id", "timestamp"] {
        let mut spread = Spread::new(HASH, &[("hash-property", text(property))]).await;
        for _ in 0..4 {
            spread.bind("1").await;
        }
        let exchange = spread.exchange.clone();
        let message = |key: &str, n: u32| {
            let properties = BasicProperties::default();
            let value = n.to_string().as_str().into();
            publish(&exchange, key, b"x").with(match property {
                "message_id" => properties.with_message_id(value),
                "correlation_id" => properties.with_correlation_id(value),
                _ => properties.with_timestamp(n.into()),
            })
        };
        let one = spread.reached(message("a", 7)).await;
        for key in ["b", "c", "d", "e"] {
            assert_eq!(spread.reached(message(key, 7)).await, one, "the key has no say");
        }
        for n in 0..100 {
            spread.publish(message("a", n)).await;
        }
        let counts = spread.counts().await;
        assert!(counts.iter().all(|count| *count > 0), "{property}: {counts:?}");
        spread.stop().await;
    }
}

#[tokio::test]
async fn one_thing_is_hashed_and_it_has_to_be_a_known_one() {
    let both = [("hash-header", text("h")), ("hash-property", text("message_id"))];
    refuse_declare(HASH, &both, "hash-header and hash-property are mutually exclusive").await;
    let unknown = [("hash-property", text("app_id"))];
    refuse_declare(HASH, &unknown, "Unsupported property: app_id").await;
}

#[tokio::test]
async fn what_is_hashed_is_named_by_text() {
    let Some(broker) = only_on_warren("it fails with an internal error").await else { return };
    let mut peer = broker.peer().await;
    for argument in ["hash-header", "hash-property", "x-hash-on"] {
        let name = unique("x");
        peer.send(exchange_declare(&name, HASH).args(table(&[(argument, int(5))]))).await;
        let text = format!(
            "PRECONDITION_FAILED - invalid type 'signedint' for arg '{argument}' in exchange \
             '{name}' in vhost '/'"
        );
        peer.expect_channel_close(406, &text, DECLARE).await;
        peer.open_channel(1).await;
    }
    let both = [("x-hash-on", text("h")), ("hash-property", text("message_id"))];
    let why = "hash-header and hash-property are mutually exclusive";
    refuse_declare_on(&broker, HASH, &both, why).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_weight_is_a_positive_number() {
    let mut spread = Spread::new(HASH, &[]).await;
    for (key, why) in [
        ("a", "The binding key must be an integer: <<\"a\">>"),
        ("", "The binding key must be an integer: <<>>"),
        ("1.5", "The binding key must be an integer: <<\"1.5\">>"),
        ("0", "The binding key must be greater than 0"),
        ("-1", "The binding key must be greater than 0"),
    ] {
        refuse_bind(&mut spread, key, why).await;
    }
    let inner = unique("inner");
    let peer = &mut spread.peer;
    peer.ask(exchange_declare(&inner, "fanout"), exchange_declare_ok()).await;
    peer.send(exchange_bind(&inner, &spread.exchange, "a")).await;
    let text = "PRECONDITION_FAILED - The binding key must be an integer: <<\"a\">>";
    peer.expect_channel_close(406, text, EXCHANGE_BIND).await;
    peer.open_channel(1).await;
    peer.ask(exchange_bind(&inner, &spread.exchange, "+01"), exchange_bind_ok()).await;
    spread.stop().await;
}

/// A large weight must never be tried on another broker: it makes as many buckets in memory.
#[tokio::test]
async fn a_weight_has_a_limit() {
    let Some(broker) = only_on_warren("the limit is newer, and large weights harm it").await else {
        return;
    };
    let mut spread = Spread::on(broker, HASH, &[]).await;
    refuse_bind(&mut spread, "1000001", "The binding key must not exceed 1000000").await;
    spread.bind("1000000").await;
    spread.stop().await;
}

#[tokio::test]
async fn a_change_of_bindings_moves_only_what_it_must() {
    let Some(broker) = only_on_warren("removing a binding moves nearly all keys there").await
    else {
        return;
    };
    let mut spread = Spread::on(broker, HASH, &[]).await;
    let first = spread.bind("1").await;
    for _ in 0..3 {
        spread.bind("1").await;
    }
    let exchange = spread.exchange.clone();
    let mut before = Vec::new();
    for n in 0..40 {
        before.push(spread.reached(publish(&exchange, &n.to_string(), b"x")).await);
    }
    spread.peer.ask(queue_unbind(&first, &exchange, "1"), queue_unbind_ok()).await;
    for (n, before) in before.into_iter().enumerate() {
        let after = spread.reached(publish(&exchange, &n.to_string(), b"x")).await;
        assert!(if before == 0 { after != 0 } else { after == before }, "{before} to {after}");
    }
    spread.stop().await;
}

#[tokio::test]
async fn a_second_binding_of_a_queue_does_not_change_its_weight() {
    let mut spread = Spread::new(HASH, &[]).await;
    let first = spread.bind("1").await;
    spread.bind("1").await;
    let exchange = spread.exchange.clone();
    spread.peer.ask(queue_bind(&first, &exchange, "50"), queue_bind_ok()).await;
    for n in 0..100 {
        spread.publish(publish(&exchange, &format!("key-{n}"), b"x")).await;
    }
    let counts = spread.counts().await;
    assert!(counts[1] > 20, "{counts:?}");
    spread.stop().await;
}

// x-modulus-hash, x-random, x-local-random

#[tokio::test]
async fn modulus_hash_shares_keys_out_whatever_the_binding_keys_are() {
    let mut spread = Spread::new("x-modulus-hash", &[]).await;
    for key in ["", "a", "anything"] {
        spread.bind(key).await;
    }
    let exchange = spread.exchange.clone();
    let first = spread.reached(publish(&exchange, "key", b"x")).await;
    assert_eq!(spread.reached(publish(&exchange, "key", b"x")).await, first);
    for n in 0..150 {
        spread.publish(publish(&exchange, &format!("key-{n}"), b"x")).await;
    }
    let counts = spread.counts().await;
    assert!(counts.iter().all(|count| count.abs_diff(50) < 35), "{counts:?}");
    spread.stop().await;
}

#[tokio::test]
async fn random_gives_each_message_to_any_one_queue() {
    let mut spread = Spread::new("x-random", &[]).await;
    for key in ["", "a", "anything"] {
        spread.bind(key).await;
    }
    let exchange = spread.exchange.clone();
    for _ in 0..150 {
        spread.publish(publish(&exchange, "one key", b"x")).await;
    }
    let counts = spread.counts().await;
    assert_eq!(counts.iter().sum::<usize>(), 150);
    assert!(counts.iter().all(|count| count.abs_diff(50) < 35), "{counts:?}");
    spread.stop().await;
}

#[tokio::test]
async fn random_is_asked_anew_behind_another_exchange() {
    let mut spread = Spread::new("x-random", &[]).await;
    spread.bind("").await;
    spread.bind("").await;
    let outer = unique("outer");
    let peer = &mut spread.peer;
    peer.ask(exchange_declare(&outer, "direct"), exchange_declare_ok()).await;
    peer.ask(exchange_bind(&spread.exchange, &outer, "k"), exchange_bind_ok()).await;
    for _ in 0..60 {
        spread.publish(publish(&outer, "k", b"x")).await;
    }
    let counts = spread.counts().await;
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    spread.stop().await;
}

#[tokio::test]
async fn local_random_takes_classic_queues_without_a_key() {
    let why = "the type is newer";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut spread = Spread::on(broker, LOCAL, &[]).await;
    spread.bind("").await;
    spread.bind("").await;
    let exchange = spread.exchange.clone();
    for _ in 0..60 {
        spread.publish(publish(&exchange, "any key", b"x")).await;
    }
    let counts = spread.counts().await;
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");

    refuse_bind(&mut spread, "k", "Non empty binding 'k' key not permitted").await;
    let (quorum, peer) = (unique("quorum"), &mut spread.peer);
    let declare = queue_declare(&quorum).durable().args(table(&[("x-queue-type", text("quorum"))]));
    peer.ask(declare, queue_declare_ok(&quorum, 0, 0)).await;
    peer.send(queue_bind(&quorum, &exchange, "")).await;
    let text = "PRECONDITION_FAILED - Queue type rabbit_quorum_queue not valid for this exchange \
                type";
    peer.expect_channel_close(406, text, QUEUE_BIND).await;
    peer.open_channel(1).await;
    peer.send(exchange_bind("amq.fanout", &exchange, "")).await;
    let text = "PRECONDITION_FAILED - Destination not found";
    peer.expect_channel_close(406, text, EXCHANGE_BIND).await;
    spread.stop().await;
}

// x-recent-history

async fn publish_numbers(spread: &mut Spread, numbers: std::ops::RangeInclusive<u32>) {
    let exchange = spread.exchange.clone();
    for n in numbers {
        spread.publish(publish(&exchange, "k", n.to_string().as_bytes())).await;
    }
}

fn numbers(range: std::ops::RangeInclusive<u32>) -> Vec<Vec<u8>> {
    range.map(|n| n.to_string().into_bytes()).collect()
}

#[tokio::test]
async fn a_new_queue_is_told_the_last_twenty_messages_oldest_first() {
    let mut spread = Spread::new(HISTORY, &[]).await;
    let first = spread.bind("").await;
    publish_numbers(&mut spread, 1..=25).await;
    assert_eq!(spread.drain(&first).await, numbers(1..=25), "it is a fanout");
    let second = spread.bind("whatever").await;
    assert_eq!(spread.drain(&second).await, numbers(6..=25));
    assert!(spread.drain(&first).await.is_empty(), "only the new one is told");
    publish_numbers(&mut spread, 26..=26).await;
    assert_eq!(spread.counts().await, [1, 1]);
    spread.stop().await;
}

#[tokio::test]
async fn binding_the_same_again_tells_nothing() {
    let mut spread = Spread::new(HISTORY, &[]).await;
    publish_numbers(&mut spread, 1..=2).await;
    let queue = spread.bind("k").await;
    assert_eq!(spread.drain(&queue).await, numbers(1..=2));
    let exchange = spread.exchange.clone();
    spread.peer.ask(queue_bind(&queue, &exchange, "k"), queue_bind_ok()).await;
    assert!(spread.drain(&queue).await.is_empty());
    spread.peer.ask(queue_unbind(&queue, &exchange, "k"), queue_unbind_ok()).await;
    spread.peer.ask(queue_bind(&queue, &exchange, "k"), queue_bind_ok()).await;
    assert_eq!(spread.drain(&queue).await, numbers(1..=2), "it was gone in between");
    spread.stop().await;
}

#[tokio::test]
async fn the_length_of_the_history_can_be_chosen() {
    let mut spread = Spread::new(HISTORY, &[("x-recent-history-length", int(3))]).await;
    publish_numbers(&mut spread, 1..=5).await;
    let queue = spread.bind("").await;
    assert_eq!(spread.drain(&queue).await, numbers(3..=5));
    spread.stop().await;
}

#[tokio::test]
async fn the_length_of_the_history_is_a_positive_number() {
    for (value, shown) in [
        (int(0), "0"),
        (int(-1), "-1"),
        (text("x"), "<<\"x\">>"),
        (AMQPValue::Boolean(true), "true"),
    ] {
        let why = format!(
            "Invalid argument {shown}, 'x-recent-history-length' must be a positive integer"
        );
        refuse_declare(HISTORY, &[("x-recent-history-length", value)], &why).await;
    }
}

#[tokio::test]
async fn a_message_can_keep_out_of_the_history() {
    let mut spread = Spread::new(HISTORY, &[]).await;
    let first = spread.bind("").await;
    let exchange = spread.exchange.clone();
    for (body, value) in [(b"1", true), (b"2", false)] {
        let header = headers(&[("x-recent-history-no-store", AMQPValue::Boolean(value))]);
        spread.publish(publish(&exchange, "k", body).with(header)).await;
    }
    assert_eq!(spread.drain(&first).await, numbers(1..=2), "both are delivered");
    let second = spread.bind("").await;
    assert_eq!(spread.drain(&second).await, numbers(2..=2));
    spread.stop().await;
}

#[tokio::test]
async fn what_comes_by_another_exchange_is_remembered_too() {
    let mut spread = Spread::new(HISTORY, &[]).await;
    let (outer, exchange) = (unique("outer"), spread.exchange.clone());
    let peer = &mut spread.peer;
    peer.ask(exchange_declare(&outer, "direct"), exchange_declare_ok()).await;
    peer.ask(exchange_bind(&exchange, &outer, "k"), exchange_bind_ok()).await;
    for body in [b"1", b"2"] {
        spread.publish(publish(&outer, "k", body)).await;
    }
    spread.publish(publish(&outer, "other", b"3")).await;
    let queue = spread.bind("").await;
    let got = get_ok(1, false, 1, b"1").via(&outer, "k");
    spread.peer.ask(get_no_ack(&queue), got).await;
    assert_eq!(spread.drain(&queue).await, numbers(2..=2));
    spread.stop().await;
}

#[tokio::test]
async fn a_new_exchange_is_told_and_routes_on() {
    let mut spread = Spread::new(HISTORY, &[]).await;
    let (inner, exchange) = (unique("inner"), spread.exchange.clone());
    let queue = spread.queue().await;
    let peer = &mut spread.peer;
    peer.ask(exchange_declare(&inner, "direct"), exchange_declare_ok()).await;
    peer.ask(queue_bind(&queue, &inner, "k"), queue_bind_ok()).await;
    publish_numbers(&mut spread, 1..=3).await;
    spread.peer.ask(exchange_bind(&inner, &exchange, ""), exchange_bind_ok()).await;
    let mut told = spread.drain(&queue).await;
    if here(false, true) {
        told.reverse(); // it tells exchanges, unlike queues, the newest first
    }
    assert_eq!(told, numbers(1..=3));
    spread.stop().await;
}

#[tokio::test]
async fn a_new_exchange_that_routes_nowhere_may_be_told_too() {
    let Some(broker) = only_on_warren("it fails with an internal error").await else { return };
    let mut spread = Spread::on(broker, HISTORY, &[]).await;
    publish_numbers(&mut spread, 1..=1).await;
    let (inner, exchange) = (unique("inner"), spread.exchange.clone());
    spread.peer.ask(exchange_declare(&inner, "direct"), exchange_declare_ok()).await;
    spread.peer.ask(exchange_bind(&inner, &exchange, ""), exchange_bind_ok()).await;
    spread.stop().await;
}

#[tokio::test]
async fn what_is_rolled_back_is_not_remembered() {
    let why = "it routes before the commit, and remembers then";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut spread = Spread::on(broker, HISTORY, &[]).await;
    let exchange = spread.exchange.clone();
    let peer = &mut spread.peer;
    peer.open_channel(2).await;
    peer.send_on(2, tx_select()).await;
    peer.expect_on(2, tx_select_ok()).await;
    peer.send_on(2, publish(&exchange, "k", b"1")).await;
    peer.send_on(2, tx_rollback()).await;
    peer.expect_on(2, tx_rollback_ok()).await;
    peer.send_on(2, publish(&exchange, "k", b"2")).await;
    peer.send_on(2, tx_commit()).await;
    peer.expect_on(2, tx_commit_ok()).await;
    let queue = spread.bind("").await;
    assert_eq!(spread.drain(&queue).await, numbers(2..=2));
    spread.stop().await;
}

// x-delayed-message

#[tokio::test]
async fn a_delayed_exchange_has_another_type_otherwise() {
    let Some(broker) = only_on_warren("the plugin is not there").await else { return };
    let mut spread = Spread::on(broker, DELAYED, &[("x-delayed-type", text("direct"))]).await;
    spread.bind("a").await;
    spread.bind("b").await;
    let exchange = spread.exchange.clone();
    assert_eq!(spread.reached(publish(&exchange, "b", b"x")).await, 1);
    let peer = &mut spread.peer;
    let again = table(&[("x-delayed-type", text("topic"))]);
    peer.ask(exchange_declare(&exchange, DELAYED).args(again), exchange_declare_ok()).await;
    peer.send(exchange_declare(&exchange, "direct")).await;
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{exchange}' in vhost '/': \
         received 'direct' but current is ''x-delayed-message''"
    );
    peer.expect_channel_close(406, &text, DECLARE).await;
    spread.stop().await;
}

#[tokio::test]
async fn the_rules_of_the_type_behind_a_delayed_exchange_hold() {
    let Some(broker) = only_on_warren("the plugin is not there").await else { return };
    let unknown = [("x-delayed-type", text(HASH)), ("hash-property", text("app_id"))];
    refuse_declare_on(&broker, DELAYED, &unknown, "Unsupported property: app_id").await;
    let mut spread = Spread::on(broker, DELAYED, &[("x-delayed-type", text(HASH))]).await;
    refuse_bind(&mut spread, "0", "The binding key must be greater than 0").await;
    spread.bind("1").await;
    spread.stop().await;
}

#[tokio::test]
async fn a_delayed_exchange_needs_a_type_that_there_is() {
    let Some(broker) = only_on_warren("the plugin is not there").await else { return };
    let missing = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
    refuse_declare_on(&broker, DELAYED, &[], missing).await;
    refuse_declare_on(&broker, DELAYED, &[("x-delayed-type", int(5))], missing).await;
    refuse_declare_on(&broker, DELAYED, &[("x-delayed-type", text(DELAYED))], missing).await;
    let unknown = [("x-delayed-type", text("telepathy"))];
    refuse_declare_on(&broker, DELAYED, &unknown, "unknown exchange type 'telepathy'").await;
    broker.stop_and_check().await;
}
