//! Publisher confirms (behaviour 20).

mod common;

use amq_protocol::protocol::basic::AMQPMethod;
use common::*;

/// Every number from 1 to `last` is confirmed, one by one or many at once; nothing is refused.
async fn expect_confirmed(peer: &mut Peer, last: u64) {
    let mut open: std::collections::BTreeSet<u64> = (1..=last).collect();
    while !open.is_empty() {
        match peer.next_method_on(1, "a confirm").await {
            AMQPClass::Basic(AMQPMethod::Ack(m)) if m.multiple => {
                open.retain(|n| *n > m.delivery_tag);
            }
            AMQPClass::Basic(AMQPMethod::Ack(m)) if open.remove(&m.delivery_tag) => {}
            other => peer.fail(&format!("confirms for {open:?}"), &format!("{other:?}")),
        }
    }
}

async fn confirming(broker: &TestBroker) -> Peer {
    let mut peer = broker.peer().await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    peer
}

#[tokio::test]
async fn select_may_be_repeated() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    peer.send(publish("amq.direct", "none", b"1")).await;
    peer.expect(ack(1)).await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    peer.send(publish("amq.direct", "none", b"2")).await;
    peer.expect(ack(2)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn select_may_go_unanswered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(confirm_select_nowait()).await;
    peer.expect_nothing_until_reply().await;
    peer.send(publish("amq.direct", "none", b"1")).await;
    peer.expect(ack(1)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_transactional_channel_cannot_confirm() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(tx_select(), tx_select_ok()).await;
    peer.send(confirm_select()).await;
    let text = "PRECONDITION_FAILED - cannot switch from tx to confirm mode";
    peer.expect_channel_close(406, text, (85, 10)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn counting_starts_with_select() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"before")).await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    peer.send(publish("", jobs, b"after")).await;
    peer.expect(ack(1)).await;
    peer.expect_counts(jobs, 2, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn channels_count_on_their_own() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    peer.open_channel(2).await;
    peer.send_on(2, confirm_select()).await;
    peer.expect_on(2, confirm_select_ok()).await;
    peer.send(publish("amq.direct", "none", b"1")).await;
    peer.expect(ack(1)).await;
    peer.send_on(2, publish("amq.direct", "none", b"1")).await;
    peer.expect_on(2, ack(1)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn every_kind_of_message_and_queue_is_confirmed() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    let (durable, plain) = (&unique("durable"), &unique("plain"));
    peer.ask(queue_declare(durable).durable(), queue_declare_ok(durable, 0, 0)).await;
    peer.declare(plain).await;
    for queue in [durable, plain] {
        peer.send(publish("", queue, b"transient")).await;
        peer.send(publish("", queue, b"persistent").persistent()).await;
        peer.send(publish("", queue, b"mandatory").mandatory()).await;
        peer.send(publish("", queue, b"both").mandatory().persistent()).await;
        peer.send(publish("", queue, b"").persistent()).await;
    }
    expect_confirmed(&mut peer, 10).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_message_for_many_queues_is_confirmed_once() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    let x = &unique("x");
    peer.ask(exchange_declare(x, "fanout"), exchange_declare_ok()).await;
    for _ in 0..3 {
        let queue = &unique("queue");
        peer.ask(queue_declare(queue).durable(), queue_declare_ok(queue, 0, 0)).await;
        peer.ask(queue_bind(queue, x, ""), queue_bind_ok()).await;
    }
    peer.send(publish(x, "", b"one").persistent()).await;
    peer.expect(ack(1)).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_message_that_comes_back_is_confirmed_afterwards() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    peer.send(publish("amq.direct", "none", b"one").mandatory()).await;
    peer.expect(no_route("amq.direct", "none", b"one")).await;
    peer.expect(ack(1)).await;
    peer.send(publish("amq.direct", "none", b"two").mandatory().persistent()).await;
    peer.expect(no_route("amq.direct", "none", b"two")).await;
    peer.expect(ack(2)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_publish_that_fails_is_not_confirmed() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    let none = &unique("none");
    peer.send(publish("amq.direct", "k", b"one")).await;
    peer.expect(ack(1)).await;
    peer.send(publish(none, "k", b"two")).await;
    peer.send(publish("amq.direct", "k", b"three")).await;
    let text = format!("NOT_FOUND - no exchange '{none}' in vhost '/'");
    peer.expect_channel_close(404, &text, (60, 40)).await;
    peer.open_channel(1).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_reopened_channel_counts_anew_and_does_not_confirm_unasked() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    peer.send(publish("amq.direct", "k", b"one")).await;
    peer.expect(ack(1)).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    peer.send(publish("amq.direct", "k", b"two")).await;
    peer.expect_nothing_until_reply().await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    peer.send(publish("amq.direct", "k", b"three")).await;
    peer.expect(ack(1)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn many_messages_are_all_confirmed() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    let jobs = &unique("jobs");
    peer.ask(queue_declare(jobs).durable(), queue_declare_ok(jobs, 0, 0)).await;
    for _ in 0..300 {
        peer.send(publish("", jobs, b"x").persistent()).await;
    }
    expect_confirmed(&mut peer, 300).await;
    peer.expect_counts(jobs, 300, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn messages_that_are_dropped_purged_or_rejected_are_confirmed() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    let (purged, deleted, rejected) = (&unique("purged"), &unique("deleted"), &unique("rejected"));
    for queue in [purged, deleted, rejected] {
        peer.ask(queue_declare(queue).durable(), queue_declare_ok(queue, 0, 0)).await;
    }
    peer.open_channel(2).await;
    peer.send_on(2, consume(rejected, "c")).await;
    peer.expect_on(2, consume_ok("c")).await;
    for queue in [purged, deleted, rejected] {
        for _ in 0..10 {
            peer.send(publish("", queue, b"x").persistent()).await;
        }
    }
    peer.send_on(2, queue_purge(purged)).await;
    peer.send_on(2, queue_delete(deleted)).await;
    for tag in 1..=10 {
        reject_next(&mut peer, tag).await;
    }
    expect_confirmed(&mut peer, 30).await;
    broker.stop_and_check().await;
}

/// Waits on channel 2 for the delivery with this tag, among other answers, and rejects it.
async fn reject_next(peer: &mut Peer, tag: u64) {
    loop {
        if let Item::Content { .. } = peer.next(2, "a delivery").await {
            return peer.send_on(2, reject(tag, Requeue::No)).await;
        }
    }
}

#[tokio::test]
async fn messages_requeued_before_they_are_confirmed_are_confirmed() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    let jobs = &unique("jobs");
    peer.ask(queue_declare(jobs).durable(), queue_declare_ok(jobs, 0, 0)).await;
    for _ in 0..10 {
        peer.send(publish("", jobs, b"x").persistent()).await;
    }
    let mut other = broker.peer().await;
    other.ask(qos(1), qos_ok()).await;
    other.ask(consume(jobs, "c"), consume_ok("c")).await;
    other.expect(deliver("c", 1, false, b"x")).await;
    other.close_channel(1).await;
    expect_confirmed(&mut peer, 10).await;
    peer.expect_counts(jobs, 10, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn consuming_while_confirming_keeps_the_numbers_apart() {
    let broker = TestBroker::start().await;
    let mut peer = confirming(&broker).await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.send(publish("amq.direct", "none", b"lost")).await;
    peer.expect(ack(1)).await;
    peer.send(publish("", jobs, b"one")).await;
    let both = vec![ack(2).into(), deliver("c", 1, false, b"one").into()];
    peer.expect_in_any_order(both).await;
    peer.send(ack(1)).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}
