//! Single active consumers: who is active, who is next, what the others get (behaviour 32.1, 32.2).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::handed_out::{classic, quorum, yes};
use common::*;

const CONSUME: (u16, u16) = (60, 20);
const GET: (u16, u16) = (60, 70);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Classic,
    Quorum,
}

const BOTH: [Kind; 2] = [Kind::Classic, Kind::Quorum];

/// A queue of that type with a single active consumer.
async fn declare(peer: &mut Peer, kind: Kind) -> String {
    let jobs = unique("jobs");
    let arguments = [("x-single-active-consumer", yes())];
    peer.declare_as(match kind {
        Kind::Classic => classic(&jobs, &arguments),
        Kind::Quorum => quorum(&jobs, &arguments),
    })
    .await;
    jobs
}

/// How many consumers a queue with so many is said to have: of a quorum queue RabbitMQ 3.10 counts
/// those that do not wait.
fn counted(kind: Kind, consumers: u32) -> u32 {
    if kind == Kind::Quorum { here(consumers, consumers.min(1)) } else { consumers }
}

async fn put(peer: &mut Peer, queue: &str, bodies: &[&[u8]]) {
    peer.store(bodies.iter().map(|body| publish("", queue, body)).collect::<Vec<_>>()).await;
}

async fn start(peer: &mut Peer, queue: &str, tag: &str) {
    peer.ask(consume(queue, tag), consume_ok(tag)).await;
}

async fn start_with(peer: &mut Peer, queue: &str, tag: &str, priority: i32) {
    let arguments = table(&[("x-priority", int(priority))]);
    peer.ask(consume(queue, tag).args(arguments), consume_ok(tag)).await;
}

// One at a time

#[tokio::test]
async fn the_first_gets_everything() {
    let broker = TestBroker::start().await;
    for kind in BOTH {
        let (mut a, mut b) = (broker.peer().await, broker.peer().await);
        let jobs = &declare(&mut a, kind).await;
        start(&mut a, jobs, "a").await;
        start(&mut b, jobs, "b").await;
        put(&mut b, jobs, &[b"1", b"2", b"3"]).await;
        for (tag, body) in (1..).zip([b"1", b"2", b"3"]) {
            a.expect(deliver("a", tag, false, body)).await;
        }
        b.expect_counts(jobs, 0, counted(kind, 2)).await;
        // Had b been given anything before, this tag would be higher.
        a.ask(cancel("a"), cancel_ok("a")).await;
        put(&mut a, jobs, &[b"4"]).await;
        b.expect(deliver("b", 1, false, b"4")).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_was_there_before_goes_to_the_first() {
    let broker = TestBroker::start().await;
    for kind in BOTH {
        let mut peer = broker.peer().await;
        let jobs = &declare(&mut peer, kind).await;
        put(&mut peer, jobs, &[b"1", b"2"]).await;
        start(&mut peer, jobs, "a").await;
        peer.expect(deliver("a", 1, false, b"1")).await;
        peer.expect(deliver("a", 2, false, b"2")).await;
        start(&mut peer, jobs, "b").await;
        peer.expect_counts(jobs, 0, counted(kind, 2)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_room_of_those_who_wait_is_not_used() {
    let broker = TestBroker::start().await;
    for kind in BOTH {
        let (mut a, mut b) = (broker.peer().await, broker.peer().await);
        let jobs = &declare(&mut a, kind).await;
        a.ask(qos(1), qos_ok()).await;
        start(&mut a, jobs, "a").await;
        b.ask(qos(100), qos_ok()).await;
        start(&mut b, jobs, "b").await;
        put(&mut b, jobs, &[b"1", b"2", b"3"]).await;
        a.expect(deliver("a", 1, false, b"1")).await;
        b.until_counts(jobs, 2, counted(kind, 2)).await;
        b.expect_nothing_until_reply().await;
        a.send(ack(1)).await;
        a.expect(deliver("a", 2, false, b"2")).await;
        a.send(reject(2, Requeue::No)).await;
        a.expect(deliver("a", 3, false, b"3")).await;
        b.expect_nothing_until_reply().await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_the_active_one_returns_comes_back_to_it() {
    let broker = TestBroker::start().await;
    for kind in BOTH {
        let mut peer = broker.peer().await;
        let jobs = &declare(&mut peer, kind).await;
        start(&mut peer, jobs, "a").await;
        start(&mut peer, jobs, "b").await;
        put(&mut peer, jobs, &[b"1"]).await;
        peer.expect(deliver("a", 1, false, b"1")).await;
        peer.send(reject(1, Requeue::Yes)).await;
        peer.expect(deliver("a", 2, true, b"1")).await;
    }
    broker.stop_and_check().await;
}

// Who is next

#[tokio::test]
async fn after_a_cancel_the_next_gets_what_follows() {
    let broker = TestBroker::start().await;
    for kind in BOTH {
        let mut peer = broker.peer().await;
        let jobs = &declare(&mut peer, kind).await;
        peer.open_channel(2).await;
        peer.send_on(2, consume(jobs, "a")).await;
        peer.expect_on(2, consume_ok("a")).await;
        start(&mut peer, jobs, "b").await;
        put(&mut peer, jobs, &[b"1", b"2"]).await;
        peer.expect_on(2, deliver("a", 1, false, b"1")).await;
        peer.expect_on(2, deliver("a", 2, false, b"2")).await;
        peer.send_on(2, cancel("a")).await;
        peer.expect_on(2, cancel_ok("a")).await;
        put(&mut peer, jobs, &[b"3"]).await;
        peer.expect(deliver("b", 1, false, b"3")).await;
        // What a has is still its own, until it gives it back. RabbitMQ 3.10 counts it until then
        // as a consumer of a quorum queue.
        let consumers = if kind == Kind::Quorum { here(1, 2) } else { 1 };
        peer.expect_counts(jobs, 0, consumers).await;
        peer.send_on(2, ack(1)).await;
        peer.send_on(2, reject(2, Requeue::Yes)).await;
        peer.expect(deliver("b", 2, true, b"2")).await;
    }
    broker.stop_and_check().await;
}

/// What is ready does not wait for the next thing that happens.
#[tokio::test]
async fn after_a_cancel_the_next_is_served_at_once() {
    let why =
        "RabbitMQ 3.10 serves nobody then, and its queue ends with an error at the next publish";
    let Some(broker) = only_on_warren(why).await else { return };
    for kind in BOTH {
        let (mut a, mut b) = (broker.peer().await, broker.peer().await);
        let jobs = &declare(&mut a, kind).await;
        a.ask(qos(1), qos_ok()).await;
        start(&mut a, jobs, "a").await;
        start(&mut b, jobs, "b").await;
        put(&mut a, jobs, &[b"1", b"2"]).await;
        a.expect(deliver("a", 1, false, b"1")).await;
        a.ask(cancel("a"), cancel_ok("a")).await;
        b.expect(deliver("b", 1, false, b"2")).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn when_its_channel_closes_the_next_gets_all_it_had() {
    let broker = TestBroker::start().await;
    for kind in BOTH {
        let mut peer = broker.peer().await;
        let jobs = &declare(&mut peer, kind).await;
        peer.open_channel(2).await;
        peer.send_on(2, consume(jobs, "a")).await;
        peer.expect_on(2, consume_ok("a")).await;
        start(&mut peer, jobs, "b").await;
        put(&mut peer, jobs, &[b"1", b"2"]).await;
        peer.expect_on(2, deliver("a", 1, false, b"1")).await;
        peer.expect_on(2, deliver("a", 2, false, b"2")).await;
        peer.send_on(2, ack(1)).await;
        peer.close_channel(2).await;
        peer.expect(deliver("b", 1, true, b"2")).await;
        put(&mut peer, jobs, &[b"3"]).await;
        peer.expect(deliver("b", 2, false, b"3")).await;
        peer.expect_counts(jobs, 0, 1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn when_its_connection_ends_the_next_gets_all_it_had() {
    let broker = TestBroker::start().await;
    for (kind, in_order) in [(BOTH[0], true), (BOTH[0], false), (BOTH[1], true), (BOTH[1], false)] {
        let (mut a, mut b) = (broker.peer().await, broker.peer().await);
        let jobs = &declare(&mut b, kind).await;
        start(&mut a, jobs, "a").await;
        start(&mut b, jobs, "b").await;
        put(&mut b, jobs, &[b"1", b"2"]).await;
        a.expect(deliver("a", 1, false, b"1")).await;
        a.expect(deliver("a", 2, false, b"2")).await;
        if in_order {
            a.close().await;
        } else {
            drop(a);
        }
        b.expect(deliver("b", 1, true, b"1")).await;
        b.expect(deliver("b", 2, true, b"2")).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_oldest_is_next() {
    let broker = TestBroker::start().await;
    for kind in BOTH {
        let mut peer = broker.peer().await;
        let jobs = &declare(&mut peer, kind).await;
        for tag in ["a", "b", "c", "d"] {
            start(&mut peer, jobs, tag).await;
        }
        // One that does not wait any more is not chosen; one that comes back is the youngest.
        peer.ask(cancel("b"), cancel_ok("b")).await;
        start(&mut peer, jobs, "b").await;
        for (tag, active) in (1..).zip(["a", "c", "d", "b"]) {
            put(&mut peer, jobs, &[b"x"]).await;
            peer.expect(deliver(active, tag, false, b"x")).await;
            peer.send(ack(tag)).await;
            peer.ask(cancel(active), cancel_ok(active)).await;
        }
        peer.expect_counts(jobs, 0, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_highest_priority_is_next_then_the_oldest() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &declare(&mut peer, Kind::Classic).await;
    start(&mut peer, jobs, "first").await;
    start_with(&mut peer, jobs, "low", -1).await;
    start(&mut peer, jobs, "usual").await;
    start_with(&mut peer, jobs, "high 1", 5).await;
    start_with(&mut peer, jobs, "high 2", 5).await;
    for (tag, active) in (1..).zip(["first", "high 1", "high 2", "usual", "low"]) {
        put(&mut peer, jobs, &[b"x"]).await;
        peer.expect(deliver(active, tag, false, b"x")).await;
        peer.send(ack(tag)).await;
        peer.ask(cancel(active), cancel_ok(active)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_classic_queues_active_one_stays_so() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &declare(&mut peer, Kind::Classic).await;
    start(&mut peer, jobs, "a").await;
    start_with(&mut peer, jobs, "b", 10).await;
    put(&mut peer, jobs, &[b"1", b"2"]).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    peer.expect(deliver("a", 2, false, b"2")).await;
    peer.send(ack_up_to(2)).await;
    put(&mut peer, jobs, &[b"3"]).await;
    peer.expect(deliver("a", 3, false, b"3")).await;
    broker.stop_and_check().await;
}

const TAKES_OVER: &str = "before 4.0 nobody took over on a quorum queue";

#[tokio::test]
async fn on_a_quorum_queue_a_higher_priority_takes_over_from_one_that_holds_nothing() {
    let Some(broker) = only_on_warren(TAKES_OVER).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &declare(&mut peer, Kind::Quorum).await;
    start(&mut peer, jobs, "a").await;
    start(&mut peer, jobs, "same").await;
    put(&mut peer, jobs, &[b"1"]).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    peer.send(ack(1)).await;
    start_with(&mut peer, jobs, "b", 10).await;
    put(&mut peer, jobs, &[b"2"]).await;
    peer.expect(deliver("b", 2, false, b"2")).await;
    // It did not end: it waits again, and longest.
    peer.expect_counts(jobs, 0, 3).await;
    peer.ask(cancel("b"), cancel_ok("b")).await;
    put(&mut peer, jobs, &[b"3"]).await;
    let came = peer.next_message(1).await;
    assert!(["a", "same"].contains(&came.consumer_tag()), "{}", came.consumer_tag());
    broker.stop_and_check().await;
}

#[tokio::test]
async fn on_a_quorum_queue_a_higher_priority_waits_for_what_is_held() {
    let Some(broker) = only_on_warren(TAKES_OVER).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &declare(&mut peer, Kind::Quorum).await;
    start(&mut peer, jobs, "a").await;
    put(&mut peer, jobs, &[b"1", b"2"]).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    peer.expect(deliver("a", 2, false, b"2")).await;
    start_with(&mut peer, jobs, "b", 10).await;
    put(&mut peer, jobs, &[b"3"]).await;
    // Neither gets it: a is on its way out, b is not active yet.
    peer.expect_counts(jobs, 1, 2).await;
    peer.send(ack(1)).await;
    peer.expect_counts(jobs, 1, 2).await;
    peer.send(ack(2)).await;
    peer.expect(deliver("b", 3, false, b"3")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_given_back_meanwhile_goes_to_the_one_that_takes_over() {
    let Some(broker) = only_on_warren(TAKES_OVER).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &declare(&mut peer, Kind::Quorum).await;
    start(&mut peer, jobs, "a").await;
    put(&mut peer, jobs, &[b"1"]).await;
    peer.expect(deliver("a", 1, false, b"1")).await;
    start_with(&mut peer, jobs, "b", 10).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.expect(deliver("b", 2, true, b"1")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_next_on_a_quorum_queue_is_the_highest_too() {
    let Some(broker) = only_on_warren(TAKES_OVER).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &declare(&mut peer, Kind::Quorum).await;
    start_with(&mut peer, jobs, "first", 9).await;
    start_with(&mut peer, jobs, "low", -1).await;
    start(&mut peer, jobs, "usual").await;
    start_with(&mut peer, jobs, "high 1", 5).await;
    start_with(&mut peer, jobs, "high 2", 5).await;
    for (tag, active) in (1..).zip(["first", "high 1", "high 2", "usual", "low"]) {
        put(&mut peer, jobs, &[b"x"]).await;
        peer.expect(deliver(active, tag, false, b"x")).await;
        peer.send(ack(tag)).await;
        peer.ask(cancel(active), cancel_ok(active)).await;
    }
    broker.stop_and_check().await;
}

// What does not go together

#[tokio::test]
async fn nobody_is_exclusive_where_all_take_turns() {
    let broker = TestBroker::start().await;
    // RabbitMQ 3.10 does not look at a quorum queue.
    for kind in here(BOTH.as_slice(), &BOTH[..1]).iter().copied() {
        let mut peer = broker.peer().await;
        let jobs = &declare(&mut peer, kind).await;
        peer.send(consume(jobs, "c").exclusive()).await;
        let text = format!("ACCESS_REFUSED - queue '{jobs}' in vhost '/' in exclusive use");
        peer.expect_channel_close(403, &text, CONSUME).await;
        peer.open_channel(1).await;
        peer.expect_counts(jobs, 0, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_quorum_queue_with_a_single_active_consumer_has_no_get() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &declare(&mut peer, Kind::Quorum).await;
    put(&mut peer, jobs, &[b"1"]).await;
    peer.send(get(jobs)).await;
    let text = format!(
        "RESOURCE_LOCKED - cannot obtain access to locked queue '{jobs}' in vhost '/'. basic.get \
         operations are not supported by quorum queues with single active consumer"
    );
    peer.expect_channel_close(405, &text, GET).await;
    peer.open_channel(1).await;
    start(&mut peer, jobs, "c").await;
    peer.expect(deliver("c", 1, false, b"1")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_classic_queue_with_a_single_active_consumer_has() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &declare(&mut peer, Kind::Classic).await;
    peer.ask(qos(1), qos_ok()).await;
    start(&mut peer, jobs, "c").await;
    put(&mut peer, jobs, &[b"1", b"2"]).await;
    peer.expect(deliver("c", 1, false, b"1")).await;
    peer.ask(get(jobs), get_ok(2, false, 0, b"2")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn all_are_told_that_their_queue_is_gone() {
    let broker = TestBroker::start().await;
    for kind in BOTH {
        let (mut a, mut b) = (broker.peer().await, broker.peer().await);
        let jobs = &declare(&mut a, kind).await;
        start(&mut a, jobs, "a").await;
        start(&mut b, jobs, "b").await;
        let mut other = broker.peer().await;
        other.ask(queue_delete(jobs), queue_delete_ok(0)).await;
        a.expect(cancel_nowait("a")).await;
        b.expect(cancel_nowait("b")).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn after_the_last_one_messages_wait() {
    let broker = TestBroker::start().await;
    for kind in BOTH {
        let mut peer = broker.peer().await;
        let jobs = &declare(&mut peer, kind).await;
        start(&mut peer, jobs, "a").await;
        peer.ask(cancel("a"), cancel_ok("a")).await;
        put(&mut peer, jobs, &[b"1"]).await;
        peer.until_counts(jobs, 1, 0).await;
        start(&mut peer, jobs, "b").await;
        peer.expect(deliver("b", 1, false, b"1")).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn it_is_still_so_after_a_restart() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let arguments = [("x-single-active-consumer", yes())];
    peer.declare_as(classic("classic", &arguments).durable()).await;
    peer.declare_as(quorum("quorum", &arguments)).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    let mut last_tag = 0;
    for queue in ["classic", "quorum"] {
        let (a, b) = (format!("{queue} a"), format!("{queue} b"));
        start(&mut peer, queue, &a).await;
        start(&mut peer, queue, &b).await;
        put(&mut peer, queue, &[b"1", b"2"]).await;
        peer.expect(deliver(&a, last_tag + 1, false, b"1")).await;
        peer.expect(deliver(&a, last_tag + 2, false, b"2")).await;
        last_tag += 2;
    }
    broker.stop_and_check().await;
}
