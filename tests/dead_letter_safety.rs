//! Dead letters that must arrive (behaviour 30.5): those of queues that keep them until they are
//! taken, and those on their way when the program is killed.
//!
//! `WARREN_SEED` makes the moments of the kills.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use amq_protocol::protocol::basic::AMQPMethod;
use common::deaths::{assert_deaths, death};
use common::program::Program;
use common::queues::*;
use common::random::Random;
use common::*;

/// For a queue that never loses a dead letter, this is enough to do something wrong.
const LONGER_MS: i32 = 200;

fn at_least_once(target: &str) -> Vec<(&'static str, AMQPValue)> {
    let mut all = to_exchange("", Some(target));
    all.push(("x-overflow", text("reject-publish")));
    all.push(("x-dead-letter-strategy", text("at-least-once")));
    all
}

fn to_exchange(exchange: &str, key: Option<&str>) -> Vec<(&'static str, AMQPValue)> {
    let mut all = vec![("x-dead-letter-exchange", text(exchange))];
    all.extend(key.map(|key| ("x-dead-letter-routing-key", text(key))));
    all
}

/// Consumes all that comes to the queue and refuses it, so many times.
async fn refuse(peer: &mut Peer, queue: &str, messages: u64) {
    peer.open_channel(2).await;
    peer.send_on(2, consume(queue, "refuser")).await;
    peer.expect_on(2, consume_ok("refuser")).await;
    for tag in 1..=messages {
        peer.next_letter(2).await;
        peer.send_on(2, reject(tag, Requeue::No)).await;
    }
    peer.close_channel(2).await;
}

// At least once

#[tokio::test]
async fn a_dead_letter_waits_for_its_target() {
    let why = "RabbitMQ tries again after minutes only";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    peer.make("jobs", declare_kind("quorum", "jobs", &at_least_once("dead"))).await;
    for body in [b"1", b"2", b"3"] {
        peer.put(publish("", "jobs", body).persistent()).await;
    }
    refuse(&mut peer, "jobs", 3).await;
    peer.elapse(LONGER_MS).await;
    // It is dead: nobody gets it any more.
    peer.ask(get("jobs"), get_empty()).await;
    peer.make("dead", queue_declare("dead").durable()).await;
    for body in [b"1", b"2", b"3"] {
        let letter = peer.take("dead").await;
        assert_eq!(letter.body, body);
        assert_deaths(&letter.properties, &[death("jobs", "rejected")]);
    }
    peer.elapse(LONGER_MS).await;
    peer.expect_counts("dead", 0, 0).await; // once each
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_dead_letter_waits_for_its_exchange() {
    let why = "RabbitMQ tries again after minutes only";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    let mut arguments = to_exchange("dlx", None);
    arguments.extend(at_least_once("").split_off(2));
    arguments.push(ttl(0));
    peer.make("jobs", declare_kind("quorum", "jobs", &arguments)).await;
    peer.put(publish("", "jobs", b"one").persistent()).await;
    peer.elapse(LONGER_MS).await;
    peer.declare("dead").await;
    peer.ask(exchange_declare("dlx", "fanout"), exchange_declare_ok()).await;
    peer.elapse(LONGER_MS).await;
    peer.ask(queue_bind("dead", "dlx", ""), queue_bind_ok()).await;
    let letter = peer.take("dead").await;
    assert_deaths(&letter.properties, &[death("jobs", "expired")]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_dead_letter_waits_until_it_is_taken() {
    let why = "RabbitMQ tries again after minutes only";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    let full = [("x-max-length", int(1)), ("x-overflow", text("reject-publish"))];
    peer.make("dead", declare_with("dead", &full).durable()).await;
    peer.make("jobs", declare_kind("quorum", "jobs", &at_least_once("dead"))).await;
    for body in [b"1", b"2", b"3"] {
        peer.put(publish("", "jobs", body).persistent()).await;
    }
    refuse(&mut peer, "jobs", 3).await;
    peer.expect_ready("dead", 1).await;
    peer.elapse(LONGER_MS).await;
    peer.expect_ready("dead", 1).await;
    let mut came = Vec::new();
    for _ in 0..3 {
        came.push(peer.take("dead").await.body);
    }
    came.sort_unstable(); // those that waited may overtake each other
    assert_eq!(came, [b"1", b"2", b"3"]);
    peer.elapse(LONGER_MS).await;
    peer.expect_counts("dead", 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn one_target_that_refuses_is_waited_for() {
    let why = "RabbitMQ tries again after minutes only";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    let full = [("x-max-length", int(1)), ("x-overflow", text("reject-publish"))];
    peer.make("full", declare_with("full", &full).durable()).await;
    peer.make("free", queue_declare("free").durable()).await;
    for queue in ["full", "free"] {
        peer.ask(queue_bind(queue, "amq.fanout", ""), queue_bind_ok()).await;
    }
    let mut arguments = to_exchange("amq.fanout", None);
    arguments.extend(at_least_once("").split_off(2));
    peer.make("jobs", declare_kind("quorum", "jobs", &arguments)).await;
    peer.put(publish("", "full", b"in the way")).await;
    peer.put(publish("", "jobs", b"one").persistent()).await;
    refuse(&mut peer, "jobs", 1).await;
    peer.take_all("free", &[b"one"]).await;
    peer.take_all("full", &[b"in the way", b"one"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_waits_takes_room_in_its_queue() {
    let why = "RabbitMQ's quorum queues notice late that they are full";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    let mut arguments = at_least_once("dead");
    arguments.push(("x-max-length", int(1)));
    peer.make("jobs", declare_kind("quorum", "jobs", &arguments)).await;
    peer.put(publish("", "jobs", b"one").persistent()).await;
    refuse(&mut peer, "jobs", 1).await;
    peer.select_confirms().await;
    peer.send(publish("", "jobs", b"two").persistent()).await;
    match peer.next_method_on(1, "a nack").await {
        AMQPClass::Basic(AMQPMethod::Nack(m)) => assert_eq!(m.delivery_tag, 1),
        other => peer.fail("a nack", &format!("{other:?}")),
    }
    peer.make("dead", queue_declare("dead").durable()).await;
    peer.take_all("dead", &[b"one"]).await;
    peer.put(publish("", "jobs", b"three").persistent()).await;
    peer.take_all("jobs", &[b"three"]).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_waits_survives_a_restart_and_a_crash() {
    let mut broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.make("jobs", declare_kind("quorum", "jobs", &at_least_once("dead"))).await;
    for body in [b"1", b"2"] {
        peer.put(publish("", "jobs", body).persistent()).await;
    }
    refuse(&mut peer, "jobs", 2).await;
    peer.elapse(LONGER_MS).await;
    for crash in [false, true] {
        broker = if crash { broker.crash().await } else { broker.restart().await };
    }
    let mut peer = broker.peer().await;
    // Whether it still knows that they are dead, or has to be told again: none is lost.
    peer.make("dead", queue_declare("dead").durable()).await;
    let found = gather(&mut peer, 2).await;
    assert_eq!(found, [b"1".to_vec(), b"2".to_vec()].into());
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_refusing_what_is_too_much_it_is_at_most_once() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    let strategy = ("x-dead-letter-strategy", text("at-least-once"));
    let arguments = with_target(dead, &[strategy, ttl(0)]);
    peer.make(jobs, declare_kind("quorum", jobs, &arguments)).await;
    peer.put(publish("", jobs, b"lost").persistent()).await;
    peer.elapse(LONGER_MS).await;
    peer.declare(dead).await;
    peer.put(publish("", jobs, b"found").persistent()).await;
    peer.take_all(dead, &[b"found"]).await;
    peer.elapse(LONGER_MS).await;
    peer.expect_counts(dead, 0, 0).await;
    broker.stop_and_check().await;
}

// Kills

/// How often the program is killed for each way to die.
const CRASHES: usize = 4;
/// What has not arrived by then, does not.
const ARRIVE_MAX: Duration = Duration::from_secs(10);
/// So many messages are on their way at once.
const MESSAGES: u32 = 300;

/// A way for all messages of a queue to die, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Dying {
    Rejected,
    Expired,
    Dropped,
}

/// Every message from 1 to `last` is confirmed, one by one or many at once.
async fn expect_confirmed(peer: &mut Peer, last: u64) {
    let mut open: BTreeSet<u64> = (1..=last).collect();
    while !open.is_empty() {
        match peer.next_method_on(1, "a confirm").await {
            AMQPClass::Basic(AMQPMethod::Ack(m)) => {
                open.retain(|n| *n != m.delivery_tag && !(m.multiple && *n < m.delivery_tag));
            }
            other => peer.fail("a confirm", &format!("{other:?}")),
        }
    }
}

/// Fills the source, lets its messages die and kills the program when some have arrived.
async fn die_and_kill(program: Program, dying: Dying, arrivals: u64) {
    let mut peer = program.peer().await;
    peer.select_confirms().await;
    let properties = match dying {
        Dying::Expired => expiration(LONGER_MS),
        _ => BasicProperties::default(),
    };
    for number in 0..MESSAGES {
        let message = publish("", "jobs", &number.to_be_bytes());
        peer.send(message.with(properties.clone()).persistent()).await;
    }
    expect_confirmed(&mut peer, u64::from(MESSAGES)).await;
    let mut watch = program.peer().await;
    watch.ask(consume("dead", "watch"), consume_ok("watch")).await;
    match dying {
        Dying::Rejected => {
            peer.open_channel(2).await;
            peer.send_on(2, consume("jobs", "refuser")).await;
            peer.expect_on(2, consume_ok("refuser")).await;
            for _ in 0..MESSAGES {
                peer.next_letter(2).await;
            }
            peer.send_on(2, nack_up_to(u64::from(MESSAGES), Requeue::No)).await;
        }
        Dying::Expired => {}
        // One message takes all the room there is.
        Dying::Dropped => {
            let large = vec![0; BYTES_MAX as usize];
            peer.send(publish("", "jobs", &large)).await;
        }
    }
    for _ in 0..arrivals {
        watch.next_letter(1).await;
    }
    program.kill();
}

/// Four octets each.
const BYTES_MAX: i32 = 1200;

#[tokio::test]
async fn nothing_is_lost_on_its_way_when_the_program_is_killed() {
    let mut random = Random::seeded();
    for crash in 0..CRASHES {
        for dying in [Dying::Rejected, Dying::Expired, Dying::Dropped] {
            let what = format!("{random}, crash {crash}, {dying:?}");
            eprintln!("{what}");
            let data = tempfile::tempdir().expect("a directory");
            let program = Program::start(data.path());
            let mut peer = program.peer().await;
            peer.make("dead", queue_declare("dead").durable()).await;
            let limit = [("x-max-length-bytes", int(BYTES_MAX))];
            let arguments = if dying == Dying::Dropped { &limit[..] } else { &[] };
            peer.make("jobs", declare_source("jobs", "dead", arguments).durable()).await;
            let arrivals = 1 + random.below(MESSAGES as usize - 1) as u64;
            die_and_kill(program, dying, arrivals).await;
            let program = Program::start(data.path());
            let mut peer = program.peer().await;
            let found = gather(&mut peer, MESSAGES as usize).await;
            let all = (0..MESSAGES).map(|number| number.to_be_bytes().to_vec());
            let lost: Vec<_> = all.filter(|number| !found.contains(number)).collect();
            assert!(lost.is_empty(), "{what}: lost {lost:?}");
        }
    }
}

/// The bodies of the messages in both queues, once there are so many different ones or there has
/// been time enough for them. They are not settled.
async fn gather(peer: &mut Peer, enough: usize) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let until = Instant::now() + ARRIVE_MAX;
    loop {
        // What dies just now may be in neither for a moment: both are asked until all have come.
        for queue in ["jobs", "dead"] {
            peer.send(get(queue)).await;
            match peer.next(1, "a message or none").await {
                // The large one that pushed out the others does not count.
                Item::Content { body, .. } if body.len() == BYTES_MAX as usize => {}
                Item::Content { body, .. } => drop(found.insert(body)),
                Item::Method(AMQPClass::Basic(AMQPMethod::GetEmpty(_))) => {}
                other => peer.fail("a message or none", &other.to_string()),
            }
        }
        if found.len() >= enough || Instant::now() >= until {
            return found;
        }
    }
}
