//! One value as the text of a cell.

use serde_json::{Map, Value};

use super::column::Kind;
use super::escape::escape;
use super::human;

/// What a path such as `message_stats.publish_details.rate` leads to. A key may have dots in it.
pub(crate) fn at_path<'a>(row: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(found) = row.get(path) {
        return Some(found);
    }
    let dots = path.match_indices('.');
    dots.map(|(at, _)| path.split_at(at)).find_map(|(key, rest)| {
        row.get(key).and_then(|inner| at_path(inner, rest.strip_prefix('.')?))
    })
}

/// For people: units, times, and no word for what is not there.
pub(crate) fn for_people(value: &Value, kind: Kind) -> String {
    let number = value.as_f64();
    match (kind, number) {
        (Kind::Bytes, Some(number)) => human::bytes(number),
        (Kind::Rate, Some(number)) => format!("{number:.1}"),
        (Kind::Time, Some(number)) => human::time_ms(number),
        (Kind::Duration, Some(number)) => human::duration_ms(number),
        _ => escape(&plain_words(value)),
    }
}

fn plain_words(value: &Value) -> String {
    match value {
        // Old brokers say so where they mean nothing.
        Value::String(text) if text == "undefined" => String::new(),
        Value::Object(object) => pairs(object),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(plain_words).collect();
            items.join(", ")
        }
        other => for_programs(other),
    }
}

fn pairs(object: &Map<String, Value>) -> String {
    let pair = |(name, value): (&String, &Value)| match value {
        Value::Object(_) | Value::Array(_) => format!("{name}={value}"),
        other => format!("{name}={}", for_programs(other)),
    };
    object.iter().map(pair).collect::<Vec<_>>().join(", ")
}

/// As it is: texts without quotes, tables and lists as JSON, nothing for null.
pub(crate) fn for_programs(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_inside() {
        let row = json!({ "a": { "b": { "c": 1 }, "x.y": 2 }, "a.d": 3 });
        assert_eq!(at_path(&row, "a.b.c"), Some(&json!(1)));
        assert_eq!(at_path(&row, "a.x.y"), Some(&json!(2)));
        assert_eq!(at_path(&row, "a.d"), Some(&json!(3)));
        for nowhere in ["a.b.c.d", "b", "", ".", "a."] {
            assert_eq!(at_path(&row, nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn people_and_programs_see_the_same_differently() {
        for (value, kind, people, programs) in [
            (json!(null), Kind::Number, "", ""),
            (json!("undefined"), Kind::Text, "", "undefined"),
            (json!(1536), Kind::Bytes, "1.5 KiB", "1536"),
            (json!(0.25), Kind::Rate, "0.2", "0.25"),
            (json!("high"), Kind::Bytes, "high", "high"),
            (json!({"a": 1, "b": ["x"]}), Kind::Text, "a=1, b=[\"x\"]", "{\"a\":1,\"b\":[\"x\"]}"),
            (json!(["a", "b"]), Kind::Text, "a, b", "[\"a\",\"b\"]"),
            (json!("a\u{1b}[2J"), Kind::Text, "a\\u{1b}[2J", "a\u{1b}[2J"),
        ] {
            assert_eq!(for_people(&value, kind), people, "{value}");
            assert_eq!(for_programs(&value), programs, "{value}");
        }
    }
}
