//! The x-arguments of a queue, checked and parsed once.
//!
//! Texts and rules are RabbitMQ's: clients match on them. A key that no queue type knows is kept
//! and shown, and means nothing. Knows nothing of what the options do.

use super::consumer::Succession;
use super::rules::Rules;
use crate::amqp::table::{Table, Value};
use crate::message::Traits;
use crate::stats::QueueType;

/// Ten years: the longest time that RabbitMQ accepts.
const DURATION_MAX_MS: i64 = 315_360_000_000;
/// The highest priority that a queue may have.
const PRIORITY_MAX: i64 = 255;

/// The rules that a queue follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QueueKind {
    /// What a queue is unless asked otherwise.
    #[default]
    Classic,
    /// Asked for with `x-queue-type: quorum`.
    Quorum,
}

impl QueueKind {
    /// Its name in `x-queue-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Classic, Self::Quorum].into_iter().find(|kind| kind.name() == name)
    }
}

/// The highest priority of a quorum queue's messages.
const QUORUM_PRIORITY_MAX: u8 = 31;
/// The priority of those that have none.
const QUORUM_PRIORITY: u8 = 4;

/// What a queue is for as long as it lives, whatever policies say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nature {
    /// Its type.
    pub kind: QueueKind,
    /// `x-single-active-consumer`.
    pub single_active: bool,
    /// `x-max-priority` of a classic queue.
    pub max_priority: Option<u8>,
}

impl Nature {
    /// The highest level that its messages may have.
    pub(super) fn highest_level(self) -> u16 {
        match (self.kind, self.max_priority) {
            (QueueKind::Quorum, _) => QUORUM_PRIORITY_MAX.into(),
            (QueueKind::Classic, Some(max)) => max.into(),
            (QueueKind::Classic, None) => 0,
        }
    }

    /// The level of such a message.
    #[inline]
    pub(super) fn level(self, traits: Traits) -> u16 {
        let default = match self.kind {
            QueueKind::Classic if self.max_priority.is_none() => return 0,
            QueueKind::Classic => 0,
            QueueKind::Quorum => QUORUM_PRIORITY,
        };
        u16::from(traits.priority().unwrap_or(default)).min(self.highest_level())
    }

    /// How its one consumer is chosen, if only one gets messages.
    pub(super) fn succession(self) -> Succession {
        match (self.single_active, self.kind) {
            (false, _) => Succession::None,
            (true, QueueKind::Classic) => Succession::Stays,
            (true, QueueKind::Quorum) => Succession::GivesWay,
        }
    }

    /// Whether it counts how often messages come back.
    #[inline]
    pub(super) fn counts(self, rules: &Rules) -> bool {
        self.kind == QueueKind::Quorum || rules.delivery_limit.is_some()
    }
}

/// What a queue was declared with, beside its flags.
#[derive(Clone, Debug, Default)]
pub struct QueueOptions {
    /// What it is.
    pub nature: Nature,
    /// The arguments as they came.
    pub arguments: Table,
}

/// Why arguments are refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// 406 `invalid arg 'KEY' for {queue}: ERR`.
    Invalid {
        /// The argument.
        key: &'static str,
        /// An Erlang term.
        why: String,
    },
    /// 406 `invalid type 'T' for arg 'KEY' in {queue}`.
    InvalidType {
        /// The argument.
        key: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// 406 `invalid arg 'KEY' for {queue} of queue type T`.
    NotForKind {
        /// The argument.
        key: &'static str,
        /// The type's module in RabbitMQ.
        kind: &'static str,
    },
    /// 406 `invalid property 'P' for {queue}`.
    InvalidProperty(&'static str),
    /// 406 `Cannot declare a server-named queue for type T`.
    NeedsName(&'static str),
    /// 540: streams do not exist here yet.
    StreamsMissing,
}

/// The type of an argument's value, and its range.
#[derive(Clone, Copy)]
enum Rule {
    /// An integer within bounds; the last part says how too much is reported.
    Int {
        min: i64,
        max: i64,
        too_much: &'static str,
    },
    Bool,
    /// Reported as `invalid type`, before all others.
    ExchangeName,
    /// Needs a dead-letter exchange beside it.
    DeadLetterKey,
    /// One of some words, else that error.
    OneOf(&'static [&'static str], &'static str),
    /// RabbitMQ 4 has left only one version of classic queues.
    Version,
    /// Any value.
    Unchecked,
}

/// The one version of classic queues.
const QUEUE_VERSION: i64 = 2;

const MS: Rule = Rule::Int { min: 0, max: DURATION_MAX_MS, too_much: "value_too_large" };
const EXPIRES: Rule = Rule::Int { min: 1, max: DURATION_MAX_MS, too_much: "value_too_large" };
const COUNT: Rule = Rule::Int { min: 0, max: i64::MAX, too_much: "value_too_large" };
const SIZE: Rule = Rule::Int { min: 1, max: i64::MAX, too_much: "value_too_large" };
const ANY_INT: Rule = Rule::Int { min: i64::MIN, max: i64::MAX, too_much: "value_too_large" };
const PRIORITY: Rule = Rule::Int { min: 0, max: PRIORITY_MAX, too_much: "max_value_exceeded" };
const LOCATORS: &[&str] = &["client-local", "balanced", "random", "least-leaders", "min-masters"];
const OVERFLOWS: &[&str] = &["drop-head", "reject-publish", "reject-publish-dlx"];
const STRATEGIES: &[&str] = &["at-most-once", "at-least-once"];

/// Which types know an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Classic,
    Quorum,
    Both,
    Stream,
}

/// Every argument that some queue type knows.
const RULES: &[(&str, For, Rule)] = &[
    ("x-dead-letter-exchange", For::Both, Rule::ExchangeName),
    ("x-expires", For::Both, EXPIRES),
    ("x-message-ttl", For::Both, MS),
    ("x-dead-letter-routing-key", For::Both, Rule::DeadLetterKey),
    ("x-dead-letter-strategy", For::Quorum, Rule::OneOf(STRATEGIES, "invalid_dlx_strategy")),
    ("x-max-length", For::Both, COUNT),
    ("x-max-length-bytes", For::Both, COUNT),
    ("x-max-in-memory-length", For::Quorum, COUNT),
    ("x-max-in-memory-bytes", For::Quorum, COUNT),
    ("x-max-priority", For::Classic, PRIORITY),
    ("x-overflow", For::Both, Rule::OneOf(OVERFLOWS, "invalid_overflow")),
    ("x-queue-mode", For::Classic, Rule::Unchecked),
    ("x-queue-version", For::Classic, Rule::Version),
    ("x-single-active-consumer", For::Both, Rule::Bool),
    ("x-queue-type", For::Both, Rule::Unchecked),
    ("x-queue-master-locator", For::Classic, Rule::Unchecked),
    ("x-queue-leader-locator", For::Both, Rule::OneOf(LOCATORS, "invalid_queue_locator_arg")),
    ("x-quorum-initial-group-size", For::Quorum, SIZE),
    ("x-delivery-limit", For::Both, ANY_INT),
    ("x-consumer-timeout", For::Both, COUNT),
    ("x-consumer-disconnected-timeout", For::Quorum, COUNT),
    ("x-delayed-retry-type", For::Quorum, Rule::Unchecked),
    ("x-delayed-retry-min", For::Quorum, COUNT),
    ("x-delayed-retry-max", For::Quorum, COUNT),
    ("x-max-age", For::Stream, Rule::Unchecked),
    ("x-stream-max-segment-size-bytes", For::Stream, Rule::Unchecked),
    ("x-stream-filter-size-bytes", For::Stream, Rule::Unchecked),
    ("x-initial-cluster-size", For::Stream, Rule::Unchecked),
];

/// Checked and kept, but without effect so far: whoever declares them is told so in the log.
const WITHOUT_EFFECT: &[&str] = &[
    "x-consumer-disconnected-timeout",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
];

impl QueueOptions {
    /// Arguments that were accepted and have no effect so far.
    pub fn without_effect(&self) -> impl Iterator<Item = &'static str> + '_ {
        let view = self.arguments.view();
        WITHOUT_EFFECT.iter().copied().filter(move |key| view.get(key).is_some())
    }

    /// Checks arguments that a new queue is declared with.
    pub fn parse(arguments: &Table) -> Result<Self, Refusal> {
        let kind = kind(arguments)?;
        for &(key, only, rule) in RULES {
            let Some(value) = arguments.view().get(key) else { continue };
            if !only.includes(kind) {
                return Err(Refusal::NotForKind { key, kind: kind.module() });
            }
            check(key, rule, &value, arguments)?;
        }
        let single_active = arguments.view().get("x-single-active-consumer");
        let max_priority = arguments.view().get("x-max-priority").and_then(|value| value.as_int());
        let nature = Nature {
            kind,
            single_active: matches!(single_active, Some(Value::Bool(true))),
            max_priority: max_priority.and_then(|max| u8::try_from(max).ok()),
        };
        Ok(Self { nature, arguments: arguments.clone() })
    }

    /// Only a classic queue may leave its name to the broker.
    pub fn check_name(&self, name: &str) -> Result<(), Refusal> {
        match self.nature.kind {
            QueueKind::Quorum if name.is_empty() => {
                Err(Refusal::NeedsName(QueueKind::Quorum.module()))
            }
            _ => Ok(()),
        }
    }

    /// The type's further conditions on a queue.
    pub fn check_flags(
        &self,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
    ) -> Result<(), Refusal> {
        if self.nature.kind == QueueKind::Classic {
            return Ok(());
        }
        match (durable || exclusive, exclusive, auto_delete) {
            (false, _, _) => Err(Refusal::InvalidProperty("non-durable")),
            (_, true, _) => Err(Refusal::InvalidProperty("exclusive-owner")),
            (_, _, true) => Err(Refusal::InvalidProperty("auto-delete")),
            _ => Ok(()),
        }
    }
}

impl QueueKind {
    /// As counters are told apart by it.
    #[inline]
    pub fn statistics_type(self) -> QueueType {
        match self {
            Self::Classic => QueueType::Classic,
            Self::Quorum => QueueType::Quorum,
        }
    }

    /// Its module in RabbitMQ, which reply texts name.
    pub fn module(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
        }
    }
}

impl For {
    fn includes(self, kind: QueueKind) -> bool {
        match self {
            Self::Both => true,
            Self::Classic => kind == QueueKind::Classic,
            Self::Quorum => kind == QueueKind::Quorum,
            Self::Stream => false,
        }
    }
}

impl Refusal {
    /// The text, for the queue of that description.
    pub fn text(&self, queue: &str) -> String {
        match self {
            Self::Invalid { key, why } => format!("invalid arg '{key}' for {queue}: {why}"),
            Self::InvalidType { key, found } => {
                format!("invalid type '{found}' for arg '{key}' in {queue}")
            }
            Self::NotForKind { key, kind } => {
                format!("invalid arg '{key}' for {queue} of queue type {kind}")
            }
            Self::InvalidProperty(property) => {
                format!("invalid property '{property}' for {queue}")
            }
            Self::NeedsName(kind) => {
                format!("Cannot declare a server-named queue for type {kind}")
            }
            Self::StreamsMissing => format!("{queue}: queue type 'stream' is not supported"),
        }
    }
}

fn kind(arguments: &Table) -> Result<QueueKind, Refusal> {
    let Some(value) = arguments.view().get("x-queue-type") else { return Ok(QueueKind::Classic) };
    let invalid = |why| Refusal::Invalid { key: "x-queue-type", why };
    match value.as_str() {
        Some("classic" | "rabbit_classic_queue") => Ok(QueueKind::Classic),
        Some("quorum" | "rabbit_quorum_queue") => Ok(QueueKind::Quorum),
        Some("stream" | "rabbit_stream_queue") => Err(Refusal::StreamsMissing),
        Some(other) => Err(invalid(format!("\"unsupported queue type '{other}'\""))),
        None => Err(invalid(format!("{{unacceptable_type,{}}}", value.type_name()))),
    }
}

fn check(key: &'static str, rule: Rule, value: &Value<'_>, all: &Table) -> Result<(), Refusal> {
    let found = value.type_name();
    let invalid = |why: String| Err(Refusal::Invalid { key, why });
    match rule {
        Rule::Unchecked => Ok(()),
        Rule::Version => match value.as_int() {
            None => invalid(format!("\"expected integer, got {found}\"")),
            Some(QUEUE_VERSION) => Ok(()),
            Some(other) => invalid(format!("\"unsupported queue version '{other}'\"")),
        },
        Rule::Int { min, max, too_much } => match value.as_int() {
            None => invalid(format!("\"expected integer, got {found}\"")),
            Some(0) if min > 0 => invalid("{value_zero,0}".to_owned()),
            Some(n) if n < min => invalid(format!("{{value_negative,{n}}}")),
            Some(n) if n > max => invalid(format!("{{{too_much},{n}}}")),
            Some(_) => Ok(()),
        },
        Rule::Bool => match value {
            Value::Bool(_) => Ok(()),
            _ => invalid(format!("{{unacceptable_type,{found}}}")),
        },
        Rule::ExchangeName => match value {
            Value::LongString(_) => Ok(()),
            _ => Err(Refusal::InvalidType { key, found }),
        },
        Rule::DeadLetterKey => match value {
            Value::LongString(_) if all.view().get("x-dead-letter-exchange").is_none() => {
                invalid("routing_key_but_no_dlx_defined".to_owned())
            }
            Value::LongString(_) => Ok(()),
            _ => invalid(format!("{{unacceptable_type,{found}}}")),
        },
        Rule::OneOf(words, error) => match value.as_str() {
            Some(word) if words.contains(&word) => Ok(()),
            Some(_) => invalid(error.to_owned()),
            None => invalid(format!("{{unacceptable_type,{found}}}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::table::TableBuilder;

    fn refused(arguments: &Table) -> String {
        QueueOptions::parse(arguments).unwrap_err().text("queue 'q' in vhost '/'")
    }

    #[test]
    fn numbers_have_bounds() {
        let long = |key, n| TableBuilder::new().long(key, n).build();
        let text = "invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}";
        assert_eq!(refused(&long("x-message-ttl", -1)), text);
        assert!(refused(&long("x-expires", 0)).ends_with("{value_zero,0}"));
        assert!(refused(&long("x-max-priority", 256)).ends_with("{max_value_exceeded,256}"));
        assert!(refused(&long("x-message-ttl", i64::MAX)).contains("{value_too_large,"));
        assert!(QueueOptions::parse(&long("x-message-ttl", 0)).is_ok());
    }

    #[test]
    fn types_are_checked() {
        let text = |key, v: &str| refused(&TableBuilder::new().long_string(key, v).build());
        assert!(text("x-expires", "5").ends_with("\"expected integer, got longstr\""));
        assert!(text("x-single-active-consumer", "yes").ends_with("{unacceptable_type,longstr}"));
        assert!(text("x-dead-letter-routing-key", "k").ends_with("routing_key_but_no_dlx_defined"));
        assert!(text("x-overflow", "explode").ends_with("invalid_overflow"));
        assert!(text("x-queue-type", "magic").ends_with("\"unsupported queue type 'magic'\""));
        let dlx = refused(&TableBuilder::new().long("x-dead-letter-exchange", 1).build());
        assert_eq!(
            dlx,
            "invalid type 'long' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"
        );
    }

    #[test]
    fn an_argument_of_another_type_is_refused_and_an_unknown_one_kept() {
        let stream = TableBuilder::new().long_string("x-max-age", "1h").build();
        assert!(refused(&stream).ends_with("of queue type rabbit_classic_queue"));
        let unknown = TableBuilder::new().long_string("x-mine", "1h").build();
        assert_eq!(QueueOptions::parse(&unknown).unwrap().arguments, unknown);
    }
}
