//! Tests of `headers.rs`.

use super::*;
use crate::amqp::table::TableBuilder;

fn table(entries: &[(&str, Value<'_>)]) -> Table {
    entries.iter().fold(TableBuilder::new(), |t, (name, value)| t.value(name, value)).build()
}

fn text(value: &str) -> Value<'_> {
    Value::LongString(value.as_bytes())
}

fn route(headers: &Headers<usize>, message: Option<&Table>) -> Vec<usize> {
    let mut found = Vec::new();
    headers.route(b"", message.map(Table::view), &mut |to| found.push(*to));
    found.sort_unstable();
    found
}

fn matches(arguments: &[(&str, Value<'_>)], message: &[(&str, Value<'_>)]) -> bool {
    let mut headers = Headers::default();
    assert!(headers.bind(b"", &table(arguments), 0));
    !route(&headers, Some(&table(message))).is_empty()
}

const ONE: Value<'static> = Value::I32(1);
const TWO: Value<'static> = Value::I32(2);

#[test]
fn all_is_the_default_and_any_needs_one() {
    let both = [("a", ONE), ("b", TWO)];
    assert!(matches(&both, &both) && matches(&both, &[("b", TWO), ("c", ONE), ("a", ONE)]));
    assert!(!matches(&both, &[("a", ONE)]) && !matches(&both, &[("a", ONE), ("b", ONE)]));
    let any = [("x-match", text("any")), ("a", ONE), ("b", TWO)];
    assert!(matches(&any, &[("b", TWO)]) && matches(&any, &both));
    assert!(!matches(&any, &[("b", ONE)]) && !matches(&any, &[("c", TWO)]));
}

#[test]
fn names_with_x_count_only_if_asked_for() {
    let entries = |rule| [("x-match", text(rule)), ("x-a", ONE), ("b", TWO)];
    assert!(matches(&entries("all"), &[("b", TWO)]));
    assert!(!matches(&entries("all-with-x"), &[("b", TWO)]));
    assert!(matches(&entries("all-with-x"), &[("b", TWO), ("x-a", ONE)]));
    assert!(!matches(&entries("any"), &[("x-a", ONE)]));
    assert!(matches(&entries("any-with-x"), &[("x-a", ONE)]));
    assert!(!matches(&[("x-match", text("any-with-x"))], &entries("any-with-x")));
}

#[test]
fn with_no_entries_left_all_matches_everything_and_any_nothing() {
    let mut headers = Headers::default();
    let all = table(&[("x-match", text("all")), ("x-ignored", ONE)]);
    let any = table(&[("x-match", text("any"))]);
    assert!(headers.bind(b"", &all, 0) && headers.bind(b"", &any, 1));
    assert!(headers.bind(b"", &table(&[("a", Value::Void)]), 2));
    assert_eq!(route(&headers, None), [0]);
    assert_eq!(route(&headers, Some(&Table::default())), [0]);
    assert_eq!(route(&headers, Some(&table(&[("a", ONE)]))), [0, 2]);
}

#[test]
fn a_void_entry_asks_for_the_name_only() {
    for rule in ["all", "any"] {
        let entries = [("x-match", text(rule)), ("a", Value::Void)];
        assert!(matches(&entries, &[("a", TWO)]) && matches(&entries, &[("a", Value::Void)]));
        assert!(!matches(&entries, &[("b", Value::Void)]));
    }
    assert!(!matches(&[("a", ONE)], &[("a", Value::Void)]));
}

#[test]
fn values_are_compared_by_family() {
    assert!(matches(&[("a", ONE)], &[("a", Value::I64(1))]));
    assert!(matches(&[("a", text("1"))], &[("a", Value::Bytes(b"1"))]));
    assert!(matches(&[("a", Value::Timestamp(1))], &[("a", Value::Timestamp(1))]));
    assert!(!matches(&[("a", ONE)], &[("a", text("1"))]));
    assert!(!matches(&[("a", ONE)], &[("a", Value::F64(1.0))]));
    assert!(!matches(&[("a", ONE)], &[("a", Value::Bool(true))]));
    let inner = table(&[("n", ONE)]);
    assert!(matches(&[("a", Value::Table(inner.view()))], &[("a", Value::Table(inner.view()))]));
}

#[test]
fn a_binding_is_reported_once_and_the_first_of_repeated_headers_counts() {
    let mut headers = Headers::default();
    let any = [("x-match", text("any")), ("a", ONE), ("b", TWO), ("a", Value::Void), ("b", TWO)];
    assert!(headers.bind(b"", &table(&any), 0) && headers.bind(b"", &table(&[("a", ONE)]), 1));
    let message = table(&[("a", ONE), ("b", TWO), ("a", ONE)]);
    assert_eq!(route(&headers, Some(&message)), [0, 1]);
    let message = table(&[("a", TWO), ("b", ONE), ("a", ONE)]);
    assert_eq!(route(&headers, Some(&message)), [0]);
}

#[test]
fn bindings_are_filed_where_few_others_are() {
    let mut headers = Headers::default();
    for number in 0..1_000 {
        let entries = [("kind", text("job")), ("id", Value::I64(number)), ("any", Value::Void)];
        assert!(headers.bind(b"", &table(&entries), 0));
    }
    let most = headers.by_entry.values().map(SmallVec::len).max();
    assert!(most <= Some(2) && headers.by_name.is_empty(), "{most:?}");
}

#[test]
fn key_and_order_of_arguments() {
    let mut headers = Headers::default();
    let (one, turned) = (table(&[("a", ONE), ("b", ONE)]), table(&[("b", ONE), ("a", ONE)]));
    assert!(headers.bind(b"k", &one, 0) && !headers.bind(b"k", &turned, 0));
    assert!(headers.bind(b"", &one, 0) && headers.len() == 2);
    assert!(headers.unbind(b"k", &turned, &0) && !headers.unbind(b"k", &one, &0));
    assert_eq!(headers.iter().map(|b| b.key).collect::<Vec<_>>(), [b""]);
}

#[test]
fn slots_are_used_again_and_given_back() {
    let mut headers = Headers::default();
    let arguments = |n| table(&[("x-match", text("any")), ("a", Value::I64(n)), ("b", ONE)]);
    for round in 0..3 {
        for number in 0..100 {
            assert!(headers.bind(b"", &arguments(number), round));
        }
        for number in 0..if round == 0 { 99 } else { 100 } {
            assert!(headers.unbind(b"", &arguments(number), &round));
        }
    }
    assert_eq!((headers.slots.len(), headers.by_entry.len(), headers.len()), (101, 2, 1));
    assert!(headers.unbind(b"", &arguments(99), &0));
    assert!(headers.slots.capacity() == 0 && headers.by_entry.capacity() == 0);
}
