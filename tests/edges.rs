//! Corners where two rules meet: alternates, direct replies, names and numbers that are odd.

#![allow(clippy::expect_used, clippy::panic, clippy::wildcard_imports, reason = "a test")]

mod common;

use common::*;

/// As an alternate, the default exchange leads nowhere (RabbitMQ 3.10), before and after.
#[tokio::test]
async fn the_default_exchange_as_alternate_leads_nowhere() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (x, q) = (&unique("x"), &unique("q"));
    let ae = table(&[("alternate-exchange", text(""))]);
    peer.declare(q).await;
    peer.ask(exchange_declare(x, "direct").args(ae), exchange_declare_ok()).await;
    peer.send(publish(x, q, b"lost").mandatory()).await;
    peer.expect(no_route(x, q, b"lost")).await;
    broker.stop_and_check().await;
}

/// Quorum queues need a name.
#[tokio::test]
async fn a_quorum_queue_needs_a_name() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let quorum = table(&[("x-queue-type", text("quorum"))]);
    peer.send(queue_declare("").durable().args(quorum)).await;
    let text =
        "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue";
    peer.expect_channel_close(406, text, (50, 10)).await;
    broker.stop_and_check().await;
}

/// Direct replies follow CC too.
#[tokio::test]
async fn replies_follow_further_keys() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let q = &unique("q");
    peer.declare(q).await;
    peer.ask(consume("amq.rabbitmq.reply-to", "r").no_ack(), consume_ok("r")).await;
    let request = BasicProperties::default().with_reply_to("amq.rabbitmq.reply-to".into());
    peer.send(publish("", q, b"?").with(request)).await;
    peer.send(get_no_ack(q)).await;
    let Item::Content { properties, .. } = peer.next(1, "get-ok").await else {
        panic!("no get-ok");
    };
    let address = properties.reply_to().as_ref().expect("an address").to_string();
    peer.send(publish("", q, b"!").with(headers(&[("CC", texts(&[&address]))]))).await;
    peer.expect(deliver("r", 2, false, b"!")).await;
    broker.stop_and_check().await;
}

/// Both dashes count: an expiration is one number.
#[tokio::test]
async fn a_strange_expiration() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let p = BasicProperties::default().with_expiration("--5".into());
    peer.send(publish("", "nowhere", b"").with(p)).await;
    let text = "PRECONDITION_FAILED - invalid expiration '--5': no_integer";
    peer.expect_channel_close(406, text, (60, 40)).await;
    broker.stop_and_check().await;
}

/// An exchange's name that is no text is not another exchange (RabbitMQ: 404).
#[tokio::test]
async fn a_strange_exchange_name_is_not_found() {
    let Some(broker) = only_on_warren("3.10 puts the octets into its reply-text").await else {
        return;
    };
    let mut peer = broker.peer().await;
    let (x, q) = ("\u{FFFD}", &unique("q"));
    peer.ask(exchange_declare(x, "fanout"), exchange_declare_ok()).await;
    peer.declare(q).await;
    peer.ask(queue_bind(q, x, ""), queue_bind_ok()).await;
    peer.send_bytes(&method_frame(1, (60, 40), b"\0\0\x01\xff\0\0")).await;
    peer.send_bytes(&header_frame(1, 60, 0)).await;
    peer.send(get_no_ack(q)).await;
    let came = peer.next(1, "channel.close 404").await.to_string();
    assert!(came.contains("404"), "{came}");
    broker.stop_and_check().await;
}
