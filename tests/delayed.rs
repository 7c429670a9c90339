//! Exchanges of type `x-delayed-message`, as the plugin of that name has them (behaviour 14.11).
//! RabbitMQ has the type with that plugin only, so that all of this is for warren.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use amq_protocol::protocol::basic::AMQPMethod;
use common::delayed::{ROUNDING, WHY, bound, delayed, later};
use common::handed_out::{Came, classic, long};
use common::program::Program;
use common::*;

const DECLARE: (u16, u16) = (40, 10);
/// Longer than anything a test waits for.
const NEVER_MS: i32 = 3_600_000;
/// The bodies of the next messages.
async fn take(peer: &mut Peer, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        let came = peer.next_message(1).await;
        bodies.push(String::from_utf8(came.body).expect("a text"));
    }
    bodies
}

// Declaring

#[tokio::test]
async fn the_type_behind_it_must_be_said_and_be_one() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let name = &unique("delayed");
    let plain = || exchange_declare(name, "x-delayed-message");
    let wrong = [
        plain(),
        plain().args(table(&[("x-delayed-type", text("unheard-of"))])),
        plain().args(table(&[("x-delayed-type", int(1))])),
    ];
    for declare in wrong {
        peer.send(declare).await;
        let came = peer.next_method_on(1, "channel.close").await;
        let AMQPClass::Channel(amq_protocol::protocol::channel::AMQPMethod::Close(m)) = came else {
            panic!("{came:?}")
        };
        assert_eq!((m.reply_code, (m.class_id, m.method_id)), (406, DECLARE), "{}", m.reply_text);
        assert!(m.reply_text.as_str().starts_with("PRECONDITION_FAILED - "), "{}", m.reply_text);
        peer.send(channel_close_ok()).await;
        peer.open_channel(1).await;
    }
    peer.ask(delayed(name, "topic"), exchange_declare_ok()).await;
    peer.ask(delayed(name, "topic"), exchange_declare_ok()).await;
    broker.stop_and_check().await;
}

// When

#[tokio::test]
async fn a_message_comes_when_it_is_due() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    let sent_at = Instant::now();
    peer.send(later(&exchange, "k", 300, b"one")).await;
    let came = peer.next_message(1).await;
    assert!(sent_at.elapsed() + ROUNDING >= Duration::from_millis(300), "too early");
    assert_eq!(came.body, b"one");
    assert!(!came.redelivered());
    broker.stop_and_check().await;
}

#[tokio::test]
async fn they_come_in_the_order_in_which_they_are_due() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    // So far apart that they cannot change places on their way.
    for (ms, body) in [(900, "d"), (300, "b"), (600, "c"), (1200, "e")] {
        peer.send(later(&exchange, "k", ms, body.as_bytes())).await;
    }
    peer.send(publish(&exchange, "k", b"a")).await;
    assert_eq!(take(&mut peer, 5).await, ["a", "b", "c", "d", "e"]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn those_that_wait_equally_long_keep_their_order() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    let bodies: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    for body in &bodies {
        peer.send(later(&exchange, "k", 100, body.as_bytes())).await;
    }
    assert_eq!(take(&mut peer, bodies.len()).await, bodies);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_not_to_wait_goes_at_once() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, queue) = bound(&mut peer, "direct", "k").await;
    peer.ask(cancel("c"), cancel_ok("c")).await;
    let at_once = [
        BasicProperties::default(),
        headers(&[]),
        headers(&[("other", int(NEVER_MS))]),
        headers(&[("x-delay", int(0))]),
        headers(&[("x-delay", int(-5))]),
        headers(&[("x-delay", long(i64::MIN))]),
        // Above what a timer of the plugin takes.
        headers(&[("x-delay", long(1 << 32))]),
    ];
    for properties in at_once {
        peer.send(publish(&exchange, "k", b"now").with(properties.clone()).mandatory()).await;
        let expected = get_ok(1, false, 0, b"now").via(&exchange, "k").with(properties);
        peer.open_channel(2).await;
        peer.expect_counts(&queue, 1, 0).await;
        peer.send_on(2, get_no_ack(&queue)).await;
        peer.expect_on(2, expected).await;
        peer.close_channel(2).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_delay_may_be_any_integer() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    let all = [
        AMQPValue::ShortShortInt(100),
        AMQPValue::ShortShortUInt(200),
        AMQPValue::ShortInt(300),
        AMQPValue::ShortUInt(400),
        AMQPValue::LongInt(500),
        AMQPValue::LongUInt(600),
        AMQPValue::LongLongInt(700),
    ];
    let sent_at = Instant::now();
    for (number, delay) in all.iter().enumerate().rev() {
        let body = number.to_string();
        let delayed = headers(&[("x-delay", delay.clone())]);
        peer.send(publish(&exchange, "k", body.as_bytes()).with(delayed)).await;
    }
    for (number, delay) in all.iter().enumerate() {
        assert_eq!(take(&mut peer, 1).await, [number.to_string()]);
        let due = Duration::from_millis(100 * (number as u64 + 1));
        assert!(sent_at.elapsed() + ROUNDING >= due, "{delay:?} is too early");
    }
    broker.stop_and_check().await;
}

// Where to, and what arrives

fn delay_of(came: &Came) -> Option<AMQPValue> {
    came.header("x-delay").cloned()
}

#[tokio::test]
async fn what_arrives_says_how_long_it_has_waited() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    let with = |delay| {
        headers(&[("x-delay", delay), ("mine", text("kept"))])
            .with_content_type("text/plain".into())
            .with_priority(3)
            .with_message_id("m1".into())
    };
    // The plugin turns the sign and keeps the type, so that nobody delays it a second time.
    for (sent, arrives) in [(int(50), int(-50)), (long(60), long(-60))] {
        peer.send(publish(&exchange, "k", b"one").with(with(sent))).await;
        let came = peer.next_message(1).await;
        assert_eq!(delay_of(&came), Some(arrives.clone()));
        assert_eq!(came.properties, with(arrives));
        assert_eq!(came.body, b"one");
        let AMQPMethod::Deliver(deliver) = &came.method else { panic!("{:?}", came.method) };
        assert_eq!((deliver.exchange.as_str(), deliver.routing_key.as_str()), (&*exchange, "k"));
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn each_type_routes_as_it_does_without_delay() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let cases = [
        ("direct", "a.b", "a.b", "a.c"),
        ("topic", "a.*", "a.x", "b.x"),
        ("fanout", "unused", "anything", ""),
    ];
    for (kind, binding, matching, other) in cases {
        let mut peer = broker.peer().await;
        let (exchange, _) = bound(&mut peer, kind, binding).await;
        if kind != "fanout" {
            peer.send(later(&exchange, other, 20, b"lost")).await;
            peer.send(publish(&exchange, other, b"lost")).await;
        }
        peer.send(later(&exchange, matching, 100, b"late")).await;
        peer.send(publish(&exchange, matching, b"now")).await;
        assert_eq!(take(&mut peer, 2).await, ["now", "late"], "{kind}");
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn headers_decide_after_the_delay_too() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, jobs) = (&unique("delayed"), &unique("jobs"));
    peer.ask(delayed(exchange, "headers"), exchange_declare_ok()).await;
    peer.declare(jobs).await;
    let arguments = table(&[("x-match", text("all")), ("kind", text("good"))]);
    peer.ask(queue_bind_args(jobs, exchange, "", arguments), queue_bind_ok()).await;
    peer.ask(consume(jobs, "c").no_ack(), consume_ok("c")).await;
    for (kind, ms) in [("bad", 20), ("good", 100)] {
        let properties = headers(&[("kind", text(kind)), ("x-delay", int(ms))]);
        peer.send(publish(exchange, "", kind.as_bytes()).with(properties)).await;
    }
    assert_eq!(take(&mut peer, 1).await, ["good"]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn bindings_are_looked_up_when_it_is_due() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, before) = bound(&mut peer, "direct", "k").await;
    peer.send(later(&exchange, "k", 600, b"one")).await;
    peer.send(later(&exchange, "unbound so far", 600, b"two")).await;
    let after = &unique("jobs");
    peer.declare(after).await;
    peer.ask(queue_unbind(&before, &exchange, "k"), queue_unbind_ok()).await;
    peer.ask(queue_bind(after, &exchange, "k"), queue_bind_ok()).await;
    peer.ask(queue_bind(after, &exchange, "unbound so far"), queue_bind_ok()).await;
    peer.ask(consume(after, "after").no_ack(), consume_ok("after")).await;
    peer.expect(deliver("after", 1, false, b"one")).await;
    peer.expect(deliver("after", 2, false, b"two")).await;
    peer.expect_counts(&before, 0, 1).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn every_queue_that_is_bound_gets_it() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "fanout", "").await;
    let second = &unique("jobs");
    peer.declare(second).await;
    peer.ask(queue_bind(second, &exchange, ""), queue_bind_ok()).await;
    peer.send(later(&exchange, "", 50, b"one")).await;
    assert_eq!(take(&mut peer, 1).await, ["one"]);
    peer.until_counts(second, 1, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn it_goes_on_to_other_exchanges() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, plain, jobs) = (&unique("delayed"), &unique("plain"), &unique("jobs"));
    peer.ask(delayed(exchange, "topic"), exchange_declare_ok()).await;
    peer.ask(exchange_declare(plain, "direct"), exchange_declare_ok()).await;
    peer.ask(exchange_bind(plain, exchange, "a.#"), exchange_bind_ok()).await;
    peer.declare(jobs).await;
    peer.ask(queue_bind(jobs, plain, "a.b"), queue_bind_ok()).await;
    peer.ask(consume(jobs, "c").no_ack(), consume_ok("c")).await;
    let sent_at = Instant::now();
    peer.send(later(exchange, "a.b", 200, b"one")).await;
    peer.expect(deliver("c", 1, false, b"one").via(exchange, "a.b")).await;
    assert!(sent_at.elapsed() + ROUNDING >= Duration::from_millis(200), "too early");
    broker.stop_and_check().await;
}

/// In the plugin routing stops where the message is held, wherever on the way that is.
#[tokio::test]
async fn it_waits_also_where_another_exchange_leads_to() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    let (front, direct) = (&unique("front"), &unique("jobs"));
    peer.ask(exchange_declare(front, "direct"), exchange_declare_ok()).await;
    peer.ask(exchange_bind(&exchange, front, "k"), exchange_bind_ok()).await;
    peer.declare(direct).await;
    peer.ask(queue_bind(direct, front, "k"), queue_bind_ok()).await;
    let sent_at = Instant::now();
    peer.send(later(front, "k", 200, b"one")).await;
    peer.expect_counts(direct, 1, 0).await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    assert!(sent_at.elapsed() + ROUNDING >= Duration::from_millis(200), "too early");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_dead_letter_is_delayed_as_any_other() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    let source = &unique("source");
    let arguments =
        [("x-dead-letter-exchange", text(&exchange)), ("x-dead-letter-routing-key", text("k"))];
    peer.declare_as(classic(source, &arguments)).await;
    peer.send(later("", source, 200, b"one")).await;
    peer.ask(get(source), get_ok(1, false, 0, b"one")).await;
    let sent_at = Instant::now();
    peer.send(reject(1, Requeue::No)).await;
    let came = peer.next_message(1).await;
    assert!(sent_at.elapsed() + ROUNDING >= Duration::from_millis(200), "too early");
    assert_eq!(delay_of(&came), Some(int(-200)));
    broker.stop_and_check().await;
}

// What the publisher hears

#[tokio::test]
async fn what_waits_is_never_returned() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    peer.send(later(&exchange, "nobody", 20, b"lost").mandatory()).await;
    peer.expect_nothing_until_reply().await;
    // Due after the other, which then has had its chance to come back.
    peer.send(later(&exchange, "k", 60, b"one").mandatory()).await;
    assert_eq!(take(&mut peer, 1).await, ["one"]);
    peer.expect_nothing_until_reply().await;
    // Without a delay it is as usual.
    peer.send(publish(&exchange, "nobody", b"back").mandatory()).await;
    peer.expect(no_route(&exchange, "nobody", b"back")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_confirm_does_not_wait_for_the_delay() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let exchange = &unique("delayed");
    let durable = delayed(exchange, "direct").durable();
    peer.ask(durable, exchange_declare_ok()).await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    let persistent = headers(&[("x-delay", int(NEVER_MS))]).with_delivery_mode(2);
    peer.ask(publish(exchange, "k", b"one").with(persistent), ack(1)).await;
    peer.ask(later(exchange, "nobody", NEVER_MS, b"two"), ack(2)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_transaction_begins_the_delay_with_its_commit() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    let mut other = broker.peer().await;
    other.ask(tx_select(), tx_select_ok()).await;
    other.send(later(&exchange, "k", 20, b"rolled back")).await;
    other.ask(tx_rollback(), tx_rollback_ok()).await;
    other.send(later(&exchange, "k", 200, b"one")).await;
    let sent_at = Instant::now();
    other.ask(tx_commit(), tx_commit_ok()).await;
    assert_eq!(take(&mut peer, 1).await, ["one"]);
    assert!(sent_at.elapsed() + ROUNDING >= Duration::from_millis(200), "too early");
    broker.stop_and_check().await;
}

// What becomes of what waits

#[tokio::test]
async fn what_waits_goes_with_its_exchange() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, queue) = bound(&mut peer, "direct", "k").await;
    let kept = unique("delayed");
    peer.ask(delayed(&kept, "direct"), exchange_declare_ok()).await;
    peer.ask(queue_bind(&queue, &kept, "k"), queue_bind_ok()).await;
    peer.send(later(&exchange, "k", 500, b"dropped")).await;
    peer.ask(exchange_delete(&exchange), exchange_delete_ok()).await;
    // The same name is another exchange.
    peer.ask(delayed(&exchange, "direct"), exchange_declare_ok()).await;
    peer.ask(queue_bind(&queue, &exchange, "k"), queue_bind_ok()).await;
    peer.send(later(&kept, "k", 800, b"kept")).await;
    assert_eq!(take(&mut peer, 1).await, ["kept"]);
    broker.stop_and_check().await;
}

/// Its publisher need not be there any more.
#[tokio::test]
async fn what_waits_outlives_its_publisher() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut peer = broker.peer().await;
    let (exchange, _) = bound(&mut peer, "direct", "k").await;
    let mut publisher = broker.peer().await;
    publisher.send(later(&exchange, "k", 200, b"one")).await;
    publisher.close().await;
    assert_eq!(take(&mut peer, 1).await, ["one"]);
    broker.stop_and_check().await;
}

/// Durable all of it: the exchange `later`, the queue `jobs`.
async fn declare_durable(peer: &mut Peer) {
    peer.ask(delayed("later", "direct").durable(), exchange_declare_ok()).await;
    peer.declare_as(queue_declare("jobs").durable()).await;
    peer.ask(queue_bind("jobs", "later", "k"), queue_bind_ok()).await;
}

fn persistent(ms: i32, body: &[u8]) -> Publish {
    publish("later", "k", body).with(headers(&[("x-delay", int(ms))]).with_delivery_mode(2))
}

/// Two that are due soon, perhaps while the broker is away, and one that is due later.
async fn store_three(peer: &mut Peer, soon_ms: i32) -> Instant {
    let sent_at = Instant::now();
    let soon = [persistent(soon_ms, b"a"), persistent(soon_ms + 20, b"b")];
    peer.store([persistent(2500, b"c")].into_iter().chain(soon)).await;
    sent_at
}

async fn expect_three(peer: &mut Peer, sent_at: Instant) {
    peer.ask(consume("jobs", "c").no_ack(), consume_ok("c")).await;
    assert_eq!(take(peer, 3).await, ["a", "b", "c"]);
    assert!(sent_at.elapsed() + ROUNDING >= Duration::from_millis(2500), "too early");
    peer.expect_counts("jobs", 0, 1).await;
}

#[tokio::test]
async fn what_waits_survives_a_restart() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer).await;
    let sent_at = store_three(&mut peer, 20).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    expect_three(&mut peer, sent_at).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_waits_survives_a_kill() {
    let data = tempfile::tempdir().expect("a directory");
    let program = Program::start(data.path());
    let mut peer = program.peer().await;
    declare_durable(&mut peer).await;
    // Not in the very moment of the kill: what is just being released may come twice.
    let sent_at = store_three(&mut peer, 700).await;
    program.kill();
    let program = Program::start(data.path());
    let mut peer = program.peer().await;
    expect_three(&mut peer, sent_at).await;
    program.kill();
}

/// What has been released does not come a second time.
#[tokio::test]
async fn what_came_before_a_restart_does_not_come_again() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer).await;
    peer.store([persistent(20, b"a")]).await;
    peer.ask(consume("jobs", "c"), consume_ok("c")).await;
    peer.expect(deliver("c", 1, false, b"a")).await;
    peer.send(ack(1)).await;
    peer.expect_nothing_until_reply().await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    peer.ask(consume("jobs", "c"), consume_ok("c")).await;
    peer.store([persistent(50, b"b")]).await;
    peer.expect(deliver("c", 1, false, b"b")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_went_with_its_exchange_stays_gone() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer).await;
    peer.store([persistent(1000, b"dropped")]).await;
    peer.ask(exchange_delete("later"), exchange_delete_ok()).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    peer.ask(delayed("later", "direct").durable(), exchange_declare_ok()).await;
    peer.ask(queue_bind("jobs", "later", "k"), queue_bind_ok()).await;
    peer.store([persistent(1200, b"kept")]).await;
    peer.ask(consume("jobs", "c").no_ack(), consume_ok("c")).await;
    assert_eq!(take(&mut peer, 1).await, ["kept"]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_transient_does_not_survive() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer).await;
    peer.ask(delayed("passing", "direct"), exchange_declare_ok()).await;
    peer.store([later("later", "k", 1000, b"transient"), persistent(1500, b"kept")]).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    peer.send(exchange_declare("passing", "").passive()).await;
    let text = "NOT_FOUND - no exchange 'passing' in vhost '/'";
    peer.expect_channel_close(404, text, DECLARE).await;
    peer.open_channel(1).await;
    peer.ask(consume("jobs", "c").no_ack(), consume_ok("c")).await;
    assert_eq!(take(&mut peer, 1).await, ["kept"]);
    broker.stop_and_check().await;
}
