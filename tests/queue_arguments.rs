//! The arguments of queues: what is checked when a queue is made, and what when it is declared
//! again (behaviour 11 and 12).

mod common;

use common::queues::*;
use common::*;

/// Ten years, the longest time there is.
const LONGEST_MS: i64 = 315_360_000_000;

const NO_INTEGER: &str = "\"expected integer, got longstr\"";
const NO_TEXT: &str = "{unacceptable_type,signedint}";

fn long(value: i64) -> AMQPValue {
    AMQPValue::LongLongInt(value)
}

fn yes() -> AMQPValue {
    AMQPValue::Boolean(true)
}

/// The declaration is refused; the text of an invalid argument is expected.
async fn expect_invalid(peer: &mut Peer, kind: &str, key: &str, value: AMQPValue, why: &str) {
    let queue = &unique("refused");
    let declare = declare_kind(kind, queue, &[(key, value)]);
    peer.expect_declare_refused(declare, 406, &invalid(queue, key, why)).await;
}

async fn expect_valid(peer: &mut Peer, kind: &str, key: &str, value: AMQPValue) {
    let queue = &unique("valid");
    peer.make(queue, declare_kind(kind, queue, &[(key, value)])).await;
    peer.ask(queue_delete(queue), queue_delete_ok(0)).await;
}

/// Known, but to queues of another type.
async fn expect_not_for(peer: &mut Peer, kind: &str, key: &str, value: AMQPValue) {
    let queue = &unique("refused");
    let declare = declare_kind(kind, queue, &[(key, value)]);
    let text = format!(
        "PRECONDITION_FAILED - invalid arg '{key}' for queue '{queue}' in vhost '/' of queue type \
         rabbit_{kind}_queue"
    );
    peer.expect_declare_refused(declare, 406, &text).await;
}

// The values

#[tokio::test]
async fn numbers_have_bounds() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let too_large = format!("{{value_too_large,{}}}", LONGEST_MS + 1);
    for kind in KINDS {
        for (key, value, why) in [
            ("x-message-ttl", int(-1), "{value_negative,-1}"),
            ("x-message-ttl", long(LONGEST_MS + 1), too_large.as_str()),
            ("x-expires", int(0), "{value_zero,0}"),
            ("x-expires", int(-7), "{value_negative,-7}"),
            ("x-expires", long(LONGEST_MS + 1), too_large.as_str()),
            ("x-max-length", int(-1), "{value_negative,-1}"),
            ("x-max-length-bytes", int(-1), "{value_negative,-1}"),
            ("x-max-length-bytes", long(i64::MIN), "{value_negative,-9223372036854775808}"),
        ] {
            expect_invalid(&mut peer, kind, key, value, why).await;
        }
        for (key, value) in [
            ("x-message-ttl", int(0)),
            ("x-message-ttl", long(LONGEST_MS)),
            ("x-expires", int(60_000)),
            ("x-expires", long(LONGEST_MS)),
            ("x-max-length", int(0)),
            ("x-max-length", long(i64::MAX)),
            ("x-max-length-bytes", int(0)),
            ("x-max-length-bytes", long(i64::MAX)),
        ] {
            expect_valid(&mut peer, kind, key, value).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn types_are_checked() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        for key in ["x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes"] {
            expect_invalid(&mut peer, kind, key, text("1"), NO_INTEGER).await;
            for (value, found) in [
                (yes(), "bool"),
                (AMQPValue::Double(1.0), "double"),
                (AMQPValue::Float(1.0), "float"),
                (AMQPValue::Void, "void"),
                (AMQPValue::Timestamp(1), "timestamp"),
                (texts(&[]), "array"),
                (AMQPValue::FieldTable(table(&[])), "table"),
            ] {
                let why = format!("\"expected integer, got {found}\"");
                expect_invalid(&mut peer, kind, key, value, &why).await;
            }
        }
        let single = "x-single-active-consumer";
        expect_invalid(&mut peer, kind, single, text("yes"), "{unacceptable_type,longstr}").await;
        expect_invalid(&mut peer, kind, single, int(1), NO_TEXT).await;
        expect_valid(&mut peer, kind, single, yes()).await;
        expect_valid(&mut peer, kind, single, AMQPValue::Boolean(false)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn every_width_of_integer_is_one() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let widths = [
        AMQPValue::ShortShortInt(100),
        AMQPValue::ShortShortUInt(200),
        AMQPValue::ShortInt(100),
        AMQPValue::ShortUInt(60_000),
        AMQPValue::LongInt(100),
        AMQPValue::LongUInt(4_000_000_000),
        AMQPValue::LongLongInt(100),
    ];
    for kind in KINDS {
        for value in &widths {
            for key in ["x-message-ttl", "x-max-length"] {
                expect_valid(&mut peer, kind, key, value.clone()).await;
            }
        }
        let negative = "{value_negative,-1}";
        for value in [AMQPValue::ShortShortInt(-1), AMQPValue::ShortInt(-1), long(-1)] {
            expect_invalid(&mut peer, kind, "x-message-ttl", value, negative).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_to_do_with_too_much_is_one_of_three_things() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        for what in ["drop-head", "reject-publish", "reject-publish-dlx"] {
            expect_valid(&mut peer, kind, "x-overflow", text(what)).await;
        }
        for what in ["explode", "", "Drop-Head"] {
            expect_invalid(&mut peer, kind, "x-overflow", text(what), "invalid_overflow").await;
        }
        expect_invalid(&mut peer, kind, "x-overflow", int(1), NO_TEXT).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn where_dead_letters_go_is_a_text() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (dlx, key) = ("x-dead-letter-exchange", "x-dead-letter-routing-key");
    for kind in KINDS {
        // That exchange need not exist.
        expect_valid(&mut peer, kind, dlx, text("not-there")).await;
        expect_valid(&mut peer, kind, dlx, text("")).await;
        expect_invalid(&mut peer, kind, key, text("k"), "routing_key_but_no_dlx_defined").await;
        expect_invalid(&mut peer, kind, key, int(1), NO_TEXT).await;
        for arguments in [vec![(dlx, int(1))], vec![(dlx, int(1)), (key, int(1))]] {
            let queue = &unique("refused");
            let text = format!(
                "PRECONDITION_FAILED - invalid type 'signedint' for arg '{dlx}' in queue '{queue}' \
                 in vhost '/'"
            );
            let declare = declare_kind(kind, queue, &arguments);
            peer.expect_declare_refused(declare, 406, &text).await;
        }
        let queue = &unique("refused");
        let declare = declare_kind(kind, queue, &[(dlx, text("x")), (key, int(1))]);
        peer.expect_declare_refused(declare, 406, &invalid(queue, key, NO_TEXT)).await;
        let queue = &unique("valid");
        let declare = declare_kind(kind, queue, &[(dlx, text("x")), (key, text(""))]);
        peer.make(queue, declare).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn classic_queues_know_priorities() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let key = "x-max-priority";
    for priority in [0, 1, 10, 255] {
        expect_valid(&mut peer, "classic", key, int(priority)).await;
        expect_not_for(&mut peer, "quorum", key, int(priority)).await;
    }
    expect_invalid(&mut peer, "classic", key, int(-1), "{value_negative,-1}").await;
    expect_invalid(&mut peer, "classic", key, int(256), "{max_value_exceeded,256}").await;
    expect_invalid(&mut peer, "classic", key, text("1"), NO_INTEGER).await;
    expect_not_for(&mut peer, "quorum", key, int(-1)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn quorum_queues_know_more() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let strategy = "x-dead-letter-strategy";
    let size = "x-quorum-initial-group-size";
    for (key, value) in [
        (strategy, text("at-most-once")),
        (strategy, text("at-least-once")),
        (size, int(1)),
        ("x-max-in-memory-length", int(0)),
        ("x-max-in-memory-bytes", int(1)),
    ] {
        expect_valid(&mut peer, "quorum", key, value.clone()).await;
        expect_not_for(&mut peer, "classic", key, value).await;
    }
    for (key, value, why) in [
        (strategy, text("twice"), "invalid_dlx_strategy"),
        (strategy, int(1), NO_TEXT),
        (size, int(0), "{value_zero,0}"),
        (size, int(-1), "{value_negative,-1}"),
        (size, text("1"), NO_INTEGER),
        ("x-max-in-memory-length", int(-1), "{value_negative,-1}"),
        ("x-max-in-memory-bytes", text("1"), NO_INTEGER),
    ] {
        expect_invalid(&mut peer, "quorum", key, value, why).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn delivery_limits_are_integers_of_either_sign() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    // RabbitMQ knows it for quorum queues alone.
    for kind in here(&KINDS[..], &KINDS[1..]) {
        for limit in [-1, 0, 3] {
            expect_valid(&mut peer, kind, "x-delivery-limit", int(limit)).await;
        }
    }
    if is_warren() {
        for kind in KINDS {
            expect_invalid(&mut peer, kind, "x-delivery-limit", text("1"), NO_INTEGER).await;
            let (key, why) = ("x-consumer-timeout", "{value_negative,-1}");
            expect_invalid(&mut peer, kind, key, int(-1), why).await;
            expect_valid(&mut peer, kind, key, int(1000)).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn where_a_leader_lives_is_one_of_some_words() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let key = "x-queue-leader-locator";
    for kind in here(&KINDS[..], &KINDS[1..]) {
        for word in ["client-local", "balanced", "random", "least-leaders"] {
            expect_valid(&mut peer, kind, key, text(word)).await;
        }
        expect_invalid(&mut peer, kind, key, text("here"), "invalid_queue_locator_arg").await;
        expect_invalid(&mut peer, kind, key, int(1), NO_TEXT).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn versions_and_modes_of_old_are_taken_where_they_mean_nothing() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let version = "x-queue-version";
    expect_valid(&mut peer, "classic", version, int(2)).await;
    let why = "\"unsupported queue version '3'\"";
    expect_invalid(&mut peer, "classic", version, int(3), why).await;
    expect_invalid(&mut peer, "classic", version, text("2"), NO_INTEGER).await;
    expect_not_for(&mut peer, "quorum", version, int(2)).await;
    for mode in ["lazy", "default"] {
        expect_valid(&mut peer, "classic", "x-queue-mode", text(mode)).await;
        expect_not_for(&mut peer, "quorum", "x-queue-mode", text(mode)).await;
    }
    if is_warren() {
        // RabbitMQ 4 has given up the first version, and the modes.
        let why = "\"unsupported queue version '1'\"";
        expect_invalid(&mut peer, "classic", version, int(1), why).await;
        expect_valid(&mut peer, "classic", "x-queue-mode", text("any")).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_only_streams_know_is_refused() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        for (key, value) in
            [("x-max-age", text("1D")), ("x-stream-max-segment-size-bytes", int(1_000_000))]
        {
            expect_not_for(&mut peer, kind, key, value).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_refused_declaration_makes_nothing() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let wrong = declare_with(jobs, &[("x-max-length", int(1)), ("x-expires", int(0))]);
    let why = invalid(jobs, "x-expires", "{value_zero,0}");
    peer.expect_declare_refused(wrong, 406, &why).await;
    let text = format!("NOT_FOUND - no queue '{jobs}' in vhost '/'");
    peer.expect_declare_refused(queue_declare(jobs).passive(), 404, &text).await;
    peer.declare(jobs).await;
    broker.stop_and_check().await;
}

// The type

#[tokio::test]
async fn the_type_is_one_that_exists() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for (value, why) in [
        (text("magic"), "\"unsupported queue type 'magic'\""),
        (text(""), "\"unsupported queue type ''\""),
        (int(1), NO_TEXT),
    ] {
        let queue = &unique("refused");
        let declare = declare_with(queue, &[("x-queue-type", value)]).durable();
        peer.expect_declare_refused(declare, 406, &invalid(queue, "x-queue-type", why)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn streams_are_refused() {
    let why = "RabbitMQ has streams";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    peer.send(declare_with("log", &[("x-queue-type", text("stream"))]).durable()).await;
    let text = "NOT_IMPLEMENTED - queue 'log' in vhost '/': queue type 'stream' is not supported";
    peer.expect_connection_close(540, text, (50, 10)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn quorum_queues_are_durable_named_and_for_all() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let quorum = |queue: &str| declare_with(queue, &[("x-queue-type", text("quorum"))]);
    let queue = &unique("refused");
    for (declare, property) in [
        (quorum(queue), "non-durable"),
        (quorum(queue).durable().exclusive(), "exclusive-owner"),
        (quorum(queue).durable().auto_delete(), "auto-delete"),
    ] {
        let text = format!(
            "PRECONDITION_FAILED - invalid property '{property}' for queue '{queue}' in vhost '/'"
        );
        peer.expect_declare_refused(declare, 406, &text).await;
    }
    let text = "PRECONDITION_FAILED - Cannot declare a server-named queue for type \
                rabbit_quorum_queue";
    peer.expect_declare_refused(quorum("").durable(), 406, text).await;
    broker.stop_and_check().await;
}

// Declaring again

/// Every argument that is compared, with two values.
fn compared(kind: &str) -> Vec<(&'static str, AMQPValue, AMQPValue)> {
    let mut all = vec![
        ("x-expires", int(60_000), int(70_000)),
        ("x-message-ttl", int(60_000), int(70_000)),
        ("x-dead-letter-exchange", text("a"), text("b")),
        ("x-max-length", int(1), int(2)),
        ("x-max-length-bytes", int(1), int(2)),
        ("x-overflow", text("drop-head"), text("reject-publish")),
    ];
    all.extend(match kind {
        "classic" => vec![("x-max-priority", int(1), int(2))],
        _ => vec![
            ("x-delivery-limit", int(1), int(2)),
            ("x-dead-letter-strategy", text("at-most-once"), text("at-least-once")),
        ],
    });
    all
}

fn shown(value: &AMQPValue) -> (String, &'static str) {
    match value {
        AMQPValue::LongInt(number) => (number.to_string(), "signedint"),
        AMQPValue::LongString(text) => (text.to_string(), "longstr"),
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn declaring_again_must_be_equivalent() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        for (key, value, other) in compared(kind) {
            let (with, without) = (&unique("with"), &unique("without"));
            let ok = queue_declare_ok(with, 0, 0);
            let same = || declare_kind(kind, with, &[(key, value.clone()), ("x-own", int(1))]);
            peer.ask(same(), ok.clone()).await;
            peer.ask(same(), ok.clone()).await;
            let ((current, name), (received, _)) = (shown(&value), shown(&other));
            let differs = declare_kind(kind, with, &[(key, other)]);
            let text = inequivalent(with, key, &format!("'{received}'"), &format!("'{current}'"));
            peer.expect_declare_refused(differs, 406, &text).await;
            let described = format!("the value '{current}' of type '{name}'");
            let text = inequivalent(with, key, "none", &described);
            peer.expect_declare_refused(declare_kind(kind, with, &[]), 406, &text).await;
            peer.make(without, declare_kind(kind, without, &[])).await;
            let more = declare_kind(kind, without, &[(key, value.clone())]);
            let text = inequivalent(without, key, &described, "none");
            peer.expect_declare_refused(more, 406, &text).await;
            // It still is as it was.
            peer.ask(same(), ok).await;
            peer.ask(queue_delete(with), queue_delete_ok(0)).await;
            peer.ask(queue_delete(without), queue_delete_ok(0)).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_key_of_dead_letters_is_compared_too() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let (jobs, key) = (&unique("jobs"), "x-dead-letter-routing-key");
        let to = |key_value: &str| {
            let exchange = ("x-dead-letter-exchange", text("x"));
            declare_kind(kind, jobs, &[exchange, (key, text(key_value))])
        };
        peer.ask(to("a"), queue_declare_ok(jobs, 0, 0)).await;
        peer.ask(to("a"), queue_declare_ok(jobs, 0, 0)).await;
        let text = inequivalent(jobs, key, "'b'", "'a'");
        peer.expect_declare_refused(to("b"), 406, &text).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_width_of_a_number_does_not_matter_but_its_value_does() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        for key in ["x-message-ttl", "x-expires", "x-max-length"] {
            let jobs = &unique("jobs");
            let with = |value| declare_kind(kind, jobs, &[(key, value)]);
            let ok = queue_declare_ok(jobs, 0, 0);
            peer.ask(with(AMQPValue::ShortInt(30_000)), ok.clone()).await;
            for same in [int(30_000), long(30_000), AMQPValue::LongUInt(30_000)] {
                peer.ask(with(same), ok.clone()).await;
            }
            let text = inequivalent(jobs, key, "'30001'", "'30000'");
            peer.expect_declare_refused(with(long(30_001)), 406, &text).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_type_is_compared() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let key = "x-queue-type";
    let (classic, quorum) = (&unique("classic"), &unique("quorum"));
    peer.make(classic, declare_kind("classic", classic, &[])).await;
    peer.make(quorum, declare_kind("quorum", quorum, &[])).await;
    let declare = declare_kind("quorum", classic, &[]);
    let text = inequivalent(classic, key, "'quorum'", "'classic'");
    peer.expect_declare_refused(declare, 406, &text).await;
    let declare = declare_kind("classic", quorum, &[]);
    let text = inequivalent(quorum, key, "'classic'", "'quorum'");
    peer.expect_declare_refused(declare, 406, &text).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_wrong_does_not_matter_where_the_queue_is_there() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    // Equivalence comes first.
    let wrong = declare_with(jobs, &[("x-expires", int(0))]);
    let text = inequivalent(jobs, "x-expires", "the value '0' of type 'signedint'", "none");
    peer.expect_declare_refused(wrong, 406, &text).await;
    // Passively nothing is looked at.
    let wrong = declare_with(jobs, &[("x-expires", int(0))]).passive();
    peer.ask(wrong, queue_declare_ok(jobs, 0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn arguments_that_nobody_knows_are_kept_and_ignored() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for kind in KINDS {
        let jobs = &unique("jobs");
        let own = [("x-own", texts(&["a"])), ("own", AMQPValue::FieldTable(table(&[])))];
        peer.make(jobs, declare_kind(kind, jobs, &own)).await;
        let other = [("x-own", int(1)), ("x-other", yes())];
        peer.ask(declare_kind(kind, jobs, &other), queue_declare_ok(jobs, 0, 0)).await;
        peer.ask(declare_kind(kind, jobs, &[]), queue_declare_ok(jobs, 0, 0)).await;
    }
    broker.stop_and_check().await;
}
