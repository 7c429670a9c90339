//! What is there again after a restart, and what is not (behaviour 13.8, 16.4, 17.4 and 40).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;

/// `exchange.declare` is answered with ok: it is there, and like that.
async fn expect_exchange(peer: &mut Peer, declare: ExchangeDeclare) {
    peer.ask(declare, exchange_declare_ok()).await;
}

async fn expect_no_queue(broker: &OwnBroker, name: &str) {
    let mut peer = broker.peer().await;
    peer.send(queue_declare(name).passive()).await;
    peer.expect_channel_close(
        404,
        &format!("NOT_FOUND - no queue '{name}' in vhost '/'"),
        (50, 10),
    )
    .await;
}

async fn expect_no_exchange(broker: &OwnBroker, name: &str) {
    let mut peer = broker.peer().await;
    peer.send(exchange_declare(name, "").passive()).await;
    let text = format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
    peer.expect_channel_close(404, &text, (40, 10)).await;
}

/// A message to that exchange comes to that queue.
async fn expect_route(peer: &mut Peer, exchange: &str, key: &str, queue: &str) {
    peer.send(publish(exchange, key, b"routed").mandatory()).await;
    peer.ask(get_no_ack(queue), get_ok(1, false, 0, b"routed").via(exchange, key)).await;
}

async fn expect_no_route(peer: &mut Peer, exchange: &str, key: &str) {
    peer.send(publish(exchange, key, b"lost").mandatory()).await;
    peer.expect(no_route(exchange, key, b"lost")).await;
}

async fn declare_durable(peer: &mut Peer, queue: &str) {
    peer.ask(queue_declare(queue).durable(), queue_declare_ok(queue, 0, 0)).await;
}

#[tokio::test]
async fn durable_queues_come_back_as_they_were() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let arguments = || table(&[("x-single-active-consumer", AMQPValue::Boolean(true))]);
    let declare = || queue_declare("jobs").durable().auto_delete().args(arguments());
    peer.ask(declare(), queue_declare_ok("jobs", 0, 0)).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    peer.ask(declare(), queue_declare_ok("jobs", 0, 0)).await;
    peer.send(queue_declare("jobs").durable().auto_delete()).await;
    let text = "PRECONDITION_FAILED - inequivalent arg 'x-single-active-consumer' for queue \
                'jobs' in vhost '/': received none but current is the value 'true' of type 'bool'";
    peer.expect_channel_close(406, text, (50, 10)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn durable_exchanges_come_back_as_they_were() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let arguments = || table(&[("alternate-exchange", text("amq.fanout"))]);
    let declare = || exchange_declare("logs", "topic").durable().args(arguments());
    expect_exchange(&mut peer, declare()).await;
    let inner = || exchange_declare("inner", "headers").durable().internal().auto_delete();
    expect_exchange(&mut peer, inner()).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    expect_exchange(&mut peer, declare()).await;
    expect_exchange(&mut peer, inner()).await;
    declare_durable(&mut peer, "jobs").await;
    peer.ask(queue_bind("jobs", "amq.fanout", ""), queue_bind_ok()).await;
    expect_route(&mut peer, "logs", "unrouted", "jobs").await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn bindings_between_durable_ends_come_back() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer, "jobs").await;
    expect_exchange(&mut peer, exchange_declare("logs", "topic").durable()).await;
    peer.ask(queue_bind("jobs", "logs", "a.#"), queue_bind_ok()).await;
    peer.ask(queue_bind("jobs", "amq.direct", "k"), queue_bind_ok()).await;
    peer.ask(exchange_bind("logs", "amq.fanout", ""), exchange_bind_ok()).await;
    peer.ask(exchange_bind("amq.topic", "logs", "a.#"), exchange_bind_ok()).await;
    let arguments = table(&[("x-match", text("all")), ("n", int(1))]);
    let bind = queue_bind_args("jobs", "amq.headers", "", arguments);
    peer.ask(bind, queue_bind_ok()).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    expect_route(&mut peer, "logs", "a.b", "jobs").await;
    let mut peer = broker.peer().await;
    expect_route(&mut peer, "amq.direct", "k", "jobs").await;
    let mut peer = broker.peer().await;
    expect_route(&mut peer, "amq.fanout", "a", "jobs").await;
    expect_no_route(&mut peer, "amq.direct", "other").await;
    peer.send(publish("amq.headers", "", b"one").with(headers(&[("n", int(1))]))).await;
    peer.expect_counts("jobs", 1, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_transient_at_one_end_is_gone() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer, "jobs").await;
    peer.declare("transient").await;
    peer.ask(queue_declare("mine").durable().exclusive(), queue_declare_ok("mine", 0, 0)).await;
    expect_exchange(&mut peer, exchange_declare("passing", "fanout")).await;
    peer.ask(queue_bind("jobs", "passing", ""), queue_bind_ok()).await;
    peer.ask(queue_bind("transient", "amq.fanout", ""), queue_bind_ok()).await;
    peer.ask(queue_bind("mine", "amq.fanout", ""), queue_bind_ok()).await;
    peer.ask(exchange_bind("passing", "amq.fanout", ""), exchange_bind_ok()).await;
    let broker = broker.restart().await;
    expect_no_queue(&broker, "transient").await;
    expect_no_queue(&broker, "mine").await;
    expect_no_exchange(&broker, "passing").await;
    let mut peer = broker.peer().await;
    expect_no_route(&mut peer, "amq.fanout", "").await;
    expect_exchange(&mut peer, exchange_declare("passing", "fanout")).await;
    expect_no_route(&mut peer, "passing", "").await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_was_deleted_stays_so() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    for name in ["kept", "gone"] {
        declare_durable(&mut peer, name).await;
        expect_exchange(&mut peer, exchange_declare(name, "fanout").durable()).await;
        peer.ask(queue_bind(name, "amq.direct", name), queue_bind_ok()).await;
    }
    peer.ask(queue_bind("kept", "amq.direct", "unbound"), queue_bind_ok()).await;
    peer.ask(queue_bind("kept", "gone", ""), queue_bind_ok()).await;
    peer.ask(queue_bind("gone", "kept", ""), queue_bind_ok()).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    peer.ask(queue_unbind("kept", "amq.direct", "unbound"), queue_unbind_ok()).await;
    peer.ask(queue_delete("gone"), queue_delete_ok(0)).await;
    peer.ask(exchange_delete("gone"), exchange_delete_ok()).await;
    let broker = broker.restart().await;
    expect_no_queue(&broker, "gone").await;
    expect_no_exchange(&broker, "gone").await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer, "gone").await;
    expect_exchange(&mut peer, exchange_declare("gone", "fanout").durable()).await;
    for (exchange, key) in
        [("amq.direct", "gone"), ("amq.direct", "unbound"), ("gone", ""), ("kept", "")]
    {
        expect_no_route(&mut peer, exchange, key).await;
    }
    expect_route(&mut peer, "amq.direct", "kept", "kept").await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_goes_with_something_else_stays_gone() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer, "jobs").await;
    let auto = || exchange_declare("auto", "fanout").durable().auto_delete();
    expect_exchange(&mut peer, auto()).await;
    expect_exchange(&mut peer, exchange_declare("outer", "fanout").durable().auto_delete()).await;
    peer.ask(exchange_bind("auto", "outer", ""), exchange_bind_ok()).await;
    peer.ask(queue_bind("jobs", "auto", ""), queue_bind_ok()).await;
    peer.ask(queue_declare("short").durable().auto_delete(), queue_declare_ok("short", 0, 0)).await;
    peer.ask(queue_bind("short", "amq.fanout", ""), queue_bind_ok()).await;
    peer.ask(consume("short", "c1"), consume_ok("c1")).await;
    peer.ask(cancel("c1"), cancel_ok("c1")).await;
    peer.ask(queue_delete("jobs"), queue_delete_ok(0)).await;
    let broker = broker.restart().await;
    expect_no_queue(&broker, "short").await;
    expect_no_queue(&broker, "jobs").await;
    expect_no_exchange(&broker, "auto").await;
    expect_no_exchange(&broker, "outer").await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_name_that_is_used_again_is_the_new_thing() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer, "jobs").await;
    peer.ask(queue_bind("jobs", "amq.fanout", ""), queue_bind_ok()).await;
    peer.ask(queue_delete("jobs"), queue_delete_ok(0)).await;
    declare_durable(&mut peer, "jobs").await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer, "jobs").await;
    expect_no_route(&mut peer, "amq.fanout", "").await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_was_answered_survives_a_crash() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    expect_exchange(&mut peer, exchange_declare("logs", "fanout").durable()).await;
    // Nobody waits for these; the answer to the last one covers all of them.
    for number in 0..100 {
        let name = format!("q{number}");
        peer.send(queue_declare(&name).durable().nowait()).await;
        peer.send(queue_bind_nowait(&name, "logs", "")).await;
    }
    declare_durable(&mut peer, "last").await;
    let broker = broker.crash().await;
    let mut peer = broker.peer().await;
    declare_durable(&mut peer, "last").await;
    peer.send(publish("logs", "", b"one")).await;
    for number in 0..100 {
        peer.expect_counts(&format!("q{number}"), 1, 0).await;
    }
    broker.stop_and_check().await;
}

/// Many connections and channels at once, each with a thing of its own: all answers come, in the
/// order of the questions.
#[tokio::test]
async fn answers_come_in_the_order_of_the_questions() {
    let broker = OwnBroker::start().await;
    let mut peers = Vec::new();
    for number in 0..10 {
        let mut peer = broker.peer().await;
        let queue = format!("q{number}");
        for round in 0..5 {
            peer.send(queue_declare(&queue).durable()).await;
            peer.send(queue_bind(&queue, "amq.direct", &queue)).await;
            peer.send(publish("amq.direct", &queue, b"one")).await;
            peer.send(queue_unbind(&queue, "amq.direct", &queue)).await;
            peer.send(queue_declare(&format!("t{number}-{round}"))).await;
            peer.send(queue_delete(&queue)).await;
        }
        peers.push((peer, queue, number));
    }
    for (peer, queue, number) in &mut peers {
        for round in 0..5 {
            peer.expect(queue_declare_ok(queue, 0, 0)).await;
            peer.expect(queue_bind_ok()).await;
            peer.expect(queue_unbind_ok()).await;
            peer.expect(queue_declare_ok(&format!("t{number}-{round}"), 0, 0)).await;
            peer.expect(queue_delete_ok(1)).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn keys_go_to_the_same_queues_after_a_restart() {
    for kind in ["x-consistent-hash", "x-modulus-hash"] {
        let broker = OwnBroker::start().await;
        let mut peer = broker.peer().await;
        let declare = || exchange_declare("spread", kind).durable();
        expect_exchange(&mut peer, declare()).await;
        let queues = ["one", "two", "three", "four", "five"];
        for (queue, weight) in queues.iter().zip(["5", "4", "3", "2", "1"]) {
            declare_durable(&mut peer, queue).await;
            peer.ask(queue_bind(queue, "spread", weight), queue_bind_ok()).await;
        }
        let before = reached_by_keys(&mut peer, &queues).await;
        let broker = broker.restart().await;
        let mut peer = broker.peer().await;
        expect_exchange(&mut peer, declare()).await;
        assert_eq!(reached_by_keys(&mut peer, &queues).await, before);
        broker.stop_and_check().await;
    }
}

/// Which of the queues behind `spread` each of some keys leads to.
async fn reached_by_keys(peer: &mut Peer, queues: &[&str]) -> Vec<Vec<u32>> {
    for n in 0..40_u32 {
        peer.send(publish("spread", &format!("key-{n}"), &n.to_be_bytes())).await;
    }
    let mut reached = Vec::new();
    for queue in queues {
        let mut keys = Vec::new();
        loop {
            peer.send(get_no_ack(queue)).await;
            match peer.next(1, "get-ok or get-empty").await {
                Item::Content { body, .. } => {
                    keys.push(u32::from_be_bytes(body.try_into().expect("four octets")));
                }
                Item::Method(m) if m == get_empty() => break,
                other => peer.fail("get-ok or get-empty", &other.to_string()),
            }
        }
        reached.push(keys);
    }
    assert_eq!(reached.iter().map(Vec::len).sum::<usize>(), 40);
    reached
}

#[tokio::test]
async fn exchanges_of_every_type_come_back() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let delayed = table(&[("x-delayed-type", text("direct"))]);
    let kinds = [
        "x-consistent-hash",
        "x-modulus-hash",
        "x-random",
        "x-local-random",
        "x-recent-history",
        "x-delayed-message",
    ];
    let declare = |kind| exchange_declare(kind, kind).durable().args(delayed.clone());
    for kind in kinds {
        expect_exchange(&mut peer, declare(kind)).await;
    }
    declare_durable(&mut peer, "jobs").await;
    peer.ask(queue_bind("jobs", "x-delayed-message", "k"), queue_bind_ok()).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    for kind in kinds {
        expect_exchange(&mut peer, declare(kind)).await;
    }
    expect_route(&mut peer, "x-delayed-message", "k", "jobs").await;
    expect_no_route(&mut peer, "x-delayed-message", "other").await;
    broker.stop_and_check().await;
}
