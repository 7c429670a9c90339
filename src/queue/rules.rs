//! The rules in force for one queue: its arguments, its policy and its operator policy in one.
//!
//! Made when a queue is declared and whenever a policy changes, never for a message. Knows nothing
//! of how a policy is chosen, and does not act: the state machine reads these and does.

use std::sync::Arc;

use super::options::QueueKind;
use super::settings::{Overflow, Settings, Strategy};
use crate::amqp::table::{Table, Value};

/// So often may a quorum queue's message come back unless something else is asked for.
const QUORUM_DELIVERY_LIMIT: i64 = 20;

/// What is in force for one queue.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// A message that has waited for so long expires.
    pub message_ttl_ms: Option<u64>,
    /// The queue goes when nobody has used it for so long.
    pub expires_ms: Option<u64>,
    /// So many messages may be ready.
    pub max_length: Option<u64>,
    /// So many octets of bodies may be ready.
    pub max_length_bytes: Option<u64>,
    /// What happens beyond the two.
    pub overflow: Overflow,
    /// Where dead messages go. They vanish without it.
    pub dead_letter: Option<DeadLetter>,
    /// So often may a message come back after a failed delivery; `None` is without limit.
    pub delivery_limit: Option<u32>,
    /// A delivery has to be settled in so long; `None` leaves it to the node.
    pub consumer_timeout_ms: Option<u64>,
}

/// Where a queue's dead messages go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// The exchange, which need not exist.
    pub exchange: Arc<str>,
    /// The routing key; a message's own if there is none.
    pub routing_key: Option<Arc<[u8]>>,
    /// A message stays until every target has confirmed it.
    pub at_least_once: bool,
}

impl Rules {
    /// The rules of a queue with these arguments, to which these policies apply.
    ///
    /// The smallest number wins. Of the rest, the argument counts before the policies, and the
    /// operator's policy before the user's.
    pub fn new(
        kind: QueueKind,
        arguments: &Table,
        policy: Option<&Settings>,
        operator: Option<&Settings>,
    ) -> Self {
        let sources = Sources { arguments, policy, operator };
        let overflow = sources.overflow(kind);
        Self {
            message_ttl_ms: sources.least("x-message-ttl", |s| s.message_ttl_ms),
            expires_ms: sources.least("x-expires", |s| s.expires_ms),
            max_length: sources.least("x-max-length", |s| s.max_length),
            max_length_bytes: sources.least("x-max-length-bytes", |s| s.max_length_bytes),
            overflow,
            dead_letter: sources.dead_letter(kind, overflow),
            delivery_limit: sources.delivery_limit(kind),
            consumer_timeout_ms: sources.consumer_timeout(),
        }
    }
}

/// Whether dead-lettering at least once is asked for and not granted: it needs a quorum queue that
/// refuses what it has no room for. An operator should be told.
pub fn falls_back_to_at_most_once(
    kind: QueueKind,
    arguments: &Table,
    policy: Option<&Settings>,
    rules: &Rules,
) -> bool {
    let sources = Sources { arguments, policy, operator: None };
    let asked = sources.strategy() == Some(Strategy::AtLeastOnce);
    let granted = rules.dead_letter.as_ref().is_some_and(|to| to.at_least_once);
    kind == QueueKind::Quorum && rules.dead_letter.is_some() && asked && !granted
}

/// Where rules come from.
struct Sources<'a> {
    arguments: &'a Table,
    policy: Option<&'a Settings>,
    operator: Option<&'a Settings>,
}

impl<'a> Sources<'a> {
    /// The operator's first, since its word counts more.
    fn policies(&self) -> impl Iterator<Item = &'a Settings> + use<'a> {
        self.operator.into_iter().chain(self.policy)
    }

    fn int(&self, key: &str) -> Option<i64> {
        self.arguments.view().get(key).and_then(|value| value.as_int())
    }

    /// An argument that is a long string; longer-lived than the view it is read through.
    fn string(&self, key: &str) -> Option<&'a [u8]> {
        match self.arguments.view().get(key) {
            Some(Value::LongString(octets)) => Some(octets),
            _ => None,
        }
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.string(key).and_then(|octets| std::str::from_utf8(octets).ok())
    }

    fn least(&self, key: &str, of: impl Fn(&Settings) -> Option<u64>) -> Option<u64> {
        let argument = self.int(key).and_then(|value| u64::try_from(value).ok());
        argument.into_iter().chain(self.policies().filter_map(of)).min()
    }

    fn overflow(&self, kind: QueueKind) -> Overflow {
        let argument = self.text("x-overflow").and_then(Overflow::from_name);
        let asked = argument.or_else(|| self.policies().find_map(|settings| settings.overflow));
        match asked.unwrap_or_default() {
            // Only classic queues have it.
            Overflow::RejectPublishDlx if kind == QueueKind::Quorum => Overflow::DropHead,
            overflow => overflow,
        }
    }

    fn strategy(&self) -> Option<Strategy> {
        let argument = self.text("x-dead-letter-strategy").and_then(Strategy::from_name);
        argument.or_else(|| self.policies().find_map(|settings| settings.dead_letter_strategy))
    }

    /// Exchange and routing key may come from different places.
    fn dead_letter(&self, kind: QueueKind, overflow: Overflow) -> Option<DeadLetter> {
        let argument = self.string("x-dead-letter-exchange").map(String::from_utf8_lossy);
        let exchange = match argument {
            Some(name) => name.as_ref().into(),
            None => self.policies().find_map(|settings| settings.dead_letter_exchange.clone())?,
        };
        let routing_key = match self.string("x-dead-letter-routing-key") {
            Some(key) => Some(key.into()),
            None => self.policies().find_map(|settings| settings.dead_letter_routing_key.clone()),
        };
        let at_least_once = kind == QueueKind::Quorum
            && overflow == Overflow::RejectPublish
            && self.strategy() == Some(Strategy::AtLeastOnce);
        Some(DeadLetter { exchange, routing_key, at_least_once })
    }

    /// Negative is without limit, and gives way to any limit.
    fn delivery_limit(&self, kind: QueueKind) -> Option<u32> {
        let argument = self.int("x-delivery-limit");
        let policies = self.policies().filter_map(|settings| settings.delivery_limit);
        let asked: Vec<i64> = argument.into_iter().chain(policies).collect();
        let limit = match asked.iter().copied().filter(|limit| *limit >= 0).min() {
            None if asked.is_empty() && kind == QueueKind::Quorum => QUORUM_DELIVERY_LIMIT,
            None => return None,
            Some(limit) => limit,
        };
        Some(u32::try_from(limit).unwrap_or(u32::MAX))
    }

    /// Zero is as good as nothing.
    fn consumer_timeout(&self) -> Option<u64> {
        let argument = self.int("x-consumer-timeout").and_then(|value| u64::try_from(value).ok());
        let policies = self.policies().filter_map(|settings| settings.consumer_timeout_ms);
        argument.into_iter().chain(policies).filter(|timeout| *timeout > 0).min()
    }
}
