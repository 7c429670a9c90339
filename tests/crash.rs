//! The program is killed at any moment and started again: what it has confirmed is there, whole,
//! in order, and marked as redelivered.
//!
//! `WARREN_CRASHES` is how often, `WARREN_SEED` makes the moments.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use amq_protocol::protocol::basic::AMQPMethod;
use common::program::Program;
use common::*;

const CRASHES: u64 = 10;
/// Published before anything is waited for.
const AHEAD: u64 = 50;
const QUEUE: &str = "survivors";

/// The body of the message of that number, which begins with it.
fn body(number: u64) -> Vec<u8> {
    let bytes = if number.is_multiple_of(17) { 70_000 } else { 20 + (number as usize * 37) % 900 };
    let mut body = number.to_be_bytes().to_vec();
    body.extend((0..bytes).map(|at| (number as usize + at) as u8));
    body
}

fn number_of(body: &[u8]) -> u64 {
    u64::from_be_bytes(*body.first_chunk().expect("a number in front"))
}

/// Publishes the messages from `first` on until so many are confirmed; those confirmed, and the
/// first that was not published.
async fn publish_until(peer: &mut Peer, first: u64, enough: u64) -> (BTreeSet<u64>, u64) {
    peer.ask(confirm_select(), confirm_select_ok()).await;
    let (mut open, mut confirmed) = (BTreeSet::new(), BTreeSet::new());
    let mut next = first;
    while (confirmed.len() as u64) < enough {
        while (open.len() as u64) < AHEAD {
            peer.send(publish("", QUEUE, &body(next)).persistent()).await;
            open.insert(next);
            next += 1;
        }
        match peer.next_method_on(1, "a confirm").await {
            AMQPClass::Basic(AMQPMethod::Ack(m)) => {
                let last = first + m.delivery_tag - 1;
                let settled = |number: &u64| *number == last || m.multiple && *number < last;
                let (now, later) = open.into_iter().partition(settled);
                (confirmed, open) = (&confirmed | &now, later);
            }
            other => peer.fail("a confirm", &format!("{other:?}")),
        }
    }
    (confirmed, next)
}

#[tokio::test]
async fn what_was_confirmed_survives_a_kill() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos());
    let seed: u64 = number("WARREN_SEED").unwrap_or_else(|| clock() as u64);
    eprintln!("WARREN_SEED={seed}");
    let data = tempfile::tempdir().expect("a directory");
    let mut program = Program::start(data.path());
    let mut peer = program.peer().await;
    let declared = || queue_declare(QUEUE).durable();
    peer.ask(declared(), queue_declare_ok(QUEUE, 0, 0)).await;
    let (mut confirmed, mut first) = (BTreeSet::new(), 1);
    for crash in 0..number("WARREN_CRASHES").unwrap_or(CRASHES) {
        let enough = 1 + (seed >> (crash % 32)) % 300;
        let (more, next) = publish_until(&mut peer, first, enough).await;
        confirmed.extend(more);
        first = next;
        program.kill();
        program = Program::start(data.path());
        peer = program.peer().await;
        let what = format!("WARREN_SEED={seed}, crash {crash}");
        let found = take_all(&mut peer, first, &what).await;
        let lost: Vec<&u64> = confirmed.iter().filter(|number| !found.contains(number)).collect();
        assert!(lost.is_empty(), "{what}: lost {lost:?}");
        // What was published and not confirmed may be there or not; if it is, it stays.
        confirmed.extend(found);
    }
}

/// Gets every message without acking it, then gives them all back.
async fn take_all(peer: &mut Peer, end: u64, what: &str) -> Vec<u64> {
    let mut found = Vec::new();
    loop {
        peer.send(get(QUEUE)).await;
        match peer.next(1, "a message or none").await {
            Item::Content { method: AMQPMethod::GetOk(m), body: came, .. } => {
                let number = number_of(&came);
                assert!(came == body(number), "{what}: {number} is not whole");
                assert!(number < end, "{what}: {number} was never published");
                assert!(m.redelivered, "{what}: {number} is not marked as redelivered");
                assert!(found.last().is_none_or(|last| *last < number), "{what}: {number} is late");
                found.push(number);
            }
            Item::Method(AMQPClass::Basic(AMQPMethod::GetEmpty(_))) => break,
            Item::Method(other) => peer.fail("a message or none", &format!("{other:?}")),
            Item::Content { .. } | Item::Heartbeat => peer.fail("a message or none", "another"),
        }
    }
    // Closing the channel puts them back; the next one sees them in their places.
    peer.close_channel(1).await;
    peer.open_channel(1).await;
    found
}
