//! Replies and confirms that wait for the disk, and publishers that wait for room. Uses what the
//! store can be made to do: settle nothing, have no room.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use warren::alarm::Alarm;

fn beating() -> Hello {
    Hello { heartbeat_s: 1, ..Hello::default() }
}

/// So long that anything else would have come: over three intervals, so that a client that is not
/// read from would have been called dead.
async fn expect_only_heartbeats(peer: &mut Peer) {
    for _ in 0..7 {
        peer.expect_on(0, heartbeat()).await;
    }
}

async fn until(what: impl Fn() -> bool, peer: &mut Peer) {
    for _ in 0..10_000 {
        if what() {
            return;
        }
        peer.expect_nothing_until_reply().await;
    }
    panic!("it does not happen");
}

#[tokio::test]
async fn a_durable_declare_is_answered_when_it_is_on_disk() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer_with(beating()).await;
    broker.broker.store().hold(true);
    peer.send(queue_declare("jobs").durable()).await;
    peer.send(queue_declare("next")).await;
    expect_only_heartbeats(&mut peer).await;
    broker.broker.store().hold(false);
    peer.expect(queue_declare_ok("jobs", 0, 0)).await;
    peer.expect(queue_declare_ok("next", 0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn transient_things_and_nowait_do_not_wait_for_anybody() {
    let broker = OwnBroker::start().await;
    let mut slow = broker.peer().await;
    broker.broker.store().hold(true);
    slow.send(exchange_declare("logs", "fanout").durable()).await;
    let mut peer = broker.peer().await;
    for number in 0..100 {
        peer.send(queue_declare(&format!("q{number}")).durable().nowait()).await;
    }
    peer.declare("transient").await;
    peer.ask(exchange_declare("passing", "fanout"), exchange_declare_ok()).await;
    peer.ask(queue_declare("transient").passive(), queue_declare_ok("transient", 0, 0)).await;
    peer.ask(queue_purge("transient"), queue_purge_ok(0)).await;
    broker.broker.store().hold(false);
    slow.expect(exchange_declare_ok()).await;
    broker.stop_and_check().await;
}

/// What somebody else has declared is not promised either before it is on disk.
#[tokio::test]
async fn what_is_there_already_but_not_on_disk_is_waited_for() {
    let broker = OwnBroker::start().await;
    let mut first = broker.peer().await;
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(broker.peer().await);
    }
    let mut clock = broker.peer().await;
    let store = broker.broker.store();
    store.hold(true);
    first.send(queue_declare("jobs").durable()).await;
    until(|| store.waiting() == 1, &mut clock).await;
    others[0].send(queue_declare("jobs").durable()).await;
    others[1].send(queue_declare("jobs").durable().passive()).await;
    others[2].send(queue_bind("jobs", "amq.fanout", "")).await;
    others[3].send(queue_unbind("jobs", "amq.topic", "")).await;
    others[4].send(queue_purge("jobs")).await;
    others[5].send(exchange_declare("amq.topic", "topic").passive()).await;
    until(|| store.waiting() == 7, &mut clock).await;
    store.hold(false);
    first.expect(queue_declare_ok("jobs", 0, 0)).await;
    others[0].expect(queue_declare_ok("jobs", 0, 0)).await;
    others[1].expect(queue_declare_ok("jobs", 0, 0)).await;
    others[2].expect(queue_bind_ok()).await;
    others[3].expect(queue_unbind_ok()).await;
    others[4].expect(queue_purge_ok(0)).await;
    others[5].expect(exchange_declare_ok()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn deliveries_go_on_while_a_reply_waits() {
    let broker = OwnBroker::start().await;
    let mut both = broker.peer().await;
    both.declare("jobs").await;
    both.ask(consume("jobs", "c1").no_ack(), consume_ok("c1")).await;
    let mut other = broker.peer().await;
    broker.broker.store().hold(true);
    both.send(exchange_declare("logs", "fanout").durable()).await;
    until(|| broker.broker.store().waiting() == 1, &mut other).await;
    other.send(publish("", "jobs", b"one")).await;
    both.expect(deliver("c1", 1, false, b"one")).await;
    broker.broker.store().hold(false);
    both.expect(exchange_declare_ok()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_broker_that_stops_does_not_wait_for_a_reply() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let mut gone = broker.peer().await;
    let mut clock = broker.peer().await;
    broker.broker.store().hold(true);
    peer.send(queue_declare("jobs").durable()).await;
    // What is behind it is dropped with it.
    peer.send(queue_declare("never")).await;
    gone.send(queue_declare("other").durable()).await;
    until(|| broker.broker.store().waiting() == 2, &mut clock).await;
    drop(gone);
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    let (mut peers, store) = ([peer, clock], broker.broker.store());
    let closes = async {
        for peer in &mut peers {
            peer.expect_connection_close(320, text, (0, 0)).await;
        }
    };
    tokio::join!(broker.broker.stop(), closes);
    let mut defined = store.defined();
    defined.retain(|it| it.starts_with("queue "));
    assert_eq!(defined, ["queue 'jobs' in vhost '/'", "queue 'other' in vhost '/'"]);
}

#[tokio::test]
async fn a_publisher_is_not_read_from_while_the_store_is_full() {
    let broker = OwnBroker::start().await;
    let mut publisher = broker.peer_with(beating()).await;
    let mut watcher = broker.peer().await;
    publisher.declare("jobs").await;
    publisher.send(publish("", "jobs", b"one")).await;
    publisher.expect_counts("jobs", 1, 0).await;
    for round in 0..3 {
        broker.broker.store().set_full(true);
        for _ in 0..10 {
            publisher.send(publish("", "jobs", b"later")).await;
        }
        publisher.send(queue_purge("jobs")).await;
        until(|| broker.broker.store().waiting() > 0, &mut watcher).await;
        if round == 0 {
            expect_only_heartbeats(&mut publisher).await;
        }
        watcher.expect_counts("jobs", 1, 0).await;
        broker.broker.store().set_full(false);
        publisher.expect(queue_purge_ok(11)).await;
        publisher.send(publish("", "jobs", b"one")).await;
        publisher.expect_counts("jobs", 1, 0).await;
    }
    broker.stop_and_check().await;
}

/// Full and not full again, over and over, while many publish: nobody is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_missed() {
    let broker = OwnBroker::start().await;
    let mut clock = broker.peer().await;
    clock.ask(queue_declare("jobs").durable(), queue_declare_ok("jobs", 0, 0)).await;
    let mut peers = Vec::new();
    for _ in 0..10 {
        let mut peer = broker.peer().await;
        for number in 0..100 {
            peer.send(publish("", "nowhere", b"one")).await;
            peer.send(queue_bind("jobs", "amq.direct", &number.to_string())).await;
        }
        peers.push(peer);
    }
    let toggling = async {
        for round in 0..1000_u32 {
            broker.broker.store().set_full(round.is_multiple_of(2));
            broker.broker.store().hold(round.is_multiple_of(3));
            clock.expect_nothing_until_reply().await;
        }
        broker.broker.store().set_full(false);
        broker.broker.store().hold(false);
    };
    let answers = async {
        for peer in &mut peers {
            for _ in 0..100 {
                peer.expect(queue_bind_ok()).await;
            }
        }
    };
    tokio::join!(toggling, answers);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_disk_without_room_is_an_alarm() {
    use amq_protocol::protocol::connection::{AMQPMethod, Blocked, Unblocked};
    let blocked = Blocked { reason: "low on disk".into() };
    let blocked = || AMQPClass::Connection(AMQPMethod::Blocked(blocked.clone()));
    let unblocked = || AMQPClass::Connection(AMQPMethod::Unblocked(Unblocked {}));

    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(publish("", "nowhere", b"one")).await;
    broker.broker.store().set_out_of_space(true);
    peer.expect_on(0, blocked()).await;
    broker.broker.store().set_out_of_space(false);
    peer.expect_on(0, unblocked()).await;
    broker.stop_and_check().await;

    // No disk has so much room.
    let broker = OwnBroker::start_with(|config| config.disk_free_limit_bytes = u64::MAX).await;
    let mut peer = broker.peer().await;
    peer.send(publish("", "nowhere", b"one")).await;
    peer.expect_on(0, blocked()).await;
    broker.broker.set_alarm(Alarm::Disk, false);
    peer.expect_on(0, unblocked()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_confirm_waits_for_the_disk_unless_the_message_is_acknowledged_before() {
    let broker = OwnBroker::start().await;
    let mut consumer = broker.peer().await;
    let mut publisher = broker.peer().await;
    consumer.ask(queue_declare("jobs").durable(), queue_declare_ok("jobs", 0, 0)).await;
    consumer.ask(consume("jobs", "c1"), consume_ok("c1")).await;
    publisher.ask(confirm_select(), confirm_select_ok()).await;
    let store = broker.broker.store();
    store.hold(true);
    publisher.send(publish("", "jobs", b"one").persistent()).await;
    consumer.expect(deliver("c1", 1, false, b"one")).await;
    publisher.send(publish("", "jobs", b"two").persistent()).await;
    consumer.expect(deliver("c1", 2, false, b"two")).await;
    publisher.expect_nothing_until_reply().await;
    // Never to be written: there is nothing to wait for.
    consumer.send(ack(1)).await;
    publisher.expect(ack(1)).await;
    publisher.expect_nothing_until_reply().await;
    store.hold(false);
    publisher.expect(ack(2)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_commit_waits_for_the_disk() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer_with(beating()).await;
    peer.ask(queue_declare("jobs").durable(), queue_declare_ok("jobs", 0, 0)).await;
    peer.ask(tx_select(), tx_select_ok()).await;
    broker.broker.store().hold(true);
    peer.send(publish("", "jobs", b"one").persistent()).await;
    peer.send(tx_commit()).await;
    expect_only_heartbeats(&mut peer).await;
    broker.broker.store().hold(false);
    peer.expect(tx_commit_ok()).await;
    broker.stop_and_check().await;
}

/// The consumer of a queue deleted on its own connection is told after the deletion is answered,
/// as long as that may take: clients forget the consumer with the answer.
#[tokio::test]
async fn a_consumer_is_cancelled_after_the_answer_to_the_deletion() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer_with(beating()).await;
    peer.ask(queue_declare("jobs").durable(), queue_declare_ok("jobs", 0, 0)).await;
    peer.ask(consume("jobs", "c"), consume_ok("c")).await;
    broker.broker.store().hold(true);
    peer.send(queue_delete("jobs")).await;
    expect_only_heartbeats(&mut peer).await;
    broker.broker.store().hold(false);
    peer.expect(queue_delete_ok(0)).await;
    peer.expect(cancel_nowait("c")).await;
    broker.stop_and_check().await;
}
