//! Direct exchange: the routing key is the binding key, byte for byte. Ignores headers.

use std::hash::Hash;

use super::bindings::{Binding, Keyed};
use crate::amqp::table::{Table, TableView};

/// Destinations by binding key.
pub struct Direct<T>(Keyed<T>);

impl<T> Default for Direct<T> {
    fn default() -> Self {
        Self(Keyed::default())
    }
}

impl<T: Clone + Eq + Hash> Direct<T> {
    /// Adds a binding. `false`: it exists.
    pub fn bind(&mut self, key: &[u8], arguments: &Table, to: T) -> bool {
        self.0.insert(key, arguments, to)
    }

    /// Removes a binding. `false`: it does not exist.
    pub fn unbind(&mut self, key: &[u8], arguments: &Table, to: &T) -> bool {
        self.0.remove(key, arguments, to)
    }

    /// Reports the destinations bound with this key.
    pub fn route(&self, key: &[u8], _: Option<TableView<'_>>, found: &mut impl FnMut(&T)) {
        if let Some(destinations) = self.0.get(key) {
            destinations.each(found);
        }
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
    use crate::amqp::table::TableBuilder;

    fn route(direct: &Direct<u8>, key: &[u8]) -> Vec<u8> {
        let mut found = Vec::new();
        direct.route(key, None, &mut |to| found.push(*to));
        found.sort_unstable();
        found
    }

    #[test]
    fn a_key_leads_to_all_that_are_bound_with_exactly_it() {
        let (mut direct, none) = (Direct::default(), Table::default());
        assert!(direct.bind(b"a", &none, 1));
        assert!(direct.bind(b"a", &none, 2));
        assert!(direct.bind(b"a.b", &none, 3));
        assert!(!direct.bind(b"a", &none, 1), "it exists");
        assert_eq!(route(&direct, b"a"), [1, 2]);
        assert!(route(&direct, b"A").is_empty());
        assert!(direct.unbind(b"a", &none, &1));
        assert!(!direct.unbind(b"a", &none, &1), "it is gone");
        assert_eq!(route(&direct, b"a"), [2]);
    }

    #[test]
    fn arguments_tell_bindings_apart() {
        let (mut direct, none) = (Direct::default(), Table::default());
        let some = TableBuilder::new().int("a", 1).build();
        assert!(direct.bind(b"k", &none, 1) && direct.bind(b"k", &some, 1));
        assert_eq!(direct.iter().map(|b| b.key).collect::<Vec<_>>(), [b"k", b"k"]);
        assert!(direct.unbind(b"k", &none, &1));
        assert_eq!(route(&direct, b"k"), [1]);
        assert!(direct.unbind(b"k", &some, &1) && direct.is_empty());
        assert_eq!(direct.iter().count(), 0);
    }
}
