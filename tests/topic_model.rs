//! The topic matcher against the definition of matching, over random bindings and keys.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use warren::amqp::table::{Table, TableBuilder};
use warren::exchange::Topic;

type Words<'a> = Vec<&'a str>;

fn words(key: &str) -> Words<'_> {
    if key.is_empty() { Vec::new() } else { key.split('.').collect() }
}

/// Word for word what the specification says, and as slow as it sounds.
fn matches(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], []) => true,
        (["#", rest @ ..], _) => (0..=key.len()).any(|taken| matches(rest, &key[taken..])),
        (["*", rest @ ..], [_, left @ ..]) => matches(rest, left),
        ([word, rest @ ..], [first, left @ ..]) => word == first && matches(rest, left),
        _ => false,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Bound {
    pattern: String,
    argument: Option<i32>,
    to: u8,
}

impl Bound {
    fn arguments(&self) -> Table {
        let table = TableBuilder::new();
        self.argument.into_iter().fold(table, |table, n| table.int("n", n)).build()
    }
}

fn listed(topic: &Topic<u8>) -> HashSet<Bound> {
    let argument = |table: &Table| table.view().get("n").and_then(|n| n.to_string().parse().ok());
    topic
        .iter()
        .map(|b| Bound {
            pattern: String::from_utf8_lossy(b.key).into_owned(),
            argument: argument(b.arguments),
            to: *b.to,
        })
        .collect()
}

fn assert_routes(topic: &Topic<u8>, bound: &HashSet<Bound>, key: &str) {
    let mut found = Vec::new();
    topic.route(key.as_bytes(), None, &mut |to| found.push(*to));
    found.sort_unstable();
    let wanted = bound.iter().filter(|b| matches(&words(&b.pattern), &words(key)));
    let mut wanted: Vec<_> = wanted.map(|b| b.to).collect();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "key {key:?} with {bound:?}");
}

fn any_pattern() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["a", "b", "", "*", "#", "#", "a*"]);
    vec(word, 0..6).prop_map(|words| words.join("."))
}

fn any_key() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["a", "a", "b", "b", "c", "", "*", "#", "a*"]);
    vec(word, 0..8).prop_map(|words| words.join("."))
}

fn any_step() -> impl Strategy<Value = (bool, Bound)> {
    (prop::bool::weighted(0.7), any_pattern(), prop::option::weighted(0.2, 0..2), 0..3_u8)
        .prop_map(|(bind, pattern, argument, to)| (bind, Bound { pattern, argument, to }))
}

proptest! {
    #[test]
    fn routes_are_those_of_the_definition(
        steps in vec(any_step(), 0..60),
        keys in vec(any_key(), 1..12),
    ) {
        let mut topic = Topic::default();
        let mut bound = HashSet::new();
        for (bind, step) in steps {
            let (key, arguments) = (step.pattern.as_bytes(), step.arguments());
            if bind {
                prop_assert_eq!(topic.bind(key, &arguments, step.to), bound.insert(step));
            } else {
                prop_assert_eq!(topic.unbind(key, &arguments, &step.to), bound.remove(&step));
            }
            prop_assert_eq!(topic.len(), bound.len());
            assert_routes(&topic, &bound, &keys[0]);
        }
        prop_assert_eq!(&listed(&topic), &bound);
        prop_assert_eq!(topic.iter().count(), bound.len());
        for key in &keys {
            assert_routes(&topic, &bound, key);
        }
        for gone in bound.clone() {
            prop_assert!(topic.unbind(gone.pattern.as_bytes(), &gone.arguments(), &gone.to));
            bound.remove(&gone);
            assert_routes(&topic, &bound, &keys[0]);
        }
        prop_assert!(topic.is_empty() && topic.iter().next().is_none());
    }
}

/// Trying out where each `#` ends would take some 10^12 steps here. The bound is generous, for
/// machines that do other things too.
#[test]
fn many_wildcards_take_no_time() {
    let mut topic = Topic::default();
    for (to, pattern) in ["#.a.#.a.#.a.#.a.#.a.#.a.#.a.#.b", "#.#.#.#.#.#.#.#"].iter().enumerate() {
        topic.bind(pattern.as_bytes(), &Table::default(), to);
    }
    let key = vec!["a"; 127].join(".");
    let started = Instant::now();
    let mut found = Vec::new();
    topic.route(key.as_bytes(), None, &mut |to| found.push(*to));
    assert_eq!(found, [1]);
    assert!(started.elapsed() < Duration::from_millis(50), "{:?}", started.elapsed());
}
