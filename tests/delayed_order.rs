//! Ten thousand delayed messages come in the order in which they are due (behaviour 14.11).
//!
//! `WARREN_SEED` makes the delays.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use amq_protocol::protocol::basic::AMQPMethod;
use common::damage::Random;
use common::delayed::{ROUNDING, WHY, bound, later};
use common::*;

/// So many that no accident sorts them.
const MANY: usize = 10_000;
const DELAY_MAX_MS: usize = 2000;

/// What was sent, when, and how long it is to wait.
struct Sent {
    delay_ms: u64,
    from: Instant,
    /// Confirmed: the broker has begun to count before.
    until: Instant,
}

/// Publishes messages with random delays, each with its number as body; a few unconfirmed at a
/// time, so that it is known quite well when the broker got each.
async fn publish_random(peer: &mut Peer, exchange: &str, random: &mut Random) -> Vec<Sent> {
    const AHEAD: usize = 50;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    let (mut all, mut open) = (Vec::<Sent>::new(), BTreeSet::new());
    while all.len() < MANY || !open.is_empty() {
        while all.len() < MANY && open.len() < AHEAD {
            // Not 0: what does not wait at all is in no order with what does.
            let delay_ms = 1 + random.below(DELAY_MAX_MS - 1) as u64;
            let (number, from) = (all.len(), Instant::now());
            let body = (number as u32).to_be_bytes();
            peer.send(later(exchange, "k", delay_ms as i32, &body)).await;
            all.push(Sent { delay_ms, from, until: from });
            open.insert(number);
        }
        match peer.next_method_on(1, "a confirm").await {
            AMQPClass::Basic(AMQPMethod::Ack(m)) => {
                let last = m.delivery_tag as usize - 1;
                let first = if m.multiple { 0 } else { last };
                let settled: Vec<usize> = open.extract_if(first..=last, |_| true).collect();
                for number in settled {
                    all[number].until = Instant::now();
                }
            }
            other => peer.fail("a confirm", &format!("{other:?}")),
        }
    }
    all
}

/// No message came before one that was certainly due earlier.
fn assert_in_order(sent: &[Sent], came: &[usize]) {
    // Whoever was sent earlier and waits no longer is due earlier, whatever the clock says.
    let mut first_sent_after = vec![usize::MAX; DELAY_MAX_MS];
    for &number in came.iter().rev() {
        let delay = sent[number].delay_ms as usize;
        let earliest = first_sent_after[..=delay].iter().min().expect("at least one");
        assert!(*earliest > number, "{number} came before {earliest}");
        first_sent_after[delay] = first_sent_after[delay].min(number);
    }
    // And who waits less may overtake: then the clock decides, as far as it is known.
    let due = |at: Instant, sent: &Sent| at + Duration::from_millis(sent.delay_ms);
    let mut latest = due(sent[came[0]].from, &sent[came[0]]);
    for &number in came {
        let in_time = due(sent[number].until, &sent[number]) + ROUNDING;
        assert!(latest <= in_time, "{number} came {:?} late", latest - in_time);
        latest = latest.max(due(sent[number].from, &sent[number]));
    }
}

/// Sent at these milliseconds with these delays, and confirmed 5 ms later.
fn sent(times_ms: &[(u64, u64)]) -> Vec<Sent> {
    let start = Instant::now();
    let sent = |&(at_ms, delay_ms): &(u64, u64)| {
        let from = start + Duration::from_millis(at_ms);
        Sent { delay_ms, from, until: from + Duration::from_millis(5) }
    };
    times_ms.iter().map(sent).collect()
}

#[test]
fn the_check_takes_every_order_that_may_be_right() {
    assert_in_order(&sent(&[(0, 100), (50, 10), (60, 40)]), &[1, 0, 2]);
    // Both are due at about the same time.
    assert_in_order(&sent(&[(0, 100), (50, 48)]), &[0, 1]);
    assert_in_order(&sent(&[(0, 100), (50, 48)]), &[1, 0]);
}

#[test]
#[should_panic(expected = "1 came before 0")]
fn the_check_sees_one_that_overtakes_without_waiting_less() {
    assert_in_order(&sent(&[(0, 100), (0, 100)]), &[1, 0]);
}

#[test]
#[should_panic(expected = "late")]
fn the_check_sees_one_that_should_have_overtaken() {
    assert_in_order(&sent(&[(0, 100), (20, 30)]), &[0, 1]);
}

#[tokio::test]
async fn ten_thousand_come_in_the_order_in_which_they_are_due() {
    let Some(broker) = only_on_warren(WHY).await else { return };
    let mut random = Random::seeded();
    eprintln!("{random}");
    let (mut publisher, mut peer) = (broker.peer().await, broker.peer().await);
    let (exchange, queue) = bound(&mut peer, "direct", "k").await;
    let receive = async {
        let mut came = Vec::with_capacity(MANY);
        for _ in 0..MANY {
            let message = peer.next_message(1).await;
            let number = u32::from_be_bytes(message.body.try_into().expect("a number")) as usize;
            came.push((number, Instant::now()));
        }
        came
    };
    let publish = publish_random(&mut publisher, &exchange, &mut random);
    let (all, came) = tokio::join!(publish, receive);
    for &(number, at) in &came {
        let due = all[number].from + Duration::from_millis(all[number].delay_ms);
        assert!(at + ROUNDING >= due, "{number} came {:?} early", due - at);
    }
    let order: Vec<usize> = came.iter().map(|(number, _)| *number).collect();
    assert_in_order(&all, &order);
    publisher.expect_counts(&queue, 0, 1).await;
    broker.stop_and_check().await;
}
