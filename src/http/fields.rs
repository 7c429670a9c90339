//! The body of a request as an object, with the latitude that RabbitMQ allows.
//!
//! An empty body and `null` are `{}`, booleans may be strings, unknown keys are ignored. Knows no
//! routes.

use serde_json::{Map, Value, json};

use super::reply::Failure;

/// The keys and values of a body.
#[derive(Clone, Default, Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Failure> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(_) | Err(_) => Err(Failure::bad_request("not_json")),
        }
    }

    /// A value, unless it is missing or `null`.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// All of it.
    pub(super) fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A value that has to be given.
    pub(super) fn required(&self, key: &str) -> Result<&Value, Failure> {
        self.require(&[key])?;
        self.get(key).ok_or_else(|| Failure::bad_request(key))
    }

    /// Refuses the body unless all of these are given, naming what is missing.
    pub(super) fn require(&self, keys: &[&str]) -> Result<(), Failure> {
        let missing = keys.iter().filter(|key| self.get(key).is_none());
        let missing: Vec<_> = missing.map(|key| format!("{{key_missing,{key}}}")).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::bad_request(format!("[{}]", missing.join(","))))
    }

    /// A boolean, or what stands for it.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, Failure> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(other) => Err(Failure::bad_request(json!(["not_boolean", other]))),
        }
    }

    /// A string, if there is one.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, Failure> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Failure::bad_request(json!(["not_string", key, other]))),
        }
    }

    /// A string that has to be given.
    pub(super) fn required_text(&self, key: &str) -> Result<&str, Failure> {
        self.require(&[key])?;
        Ok(self.text(key)?.unwrap_or_default())
    }

    /// A whole number, or the decimal digits of one.
    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, Failure> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(Failure::bad_request(json!(["not_integer", value]))),
        }
    }

    /// An object, or an empty one. RabbitMQ's own answers have an empty list in its place.
    pub(super) fn object(&self, key: &str) -> Result<Map<String, Value>, Failure> {
        match self.get(key) {
            None => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(Value::Array(list)) if list.is_empty() => Ok(Map::new()),
            Some(other) => Err(Failure::bad_request(json!(["not_object", key, other]))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Fields {
        Fields::parse(body.as_bytes()).expect("an object")
    }

    #[test]
    fn nothing_and_null_are_empty_objects() {
        for body in ["", "  ", "null", "{}"] {
            assert!(parsed(body).as_map().is_empty(), "{body:?}");
        }
        for body in ["[]", "x", "{", "1", "\"a\"", "{\"a\":1}x"] {
            assert!(Fields::parse(body.as_bytes()).is_err(), "{body:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(Fields::parse(format!("{{\"a\":{deep}").as_bytes()).is_err());
    }

    #[test]
    fn booleans_may_be_strings() {
        let fields = parsed(r#"{"a":true,"b":"true","c":"false","d":"maybe","e":1,"f":null}"#);
        assert!(fields.flag("a", false).expect("a flag"));
        assert!(fields.flag("b", false).expect("a flag"));
        assert!(!fields.flag("c", true).expect("a flag"));
        assert!(fields.flag("d", true).is_err() && fields.flag("e", true).is_err());
        assert!(fields.flag("f", true).expect("the default"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = parsed(r#"{"a":1}"#).require(&["a", "b", "c"]).expect_err("two are missing");
        let text = format!("{refused:?}");
        assert!(text.contains("[{key_missing,b},{key_missing,c}]"), "{text}");
    }
}
