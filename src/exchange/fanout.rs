//! Fanout exchange: every binding matches every message. Ignores routing key and headers.

use std::hash::Hash;

use super::bindings::{Binding, Keyed};
use crate::amqp::table::{Table, TableView};

/// Destinations, kept apart by keys that do not matter.
pub struct Fanout<T>(Keyed<T>);

impl<T> Default for Fanout<T> {
    fn default() -> Self {
        Self(Keyed::default())
    }
}

impl<T: Clone + Eq + Hash> Fanout<T> {
    /// Adds a binding. `false`: it exists.
    pub fn bind(&mut self, key: &[u8], arguments: &Table, to: T) -> bool {
        self.0.insert(key, arguments, to)
    }

    /// Removes a binding. `false`: it does not exist.
    pub fn unbind(&mut self, key: &[u8], arguments: &Table, to: &T) -> bool {
        self.0.remove(key, arguments, to)
    }

    /// Reports every destination, once per binding.
    pub fn route(&self, _: &[u8], _: Option<TableView<'_>>, found: &mut impl FnMut(&T)) {
        self.0.each(found);
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bindings, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Binding<'_, T>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binding_matches_and_the_key_only_tells_them_apart() {
        let (mut fanout, none) = (Fanout::default(), Table::default());
        assert!(fanout.bind(b"", &none, 1) && fanout.bind(b"x", &none, 1));
        assert!(fanout.bind(b"", &none, 2) && !fanout.bind(b"", &none, 2));
        let mut found = Vec::new();
        fanout.route(b"whatever", None, &mut |to| found.push(*to));
        found.sort_unstable();
        assert_eq!(found, [1, 1, 2]);
        assert_eq!(fanout.len(), 3);
        assert!(fanout.unbind(b"", &none, &1) && !fanout.unbind(b"y", &none, &1));
        assert_eq!(fanout.iter().count(), 2);
    }
}
