//! Policies: rules that an operator sets for all queues and exchanges whose names match.
//!
//! A policy is made from what somebody wrote (`parse.rs`), checked against the keys that RabbitMQ
//! knows (`keys.rs`), and asked here whether it applies. Texts are RabbitMQ's: people look them up.
//! Knows no virtual hosts, and does nothing to a queue.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::pattern::Pattern;
use crate::queue::{QueueKind, Settings};

mod effective;
mod erlang;
mod keys;
mod parse;

pub use effective::effective;

/// Whose word a policy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// A user's: the common one.
    User,
    /// The operator's of the whole broker: it is merged with the user's, for queues alone.
    Operator,
}

/// What a policy is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Queues of all types.
    Queues,
    /// Classic queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Streams.
    Streams,
    /// Exchanges.
    Exchanges,
}

/// What a policy may be for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A queue of that type.
    Queue(QueueKind),
    /// An exchange.
    Exchange,
}

/// A policy, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    scope: Scope,
    name: Arc<str>,
    pattern: Pattern,
    apply_to: ApplyTo,
    priority: i64,
    definition: Map<String, Value>,
    settings: Settings,
    alternate_exchange: Option<Arc<str>>,
}

/// Why a policy cannot be set or cleared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PolicyError {
    /// There is no such virtual host.
    NoVhost(String),
    /// There is no such policy.
    NoPolicy(String),
    /// What should be JSON is not.
    NotJson,
    /// Something that has to be said is not.
    KeyMissing(&'static str),
    /// It says something wrong: one line for each.
    Invalid(String),
}

impl Policy {
    /// Whose word it is.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Its name among those of its virtual host and scope.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The regular expression, as it was written.
    pub fn pattern(&self) -> &str {
        self.pattern.text()
    }

    /// What it is for.
    pub fn apply_to(&self) -> ApplyTo {
        self.apply_to
    }

    /// Of several that apply the one with the highest counts.
    pub fn priority(&self) -> i64 {
        self.priority
    }

    /// What it says.
    pub fn definition(&self) -> &Map<String, Value> {
        &self.definition
    }

    /// What it says about queues.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where messages go that an exchange leads nowhere.
    pub fn alternate_exchange(&self) -> Option<&Arc<str>> {
        self.alternate_exchange.as_ref()
    }

    /// Whether its pattern is found in that name.
    pub fn matches(&self, name: &str) -> bool {
        self.pattern.is_found_in(name)
    }

    /// Whether it applies to what has that name. One that says something that a type of queue does
    /// not know does not apply to queues of that type at all.
    pub fn applies_to(&self, target: Target, name: &str) -> bool {
        let meant = match target {
            Target::Queue(kind) => {
                self.apply_to.includes_queue(kind) && keys::all_known_to(kind, &self.definition)
            }
            Target::Exchange => {
                self.scope == Scope::User
                    && matches!(self.apply_to, ApplyTo::All | ApplyTo::Exchanges)
            }
        };
        meant && self.matches(name)
    }
}

/// The one that counts for what has that name: of the highest priority, the first.
pub fn choose<'a>(
    policies: impl IntoIterator<Item = &'a Arc<Policy>>,
    target: Target,
    name: &str,
) -> Option<&'a Arc<Policy>> {
    let mut chosen: Option<&Arc<Policy>> = None;
    for policy in policies {
        let higher = chosen.is_none_or(|chosen| policy.priority > chosen.priority);
        if higher && policy.applies_to(target, name) {
            chosen = Some(policy);
        }
    }
    chosen
}

impl ApplyTo {
    const ALL: [Self; 6] = [
        Self::All,
        Self::Queues,
        Self::ClassicQueues,
        Self::QuorumQueues,
        Self::Streams,
        Self::Exchanges,
    ];

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|apply_to| apply_to.name() == name)
    }

    /// As operators write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Queues => "queues",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
            Self::Exchanges => "exchanges",
        }
    }

    fn includes_queue(self, kind: QueueKind) -> bool {
        match self {
            Self::All | Self::Queues => true,
            Self::ClassicQueues => kind == QueueKind::Classic,
            Self::QuorumQueues => kind == QueueKind::Quorum,
            Self::Streams | Self::Exchanges => false,
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVhost(name) => write!(f, "vhost {name} not found"),
            Self::NoPolicy(name) => write!(f, "policy {name} not found"),
            Self::NotJson => f.write_str("not_json"),
            Self::KeyMissing(key) => write!(f, "[{{key_missing,{key}}}]"),
            Self::Invalid(lines) => f.write_str(lines),
        }
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(scope: Scope, name: &str, body: &str) -> Arc<Policy> {
        Arc::new(Policy::from_json(scope, name, body).expect("a sound policy"))
    }

    fn applying(apply_to: &str, definition: &str) -> [bool; 3] {
        let body =
            format!(r#"{{"pattern": "^a", "apply-to": "{apply_to}", "definition": {definition}}}"#);
        let policy = policy(Scope::User, "p", &body);
        let targets =
            [Target::Queue(QueueKind::Classic), Target::Queue(QueueKind::Quorum), Target::Exchange];
        targets.map(|target| policy.applies_to(target, "abc"))
    }

    #[test]
    fn a_policy_applies_to_what_it_is_for() {
        let ttl = r#"{"message-ttl": 1}"#;
        assert_eq!(applying("all", ttl), [true, true, true]);
        assert_eq!(applying("queues", ttl), [true, true, false]);
        assert_eq!(applying("classic_queues", ttl), [true, false, false]);
        assert_eq!(applying("quorum_queues", ttl), [false, true, false]);
        assert_eq!(applying("streams", ttl), [false, false, false]);
        assert_eq!(applying("exchanges", ttl), [false, false, true]);
    }

    #[test]
    fn a_policy_with_a_key_of_another_type_does_not_apply_at_all() {
        let with = |key| format!(r#"{{"message-ttl": 1, {key}}}"#);
        let strategy = with(r#""dead-letter-strategy": "at-least-once""#);
        assert_eq!(applying("all", &strategy), [false, true, true]);
        assert_eq!(applying("all", &with(r#""queue-mode": "lazy""#)), [true, false, true]);
        assert_eq!(applying("all", &with(r#""max-age": "1h""#)), [false, false, true]);
        // Unlike RabbitMQ's, classic queues here have it.
        assert_eq!(applying("all", &with(r#""delivery-limit": 3"#)), [true, true, true]);
    }

    #[test]
    fn an_operators_policy_is_for_queues_alone() {
        let body = r#"{"pattern": "", "definition": {"max-length": 1}}"#;
        let policy = policy(Scope::Operator, "p", body);
        assert!(policy.applies_to(Target::Queue(QueueKind::Classic), "q"));
        assert!(!policy.applies_to(Target::Exchange, "q"));
    }

    #[test]
    fn the_highest_priority_counts_then_the_first() {
        let with = |name: &str, pattern: &str, priority: i64| {
            let body = format!(
                r#"{{"pattern": "{pattern}", "priority": {priority},
                    "definition": {{"max-length": 1}}}}"#
            );
            policy(Scope::User, name, &body)
        };
        let policies = [
            with("a", "q", -1),
            with("b", "q", 2),
            with("c", "q", 2),
            with("d", "^x", 9),
            with("e", "q", 0),
        ];
        let chosen = |count: usize, name: &str| {
            let chosen = choose(&policies[..count], Target::Queue(QueueKind::Classic), name);
            chosen.map(|policy| policy.name().to_string())
        };
        assert_eq!(chosen(5, "my-q").as_deref(), Some("b"));
        assert_eq!(chosen(1, "my-q").as_deref(), Some("a"));
        assert_eq!(chosen(5, "xq").as_deref(), Some("d"));
        assert_eq!(chosen(5, "other"), None);
    }
}
