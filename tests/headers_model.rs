//! The headers matcher against a plain comparison of every binding with every message.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use warren::amqp::table::{Table, TableBuilder, TableView, Value};
use warren::exchange::Headers;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Bound {
    key: &'static str,
    arguments: Table,
    to: u8,
}

impl Bound {
    fn matches(&self, message: Option<TableView<'_>>) -> bool {
        let arguments = self.arguments.view();
        let rule = arguments.get("x-match").and_then(|v| v.as_str()).unwrap_or("all");
        let with_x = rule.ends_with("-with-x");
        let counts = |name: &[u8]| {
            if with_x { name != b"x-match" } else { !name.starts_with(b"x-") }
        };
        let matched = |(name, wanted): (&[u8], Value<'_>)| {
            // The first of repeated names.
            let header = message.and_then(|m| m.iter().find(|(known, _)| *known == name));
            header.is_some_and(|(_, v)| wanted.type_name() == "void" || v.equals(&wanted))
        };
        let mut entries = arguments.iter().filter(|(name, _)| counts(name));
        if rule.starts_with("any") { entries.any(matched) } else { entries.all(matched) }
    }
}

fn assert_routes(headers: &Headers<u8>, bound: &HashSet<Bound>, message: Option<&Table>) {
    let view = message.map(Table::view);
    let mut found = Vec::new();
    headers.route(b"any key", view, &mut |to| found.push(*to));
    found.sort_unstable();
    let mut wanted: Vec<_> = bound.iter().filter(|b| b.matches(view)).map(|b| b.to).collect();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{message:?} with {bound:?}");
}

const VALUES: [Value<'static>; 10] = [
    Value::Void,
    Value::Void,
    Value::I32(1),
    Value::I64(1),
    Value::I64(2),
    Value::F32(1.0),
    Value::F64(1.0),
    Value::Bool(true),
    Value::LongString(b"1"),
    Value::Bytes(b"1"),
];

fn any_entries(most: usize) -> impl Strategy<Value = Vec<(&'static str, Value<'static>)>> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "x-a"]);
    vec((name, prop::sample::select(VALUES.to_vec())), 0..most)
}

fn table(entries: &[(&str, Value<'_>)]) -> Table {
    entries.iter().fold(TableBuilder::new(), |t, (name, value)| t.value(name, value)).build()
}

fn any_bound() -> impl Strategy<Value = Bound> {
    let rules = vec![None, Some("all"), Some("any"), Some("all-with-x"), Some("any-with-x")];
    let key = prop::sample::select(vec!["", "k"]);
    (key, prop::sample::select(rules), any_entries(4), 0..3_u8).prop_map(
        |(key, rule, mut entries, to)| {
            let rule = rule.map(|rule| ("x-match", Value::LongString(rule.as_bytes())));
            entries.extend(rule);
            Bound { key, arguments: table(&entries), to }
        },
    )
}

/// Some with more headers than are kept on the stack, some with names repeated.
fn any_message() -> impl Strategy<Value = Option<Table>> {
    let filler = (0..30_usize).prop_map(|count| (0..count).map(|n| format!("filler{n}")));
    let message = (any_entries(6), filler, any::<bool>()).prop_map(|(entries, filler, before)| {
        let entries = table(&entries);
        let start =
            if before { TableBuilder::from_view(entries.view()) } else { TableBuilder::new() };
        let whole = filler.fold(start, |t, name| t.bool(&name, true));
        let all = if before {
            whole
        } else {
            entries
                .view()
                .iter()
                .fold(whole, |t, (name, value)| t.value(&String::from_utf8_lossy(name), &value))
        };
        all.build()
    });
    prop::option::weighted(0.9, message)
}

proptest! {
    #[test]
    fn routes_are_those_of_a_full_comparison(
        steps in vec((prop::bool::weighted(0.75), any_bound()), 0..60),
        messages in vec(any_message(), 1..12),
    ) {
        let mut headers = Headers::default();
        let mut bound = HashSet::new();
        for (bind, step) in steps {
            let key = step.key.as_bytes();
            if bind {
                let added = headers.bind(key, &step.arguments, step.to);
                prop_assert_eq!(added, bound.insert(step));
            } else {
                let removed = headers.unbind(key, &step.arguments, &step.to);
                prop_assert_eq!(removed, bound.remove(&step));
            }
            prop_assert_eq!(headers.len(), bound.len());
            assert_routes(&headers, &bound, messages[0].as_ref());
        }
        let listed: HashSet<_> = headers
            .iter()
            .map(|b| (b.key.to_vec(), b.arguments.clone(), *b.to))
            .collect();
        let wanted = bound.iter().map(|b| (b.key.into(), b.arguments.clone(), b.to)).collect();
        prop_assert_eq!(listed, wanted);
        for message in &messages {
            assert_routes(&headers, &bound, message.as_ref());
        }
        for gone in bound.clone() {
            prop_assert!(headers.unbind(gone.key.as_bytes(), &gone.arguments, &gone.to));
            bound.remove(&gone);
            assert_routes(&headers, &bound, messages[0].as_ref());
        }
        prop_assert!(headers.is_empty() && headers.iter().next().is_none());
    }
}
