//! How often a message may be handed out in vain, and the headers that tell it (behaviour 25.7,
//! 32.4). RabbitMQ 3.10 has one count, for quorum queues only, and counts every return.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::handed_out::{Came, classic, levels, persistent, quorum};
use common::program::Program;
use common::*;

const LIMITED: &str = "x-delivery-limit";
const CLASSIC: &str = "classic queues have no delivery limit in RabbitMQ";

async fn limited(peer: &mut Peer, limit: i32) -> String {
    let jobs = unique("jobs");
    peer.declare_as(quorum(&jobs, &[(LIMITED, int(limit))])).await;
    jobs
}

/// A quorum queue with a limit, and the queue where its dead letters go.
async fn with_dead_letters(peer: &mut Peer, limit: i32) -> (String, String) {
    let (jobs, dead) = (unique("jobs"), unique("dead"));
    peer.declare(&dead).await;
    let arguments = [
        (LIMITED, int(limit)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&dead)),
    ];
    peer.declare_as(quorum(&jobs, &arguments)).await;
    (jobs, dead)
}

/// The headers of a message that failed and was handed out so often before, in a quorum queue. No
/// failure may be no header or a count of none; no hand-out before is no header.
#[track_caller]
fn assert_counts(came: &Came, failed: i64, acquired: i64) {
    assert_eq!(came.failed().unwrap_or_default(), failed, "x-delivery-count");
    let acquired = here((acquired > 0).then_some(acquired), None);
    assert_eq!(came.acquired(), acquired, "x-acquired-count");
    assert_eq!(came.redelivered(), acquired.is_some() || failed > 0, "redelivered");
}

/// It is dead, and of this.
async fn expect_dead(peer: &mut Peer, dead: &str, body: &[u8]) {
    peer.until_counts(dead, 1, 0).await;
    let came = peer.ask_message(get_no_ack(dead)).await;
    assert_eq!(came.body, body);
    assert!(!came.redelivered());
    let Some(AMQPValue::FieldArray(deaths)) = came.header("x-death") else {
        panic!("no x-death in {:?}", came.properties)
    };
    let [AMQPValue::FieldTable(death)] = deaths.as_slice() else { panic!("{deaths:?}") };
    assert_eq!(death.inner().get("reason"), Some(&text("delivery_limit")));
    assert_eq!(death.inner().get("count"), Some(&AMQPValue::LongLongInt(1)));
}

async fn put(peer: &mut Peer, queue: &str, bodies: &[&[u8]]) {
    peer.store(bodies.iter().map(|body| persistent(queue, body)).collect::<Vec<_>>()).await;
}

// The headers

#[tokio::test]
async fn the_first_time_there_are_no_counts() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &limited(&mut peer, 5).await;
    put(&mut peer, jobs, &[b"1", b"2"]).await;
    let came = peer.ask_message(get(jobs)).await;
    // RabbitMQ 3.10 tells it with a get, and not with a delivery.
    assert_eq!(came.failed(), here(None, Some(0)));
    assert_eq!((came.acquired(), came.redelivered()), (None, false));
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    let came = peer.next_message(1).await;
    assert_eq!((came.failed(), came.acquired(), came.redelivered()), (None, None, false));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_counts_stand_beside_the_messages_own_headers() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &limited(&mut peer, 5).await;
    let own = || headers(&[("mine", text("kept"))]).with_content_type("text/plain".into());
    peer.store([publish("", jobs, b"1").with(own())]).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.expect(deliver("c", 1, false, b"1").with(own())).await;
    peer.ask(cancel("c"), cancel_ok("c")).await;
    peer.send(reject(1, Requeue::Yes)).await;
    let came = peer.ask_message(get(jobs)).await;
    assert_counts(&came, 1, 1);
    assert_eq!(came.header("mine"), Some(&text("kept")));
    assert_eq!(came.properties.content_type(), own().content_type());
    assert_eq!(came.body, b"1");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn each_message_has_counts_of_its_own() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &limited(&mut peer, 5).await;
    put(&mut peer, jobs, &[b"1", b"2"]).await;
    for tag in [1, 2] {
        let came = peer.ask_message(get(jobs)).await;
        assert_eq!(came.body, b"1");
        peer.send(reject(tag, Requeue::Yes)).await;
    }
    let came = peer.ask_message(get(jobs)).await;
    assert_counts(&came, 2, 2);
    let came = peer.ask_message(get(jobs)).await;
    assert_eq!(came.body, b"2");
    assert_counts(&came, 0, 0);
    broker.stop_and_check().await;
}

// Quorum queues: what counts

#[tokio::test]
async fn a_rejected_message_counts_up_to_the_limit() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = &with_dead_letters(&mut peer, 3).await;
    put(&mut peer, jobs, &[b"poison"]).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    for before in 0..=3 {
        let came = peer.next_message(1).await;
        assert_counts(&came, before, before);
        peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
    }
    expect_dead(&mut peer, dead, b"poison").await;
    peer.expect_counts(jobs, 0, 1).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_a_dead_letter_exchange_it_is_dropped() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &limited(&mut peer, 1).await;
    put(&mut peer, jobs, &[b"poison", b"good"]).await;
    for before in 0..=1 {
        let came = peer.ask_message(get(jobs)).await;
        assert_eq!(came.body, b"poison");
        assert_counts(&came, before, before);
        peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
    }
    peer.ask(get(jobs), get_ok(3, false, 0, b"good")).await;
    peer.ask(get(jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_limit_of_0_allows_one_time() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = &with_dead_letters(&mut peer, 0).await;
    put(&mut peer, jobs, &[b"poison"]).await;
    let came = peer.ask_message(get(jobs)).await;
    peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
    expect_dead(&mut peer, dead, b"poison").await;
    peer.ask(get(jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_quorum_queue_that_was_told_nothing_allows_20() {
    let Some(broker) = only_on_warren("without a default limit before 4.0").await else { return };
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare_as(quorum(jobs, &[])).await;
    put(&mut peer, jobs, &[b"poison"]).await;
    for before in 0..=20 {
        let came = peer.ask_message(get(jobs)).await;
        assert_counts(&came, before, before);
        peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
    }
    peer.ask(get(jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_negative_limit_is_none() {
    let Some(broker) = only_on_warren("a negative limit is refused before 4.0").await else {
        return;
    };
    let mut peer = broker.peer().await;
    let jobs = &limited(&mut peer, -1).await;
    put(&mut peer, jobs, &[b"poison"]).await;
    for before in 0..50 {
        let came = peer.ask_message(get(jobs)).await;
        assert_counts(&came, before, before);
        peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
    }
    peer.expect_counts(jobs, 1, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_a_channel_leaves_behind_counts() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = &with_dead_letters(&mut peer, 2).await;
    put(&mut peer, jobs, &[b"poison"]).await;
    for before in 0..=2 {
        peer.open_channel(2).await;
        peer.send_on(2, consume(jobs, "c")).await;
        peer.expect_on(2, consume_ok("c")).await;
        let came = peer.next_message(2).await;
        assert_counts(&came, before, before);
        peer.close_channel(2).await;
    }
    expect_dead(&mut peer, dead, b"poison").await;
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_a_lost_connection_had_counts() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = &with_dead_letters(&mut peer, 2).await;
    put(&mut peer, jobs, &[b"poison"]).await;
    for before in 0..=2 {
        let mut crashing = broker.peer().await;
        // Delivered as soon as the one before is seen to be gone.
        crashing.ask(consume(jobs, "c"), consume_ok("c")).await;
        let came = crashing.next_message(1).await;
        assert_counts(&came, before, before);
        drop(crashing);
    }
    expect_dead(&mut peer, dead, b"poison").await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_held_without_ack_does_not_come_back() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = &with_dead_letters(&mut peer, 0).await;
    put(&mut peer, jobs, &[b"1", b"2"]).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 1, b"1")).await;
    peer.ask(get(jobs), get_ok(2, false, 0, b"2")).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    expect_dead(&mut peer, dead, b"2").await;
    peer.ask(get(dead), get_empty()).await;
    broker.stop_and_check().await;
}

/// A client that gives back on purpose has not failed (since 4.3).
#[tokio::test]
async fn a_nack_is_no_failure() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &limited(&mut peer, 3).await;
    put(&mut peer, jobs, &[b"1"]).await;
    for before in 0..=3 {
        let came = peer.ask_message(get(jobs)).await;
        assert_counts(&came, here(0, before), before);
        peer.send(nack(came.delivery_tag(), Requeue::Yes)).await;
    }
    if here(false, true) {
        peer.ask(get(jobs), get_empty()).await;
    } else {
        let came = peer.ask_message(get(jobs)).await;
        assert_counts(&came, 0, 4);
        peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
        let came = peer.ask_message(get(jobs)).await;
        assert_counts(&came, 1, 5);
        peer.send(nack_up_to(0, Requeue::Yes)).await;
        let came = peer.ask_message(get(jobs)).await;
        assert_counts(&came, 1, 6);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn to_recover_is_no_failure() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &limited(&mut peer, 3).await;
    put(&mut peer, jobs, &[b"1"]).await;
    for before in 0..=3 {
        let came = peer.ask_message(get(jobs)).await;
        assert_counts(&came, here(0, before), before);
        peer.ask(recover(Requeue::Yes), recover_ok()).await;
    }
    if here(false, true) {
        peer.ask(get(jobs), get_empty()).await;
    } else {
        assert_counts(&peer.ask_message(get(jobs)).await, 0, 4);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn several_at_once_count_one_by_one() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = &with_dead_letters(&mut peer, 1).await;
    put(&mut peer, jobs, &[b"1", b"2", b"3"]).await;
    // The first has failed once before the channel is closed over all three.
    let came = peer.ask_message(get(jobs)).await;
    peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
    for _ in 0..3 {
        peer.ask_message(get(jobs)).await;
    }
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    expect_dead(&mut peer, dead, b"1").await;
    for body in [b"2", b"3"] {
        let came = peer.ask_message(get(jobs)).await;
        assert_eq!(came.body, body);
        assert_counts(&came, 1, 1);
    }
    peer.ask(get(jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_purge_takes_what_is_ready_and_leaves_what_is_counted() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &limited(&mut peer, 5).await;
    put(&mut peer, jobs, &[b"1"]).await;
    for tag in [1, 2] {
        peer.ask_message(get(jobs)).await;
        peer.send(reject(tag, Requeue::Yes)).await;
    }
    assert_counts(&peer.ask_message(get(jobs)).await, 2, 2);
    put(&mut peer, jobs, &[b"2", b"3"]).await;
    peer.ask(queue_purge(jobs), queue_purge_ok(2)).await;
    peer.send(reject(3, Requeue::Yes)).await;
    assert_counts(&peer.ask_message(get(jobs)).await, 3, 3);
    peer.send(reject(4, Requeue::Yes)).await;
    peer.ask(queue_purge(jobs), queue_purge_ok(1)).await;
    put(&mut peer, jobs, &[b"4"]).await;
    assert_counts(&peer.ask_message(get(jobs)).await, 0, 0);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn in_the_dead_letter_queue_it_starts_anew() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare_as(quorum(dead, &[(LIMITED, int(5))])).await;
    let arguments = [
        (LIMITED, int(0)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(dead)),
    ];
    peer.declare_as(quorum(jobs, &arguments)).await;
    put(&mut peer, jobs, &[b"1"]).await;
    peer.ask_message(get(jobs)).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.until_counts(dead, 1, 0).await;
    let came = peer.ask_message(get(dead)).await;
    assert!(!came.redelivered());
    peer.send(reject(2, Requeue::Yes)).await;
    assert_counts(&peer.ask_message(get(dead)).await, 1, 1);
    broker.stop_and_check().await;
}

// Classic queues

#[tokio::test]
async fn a_classic_queue_that_was_told_nothing_counts_nothing() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    put(&mut peer, jobs, &[b"1"]).await;
    for before in 0..30 {
        let came = peer.ask_message(get(jobs)).await;
        assert_eq!((came.failed(), came.acquired()), (None, None));
        assert_eq!(came.redelivered(), before > 0);
        peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
    }
    peer.expect_counts(jobs, 1, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn on_a_classic_queue_every_return_counts() {
    let Some(broker) = only_on_warren(CLASSIC).await else { return };
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    let arguments = [
        (LIMITED, int(4)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(dead)),
    ];
    peer.declare_as(classic(jobs, &arguments)).await;
    put(&mut peer, jobs, &[b"poison"]).await;
    for before in 0..=4 {
        peer.open_channel(2).await;
        peer.send_on(2, get(jobs)).await;
        let came = peer.next_message(2).await;
        assert_eq!(came.failed(), (before > 0).then_some(before));
        assert_eq!(came.redelivered(), before > 0);
        match before {
            0 => peer.send_on(2, reject(1, Requeue::Yes)).await,
            1 => peer.send_on(2, nack(1, Requeue::Yes)).await,
            2 => {
                peer.send_on(2, recover(Requeue::Yes)).await;
                peer.expect_on(2, recover_ok()).await;
            }
            _ => {} // the end of the channel
        }
        peer.close_channel(2).await;
    }
    expect_dead(&mut peer, dead, b"poison").await;
    peer.ask(get(jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn on_a_classic_queue_what_has_failed_keeps_its_place() {
    let Some(broker) = only_on_warren(CLASSIC).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let mut arguments = levels(5);
    arguments.push((LIMITED, int(1)));
    peer.declare_as(classic(jobs, &arguments)).await;
    put(&mut peer, jobs, &[b"1", b"2", b"3"]).await;
    for tag in [1, 2] {
        let came = peer.ask_message(get(jobs)).await;
        assert_eq!(came.body, b"1");
        peer.send(reject(tag, Requeue::Yes)).await;
    }
    peer.ask(get(jobs), get_ok(3, false, 1, b"2")).await;
    peer.ask(get(jobs), get_ok(4, false, 0, b"3")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn on_a_classic_queue_a_negative_limit_is_none() {
    let Some(broker) = only_on_warren(CLASSIC).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare_as(classic(jobs, &[(LIMITED, int(-1))])).await;
    put(&mut peer, jobs, &[b"1"]).await;
    for tag in 1..=50 {
        peer.ask_message(get(jobs)).await;
        peer.send(nack(tag, Requeue::Yes)).await;
    }
    peer.expect_counts(jobs, 1, 0).await;
    broker.stop_and_check().await;
}

// What survives

/// Hands one out in vain so often, from each of the queues.
async fn fail_twice(peer: &mut Peer, queues: &[&str]) {
    for queue in queues {
        put(peer, queue, &[b"poison"]).await;
        for _ in 0..2 {
            let came = peer.ask_message(get(queue)).await;
            peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
        }
        peer.expect_counts(queue, 1, 0).await;
    }
}

async fn expect_failed_twice(peer: &mut Peer, queues: &[&str]) {
    for queue in queues {
        let came = peer.ask_message(get(queue)).await;
        assert_eq!(came.body, b"poison", "{queue}");
        assert_eq!(came.failed(), Some(2), "{queue}");
        // The limit is reached with the next.
        peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
        let came = peer.ask_message(get(queue)).await;
        assert_ne!(came.body, b"poison", "{queue}");
    }
}

async fn declare_durable(peer: &mut Peer) -> [&'static str; 2] {
    let limit = [(LIMITED, int(2))];
    peer.declare_as(classic("classic", &limit).durable()).await;
    peer.declare_as(quorum("quorum", &limit)).await;
    ["classic", "quorum"]
}

#[tokio::test]
async fn the_count_survives_a_restart() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let queues = declare_durable(&mut peer).await;
    fail_twice(&mut peer, &queues).await;
    for queue in queues {
        put(&mut peer, queue, &[b"next"]).await;
    }
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    expect_failed_twice(&mut peer, &queues).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_count_survives_a_kill() {
    let data = tempfile::tempdir().expect("a directory");
    let program = Program::start(data.path());
    let mut peer = program.peer().await;
    let queues = declare_durable(&mut peer).await;
    fail_twice(&mut peer, &queues).await;
    // What is confirmed later is on disk, and so is what came before it.
    for queue in queues {
        put(&mut peer, queue, &[b"next"]).await;
    }
    program.kill();
    let program = Program::start(data.path());
    let mut peer = program.peer().await;
    expect_failed_twice(&mut peer, &queues).await;
    program.kill();
}

/// What is out when the broker stops in good order was not settled: the end of the connection
/// counts as any other.
#[tokio::test]
async fn what_was_out_at_the_end_counts_at_most_once() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.declare_as(quorum("jobs", &[(LIMITED, int(5))])).await;
    put(&mut peer, "jobs", &[b"1"]).await;
    let came = peer.ask_message(get("jobs")).await;
    peer.send(reject(came.delivery_tag(), Requeue::Yes)).await;
    peer.ask_message(get("jobs")).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    let came = peer.ask_message(get("jobs")).await;
    assert!(matches!(came.failed(), Some(1 | 2)), "{:?}", came.failed());
    broker.stop_and_check().await;
}
