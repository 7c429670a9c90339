//! How long messages and queues live (behaviour 16.3 and 27). What lives as long as a broker's
//! restart takes is in `ttl_durable.rs`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Instant;

use common::deaths::{assert_deaths, death};
use common::queues::*;
use common::*;

const SHORT_MS: i32 = 60;
/// Long enough for whatever has lived too long to be gone.
const LONGER_MS: i32 = 3 * SHORT_MS;
/// A queue that is not used as long goes away.
const LEASE_MS: i32 = 1000;
/// Often enough to have lasted longer than a lease without any use.
const RENEWALS: usize = 4;
/// A machine that is busy with other things may let a lease pass; then there is another try.
const TRIES_MAX: usize = 10;

// Messages

#[tokio::test]
async fn a_message_lives_as_long_as_its_queue_says() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        let declare = declare_kind(kind, jobs, &with_target(dead, &[ttl(SHORT_MS)]));
        peer.make(jobs, declare).await;
        peer.send(publish("", jobs, b"one")).await;
        let letter = peer.take(dead).await;
        assert_eq!(letter.body, b"one");
        assert_deaths(&letter.properties, &[death(jobs, "expired")]);
        peer.expect_ready(jobs, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_message_lives_as_long_as_it_says() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        peer.make(jobs, declare_kind(kind, jobs, &with_target(dead, &[]))).await;
        peer.send(publish("", jobs, b"one").with(expiration(SHORT_MS))).await;
        let letter = peer.take(dead).await;
        let expected = death(jobs, "expired").expiration(SHORT_MS);
        assert_deaths(&letter.properties, &[expected]);
        peer.expect_ready(jobs, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_has_expired_is_gone_where_nothing_takes_dead_letters() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[ttl(SHORT_MS)])).await;
    peer.select_confirms().await;
    for number in 1..=3 {
        peer.send(publish("", jobs, b"x")).await;
        peer.expect(ack(number)).await;
    }
    peer.elapse(LONGER_MS).await;
    peer.expect_ready(jobs, 0).await;
    peer.ask(get(jobs), get_empty()).await;
    peer.ask(queue_delete(jobs), queue_delete_ok(0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_shorter_of_both_times_counts() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for (of_queue, of_message, stays) in
        [(SHORT_MS, HOUR_MS, false), (HOUR_MS, SHORT_MS, false), (HOUR_MS, HOUR_MS, true)]
    {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        peer.make(jobs, declare_source(jobs, dead, &[ttl(of_queue)])).await;
        peer.send(publish("", jobs, b"one").with(expiration(of_message))).await;
        if stays {
            peer.expect_ready(jobs, 1).await;
            peer.elapse(LONGER_MS).await;
            peer.expect_ready(jobs, 1).await;
            peer.expect_ready(dead, 0).await;
        } else {
            peer.take_all(dead, &[b"one"]).await;
            peer.expect_ready(jobs, 0).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_time_a_message_is_never_ready() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (by_queue, by_message, dead) = (&unique("queue"), &unique("message"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(by_queue, declare_source(by_queue, dead, &[ttl(0)])).await;
    peer.make(by_message, declare_source(by_message, dead, &[])).await;
    for (queue, properties) in [(by_queue, BasicProperties::default()), (by_message, expiration(0))]
    {
        // It has a route all the same, so that it does not come back.
        peer.send(publish("", queue, b"one").with(properties).mandatory()).await;
        peer.ask(get(queue), get_empty()).await;
        peer.take_all(dead, &[b"one"]).await;
        peer.ask(get(queue), get_empty()).await;
        peer.expect_counts(queue, 0, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_time_a_message_reaches_a_consumer_that_waits() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[ttl(0)])).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    // Now it has no room.
    peer.send(publish("", jobs, b"two")).await;
    peer.take_all(dead, &[b"two"]).await;
    peer.send(ack(1)).await;
    peer.send(publish("", jobs, b"three").with(expiration(0))).await;
    peer.expect(deliver("c", 3, false, b"three")).await;
    peer.expect_ready(dead, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn only_the_first_message_of_a_queue_expires() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        peer.make(jobs, declare_kind(kind, jobs, &with_target(dead, &[]))).await;
        peer.put(publish("", jobs, b"lasts").with(expiration(HOUR_MS))).await;
        peer.put(publish("", jobs, b"overdue").with(expiration(SHORT_MS))).await;
        peer.elapse(LONGER_MS).await;
        peer.expect_ready(jobs, 2).await; // behind the first it counts as ready
        peer.expect_ready(dead, 0).await;
        peer.take_all(jobs, &[b"lasts"]).await;
        peer.take_all(dead, &[b"overdue"]).await;
        peer.expect_ready(jobs, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_has_expired_behind_the_first_is_not_delivered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[])).await;
    peer.put(publish("", jobs, b"first")).await;
    peer.put(publish("", jobs, b"overdue").with(expiration(SHORT_MS))).await;
    peer.put(publish("", jobs, b"last")).await;
    peer.elapse(LONGER_MS).await;
    peer.ask(consume(jobs, "c").no_ack(), consume_ok("c")).await;
    peer.expect(deliver("c", 1, false, b"first")).await;
    peer.expect(deliver("c", 2, false, b"last")).await;
    peer.take_all(dead, &[b"overdue"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_late_consumer_gets_what_is_still_alive() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let jobs = &unique("jobs");
        peer.make(jobs, declare_kind(kind, jobs, &[])).await;
        for (body, ms) in [(b"1", SHORT_MS), (b"2", SHORT_MS), (b"3", HOUR_MS)] {
            peer.put(publish("", jobs, body).with(expiration(ms))).await;
        }
        peer.elapse(LONGER_MS).await;
        let mut late = broker.peer().await;
        late.ask(consume(jobs, "c"), consume_ok("c")).await;
        late.expect(deliver("c", 1, false, b"3")).await;
        late.expect_nothing_until_reply().await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn messages_expire_while_nobody_looks() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        let declare = declare_kind(kind, jobs, &with_target(dead, &[ttl(SHORT_MS)]));
        peer.make(jobs, declare).await;
        let mut waiting = broker.peer().await;
        waiting.ask(consume(dead, "c").no_ack(), consume_ok("c")).await;
        for (tag, body) in [(1, b"1"), (2, b"2"), (3, b"3")] {
            // Nothing is asked of the queue: the broker has to look after it by itself.
            peer.send(publish("", jobs, body)).await;
            waiting.expect(deliver("c", tag, false, body)).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn messages_expire_in_their_order() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[ttl(SHORT_MS)])).await;
    for number in 0_u32..200 {
        peer.send(publish("", jobs, &number.to_be_bytes())).await;
    }
    for number in 0_u32..200 {
        peer.take_all(dead, &[&number.to_be_bytes()]).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_out_does_not_expire() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[ttl(SHORT_MS)])).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.send(publish("", jobs, b"two")).await;
    peer.expect(deliver("c", 1, false, b"one")).await;
    peer.expect(deliver("c", 2, false, b"two")).await;
    peer.elapse(LONGER_MS).await;
    peer.expect_ready(dead, 0).await;
    peer.send(ack(1)).await;
    peer.expect_ready(dead, 0).await;
    // It is overdue, so that it expires instead of being delivered again.
    peer.send(reject(2, Requeue::Yes)).await;
    let letter = peer.take(dead).await;
    assert_eq!(letter.body, b"two");
    assert_deaths(&letter.properties, &[death(jobs, "expired")]);
    peer.expect_counts(jobs, 0, 1).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn being_requeued_gives_no_more_time() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        peer.make(jobs, declare_kind(kind, jobs, &with_target(dead, &[]))).await;
        let mut other = broker.peer().await;
        other.ask(consume(jobs, "c"), consume_ok("c")).await;
        let ms = 2 * LEASE_MS;
        peer.send(publish("", jobs, b"one").with(expiration(ms))).await;
        other.expect(deliver("c", 1, false, b"one")).await;
        let delivered = Instant::now();
        other.elapse(ms / 2).await;
        // Nobody can take it any more: it waits for its end.
        other.ask(cancel("c"), cancel_ok("c")).await;
        let requeued = Instant::now();
        other.send(reject(1, Requeue::Yes)).await;
        peer.take_all(dead, &[b"one"]).await;
        let whole = millis(ms);
        assert!(requeued.elapsed() < whole, "{kind}: the clock was not started anew");
        assert!(delivered.elapsed() > whole / 2, "{kind}: not before its time");
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn expired_messages_are_confirmed() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[ttl(0)]).durable()).await;
    peer.select_confirms().await;
    for number in 1..=5 {
        peer.send(publish("", jobs, b"x").persistent()).await;
        peer.expect(ack(number)).await;
    }
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn every_queue_gives_new_time_and_the_messages_own_is_used_up() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (first, second, last) = (&unique("first"), &unique("second"), &unique("last"));
    peer.declare(last).await;
    peer.make(second, declare_source(second, last, &[ttl(SHORT_MS)])).await;
    peer.make(first, declare_source(first, second, &[])).await;
    peer.send(publish("", first, b"one").with(expiration(SHORT_MS))).await;
    peer.expect_ready(last, 1).await;
    peer.elapse(LONGER_MS).await;
    let letter = peer.take(last).await;
    assert_eq!(*letter.properties.expiration(), None, "it would expire here too");
    let history = [death(second, "expired"), death(first, "expired").expiration(SHORT_MS)];
    assert_deaths(&letter.properties, &history);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_get_does_not_count_what_has_expired() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[])).await;
    peer.put(publish("", jobs, b"gone").with(expiration(SHORT_MS))).await;
    peer.put(publish("", jobs, b"one")).await;
    peer.put(publish("", jobs, b"two")).await;
    peer.expect_ready(jobs, 2).await;
    peer.ask(get(jobs), get_ok(1, false, 1, b"one")).await;
    peer.ask(queue_purge(jobs), queue_purge_ok(1)).await;
    broker.stop_and_check().await;
}

// Queues

#[tokio::test]
async fn a_queue_that_is_not_used_goes_away() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    // RabbitMQ looks after quorum queues every few seconds only.
    for kind in here(&KINDS[..], &KINDS[..1]) {
        let (short, dead, lasting) = (&unique("short"), &unique("dead"), &unique("lasting"));
        peer.declare(dead).await;
        let arguments = with_target(dead, &[("x-expires", int(LEASE_MS / 4))]);
        peer.make(lasting, declare_with(lasting, &[("x-expires", int(HOUR_MS))])).await;
        peer.make(short, declare_kind(kind, short, &arguments)).await;
        peer.put(publish("", short, b"one")).await;
        peer.elapse(LEASE_MS).await;
        peer.expect_counts(lasting, 0, 0).await;
        let text = format!("NOT_FOUND - no queue '{short}' in vhost '/'");
        peer.expect_declare_refused(queue_declare(short).passive(), 404, &text).await;
        peer.expect_ready(dead, 0).await; // what was in it is no dead letter
    }
    broker.stop_and_check().await;
}

/// Declares the queues, then renews the leases of all but the last for longer than a lease is.
/// False if this machine was too slow for that.
async fn renew_all(peer: &mut Peer, queues: &[String; 5]) -> bool {
    let declare = |queue: &str| declare_with(queue, &[("x-expires", int(LEASE_MS))]);
    let mut renewed = Instant::now();
    for queue in queues {
        peer.make(queue, declare(queue)).await;
    }
    let [active, passive, got, consumed, _] = queues;
    for _ in 0..RENEWALS {
        peer.elapse(LEASE_MS * 2 / 5).await;
        if renewed.elapsed() > millis(LEASE_MS * 8 / 10) {
            return false;
        }
        renewed = Instant::now();
        peer.ask(declare(active), queue_declare_ok(active, 0, 0)).await;
        peer.ask(queue_declare(passive).passive(), queue_declare_ok(passive, 0, 0)).await;
        peer.ask(get(got), get_empty()).await;
        peer.ask(consume(consumed, "c"), consume_ok("c")).await;
        peer.ask(cancel("c"), cancel_ok("c")).await;
    }
    renewed.elapsed() < millis(LEASE_MS * 8 / 10)
}

#[tokio::test]
async fn declaring_getting_and_consuming_are_uses() {
    let broker = TestBroker::start().await;
    for _ in 0..TRIES_MAX {
        let mut peer = broker.peer().await;
        let stems = ["active", "passive", "got", "consumed", "unused"];
        let queues = stems.map(unique);
        if renew_all(&mut peer, &queues).await {
            let unused = &queues[4];
            assert!(!peer.exists(unused).await, "{unused} was not used");
            for used in &queues[..4] {
                peer.expect_counts(used, 0, 0).await;
            }
            for used in &queues[..4] {
                peer.expect_gone(used).await;
            }
            return broker.stop_and_check().await;
        }
    }
    panic!("this machine is too slow for leases of {LEASE_MS} ms");
}

#[tokio::test]
async fn a_queue_with_a_consumer_is_used() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    // From one answer to the next question must not take as long as the lease.
    peer.make(jobs, declare_with(jobs, &[("x-expires", int(LEASE_MS))])).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.elapse(LEASE_MS * 3 / 2).await;
    assert!(peer.exists(jobs).await, "it has a consumer");
    peer.expect(deliver("c", 1, false, b"knock")).await;
    peer.ask(cancel("c"), cancel_ok("c")).await;
    // What the consumer has not settled is no use.
    peer.expect_gone(jobs).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_end_of_a_consumers_channel_begins_the_lease() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[("x-expires", int(LEASE_MS / 2))])).await;
    peer.open_channel(2).await;
    peer.send_on(2, consume(jobs, "c")).await;
    peer.expect_on(2, consume_ok("c")).await;
    let left = Instant::now();
    peer.close_channel(2).await;
    peer.expect_gone(jobs).await;
    assert!(left.elapsed() >= millis(LEASE_MS / 2), "not before its time");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn publishing_and_purging_are_no_uses() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let started = Instant::now();
    peer.make(jobs, declare_with(jobs, &[("x-expires", int(LEASE_MS / 2))])).await;
    peer.send(publish("", jobs, b"one")).await;
    // Asks by publishing, again and again.
    peer.expect_gone(jobs).await;
    assert!(started.elapsed() >= millis(LEASE_MS / 2), "not too early");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_lease_begins_when_a_silent_consumer_has_gone() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[("x-expires", int(LEASE_MS))])).await;
    let mut silent = broker.peer().await;
    silent.ask(consume(jobs, "c"), consume_ok("c")).await;
    // So long nothing happens on its connection.
    peer.elapse(LEASE_MS * 3 / 2).await;
    let went = Instant::now();
    silent.end_sending().await;
    peer.expect_gone(jobs).await;
    assert!(went.elapsed() > millis(LEASE_MS * 9 / 10), "after {:?}", went.elapsed());
    broker.stop_and_check().await;
}

/// Its own time goes on while it is out, whatever becomes of the rest of the queue.
#[tokio::test]
async fn what_comes_back_to_a_purged_queue_expires() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        peer.make(jobs, declare_kind(kind, jobs, &with_target(dead, &[]))).await;
        let mut other = broker.peer().await;
        peer.put(publish("", jobs, b"one").with(expiration(SHORT_MS))).await;
        peer.put(publish("", jobs, b"two")).await;
        other.ask(get(jobs), get_ok(1, false, 1, b"one")).await;
        peer.ask(queue_purge(jobs), queue_purge_ok(1)).await;
        other.send(reject(1, Requeue::Yes)).await;
        peer.take_all(dead, &[b"one"]).await;
        peer.expect_ready(jobs, 0).await;
    }
    broker.stop_and_check().await;
}

/// It has less time left than all that came after it.
#[tokio::test]
async fn what_comes_back_expires_before_what_is_newer() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    let ms = 6 * LEASE_MS;
    peer.make(jobs, declare_source(jobs, dead, &[ttl(ms)])).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.send(publish("", jobs, b"old")).await;
    peer.expect(deliver("c", 1, false, b"old")).await;
    peer.elapse(ms * 2 / 3).await;
    let published = Instant::now();
    peer.put(publish("", jobs, b"new")).await;
    peer.ask(cancel("c"), cancel_ok("c")).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.take_all(dead, &[b"old"]).await;
    // A third of the time is left; RabbitMQ looks up to a second late.
    assert!(published.elapsed() < millis(ms * 2 / 3), "after {:?}", published.elapsed());
    broker.stop_and_check().await;
}
