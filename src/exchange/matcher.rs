//! The exchange types behind one face: which destinations a message is for.
//!
//! Knows keys, arguments and properties, and destinations as things that can be told apart. Whether
//! they are queues or exchanges is for the caller, and so is telling a destination once only.

use std::hash::Hash;

use super::Lasting;
use super::bindings::Binding;
use super::chance;
use super::consistent_hash::ConsistentHash;
use super::direct::Direct;
use super::fanout::Fanout;
use super::hash_on::HashOn;
use super::headers::Headers;
use super::one_of::OneOf;
use super::route::Subject;
use super::topic::Topic;
use crate::amqp::table::Table;

/// The bindings of one exchange, kept as its type needs them.
pub enum Matcher<T> {
    /// By the whole key.
    Direct(Direct<T>),
    /// All of them.
    Fanout(Fanout<T>),
    /// By patterns of words.
    Topic(Topic<T>),
    /// By headers.
    Headers(Box<Headers<T>>),
    /// One of them, by hash and weight.
    ConsistentHash(ConsistentHash<T>),
    /// One of them, by hash of the keys.
    ModulusHash(OneOf<T>),
    /// One of them, by chance.
    Random(OneOf<T>),
}

impl<T: Clone + Eq + Hash + Lasting> Matcher<T> {
    /// Adds a binding. `false`: one with this key, these arguments and this destination exists.
    pub fn bind(&mut self, key: &[u8], arguments: &Table, to: T) -> bool {
        match self {
            Self::Direct(m) => m.bind(key, arguments, to),
            Self::Fanout(m) => m.bind(key, arguments, to),
            Self::Topic(m) => m.bind(key, arguments, to),
            Self::Headers(m) => m.bind(key, arguments, to),
            Self::ConsistentHash(m) => m.bind(key, arguments, to),
            Self::ModulusHash(m) | Self::Random(m) => m.bind(key, arguments, to),
        }
    }

    /// Removes a binding. `false`: it does not exist.
    pub fn unbind(&mut self, key: &[u8], arguments: &Table, to: &T) -> bool {
        match self {
            Self::Direct(m) => m.unbind(key, arguments, to),
            Self::Fanout(m) => m.unbind(key, arguments, to),
            Self::Topic(m) => m.unbind(key, arguments, to),
            Self::Headers(m) => m.unbind(key, arguments, to),
            Self::ConsistentHash(m) => m.unbind(key, arguments, to),
            Self::ModulusHash(m) | Self::Random(m) => m.unbind(key, arguments, to),
        }
    }

    /// Reports the destination of every matching binding, so perhaps one several times.
    pub fn route(&self, subject: &Subject<'_>, found: &mut impl FnMut(&T)) {
        let headers = subject.properties.headers;
        // Further keys would only find the same again, or choose once more.
        let first = subject.keys.first().copied().unwrap_or_default();
        match self {
            Self::Direct(m) => subject.keys.iter().for_each(|key| m.route(key, headers, found)),
            Self::Fanout(m) => m.route(first, headers, found),
            Self::Topic(m) => subject.keys.iter().for_each(|key| m.route(key, headers, found)),
            Self::Headers(m) => m.route(first, headers, found),
            Self::ConsistentHash(m) => m.route(subject, found),
            Self::ModulusHash(m) => m.pick(HashOn::Keys.hash(subject), found),
            Self::Random(m) => m.pick(chance::number(), found),
        }
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Direct(m) => m.len(),
            Self::Fanout(m) => m.len(),
            Self::Topic(m) => m.len(),
            Self::Headers(m) => m.len(),
            Self::ConsistentHash(m) => m.len(),
            Self::ModulusHash(m) | Self::Random(m) => m.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bindings, in no order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Binding<'_, T>> + '_> {
        match self {
            Self::Direct(m) => Box::new(m.iter()),
            Self::Fanout(m) => Box::new(m.iter()),
            Self::Topic(m) => Box::new(m.iter()),
            Self::Headers(m) => Box::new(m.iter()),
            Self::ConsistentHash(m) => Box::new(m.iter()),
            Self::ModulusHash(m) | Self::Random(m) => Box::new(m.iter()),
        }
    }
}

impl<'a, T: Clone + Eq + Hash + Lasting> IntoIterator for &'a Matcher<T> {
    type Item = Binding<'a, T>;
    type IntoIter = Box<dyn Iterator<Item = Binding<'a, T>> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::properties::Properties;

    #[test]
    fn every_type_answers_through_the_same_calls() {
        let matchers = [
            Matcher::Direct(Direct::default()),
            Matcher::Fanout(Fanout::default()),
            Matcher::Topic(Topic::default()),
            Matcher::Headers(Box::default()),
            Matcher::ConsistentHash(ConsistentHash::new(HashOn::Keys)),
            Matcher::ModulusHash(OneOf::default()),
            Matcher::Random(OneOf::default()),
        ];
        let properties = &Properties::default();
        let none = Table::default();
        for (mut matcher, for_other_key) in matchers.into_iter().zip([0, 1, 0, 1, 1, 1, 1]) {
            assert!(matcher.bind(b"k", &none, 1) && !matcher.bind(b"k", &none, 1));
            assert_eq!((matcher.len(), matcher.iter().count()), (1, 1));
            for (key, expected) in [(b"k", 1), (b"x", for_other_key)] {
                let mut found = 0;
                let keys: &[&[u8]] = &[key];
                matcher.route(&Subject { keys, properties }, &mut |_| found += 1);
                assert_eq!(found, expected);
            }
            assert!(matcher.unbind(b"k", &none, &1) && matcher.is_empty());
        }
    }
}
