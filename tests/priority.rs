//! Priorities of messages: classic queues with `x-max-priority`, and quorum queues, which have
//! them without being asked (behaviour 26).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::handed_out::{classic, levels, persistent, prioritised, quorum, yes};
use common::*;

const DECLARE: (u16, u16) = (50, 10);

/// A classic queue with these levels.
async fn leveled(peer: &mut Peer, max: i32) -> String {
    let jobs = unique("jobs");
    peer.declare_as(classic(&jobs, &levels(max))).await;
    jobs
}

/// Puts messages of these priorities into a queue, one after the other.
async fn put(peer: &mut Peer, queue: &str, messages: &[(u8, &str)]) {
    let publishes: Vec<_> =
        messages.iter().map(|(level, body)| prioritised(queue, *level, body.as_bytes())).collect();
    peer.store(publishes).await;
}

/// These come out, and nothing else. The counts behind each tell that none is lost on the way.
async fn expect_left(peer: &mut Peer, queue: &str, bodies: &[&str]) {
    for (at, body) in bodies.iter().enumerate() {
        let came = peer.ask_message(get_no_ack(queue)).await;
        let story = format!("message {at} of {bodies:?}");
        assert_eq!(String::from_utf8_lossy(&came.body), *body, "{story}");
    }
    peer.ask(get(queue), get_empty()).await;
}

/// Delivered to `c` in this order, from this tag on, for the first time.
async fn expect_delivered(peer: &mut Peer, from_tag: u64, bodies: &[&str]) {
    for (tag, body) in (from_tag..).zip(bodies) {
        peer.expect(deliver("c", tag, false, body.as_bytes())).await;
    }
}

// Order

#[tokio::test]
async fn higher_levels_come_first_and_each_in_order() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 9).await;
    put(&mut peer, jobs, &[(0, "a"), (5, "b"), (9, "c"), (5, "d"), (9, "e"), (0, "f")]).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 5, b"c")).await;
    peer.ask(get_no_ack(jobs), get_ok(2, false, 4, b"e")).await;
    expect_left(&mut peer, jobs, &["b", "d", "a", "f"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn consumers_get_them_in_the_same_order() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 9).await;
    put(&mut peer, jobs, &[(0, "a"), (5, "b"), (9, "c"), (5, "d"), (9, "e"), (0, "f")]).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    expect_delivered(&mut peer, 1, &["c", "e", "b", "d", "a", "f"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_above_the_highest_level_is_on_it() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 5).await;
    put(&mut peer, jobs, &[(4, "a"), (9, "b"), (5, "c"), (255, "d"), (5, "e")]).await;
    expect_left(&mut peer, jobs, &["b", "c", "d", "e", "a"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_a_priority_it_is_on_the_lowest_level() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 5).await;
    let publishes =
        [publish("", jobs, b"a"), prioritised(jobs, 0, b"b"), prioritised(jobs, 1, b"c")];
    peer.store(publishes.into_iter().chain([publish("", jobs, b"d")])).await;
    expect_left(&mut peer, jobs, &["c", "a", "b", "d"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn there_may_be_255_levels_above_the_lowest() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 255).await;
    let mixed = [(1, "b"), (255, "f"), (0, "a"), (254, "e"), (127, "c"), (128, "d")];
    put(&mut peer, jobs, &mixed).await;
    expect_left(&mut peer, jobs, &["f", "e", "d", "c", "b", "a"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn there_may_be_one_level_above_the_lowest() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 1).await;
    put(&mut peer, jobs, &[(0, "a"), (1, "b"), (7, "c"), (0, "d")]).await;
    expect_left(&mut peer, jobs, &["b", "c", "a", "d"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_highest_level_of_0_leaves_one_level() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 0).await;
    put(&mut peer, jobs, &[(0, "a"), (1, "b"), (0, "c")]).await;
    expect_left(&mut peer, jobs, &["a", "b", "c"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_that_was_not_asked_to_ignores_priorities() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    put(&mut peer, jobs, &[(0, "a"), (9, "b"), (5, "c")]).await;
    expect_left(&mut peer, jobs, &["a", "b", "c"]).await;
    broker.stop_and_check().await;
}

/// So many, and in such a mixture, that no accident gets them right.
#[tokio::test]
async fn a_thousand_come_out_sorted() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 20).await;
    let level = |number: u32| ((number.wrapping_mul(2_654_435_761) >> 16) % 25) as u8;
    let numbers = 0..1000_u32;
    let publishes = numbers.clone().map(|n| prioritised(jobs, level(n), &n.to_be_bytes()));
    peer.store(publishes.collect::<Vec<_>>()).await;
    let mut expected: Vec<u32> = numbers.collect();
    expected.sort_by_key(|n| std::cmp::Reverse(level(*n).min(20)));
    peer.ask(consume(jobs, "c").no_ack(), consume_ok("c")).await;
    for (tag, number) in (1..).zip(expected) {
        peer.expect(deliver("c", tag, false, &number.to_be_bytes())).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_priority_arrives_as_it_was_sent() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 5).await;
    peer.store([prioritised(jobs, 200, b"a")]).await;
    let sent = BasicProperties::default().with_priority(200);
    peer.ask(get(jobs), get_ok(1, false, 0, b"a").with(sent)).await;
    broker.stop_and_check().await;
}

// What is out, and what comes back

#[tokio::test]
async fn what_was_handed_out_is_not_overtaken() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 9).await;
    put(&mut peer, jobs, &[(1, "a"), (1, "b"), (1, "c")]).await;
    peer.ask(qos(2), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    expect_delivered(&mut peer, 1, &["a", "b"]).await;
    put(&mut peer, jobs, &[(9, "d")]).await;
    peer.expect_counts(jobs, 2, 1).await;
    peer.send(ack(1)).await;
    expect_delivered(&mut peer, 3, &["d"]).await;
    peer.send(ack(2)).await;
    expect_delivered(&mut peer, 4, &["c"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_requeued_goes_back_to_its_place_in_its_level() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 9).await;
    put(&mut peer, jobs, &[(5, "a"), (5, "b"), (5, "c"), (2, "g")]).await;
    for (tag, body) in (1..).zip(["a", "b", "c"]) {
        let behind = 4 - tag as u32;
        peer.ask(get(jobs), get_ok(tag, false, behind, body.as_bytes())).await;
    }
    put(&mut peer, jobs, &[(5, "d"), (9, "e"), (4, "f")]).await;
    peer.send(reject(2, Requeue::Yes)).await;
    peer.send(nack(1, Requeue::Yes)).await;
    peer.ask(get(jobs), get_ok(4, false, 5, b"e")).await;
    peer.ask(get(jobs), get_ok(5, true, 4, b"a")).await;
    peer.ask(get(jobs), get_ok(6, true, 3, b"b")).await;
    peer.ask(get(jobs), get_ok(7, false, 2, b"d")).await;
    peer.ask(get(jobs), get_ok(8, false, 1, b"f")).await;
    peer.ask(get(jobs), get_ok(9, false, 0, b"g")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_a_channel_leaves_behind_is_in_order_again() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 9).await;
    put(&mut peer, jobs, &[(1, "a"), (9, "b"), (5, "c"), (9, "d"), (1, "e")]).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    expect_delivered(&mut peer, 1, &["b", "d", "c", "a", "e"]).await;
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    for (tag, body) in (1..).zip(["b", "d", "c", "a", "e"]) {
        peer.ask(get(jobs), get_ok(tag, true, 5 - tag as u32, body.as_bytes())).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_requeued_message_waits_for_those_of_higher_levels() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 9).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    put(&mut peer, jobs, &[(3, "low")]).await;
    peer.expect(deliver("c", 1, false, b"low")).await;
    put(&mut peer, jobs, &[(4, "high")]).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.expect(deliver("c", 2, false, b"high")).await;
    peer.send(ack(2)).await;
    peer.expect(deliver("c", 3, true, b"low")).await;
    broker.stop_and_check().await;
}

// Counts, limits, expiry

#[tokio::test]
async fn all_levels_count_and_all_are_purged() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &leveled(&mut peer, 9).await;
    put(&mut peer, jobs, &[(0, "a"), (5, "b"), (9, "c"), (9, "d")]).await;
    peer.expect_counts(jobs, 4, 0).await;
    peer.ask(get(jobs), get_ok(1, false, 3, b"c")).await;
    peer.expect_counts(jobs, 3, 0).await;
    peer.ask(queue_purge(jobs), queue_purge_ok(3)).await;
    peer.ask(get(jobs), get_empty()).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.ask(get(jobs), get_ok(2, true, 0, b"c")).await;
    put(&mut peer, jobs, &[(1, "e"), (0, "f")]).await;
    peer.ask(queue_delete(jobs), queue_delete_ok(2)).await;
    broker.stop_and_check().await;
}

/// 26.2: the same end that a consumer is served from.
#[tokio::test]
async fn a_full_queue_drops_what_would_be_delivered_next() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dropped) = (&unique("jobs"), &unique("dropped"));
    peer.declare(dropped).await;
    let mut arguments = levels(9);
    arguments.extend([
        ("x-max-length", int(2)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(dropped)),
    ]);
    peer.declare_as(classic(jobs, &arguments)).await;
    let all = [(0, "a"), (5, "b"), (5, "c"), (9, "d"), (0, "e"), (1, "f")];
    put(&mut peer, jobs, &all).await;
    peer.until_counts(dropped, 4, 0).await;
    expect_left(&mut peer, dropped, &["b", "d", "c", "f"]).await;
    expect_left(&mut peer, jobs, &["a", "e"]).await;
    broker.stop_and_check().await;
}

/// A leveled queue whose dead letters go to the other.
async fn with_dead_letters(peer: &mut Peer) -> (String, String) {
    let (jobs, expired) = (unique("jobs"), unique("expired"));
    peer.declare(&expired).await;
    let mut arguments = levels(9);
    let to = [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&expired))];
    arguments.extend(to);
    peer.declare_as(classic(&jobs, &arguments)).await;
    (jobs, expired)
}

fn expiring(level: u8, after_ms: u32) -> BasicProperties {
    BasicProperties::default().with_priority(level).with_expiration(after_ms.to_string().into())
}

#[tokio::test]
async fn the_head_of_the_highest_level_expires_by_itself() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, expired) = &with_dead_letters(&mut peer).await;
    let short = publish("", jobs, b"short").with(expiring(9, 100));
    // First, since RabbitMQ starts its clock for a message only if that is alone in the queue.
    peer.store([short, prioritised(jobs, 0, b"low"), prioritised(jobs, 9, b"live")]).await;
    peer.until_counts(expired, 1, 0).await;
    expect_left(&mut peer, expired, &["short"]).await;
    expect_left(&mut peer, jobs, &["live", "low"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_has_expired_is_not_delivered_from_any_level() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, expired) = &with_dead_letters(&mut peer).await;
    peer.store([
        publish("", jobs, b"low, gone").with(expiring(1, 10)),
        prioritised(jobs, 1, b"low"),
        prioritised(jobs, 5, b"high"),
        publish("", jobs, b"high, gone").with(expiring(5, 10)),
        publish("", jobs, b"high, later").with(expiring(5, 600_000)),
    ])
    .await;
    peer.let_expire(30).await;
    expect_left(&mut peer, jobs, &["high", "high, later", "low"]).await;
    peer.until_counts(expired, 2, 0).await;
    broker.stop_and_check().await;
}

/// Each level is looked at from its head only, so what lives keeps what is behind it.
#[tokio::test]
async fn behind_a_live_message_of_its_level_an_expired_one_stays() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, expired) = &with_dead_letters(&mut peer).await;
    let behind = publish("", jobs, b"behind").with(expiring(5, 10));
    peer.store([prioritised(jobs, 5, b"live"), behind]).await;
    peer.let_expire(30).await;
    peer.expect_counts(jobs, 2, 0).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 0, b"live")).await;
    peer.until_counts(expired, 1, 0).await;
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_single_active_consumer_gets_them_in_order_too() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let mut arguments = levels(9);
    arguments.push(("x-single-active-consumer", yes()));
    peer.declare_as(classic(jobs, &arguments)).await;
    put(&mut peer, jobs, &[(0, "a"), (9, "b")]).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    expect_delivered(&mut peer, 1, &["b", "a"]).await;
    broker.stop_and_check().await;
}

// What survives

async fn expect_order_after(broker: &OwnBroker, queue: &str, bodies: &[&str]) {
    let mut peer = broker.peer().await;
    peer.expect_counts(queue, bodies.len() as u32, 0).await;
    expect_left(&mut peer, queue, bodies).await;
}

async fn durable_and_mixed(broker: &OwnBroker) {
    let mut peer = broker.peer().await;
    peer.declare_as(queue_declare("jobs").durable().args(table(&levels(9)))).await;
    let mixed = [(0, "a"), (5, "b"), (9, "c"), (5, "d"), (200, "e"), (0, "f")];
    let publishes = mixed.map(|(level, body)| {
        let properties = BasicProperties::default().with_priority(level).with_delivery_mode(2);
        publish("", "jobs", body.as_bytes()).with(properties)
    });
    peer.store(publishes).await;
    peer.store([persistent("jobs", b"g"), prioritised("jobs", 9, b"transient")]).await;
}

#[tokio::test]
async fn the_order_is_the_same_after_a_restart() {
    let broker = OwnBroker::start().await;
    durable_and_mixed(&broker).await;
    let broker = broker.restart().await;
    expect_order_after(&broker, "jobs", &["c", "e", "b", "d", "a", "f", "g"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_order_is_the_same_after_a_crash() {
    let broker = OwnBroker::start().await;
    durable_and_mixed(&broker).await;
    let broker = broker.crash().await;
    let mut peer = broker.peer().await;
    let new = BasicProperties::default().with_priority(5).with_delivery_mode(2);
    peer.store([publish("", "jobs", b"new").with(new)]).await;
    expect_order_after(&broker, "jobs", &["c", "e", "b", "d", "new", "a", "f", "g"]).await;
    broker.stop_and_check().await;
}

/// Far more than the broker keeps in memory for one queue.
#[tokio::test]
async fn what_is_on_disk_only_comes_sorted_too() {
    const BODY_BYTES: usize = 64 * 1024;
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.declare_as(queue_declare("jobs").durable().args(table(&levels(9)))).await;
    let level = |number: u16| (number.wrapping_mul(40_503) >> 8) as u8 % 12;
    let body = |number: u16| {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(BODY_BYTES, number as u8);
        body
    };
    let numbers = 0..600_u16;
    for first in numbers.clone().step_by(50) {
        let some = (first..first + 50).map(|number| {
            let properties = BasicProperties::default().with_priority(level(number));
            publish("", "jobs", &body(number)).with(properties.with_delivery_mode(2))
        });
        peer.store(some).await;
    }
    let mut expected: Vec<u16> = numbers.collect();
    expected.sort_by_key(|number| std::cmp::Reverse(level(*number).min(9)));
    peer.ask(qos(20), qos_ok()).await;
    peer.ask(consume("jobs", "c"), consume_ok("c")).await;
    for (tag, number) in (1..).zip(expected) {
        let came = peer.next_message(1).await;
        let came_number = u16::from_be_bytes([came.body[0], came.body[1]]);
        assert_eq!((came.delivery_tag(), came_number), (tag, number));
        assert!(came.body == body(number), "{number} is not whole");
        peer.send(ack(tag)).await;
    }
    peer.expect_counts("jobs", 0, 1).await;
    broker.stop_and_check().await;
}

// Quorum queues

const STRICT: &str = "quorum queues had two levels in turn before 4.3";

#[tokio::test]
async fn a_quorum_queue_has_32_levels_and_4_is_the_usual_one() {
    let Some(broker) = only_on_warren(STRICT).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare_as(quorum(jobs, &[])).await;
    put(&mut peer, jobs, &[(3, "h"), (4, "e")]).await;
    peer.store([publish("", jobs, b"f")]).await;
    put(&mut peer, jobs, &[(4, "g"), (5, "d"), (255, "a"), (31, "b"), (32, "c"), (0, "i")]).await;
    let order = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    expect_left(&mut peer, jobs, &order).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_returned_to_a_quorum_queue_is_in_its_old_place() {
    let Some(broker) = only_on_warren(STRICT).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare_as(quorum(jobs, &[])).await;
    put(&mut peer, jobs, &[(2, "a"), (1, "b"), (0, "c")]).await;
    peer.ask(get(jobs), get_ok(1, false, 2, b"a")).await;
    peer.ask(get(jobs), get_ok(2, false, 1, b"b")).await;
    put(&mut peer, jobs, &[(31, "d")]).await;
    // RabbitMQ would hand out what was returned first, whatever its priority.
    peer.send(reject(2, Requeue::Yes)).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.ask(get(jobs), get_ok(3, false, 3, b"d")).await;
    peer.ask(get(jobs), get_ok(4, true, 2, b"a")).await;
    peer.ask(get(jobs), get_ok(5, true, 1, b"b")).await;
    peer.ask(get(jobs), get_ok(6, false, 0, b"c")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_quorum_queue_keeps_its_order_over_a_restart() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.declare_as(quorum("jobs", &[])).await;
    let mixed = [(0, "a"), (5, "b"), (31, "c"), (4, "d"), (200, "e")];
    let publishes = mixed.map(|(level, body)| {
        let properties = BasicProperties::default().with_priority(level).with_delivery_mode(2);
        publish("", "jobs", body.as_bytes()).with(properties)
    });
    peer.store(publishes).await;
    peer.store([persistent("jobs", b"f")]).await;
    let broker = broker.restart().await;
    expect_order_after(&broker, "jobs", &["c", "e", "b", "d", "f", "a"]).await;
    broker.stop_and_check().await;
}

/// A quorum queue makes no difference between persistent and transient.
#[tokio::test]
async fn a_quorum_queue_keeps_transient_messages_too() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.declare_as(quorum("jobs", &[])).await;
    put(&mut peer, "jobs", &[(0, "a"), (5, "b")]).await;
    let broker = broker.restart().await;
    expect_order_after(&broker, "jobs", &["b", "a"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_quorum_queue_is_not_told_how_many_levels() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.send(quorum(jobs, &levels(5))).await;
    let text = format!(
        "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue '{jobs}' in vhost '/' of \
         queue type rabbit_quorum_queue"
    );
    peer.expect_channel_close(406, &text, DECLARE).await;
    broker.stop_and_check().await;
}
