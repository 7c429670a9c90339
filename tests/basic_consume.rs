//! Consuming: whose turn it is, cancelling from both sides (behaviour 23, 24).

mod common;

use amq_protocol::protocol::basic::AMQPMethod;
use common::*;

const CONSUME: (u16, u16) = (60, 20);

/// Declares a queue of this name's kind with these messages in it.
async fn queue_with(peer: &mut Peer, stem: &str, bodies: &[&[u8]]) -> String {
    let queue = unique(stem);
    peer.declare(&queue).await;
    for body in bodies {
        peer.send(publish("", &queue, body)).await;
    }
    queue
}

async fn start(peer: &mut Peer, consume: Consume, tag: &str) {
    peer.ask(consume, consume_ok(tag)).await;
}

#[tokio::test]
async fn what_is_there_and_what_comes_is_delivered_in_order() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[b"one", b"two"]).await;
    start(&mut peer, consume(jobs, "c1"), "c1").await;
    peer.expect(deliver("c1", 1, false, b"one").via("", jobs)).await;
    peer.expect(deliver("c1", 2, false, b"two")).await;
    peer.send(publish("", jobs, b"three")).await;
    peer.expect(deliver("c1", 3, false, b"three")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_consumer_without_a_tag_is_given_one() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    peer.send(consume(jobs, "")).await;
    let came = peer.next_method_on(1, "basic.consume-ok").await;
    let AMQPClass::Basic(AMQPMethod::ConsumeOk(ok)) = came else { panic!("{came:?}") };
    let tag = ok.consumer_tag.as_str();
    let random = tag.strip_prefix("amq.ctag-").expect("the broker's prefix");
    assert_eq!(random.len(), 22, "{tag}");
    peer.send(publish("", jobs, b"one")).await;
    peer.expect(deliver(tag, 1, false, b"one")).await;
    peer.ask(cancel(tag), cancel_ok(tag)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_tag_is_used_once_at_a_time() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    start(&mut peer, consume(jobs, "c"), "c").await;
    peer.ask(cancel("c"), cancel_ok("c")).await;
    start(&mut peer, consume(jobs, "c"), "c").await;
    peer.send(consume(jobs, "c")).await;
    let text = "NOT_ALLOWED - attempt to reuse consumer tag 'c'";
    peer.expect_connection_close(530, text, CONSUME).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn two_channels_may_use_the_same_tag() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    start(&mut peer, consume(jobs, "c"), "c").await;
    peer.open_channel(2).await;
    peer.send_on(2, consume(jobs, "c")).await;
    peer.expect_on(2, consume_ok("c")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_queue_must_be_there() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let none = &unique("none");
    peer.send(consume(none, "c")).await;
    let text = format!("NOT_FOUND - no queue '{none}' in vhost '/'");
    peer.expect_channel_close(404, &text, CONSUME).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn nowait_is_not_answered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[b"one"]).await;
    peer.send(consume(jobs, "c").nowait()).await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    peer.send(cancel_nowait("c")).await;
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn no_local_is_ignored() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[b"one"]).await;
    start(&mut peer, consume(jobs, "c").no_local(), "c").await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_ack_a_message_is_gone_once_sent() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[b"one", b"two"]).await;
    start(&mut peer, consume(jobs, "c").no_ack(), "c").await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    peer.expect(deliver("c", 2, false, b"two")).await;
    peer.ask(queue_delete(jobs).if_empty(), queue_delete_ok(0)).await;
    peer.expect(cancel_nowait("c")).await;
    broker.stop_and_check().await;
}

// Whose turn it is

#[tokio::test]
async fn consumers_take_turns() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    start(&mut peer, consume(jobs, "a").no_ack(), "a").await;
    start(&mut peer, consume(jobs, "b").no_ack(), "b").await;
    for n in 0..3u64 {
        peer.send(publish("", jobs, b"x")).await;
        peer.send(publish("", jobs, b"y")).await;
        peer.expect(deliver("a", 2 * n + 1, false, b"x")).await;
        peer.expect(deliver("b", 2 * n + 2, false, b"y")).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn consumers_with_no_room_are_passed_over() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    peer.ask(qos(1), qos_ok()).await;
    start(&mut peer, consume(jobs, "one at a time"), "one at a time").await;
    peer.ask(qos(0), qos_ok()).await;
    start(&mut peer, consume(jobs, "any number"), "any number").await;
    for body in [b"1", b"2", b"3", b"4"] {
        peer.send(publish("", jobs, body)).await;
    }
    peer.expect(deliver("one at a time", 1, false, b"1")).await;
    peer.expect(deliver("any number", 2, false, b"2")).await;
    peer.expect(deliver("any number", 3, false, b"3")).await;
    peer.expect(deliver("any number", 4, false, b"4")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_higher_priority_goes_first_as_long_as_it_has_room() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    peer.ask(qos(1), qos_ok()).await;
    let with = |tag, priority| consume(jobs, tag).args(table(&[("x-priority", int(priority))]));
    start(&mut peer, with("low", -5), "low").await;
    start(&mut peer, consume(jobs, "middle"), "middle").await;
    start(&mut peer, with("high", 5), "high").await;
    for body in [b"1", b"2", b"3"] {
        peer.send(publish("", jobs, body)).await;
    }
    peer.expect(deliver("high", 1, false, b"1")).await;
    peer.expect(deliver("middle", 2, false, b"2")).await;
    peer.expect(deliver("low", 3, false, b"3")).await;
    peer.send(ack(1)).await;
    peer.send(publish("", jobs, b"4")).await;
    peer.expect(deliver("high", 4, false, b"4")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_priority_is_a_number() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    peer.send(consume(jobs, "c").args(table(&[("x-priority", text("high"))]))).await;
    let text = format!(
        "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{jobs}' in vhost '/': \
         \"expected integer, got longstr\""
    );
    peer.expect_channel_close(406, &text, CONSUME).await;
    broker.stop_and_check().await;
}

// Exclusive consumers

#[tokio::test]
async fn an_exclusive_consumer_tolerates_no_other() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    start(&mut peer, consume(jobs, "mine").exclusive(), "mine").await;
    let mut other = broker.peer().await;
    let text = format!("ACCESS_REFUSED - queue '{jobs}' in vhost '/' in exclusive use");
    for late in [consume(jobs, "late"), consume(jobs, "late").exclusive()] {
        other.send(late).await;
        other.expect_channel_close(403, &text, CONSUME).await;
        other.open_channel(1).await;
    }
    peer.ask(cancel("mine"), cancel_ok("mine")).await;
    start(&mut other, consume(jobs, "late"), "late").await;
    peer.send(consume(jobs, "mine").exclusive()).await;
    peer.expect_channel_close(403, &text, CONSUME).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_exclusive_consumer_does_not_keep_others_from_getting() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[b"one", b"two"]).await;
    peer.ask(qos(1), qos_ok()).await;
    start(&mut peer, consume(jobs, "mine").exclusive(), "mine").await;
    peer.expect(deliver("mine", 1, false, b"one")).await;
    let mut other = broker.peer().await;
    other.ask(get(jobs), get_ok(1, false, 0, b"two")).await;
    broker.stop_and_check().await;
}

// Cancelling

#[tokio::test]
async fn cancelling_what_is_not_there_is_fine() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(cancel("never"), cancel_ok("never")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn nothing_is_delivered_after_cancel_ok() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    start(&mut peer, consume(jobs, "c"), "c").await;
    peer.ask(cancel("c"), cancel_ok("c")).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.expect_counts(jobs, 1, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_cancelled_consumer_keeps_what_it_has() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[b"one", b"two"]).await;
    start(&mut peer, consume(jobs, "c"), "c").await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    peer.expect(deliver("c", 2, false, b"two")).await;
    peer.ask(cancel("c"), cancel_ok("c")).await;
    peer.expect_counts(jobs, 0, 0).await;
    peer.send(ack(1)).await;
    peer.send(reject(2, Requeue::Yes)).await;
    peer.ask(get(jobs), get_ok(3, true, 0, b"two")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_consumer_is_told_that_its_queue_is_gone() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    start(&mut peer, consume(jobs, "c"), "c").await;
    let mut other = broker.peer().await;
    other.ask(queue_delete(jobs), queue_delete_ok(0)).await;
    peer.expect(cancel_nowait("c")).await;
    start(&mut peer, consume(&queue_with(&mut broker.peer().await, "more", &[]).await, "c"), "c")
        .await; // the tag is free again
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_client_that_cannot_hear_it_is_not_told() {
    let broker = TestBroker::start().await;
    let hello = Hello { properties: client_properties(&["basic.nack"]), ..Hello::default() };
    let mut peer = broker.peer_with(hello).await;
    let jobs = &queue_with(&mut peer, "jobs", &[]).await;
    start(&mut peer, consume(jobs, "c"), "c").await;
    peer.ask(queue_delete(jobs), queue_delete_ok(0)).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn acks_for_a_queue_that_is_gone_are_accepted() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &queue_with(&mut peer, "jobs", &[b"one", b"two"]).await;
    start(&mut peer, consume(jobs, "c"), "c").await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    peer.expect(deliver("c", 2, false, b"two")).await;
    peer.ask(queue_delete(jobs), queue_delete_ok(0)).await;
    peer.expect(cancel_nowait("c")).await;
    peer.send(ack(1)).await;
    peer.send(reject(2, Requeue::Yes)).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}
