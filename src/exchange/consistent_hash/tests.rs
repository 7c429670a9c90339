//! Tests of `consistent_hash.rs`.

use super::*;
use crate::amqp::properties::Properties;
use crate::amqp::table::TableBuilder;

const KEYS: u32 = 20_000;

fn ring(members: &[(u8, &str)]) -> ConsistentHash<u8> {
    let mut ring = ConsistentHash::new(HashOn::Keys);
    for (to, weight) in members {
        assert!(ring.bind(weight.as_bytes(), &Table::default(), *to));
    }
    ring
}

fn route(ring: &ConsistentHash<u8>, keys: &[&[u8]], properties: &Properties<'_>) -> Option<u8> {
    let mut found = Vec::new();
    ring.route(&Subject { keys, properties }, &mut |to| found.push(*to));
    assert!(found.len() <= 1, "one destination per message");
    found.pop()
}

fn by_key(ring: &ConsistentHash<u8>, key: &str) -> Option<u8> {
    route(ring, &[key.as_bytes()], &Properties::default())
}

fn all(ring: &ConsistentHash<u8>) -> Vec<u8> {
    (0..KEYS).map(|n| by_key(ring, &format!("key-{n}")).unwrap()).collect()
}

fn share(chosen: &[u8], to: u8) -> f64 {
    chosen.iter().map(|c| f64::from(u8::from(*c == to))).sum::<f64>() / f64::from(KEYS)
}

#[test]
fn messages_are_shared_out_by_weight() {
    let chosen = all(&ring(&[(1, "1"), (2, "2"), (3, "3"), (4, "10")]));
    for (to, weight) in [(1, 1.0), (2, 2.0), (3, 3.0), (4, 10.0)] {
        let expected = weight / 16.0;
        assert!((share(&chosen, to) - expected).abs() < 0.02, "{to}: {}", share(&chosen, to));
    }
}

#[test]
fn the_largest_weight_costs_nothing_and_leaves_something_to_the_smallest() {
    let chosen = all(&ring(&[(1, "1000000"), (2, "1000000"), (3, "1")]));
    assert!((share(&chosen, 1) - 0.5).abs() < 0.02);
    assert!(share(&chosen, 3) < 0.001);
}

#[test]
fn one_destination_gets_everything_and_none_nothing() {
    assert!(all(&ring(&[(7, "3")])).iter().all(|to| *to == 7));
    assert_eq!(by_key(&ring(&[]), "k"), None);
}

#[test]
fn a_new_destination_takes_its_share_and_moves_nothing_else() {
    let before = all(&ring(&[(1, "1"), (2, "1"), (3, "1"), (4, "1")]));
    let after = all(&ring(&[(1, "1"), (2, "1"), (3, "1"), (4, "1"), (5, "1")]));
    assert!(before.iter().zip(&after).all(|(b, a)| a == b || *a == 5));
    assert!((share(&after, 5) - 0.2).abs() < 0.02);
}

#[test]
fn a_lost_destination_gives_its_share_away_and_moves_nothing_else() {
    let mut ring = ring(&[(1, "2"), (2, "1"), (3, "1"), (4, "1")]);
    let before = all(&ring);
    assert!(ring.unbind(b"2", &Table::default(), &1));
    let after = all(&ring);
    assert!(before.iter().zip(&after).all(|(b, a)| a == b || *b == 1));
    assert!((2..=4).all(|to| (share(&after, to) - 1.0 / 3.0).abs() < 0.02));
}

#[test]
fn neither_history_nor_order_matters() {
    let one = ring(&[(1, "1"), (2, "2"), (3, "3")]);
    let mut other = ring(&[(3, "3"), (9, "5"), (1, "1"), (2, "2")]);
    assert!(other.unbind(b"5", &Table::default(), &9));
    assert_eq!(all(&one), all(&other));
}

/// These are what they were when the exchange type came: a change here sends keys elsewhere.
#[test]
fn keys_stay_where_they_are() {
    let ring = ring(&[(1, "1"), (2, "1"), (3, "1"), (4, "1")]);
    let chosen: Vec<_> = (0..16).filter_map(|n| by_key(&ring, &format!("key-{n}"))).collect();
    assert_eq!(chosen, [4, 2, 4, 1, 4, 1, 2, 3, 3, 3, 1, 1, 3, 4, 2, 4]);
}

#[test]
fn the_first_weight_of_a_destination_counts() {
    let some = TableBuilder::new().int("a", 1).build();
    let mut ring = ring(&[(1, "1"), (2, "1")]);
    let before = all(&ring);
    assert!(ring.bind(b"1000", &Table::default(), 1) && ring.bind(b"1", &some, 1));
    assert!(!ring.bind(b"1000", &Table::default(), 1), "it exists");
    assert_eq!((all(&ring), ring.len()), (before.clone(), 4));
    assert!(ring.unbind(b"1", &Table::default(), &1));
    assert!(share(&all(&ring), 1) > 0.95, "now the second one does");
    assert!(ring.unbind(b"1000", &Table::default(), &1));
    assert_eq!(all(&ring), before);
    assert!(ring.unbind(b"1", &some, &1) && !ring.unbind(b"1", &some, &1));
    assert!(ring.unbind(b"1", &Table::default(), &2));
    assert!(ring.is_empty() && ring.iter().count() == 0 && by_key(&ring, "k").is_none());
}

#[test]
fn all_keys_of_a_message_count_together() {
    let ring = ring(&[(1, "1"), (2, "1"), (3, "1"), (4, "1")]);
    let second = (0..50).map(|n| format!("cc-{n}"));
    let chosen = second.map(|cc| route(&ring, &[b"a", cc.as_bytes()], &Properties::default()));
    let chosen: std::collections::HashSet<_> = chosen.collect();
    assert_eq!(chosen.len(), 4, "the second key has a say");
}

#[test]
fn other_things_can_be_hashed_than_keys() {
    for on in ["message_id", "correlation_id", "timestamp", "header"] {
        let on = HashOn::property(on.as_bytes()).unwrap_or(HashOn::Header(b"h".as_slice().into()));
        let mut ring = ConsistentHash::new(on.clone());
        for to in 1..=4 {
            ring.bind(b"1", &Table::default(), to);
        }
        let mut chosen = std::collections::HashSet::new();
        for n in 0..50 {
            let (text, headers) = (n.to_string(), TableBuilder::new().int("h", n).build());
            let text = Some(text.as_bytes());
            let mut properties = Properties::default();
            match &on {
                HashOn::MessageId => properties.message_id = text,
                HashOn::CorrelationId => properties.correlation_id = text,
                HashOn::Timestamp => properties.timestamp = Some(u64::from(n.unsigned_abs())),
                HashOn::Header(_) => properties.headers = Some(headers.view()),
                HashOn::Keys => unreachable!("keys are no property"),
            }
            let to = route(&ring, &[b"one"], &properties);
            assert_eq!(to, route(&ring, &[b"another"], &properties), "keys have no say");
            chosen.insert(to);
        }
        assert_eq!(chosen.len(), 4, "{on:?}");
        assert!(by_key(&ring, "without it").is_some());
        assert_eq!(by_key(&ring, "a"), by_key(&ring, "b"));
    }
}

#[test]
fn weights_are_positive_numbers_up_to_the_largest() {
    for (key, expected) in [("1", 1), ("+7", 7), ("01", 1), ("1000000", WEIGHT_MAX)] {
        assert_eq!(weight(key.as_bytes()), Ok(expected));
    }
    let refused = |key: &str| weight(key.as_bytes()).unwrap_err();
    assert_eq!(refused("a"), "The binding key must be an integer: <<\"a\">>");
    assert_eq!(refused(""), "The binding key must be an integer: <<>>");
    for key in ["1.5", " 1", "1 ", "-", "+", "+-1", "1e3"] {
        assert!(refused(key).starts_with("The binding key must be an integer"), "{key:?}");
    }
    for key in ["0", "-1", "-0", "00", "-99999999999999999999"] {
        assert_eq!(refused(key), "The binding key must be greater than 0", "{key:?}");
    }
    for key in ["1000001", "99999999999999999999999"] {
        assert_eq!(refused(key), "The binding key must not exceed 1000000", "{key:?}");
    }
}

#[test]
fn waiting_times_are_logarithms() {
    for (high, low) in [(0, 1), (0, 3), (0, 0xffff), (256, 1), (1 << 31, 1), (u32::MAX, u32::MAX)] {
        let hash = u64::from(high) << 32 | u64::from(low);
        let expected = -(f64::from(high) / 2_f64.powi(32) + f64::from(low) / 2_f64.powi(64)).ln();
        assert!((waiting_time(hash) - expected).abs() < 1e-9, "{hash:x}");
        assert!(waiting_time(hash) > 0.0);
    }
}
