//! Consumers that keep messages for too long (behaviour 32.6). Before 4.3 RabbitMQ looked about
//! once a minute and closed the channel, so none of this is asked of RabbitMQ 3.10.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::handed_out::{classic, long, quorum};
use common::*;

const WHY: &str = "another consumer timeout before 4.3";
/// For a consumer that is to time out, in milliseconds.
const SHORT_MS: i32 = 200;
const SHORT: Duration = Duration::from_millis(SHORT_MS as u64);
/// For one that shall not: longer than two heartbeats take, which are a second each at most.
const KEPT_ALIVE_MS: i32 = 3000;

async fn broker_with(timeout: Option<Duration>) -> Option<TestBroker> {
    let settings = Settings { consumer_timeout: timeout, ..Settings::default() };
    only_on_warren_with(settings, WHY).await
}

fn timeout_of(ms: i32) -> FieldTable {
    table(&[("x-consumer-timeout", int(ms))])
}

fn closed_after(ms: i32) -> String {
    format!(
        "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value \
         used: {ms} ms. This timeout value can be configured, see consumers doc guide to learn more"
    )
}

/// A client that says nothing of being told about the end of its consumers.
fn deaf() -> Hello {
    Hello { properties: client_properties(&["basic.nack"]), ..Hello::default() }
}

/// One that hears the broker's clock.
fn beating() -> Hello {
    Hello { heartbeat_s: 1, ..Hello::default() }
}

async fn both_kinds(peer: &mut Peer) -> [String; 2] {
    let [jobs, copies] = [unique("classic"), unique("quorum")];
    peer.declare_as(classic(&jobs, &[])).await;
    peer.declare_as(quorum(&copies, &[])).await;
    [jobs, copies]
}

async fn put(peer: &mut Peer, queue: &str, bodies: &[&[u8]]) {
    peer.store(bodies.iter().map(|body| publish("", queue, body)).collect::<Vec<_>>()).await;
}

// What happens to a consumer

#[tokio::test]
async fn it_is_cancelled_and_its_messages_go_back() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer().await;
    for jobs in &both_kinds(&mut peer).await {
        let mut slow = broker.peer().await;
        put(&mut peer, jobs, &[b"1", b"2"]).await;
        slow.ask(consume(jobs, "slow").args(timeout_of(SHORT_MS)), consume_ok("slow")).await;
        slow.expect(deliver("slow", 1, false, b"1")).await;
        slow.expect(deliver("slow", 2, false, b"2")).await;
        slow.expect(cancel_nowait("slow")).await;
        peer.until_counts(jobs, 2, 0).await;
        peer.ask(consume(jobs, jobs), consume_ok(jobs)).await;
        for body in [b"1", b"2"] {
            let came = peer.next_message(1).await;
            assert_eq!((came.body.as_slice(), came.redelivered()), (body.as_slice(), true));
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn on_a_quorum_queue_it_counts_as_a_failure() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    let arguments = [
        ("x-delivery-limit", int(1)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(dead)),
    ];
    peer.declare_as(quorum(jobs, &arguments)).await;
    put(&mut peer, jobs, &[b"1"]).await;
    for failed in [None, Some(1)] {
        peer.ask(consume(jobs, "slow").args(timeout_of(SHORT_MS)), consume_ok("slow")).await;
        assert_eq!(peer.next_message(1).await.failed(), failed);
        peer.expect(cancel_nowait("slow")).await;
    }
    peer.until_counts(dead, 1, 0).await;
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_client_that_cannot_hear_it_loses_its_channel() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer().await;
    for jobs in &both_kinds(&mut peer).await {
        let mut slow = broker.peer_with(deaf()).await;
        put(&mut peer, jobs, &[b"1"]).await;
        slow.ask(consume(jobs, "slow").args(timeout_of(SHORT_MS)), consume_ok("slow")).await;
        slow.expect(deliver("slow", 1, false, b"1")).await;
        slow.expect_channel_close(406, &closed_after(SHORT_MS), (0, 0)).await;
        peer.until_counts(jobs, 1, 0).await;
        // The connection is as good as before.
        slow.open_channel(1).await;
        let came = slow.ask_message(get(jobs)).await;
        assert!(came.redelivered());
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_other_consumers_of_its_channel_go_on() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer().await;
    let (jobs, others) = (&unique("jobs"), &unique("others"));
    peer.declare(jobs).await;
    peer.declare(others).await;
    peer.ask(consume(others, "other"), consume_ok("other")).await;
    put(&mut peer, others, &[b"kept"]).await;
    peer.expect(deliver("other", 1, false, b"kept")).await;
    peer.ask(consume(jobs, "slow").args(timeout_of(SHORT_MS)), consume_ok("slow")).await;
    put(&mut peer, jobs, &[b"1"]).await;
    peer.expect(deliver("slow", 2, false, b"1")).await;
    peer.expect(cancel_nowait("slow")).await;
    // Neither cancelled, nor is what it holds taken away.
    put(&mut peer, others, &[b"more"]).await;
    peer.expect(deliver("other", 3, false, b"more")).await;
    peer.send(ack(1)).await;
    peer.send(ack(3)).await;
    peer.expect_counts(others, 0, 1).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn another_consumer_of_the_queue_gets_what_it_had() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer().await;
    for jobs in &both_kinds(&mut peer).await {
        let (slow, good) = (format!("{jobs} slow"), format!("{jobs} good"));
        peer.ask(qos(1), qos_ok()).await;
        peer.ask(consume(jobs, &slow).args(timeout_of(SHORT_MS)), consume_ok(&slow)).await;
        put(&mut peer, jobs, &[b"1"]).await;
        let came = peer.next_message(1).await;
        assert_eq!(came.consumer_tag(), slow);
        peer.ask(qos(0), qos_ok()).await;
        peer.ask(consume(jobs, &good), consume_ok(&good)).await;
        let redelivered = deliver(&good, came.delivery_tag() + 1, true, b"1");
        let cancelled = cancel_nowait(&slow);
        peer.expect_in_any_order(vec![cancelled.into(), redelivered.into()]).await;
        peer.send(ack(came.delivery_tag() + 1)).await;
        peer.expect_counts(jobs, 0, 1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn its_tag_is_free_again() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    put(&mut peer, jobs, &[b"1"]).await;
    for (tag, redelivered) in [(1, false), (2, true), (3, true)] {
        peer.ask(consume(jobs, "c").args(timeout_of(SHORT_MS)), consume_ok("c")).await;
        peer.expect(deliver("c", tag, redelivered, b"1")).await;
        peer.expect(cancel_nowait("c")).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_next_single_active_consumer_takes_over() {
    let Some(broker) = broker_with(None).await else { return };
    for is_quorum in [false, true] {
        let (mut slow, mut next) = (broker.peer().await, broker.peer().await);
        let jobs = &unique("jobs");
        let arguments = [("x-single-active-consumer", AMQPValue::Boolean(true))];
        let declare = if is_quorum { quorum } else { classic };
        next.declare_as(declare(jobs, &arguments)).await;
        slow.ask(consume(jobs, "slow").args(timeout_of(SHORT_MS)), consume_ok("slow")).await;
        next.ask(consume(jobs, "next"), consume_ok("next")).await;
        put(&mut next, jobs, &[b"1"]).await;
        slow.expect(deliver("slow", 1, false, b"1")).await;
        slow.expect(cancel_nowait("slow")).await;
        next.expect(deliver("next", 1, true, b"1")).await;
    }
    broker.stop_and_check().await;
}

/// What a cancelled consumer holds stays with its channel, and its tag may be another's by now.
#[tokio::test]
async fn a_newer_consumer_of_the_same_tag_stays() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer().await;
    let (jobs, others) = (&unique("jobs"), &unique("others"));
    peer.declare(jobs).await;
    peer.declare(others).await;
    put(&mut peer, jobs, &[b"1"]).await;
    let mut slow = broker.peer().await;
    slow.ask(consume(jobs, "c").args(timeout_of(SHORT_MS)), consume_ok("c")).await;
    slow.expect(deliver("c", 1, false, b"1")).await;
    slow.ask(cancel("c"), cancel_ok("c")).await;
    slow.ask(consume(others, "c"), consume_ok("c")).await;
    // What it held goes back all the same, and nobody is told of an end that was asked for.
    peer.until_counts(jobs, 1, 0).await;
    slow.expect_nothing_until_reply().await;
    put(&mut peer, others, &[b"2"]).await;
    slow.expect(deliver("c", 2, false, b"2")).await;
    slow.close_channel(1).await;
    peer.until_counts(others, 1, 0).await;
    broker.stop_and_check().await;
}

// Which time it has

#[tokio::test]
async fn the_brokers_time_is_for_all_that_have_none_of_their_own() {
    let Some(broker) = broker_with(Some(SHORT)).await else { return };
    let mut peer = broker.peer().await;
    for jobs in &both_kinds(&mut peer).await {
        put(&mut peer, jobs, &[b"1"]).await;
        let mut slow = broker.peer().await;
        slow.ask(consume(jobs, "slow"), consume_ok("slow")).await;
        slow.expect(deliver("slow", 1, false, b"1")).await;
        slow.expect(cancel_nowait("slow")).await;
        let mut deaf = broker.peer_with(deaf()).await;
        deaf.ask(consume(jobs, "deaf"), consume_ok("deaf")).await;
        deaf.expect(deliver("deaf", 1, true, b"1")).await;
        deaf.expect_channel_close(406, &closed_after(SHORT_MS), (0, 0)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_may_say_its_time() {
    let Some(broker) = broker_with(None).await else { return };
    for declare in [classic, quorum] {
        let mut peer = broker.peer_with(deaf()).await;
        let jobs = &unique("jobs");
        peer.declare_as(declare(jobs, &[("x-consumer-timeout", long(150))])).await;
        peer.ask(consume(jobs, "slow"), consume_ok("slow")).await;
        peer.send(publish("", jobs, b"1")).await;
        peer.expect(deliver("slow", 1, false, b"1")).await;
        peer.expect_channel_close(406, &closed_after(150), (0, 0)).await;
    }
    broker.stop_and_check().await;
}

/// Of the three the nearest to the consumer: its own, its queue's, the broker's.
#[tokio::test]
async fn the_consumers_own_time_is_the_one_used() {
    let Some(broker) = broker_with(Some(Duration::from_hours(1))).await else { return };
    let mut peer = broker.peer_with(deaf()).await;
    let jobs = &unique("jobs");
    peer.declare_as(quorum(jobs, &[("x-consumer-timeout", int(3_600_000))])).await;
    peer.ask(consume(jobs, "slow").args(timeout_of(175)), consume_ok("slow")).await;
    peer.send(publish("", jobs, b"1")).await;
    peer.expect(deliver("slow", 1, false, b"1")).await;
    peer.expect_channel_close(406, &closed_after(175), (0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_queues_time_goes_before_the_brokers() {
    let Some(broker) = broker_with(Some(Duration::from_hours(1))).await else { return };
    let mut peer = broker.peer_with(deaf()).await;
    let jobs = &unique("jobs");
    peer.declare_as(quorum(jobs, &[("x-consumer-timeout", int(175))])).await;
    peer.ask(consume(jobs, "slow"), consume_ok("slow")).await;
    peer.send(publish("", jobs, b"1")).await;
    peer.expect(deliver("slow", 1, false, b"1")).await;
    peer.expect_channel_close(406, &closed_after(175), (0, 0)).await;
    broker.stop_and_check().await;
}

/// 12.6: it is checked like any other argument.
#[tokio::test]
async fn the_time_is_a_number() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare_as(quorum(jobs, &[])).await;
    let arguments = table(&[("x-consumer-timeout", text("soon"))]);
    peer.send(consume(jobs, "c").args(arguments)).await;
    let text = format!(
        "PRECONDITION_FAILED - invalid arg 'x-consumer-timeout' for queue '{jobs}' in vhost '/': \
         \"expected integer, got longstr\""
    );
    peer.expect_channel_close(406, &text, (60, 20)).await;
    broker.stop_and_check().await;
}

// What is in time

/// Each heartbeat comes half a second to a second after the last: longer than a short timeout.
/// Nothing else comes on channel 1 meanwhile; what is asked there shows that this side is alive.
async fn let_beat(peer: &mut Peer, beats: u32) {
    for _ in 0..beats {
        peer.expect_on(0, heartbeat()).await;
        peer.expect_nothing_until_reply().await;
    }
}

#[tokio::test]
async fn to_ack_in_time_keeps_it() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer_with(beating()).await;
    let queues = &both_kinds(&mut peer).await;
    peer.ask(qos(1), qos_ok()).await;
    for jobs in queues {
        put(&mut peer, jobs, &[b"1", b"2", b"3", b"4"]).await;
        let arguments = timeout_of(KEPT_ALIVE_MS);
        peer.send(consume(jobs, jobs).args(arguments).nowait()).await;
    }
    // Together longer than the time of one message: at least a second each.
    for _ in 0..4 {
        let mut last_tag = 0;
        for _ in queues {
            let came = peer.next_message(1).await;
            assert!(!came.redelivered(), "{}", came.consumer_tag());
            last_tag = came.delivery_tag();
        }
        let_beat(&mut peer, 2).await;
        peer.send(ack_up_to(last_tag)).await;
    }
    for jobs in queues {
        peer.expect_counts(jobs, 0, 1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn who_holds_nothing_has_all_the_time() {
    let Some(broker) = broker_with(Some(SHORT)).await else { return };
    let mut peer = broker.peer_with(beating()).await;
    let (jobs, done, quick) = (&unique("jobs"), &unique("done"), &unique("quick"));
    for queue in [jobs, done, quick] {
        peer.declare(queue).await;
    }
    peer.ask(consume(jobs, "idle"), consume_ok("idle")).await;
    peer.ask(consume(done, "done"), consume_ok("done")).await;
    peer.ask(consume(quick, "no ack").no_ack(), consume_ok("no ack")).await;
    put(&mut peer, done, &[b"1"]).await;
    peer.expect(deliver("done", 1, false, b"1")).await;
    peer.send(ack(1)).await;
    put(&mut peer, quick, &[b"2"]).await;
    peer.expect(deliver("no ack", 2, false, b"2")).await;
    let_beat(&mut peer, 3).await;
    for queue in [jobs, done, quick] {
        peer.expect_counts(queue, 0, 1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_time_of_0_is_no_time() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer_with(beating()).await;
    let jobs = &unique("jobs");
    peer.declare_as(quorum(jobs, &[("x-consumer-timeout", int(0))])).await;
    peer.ask(consume(jobs, "c").args(timeout_of(0)), consume_ok("c")).await;
    put(&mut peer, jobs, &[b"1"]).await;
    peer.expect(deliver("c", 1, false, b"1")).await;
    let_beat(&mut peer, 3).await;
    peer.expect_counts(jobs, 0, 1).await;
    peer.send(ack(1)).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

/// What is left unacked after the rest was acked counts from its own delivery.
#[tokio::test]
async fn one_message_kept_too_long_is_enough() {
    let Some(broker) = broker_with(None).await else { return };
    let mut peer = broker.peer().await;
    for jobs in &both_kinds(&mut peer).await {
        let mut slow = broker.peer().await;
        slow.ask(consume(jobs, "slow").args(timeout_of(SHORT_MS)), consume_ok("slow")).await;
        put(&mut peer, jobs, &[b"kept", b"done"]).await;
        slow.expect(deliver("slow", 1, false, b"kept")).await;
        slow.expect(deliver("slow", 2, false, b"done")).await;
        slow.send(ack(2)).await;
        slow.expect(cancel_nowait("slow")).await;
        peer.until_counts(jobs, 1, 0).await;
        let came = peer.ask_message(get_no_ack(jobs)).await;
        assert_eq!((came.body.as_slice(), came.redelivered()), (b"kept".as_slice(), true));
    }
    broker.stop_and_check().await;
}
