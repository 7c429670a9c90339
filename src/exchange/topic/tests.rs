//! Tests of `topic.rs`.

use super::*;
use crate::amqp::table::TableBuilder;

fn bound(patterns: &[&str]) -> Topic<usize> {
    let mut topic = Topic::default();
    for (to, pattern) in patterns.iter().enumerate() {
        assert!(topic.bind(pattern.as_bytes(), &Table::default(), to));
    }
    topic
}

fn route(topic: &Topic<usize>, key: &str) -> Vec<usize> {
    let mut found = Vec::new();
    topic.route(key.as_bytes(), None, &mut |to| found.push(*to));
    found.sort_unstable();
    found
}

fn matches(pattern: &str, key: &str) -> bool {
    !route(&bound(&[pattern]), key).is_empty()
}

#[test]
fn an_empty_key_has_no_words() {
    assert!(["", "#", "#.#"].iter().all(|pattern| matches(pattern, "")));
    assert!(!["*", "*.#", "a", ".", "#.*"].iter().any(|pattern| matches(pattern, "")));
}

#[test]
fn dots_at_the_ends_make_empty_words() {
    assert!(matches("a.", "a.") && !matches("a.", "a") && !matches("a", "a."));
    assert!(matches("*.*", ".") && !matches("*", ".") && matches(".", "."));
    assert!(matches("a.*", "a.") && matches("a.#", "a.") && matches("#.", "a."));
}

#[test]
fn a_star_is_one_word_and_a_hash_any_number() {
    assert!(matches("*.b", "a.b") && !matches("*.b", "b") && !matches("*.b", "a.a.b"));
    assert!(matches("#.x", "x") && matches("x.#", "x") && matches("#.x.#", "a.x.b.c"));
    assert!(matches("a.#.b", "a.b") && matches("a.#.b", "a.x.b.b") && !matches("a.#.b", "a.b.c"));
    assert!(matches("#.*", "a") && matches("*.#", "a") && matches("#.*.#.*", "a.b"));
}

#[test]
fn wildcards_are_whole_words() {
    assert!(matches("a*", "a*") && !matches("a*", "ab") && !matches("#a", "b.a"));
    assert!(!matches("a", "*") && matches("*", "#") && !matches("b.c", "b.#"));
}

#[test]
fn every_matching_binding_is_reported_once() {
    let topic = bound(&["#", "#.#", "a.#", "#.b.#", "*.b", "a.b", "a.*.#", "b.#", "#.#.b.#.#"]);
    assert_eq!(route(&topic, "a.b"), [0, 1, 2, 3, 4, 5, 6, 8]);
    assert_eq!(route(&topic, "b.b.b.b"), [0, 1, 3, 7, 8]);
}

#[test]
fn arguments_tell_bindings_apart() {
    let mut topic = bound(&["a.*"]);
    let some = TableBuilder::new().int("a", 1).build();
    assert!(topic.bind(b"a.*", &some, 0) && !topic.bind(b"a.*", &some, 0));
    assert_eq!(route(&topic, "a.b"), [0, 0]);
    assert!(!topic.unbind(b"a.b", &some, &0) && !topic.unbind(b"a", &some, &0));
    assert!(topic.unbind(b"a.*", &Table::default(), &0));
    assert_eq!(
        topic.iter().collect::<Vec<_>>(),
        [Binding { key: b"a.*", arguments: &some, to: &0 }]
    );
}

#[test]
fn a_removed_pattern_takes_its_nodes_along_and_no_others() {
    let patterns = ["a.b.c.d", "a.b", "a.b.x", "a.#.c", "", "*", "a.b.c.*"];
    let mut topic = bound(&patterns);
    for (to, pattern) in patterns.iter().enumerate() {
        assert!(topic.unbind(pattern.as_bytes(), &Table::default(), &to));
        let left: usize = topic.root.tree().count();
        let fresh = bound(&patterns[to + 1..]);
        assert_eq!(left, fresh.root.tree().count(), "{pattern}");
        assert_eq!(topic.iter().count(), topic.len());
    }
    assert!(topic.is_empty() && topic.root.literal.capacity() == 0);
}

/// Trying out one way after another would not come back from this.
#[test]
fn many_wildcards_do_not_multiply() {
    let hashes = vec!["#"; 60].join(".a.");
    let mixed = vec!["#.*"; 60].join(".");
    let plain = vec!["#"; 128].join(".");
    let topic = bound(&[&hashes, &mixed, &plain, &format!("{hashes}.b")]);
    assert_eq!(route(&topic, &vec!["a"; 127].join(".")), [0, 1, 2]);
}

#[test]
fn a_step_is_taken_once_per_node_and_word_at_most() {
    let mut topic = Topic::default();
    for depth in 1..60 {
        let pattern = format!("#{}", ".*.#".repeat(depth));
        assert!(topic.bind(pattern.as_bytes(), &Table::default(), depth));
    }
    assert_eq!(route(&topic, &vec!["a"; 127].join(".")), (1..60).collect::<Vec<_>>());
}
