//! Asking for one message (behaviour 25.11, 25.12).

mod common;

use common::*;

#[tokio::test]
async fn an_empty_queue_has_nothing_to_give() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(get(jobs), get_empty()).await;
    peer.ask(get_no_ack(jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn messages_are_given_in_order_with_the_number_left() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for body in [b"1", b"2", b"3"] {
        peer.send(publish("", jobs, body)).await;
    }
    peer.ask(get(jobs), get_ok(1, false, 2, b"1").via("", jobs)).await;
    peer.ask(get_no_ack(jobs), get_ok(2, false, 1, b"2")).await;
    peer.ask(get(jobs), get_ok(3, false, 0, b"3")).await;
    peer.ask(get(jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_was_got_and_not_acked_comes_back() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for body in [b"1", b"2", b"3"] {
        peer.send(publish("", jobs, body)).await;
    }
    peer.ask(get(jobs), get_ok(1, false, 2, b"1")).await;
    peer.ask(get(jobs), get_ok(2, false, 1, b"2")).await;
    peer.ask(get_no_ack(jobs), get_ok(3, false, 0, b"3")).await;
    peer.send(ack(1)).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    peer.ask(get(jobs), get_ok(1, true, 0, b"2")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_queue_must_be_there() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let none = &unique("none");
    peer.send(get(none)).await;
    let text = format!("NOT_FOUND - no queue '{none}' in vhost '/'");
    peer.expect_channel_close(404, &text, (60, 70)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_get_takes_what_a_consumer_has_no_room_for() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.send(publish("", jobs, b"1")).await;
    peer.expect(deliver("c", 1, false, b"1")).await;
    peer.send(publish("", jobs, b"2")).await;
    peer.ask(get(jobs), get_ok(2, false, 0, b"2")).await;
    peer.send(reject(2, Requeue::Yes)).await;
    peer.send(ack(1)).await;
    peer.expect(deliver("c", 3, true, b"2")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_get_names_the_exchange_and_key_of_the_publish() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, key) = (&unique("jobs"), &unique("key"));
    peer.declare(jobs).await;
    peer.ask(queue_bind(jobs, "amq.topic", &format!("{key}.#")), queue_bind_ok()).await;
    let full = &format!("{key}.a.b");
    peer.send(publish("amq.topic", full, b"one")).await;
    peer.ask(get(jobs), get_ok(1, false, 0, b"one").via("amq.topic", full)).await;
    broker.stop_and_check().await;
}
