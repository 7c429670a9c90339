//! JSON values as RabbitMQ's texts show them: as Erlang terms.
//!
//! Knows nothing of what is wrong with a value.

use serde_json::Value;

/// The term that RabbitMQ makes of a value.
pub(super) fn term(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => binary(text),
        Value::Array(values) => list(values),
        Value::Object(fields) => {
            let field =
                |(key, value): (&String, &Value)| format!("{} => {}", binary(key), term(value));
            format!("#{{{}}}", joined(fields.iter().map(field)))
        }
    }
}

/// A list of pairs.
pub(super) fn pairs<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let pair = |(key, value): (&String, &Value)| format!("{{{},{}}}", binary(key), term(value));
    format!("[{}]", joined(fields.map(pair)))
}

/// A string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match escape(c) {
            Some(letter) => quoted.extend(['\\', letter]),
            None => quoted.push(c),
        }
    }
    quoted + "\""
}

fn binary(text: &str) -> String {
    match text {
        "" => "<<>>".to_owned(),
        text if text.chars().all(is_printable) => format!("<<{}>>", quoted(text)),
        text => format!("<<{}>>", joined(text.bytes().map(|octet| octet.to_string()))),
    }
}

/// Erlang cannot tell a string from a list of its characters.
fn list(values: &[Value]) -> String {
    let character = |value: &Value| {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok())?;
        char::from_u32(number).filter(|c| is_printable(*c))
    };
    match values.iter().map(character).collect::<Option<String>>() {
        Some(text) if !text.is_empty() => quoted(&text),
        _ => format!("[{}]", joined(values.iter().map(term))),
    }
}

fn is_printable(c: char) -> bool {
    !c.is_control() || escape(c).is_some()
}

fn escape(c: char) -> Option<char> {
    Some(match c {
        '"' | '\\' => c,
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{8}' => 'b',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\u{1b}' => 'e',
        _ => return None,
    })
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_like_terms() {
        for (json, expected) in [
            ("null", "null"),
            ("true", "true"),
            ("-1", "-1"),
            ("1.5", "1.5"),
            (r#""x""#, r#"<<"x">>"#),
            (r#""""#, "<<>>"),
            (r#""é""#, r#"<<"é">>"#),
            (r#""a\"b\n""#, r#"<<"a\"b\n">>"#),
            (r#""a\u0001""#, "<<97,1>>"),
            ("[]", "[]"),
            ("[1,2]", "[1,2]"),
            ("[104,105]", r#""hi""#),
            (r#"{"a": 1, "b": [null]}"#, r#"#{<<"a">> => 1,<<"b">> => [null]}"#),
        ] {
            let value = serde_json::from_str(json).expect("JSON");
            assert_eq!(term(&value), expected, "{json}");
        }
    }
}
