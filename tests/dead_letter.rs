//! What becomes of messages that are refused, expire or do not fit: where they go and as what
//! (behaviour 30.1 to 30.5, 30.9, 30.11). Their history is in `dead_letter_history.rs`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::deaths::{assert_deaths, assert_first_and_last, death, header, text_header};
use common::queues::*;
use common::*;

const SHORT_MS: i32 = 60;

/// Takes that message out of a queue on channel 1 without settling it, and gives its tag.
async fn hold(peer: &mut Peer, queue: &str, body: &[u8]) -> u64 {
    use amq_protocol::protocol::basic::AMQPMethod::GetOk;
    peer.expect_ready(queue, 1).await;
    peer.send(get(queue)).await;
    match peer.next(1, "a message").await {
        Item::Content { method: GetOk(m), body: came, .. } if came == body => m.delivery_tag,
        other => peer.fail(&body.escape_ascii().to_string(), &other.to_string()),
    }
}

// Reasons

#[tokio::test]
async fn what_is_refused_is_dead_lettered() {
    let broker = TestBroker::start().await;
    for kind in KINDS {
        let mut peer = broker.peer().await;
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        peer.make(jobs, declare_kind(kind, jobs, &with_target(dead, &[]))).await;
        peer.ask(consume(jobs, "c"), consume_ok("c")).await;
        let bodies: [&[u8]; 5] = [b"1", b"2", b"3", b"4", b"5"];
        for (tag, body) in (1..).zip(bodies) {
            peer.send(publish("", jobs, body)).await;
            peer.expect(deliver("c", tag, false, body)).await;
        }
        peer.send(reject(1, Requeue::No)).await;
        peer.send(nack(2, Requeue::No)).await;
        peer.send(nack_up_to(5, Requeue::No)).await;
        for body in bodies {
            let letter = peer.take(dead).await;
            assert_eq!((letter.body.as_slice(), letter.redelivered), (body, false));
            assert_eq!((letter.exchange.as_str(), &letter.key), ("", dead));
            let expected = death(jobs, "rejected");
            assert_deaths(&letter.properties, std::slice::from_ref(&expected));
            assert_first_and_last(&letter.properties, &expected, &expected);
        }
        peer.expect_counts(jobs, 0, 1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_was_settled_otherwise_is_not_dead_lettered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[])).await;
    peer.put(publish("", jobs, b"acked")).await;
    let tag = hold(&mut peer, jobs, b"acked").await;
    peer.send(ack(tag)).await;
    peer.put(publish("", jobs, b"requeued")).await;
    let tag = hold(&mut peer, jobs, b"requeued").await;
    peer.send(reject(tag, Requeue::Yes)).await;
    let tag = hold(&mut peer, jobs, b"requeued").await;
    peer.send(nack(tag, Requeue::Yes)).await;
    peer.expect_ready(jobs, 1).await;
    peer.take_all(jobs, &[b"requeued"]).await;
    peer.expect_counts(dead, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_purged_or_deleted_with_its_queue_is_not_dead_lettered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        peer.make(jobs, declare_kind(kind, jobs, &with_target(dead, &[]))).await;
        peer.put(publish("", jobs, b"purged")).await;
        peer.expect_ready(jobs, 1).await;
        peer.ask(queue_purge(jobs), queue_purge_ok(1)).await;
        peer.put(publish("", jobs, b"out")).await;
        hold(&mut peer, jobs, b"out").await;
        peer.put(publish("", jobs, b"deleted")).await;
        peer.expect_ready(jobs, 1).await;
        peer.ask(queue_delete(jobs), queue_delete_ok(1)).await;
        peer.elapse(SHORT_MS).await;
        peer.expect_counts(dead, 0, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_does_not_fit_is_dead_lettered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        let arguments = with_target(dead, &[("x-max-length", int(1))]);
        peer.make(jobs, declare_kind(kind, jobs, &arguments)).await;
        for body in [b"1", b"2", b"3"] {
            peer.put(publish("", jobs, body)).await;
        }
        for body in [b"1", b"2"] {
            let letter = peer.take(dead).await;
            assert_eq!(letter.body, body);
            assert_deaths(&letter.properties, &[death(jobs, "maxlen")]);
        }
        peer.take_all(jobs, &[b"3"]).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_was_delivered_too_often_is_dead_lettered() {
    let broker = TestBroker::start().await;
    // RabbitMQ counts in quorum queues alone.
    for kind in here(&KINDS[..], &KINDS[1..]) {
        let mut peer = broker.peer().await;
        let (jobs, dead) = (&unique("jobs"), &unique("dead"));
        peer.declare(dead).await;
        let arguments = with_target(dead, &[("x-delivery-limit", int(1))]);
        peer.make(jobs, declare_kind(kind, jobs, &arguments)).await;
        peer.ask(consume(jobs, "c"), consume_ok("c")).await;
        peer.send(publish("", jobs, b"one")).await;
        peer.expect(deliver("c", 1, false, b"one")).await;
        peer.send(reject(1, Requeue::Yes)).await;
        peer.expect(deliver("c", 2, true, b"one")).await;
        peer.send(reject(2, Requeue::Yes)).await;
        let letter = peer.take(dead).await;
        assert!(!letter.redelivered, "it is new in this queue");
        assert_deaths(&letter.properties, &[death(jobs, "delivery_limit")]);
        peer.expect_counts(jobs, 0, 1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_rejection_in_a_transaction_counts_when_it_is_committed() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[])).await;
    peer.put(publish("", jobs, b"one")).await;
    let tag = hold(&mut peer, jobs, b"one").await;
    peer.ask(tx_select(), tx_select_ok()).await;
    peer.send(reject(tag, Requeue::No)).await;
    peer.ask(tx_rollback(), tx_rollback_ok()).await;
    peer.elapse(SHORT_MS).await;
    peer.expect_counts(dead, 0, 0).await;
    peer.send(reject(tag, Requeue::No)).await;
    peer.ask(tx_commit(), tx_commit_ok()).await;
    peer.take_all(dead, &[b"one"]).await;
    broker.stop_and_check().await;
}

// As what

#[tokio::test]
async fn body_and_properties_stay_but_for_the_expiration() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[])).await;
    let plain = || {
        BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_content_encoding("none".into())
            .with_delivery_mode(2)
            .with_priority(7)
            .with_correlation_id("c".into())
            .with_reply_to("r".into())
            .with_message_id("m".into())
            .with_timestamp(1_234_567)
            .with_type("t".into())
            .with_user_id("guest".into())
            .with_app_id("a".into())
            .with_cluster_id("l".into())
    };
    let own = table(&[("zebra", int(1)), ("ant", text("x")), ("list", texts(&["a", "b"]))]);
    let published = plain().with_headers(own).with_expiration(SHORT_MS.to_string().into());
    let body: &[u8] = &vec![7; 300_000];
    peer.send(publish("", jobs, body).with(published)).await;
    let letter = peer.take(dead).await;
    assert!(letter.body == body, "the body is the same");
    let headers = letter.properties.headers().clone().expect("headers");
    assert_eq!(letter.properties, plain().with_headers(headers));
    assert_eq!(header(&letter.properties, "zebra"), Some(&int(1)));
    assert_eq!(header(&letter.properties, "list"), Some(&texts(&["a", "b"])));
    assert_eq!(text_header(&letter.properties, "ant").as_deref(), Some("x"));
    assert_deaths(&letter.properties, &[death(jobs, "expired").expiration(SHORT_MS)]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_expiration_is_removed_whatever_the_reason() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[])).await;
    peer.put(publish("", jobs, b"one").with(expiration(HOUR_MS))).await;
    let tag = hold(&mut peer, jobs, b"one").await;
    peer.send(reject(tag, Requeue::No)).await;
    let letter = peer.take(dead).await;
    assert_eq!(*letter.properties.expiration(), None);
    assert_deaths(&letter.properties, &[death(jobs, "rejected").expiration(HOUR_MS)]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_dead_letter_is_as_persistent_as_the_message_was() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.make(dead, declare_with(dead, &[]).durable()).await;
    peer.make(jobs, declare_source(jobs, dead, &[ttl(0)]).durable()).await;
    for mode in [None, Some(1), Some(2)] {
        let properties = match mode {
            Some(mode) => BasicProperties::default().with_delivery_mode(mode),
            None => BasicProperties::default(),
        };
        peer.send(publish("", jobs, b"one").with(properties)).await;
        let letter = peer.take(dead).await;
        assert_eq!(*letter.properties.delivery_mode(), mode);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn it_is_not_redelivered_in_its_new_queue() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    peer.make(jobs, declare_source(jobs, dead, &[])).await;
    peer.put(publish("", jobs, b"one")).await;
    let tag = hold(&mut peer, jobs, b"one").await;
    peer.send(reject(tag, Requeue::Yes)).await;
    peer.expect_ready(jobs, 1).await;
    peer.ask(get(jobs), get_ok(tag + 1, true, 0, b"one")).await;
    peer.send(reject(tag + 1, Requeue::No)).await;
    assert!(!peer.take(dead).await.redelivered);
    broker.stop_and_check().await;
}

// Where to

#[tokio::test]
async fn without_a_key_of_its_own_the_messages_key_is_used() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.declare(dead).await;
    let to_default = [("x-dead-letter-exchange", text(""))];
    peer.make(jobs, declare_with(jobs, &to_default)).await;
    // It came to one queue by the name of another.
    peer.ask(queue_bind(jobs, "amq.direct", dead), queue_bind_ok()).await;
    peer.put(publish("amq.direct", dead, b"one")).await;
    let tag = hold(&mut peer, jobs, b"one").await;
    peer.send(reject(tag, Requeue::No)).await;
    let letter = peer.take(dead).await;
    assert_eq!((letter.exchange.as_str(), &letter.key), ("", dead));
    assert_deaths(&letter.properties, &[death(jobs, "rejected").via("amq.direct", &[dead])]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_key_of_its_own_replaces_the_messages() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead, other) = (&unique("jobs"), &unique("dead"), &unique("other"));
    let dlx = &unique("dlx");
    peer.ask(exchange_declare(dlx, "topic"), exchange_declare_ok()).await;
    for (queue, key) in [(dead, "dead.#"), (other, jobs.as_str())] {
        peer.declare(queue).await;
        peer.ask(queue_bind(queue, dlx, key), queue_bind_ok()).await;
    }
    let arguments =
        [("x-dead-letter-exchange", text(dlx)), ("x-dead-letter-routing-key", text("dead.now"))];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    peer.put(publish("", jobs, b"one")).await;
    let tag = hold(&mut peer, jobs, b"one").await;
    peer.send(reject(tag, Requeue::No)).await;
    let letter = peer.take(dead).await;
    assert_eq!((&letter.exchange, letter.key.as_str()), (dlx, "dead.now"));
    peer.expect_counts(other, 0, 0).await;
    broker.stop_and_check().await;
}

/// A direct exchange with a queue for each of these keys, named alike.
async fn direct_dlx(peer: &mut Peer, keys: &[&str]) -> String {
    let dlx = unique("dlx");
    peer.ask(exchange_declare(&dlx, "direct"), exchange_declare_ok()).await;
    for key in keys {
        peer.declare(key).await;
        peer.ask(queue_bind(key, &dlx, key), queue_bind_ok()).await;
    }
    dlx
}

#[tokio::test]
async fn copies_are_dead_lettered_by_all_their_keys() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, cc, bcc) = (&unique("jobs"), &unique("cc"), &unique("bcc"));
    let by_jobs = &unique("by-jobs");
    let dlx = direct_dlx(&mut peer, &[cc, bcc]).await;
    peer.declare(by_jobs).await;
    peer.ask(queue_bind(by_jobs, &dlx, jobs), queue_bind_ok()).await;
    peer.make(jobs, declare_with(jobs, &[("x-dead-letter-exchange", text(&dlx))])).await;
    let copies = headers(&[("CC", texts(&[cc])), ("BCC", texts(&[bcc]))]);
    peer.put(publish("", jobs, b"one").with(copies)).await;
    peer.take_all(cc, &[b"one"]).await;
    peer.take_all(bcc, &[b"one"]).await;
    let tag = hold(&mut peer, jobs, b"one").await;
    peer.send(reject(tag, Requeue::No)).await;
    for queue in [by_jobs, cc, bcc] {
        let letter = peer.take(queue).await;
        assert_eq!((&letter.exchange, &letter.key), (&dlx, jobs), "the first key is told");
        assert_eq!(header(&letter.properties, "CC"), Some(&texts(&[cc])));
        assert_eq!(header(&letter.properties, "BCC"), None);
        // Blind copies stay so.
        assert_deaths(&letter.properties, &[death(jobs, "rejected").via("", &[jobs, cc])]);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn copies_are_not_routed_by_where_a_key_is_given() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, cc, bcc) = (&unique("jobs"), &unique("cc"), &unique("bcc"));
    let dead = &unique("dead");
    let dlx = direct_dlx(&mut peer, &[cc, bcc, dead]).await;
    let arguments =
        [("x-dead-letter-exchange", text(&dlx)), ("x-dead-letter-routing-key", text(dead))];
    peer.make(jobs, declare_with(jobs, &arguments)).await;
    let copies = headers(&[("CC", texts(&[cc])), ("BCC", texts(&[bcc]))]);
    peer.put(publish("", jobs, b"one").with(copies)).await;
    peer.take_all(cc, &[b"one"]).await;
    peer.take_all(bcc, &[b"one"]).await;
    let tag = hold(&mut peer, jobs, b"one").await;
    peer.send(reject(tag, Requeue::No)).await;
    let letter = peer.take(dead).await;
    let keys = texts(&[cc]);
    assert_eq!(header(&letter.properties, "CC"), here(Some(&keys), None));
    assert_deaths(&letter.properties, &[death(jobs, "rejected").via("", &[jobs, cc])]);
    peer.expect_counts(cc, 0, 0).await;
    peer.expect_counts(bcc, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn every_queue_behind_the_exchange_gets_one() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dlx) = (&unique("jobs"), &unique("dlx"));
    peer.ask(exchange_declare(dlx, "fanout"), exchange_declare_ok()).await;
    let queues = ["a", "b", "c"].map(unique);
    for queue in &queues {
        peer.declare(queue).await;
        peer.ask(queue_bind(queue, dlx, ""), queue_bind_ok()).await;
    }
    peer.make(jobs, declare_with(jobs, &[("x-dead-letter-exchange", text(dlx))])).await;
    for body in [b"1", b"2"] {
        peer.put(publish("", jobs, body)).await;
        let tag = hold(&mut peer, jobs, body).await;
        peer.send(reject(tag, Requeue::No)).await;
    }
    for queue in &queues {
        for body in [b"1", b"2"] {
            let letter = peer.take(queue).await;
            assert_eq!(letter.body, body);
            assert_eq!((&letter.exchange, &letter.key), (dlx, jobs));
            assert_deaths(&letter.properties, &[death(jobs, "rejected")]);
        }
        peer.expect_counts(queue, 0, 0).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_exchange_is_looked_up_when_it_is_needed() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead, dlx) = (&unique("jobs"), &unique("dead"), &unique("dlx"));
    peer.declare(dead).await;
    peer.make(jobs, declare_with(jobs, &[("x-dead-letter-exchange", text(dlx)), ttl(0)])).await;
    peer.select_confirms().await;
    peer.send(publish("", jobs, b"lost")).await;
    peer.expect(ack(1)).await;
    peer.expect_counts(jobs, 0, 0).await;
    for tag in [2, 4] {
        peer.ask(exchange_declare(dlx, "fanout"), exchange_declare_ok()).await;
        peer.ask(queue_bind(dead, dlx, ""), queue_bind_ok()).await;
        peer.send(publish("", jobs, b"found")).await;
        peer.expect(ack(tag)).await;
        peer.take_all(dead, &[b"found"]).await;
        peer.ask(exchange_delete(dlx), exchange_delete_ok()).await;
        peer.send(publish("", jobs, b"lost again")).await;
        peer.expect(ack(tag + 1)).await;
    }
    peer.expect_counts(dead, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_has_no_route_from_there_is_lost() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let nowhere = [("x-dead-letter-exchange", text("amq.direct"))];
    peer.make(jobs, declare_with(jobs, &nowhere)).await;
    peer.put(publish("", jobs, b"one").mandatory()).await;
    let tag = hold(&mut peer, jobs, b"one").await;
    peer.send(reject(tag, Requeue::No)).await;
    peer.expect_nothing_until_reply().await; // it does not come back
    peer.expect_counts(jobs, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_alternate_exchange_of_the_dead_letter_exchange_is_used() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    let (dlx, alternate) = (&unique("dlx"), &unique("alternate"));
    peer.declare(dead).await;
    peer.ask(exchange_declare(alternate, "fanout"), exchange_declare_ok()).await;
    peer.ask(queue_bind(dead, alternate, ""), queue_bind_ok()).await;
    let arguments = table(&[("alternate-exchange", text(alternate))]);
    let declare = exchange_declare(dlx, "direct").internal().args(arguments);
    peer.ask(declare, exchange_declare_ok()).await;
    peer.make(jobs, declare_with(jobs, &[("x-dead-letter-exchange", text(dlx)), ttl(0)])).await;
    peer.send(publish("", jobs, b"one")).await;
    let letter = peer.take(dead).await;
    assert_eq!((&letter.exchange, &letter.key), (dlx, jobs));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_full_target_refuses_dead_letters() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    let full = [("x-max-length", int(1)), ("x-overflow", text("reject-publish"))];
    peer.make(dead, declare_with(dead, &full)).await;
    peer.make(jobs, declare_source(jobs, dead, &[ttl(0)])).await;
    peer.select_confirms().await;
    for number in 1..=3 {
        // Its own queue has taken it.
        peer.send(publish("", jobs, &[number])).await;
        peer.expect(ack(u64::from(number))).await;
    }
    peer.expect_ready(dead, 1).await;
    peer.take_all(dead, &[&[1]]).await;
    peer.expect_counts(dead, 0, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_dead_letter_goes_to_a_consumer_that_waits() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, dead) = (&unique("jobs"), &unique("dead"));
    peer.make(dead, declare_with(dead, &[ttl(0)])).await;
    peer.make(jobs, declare_source(jobs, dead, &[ttl(0)])).await;
    let mut waiting = broker.peer().await;
    waiting.ask(consume(dead, "c").no_ack(), consume_ok("c")).await;
    peer.send(publish("", jobs, b"one")).await;
    waiting.expect(deliver("c", 1, false, b"one").via("", dead)).await;
    broker.stop_and_check().await;
}
