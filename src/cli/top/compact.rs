//! Numbers in few characters, for columns that must not be wider.

use serde_json::Value;

use crate::cli::output::{Kind, escape};

/// What stands where a broker says nothing.
const NOTHING: &str = "-";

/// One value as people read it in a narrow column.
pub(super) fn cell(value: &Value, kind: Kind) -> String {
    let Some(number) = value.as_f64() else {
        return match value {
            Value::Null => NOTHING.to_owned(),
            // RabbitMQ's word for it.
            Value::String(text) if text == "undefined" => NOTHING.to_owned(),
            Value::String(text) => escape(text),
            other => escape(&other.to_string()),
        };
    };
    match kind {
        Kind::Rate => rate(number),
        Kind::Bytes => scaled(number, 1024.0, ["", "K", "M", "G", "T"]),
        Kind::Duration => age_ms(number),
        Kind::Number | Kind::Text | Kind::Time => count(number),
    }
}

/// A number of things.
pub(super) fn count(number: f64) -> String {
    if number.abs() < 100_000.0 {
        return format!("{number:.0}");
    }
    scaled(number, 1000.0, ["", "k", "M", "G", "T"])
}

/// So many a second.
pub(super) fn rate(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size < 9.95 => format!("{number:.1}"),
        _ => count(number),
    }
}

/// A span in its largest unit.
pub(super) fn age_ms(ms: f64) -> String {
    const UNITS: [(f64, &str); 4] =
        [(86_400_000.0, "d"), (3_600_000.0, "h"), (60_000.0, "m"), (1000.0, "s")];
    let fitting = UNITS.iter().find(|(size, _)| ms >= *size);
    fitting.map_or_else(
        || format!("{ms:.0}ms"),
        |(size, unit)| format!("{:.0}{unit}", (ms / size).floor()),
    )
}

/// Three digits and the unit.
fn scaled(number: f64, step: f64, units: [&str; 5]) -> String {
    let mut left = number;
    for (at, unit) in units.iter().enumerate() {
        if left.abs() < step || at + 1 == units.len() {
            let digits = usize::from(left.abs() < 9.95 && !unit.is_empty());
            return format!("{left:.digits$}{unit}");
        }
        left /= step;
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_stay_narrow() {
        for (number, text) in
            [(0.0, "0"), (99_999.0, "99999"), (123_456.0, "123k"), (7_654_321.0, "7.7M")]
        {
            assert_eq!(count(number), text);
        }
        for (number, text) in [(0.0, "0"), (0.25, "0.2"), (12.7, "13"), (250_000.0, "250k")] {
            assert_eq!(rate(number), text);
        }
        for (ms, text) in [(5.0, "5ms"), (59_900.0, "59s"), (60_000.0, "1m"), (90_000_000.0, "1d")]
        {
            assert_eq!(age_ms(ms), text);
        }
        assert_eq!(cell(&json!(152 * 1024 * 1024), Kind::Bytes), "152M");
        assert_eq!(cell(&json!(1e18), Kind::Bytes), "909495T");
    }

    #[test]
    fn what_is_no_number_is_harmless_text() {
        assert_eq!(cell(&Value::Null, Kind::Rate), "-");
        assert_eq!(cell(&json!("a\u{1b}[2Jb"), Kind::Text), "a\\u{1b}[2Jb");
        assert_eq!(cell(&json!(["\u{9b}"]), Kind::Number), "[\"\\u{9b}\"]");
    }
}
