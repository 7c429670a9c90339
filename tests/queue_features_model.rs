//! What queues do beyond order and acknowledgement, against a naive model: expiry, dead letters,
//! limits, priorities, delivery limits, a single active consumer and the lease, all at once, with
//! rules that change on the way, while messages leave memory and come back late.
//!
//! The test plays the connections, the store, the clock and whoever brings the dead on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::collection::vec;
use proptest::prelude::*;

mod features;
#[path = "common/shelf.rs"]
mod shelf;

use features::steps::{AnyRules, How, Outcome, Step, any_nature, any_rules, any_step};
use features::world::World;
use warren::queue::{Nature, Overflow, QueueKind, Rules};

/// Small ones have nearly everything leave memory.
fn any_window() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), Just(600), Just(usize::MAX / 4)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_queue_keeps_to_its_rules(
        nature in any_nature(),
        rules in any_rules(),
        window_bytes in any_window(),
        steps in vec(any_step(), 1..120),
    ) {
        let mut world = World::new(nature, &rules, window_bytes);
        for step in steps {
            world.run(step)?;
        }
        world.come_to_rest()?;
    }
}

/// Steps that once led astray: the model says what has to come of them.
fn replay(nature: Nature, rules: Rules, has_dead_letter: bool, steps: impl Into<Vec<Step>>) {
    let rules = AnyRules::exactly(rules, has_dead_letter, true);
    let mut world = World::new(nature, &rules, usize::MAX / 4);
    let run = || {
        steps.into().into_iter().try_for_each(|step| world.run(step))?;
        world.come_to_rest()
    };
    run().unwrap_or_else(|error| panic!("{error}"));
}

fn publish(expiration_ms: Option<u64>, priority: Option<u8>) -> Step {
    Step::Publish { body_bytes: 1, priority, expiration_ms, stored: true }
}

fn requeue() -> Step {
    Step::Settle { channel: 0, picks: vec![0], how: How::Requeue { failed: true } }
}

fn other_rules(rules: Rules, has_dead_letter: bool) -> Step {
    Step::Rules(AnyRules::exactly(rules, has_dead_letter, true))
}

const CONSUME: Step = Step::Consume { channel: 0, no_ack: false, priority: 0, prefetch: 0 };
const GET: Step = Step::Get { channel: 0, no_ack: false };

#[test]
fn a_message_expires_in_time_when_the_queue_goes_later() {
    let rules = Rules { message_ttl_ms: Some(5), expires_ms: Some(1000), ..Rules::default() };
    replay(Nature::default(), rules, false, [Step::Declare, publish(None, None)]);
}

#[test]
fn a_message_that_comes_back_expires_before_those_behind_it() {
    let rules = Rules { message_ttl_ms: Some(20), ..Rules::default() };
    let later = Step::Time { ms: 10, in_time: true };
    let (cancel, first, second) =
        (Step::Cancel { which: 0 }, publish(None, None), publish(None, None));
    let steps = [CONSUME, first, cancel, later, second, requeue()];
    replay(Nature::default(), rules, false, steps);
}

#[test]
fn a_message_of_a_lower_level_expires_in_time() {
    let nature = Nature { max_priority: Some(5), ..Nature::default() };
    let steps = [publish(Some(1000), Some(5)), publish(Some(5), Some(1))];
    replay(nature, Rules::default(), false, steps);
}

#[test]
fn a_message_that_comes_back_to_an_empty_queue_expires() {
    let steps = [publish(Some(5), None), GET, Step::Purge, requeue()];
    replay(Nature::default(), Rules::default(), false, steps);
}

#[test]
fn a_consumer_that_has_left_takes_nothing_from_a_full_queue() {
    let rules =
        Rules { max_length: Some(0), overflow: Overflow::RejectPublish, ..Rules::default() };
    let steps = [CONSUME, Step::Cancel { which: 0 }, publish(None, None)];
    replay(Nature::default(), rules, false, steps);
}

#[test]
fn the_dead_go_when_their_exchange_is_taken_away_from_under_them() {
    let reject = Step::Settle { channel: 0, picks: vec![0], how: How::Reject };
    let steps = [
        publish(None, None),
        GET,
        reject,
        Step::Host(vec![Outcome::Taken]),
        other_rules(Rules::default(), false),
        Step::Host(vec![Outcome::NoRoom]),
    ];
    replay(Nature::default(), Rules::default(), true, steps);
}

#[test]
fn the_dead_that_nobody_wanted_do_not_push_the_living_out() {
    let nature = Nature { kind: QueueKind::Quorum, ..Nature::default() };
    let keeps =
        Rules { message_ttl_ms: Some(0), overflow: Overflow::RejectPublish, ..Rules::default() };
    let steps = [
        publish(None, None),
        Step::Host(vec![Outcome::Taken]),
        Step::Host(vec![Outcome::Refused]),
        other_rules(Rules { max_length: Some(1), ..Rules::default() }, true),
        publish(None, None),
    ];
    replay(nature, keeps, true, steps);
}
