//! Resource alarms: who is blocked, what is said about it, and who is not concerned
//! (behaviour 6). Alarms are raised by the broker's owner, so only warren is asked.

mod common;

use amq_protocol::protocol::connection::{AMQPMethod, Blocked, Unblocked};
use common::*;
use warren::alarm::Alarm;

const LOW_ON_MEMORY: &str = "low on memory";

fn blocked(reason: &str) -> AMQPClass {
    AMQPClass::Connection(AMQPMethod::Blocked(Blocked { reason: reason.into() }))
}

fn unblocked() -> AMQPClass {
    AMQPClass::Connection(AMQPMethod::Unblocked(Unblocked {}))
}

/// Nothing was said on channel 0 so far: what is said next is an answer.
async fn expect_nothing_on_channel_0(peer: &mut Peer) {
    peer.send_on(0, update_secret("guest")).await;
    peer.expect_on(0, update_secret_ok()).await;
}

/// A peer that has published one message to a queue of that name.
async fn publisher(broker: &OwnBroker, queue: &str, hello: Hello) -> Peer {
    let mut peer = broker.peer_with(hello).await;
    peer.declare(queue).await;
    peer.send(publish("", queue, b"one")).await;
    peer.expect_counts(queue, 1, 0).await;
    peer
}

fn every_second() -> Hello {
    Hello { heartbeat_s: 1, ..Hello::default() }
}

/// So much of the broker's time passes that it would have read what it reads.
async fn let_time_pass(broker: &OwnBroker) {
    let mut clock = broker.peer_with(every_second()).await;
    clock.expect_on(0, heartbeat()).await;
    clock.expect_on(0, heartbeat()).await;
    clock.close().await;
}

#[tokio::test]
async fn a_publisher_is_told_of_an_alarm_and_of_its_end() {
    let broker = OwnBroker::start().await;
    let mut peer = publisher(&broker, "jobs", Hello::default()).await;
    for _ in 0..2 {
        broker.broker.set_alarm(Alarm::Memory, true);
        peer.expect_on(0, blocked(LOW_ON_MEMORY)).await;
        broker.broker.set_alarm(Alarm::Memory, false);
        peer.expect_on(0, unblocked()).await;
        expect_nothing_on_channel_0(&mut peer).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_reason_names_what_runs_short() {
    let broker = OwnBroker::start().await;
    broker.broker.set_alarm(Alarm::Disk, true);
    let mut peer = broker.peer().await;
    peer.send(publish("", "nowhere", b"one")).await;
    peer.expect_on(0, blocked("low on disk")).await;
    broker.broker.set_alarm(Alarm::Memory, true);
    let mut later = broker.peer().await;
    later.send(publish("", "nowhere", b"one")).await;
    later.expect_on(0, blocked("low on memory & disk")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_first_publish_during_an_alarm_is_taken_and_then_blocked() {
    let broker = OwnBroker::start().await;
    broker.broker.set_alarm(Alarm::Memory, true);
    let mut peer = broker.peer().await;
    peer.declare("jobs").await;
    expect_nothing_on_channel_0(&mut peer).await;
    peer.send(publish("", "jobs", b"one")).await;
    peer.expect_on(0, blocked(LOW_ON_MEMORY)).await;
    let mut other = broker.peer().await;
    other.ask(get_no_ack("jobs"), get_ok(1, false, 0, b"one")).await;
    broker.broker.set_alarm(Alarm::Memory, false);
    peer.expect_on(0, unblocked()).await;
    expect_nothing_on_channel_0(&mut peer).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn who_never_publishes_is_not_concerned() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    broker.broker.set_alarm(Alarm::Memory, true);
    peer.declare("jobs").await;
    peer.ask(get("jobs"), get_empty()).await;
    broker.broker.set_alarm(Alarm::Memory, false);
    peer.expect_nothing_until_reply().await;
    expect_nothing_on_channel_0(&mut peer).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_last_alarm_that_ends_unblocks() {
    let broker = OwnBroker::start().await;
    let mut peer = publisher(&broker, "jobs", every_second()).await;
    broker.broker.set_alarm(Alarm::Memory, true);
    peer.expect_on(0, blocked(LOW_ON_MEMORY)).await;
    broker.broker.set_alarm(Alarm::Disk, true);
    peer.expect_on(0, heartbeat()).await; // and not a second word
    broker.broker.set_alarm(Alarm::Memory, false);
    peer.expect_on(0, heartbeat()).await;
    peer.expect_on(0, heartbeat()).await;
    broker.broker.set_alarm(Alarm::Disk, false);
    peer.expect_on(0, unblocked()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn consumers_on_other_connections_are_served() {
    let broker = OwnBroker::start().await;
    let mut peer = publisher(&broker, "jobs", Hello::default()).await;
    let mut before = broker.peer().await;
    broker.broker.set_alarm(Alarm::Memory, true);
    peer.expect_on(0, blocked(LOW_ON_MEMORY)).await;
    before.ask(consume("jobs", "c1"), consume_ok("c1")).await;
    before.expect(deliver("c1", 1, false, b"one")).await;
    before.send(reject(1, Requeue::Yes)).await;
    before.expect(deliver("c1", 2, true, b"one")).await;
    before.close().await;
    let mut during = broker.peer().await;
    during.ask(get("jobs"), get_ok(1, true, 0, b"one")).await;
    during.send(ack(1)).await;
    during.expect_counts("jobs", 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_a_blocked_publisher_sends_waits_for_the_end_of_the_alarm() {
    let broker = OwnBroker::start().await;
    let mut peer = publisher(&broker, "jobs", Hello::default()).await;
    let mut watcher = broker.peer().await;
    broker.broker.set_alarm(Alarm::Memory, true);
    peer.expect_on(0, blocked(LOW_ON_MEMORY)).await;
    for _ in 0..10 {
        peer.send(publish("", "jobs", b"later")).await;
    }
    let_time_pass(&broker).await;
    watcher.expect_counts("jobs", 1, 0).await;
    broker.broker.set_alarm(Alarm::Memory, false);
    peer.expect_on(0, unblocked()).await;
    peer.expect_counts("jobs", 11, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_for_a_blocked_publisher_still_reaches_it() {
    let broker = OwnBroker::start().await;
    let mut both = broker.peer().await;
    both.declare("jobs").await;
    both.ask(consume("jobs", "c1").no_ack(), consume_ok("c1")).await;
    let mut waiting = broker.peer().await;
    both.send(publish("", "nowhere", b"")).await;
    both.expect_nothing_until_reply().await;
    broker.broker.set_alarm(Alarm::Memory, true);
    both.expect_on(0, blocked(LOW_ON_MEMORY)).await;
    waiting.send(publish("", "jobs", b"one")).await; // its first one, which passes
    both.expect(deliver("c1", 1, false, b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn heartbeats_go_on_while_blocked_and_none_are_asked_for() {
    let broker = OwnBroker::start().await;
    let mut peer = publisher(&broker, "jobs", every_second()).await;
    broker.broker.set_alarm(Alarm::Memory, true);
    peer.expect_on(0, blocked(LOW_ON_MEMORY)).await;
    for _ in 0..7 {
        peer.expect_on(0, heartbeat()).await; // two a second: well over two intervals
    }
    broker.broker.set_alarm(Alarm::Memory, false);
    peer.expect_on(0, unblocked()).await;
    peer.expect_counts("jobs", 1, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_client_without_the_capability_is_stopped_without_words() {
    let broker = OwnBroker::start().await;
    let properties = client_properties(&["publisher_confirms", "basic.nack"]);
    let hello = Hello { properties, ..Hello::default() };
    let mut peer = publisher(&broker, "jobs", hello).await;
    let mut watcher = broker.peer().await;
    broker.broker.set_alarm(Alarm::Memory, true);
    peer.send(publish("", "jobs", b"perhaps")).await; // may be read before the alarm is seen
    peer.send(publish("", "jobs", b"later")).await;
    let_time_pass(&broker).await;
    peer.send(publish("", "jobs", b"later")).await;
    let_time_pass(&broker).await;
    let stopped = watcher_sees_at_most(&mut watcher, "jobs", 3).await;
    broker.broker.set_alarm(Alarm::Memory, false);
    peer.expect_counts("jobs", 4, 0).await;
    expect_nothing_on_channel_0(&mut peer).await;
    assert!(stopped, "the last message was read during the alarm");
    broker.stop_and_check().await;
}

/// Whether no more than so many messages are in the queue.
async fn watcher_sees_at_most(watcher: &mut Peer, queue: &str, most: u32) -> bool {
    use amq_protocol::protocol::queue::AMQPMethod::DeclareOk;
    watcher.send(queue_declare(queue).passive()).await;
    match watcher.next_method_on(1, "declare-ok").await {
        AMQPClass::Queue(DeclareOk(ok)) => ok.message_count <= most,
        other => watcher.fail("declare-ok", &format!("{other:?}")),
    }
}

#[tokio::test]
async fn a_broker_with_blocked_publishers_can_be_stopped() {
    let broker = OwnBroker::start().await;
    let mut peer = publisher(&broker, "jobs", Hello::default()).await;
    broker.broker.set_alarm(Alarm::Memory, true);
    peer.expect_on(0, blocked(LOW_ON_MEMORY)).await;
    let stopping = broker.stop();
    let told = async {
        let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
        peer.expect_connection_close(320, text, (0, 0)).await;
    };
    tokio::join!(stopping, told);
}

#[tokio::test]
async fn a_blocked_publisher_that_goes_is_noticed_at_the_end_of_the_alarm_at_the_latest() {
    let broker = OwnBroker::start().await;
    let mut peer = publisher(&broker, "jobs", Hello::default()).await;
    peer.ask(queue_declare("mine").exclusive(), queue_declare_ok("mine", 0, 0)).await;
    broker.broker.set_alarm(Alarm::Memory, true);
    peer.expect_on(0, blocked(LOW_ON_MEMORY)).await;
    drop(peer);
    broker.broker.set_alarm(Alarm::Memory, false);
    let mut other = broker.peer().await;
    let mut tries = 0..1000;
    while broker.broker.connection_count() > 1 && tries.next().is_some() {
        other.expect_nothing_until_reply().await;
    }
    assert_eq!(broker.broker.connection_count(), 1);
    broker.stop_and_check().await;
}
