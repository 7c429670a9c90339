//! Consumers that go first, and consumers that tolerate no other (behaviour 23.3, 24.2). What
//! `basic_consume.rs` has of both is not repeated here.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::handed_out::{classic, long, quorum};
use common::*;

const CONSUME: (u16, u16) = (60, 20);

async fn both_kinds(peer: &mut Peer) -> [String; 2] {
    let [jobs, copies] = [unique("classic"), unique("quorum")];
    peer.declare_as(classic(&jobs, &[])).await;
    peer.declare_as(quorum(&copies, &[])).await;
    [jobs, copies]
}

async fn put(peer: &mut Peer, queue: &str, bodies: &[&[u8]]) {
    peer.store(bodies.iter().map(|body| publish("", queue, body)).collect::<Vec<_>>()).await;
}

async fn start(peer: &mut Peer, queue: &str, tag: &str, priority: AMQPValue) {
    let arguments = table(&[("x-priority", priority)]);
    peer.ask(consume(queue, tag).args(arguments), consume_ok(tag)).await;
}

/// One message, acked: who got it.
async fn whose_turn(peer: &mut Peer, queue: &str) -> String {
    put(peer, queue, &[b"x"]).await;
    let came = peer.next_message(1).await;
    peer.send(ack(came.delivery_tag())).await;
    came.consumer_tag().to_owned()
}

#[tokio::test]
async fn a_priority_may_be_any_integer() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let all = [
        ("minimum", long(i64::MIN)),
        ("8 bits", AMQPValue::ShortShortInt(-3)),
        ("no priority", int(0)),
        ("16 bits", AMQPValue::ShortInt(300)),
        ("32 bits", int(70_000)),
        ("unsigned", AMQPValue::LongUInt(u32::MAX)),
        ("64 bits", long(1 << 40)),
        ("maximum", long(i64::MAX)),
    ];
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for (tag, priority) in &all {
        start(&mut peer, jobs, tag, priority.clone()).await;
    }
    for (tag, _) in all.iter().rev() {
        assert_eq!(whose_turn(&mut peer, jobs).await, *tag);
        peer.ask(cancel(tag), cancel_ok(tag)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_fraction_is_no_priority() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for (value, kind) in [
        (AMQPValue::Double(1.0), "double"),
        (AMQPValue::Boolean(true), "bool"),
        (AMQPValue::Timestamp(1), "timestamp"),
    ] {
        peer.send(consume(jobs, "c").args(table(&[("x-priority", value)]))).await;
        let text = format!(
            "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{jobs}' in vhost '/': \
             \"expected integer, got {kind}\""
        );
        peer.expect_channel_close(406, &text, CONSUME).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn those_of_the_same_priority_take_turns() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for jobs in &both_kinds(&mut peer).await {
        for (tag, priority) in [("low", 1), ("a", 2), ("b", 2)] {
            start(&mut peer, jobs, &format!("{jobs} {tag}"), int(priority)).await;
        }
        for _ in 0..3 {
            assert_eq!(whose_turn(&mut peer, jobs).await, format!("{jobs} a"));
            assert_eq!(whose_turn(&mut peer, jobs).await, format!("{jobs} b"));
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn one_that_comes_later_goes_first_if_it_is_higher() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for jobs in &both_kinds(&mut peer).await {
        let tags = [-1, 0, 1, 1000].map(|priority| (format!("{jobs} {priority}"), priority));
        for (tag, priority) in &tags {
            start(&mut peer, jobs, tag, int(*priority)).await;
            assert_eq!(whose_turn(&mut peer, jobs).await, *tag);
        }
        for (tag, _) in tags.iter().rev() {
            assert_eq!(whose_turn(&mut peer, jobs).await, *tag);
            peer.ask(cancel(tag), cancel_ok(tag)).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn lower_ones_get_what_the_higher_has_no_room_for() {
    let broker = TestBroker::start().await;
    for kind in 0..2 {
        let (mut high, mut low) = (broker.peer().await, broker.peer().await);
        let jobs = &both_kinds(&mut high).await[kind];
        high.ask(qos(2), qos_ok()).await;
        low.ask(qos(1), qos_ok()).await;
        start(&mut low, jobs, "low", int(-10)).await;
        start(&mut high, jobs, "high", int(10)).await;
        put(&mut high, jobs, &[b"1", b"2", b"3", b"4"]).await;
        high.expect(deliver("high", 1, false, b"1")).await;
        high.expect(deliver("high", 2, false, b"2")).await;
        low.expect(deliver("low", 1, false, b"3")).await;
        high.until_counts(jobs, 1, 2).await;
        high.send(ack(1)).await;
        high.expect(deliver("high", 3, false, b"4")).await;
        // What the lower one gives back goes to the higher as soon as that has room.
        high.send(ack_up_to(3)).await;
        high.until_counts(jobs, 0, 2).await;
        low.send(reject(1, Requeue::Yes)).await;
        high.expect(deliver("high", 4, true, b"3")).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_acks_the_higher_gets_everything() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    start(&mut peer, jobs, "low", int(1)).await;
    let high = consume(jobs, "high").no_ack().args(table(&[("x-priority", int(2))]));
    peer.ask(high, consume_ok("high")).await;
    put(&mut peer, jobs, &[b"1", b"2", b"3"]).await;
    for (tag, body) in (1..).zip([b"1", b"2", b"3"]) {
        peer.expect(deliver("high", tag, false, body)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn when_the_highest_is_gone_the_next_has_its_turn() {
    let broker = TestBroker::start().await;
    for kind in 0..2 {
        let (mut high, mut low) = (broker.peer().await, broker.peer().await);
        let jobs = &both_kinds(&mut low).await[kind];
        start(&mut low, jobs, "low", int(1)).await;
        start(&mut high, jobs, "high", int(2)).await;
        put(&mut low, jobs, &[b"1"]).await;
        high.expect(deliver("high", 1, false, b"1")).await;
        drop(high);
        low.expect(deliver("low", 1, true, b"1")).await;
    }
    broker.stop_and_check().await;
}

// Exclusive consumers

async fn expect_in_use(peer: &mut Peer, queue: &str, consume: Consume) {
    peer.send(consume).await;
    let text = format!("ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use");
    peer.expect_channel_close(403, &text, CONSUME).await;
    peer.open_channel(1).await;
}

#[tokio::test]
async fn not_even_its_own_channel_may_have_a_second() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(consume(jobs, "a").exclusive(), consume_ok("a")).await;
    expect_in_use(&mut peer, jobs, consume(jobs, "b")).await;
    // The channel's end was the exclusive consumer's end.
    peer.ask(consume(jobs, "b"), consume_ok("b")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_exclusive_consumer_gets_what_there_is() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    put(&mut peer, jobs, &[b"1"]).await;
    peer.ask(consume(jobs, "a").exclusive(), consume_ok("a")).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    put(&mut peer, jobs, &[b"2"]).await;
    peer.expect(deliver("a", 2, false, b"2")).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.expect(deliver("a", 3, true, b"1")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_queue_is_free_again_when_the_exclusive_consumers_connection_ends() {
    let broker = TestBroker::start().await;
    let (mut mine, mut other) = (broker.peer().await, broker.peer().await);
    let jobs = &unique("jobs");
    other.declare(jobs).await;
    mine.ask(consume(jobs, "mine").exclusive(), consume_ok("mine")).await;
    expect_in_use(&mut other, jobs, consume(jobs, "late")).await;
    drop(mine);
    other.until_counts(jobs, 0, 0).await;
    other.ask(consume(jobs, "late").exclusive(), consume_ok("late")).await;
    put(&mut other, jobs, &[b"1"]).await;
    other.expect(deliver("late", 1, false, b"1")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_priority_is_no_way_around_an_exclusive_consumer() {
    let broker = TestBroker::start().await;
    let (mut mine, mut other) = (broker.peer().await, broker.peer().await);
    let jobs = &unique("jobs");
    other.declare(jobs).await;
    mine.ask(consume(jobs, "mine").exclusive(), consume_ok("mine")).await;
    let eager = consume(jobs, "late").args(table(&[("x-priority", int(100))]));
    expect_in_use(&mut other, jobs, eager).await;
    put(&mut other, jobs, &[b"1"]).await;
    mine.expect(deliver("mine", 1, false, b"1")).await;
    broker.stop_and_check().await;
}
