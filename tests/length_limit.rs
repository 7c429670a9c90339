//! Queues that hold only so many messages or octets (behaviour 28).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use amq_protocol::protocol::basic::AMQPMethod;
use common::deaths::{assert_deaths, death};
use common::queues::*;
use common::*;

const SHORT_MS: i32 = 60;

fn max_length(messages: i32) -> (&'static str, AMQPValue) {
    ("x-max-length", int(messages))
}

fn max_bytes(bytes: i32) -> (&'static str, AMQPValue) {
    ("x-max-length-bytes", int(bytes))
}

fn overflow(what: &str) -> (&'static str, AMQPValue) {
    ("x-overflow", text(what))
}

/// Waits for the confirm with that number: true if the message was taken.
async fn confirmed(peer: &mut Peer, number: u64) -> bool {
    match peer.next_method_on(1, "a confirm").await {
        AMQPClass::Basic(AMQPMethod::Ack(m)) if m.delivery_tag == number => true,
        // The requeue bit means nothing here, and RabbitMQ sets it.
        AMQPClass::Basic(AMQPMethod::Nack(m)) if m.delivery_tag == number => false,
        other => peer.fail(&format!("a confirm of {number}"), &format!("{other:?}")),
    }
}

/// Publishes to the queue and says whether it was taken. Confirms are on.
async fn offer(peer: &mut Peer, queue: &str, number: u64, body: &[u8]) -> bool {
    peer.send(publish("", queue, body)).await;
    confirmed(peer, number).await
}

/// All that is in the queue, in order; nothing else comes.
async fn expect_contents(peer: &mut Peer, queue: &str, bodies: &[&[u8]]) {
    peer.expect_ready(queue, bodies.len() as u32).await;
    peer.take_all(queue, bodies).await;
    peer.ask(get(queue), get_empty()).await;
}

const FIVE: [&[u8]; 5] = [b"1", b"2", b"3", b"4", b"5"];

// Dropping the oldest

#[tokio::test]
async fn so_many_messages_stay() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        for (limit, gone) in [(0, 5), (1, 4), (2, 3), (3, 2)] {
            let jobs = &unique("jobs");
            peer.make(jobs, declare_kind(kind, jobs, &[max_length(limit)])).await;
            for body in FIVE {
                peer.put(publish("", jobs, body)).await;
            }
            expect_contents(&mut peer, jobs, &FIVE[gone..]).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn many_at_once_do_not_slip_through() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[max_length(3)])).await;
    for number in 0_u32..1000 {
        peer.send(publish("", jobs, &number.to_be_bytes())).await;
    }
    peer.put(publish("", jobs, b"last")).await;
    let (before, last) = (998_u32.to_be_bytes(), 999_u32.to_be_bytes());
    expect_contents(&mut peer, jobs, &[&before, &last, b"last"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn so_many_octets_stay() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let jobs = &unique("jobs");
        peer.make(jobs, declare_kind(kind, jobs, &[max_bytes(10)])).await;
        for body in [&b"11111"[..], b"22222", b"", b"333", b"4"] {
            peer.put(publish("", jobs, body)).await;
        }
        expect_contents(&mut peer, jobs, &[b"22222", b"", b"333", b"4"]).await;
        // One that is too long by itself pushes out all, and goes too.
        peer.put(publish("", jobs, b"1")).await;
        peer.put(publish("", jobs, b"12345678901")).await;
        expect_contents(&mut peer, jobs, &[]).await;
        peer.put(publish("", jobs, b"1234567890")).await;
        expect_contents(&mut peer, jobs, &[b"1234567890"]).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn properties_do_not_count_as_octets() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[max_bytes(2)])).await;
    let long = || headers(&[("long", text(&"x".repeat(1000)))]);
    peer.put(publish("", jobs, b"1").with(long())).await;
    peer.put(publish("", jobs, b"2").with(long())).await;
    expect_contents(&mut peer, jobs, &[b"1", b"2"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn of_two_limits_each_counts() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[max_length(3), max_bytes(10)])).await;
    for body in FIVE {
        peer.put(publish("", jobs, body)).await;
    }
    peer.put(publish("", jobs, b"123456789")).await;
    expect_contents(&mut peer, jobs, &[b"5", b"123456789"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_out_does_not_count() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[max_length(2)])).await;
    peer.ask(qos(2), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    for body in FIVE {
        peer.put(publish("", jobs, body)).await;
    }
    peer.expect(deliver("c", 1, false, b"1")).await;
    peer.expect(deliver("c", 2, false, b"2")).await;
    peer.expect_counts(jobs, 2, 1).await;
    peer.send(ack_up_to(2)).await;
    peer.expect(deliver("c", 3, false, b"4")).await;
    peer.expect(deliver("c", 4, false, b"5")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_comes_back_may_be_too_much() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[max_length(2)])).await;
    for body in [b"1", b"2"] {
        peer.put(publish("", jobs, body)).await;
    }
    peer.ask(get(jobs), get_ok(1, false, 1, b"1")).await;
    peer.ask(get(jobs), get_ok(2, false, 0, b"2")).await;
    for body in [b"3", b"4"] {
        peer.put(publish("", jobs, body)).await;
    }
    peer.send(nack_up_to(2, Requeue::Yes)).await;
    // They are at their old places, which is where the queue is cut.
    for body in [b"1", b"2"] {
        let letter = peer.take(dead).await;
        assert_eq!(letter.body, body);
        assert_deaths(&letter.properties, &[death(jobs, "maxlen")]);
    }
    expect_contents(&mut peer, jobs, &[b"3", b"4"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_dropped_becomes_a_dead_letter_for_one_reason() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for limit in [max_length(1), max_bytes(1)] {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        peer.make(jobs, declare_source(jobs, dead, &[limit])).await;
        for body in FIVE {
            peer.put(publish("", jobs, body)).await;
        }
        for body in &FIVE[..4] {
            let letter = peer.take(dead).await;
            assert_eq!(letter.body, *body);
            assert_deaths(&letter.properties, &[death(jobs, "maxlen")]);
        }
        expect_contents(&mut peer, jobs, &[b"5"]).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_has_expired_does_not_count() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[max_length(2)])).await;
    peer.put(publish("", jobs, b"old").with(expiration(SHORT_MS))).await;
    let letter = peer.take(dead).await;
    assert_deaths(&letter.properties, &[death(jobs, "expired").expiration(SHORT_MS)]);
    for body in [b"1", b"2"] {
        peer.put(publish("", jobs, body)).await;
    }
    peer.expect_counts(dead, 0, 0).await;
    expect_contents(&mut peer, jobs, &[b"1", b"2"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_dropped_is_confirmed() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[max_length(1)]).durable()).await;
    peer.select_confirms().await;
    for number in 1..=5 {
        peer.send(publish("", jobs, b"x").persistent().mandatory()).await;
        assert!(confirmed(&mut peer, number).await);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_consumer_that_waits_needs_no_room() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.make(jobs, declare_with(jobs, &[max_length(0)])).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    for (tag, body) in (1..).zip(FIVE) {
        peer.send(publish("", jobs, body)).await;
        peer.expect(deliver("c", tag, false, body)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn of_priorities_what_comes_next_is_dropped() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    let arguments = [max_length(2), ("x-max-priority", int(5))];
    peer.make(jobs, declare_source(jobs, dead, &arguments)).await;
    for priority in [1, 5, 3, 4] {
        let properties = BasicProperties::default().with_priority(priority);
        peer.put(publish("", jobs, &[priority]).with(properties)).await;
    }
    peer.take_all(dead, &[&[5], &[4]]).await;
    expect_contents(&mut peer, jobs, &[&[3], &[1]]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_purge_makes_room() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let arguments = [max_length(2), max_bytes(10), overflow("reject-publish")];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.select_confirms().await;
    for (number, body) in [(1, b"12345"), (2, b"12345")] {
        assert!(offer(&mut peer, jobs, number, body).await);
    }
    peer.ask(queue_purge(jobs), queue_purge_ok(2)).await;
    assert!(offer(&mut peer, jobs, 3, b"1234567890").await);
    assert!(!offer(&mut peer, jobs, 4, b"1").await);
    broker.stop_and_check().await;
}

// Refusing the newest

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let arguments = [max_length(2), overflow("reject-publish")];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.select_confirms().await;
    for (number, body) in (1..).zip(FIVE) {
        assert_eq!(offer(&mut peer, jobs, number, body).await, number <= 2);
    }
    peer.take_all(jobs, &[b"1"]).await;
    assert!(offer(&mut peer, jobs, 6, b"6").await, "there is room again");
    assert!(!offer(&mut peer, jobs, 7, b"7").await);
    expect_contents(&mut peer, jobs, &[b"2", b"6"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_quorum_queue_refuses_what_does_not_fit() {
    let why = "RabbitMQ's quorum queues notice late that they are full";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let arguments = [max_length(2), overflow("reject-publish")];
    peer.make(jobs, declare_kind("quorum", jobs, &arguments)).await;
    peer.select_confirms().await;
    for (number, body) in (1..).zip(FIVE) {
        assert_eq!(offer(&mut peer, jobs, number, body).await, number <= 2);
    }
    expect_contents(&mut peer, jobs, &[b"1", b"2"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn octets_that_do_not_fit_are_refused() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let arguments = [max_bytes(10), overflow("reject-publish")];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.select_confirms().await;
    let offers: [(&[u8], bool); 6] = [
        (b"12345678901", false),
        (b"12345", true),
        (b"123456", false),
        (b"abcde", true),
        (b"x", false),
        (b"", true),
    ];
    for (number, (body, taken)) in (1..).zip(offers) {
        assert_eq!(offer(&mut peer, jobs, number, body).await, taken, "number {number}");
    }
    expect_contents(&mut peer, jobs, &[b"12345", b"abcde", b""]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_refusal_is_a_nack_of_all_that_is_open() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let arguments = [max_length(1), overflow("reject-publish")];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.select_confirms().await;
    peer.send(publish("", jobs, b"1")).await;
    peer.expect(ack(1)).await;
    peer.send(publish("", jobs, b"2")).await;
    match peer.next_method_on(1, "a nack").await {
        // RabbitMQ sets the multiple bit even if there is one only.
        AMQPClass::Basic(AMQPMethod::Nack(m)) => {
            assert_eq!((m.delivery_tag, m.multiple), (2, true));
        }
        other => peer.fail("a nack", &format!("{other:?}")),
    }
    peer.send(publish("amq.direct", &unique("nowhere"), b"3")).await;
    peer.expect(ack(3)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn many_refusals_at_once_are_told_of_each() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, free) = (&unique("jobs"), &unique("free"));
    let arguments = [max_length(10), overflow("reject-publish")];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.declare(free).await;
    peer.select_confirms().await;
    for _ in 0..100 {
        peer.send(publish("", jobs, b"x")).await;
        peer.send(publish("", free, b"x")).await;
    }
    let (mut open, mut refused) = ((1..=200_u64).collect::<Vec<_>>(), Vec::new());
    while !open.is_empty() {
        let (tag, multiple, taken) = match peer.next_method_on(1, "a confirm").await {
            AMQPClass::Basic(AMQPMethod::Ack(m)) => (m.delivery_tag, m.multiple, true),
            AMQPClass::Basic(AMQPMethod::Nack(m)) => (m.delivery_tag, m.multiple, false),
            other => peer.fail("a confirm", &format!("{other:?}")),
        };
        let meant = |number: &u64| *number == tag || (multiple && *number < tag);
        assert!(open.contains(&tag), "{tag} is confirmed once");
        refused.extend(open.iter().copied().filter(|n| meant(n) && !taken));
        open.retain(|number| !meant(number));
    }
    refused.sort_unstable();
    // The odd ones went to the queue that took ten.
    assert_eq!(refused, (11..=100).map(|n| 2 * n - 1).collect::<Vec<_>>());
    peer.expect_counts(jobs, 10, 0).await;
    peer.expect_counts(free, 100, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_refusal_without_confirms_is_silent() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for what in ["reject-publish", "reject-publish-dlx"] {
        let jobs = &unique("jobs");
        peer.make(jobs, declare_with(jobs, &[max_length(1), overflow(what)])).await;
        peer.send(publish("", jobs, b"1").mandatory()).await;
        peer.send(publish("", jobs, b"2").mandatory()).await;
        peer.put(publish("amq.direct", "nowhere", b"3")).await;
        peer.expect_nothing_until_reply().await;
        expect_contents(&mut peer, jobs, &[b"1"]).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_refused_message_does_not_come_back() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let arguments = [max_length(0), overflow("reject-publish")];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.select_confirms().await;
    peer.send(publish("", jobs, b"1").mandatory().persistent()).await;
    assert!(!confirmed(&mut peer, 1).await);
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_refusal_ends_a_transaction_as_partial() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, free) = (&unique("jobs"), &unique("free"));
    let arguments = [max_length(1), overflow("reject-publish")];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.declare(free).await;
    peer.ask(tx_select(), tx_select_ok()).await;
    peer.send(publish("", jobs, b"1")).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.send(publish("", jobs, b"2")).await;
    peer.send(publish("", free, b"3")).await;
    peer.send(tx_commit()).await;
    let text = "PRECONDITION_FAILED - partial tx completion";
    peer.expect_channel_close(406, text, (90, 20)).await;
    peer.open_channel(1).await;
    // The rest took effect.
    expect_contents(&mut peer, jobs, &[b"1"]).await;
    expect_contents(&mut peer, free, &[b"3"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn one_queue_that_refuses_is_enough() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (full, free, x) = (&unique("full"), &unique("free"), &unique("x"));
    peer.ask(exchange_declare(x, "fanout"), exchange_declare_ok()).await;
    let arguments = [max_length(1), overflow("reject-publish")];
    peer.make(full, declare_with(full, &arguments)).await;
    peer.declare(free).await;
    for queue in [full, free] {
        peer.ask(queue_bind(queue, x, ""), queue_bind_ok()).await;
    }
    peer.select_confirms().await;
    for (number, body) in [(1, b"1"), (2, b"2")] {
        peer.send(publish(x, "", body)).await;
        assert_eq!(confirmed(&mut peer, number).await, number == 1);
    }
    expect_contents(&mut peer, full, &[b"1"]).await;
    expect_contents(&mut peer, free, &[b"1", b"2"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_refused_can_be_dead_lettered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    let arguments = [max_length(1), overflow("reject-publish-dlx")];
    peer.make(jobs, declare_source(jobs, dead, &arguments)).await;
    peer.select_confirms().await;
    for (number, body) in (1..).zip(FIVE) {
        assert_eq!(offer(&mut peer, jobs, number, body).await, number == 1);
    }
    for body in &FIVE[1..] {
        let letter = peer.take(dead).await;
        assert_eq!(letter.body, *body);
        assert_deaths(&letter.properties, &[death(jobs, "maxlen")]);
    }
    expect_contents(&mut peer, jobs, &[b"1"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_only_refused_is_not_dead_lettered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    let arguments = [max_length(1), overflow("reject-publish")];
    peer.make(jobs, declare_source(jobs, dead, &arguments)).await;
    peer.select_confirms().await;
    for (number, body) in (1..).zip(FIVE) {
        assert_eq!(offer(&mut peer, jobs, number, body).await, number == 1);
    }
    peer.elapse(SHORT_MS).await;
    peer.expect_counts(dead, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_comes_back_is_never_refused() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let arguments = [max_length(1), overflow("reject-publish")];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.select_confirms().await;
    assert!(offer(&mut peer, jobs, 1, b"1").await);
    peer.ask(get(jobs), get_ok(1, false, 0, b"1")).await;
    assert!(offer(&mut peer, jobs, 2, b"2").await, "what is out does not count");
    peer.send(reject(1, Requeue::Yes)).await;
    peer.expect_ready(jobs, 2).await;
    assert!(!offer(&mut peer, jobs, 3, b"3").await);
    expect_contents(&mut peer, jobs, &[b"1", b"2"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_consumer_that_waits_gets_what_would_not_fit() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let arguments = [max_length(0), overflow("reject-publish")];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    let mut waiting = broker.peer().await;
    waiting.ask(qos(1), qos_ok()).await;
    waiting.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.select_confirms().await;
    // RabbitMQ 3.10 looks at the limit first.
    let taken = here(true, false);
    assert_eq!(offer(&mut peer, jobs, 1, b"1").await, taken);
    if taken {
        waiting.expect(deliver("c", 1, false, b"1")).await;
    }
    assert!(!offer(&mut peer, jobs, 2, b"2").await, "it has no room either");
    broker.stop_and_check().await;
}

// Afterwards

#[tokio::test]
async fn a_restart_does_not_forget_what_is_in_there() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let of_length = [max_length(2), overflow("reject-publish")];
    let of_bytes = [max_bytes(10), overflow("reject-publish")];
    peer.make("length", declare_with("length", &of_length).durable()).await;
    peer.make("bytes", declare_with("bytes", &of_bytes).durable()).await;
    peer.make("head", declare_with("head", &[max_length(2)]).durable()).await;
    peer.select_confirms().await;
    for number in [1, 4] {
        for (at, queue) in (0..).zip(["length", "bytes", "head"]) {
            peer.send(publish("", queue, b"12345").persistent()).await;
            assert!(confirmed(&mut peer, number + at).await);
        }
    }
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    peer.select_confirms().await;
    assert!(!offer(&mut peer, "length", 1, b"1").await);
    assert!(!offer(&mut peer, "bytes", 2, b"1").await);
    assert!(offer(&mut peer, "head", 3, b"1").await);
    expect_contents(&mut peer, "head", &[b"12345", b"1"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_was_dropped_does_not_come_back() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.make("jobs", declare_with("jobs", &[max_length(1)]).durable()).await;
    peer.select_confirms().await;
    for (number, body) in (1..).zip(FIVE) {
        peer.send(publish("", "jobs", body).persistent()).await;
        assert!(confirmed(&mut peer, number).await);
    }
    let broker = broker.crash().await;
    let mut peer = broker.peer().await;
    peer.take_all("jobs", &[b"5"]).await;
    peer.ask(get("jobs"), get_empty()).await;
    broker.stop_and_check().await;
}
