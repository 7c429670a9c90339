//! Prefetch limits, of consumers and of channels (behaviour 22).

mod common;

use common::*;

/// Delivered to tag `c` of channel 1, in turn, not redelivered.
async fn expect_delivered(peer: &mut Peer, from_tag: u64, bodies: &[&[u8]]) {
    for (tag, body) in (from_tag..).zip(bodies) {
        peer.expect(deliver("c", tag, false, body)).await;
    }
}

async fn publish_all(peer: &mut Peer, queue: &str, bodies: &[&[u8]]) {
    for body in bodies {
        peer.send(publish("", queue, body)).await;
    }
}

#[tokio::test]
async fn a_limit_in_bytes_is_not_implemented() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send_bytes(&method_frame(1, (60, 10), &[0, 0, 0, 7, 0, 0, 0])).await;
    peer.expect_connection_close(540, "NOT_IMPLEMENTED - prefetch_size!=0 (7)", (60, 10)).await;
    broker.stop_and_check().await;
}

// Per consumer

#[tokio::test]
async fn a_consumer_holds_no_more_than_its_limit() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    publish_all(&mut peer, jobs, &[b"1", b"2", b"3", b"4"]).await;
    peer.ask(qos(2), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    expect_delivered(&mut peer, 1, &[b"1", b"2"]).await;
    peer.expect_counts(jobs, 2, 1).await;
    peer.send(ack(1)).await;
    expect_delivered(&mut peer, 3, &[b"3"]).await;
    peer.expect_counts(jobs, 1, 1).await;
    peer.send(ack_up_to(3)).await;
    expect_delivered(&mut peer, 4, &[b"4"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_limit_holds_for_messages_that_come_later() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    publish_all(&mut peer, jobs, &[b"1", b"2"]).await;
    expect_delivered(&mut peer, 1, &[b"1"]).await;
    peer.expect_counts(jobs, 1, 1).await;
    peer.send(reject(1, Requeue::No)).await;
    expect_delivered(&mut peer, 2, &[b"2"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn each_consumer_has_a_limit_of_its_own() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "a"), consume_ok("a")).await;
    peer.ask(qos(2), qos_ok()).await;
    peer.ask(consume(jobs, "b"), consume_ok("b")).await;
    publish_all(&mut peer, jobs, &[b"1", b"2", b"3", b"4"]).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    peer.expect(deliver("b", 2, false, b"2")).await;
    peer.expect(deliver("b", 3, false, b"3")).await;
    peer.expect_counts(jobs, 1, 2).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_new_limit_is_for_new_consumers() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.ask(qos(10), qos_ok()).await;
    publish_all(&mut peer, jobs, &[b"1", b"2", b"3"]).await;
    expect_delivered(&mut peer, 1, &[b"1"]).await;
    peer.expect_counts(jobs, 2, 1).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn no_limit_is_0() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let bodies: Vec<[u8; 1]> = (0..100).map(|n| [n]).collect();
    let bodies: Vec<&[u8]> = bodies.iter().map(<[u8; 1]>::as_slice).collect();
    publish_all(&mut peer, jobs, &bodies).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(qos(0), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    expect_delivered(&mut peer, 1, &bodies).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_ack_there_is_no_limit() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    publish_all(&mut peer, jobs, &[b"1", b"2", b"3"]).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "c").no_ack(), consume_ok("c")).await;
    expect_delivered(&mut peer, 1, &[b"1", b"2", b"3"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_cancelled_consumer_does_not_use_up_the_limit_of_the_next() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    publish_all(&mut peer, jobs, &[b"1", b"2"]).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "a"), consume_ok("a")).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    peer.ask(cancel("a"), cancel_ok("a")).await;
    peer.ask(consume(jobs, "b"), consume_ok("b")).await;
    peer.expect(deliver("b", 2, false, b"2")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_requeued_message_frees_its_place() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    publish_all(&mut peer, jobs, &[b"1", b"2"]).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    expect_delivered(&mut peer, 1, &[b"1"]).await;
    peer.send(nack(1, Requeue::Yes)).await;
    peer.expect(deliver("c", 2, true, b"1")).await;
    peer.send(ack(2)).await;
    expect_delivered(&mut peer, 3, &[b"2"]).await;
    broker.stop_and_check().await;
}

// For the channel

#[tokio::test]
async fn a_limit_of_the_channel_is_shared_by_its_consumers() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (one, two) = (&unique("one"), &unique("two"));
    peer.declare(one).await;
    peer.declare(two).await;
    peer.ask(qos_global(2), qos_ok()).await;
    peer.ask(consume(one, "a"), consume_ok("a")).await;
    peer.ask(consume(two, "b"), consume_ok("b")).await;
    publish_all(&mut peer, one, &[b"1", b"2"]).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    peer.expect(deliver("a", 2, false, b"2")).await;
    publish_all(&mut peer, two, &[b"3"]).await;
    peer.expect_counts(two, 1, 1).await;
    peer.send(ack(1)).await;
    peer.expect(deliver("b", 3, false, b"3")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_limit_of_the_channel_counts_what_is_already_out() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    publish_all(&mut peer, jobs, &[b"1", b"2"]).await;
    expect_delivered(&mut peer, 1, &[b"1", b"2"]).await;
    peer.ask(qos_global(1), qos_ok()).await;
    publish_all(&mut peer, jobs, &[b"3"]).await;
    peer.expect_counts(jobs, 1, 1).await;
    peer.send(ack(1)).await;
    peer.expect_counts(jobs, 1, 1).await;
    peer.send(ack(2)).await;
    expect_delivered(&mut peer, 3, &[b"3"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_limit_of_the_channel_can_be_raised_and_lifted() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    publish_all(&mut peer, jobs, &[b"1", b"2", b"3", b"4"]).await;
    peer.ask(qos_global(1), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    expect_delivered(&mut peer, 1, &[b"1"]).await;
    peer.expect_counts(jobs, 3, 1).await;
    peer.send(qos_global(2)).await;
    peer.expect_in_any_order(vec![qos_ok().into(), deliver("c", 2, false, b"2").into()]).await;
    peer.expect_counts(jobs, 2, 1).await;
    peer.send(qos_global(0)).await;
    let lifted = vec![
        qos_ok().into(),
        deliver("c", 3, false, b"3").into(),
        deliver("c", 4, false, b"4").into(),
    ];
    peer.expect_in_any_order(lifted).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_get_neither_uses_nor_needs_the_limit_of_the_channel() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    publish_all(&mut peer, jobs, &[b"1", b"2", b"3", b"4"]).await;
    peer.ask(qos_global(1), qos_ok()).await;
    peer.ask(get(jobs), get_ok(1, false, 3, b"1")).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    expect_delivered(&mut peer, 2, &[b"2"]).await;
    peer.ask(get(jobs), get_ok(3, false, 1, b"3")).await;
    peer.expect_counts(jobs, 1, 1).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn both_limits_hold_together() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    publish_all(&mut peer, jobs, &[b"1", b"2", b"3", b"4", b"5"]).await;
    peer.ask(qos(2), qos_ok()).await;
    peer.ask(qos_global(3), qos_ok()).await;
    peer.ask(consume(jobs, "a"), consume_ok("a")).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    peer.expect(deliver("a", 2, false, b"2")).await;
    peer.expect_counts(jobs, 3, 1).await;
    peer.ask(consume(jobs, "b"), consume_ok("b")).await;
    peer.expect(deliver("b", 3, false, b"3")).await;
    peer.expect_counts(jobs, 2, 2).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn other_channels_have_limits_of_their_own() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.open_channel(2).await;
    for channel in [1, 2] {
        peer.send_on(channel, qos_global(1)).await;
        peer.expect_on(channel, qos_ok()).await;
        peer.send_on(channel, consume(jobs, "c")).await;
        peer.expect_on(channel, consume_ok("c")).await;
    }
    publish_all(&mut peer, jobs, &[b"1", b"2", b"3"]).await;
    peer.expect_on(1, deliver("c", 1, false, b"1")).await;
    peer.expect_on(2, deliver("c", 1, false, b"2")).await;
    peer.expect_counts(jobs, 1, 2).await;
    peer.send_on(2, ack(1)).await;
    peer.expect_on(2, deliver("c", 2, false, b"3")).await;
    broker.stop_and_check().await;
}
