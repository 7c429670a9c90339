//! A panic costs the connection or the request in which it happens, and nothing else
//! (CVE-2015-0203: an assertion that input reached ended the whole process).
//!
//! The panic comes from the log, which is made to fail on one word.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fmt::{Debug, Write};

use common::*;
use serde_json::json;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

const WORD: &str = "panic-canary";

/// A log that panics when that word is logged.
struct Fragile;

impl Subscriber for Fragile {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |_: &Field, value: &dyn Debug| {
            write!(text, "{value:?} ").expect("written");
        });
        assert!(!text.contains(WORD), "the injected panic");
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[tokio::test]
async fn a_panic_ends_what_it_happens_in() {
    // For every thread of this process, of which requests use several.
    tracing::subscriber::set_global_default(Fragile).expect("the first");
    let (broker, http) = OwnBroker::start_with_http().await;
    let mut good = broker.peer().await;
    good.declare("jobs").await;
    good.send(publish("", "jobs", b"one")).await;

    // In the task of a connection, which holds a message, and a queue of its own.
    let mut bad = broker.peer().await;
    bad.send(queue_declare("own").exclusive()).await;
    bad.expect(queue_declare_ok("own", 0, 0)).await;
    bad.ask(get("jobs"), get_ok(1, false, 0, b"one")).await;
    good.expect_counts("jobs", 0, 0).await;
    bad.send(publish(WORD, "", b"lost")).await;
    bad.expect_end().await;
    // What it held is where it was.
    good.ask(get_no_ack("jobs"), get_ok(1, true, 0, b"one")).await;
    http.get("/api/queues/%2F/own").await.expect(404);

    // Before anybody has logged in.
    let mut stranger = broker.raw().await;
    stranger.greet().await;
    let login = format!("\0{WORD}\0x");
    stranger.send_on(0, start_ok("PLAIN", login.as_bytes())).await;
    stranger.expect_end().await;

    // In a request that holds the lock for all changes of users.
    let user = json!({"password": "x", "tags": ""});
    http.put(&format!("/api/users/{WORD}"), &user).await.expect(500);
    http.put("/api/users/other", &user).await.expect(201);
    http.put(&format!("/api/vhosts/{WORD}"), &json!({})).await.expect(500);
    http.put("/api/vhosts/other", &json!({})).await.expect(201);
    // In one that runs on the thread of its connection.
    http.as_user(WORD, "x").get("/api/whoami").await.expect(500);

    // Nobody else has noticed, and nothing is left over.
    good.expect_counts("jobs", 0, 0).await;
    let mut last = broker.peer().await;
    last.pass_a_message().await;
    let connections = http.get("/api/connections").await.expect(200).json();
    assert_eq!(connections.as_array().map(Vec::len), Some(2));
    broker.stop_and_check().await;
}
