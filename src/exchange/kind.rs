//! The exchange types by their names.

use super::Destination;
use super::arguments::Arguments;
use super::consistent_hash::ConsistentHash;
use super::direct::Direct;
use super::fanout::Fanout;
use super::matcher::Matcher;
use super::one_of::OneOf;
use super::topic::Topic;

/// The exchange types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExchangeKind {
    /// Keys are equal.
    Direct,
    /// Every binding.
    Fanout,
    /// Keys match patterns of words.
    Topic,
    /// Headers match arguments.
    Headers,
    /// One destination by hash, in proportion to weights.
    ConsistentHash,
    /// One destination by hash, all alike.
    ModulusHash,
    /// One destination by chance.
    Random,
    /// The same, for classic queues.
    LocalRandom,
    /// Every binding; a new one is told the last messages.
    RecentHistory,
    /// What another type does, later.
    Delayed,
}

impl ExchangeKind {
    /// All of them, as clients name them.
    pub const ALL: [Self; 10] = [
        Self::Direct,
        Self::Fanout,
        Self::Topic,
        Self::Headers,
        Self::ConsistentHash,
        Self::ModulusHash,
        Self::Random,
        Self::LocalRandom,
        Self::RecentHistory,
        Self::Delayed,
    ];

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// As in `exchange.declare`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
            Self::ConsistentHash => "x-consistent-hash",
            Self::ModulusHash => "x-modulus-hash",
            Self::Random => "x-random",
            Self::LocalRandom => "x-local-random",
            Self::RecentHistory => "x-recent-history",
            Self::Delayed => "x-delayed-message",
        }
    }

    /// Bindings for a type that routes: [`Arguments::routes_as`] never gives `Delayed`.
    pub(super) fn matcher(self, arguments: &Arguments) -> Matcher<Destination> {
        match self {
            Self::Direct => Matcher::Direct(Direct::default()),
            Self::Topic => Matcher::Topic(Topic::default()),
            Self::Headers => Matcher::Headers(Box::default()),
            Self::ConsistentHash => {
                Matcher::ConsistentHash(ConsistentHash::new(arguments.hash_on.clone()))
            }
            Self::ModulusHash => Matcher::ModulusHash(OneOf::default()),
            Self::Random | Self::LocalRandom => Matcher::Random(OneOf::default()),
            Self::Fanout | Self::RecentHistory | Self::Delayed => {
                Matcher::Fanout(Fanout::default())
            }
        }
    }

    /// Whether the keys alone tell where a message goes, as long as no binding changes.
    pub(super) fn goes_by_keys(self, arguments: &Arguments) -> bool {
        match self {
            Self::Direct | Self::Fanout | Self::Topic | Self::ModulusHash => true,
            Self::ConsistentHash => arguments.hash_on.is_keys(),
            // A recent history has to see every message.
            Self::Headers
            | Self::Random
            | Self::LocalRandom
            | Self::RecentHistory
            | Self::Delayed => false,
        }
    }
}
