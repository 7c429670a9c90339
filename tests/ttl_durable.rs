//! What a restart does to messages and queues that do not live for ever (behaviour 16.3 and 40):
//! the time of a message goes on, that of a queue begins anew.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Instant;

use common::deaths::{assert_deaths, death};
use common::queues::*;
use common::*;

/// Long enough for a restart to happen within it.
const LONG_MS: i32 = 3000;
const SHORT_MS: i32 = 100;

/// A durable pair: what dies in `jobs` goes to `dead`. Confirms are on.
async fn pair(peer: &mut Peer, kind: &str, arguments: &[(&str, AMQPValue)]) {
    peer.make("dead", queue_declare("dead").durable()).await;
    peer.make("jobs", declare_kind(kind, "jobs", &with_target("dead", arguments))).await;
    peer.select_confirms().await;
}

#[tokio::test]
async fn what_expired_while_the_broker_was_down_is_dead_lettered_at_its_start() {
    for kind in KINDS {
        let broker = OwnBroker::start().await;
        let mut peer = broker.peer().await;
        pair(&mut peer, kind, &[ttl(LONG_MS)]).await;
        for (number, body) in [(1, b"1"), (2, b"2"), (3, b"3")] {
            peer.send(publish("", "jobs", body).persistent()).await;
            peer.expect(ack(number)).await;
        }
        let data = broker.stop_and_keep().await;
        // Time passes on a clock of its own.
        let clock = OwnBroker::start().await;
        clock.peer().await.elapse(LONG_MS).await;
        clock.stop_and_check().await;
        let broker = OwnBroker::start_again(data).await;
        let started = Instant::now();
        let mut peer = broker.peer().await;
        for body in [b"1", b"2", b"3"] {
            let letter = peer.take("dead").await;
            assert_eq!(letter.body, body);
            assert!(!letter.redelivered, "it is new in this queue");
            assert_eq!(*letter.properties.delivery_mode(), Some(2));
            assert_deaths(&letter.properties, &[death("jobs", "expired")]);
        }
        assert!(started.elapsed() < millis(LONG_MS), "at its start");
        peer.expect_ready("jobs", 0).await;
        broker.stop_and_check().await;
    }
}

#[tokio::test]
async fn the_time_of_a_message_goes_on_over_a_restart() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    pair(&mut peer, "classic", &[]).await;
    peer.send(publish("", "jobs", b"one").with(expiration(LONG_MS)).persistent()).await;
    peer.expect(ack(1)).await;
    peer.elapse(LONG_MS / 2).await;
    let stopped = Instant::now();
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    let letter = peer.take("dead").await;
    assert_deaths(&letter.properties, &[death("jobs", "expired").expiration(LONG_MS)]);
    let whole = millis(LONG_MS);
    assert!(stopped.elapsed() < whole, "its time did not begin anew");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_has_time_left_is_there_after_a_restart() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    pair(&mut peer, "classic", &[ttl(HOUR_MS)]).await;
    peer.send(publish("", "jobs", b"one").with(expiration(HOUR_MS)).persistent()).await;
    peer.expect(ack(1)).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    peer.expect_counts("dead", 0, 0).await;
    let same = expiration(HOUR_MS).with_delivery_mode(2);
    peer.ask(get("jobs"), get_ok(1, false, 0, b"one").with(same)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn only_the_first_expires_after_a_restart_too() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    pair(&mut peer, "classic", &[]).await;
    for (number, body, ms) in [(1, b"1", HOUR_MS), (2, b"2", SHORT_MS)] {
        peer.send(publish("", "jobs", body).with(expiration(ms)).persistent()).await;
        peer.expect(ack(number)).await;
    }
    peer.elapse(2 * SHORT_MS).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    peer.expect_counts("jobs", 2, 0).await;
    peer.take_all("jobs", &[b"1"]).await;
    peer.take_all("dead", &[b"2"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_time_left_after_dying_once_is_that_of_the_second_queue() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.make("last", queue_declare("last").durable()).await;
    peer.make("dead", declare_source("dead", "last", &[ttl(LONG_MS)]).durable()).await;
    peer.make("jobs", declare_source("jobs", "dead", &[ttl(SHORT_MS)]).durable()).await;
    peer.send(publish("", "jobs", b"one").persistent()).await;
    peer.expect_ready("dead", 1).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    let letter = peer.take("last").await;
    assert_deaths(&letter.properties, &[death("dead", "expired"), death("jobs", "expired")]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_that_expires_has_all_its_time_after_a_restart() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let expires = |ms| [("x-expires", int(ms))];
    peer.make("short", declare_with("short", &expires(LONG_MS / 2)).durable()).await;
    peer.make("lasting", declare_with("lasting", &expires(HOUR_MS)).durable()).await;
    let data = broker.stop_and_keep().await;
    let clock = OwnBroker::start().await;
    clock.peer().await.elapse(LONG_MS / 2).await;
    clock.stop_and_check().await;
    let starting = Instant::now();
    let broker = OwnBroker::start_again(data).await;
    let mut peer = broker.peer().await;
    peer.expect_gone("short").await;
    let lease = millis(LONG_MS / 2);
    assert!(starting.elapsed() >= lease, "the time while the broker was down does not count");
    peer.expect_counts("lasting", 0, 0).await;
    // It does not come back.
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    assert!(!peer.exists("short").await);
    peer.expect_counts("lasting", 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_has_expired_does_not_come_back() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.make("jobs", declare_with("jobs", &[]).durable()).await;
    peer.select_confirms().await;
    peer.send(publish("", "jobs", b"gone").with(expiration(SHORT_MS)).persistent()).await;
    peer.expect(ack(1)).await;
    peer.expect_ready("jobs", 0).await;
    // Confirmed after it: what was written before is on disk too.
    peer.send(publish("", "jobs", b"there").persistent()).await;
    peer.expect(ack(2)).await;
    let broker = broker.crash().await;
    let mut peer = broker.peer().await;
    peer.expect_ready("jobs", 1).await;
    peer.take_all("jobs", &[b"there"]).await;
    broker.stop_and_check().await;
}
