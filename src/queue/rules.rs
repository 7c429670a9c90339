//! The rules in force for one queue: its arguments, its policy and its operator policy in one.
//!
//! Made when a queue is declared and whenever a policy changes, never for a message. Knows nothing
//! of how a policy is chosen, and does not act: the state machine reads these and does.

use std::sync::Arc;

use super::options::QueueKind;
use super::settings::{Overflow, Settings, Strategy};
use crate::amqp::table::{Table, Value};

/// Ten years. Policies may ask for more, which no clock has to be able to add.
const DURATION_MAX_MS: u64 = 315_360_000_000;
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
            message_ttl_ms: sources.shortest("x-message-ttl", |s| s.message_ttl_ms),
            expires_ms: sources.shortest("x-expires", |s| s.expires_ms),
            max_length: sources.least("x-max-length", |s| s.max_length),
            max_length_bytes: sources.least("x-max-length-bytes", |s| s.max_length_bytes),
            overflow,
            dead_letter: sources.dead_letter(kind, overflow),
            delivery_limit: sources.delivery_limit(kind),
            consumer_timeout_ms: sources.consumer_timeout(),
        }
    }
}

impl Rules {
    /// What has to be looked at for each message.
    pub(super) fn demands(&self) -> Demands {
        Demands {
            times: self.message_ttl_ms.is_some() || self.expires_ms.is_some(),
            limits: self.max_length.is_some() || self.max_length_bytes.is_some(),
        }
    }
}

/// What of the rules concerns each message: most queues have nothing of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demands {
    /// Something happens at some time.
    pub(super) times: bool,
    /// There is a limit of what may be ready.
    pub(super) limits: bool,
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

    fn shortest(&self, key: &str, of: impl Fn(&Settings) -> Option<u64>) -> Option<u64> {
        self.least(key, of).map(|duration_ms| duration_ms.min(DURATION_MAX_MS))
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
        let timeouts = argument.into_iter().chain(policies).filter(|timeout| *timeout > 0);
        timeouts.min().map(|timeout_ms| timeout_ms.min(DURATION_MAX_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::table::TableBuilder;

    const CLASSIC: QueueKind = QueueKind::Classic;
    const QUORUM: QueueKind = QueueKind::Quorum;

    fn none() -> Table {
        Table::default()
    }

    fn long(key: &str, value: i64) -> Table {
        TableBuilder::new().long(key, value).build()
    }

    fn text(key: &str, value: &str) -> Table {
        TableBuilder::new().long_string(key, value).build()
    }

    #[test]
    fn the_smallest_number_counts_wherever_it_comes_from() {
        type Of = fn(&Rules) -> Option<u64>;
        type Set = fn(&mut Settings, Option<u64>);
        let numbers: [(&str, Of, Set); 5] = [
            ("x-message-ttl", |r| r.message_ttl_ms, |s, n| s.message_ttl_ms = n),
            ("x-expires", |r| r.expires_ms, |s, n| s.expires_ms = n),
            ("x-max-length", |r| r.max_length, |s, n| s.max_length = n),
            ("x-max-length-bytes", |r| r.max_length_bytes, |s, n| s.max_length_bytes = n),
            ("x-consumer-timeout", |r| r.consumer_timeout_ms, |s, n| s.consumer_timeout_ms = n),
        ];
        for (key, of, set) in numbers {
            let settings = |value| {
                let mut settings = Settings::default();
                set(&mut settings, value);
                settings
            };
            let least = |argument: Option<i64>, policy, operator| {
                let arguments = argument.map_or_else(none, |value| long(key, value));
                let (policy, operator) = (settings(policy), settings(operator));
                of(&Rules::new(CLASSIC, &arguments, Some(&policy), Some(&operator)))
            };
            assert_eq!(least(None, None, None), None, "{key}");
            assert_eq!(least(Some(1), Some(2), Some(3)), Some(1), "{key}");
            assert_eq!(least(Some(2), Some(1), Some(3)), Some(1), "{key}");
            assert_eq!(least(Some(3), Some(2), Some(1)), Some(1), "{key}");
            assert_eq!(least(None, Some(2), None), Some(2), "{key}");
            assert_eq!(least(None, None, Some(2)), Some(2), "{key}");
            assert_eq!(least(Some(2), None, None), Some(2), "{key}");
            assert_eq!(of(&Rules::new(CLASSIC, &long(key, 2), None, None)), Some(2), "{key}");
        }
    }

    #[test]
    fn durations_end_at_ten_years_and_no_timeout_is_none() {
        let long_ago = Settings {
            message_ttl_ms: Some(u64::MAX),
            expires_ms: Some(u64::MAX),
            consumer_timeout_ms: Some(u64::MAX),
            ..Settings::default()
        };
        let rules = Rules::new(CLASSIC, &none(), Some(&long_ago), None);
        let ten_years = Some(DURATION_MAX_MS);
        assert_eq!((rules.message_ttl_ms, rules.expires_ms), (ten_years, ten_years));
        assert_eq!(rules.consumer_timeout_ms, ten_years);
        let zero = Settings { consumer_timeout_ms: Some(0), ..Settings::default() };
        let timeout = |arguments: &Table| {
            Rules::new(QUORUM, arguments, Some(&zero), None).consumer_timeout_ms
        };
        assert_eq!(timeout(&none()), None);
        assert_eq!(timeout(&long("x-consumer-timeout", 5)), Some(5));
        assert_eq!(timeout(&long("x-consumer-timeout", 0)), None);
    }

    #[test]
    fn the_arguments_words_count_then_the_operators() {
        let with = |overflow| Settings { overflow: Some(overflow), ..Settings::default() };
        let (user, operator) = (with(Overflow::RejectPublishDlx), with(Overflow::RejectPublish));
        let overflow = |arguments: &Table, user, operator| {
            Rules::new(CLASSIC, arguments, user, operator).overflow
        };
        let argument = text("x-overflow", "drop-head");
        assert_eq!(overflow(&argument, Some(&user), Some(&operator)), Overflow::DropHead);
        assert_eq!(overflow(&none(), Some(&user), Some(&operator)), Overflow::RejectPublish);
        assert_eq!(overflow(&none(), Some(&user), None), Overflow::RejectPublishDlx);
        assert_eq!(overflow(&none(), None, None), Overflow::DropHead);
        let quorum = Rules::new(QUORUM, &none(), Some(&user), None);
        assert_eq!(quorum.overflow, Overflow::DropHead, "a quorum queue does not have it");
    }

    #[test]
    fn exchange_and_key_of_dead_letters_come_from_where_they_are() {
        let policy = Settings {
            dead_letter_exchange: Some("policy".into()),
            dead_letter_routing_key: Some(b"k".as_slice().into()),
            ..Settings::default()
        };
        let to = |arguments: &Table, policy| {
            let to = Rules::new(CLASSIC, arguments, policy, None).dead_letter?;
            Some((to.exchange.to_string(), to.routing_key.map(|key| key.to_vec())))
        };
        let exchange = text("x-dead-letter-exchange", "argument");
        let both = TableBuilder::from_view(exchange.view())
            .long_string("x-dead-letter-routing-key", "a")
            .build();
        let expected = |exchange: &str, key: Option<&str>| {
            Some((exchange.to_owned(), key.map(|key| key.as_bytes().to_vec())))
        };
        assert_eq!(to(&none(), None), None);
        assert_eq!(to(&none(), Some(&policy)), expected("policy", Some("k")));
        assert_eq!(to(&exchange, None), expected("argument", None));
        assert_eq!(to(&exchange, Some(&policy)), expected("argument", Some("k")));
        assert_eq!(to(&both, Some(&policy)), expected("argument", Some("a")));
        let key_alone = Settings { dead_letter_exchange: None, ..policy.clone() };
        assert_eq!(to(&none(), Some(&key_alone)), None);
        let default = text("x-dead-letter-exchange", "");
        assert_eq!(to(&default, None), expected("", None));
    }

    #[test]
    fn at_least_once_needs_a_quorum_queue_that_refuses() {
        let all = |overflow| Settings {
            dead_letter_exchange: Some("x".into()),
            dead_letter_strategy: Some(Strategy::AtLeastOnce),
            overflow: Some(overflow),
            ..Settings::default()
        };
        let at_least_once = |kind, arguments: &Table, policy: &Settings| {
            let rules = Rules::new(kind, arguments, Some(policy), None);
            let falls_back = falls_back_to_at_most_once(kind, arguments, Some(policy), &rules);
            (rules.dead_letter.expect("there is an exchange").at_least_once, falls_back)
        };
        let refuses = all(Overflow::RejectPublish);
        assert_eq!(at_least_once(QUORUM, &none(), &refuses), (true, false));
        assert_eq!(at_least_once(CLASSIC, &none(), &refuses), (false, false));
        let drops = all(Overflow::DropHead);
        assert_eq!(at_least_once(QUORUM, &none(), &drops), (false, true));
        let argument = text("x-dead-letter-strategy", "at-most-once");
        assert_eq!(at_least_once(QUORUM, &argument, &refuses), (false, false));
        let argument = text("x-overflow", "drop-head");
        assert_eq!(at_least_once(QUORUM, &argument, &refuses), (false, true));
    }

    #[test]
    fn any_delivery_limit_is_lower_than_none() {
        let limit = |kind, argument: Option<i64>, policy, operator| {
            let with = |delivery_limit| Settings { delivery_limit, ..Settings::default() };
            let arguments = argument.map_or_else(none, |value| long("x-delivery-limit", value));
            Rules::new(kind, &arguments, Some(&with(policy)), Some(&with(operator))).delivery_limit
        };
        assert_eq!(limit(CLASSIC, None, None, None), None);
        assert_eq!(limit(QUORUM, None, None, None), Some(20));
        for kind in [CLASSIC, QUORUM] {
            assert_eq!(limit(kind, Some(-1), None, None), None);
            assert_eq!(limit(kind, None, Some(-1), None), None);
            assert_eq!(limit(kind, Some(-1), Some(-5), Some(-1)), None);
            assert_eq!(limit(kind, Some(-1), Some(50), None), Some(50));
            assert_eq!(limit(kind, Some(50), Some(-1), None), Some(50));
            assert_eq!(limit(kind, Some(50), Some(3), Some(-1)), Some(3));
            assert_eq!(limit(kind, Some(50), Some(30), Some(0)), Some(0));
            assert_eq!(limit(kind, Some(i64::MAX), None, None), Some(u32::MAX));
        }
    }
}
