//! From what somebody wrote to a policy, or to RabbitMQ's text that says what is wrong with it.
//!
//! Knows nothing of where it was written: over HTTP, on a command line, or on disk.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::erlang::{quoted, term};
use super::{ApplyTo, Policy, PolicyError, Scope, keys};
use crate::pattern::{BadPattern, Pattern};

/// Longer names are refused: they are short strings everywhere else.
const NAME_MAX_BYTES: usize = 255;
/// Longer definitions are refused: one with every key has less than two thousand octets.
const DEFINITION_MAX_BYTES: usize = 32 * 1024;

/// What a policy says of itself beside its name, each as JSON.
#[derive(Clone, Copy, Debug)]
struct Parts<'a> {
    pattern: &'a Value,
    apply_to: Option<&'a Value>,
    priority: Option<&'a Value>,
    definition: &'a Value,
}

impl Policy {
    /// A policy from JSON: an object with `pattern`, `definition`, and perhaps `priority` and
    /// `apply-to`. Other keys mean nothing.
    pub fn from_json(scope: Scope, name: &str, body: &str) -> Result<Self, PolicyError> {
        let body = serde_json::from_str(body).map_err(|_| PolicyError::NotJson)?;
        Self::from_value(scope, name, &body)
    }

    /// The same from JSON that has been read already.
    pub fn from_value(scope: Scope, name: &str, body: &Value) -> Result<Self, PolicyError> {
        let part = |key| body.get(key);
        let parts = Parts {
            pattern: part("pattern").ok_or(PolicyError::KeyMissing("pattern"))?,
            apply_to: part("apply-to"),
            priority: part("priority"),
            definition: part("definition").ok_or(PolicyError::KeyMissing("definition"))?,
        };
        Self::from_parts(scope, name, parts)
    }

    /// A policy from its parts, of which the definition is JSON.
    pub fn new(
        scope: Scope,
        name: &str,
        (pattern, apply_to, priority): (&str, &str, i64),
        definition: &str,
    ) -> Result<Self, PolicyError> {
        let parts = Parts {
            pattern: &pattern.into(),
            apply_to: Some(&apply_to.into()),
            priority: Some(&priority.into()),
            definition: &serde_json::from_str(definition).map_err(|_| PolicyError::NotJson)?,
        };
        Self::from_parts(scope, name, parts)
    }

    /// What it says, as JSON.
    pub fn definition_text(&self) -> String {
        text(&self.definition)
    }

    /// Reports everything that is wrong, in RabbitMQ's order.
    fn from_parts(scope: Scope, name: &str, parts: Parts<'_>) -> Result<Self, PolicyError> {
        if name.len() > NAME_MAX_BYTES {
            let text = format!("name should have at most {NAME_MAX_BYTES} octets");
            return Err(PolicyError::Invalid(text));
        }
        let read = (
            definition(scope, parts.definition),
            apply_to(parts.apply_to),
            pattern(parts.pattern),
            priority(parts.priority),
        );
        let (definition, apply_to, pattern, priority) = match read {
            (Ok(definition), Ok(apply_to), Ok(pattern), Ok(priority)) => {
                (definition, apply_to, pattern, priority)
            }
            (definition, apply_to, pattern, priority) => {
                let errors = [definition.err(), apply_to.err(), pattern.err(), priority.err()];
                let lines = errors.into_iter().flatten().map(|error| error.to_string());
                return Err(PolicyError::Invalid(lines.collect::<Vec<_>>().join("\n")));
            }
        };
        let alternate = definition.get("alternate-exchange").and_then(Value::as_str);
        Ok(Self {
            scope,
            name: name.into(),
            pattern,
            apply_to,
            priority,
            settings: keys::settings(&definition),
            alternate_exchange: alternate.map(Arc::from),
            definition,
        })
    }
}

/// A definition as JSON, with its keys in the order of the alphabet.
pub(super) fn text(definition: &Map<String, Value>) -> String {
    // Nothing that was read from JSON cannot be written.
    serde_json::to_string(definition).unwrap_or_default()
}

fn definition(scope: Scope, value: &Value) -> Result<Map<String, Value>, PolicyError> {
    match value {
        Value::Object(definition) => {
            keys::check(scope, definition)?;
            if text(definition).len() > DEFINITION_MAX_BYTES {
                let text = format!("definition should have at most {DEFINITION_MAX_BYTES} octets");
                return Err(PolicyError::Invalid(text));
            }
            Ok(definition.clone())
        }
        Value::Array(values) if values.is_empty() => {
            Err(PolicyError::Invalid("no policy provided".to_owned()))
        }
        other => {
            let text = format!("definition must be a dictionary: {}", term(other));
            Err(PolicyError::Invalid(text))
        }
    }
}

fn apply_to(value: Option<&Value>) -> Result<ApplyTo, PolicyError> {
    let Some(value) = value else { return Ok(ApplyTo::default()) };
    value.as_str().and_then(ApplyTo::from_name).ok_or_else(|| {
        let said = value.as_str().map_or_else(|| term(value), str::to_owned);
        PolicyError::Invalid(format!(
            "apply-to '{said}' unrecognised; should be one of: 'queues', 'classic_queues',  \
             'quorum_queues', 'streams', 'exchanges', or 'all'"
        ))
    })
}

fn pattern(value: &Value) -> Result<Pattern, PolicyError> {
    let wrong = || {
        let text = format!("pattern should be a binary but was {}", term(value));
        PolicyError::Invalid(text)
    };
    Pattern::new(value.as_str().ok_or_else(wrong)?).map_err(|bad| {
        PolicyError::Invalid(match bad {
            BadPattern::TooLong(max) => format!("pattern should have at most {max} octets"),
            BadPattern::Invalid { why, position } => {
                let why = quoted(&why);
                format!("pattern should be regular expression but is invalid: {{{why},{position}}}")
            }
        })
    })
}

fn priority(value: Option<&Value>) -> Result<i64, PolicyError> {
    let Some(value) = value else { return Ok(0) };
    keys::integer(value).ok_or_else(|| {
        let text = format!("priority should be a number, actually was {}", term(value));
        PolicyError::Invalid(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        Policy::from_json(Scope::User, "p", body).expect_err("wrong").to_string()
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let body = r#"{"pattern": "^q", "definition": {"max-length": 3}, "name": "other"}"#;
        let policy = Policy::from_json(Scope::User, "p", body).expect("sound");
        assert_eq!((&**policy.name(), policy.pattern(), policy.priority()), ("p", "^q", 0));
        assert_eq!((policy.apply_to(), policy.scope()), (ApplyTo::All, Scope::User));
        assert_eq!(policy.definition_text(), r#"{"max-length":3}"#);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let definition = r#"{"alternate-exchange":"other","max-length":3}"#;
        let parts = ("^q", "exchanges", -7);
        let policy = Policy::new(Scope::User, "p", parts, definition).expect("sound");
        let read = (policy.pattern(), policy.apply_to().name(), policy.priority());
        assert_eq!((read, &*policy.definition_text()), (parts, definition));
        assert_eq!(policy.alternate_exchange().map(|name| &**name), Some("other"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        assert_eq!(refused("{"), "not_json");
        assert_eq!(refused("[]"), "[{key_missing,pattern}]");
        assert_eq!(refused(r#"{"pattern": "a"}"#), "[{key_missing,definition}]");
        let with = |more: &str| {
            refused(&format!(r#"{{"pattern": "a", "definition": {{"max-length": 1}}, {more}}}"#))
        };
        assert_eq!(
            with(r#""apply-to": "x""#),
            "apply-to 'x' unrecognised; should be one of: 'queues', 'classic_queues',  \
             'quorum_queues', 'streams', 'exchanges', or 'all'"
        );
        assert!(with(r#""apply-to": 1"#).starts_with("apply-to '1' unrecognised;"));
        assert_eq!(
            with(r#""priority": "x""#),
            r#"priority should be a number, actually was <<"x">>"#
        );
        let definition =
            |text: &str| refused(&format!(r#"{{"pattern": "", "definition": {text}}}"#));
        assert_eq!(definition("[]"), "no policy provided");
        assert_eq!(definition("[1]"), "definition must be a dictionary: [1]");
        let long = format!(r#"{{"dead-letter-exchange": "{}"}}"#, "x".repeat(DEFINITION_MAX_BYTES));
        assert_eq!(definition(&long), "definition should have at most 32768 octets");
        let name = "n".repeat(NAME_MAX_BYTES + 1);
        let body = r#"{"pattern": "", "definition": {"max-length": 1}}"#;
        let long = Policy::from_json(Scope::User, &name, body).expect_err("too long");
        assert_eq!(long.to_string(), "name should have at most 255 octets");
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let body = r#"{"pattern": 1, "priority": "x", "definition": {"message-ttl": -1}}"#;
        let lines = "-1 is not a valid message TTL\npattern should be a binary but was 1\n\
                     priority should be a number, actually was <<\"x\">>";
        assert_eq!(refused(body), lines);
    }
}
