//! Bindings filed under their keys: which exist, and where they lead.
//!
//! A binding is the same as another if key, arguments and destination are; an exchange type that
//! looks at fewer of them still keeps them apart. Knows nothing of how keys are matched.

use std::hash::Hash;

use hashbrown::{HashMap, HashSet};

use crate::amqp::table::Table;

/// One binding of an exchange, for listings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Binding<'a, T> {
    /// The binding key.
    pub key: &'a [u8],
    /// The arguments it was made with.
    pub arguments: &'a Table,
    /// The destination.
    pub to: &'a T,
}

/// All bindings with one key.
pub(super) struct Destinations<T>(HashSet<(Table, T)>);

impl<T> Default for Destinations<T> {
    fn default() -> Self {
        Self(HashSet::default())
    }
}

impl<T: Clone + Eq + Hash> Destinations<T> {
    pub(super) fn insert(&mut self, arguments: &Table, to: T) -> bool {
        self.0.insert((arguments.clone(), to))
    }

    pub(super) fn remove(&mut self, arguments: &Table, to: &T) -> bool {
        let removed = self.0.remove(&(arguments.clone(), to.clone()));
        if is_sparse(self.0.len(), self.0.capacity()) {
            self.0.shrink_to_fit();
        }
        removed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn each(&self, found: &mut impl FnMut(&T)) {
        self.0.iter().for_each(|(_, to)| found(to));
    }

    pub(super) fn iter<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = Binding<'a, T>> {
        self.0.iter().map(move |(arguments, to)| Binding { key, arguments, to })
    }
}

/// Bindings by their whole key.
pub(super) struct Keyed<T> {
    keys: HashMap<Box<[u8]>, Destinations<T>>,
    len: usize,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self { keys: HashMap::default(), len: 0 }
    }
}

impl<T: Clone + Eq + Hash> Keyed<T> {
    pub(super) fn insert(&mut self, key: &[u8], arguments: &Table, to: T) -> bool {
        let added = self.keys.entry(key.into()).or_default().insert(arguments, to);
        self.len += usize::from(added);
        added
    }

    pub(super) fn remove(&mut self, key: &[u8], arguments: &Table, to: &T) -> bool {
        let Some(destinations) = self.keys.get_mut(key) else { return false };
        let removed = destinations.remove(arguments, to);
        self.len -= usize::from(removed);
        if destinations.is_empty() {
            self.keys.remove(key);
            shrink(&mut self.keys);
        }
        removed
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Destinations<T>> {
        self.keys.get(key)
    }

    pub(super) fn each(&self, found: &mut impl FnMut(&T)) {
        self.keys.values().for_each(|destinations| destinations.each(found));
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Binding<'_, T>> {
        self.keys.iter().flat_map(|(key, destinations)| destinations.iter(key))
    }
}

/// Gives back memory once a map has lost most of what it held.
pub(super) fn shrink<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if is_sparse(map.len(), map.capacity()) {
        map.shrink_to_fit();
    }
}

/// Far enough apart from the growing point that removing and adding in turn does not reallocate.
fn is_sparse(len: usize, capacity: usize) -> bool {
    len < capacity / 8 || (len == 0 && capacity > 0)
}
