//! Values typed on the command line: `x-max-length=10` is a number, `x-queue-type=quorum` a text.
//!
//! What is JSON is taken as JSON, everything else as text; so a number in quotes is a text.

use serde_json::{Map, Value};

use crate::cli::failure::Failure;

/// Reads `NAME=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), self::value(value))),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

/// Reads a value.
pub(crate) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Reads a JSON object.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("must be a JSON object, such as {\"x-max-length\": 10}".to_owned()),
        Err(error) => Err(format!("must be JSON: {error}")),
    }
}

/// Puts an object and pairs together. A name may be given once only.
pub(crate) fn merged(
    flag: &str,
    object: Option<&Map<String, Value>>,
    pairs: &[(String, Value)],
) -> Result<Map<String, Value>, Failure> {
    let mut whole = object.cloned().unwrap_or_default();
    for (name, value) in pairs {
        if whole.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::usage(format!("{flag} {name}: is given twice")));
        }
    }
    Ok(whole)
}

/// A name that must not be empty, since it is a part of a path.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_the_type_they_look_like() {
        for (text, meant) in [
            ("10", json!(10)),
            ("-1.5", json!(-1.5)),
            ("true", json!(true)),
            ("quorum", json!("quorum")),
            ("\"10\"", json!("10")),
            ("[1,\"a\"]", json!([1, "a"])),
            ("", json!("")),
            ("1 2", json!("1 2")),
            ("0123", json!("0123")),
            ("null", json!(null)),
        ] {
            assert_eq!(value(text), meant, "{text}");
        }
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), json!("b=c"))));
        assert!(pair("a").is_err() && pair("=a").is_err());
    }

    #[test]
    fn objects_and_pairs_go_together() {
        let given = object(r#"{"a":1}"#).expect("an object");
        let whole = merged("--argument", Some(&given), &[("b".to_owned(), json!(2))]);
        assert_eq!(Value::Object(whole.expect("merged")), json!({"a": 1, "b": 2}));
        let twice = merged("--argument", Some(&given), &[("a".to_owned(), json!(2))]);
        assert_eq!(twice.expect_err("twice").text, "--argument a: is given twice");
        assert!(object("[]").is_err() && object("{").is_err());
    }
}
