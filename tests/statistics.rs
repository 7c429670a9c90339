//! What is counted and told of connections, channels, queues, exchanges and the node, exactly.
//!
//! Whatever was sent before a request that has been answered is counted by then.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use warren::alarm::Alarm;
use warren::broker::{ConnectionState, Node, Presence};
use warren::clock;
use warren::exchange::Exchange;
use warren::queue::{Activity, Queue, QueueStatistics, Volume};
use warren::stats::{
    ChannelDetails, ChurnCounts, DeathCause, DeathStrategy, ExchangeCounts, MessageCounts,
    QueueType, Served, Totals,
};

/// What does not come about in this time never will.
const WAIT_MAX: Duration = Duration::from_secs(10);

fn node(broker: &OwnBroker) -> &Arc<Node> {
    broker.broker.node()
}

fn queue(broker: &OwnBroker, name: &str) -> Arc<Queue> {
    node(broker).vhost("/").and_then(|vhost| vhost.queue(name)).expect("the queue is there")
}

fn exchange(broker: &OwnBroker, name: &str) -> Arc<Exchange> {
    node(broker).vhost("/").and_then(|vhost| vhost.exchange(name)).expect("it is there")
}

fn told(broker: &OwnBroker, name: &str) -> QueueStatistics {
    queue(broker, name).statistics(clock::now_ms())
}

fn only_presence(broker: &OwnBroker) -> Arc<Presence> {
    let all = node(broker).presences();
    assert_eq!(all.len(), 1, "one connection is open");
    all.into_iter().next().expect("one")
}

fn only_channel(broker: &OwnBroker) -> ChannelDetails {
    only_presence(broker).channel(1).expect("channel 1 is open").details()
}

/// Everything that was sent has been acted on.
async fn settle(peer: &mut Peer) {
    peer.ask(channel_flow(true), channel_flow_ok(true)).await;
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::task::yield_now().await;
    }
}

/// Three messages for `jobs`, one dropped, one returned; two got, one delivered twice, two acked.
async fn do_a_bit_of_everything(peer: &mut Peer) {
    peer.declare("jobs").await;
    for body in [&b"a"[..], b"bb", b"ccc"] {
        peer.send(publish("", "jobs", body)).await;
    }
    peer.send(publish("amq.direct", "nowhere", &[0; 150])).await;
    peer.send(publish("amq.direct", "nowhere", b"back").mandatory()).await;
    peer.expect(no_route("amq.direct", "nowhere", b"back")).await;
    peer.ask(get("jobs"), get_ok(1, false, 2, b"a")).await;
    peer.ask(get_no_ack("jobs"), get_ok(2, false, 1, b"bb")).await;
    peer.send(ack(1)).await;
    peer.ask(consume("jobs", "c"), consume_ok("c")).await;
    peer.expect(deliver("c", 3, false, b"ccc").via("", "jobs")).await;
    peer.send(reject(3, Requeue::Yes)).await;
    peer.expect(deliver("c", 4, true, b"ccc").via("", "jobs")).await;
    peer.send(ack(4)).await;
    peer.ask(get("jobs"), get_empty()).await;
}

#[tokio::test]
async fn everything_is_counted_once_and_in_its_place() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    do_a_bit_of_everything(&mut peer).await;
    let served = Served {
        deliver: 2,
        get: 1,
        get_no_ack: 1,
        get_empty: 1,
        redeliver: 1,
        ack: 2,
        ..Served::default()
    };
    let of_channel = MessageCounts {
        publish: 5,
        return_unroutable: 1,
        drop_unroutable: 1,
        deliver: 2,
        get: 1,
        get_no_ack: 1,
        get_empty: 1,
        redeliver: 1,
        ack: 2,
        ..MessageCounts::default()
    };
    let channel = only_channel(&broker);
    assert_eq!(channel.messages, of_channel);
    assert_eq!((channel.unacked, channel.consumers, channel.prefetch), (0, 1, 0));
    assert!(!channel.confirm && !channel.transactional);

    let jobs = told(&broker, "jobs");
    let of_queue =
        MessageCounts { publish: 3, return_unroutable: 0, drop_unroutable: 0, ..of_channel };
    assert_eq!(jobs.messages, of_queue);
    assert_eq!((jobs.ready, jobs.unacked), (Volume::default(), Volume::default()));
    assert_eq!((jobs.waits.count(), jobs.consumers), (3, 1));
    assert!((jobs.consumer_capacity - 1.0).abs() < f64::EPSILON, "{}", jobs.consumer_capacity);

    let direct = ExchangeCounts {
        publish_in: 2,
        publish_out: 0,
        unroutable_dropped: 1,
        unroutable_returned: 1,
    };
    assert_eq!(exchange(&broker, "amq.direct").counters().get(), direct);
    let default = ExchangeCounts { publish_in: 3, publish_out: 3, ..ExchangeCounts::default() };
    assert_eq!(exchange(&broker, "").counters().get(), default);

    let totals = node(&broker).totals();
    let expected = Totals {
        received: 5,
        publish: 5,
        routed: 3,
        unroutable_dropped: 1,
        unroutable_returned: 1,
        classic: served,
        sizes: totals.sizes,
        ..Totals::default()
    };
    assert_eq!(totals, expected);
    assert_eq!((totals.sizes.within[..2].to_vec(), totals.sizes.sum), (vec![4, 1], 160));
    let counts = node(&broker).object_counts();
    assert_eq!((counts.connections, counts.channels, counts.publishers), (1, 1, 1));
    assert_eq!((counts.consumers, counts.queues), (1, 1));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_gone_still_counts() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    do_a_bit_of_everything(&mut peer).await;
    let before = node(&broker).totals();
    peer.close_channel(1).await;
    assert_eq!(node(&broker).totals(), before, "the channel is closed");
    peer.open_channel(1).await;
    peer.ask(queue_delete("jobs"), queue_delete_ok(0)).await;
    peer.close().await;
    until("the connection is gone", || node(&broker).presences().is_empty()).await;
    assert_eq!(node(&broker).totals(), before);
    let churn = ChurnCounts {
        connection_created: 1,
        connection_closed: 1,
        channel_created: 2,
        channel_closed: 2,
        queue_declared: 1,
        queue_created: 1,
        queue_deleted: 1,
    };
    assert_eq!(node(&broker).ledger.churn.get(), churn);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn deaths_count_by_cause_and_by_what_becomes_of_them() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let limited = [("x-max-length", int(1))];
    peer.ask(queue_declare("a").args(table(&limited)), queue_declare_ok("a", 0, 0)).await;
    let target = [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text("a"))];
    peer.ask(queue_declare("b").args(table(&target)), queue_declare_ok("b", 0, 0)).await;
    for body in [b"1", b"2"] {
        peer.send(publish("", "b", body)).await;
    }
    // Both come to `a`, which has room for one.
    for tag in [1, 2] {
        peer.ask(get("b"), get_ok(tag, false, 2 - tag as u32, &[b'0' + tag as u8])).await;
        peer.send(reject(tag, Requeue::No)).await;
    }
    peer.expect_counts("a", 1, 0).await;
    let told = || {
        let dead = node(&broker).queue_totals().dead(QueueType::Classic);
        let of = |strategy, cause| dead.of(strategy, cause);
        [
            of(DeathStrategy::AtMostOnce, DeathCause::Rejected),
            of(DeathStrategy::Disabled, DeathCause::MaxLen),
            dead.by_cause(DeathCause::Expired) + dead.by_cause(DeathCause::DeliveryLimit),
        ]
    };
    assert_eq!(told(), [2, 1, 0]);
    peer.ask(queue_delete("b"), queue_delete_ok(0)).await;
    peer.ask(queue_delete("a"), queue_delete_ok(1)).await;
    assert_eq!(told(), [2, 1, 0], "the queues are gone");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn confirms_and_transactions_show_what_is_open() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(queue_declare("jobs").durable(), queue_declare_ok("jobs", 0, 0)).await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    peer.send(publish("", "jobs", b"kept").persistent()).await;
    peer.expect(ack(1)).await;
    peer.ask(qos(7), qos_ok()).await;
    let channel = only_channel(&broker);
    assert!(channel.confirm);
    assert_eq!((channel.messages.confirm, channel.unconfirmed, channel.prefetch), (1, 0, 7));
    let totals = node(&broker).totals();
    assert_eq!((totals.received_confirm, totals.confirmed), (1, 1));
    let jobs = told(&broker, "jobs");
    assert_eq!(jobs.ready, Volume { count: 1, bytes: 4, kept: 1, kept_bytes: 4 });
    assert_eq!((jobs.messages.disk_writes, jobs.resident.count, jobs.resident.bytes), (1, 1, 4));

    peer.close_channel(1).await;
    peer.open_channel(1).await;
    peer.ask(tx_select(), tx_select_ok()).await;
    peer.send(publish("", "jobs", b"later")).await;
    peer.ask(get("jobs"), get_ok(1, false, 0, b"kept")).await;
    let held = told(&broker, "jobs");
    assert_eq!(held.unacked, Volume { count: 1, bytes: 4, kept: 1, kept_bytes: 4 });
    peer.send(ack(1)).await;
    settle(&mut peer).await;
    let channel = only_channel(&broker);
    assert!(channel.transactional);
    assert_eq!((channel.uncommitted, channel.uncommitted_acks), (1, 1));
    assert_eq!((channel.messages.publish, channel.messages.ack), (0, 0));
    peer.ask(tx_commit(), tx_commit_ok()).await;
    let channel = only_channel(&broker);
    assert_eq!((channel.uncommitted, channel.uncommitted_acks), (0, 0));
    assert_eq!((channel.messages.publish, channel.messages.ack), (1, 1));
    let jobs = told(&broker, "jobs");
    assert_eq!(jobs.ready, Volume { count: 1, bytes: 5, ..Volume::default() });
    assert_eq!(jobs.unacked, Volume::default());
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_knows_its_consumers() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let alone = [("x-single-active-consumer", AMQPValue::Boolean(true))];
    peer.ask(queue_declare("jobs").args(table(&alone)), queue_declare_ok("jobs", 0, 0)).await;
    let arguments = table(&[("x-priority", int(3)), ("who", text("me"))]);
    peer.ask(consume("jobs", "first").args(arguments), consume_ok("first")).await;
    peer.ask(qos(5), qos_ok()).await;
    peer.ask(consume("jobs", "second").no_ack(), consume_ok("second")).await;
    let id = only_presence(&broker).identity.id;
    let consumers = queue(&broker, "jobs").consumers();
    let shown = consumers.iter().map(|c| {
        assert_eq!((c.facts.connection, c.facts.channel), (id, 1));
        (&*c.facts.tag, c.ack_required, c.prefetch, c.priority, c.activity)
    });
    let expected =
        [("first", true, 0, 3, Activity::SingleActive), ("second", false, 5, 0, Activity::Waiting)];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert!(consumers.iter().any(|c| c.facts.arguments.view().get("who").is_some()));
    let active = told(&broker, "jobs").single_active_consumer.expect("one is active");
    assert_eq!(&*active.tag, "first");
    peer.ask(cancel("first"), cancel_ok("first")).await;
    let active = told(&broker, "jobs").single_active_consumer.expect("one is active");
    assert_eq!(&*active.tag, "second");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_connection_shows_who_it_is_and_how() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let presence = only_presence(&broker);
    let identity = &presence.identity;
    assert_eq!(*presence.name, format!("{} -> {}", identity.peer, broker.address()));
    assert_eq!((&*identity.user, &*identity.vhost), ("guest", "/"));
    assert_eq!(&*identity.mechanism, "PLAIN");
    assert!(identity.client_properties.view().get("product").is_some());
    assert!(node(&broker).presence_named(&presence.name).is_some());
    assert_eq!(presence.state(), ConnectionState::Running);
    let [received, sent, reads, writes] = presence.traffic.values();
    assert!(received > 100 && sent > 100 && reads > 0 && writes > 0, "{:?}", presence.traffic);
    broker.broker.set_alarm(Alarm::Memory, true);
    until("blocking", || presence.state() == ConnectionState::Blocking).await;
    peer.send(publish("", "nowhere", b"x")).await;
    until("blocked", || presence.state() == ConnectionState::Blocked).await;
    peer.next_method_on(0, "blocked").await;
    broker.broker.set_alarm(Alarm::Memory, false);
    peer.next_method_on(0, "unblocked").await;
    until("running", || presence.state() == ConnectionState::Running).await;
    assert!(node(&broker).close_connection(&presence.name, "enough"));
    peer.expect_connection_close(320, "CONNECTION_FORCED - enough", (0, 0)).await;
    assert!(!node(&broker).close_connection("nobody", "enough"));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_oldest_message_tells_its_age() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.declare("jobs").await;
    assert_eq!(told(&broker, "jobs").oldest_age_ms, None);
    let began_ms = clock::now_ms();
    let dated = BasicProperties::default().with_timestamp(1_700_000_000);
    peer.send(publish("", "jobs", b"old").with(dated)).await;
    peer.send(publish("", "jobs", b"new")).await;
    settle(&mut peer).await;
    let later_ms = clock::now_ms() + 60_000;
    let jobs = queue(&broker, "jobs").statistics(later_ms);
    let age_ms = jobs.oldest_age_ms.expect("there is one");
    assert!((60_000..=later_ms - began_ms).contains(&age_ms), "{age_ms} ms");
    assert_eq!(jobs.head_timestamp, Some(1_700_000_000));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_age_is_known_of_what_is_only_on_disk() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(queue_declare("jobs").durable(), queue_declare_ok("jobs", 0, 0)).await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    peer.send(publish("", "jobs", b"kept").persistent()).await;
    peer.expect(ack(1)).await;
    let before = told(&broker, "jobs").oldest_age_ms.expect("in memory");
    let broker = broker.restart().await;
    let reads = || node(&broker).store.figures().read;
    let jobs = told(&broker, "jobs");
    assert_eq!((jobs.ready.count, jobs.resident.count), (1, 0));
    let after = jobs.oldest_age_ms.expect("on disk");
    assert!((before..60_000).contains(&after), "{after} ms");
    assert_eq!(reads(), 1);
    assert!(told(&broker, "jobs").oldest_age_ms.is_some());
    assert_eq!(reads(), 1, "it is remembered");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn rates_are_known_while_somebody_looks() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.declare("jobs").await;
    let rate = || told(&broker, "jobs").message_rates()[0];
    // Nobody looks: nothing is kept.
    node(&broker).sample(1_000);
    node(&broker).note_watched(10_000);
    node(&broker).sample(10_000);
    for _ in 0..10 {
        peer.send(publish("", "jobs", b"x")).await;
    }
    settle(&mut peer).await;
    assert!(rate().abs() < f64::EPSILON);
    node(&broker).sample(15_000);
    assert!((rate() - 2.0).abs() < f64::EPSILON, "{} a second", rate());
    assert!((told(&broker, "jobs").length_rates()[1] - 2.0).abs() < f64::EPSILON);
    assert!((only_channel(&broker).rates[0] - 2.0).abs() < f64::EPSILON);
    assert!((exchange(&broker, "").rates()[0] - 2.0).abs() < f64::EPSILON);
    assert!((node(&broker).rates.messages.get()[0] - 2.0).abs() < f64::EPSILON);
    node(&broker).sample(1_000_000);
    assert!(rate().abs() < f64::EPSILON, "nobody looks any more");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_store_tells_what_it_does() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(queue_declare("jobs").durable(), queue_declare_ok("jobs", 0, 0)).await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    let before = node(&broker).store.figures();
    peer.send(publish("", "jobs", &[7; 5000]).persistent()).await;
    peer.expect(ack(1)).await;
    let after = node(&broker).store.figures();
    assert!(after.sync_us.count() > before.sync_us.count());
    assert!(after.written_bytes >= before.written_bytes + 5000);
    assert!(after.written > before.written);
    assert!(after.living_bytes >= before.living_bytes + 5000);
    assert_eq!(after.segments, 1);
    broker.stop_and_check().await;
}
