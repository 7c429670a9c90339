//! Whole sessions, recorded as a client would send them and then damaged: frames dropped,
//! repeated, swapped, cut, moved to other channels, octets changed. After each the broker serves a
//! well-behaved client at once; in the end no connection is left, it stops, and nothing panicked.
//!
//! `WARREN_SEED` repeats a run; `WARREN_FUZZ_SESSIONS` makes it longer.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::damage::{Damage, Random};
use common::*;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How many damaged sessions a run has.
const SESSIONS: usize = 300;
/// No well-behaved client waits longer, in a debug build on a busy machine.
const PROMPT: Duration = Duration::from_secs(2);
/// A damaged client gives up after that; the broker mostly hangs up before.
const SESSION_TIME_MAX: Duration = Duration::from_millis(250);
/// For connections to be gone when their clients are.
const CLEAN_UP_MAX: Duration = Duration::from_secs(10);

/// The frames of a session in which everything is done once, the protocol header first.
fn session() -> Vec<Vec<u8>> {
    let mut frames = opening();
    frames.push(encode_method(2, channel_open()));
    for what in topology().into_iter().chain(traffic()) {
        frames.extend(frames_of(1, what));
    }
    for what in transaction() {
        frames.extend(frames_of(2, what));
    }
    frames.push(encode_method(1, channel_close()));
    frames.push(encode_method(0, connection_close()));
    frames
}

fn topology() -> Vec<Outgoing> {
    vec![
        queue_declare("jobs").into(),
        queue_declare("").exclusive().into(),
        queue_declare("durable").durable().auto_delete().into(),
        queue_declare("single")
            .args(table(&[("x-single-active-consumer", AMQPValue::Boolean(true))]))
            .into(),
        exchange_declare("topics", "topic").into(),
        exchange_declare("headed", "headers").durable().into(),
        queue_bind("jobs", "topics", "a.#").into(),
        queue_bind_args("jobs", "headed", "", table(&[("x-match", text("any")), ("k", int(1))]))
            .into(),
        exchange_bind("headed", "topics", "b.*").into(),
        qos(3).into(),
        qos_global(5).into(),
        confirm_select().into(),
    ]
}

fn traffic() -> Vec<Outgoing> {
    let properties = headers(&[("k", int(1)), ("CC", texts(&["a.c"])), ("BCC", texts(&["jobs"]))]);
    vec![
        publish("", "jobs", b"one").into(),
        publish("topics", "a.b", &[7; 70_000]).persistent().into(),
        publish("headed", "", b"").with(properties).mandatory().into(),
        publish("topics", "nowhere", b"lost").mandatory().into(),
        consume("jobs", "c1").into(),
        consume("single", "c2").no_ack().into(),
        consume("amq.rabbitmq.reply-to", "c3").no_ack().into(),
        publish("", "single", b"reply")
            .with(BasicProperties::default().with_reply_to("amq.rabbitmq.reply-to".into()))
            .into(),
        ack(1).into(),
        nack(2, Requeue::Yes).into(),
        get("jobs").into(),
        recover(Requeue::Yes).into(),
        cancel("c1").into(),
        get_no_ack("jobs").into(),
        queue_unbind("jobs", "topics", "a.#").into(),
        queue_purge("jobs").into(),
        queue_delete("durable").if_unused().into(),
        exchange_delete("headed").into(),
        channel_flow(true).into(),
    ]
}

fn transaction() -> Vec<Outgoing> {
    vec![
        tx_select().into(),
        publish("", "jobs", b"later").into(),
        get("jobs").into(),
        ack(1).into(),
        tx_rollback().into(),
        publish("", "jobs", b"now").into(),
        tx_commit().into(),
    ]
}

/// A method is one frame, a publish several.
fn frames_of(channel: u16, what: Outgoing) -> Vec<Vec<u8>> {
    match what {
        Outgoing::Method(method) => vec![encode_method(channel, method)],
        Outgoing::Content(publish, properties, body) => {
            use amq_protocol::protocol::basic::AMQPMethod::Publish;
            let mut frames = vec![
                encode_method(channel, AMQPClass::Basic(Publish(publish))),
                encode_header(channel, *properties, body.len() as u64),
            ];
            frames.extend(body.chunks(40_000).map(|piece| body_frame(channel, piece)));
            frames
        }
    }
}

/// Sends it all, in one piece or several, and reads what comes until either side has enough.
async fn play(address: SocketAddr, octets: &[u8], pieces: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("the broker takes connections");
    let (mut reading, mut writing) = stream.split();
    let mut came = Vec::new();
    let send = async {
        for piece in octets.chunks(octets.len().div_ceil(pieces).max(1)) {
            if writing.write_all(piece).await.is_err() {
                return; // it was cut off, as it may be
            }
        }
        let _ = writing.shutdown().await; // the broker may have been first
    };
    let both = async { tokio::join!(send, reading.read_to_end(&mut came)) };
    let _ = timeout(SESSION_TIME_MAX, both).await; // a close that is not answered takes its time
    came
}

/// Another client's message goes in and out, at once.
async fn expect_unharmed(broker: &OwnBroker, random: &Random, what: &str) {
    let since = Instant::now();
    let mut good = broker.peer().await;
    good.pass_a_message().await;
    good.close().await;
    let took = since.elapsed();
    assert!(took < PROMPT, "{random}: {took:?} after {what}");
}

/// Collects panics of all threads, and lets them be shown as ever.
fn watch_for_panics() -> Arc<Mutex<Vec<String>>> {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let (collected, shown) = (panics.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        collected.lock().push(panic.to_string());
        shown(panic);
    }));
    panics
}

async fn expect_no_connection_left(broker: &OwnBroker) {
    let until = Instant::now() + CLEAN_UP_MAX;
    let mut clock = tokio::time::interval(Duration::from_millis(10));
    while broker.broker.connection_count() > 0 {
        let left = broker.broker.connection_count();
        assert!(Instant::now() < until, "{left} connections are left without their clients");
        clock.tick().await;
    }
}

// One test: the panic hook is the whole process's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_sessions_harm_nobody_else() {
    let panics = watch_for_panics();
    let broker = OwnBroker::start().await;
    let valid = session();
    let came = play(broker.address(), &valid.concat(), 1).await;
    let close_ok = encode_method(0, connection_close_ok());
    assert!(came.ends_with(&close_ok), "the session is valid: {}", came.escape_ascii());
    let mut random = Random::seeded();
    let sessions = std::env::var("WARREN_FUZZ_SESSIONS").ok().and_then(|n| n.parse().ok());
    for number in 0..sessions.unwrap_or(SESSIONS) {
        let mut frames = valid.clone();
        let mut done = Vec::new();
        for _ in 0..=random.below(3) {
            let damage = Damage::any(&mut random);
            damage.apply(&mut random, &mut frames);
            done.push(damage);
        }
        let octets = frames.concat();
        play(broker.address(), &octets, 1 + random.below(6)).await;
        let what = format!("session {number}, {done:?}: {}", octets.escape_ascii());
        expect_unharmed(&broker, &random, &what).await;
        let panics = panics.lock();
        assert!(panics.is_empty(), "{random}: {panics:?} after {what}");
    }
    expect_no_connection_left(&broker).await;
    broker.stop_and_check().await;
    assert!(panics.lock().is_empty(), "{random}: {:?}", panics.lock());
}
