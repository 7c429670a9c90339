//! Queues: declaring, deleting, purging, and how long they live (behaviour 10, 11, 12, 15, 16).

mod common;

use common::*;

const DECLARE: (u16, u16) = (50, 10);
const PURGE: (u16, u16) = (50, 30);
const DELETE: (u16, u16) = (50, 40);

fn no_queue(queue: &str) -> String {
    format!("NOT_FOUND - no queue '{queue}' in vhost '/'")
}

fn locked(queue: &str) -> String {
    format!(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'. \
         It could be originally declared on another connection or the exclusive property value \
         does not match that of the original declaration."
    )
}

async fn expect_missing(peer: &mut Peer, queue: &str) {
    peer.send(queue_declare(queue).passive()).await;
    peer.expect_channel_close(404, &no_queue(queue), DECLARE).await;
    peer.open_channel(1).await;
}

/// Sends a declare that must be refused with this, and opens the channel again.
async fn expect_refused(peer: &mut Peer, declare: common::QueueDeclare, code: u16, text: &str) {
    peer.send(declare).await;
    peer.expect_channel_close(code, text, DECLARE).await;
    peer.open_channel(1).await;
}

/// The name the broker has chosen.
async fn declare_unnamed(peer: &mut Peer) -> String {
    use amq_protocol::protocol::queue::AMQPMethod::DeclareOk;
    peer.send(queue_declare("").exclusive()).await;
    match peer.next_method_on(1, "queue.declare-ok").await {
        AMQPClass::Queue(DeclareOk(ok)) => ok.queue.to_string(),
        other => peer.fail("queue.declare-ok", &format!("{other:?}")),
    }
}

// Declaring

#[tokio::test]
async fn a_queue_is_new_once() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    expect_missing(&mut peer, jobs).await;
    peer.ask(queue_declare(jobs), queue_declare_ok(jobs, 0, 0)).await;
    peer.ask(queue_declare(jobs), queue_declare_ok(jobs, 0, 0)).await;
    expect_missing(&mut peer, &jobs.to_uppercase()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_counts_are_of_ready_messages_and_of_consumers() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for body in [b"1", b"2", b"3"] {
        peer.send(publish("", jobs, body)).await;
    }
    peer.expect_counts(jobs, 3, 0).await;
    peer.ask(get(jobs), get_ok(1, false, 2, b"1")).await;
    peer.expect_counts(jobs, 2, 0).await;
    peer.ask(qos(1), qos_ok()).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.expect(deliver("c", 2, false, b"2")).await;
    peer.expect_counts(jobs, 1, 1).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_without_a_name_is_given_one() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (first, second) = (declare_unnamed(&mut peer).await, declare_unnamed(&mut peer).await);
    assert_ne!(first, second);
    for name in [&first, &second] {
        let random = name.strip_prefix("amq.gen-").expect("the broker's prefix");
        let base64url = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(random.len() == 22 && random.chars().all(base64url), "{name}");
    }
    peer.send(publish("", &second, b"one")).await;
    peer.ask(get(&second), get_ok(1, false, 0, b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn names_of_the_brokers_own_are_reserved() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let theirs = declare_unnamed(&mut peer).await;
    for name in ["amq.mine", &theirs] {
        let text = format!("ACCESS_REFUSED - queue name '{name}' contains reserved prefix 'amq.*'");
        expect_refused(&mut peer, queue_declare(name).exclusive(), 403, &text).await;
    }
    let again = queue_declare(&theirs).passive();
    peer.ask(again, queue_declare_ok(&theirs, 0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn line_ends_are_taken_out_of_names() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let with_ends = &format!("\n{jobs}\r\n");
    peer.ask(queue_declare(with_ends), queue_declare_ok(jobs, 0, 0)).await;
    peer.expect_counts(jobs, 0, 0).await;
    peer.ask(queue_delete(with_ends), queue_delete_ok(0)).await;
    expect_missing(&mut peer, jobs).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_name_may_be_255_bytes_of_any_letters() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let stem = unique("ßñ 漢字 ");
    let longest = &format!("{stem}{}", "x".repeat(255 - stem.len()));
    peer.ask(queue_declare(longest), queue_declare_ok(longest, 0, 0)).await;
    peer.send(publish("", longest, b"one")).await;
    peer.ask(get(longest), get_ok(1, false, 0, b"one").via("", longest)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_text_that_is_too_long_is_cut() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let none = &"x".repeat(250);
    peer.send(queue_declare(none).passive()).await;
    let text = format!("{}...", &no_queue(none)[..252]);
    peer.expect_channel_close(404, &text, DECLARE).await;
    broker.stop_and_check().await;
}

// The last declared queue

#[tokio::test]
async fn no_name_stands_for_the_queue_declared_last() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (first, last) = (&unique("first"), &unique("last"));
    peer.declare(last).await;
    peer.declare(first).await;
    peer.expect_counts(last, 0, 0).await; // passively is declared too
    peer.send(publish("", last, b"one")).await;
    peer.ask(get(""), get_ok(1, false, 0, b"one")).await;
    peer.ask(queue_bind("", "amq.direct", last), queue_bind_ok()).await;
    peer.ask(queue_unbind("", "amq.direct", last), queue_unbind_ok()).await;
    peer.ask(consume("", "c"), consume_ok("c")).await;
    peer.ask(queue_purge(""), queue_purge_ok(0)).await;
    peer.ask(queue_delete("").if_empty(), queue_delete_ok(0)).await;
    peer.expect(cancel_nowait("c")).await;
    expect_missing(&mut peer, last).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_a_queue_declared_no_name_stands_for_nothing() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let unnamed = [
        (get(""), (60, 70)),
        (queue_purge(""), PURGE),
        (queue_bind("", "amq.direct", "k"), (50, 20)),
        (queue_unbind("", "amq.direct", "k"), (50, 50)),
    ];
    for (method, ids) in unnamed {
        peer.send(method).await;
        peer.expect_channel_close(404, "NOT_FOUND - no previously declared queue", ids).await;
        peer.open_channel(1).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn binding_neither_queue_nor_key_takes_the_name_for_both() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(queue_bind("", "amq.direct", ""), queue_bind_ok()).await;
    peer.send(publish("amq.direct", jobs, b"one")).await;
    peer.ask(get(jobs), get_ok(1, false, 0, b"one")).await;
    peer.ask(queue_unbind("", "amq.direct", ""), queue_unbind_ok()).await;
    peer.send(publish("amq.direct", jobs, b"lost")).await;
    peer.ask(get(jobs), get_empty()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_empty_key_stays_empty_behind_a_name() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, x) = (&unique("jobs"), &unique("x"));
    peer.declare(jobs).await;
    peer.ask(exchange_declare(x, "direct"), exchange_declare_ok()).await;
    peer.ask(queue_bind(jobs, x, ""), queue_bind_ok()).await;
    peer.send(publish(x, jobs, b"lost")).await;
    peer.send(publish(x, "", b"one")).await;
    peer.ask(get(jobs), get_ok(1, false, 0, b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_passive_declare_without_a_name_finds_nothing() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.declare(&unique("jobs")).await;
    expect_missing(&mut peer, "").await;
    broker.stop_and_check().await;
}

// Declaring again

#[tokio::test]
async fn declaring_again_otherwise_is_refused() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let with = |key, value| queue_declare(jobs).args(table(&[(key, value)]));
    peer.ask(with("x-max-length", int(2000)), queue_declare_ok(jobs, 0, 0)).await;
    let others = [
        (queue_declare(jobs).durable(), "durable", "'true'", "'false'"),
        (queue_declare(jobs).auto_delete(), "auto_delete", "'true'", "'false'"),
        (with("x-max-length", int(1)), "x-max-length", "'1'", "'2000'"),
        (queue_declare(jobs), "x-max-length", "none", "the value '2000' of type 'signedint'"),
    ];
    for (declare, key, received, current) in others {
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg '{key}' for queue '{jobs}' in vhost '/': \
             received {received} but current is {current}"
        );
        expect_refused(&mut peer, declare, 406, &text).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_argument_too_many_is_named_with_its_type() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let more = queue_declare(jobs).args(table(&[("x-overflow", text("drop-head"))]));
    let inequivalent = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue '{jobs}' in vhost '/': \
         received the value 'drop-head' of type 'longstr' but current is none"
    );
    expect_refused(&mut peer, more, 406, &inequivalent).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_width_of_a_number_and_unknown_arguments_do_not_matter() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let with = |entries: &[(&str, AMQPValue)]| queue_declare(jobs).args(table(entries));
    let ok = queue_declare_ok(jobs, 0, 0);
    peer.ask(with(&[("x-max-length", int(100)), ("bogus", int(1))]), ok.clone()).await;
    let widths = [
        AMQPValue::ShortShortInt(100),
        AMQPValue::ShortShortUInt(100),
        AMQPValue::ShortInt(100),
        AMQPValue::ShortUInt(100),
        AMQPValue::LongUInt(100),
        AMQPValue::LongLongInt(100),
    ];
    for same in widths {
        peer.ask(with(&[("x-max-length", same), ("other", text("x"))]), ok.clone()).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn classic_is_the_type_of_a_queue_that_names_none() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let ok = queue_declare_ok(jobs, 0, 0);
    peer.ask(queue_declare(jobs), ok.clone()).await;
    let classic = queue_declare(jobs).args(table(&[("x-queue-type", text("classic"))]));
    peer.ask(classic, ok).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn wrong_arguments_are_refused() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let not_an_integer = "\"expected integer, got longstr\"";
    let wrong = [
        ("x-max-length", int(-1), "{value_negative,-1}"),
        ("x-max-length", text("1"), not_an_integer),
        ("x-message-ttl", int(-1), "{value_negative,-1}"),
        ("x-expires", int(0), "{value_zero,0}"),
        ("x-max-priority", int(256), "{max_value_exceeded,256}"),
        ("x-overflow", text("explode"), "invalid_overflow"),
        ("x-single-active-consumer", text("yes"), "{unacceptable_type,longstr}"),
        ("x-dead-letter-routing-key", text("k"), "routing_key_but_no_dlx_defined"),
    ];
    for (key, value, why) in wrong {
        let jobs = &unique("jobs");
        let declare = queue_declare(jobs).args(table(&[(key, value)]));
        let text = format!(
            "PRECONDITION_FAILED - invalid arg '{key}' for queue '{jobs}' in vhost '/': {why}"
        );
        expect_refused(&mut peer, declare, 406, &text).await;
    }
    broker.stop_and_check().await;
}

// Deleting and purging

#[tokio::test]
async fn deleting_tells_how_many_messages_went() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for body in [b"1", b"2", b"3"] {
        peer.send(publish("", jobs, body)).await;
    }
    peer.ask(get(jobs), get_ok(1, false, 2, b"1")).await;
    peer.ask(queue_delete(jobs), queue_delete_ok(2)).await;
    peer.ask(queue_delete(jobs), queue_delete_ok(0)).await;
    peer.send(ack(1)).await; // of a queue that is gone: accepted
    peer.expect_nothing_until_reply().await;
    expect_missing(&mut peer, jobs).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_with_messages_is_not_empty() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.send(queue_delete(jobs).if_empty()).await;
    let text = format!("PRECONDITION_FAILED - queue '{jobs}' in vhost '/' not empty");
    peer.expect_channel_close(406, &text, DELETE).await;
    peer.open_channel(1).await;
    peer.ask(get(jobs), get_ok(1, false, 0, b"one")).await;
    peer.ask(queue_delete(jobs).if_empty(), queue_delete_ok(0)).await; // ready ones count
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_queue_with_consumers_is_in_use() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.open_channel(2).await;
    peer.send_on(2, consume(jobs, "c")).await;
    peer.expect_on(2, consume_ok("c")).await;
    peer.send(queue_delete(jobs).if_unused()).await;
    let text = format!("PRECONDITION_FAILED - queue '{jobs}' in vhost '/' in use");
    peer.expect_channel_close(406, &text, DELETE).await;
    peer.open_channel(1).await;
    peer.close_channel(2).await;
    peer.ask(queue_delete(jobs).if_unused(), queue_delete_ok(0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn purging_takes_what_is_ready_and_leaves_what_is_out() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    for body in [b"1", b"2", b"3"] {
        peer.send(publish("", jobs, body)).await;
    }
    peer.ask(get(jobs), get_ok(1, false, 2, b"1")).await;
    peer.ask(queue_purge(jobs), queue_purge_ok(2)).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.ask(get(jobs), get_ok(2, true, 0, b"1")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn purging_what_is_not_there_is_an_error() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let none = &unique("none");
    peer.send(queue_purge(none)).await;
    peer.expect_channel_close(404, &no_queue(none), PURGE).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn nowait_is_not_answered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.send(queue_declare(jobs).nowait()).await;
    peer.send(queue_bind_nowait(jobs, "amq.fanout", "")).await;
    peer.send(queue_purge_nowait(jobs)).await;
    peer.expect_counts(jobs, 0, 0).await;
    peer.send(queue_delete(jobs).nowait()).await;
    expect_missing(&mut peer, jobs).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn nowait_does_not_hide_errors() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let none = &unique("none");
    peer.send(queue_declare(none).passive().nowait()).await;
    peer.expect_channel_close(404, &no_queue(none), DECLARE).await;
    broker.stop_and_check().await;
}

// Exclusive

#[tokio::test]
async fn an_exclusive_queue_is_locked_for_others() {
    let broker = TestBroker::start().await;
    let mut owner = broker.peer().await;
    let mine = &unique("mine");
    owner.ask(queue_declare(mine).exclusive(), queue_declare_ok(mine, 0, 0)).await;
    let mut other = broker.peer().await;
    expect_refused(&mut other, queue_declare(mine).exclusive(), 405, &locked(mine)).await;
    expect_refused(&mut other, queue_declare(mine), 405, &locked(mine)).await;
    expect_refused(&mut other, queue_declare(mine).passive(), 405, &locked(mine)).await;
    let locked_out = [
        (get(mine), (60, 70)),
        (queue_purge(mine), PURGE),
        (queue_bind(mine, "amq.direct", "k"), (50, 20)),
    ];
    for (method, ids) in locked_out {
        other.send(method).await;
        other.expect_channel_close(405, &locked(mine), ids).await;
        other.open_channel(1).await;
    }
    other.send(consume(mine, "c")).await;
    other.expect_channel_close(405, &locked(mine), (60, 20)).await;
    other.open_channel(1).await;
    other.send(queue_delete(mine)).await;
    other.expect_channel_close(405, &locked(mine), DELETE).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn others_may_publish_to_an_exclusive_queue() {
    let broker = TestBroker::start().await;
    let mut owner = broker.peer().await;
    let mine = &unique("mine");
    owner.ask(queue_declare(mine).exclusive(), queue_declare_ok(mine, 0, 0)).await;
    owner.ask(consume(mine, "c").no_ack(), consume_ok("c")).await;
    let mut other = broker.peer().await;
    other.send(publish("", mine, b"one")).await;
    owner.expect(deliver("c", 1, false, b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn exclusive_is_part_of_the_declaration() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (mine, ours) = (&unique("mine"), &unique("ours"));
    let exclusive = || queue_declare(mine).exclusive();
    peer.ask(exclusive(), queue_declare_ok(mine, 0, 0)).await;
    peer.ask(exclusive(), queue_declare_ok(mine, 0, 0)).await;
    expect_refused(&mut peer, queue_declare(mine), 405, &locked(mine)).await;
    peer.declare(ours).await;
    expect_refused(&mut peer, queue_declare(ours).exclusive(), 405, &locked(ours)).await;
    broker.stop_and_check().await;
}

// Auto-delete

#[tokio::test]
async fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.ask(queue_declare(jobs).auto_delete(), queue_declare_ok(jobs, 0, 0)).await;
    peer.ask(get(jobs), get_empty()).await; // a get is not a consumer
    peer.ask(consume(jobs, "a"), consume_ok("a")).await;
    peer.ask(consume(jobs, "b"), consume_ok("b")).await;
    peer.ask(cancel("a"), cancel_ok("a")).await;
    peer.expect_counts(jobs, 0, 1).await;
    peer.ask(cancel("b"), cancel_ok("b")).await;
    expect_missing(&mut peer, jobs).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn closing_the_channel_is_leaving_too() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.ask(queue_declare(jobs).auto_delete(), queue_declare_ok(jobs, 0, 0)).await;
    peer.open_channel(2).await;
    peer.send_on(2, consume(jobs, "c")).await;
    peer.expect_on(2, consume_ok("c")).await;
    peer.close_channel(2).await;
    expect_missing(&mut peer, jobs).await;
    broker.stop_and_check().await;
}
