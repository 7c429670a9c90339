//! The keys that the definition of a policy may have: values, texts, and who knows them.
//!
//! All that RabbitMQ 4 knows for queues and exchanges are here, those without effect in warren
//! too; mirroring (`ha-*`) it refuses, and so does this. Knows nothing of the rest of a policy.

use serde_json::{Map, Value};

use super::erlang::{pairs, term};
use super::{PolicyError, Scope};
use crate::queue::{Overflow, QueueKind, Settings, Strategy};

/// What a value has to be.
#[derive(Clone, Copy)]
enum Rule {
    Text,
    /// An integer that is not smaller.
    From(i64),
    /// An integer within bounds.
    Within(i64, i64),
    AnyInteger,
    OneOf(&'static [&'static str]),
    /// A number and one of some units.
    Age,
}

/// Which types of queue know a key. A policy for exchanges may have any.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KnownTo {
    /// No queue minds, and some follow it.
    All,
    Classic,
    Quorum,
    Stream,
}

struct Key {
    name: &'static str,
    rule: Rule,
    known_to: KnownTo,
    /// What a wrong value is not: the end of the text.
    what: &'static str,
}

const fn key(name: &'static str, rule: Rule, known_to: KnownTo, what: &'static str) -> Key {
    Key { name, rule, known_to, what }
}

const LENGTH: Rule = Rule::From(0);
const OVERFLOWS: Rule = Rule::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"]);
const STRATEGIES: Rule = Rule::OneOf(&["at-most-once", "at-least-once"]);
const LOCATORS: Rule = Rule::OneOf(&["client-local", "balanced", "random", "least-leaders"]);
const MASTERS: Rule = Rule::OneOf(&["min-masters", "client-local", "random"]);
const RETRIES: Rule = Rule::OneOf(&["disabled", "all", "failed", "returned"]);
const MEMORY: &str = "is not a valid maximum memory in bytes";
const RETRY_DELAY: &str = "is not a valid delayed retry delay";

/// In the order of the alphabet.
const KEYS: &[Key] = &[
    key("alternate-exchange", Rule::Text, KnownTo::All, "is not a valid alternate exchange name"),
    key(
        "consumer-disconnected-timeout",
        LENGTH,
        KnownTo::Quorum,
        "is not a valid consumer disconnected timeout",
    ),
    key("consumer-timeout", LENGTH, KnownTo::All, "is not a valid consumer timeout"),
    key(
        "dead-letter-exchange",
        Rule::Text,
        KnownTo::All,
        "is not a valid dead letter exchange name",
    ),
    key(
        "dead-letter-routing-key",
        Rule::Text,
        KnownTo::All,
        "is not a valid dead letter routing key",
    ),
    key("dead-letter-strategy", STRATEGIES, KnownTo::Quorum, "is not a valid dead letter strategy"),
    key("delayed-retry-max", LENGTH, KnownTo::Quorum, RETRY_DELAY),
    key("delayed-retry-min", LENGTH, KnownTo::Quorum, RETRY_DELAY),
    key("delayed-retry-type", RETRIES, KnownTo::Quorum, "is not a valid delayed retry type"),
    key("delivery-limit", Rule::AnyInteger, KnownTo::All, "is not a valid delivery limit"),
    key("expires", Rule::From(1), KnownTo::All, "is not a valid queue expiry"),
    key("federation-upstream", Rule::Text, KnownTo::All, "is not a valid federation upstream name"),
    key(
        "federation-upstream-pattern",
        Rule::Text,
        KnownTo::All,
        "is not a valid federation upstream pattern",
    ),
    key(
        "federation-upstream-set",
        Rule::Text,
        KnownTo::All,
        "is not a valid federation upstream set name",
    ),
    key("initial-cluster-size", LENGTH, KnownTo::Stream, "is not a valid cluster size"),
    key("max-age", Rule::Age, KnownTo::Stream, "is not a valid max age"),
    key("max-in-memory-bytes", LENGTH, KnownTo::Quorum, MEMORY),
    // RabbitMQ says bytes here too.
    key("max-in-memory-length", LENGTH, KnownTo::Quorum, MEMORY),
    key("max-length", LENGTH, KnownTo::All, "is not a valid maximum length"),
    key("max-length-bytes", LENGTH, KnownTo::All, "is not a valid maximum length in bytes"),
    key("message-ttl", Rule::From(0), KnownTo::All, "is not a valid message TTL"),
    key("overflow", OVERFLOWS, KnownTo::All, "is not a valid overflow value"),
    key(
        "queue-leader-locator",
        LOCATORS,
        KnownTo::All,
        "is not a valid queue leader locator value",
    ),
    key("queue-master-locator", MASTERS, KnownTo::Classic, "invalid queue-master-locator value"),
    key(
        "queue-mode",
        Rule::OneOf(&["default", "lazy"]),
        KnownTo::Classic,
        "is not a valid queue-mode value",
    ),
    key("queue-version", Rule::Within(1, 2), KnownTo::All, "is not a valid queue-version value"),
    key(
        "stream-filter-size-bytes",
        Rule::Within(16, 255),
        KnownTo::Stream,
        "is not a valid filter size. Valid range is 16-255",
    ),
    key("stream-max-segment-size-bytes", LENGTH, KnownTo::Stream, "is not a valid segment size"),
    key("target-group-size", Rule::From(1), KnownTo::Quorum, "is not a valid target count value"),
];

/// All that an operator's policy may say.
const OPERATOR_KEYS: &[&str] = &[
    "delivery-limit",
    "expires",
    "max-in-memory-bytes",
    "max-in-memory-length",
    "max-length",
    "max-length-bytes",
    "message-ttl",
    "overflow",
    "queue-version",
];

/// Checks a definition. A wrong value is reported rather than an unknown key, as RabbitMQ does.
pub(super) fn check(scope: Scope, definition: &Map<String, Value>) -> Result<(), PolicyError> {
    let invalid = |text: String| Err(PolicyError::Invalid(text));
    if definition.is_empty() {
        return invalid("no policy provided".to_owned());
    }
    let mut unknown = Vec::new();
    for (name, value) in definition {
        match find(name).filter(|key| scope == Scope::User || OPERATOR_KEYS.contains(&key.name)) {
            None => unknown.push((name, value)),
            Some(key) if !key.rule.allows(value) => {
                return invalid(format!("{} {}", term(value), key.what));
            }
            Some(_) => {}
        }
    }
    if !unknown.is_empty() {
        let unknown = pairs(unknown.into_iter());
        return invalid(format!("{unknown} are not recognised policy settings"));
    }
    if definition.contains_key("federation-upstream-set")
        && definition.contains_key("federation-upstream")
    {
        let text = "cannot specify federation-upstream-set and federation-upstream together";
        return invalid(text.to_owned());
    }
    Ok(())
}

/// Whether that type of queue knows everything that a definition says.
pub(super) fn all_known_to(kind: QueueKind, definition: &Map<String, Value>) -> bool {
    definition.keys().filter_map(|name| find(name)).all(|key| match key.known_to {
        KnownTo::All => true,
        KnownTo::Classic => kind == QueueKind::Classic,
        KnownTo::Quorum => kind == QueueKind::Quorum,
        KnownTo::Stream => false,
    })
}

/// What a sound definition says about queues.
pub(super) fn settings(definition: &Map<String, Value>) -> Settings {
    let number = |name| definition.get(name).and_then(integer);
    let count = |name| number(name).and_then(|number| u64::try_from(number).ok());
    let text = |name| definition.get(name).and_then(Value::as_str);
    Settings {
        message_ttl_ms: count("message-ttl"),
        expires_ms: count("expires"),
        max_length: count("max-length"),
        max_length_bytes: count("max-length-bytes"),
        overflow: text("overflow").and_then(Overflow::from_name),
        dead_letter_exchange: text("dead-letter-exchange").map(Into::into),
        dead_letter_routing_key: text("dead-letter-routing-key").map(|key| key.as_bytes().into()),
        dead_letter_strategy: text("dead-letter-strategy").and_then(Strategy::from_name),
        delivery_limit: number("delivery-limit"),
        consumer_timeout_ms: count("consumer-timeout"),
    }
}

/// A whole number. One that is too large for us is as good as the largest.
pub(super) fn integer(value: &Value) -> Option<i64> {
    let larger = || value.as_u64().map(|_| i64::MAX);
    value.as_i64().or_else(larger)
}

fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

impl Rule {
    fn allows(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::From(min) => integer(value).is_some_and(|number| number >= min),
            Self::Within(min, max) => {
                integer(value).is_some_and(|number| (min..=max).contains(&number))
            }
            Self::AnyInteger => integer(value).is_some(),
            Self::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Age => value.as_str().is_some_and(is_age),
        }
    }
}

fn is_age(text: &str) -> bool {
    let Some(number) = text.strip_suffix(['Y', 'M', 'D', 'h', 'm', 's']) else { return false };
    let digits = number.bytes().all(|octet| octet.is_ascii_digit());
    digits && number.bytes().any(|octet| octet != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(scope: Scope, definition: &str) -> Option<String> {
        let definition = serde_json::from_str(definition).expect("an object");
        check(scope, &definition).err().map(|error| error.to_string())
    }

    #[test]
    fn wrong_values_are_refused_with_rabbitmqs_texts() {
        for (definition, text) in [
            (r#"{"message-ttl": -1}"#, "-1 is not a valid message TTL"),
            (r#"{"message-ttl": "x"}"#, r#"<<"x">> is not a valid message TTL"#),
            (r#"{"message-ttl": 1.5}"#, "1.5 is not a valid message TTL"),
            (r#"{"message-ttl": {"a": 1}}"#, r#"#{<<"a">> => 1} is not a valid message TTL"#),
            (r#"{"expires": 0}"#, "0 is not a valid queue expiry"),
            (r#"{"max-length": -1}"#, "-1 is not a valid maximum length"),
            (r#"{"max-length-bytes": -1}"#, "-1 is not a valid maximum length in bytes"),
            (r#"{"max-in-memory-length": -1}"#, "-1 is not a valid maximum memory in bytes"),
            (r#"{"max-in-memory-bytes": -1}"#, "-1 is not a valid maximum memory in bytes"),
            (r#"{"dead-letter-exchange": 1}"#, "1 is not a valid dead letter exchange name"),
            (r#"{"dead-letter-routing-key": 1}"#, "1 is not a valid dead letter routing key"),
            (r#"{"dead-letter-strategy": "x"}"#, r#"<<"x">> is not a valid dead letter strategy"#),
            (r#"{"overflow": "x"}"#, r#"<<"x">> is not a valid overflow value"#),
            (r#"{"delivery-limit": "x"}"#, r#"<<"x">> is not a valid delivery limit"#),
            (r#"{"alternate-exchange": 7}"#, "7 is not a valid alternate exchange name"),
            (r#"{"max-age": "0s"}"#, r#"<<"0s">> is not a valid max age"#),
            (r#"{"consumer-timeout": -1}"#, "-1 is not a valid consumer timeout"),
            (r#"{"queue-version": 7}"#, "7 is not a valid queue-version value"),
            (r#"{"queue-mode": "x"}"#, r#"<<"x">> is not a valid queue-mode value"#),
            (
                r#"{"queue-leader-locator": "x"}"#,
                r#"<<"x">> is not a valid queue leader locator value"#,
            ),
            (r#"{"queue-master-locator": "x"}"#, r#"<<"x">> invalid queue-master-locator value"#),
            (r#"{"initial-cluster-size": -1}"#, "-1 is not a valid cluster size"),
            (r#"{"stream-max-segment-size-bytes": -1}"#, "-1 is not a valid segment size"),
            (r#"{"federation-upstream": 1}"#, "1 is not a valid federation upstream name"),
            (r#"{"federation-upstream-set": 1}"#, "1 is not a valid federation upstream set name"),
            (
                r#"{"federation-upstream-set": "a", "federation-upstream": "b"}"#,
                "cannot specify federation-upstream-set and federation-upstream together",
            ),
            ("{}", "no policy provided"),
        ] {
            assert_eq!(refused(Scope::User, definition).as_deref(), Some(text), "{definition}");
        }
    }

    #[test]
    fn unknown_keys_are_listed_unless_a_value_is_wrong() {
        let unknown = |definition| refused(Scope::User, definition).expect("refused");
        assert_eq!(
            unknown(r#"{"foo": 1, "bar": [1, 2], "message-ttl": 5}"#),
            r#"[{<<"bar">>,[1,2]},{<<"foo">>,1}] are not recognised policy settings"#
        );
        assert_eq!(
            unknown(r#"{"ha-mode": "all"}"#),
            r#"[{<<"ha-mode">>,<<"all">>}] are not recognised policy settings"#
        );
        let both = unknown(r#"{"foo": 1, "message-ttl": -1}"#);
        assert_eq!(both, "-1 is not a valid message TTL");
    }

    #[test]
    fn an_operator_sets_limits_alone() {
        let dead_letter = refused(Scope::Operator, r#"{"dead-letter-exchange": "x"}"#);
        let text = r#"[{<<"dead-letter-exchange">>,<<"x">>}] are not recognised policy settings"#;
        assert_eq!(dead_letter.as_deref(), Some(text));
        for name in OPERATOR_KEYS {
            let value = if *name == "overflow" { r#""drop-head""# } else { "1" };
            let definition = format!(r#"{{"{name}": {value}}}"#);
            assert_eq!(refused(Scope::Operator, &definition), None, "{name}");
            assert_eq!(refused(Scope::User, &definition), None, "{name}");
        }
    }

    #[test]
    fn sound_values_of_every_key_are_taken() {
        let all = r#"{"alternate-exchange": "", "consumer-disconnected-timeout": 0,
            "consumer-timeout": 0, "dead-letter-exchange": "", "dead-letter-routing-key": "",
            "dead-letter-strategy": "at-least-once", "delayed-retry-max": 1,
            "delayed-retry-min": 1, "delayed-retry-type": "all", "delivery-limit": -1,
            "expires": 1, "federation-upstream": "u", "federation-upstream-pattern": "u",
            "initial-cluster-size": 0, "max-age": "10Y",
            "max-in-memory-bytes": 0, "max-in-memory-length": 0, "max-length": 0,
            "max-length-bytes": 0, "message-ttl": 0, "overflow": "reject-publish-dlx",
            "queue-leader-locator": "balanced", "queue-master-locator": "min-masters",
            "queue-mode": "lazy", "queue-version": 2, "stream-filter-size-bytes": 16,
            "stream-max-segment-size-bytes": 0, "target-group-size": 3}"#;
        assert_eq!(refused(Scope::User, all), None);
        let definition: Map<String, Value> = serde_json::from_str(all).expect("an object");
        // All but the one that excludes another.
        assert_eq!(definition.len(), KEYS.len() - 1);
        assert!(KEYS.is_sorted_by_key(|key| key.name));
    }

    #[test]
    fn a_definition_becomes_settings() {
        let definition = r#"{"message-ttl": 1, "expires": 2, "max-length": 3,
            "max-length-bytes": 18446744073709551615, "overflow": "reject-publish",
            "dead-letter-exchange": "x", "dead-letter-routing-key": "k",
            "dead-letter-strategy": "at-least-once", "delivery-limit": -1,
            "consumer-timeout": 6}"#;
        let expected = Settings {
            message_ttl_ms: Some(1),
            expires_ms: Some(2),
            max_length: Some(3),
            max_length_bytes: Some(i64::MAX as u64),
            overflow: Some(Overflow::RejectPublish),
            dead_letter_exchange: Some("x".into()),
            dead_letter_routing_key: Some(b"k".as_slice().into()),
            dead_letter_strategy: Some(Strategy::AtLeastOnce),
            delivery_limit: Some(-1),
            consumer_timeout_ms: Some(6),
        };
        assert_eq!(settings(&serde_json::from_str(definition).expect("an object")), expected);
    }
}
