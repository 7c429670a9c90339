//! The history that dead letters carry, and how it ends circles that would never end
//! (behaviour 30.6 to 30.8).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::deaths::{
    assert_deaths, assert_first_and_last, assert_order, death, deaths, header, text_header,
};
use common::queues::*;
use common::*;

const SHORT_MS: i32 = 60;

/// Publishes to the queue, waits for the message on channel 1 and refuses it.
async fn publish_and_reject(peer: &mut Peer, queue: &str, properties: BasicProperties) {
    peer.put(publish("", queue, b"one").with(properties)).await;
    reject_next(peer, queue).await;
}

/// Waits for a message in the queue and refuses it. What it was is handed back.
async fn reject_next(peer: &mut Peer, queue: &str) -> BasicProperties {
    use amq_protocol::protocol::basic::AMQPMethod::GetOk;
    peer.expect_ready(queue, 1).await;
    peer.send(get(queue)).await;
    match peer.next(1, "a message").await {
        Item::Content { method: GetOk(m), properties, .. } => {
            peer.send(reject(m.delivery_tag, Requeue::No)).await;
            *properties
        }
        other => peer.fail("a message", &other.to_string()),
    }
}

/// Queues of which each sends what dies in it to the next, and the last to the first.
async fn ring<const N: usize>(
    peer: &mut Peer,
    arguments: [&[(&str, AMQPValue)]; N],
) -> [String; N] {
    let queues: [String; N] = std::array::from_fn(|at| unique(&format!("ring{at}")));
    for (at, arguments) in arguments.iter().enumerate() {
        let next = &queues[(at + 1) % N];
        let declare = declare_source(&queues[at], next, arguments);
        peer.make(&queues[at], declare).await;
    }
    queues
}

/// A fanout exchange that leads to these queues.
async fn fanout(peer: &mut Peer, queues: &[&String]) -> String {
    let exchange = unique("fanout");
    peer.ask(exchange_declare(&exchange, "fanout"), exchange_declare_ok()).await;
    for queue in queues {
        peer.ask(queue_bind(queue, &exchange, ""), queue_bind_ok()).await;
    }
    exchange
}

// The form

#[tokio::test]
async fn fields_and_headers_stand_in_rabbitmqs_order() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[])).await;
    let own = table(&[("zebra", int(1)), ("ant", int(2))]);
    peer.send(publish("", jobs, b"one").with(expiration(SHORT_MS).with_headers(own))).await;
    let letter = peer.take(dead).await;
    let expected = death(jobs, "expired").expiration(SHORT_MS);
    assert_deaths(&letter.properties, std::slice::from_ref(&expected));
    assert_first_and_last(&letter.properties, &expected, &expected);
    let of_entry = ["count", "reason", "queue", "time", "exchange", "routing-keys"];
    let in_entry = here(
        [&["original-expiration"], &of_entry[..]].concat(),
        [&of_entry[..], &["original-expiration"]].concat(),
    );
    let first = ["x-first-death-exchange", "x-first-death-queue", "x-first-death-reason"];
    let last = ["x-last-death-exchange", "x-last-death-queue", "x-last-death-reason"];
    let last = here(&last[..], &[]);
    let all = [&["ant", "x-death"], &in_entry[..], &first[..], last, &["zebra"]].concat();
    assert_order(&peer.last_header, &all);
    let headers = letter.properties.headers().clone().expect("headers");
    assert_eq!(headers.inner().len(), 2 + 1 + 3 + here(3, 0), "{headers:?}");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_time_is_that_of_the_first_death_of_its_kind() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let [jobs] = &ring(&mut peer, [&[]]).await;
    let time = |properties: &BasicProperties| {
        let Some(AMQPValue::FieldArray(entries)) = header(properties, "x-death") else {
            panic!("no history: {properties:?}");
        };
        let AMQPValue::FieldTable(entry) = &entries.as_slice()[0] else { panic!("no table") };
        entry.inner().get("time").cloned()
    };
    publish_and_reject(&mut peer, jobs, BasicProperties::default()).await;
    let first = reject_next(&mut peer, jobs).await;
    peer.elapse(1100).await; // the clock is one of seconds
    reject_next(&mut peer, jobs).await;
    let third = peer.take(jobs).await.properties;
    assert_deaths(&third, &[death(jobs, "rejected").times(3)]);
    assert_eq!(time(&third), time(&first));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn every_way_to_a_queue_is_remembered_as_it_was_first() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, x) = (&unique("jobs"), &unique("x"));
    peer.ask(exchange_declare(x, "topic"), exchange_declare_ok()).await;
    let back = [("x-dead-letter-exchange", text(""))];
    let back = [&back[..], &[("x-dead-letter-routing-key", text(jobs))]].concat();
    peer.make(jobs, declare_with(jobs, &back)).await;
    peer.ask(queue_bind(jobs, x, "#"), queue_bind_ok()).await;
    let copies = headers(&[("CC", texts(&["c1", "c2"])), ("BCC", texts(&["b"]))]);
    peer.put(publish(x, "k", b"one").with(copies)).await;
    reject_next(&mut peer, jobs).await;
    reject_next(&mut peer, jobs).await;
    let letter = peer.take(jobs).await;
    let expected = death(jobs, "rejected").via(x, &["k", "c1", "c2"]).times(2);
    assert_deaths(&letter.properties, &[expected]);
    let first_exchange = text_header(&letter.properties, "x-first-death-exchange");
    assert_eq!(first_exchange.as_ref(), Some(x));
    broker.stop_and_check().await;
}

// Growth

#[tokio::test]
async fn the_newest_death_is_in_front_and_repeats_are_counted() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let [a, b] = &ring(&mut peer, [&[], &[]]).await;
    publish_and_reject(&mut peer, a, BasicProperties::default()).await;
    let (in_a, in_b) = (death(a, "rejected"), death(b, "rejected"));
    for round in 1..=3 {
        let came = reject_next(&mut peer, b).await;
        let history = [in_a.clone().times(round), in_b.clone().times(round - 1)];
        assert_deaths(&came, if round == 1 { &history[..1] } else { &history });
        assert_first_and_last(&came, &in_a, &in_a);
        let came = reject_next(&mut peer, a).await;
        assert_deaths(&came, &[in_b.clone().times(round), in_a.clone().times(round)]);
        assert_first_and_last(&came, &in_a, &in_b);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_same_queue_with_another_reason_is_another_entry() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let [a, b] = &ring(&mut peer, [&[], &[]]).await;
    peer.send(publish("", a, b"one").with(expiration(SHORT_MS))).await;
    reject_next(&mut peer, b).await;
    reject_next(&mut peer, a).await;
    let letter = peer.take(b).await;
    let history =
        [death(a, "rejected"), death(b, "rejected"), death(a, "expired").expiration(SHORT_MS)];
    assert_deaths(&letter.properties, &history);
    assert_first_and_last(&letter.properties, &history[2], &history[0]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn many_rounds_make_the_history_no_longer() {
    let why = "in RabbitMQ 3.10 a history of three is not in the order of the deaths";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    let [q0, q1, q2, q3] = &ring(&mut peer, [&[], &[ttl(0)], &[ttl(0)], &[ttl(0)]]).await;
    publish_and_reject(&mut peer, q0, BasicProperties::default()).await;
    for round in 1..=9 {
        let came = reject_next(&mut peer, q0).await;
        let times = |queue, reason| death(queue, reason).times(round);
        let history = [
            times(q3, "expired"),
            times(q2, "expired"),
            times(q1, "expired"),
            times(q0, "rejected"),
        ];
        assert_deaths(&came, &history);
    }
    let came = peer.take(q0).await.properties;
    assert_eq!(deaths(&came).len(), 4);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_long_history_is_kept_whole() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let queues: Vec<String> = (0..30).map(|at| unique(&format!("hop{at}"))).collect();
    peer.declare(&queues[29]).await;
    for pair in queues.windows(2).rev() {
        peer.make(&pair[0], declare_source(&pair[0], &pair[1], &[ttl(0)])).await;
    }
    peer.send(publish("", &queues[0], b"one")).await;
    let letter = peer.take(&queues[29]).await;
    let history: Vec<_> = queues[..29].iter().rev().map(|q| death(q, "expired")).collect();
    assert_deaths(&letter.properties, &history);
    broker.stop_and_check().await;
}

// Histories that were sent in

/// A history that somebody has made up.
fn made_up(queue: &str) -> BasicProperties {
    let entry = table(&[
        ("count", AMQPValue::LongLongInt(7)),
        ("reason", text("expired")),
        ("queue", text(queue)),
        ("time", AMQPValue::Timestamp(1)),
        ("exchange", text("made-up")),
        ("routing-keys", texts(&["made-up"])),
    ]);
    let entries = AMQPValue::FieldArray(vec![AMQPValue::FieldTable(entry)].into());
    headers(&[
        ("x-death", entries),
        ("x-first-death-queue", text("made-up")),
        ("x-first-death-reason", text("made-up")),
        ("x-first-death-exchange", text("made-up")),
        ("own", int(1)),
    ])
}

#[tokio::test]
async fn a_history_that_was_sent_in_is_delivered_as_it_is() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.put(publish("", jobs, b"one").with(made_up("q"))).await;
    peer.ask(get(jobs), get_ok(1, false, 0, b"one").with(made_up("q"))).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_history_that_was_sent_in_is_replaced_by_the_true_one() {
    let why = "RabbitMQ 3.10 goes on with what was sent in";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[])).await;
    // Of the target too: that would look like a circle.
    for queue in ["other", jobs, dead] {
        for made_up in [made_up(queue), headers(&[("x-death", text("nonsense")), ("own", int(1))])]
        {
            peer.put(publish("", jobs, b"one").with(made_up)).await;
            reject_next(&mut peer, jobs).await;
            let letter = peer.take(dead).await;
            let expected = death(jobs, "rejected");
            assert_deaths(&letter.properties, std::slice::from_ref(&expected));
            assert_first_and_last(&letter.properties, &expected, &expected);
            assert_eq!(header(&letter.properties, "own"), Some(&int(1)));
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn publishing_a_dead_letter_anew_begins_a_new_history() {
    let why = "RabbitMQ 3.10 goes on with what was sent in";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    // Without a rejection: with the old history the second round would be a circle.
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[ttl(0)])).await;
    let mut properties = BasicProperties::default();
    for _ in 0..3 {
        peer.send(publish("", jobs, b"one").with(properties)).await;
        properties = peer.take(dead).await.properties;
        assert_deaths(&properties, &[death(jobs, "expired")]);
    }
    broker.stop_and_check().await;
}

// Circles

#[tokio::test]
async fn a_circle_without_a_rejection_ends_where_it_began() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (a, b, watch) = (&unique("a"), &unique("b"), &unique("watch"));
    peer.declare(watch).await;
    peer.make(a, declare_source(a, b, &[ttl(SHORT_MS)])).await;
    // The exchange leads back and past it: only the way back is closed.
    let both = fanout(&mut peer, &[a, watch]).await;
    let arguments = [ttl(SHORT_MS), ("x-dead-letter-exchange", text(&both))];
    peer.make(b, declare_with(b, &arguments)).await;
    peer.send(publish("", a, b"one")).await;
    let letter = peer.take(watch).await;
    assert_deaths(&letter.properties, &[death(b, "expired"), death(a, "expired")]);
    peer.elapse(5 * SHORT_MS).await;
    for queue in [a, b, watch] {
        peer.expect_counts(queue, 0, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_expires_does_not_come_back_to_the_same_queue() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, watch) = (&unique("jobs"), &unique("watch"));
    peer.declare(watch).await;
    let both = unique("both");
    let arguments = [ttl(SHORT_MS), ("x-dead-letter-exchange", text(&both))];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.ask(exchange_declare(&both, "fanout"), exchange_declare_ok()).await;
    for queue in [jobs, watch] {
        peer.ask(queue_bind(queue, &both, ""), queue_bind_ok()).await;
    }
    peer.send(publish("", jobs, b"one")).await;
    let letter = peer.take(watch).await;
    assert_deaths(&letter.properties, &[death(jobs, "expired")]);
    peer.elapse(3 * SHORT_MS).await;
    peer.expect_counts(jobs, 0, 0).await;
    peer.expect_counts(watch, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_does_not_fit_does_not_come_back_to_the_same_queue() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let [jobs] = &ring(&mut peer, [&[("x-max-length", int(1))]]).await;
    for body in [b"1", b"2", b"3"] {
        peer.put(publish("", jobs, body)).await;
    }
    peer.elapse(SHORT_MS).await;
    peer.take_all(jobs, &[b"3"]).await;
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_refused_comes_back_as_often_as_it_is() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let [jobs] = &ring(&mut peer, [&[]]).await;
    publish_and_reject(&mut peer, jobs, BasicProperties::default()).await;
    for count in 1..=5 {
        let came = reject_next(&mut peer, jobs).await;
        assert_deaths(&came, &[death(jobs, "rejected").times(count)]);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_circle_with_a_rejection_goes_on() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    // Refused work waits in a second queue and is tried again: what people build.
    let [work, wait] = &ring(&mut peer, [&[], &[ttl(SHORT_MS)]]).await;
    publish_and_reject(&mut peer, work, BasicProperties::default()).await;
    for round in 1..=4 {
        let came = reject_next(&mut peer, work).await;
        let history = [death(wait, "expired").times(round), death(work, "rejected").times(round)];
        assert_deaths(&came, &history);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_rejection_before_the_circle_does_not_keep_it_going() {
    let why = "in RabbitMQ 3.10 a history of three is not in the order of the deaths";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    let (a, b, before, watch) = (&unique("a"), &unique("b"), &unique("before"), &unique("watch"));
    peer.declare(watch).await;
    peer.make(before, declare_source(before, a, &[])).await;
    peer.make(a, declare_source(a, b, &[ttl(SHORT_MS)])).await;
    let both = fanout(&mut peer, &[a, watch]).await;
    let arguments = [ttl(SHORT_MS), ("x-dead-letter-exchange", text(&both))];
    peer.make(b, declare_with(b, &arguments)).await;
    publish_and_reject(&mut peer, before, BasicProperties::default()).await;
    let letter = peer.take(watch).await;
    let history = [death(b, "expired"), death(a, "expired"), death(before, "rejected")];
    assert_deaths(&letter.properties, &history);
    peer.elapse(5 * SHORT_MS).await;
    peer.expect_counts(a, 0, 0).await;
    peer.expect_counts(watch, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn another_queue_on_the_way_is_no_circle() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    // The same message twice into one queue, but by two ways of which none is a circle.
    let (a, b, end) = (&unique("a"), &unique("b"), &unique("end"));
    peer.declare(end).await;
    peer.make(b, declare_source(b, end, &[ttl(0)])).await;
    let both = fanout(&mut peer, &[end]).await;
    peer.ask(queue_bind(b, &both, ""), queue_bind_ok()).await;
    let arguments = [ttl(0), ("x-dead-letter-exchange", text(&both))];
    peer.make(a, declare_with(a, &arguments)).await;
    peer.send(publish("", a, b"one")).await;
    peer.expect_ready(end, 2).await;
    let mut lengths =
        [deaths(&peer.take(end).await.properties), deaths(&peer.take(end).await.properties)]
            .map(|history| history.len());
    lengths.sort_unstable();
    assert_eq!(lengths, [1, 2]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_history_survives_a_restart() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    for (queue, next) in [("a", "b"), ("b", "a")] {
        peer.make(queue, declare_source(queue, next, &[]).durable()).await;
    }
    let properties = BasicProperties::default().with_delivery_mode(2);
    publish_and_reject(&mut peer, "a", properties).await;
    reject_next(&mut peer, "b").await;
    peer.expect_ready("a", 1).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    let came = reject_next(&mut peer, "a").await;
    let (in_a, in_b) = (death("a", "rejected"), death("b", "rejected"));
    assert_deaths(&came, &[in_b.clone(), in_a.clone()]);
    assert_first_and_last(&came, &in_a, &in_b);
    // It is still the broker's own: it is counted on.
    let came = peer.take("b").await.properties;
    assert_deaths(&came, &[in_a.clone().times(2), in_b]);
    assert_first_and_last(&came, &in_a, &in_a);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_circle_is_seen_across_a_restart() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.make("watch", queue_declare("watch").durable()).await;
    peer.make("a", declare_source("a", "b", &[ttl(SHORT_MS)]).durable()).await;
    peer.ask(exchange_declare("both", "fanout").durable(), exchange_declare_ok()).await;
    // Long enough for the restart to come before it.
    let arguments = [ttl(2000), ("x-dead-letter-exchange", text("both"))];
    peer.make("b", declare_with("b", &arguments).durable()).await;
    for queue in ["a", "watch"] {
        peer.ask(queue_bind(queue, "both", ""), queue_bind_ok()).await;
    }
    peer.send(publish("", "a", b"one").persistent()).await;
    peer.expect_ready("b", 1).await;
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    let letter = peer.take("watch").await;
    assert_deaths(&letter.properties, &[death("b", "expired"), death("a", "expired")]);
    peer.elapse(3 * SHORT_MS).await;
    for queue in ["a", "b", "watch"] {
        peer.expect_counts(queue, 0, 0).await;
    }
    broker.stop_and_check().await;
}
