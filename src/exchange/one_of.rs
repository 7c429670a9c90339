//! Exchanges that choose one of all their bindings, whatever the binding keys are.
//!
//! The bindings lie in an order that only depends on what they lead to, so that a number chosen by
//! hash means the same after a restart. Knows nothing of where the number comes from.

use std::hash::Hash;

use super::Lasting;
use super::bindings::{Binding, Keyed};
use crate::amqp::table::Table;

/// Destinations to choose from.
pub struct OneOf<T> {
    bindings: Keyed<T>,
    /// One entry per binding, sorted by the number that stays with the destination.
    sorted: Vec<(u64, T)>,
}

impl<T> Default for OneOf<T> {
    fn default() -> Self {
        Self { bindings: Keyed::default(), sorted: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash + Lasting> OneOf<T> {
    /// Adds a binding. `false`: it exists.
    pub fn bind(&mut self, key: &[u8], arguments: &Table, to: T) -> bool {
        let (number, entry) = (to.lasting_number(), to.clone());
        let added = self.bindings.insert(key, arguments, to);
        if added {
            let at = self.sorted.partition_point(|(other, _)| *other < number);
            self.sorted.insert(at, (number, entry));
        }
        added
    }

    /// Removes a binding. `false`: it does not exist.
    pub fn unbind(&mut self, key: &[u8], arguments: &Table, to: &T) -> bool {
        let removed = self.bindings.remove(key, arguments, to);
        let number = to.lasting_number();
        let first = self.sorted.partition_point(|(other, _)| *other < number);
        let mut alike = self.sorted.iter().skip(first);
        if removed && let Some(after) = alike.position(|(_, other)| other == to) {
            self.sorted.remove(first + after);
            if self.sorted.len() < self.sorted.capacity() / 4 {
                self.sorted.shrink_to_fit();
            }
        }
        removed
    }

    /// Reports the destination for that number, whatever the number is; none if there is none.
    pub fn pick(&self, number: u64, found: &mut impl FnMut(&T)) {
        // The high half of a product instead of a remainder: it needs no division.
        let at = (u128::from(number) * self.sorted.len() as u128) >> u64::BITS;
        if let Some((_, to)) = self.sorted.get(at as usize) {
            found(to);
        }
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// All bindings, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Binding<'_, T>> {
        self.bindings.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::stable_hash::mix;

    fn counts(one_of: &OneOf<u8>) -> [u32; 5] {
        let mut counts = [0; 5];
        for number in 0..4000 {
            one_of.pick(mix(number), &mut |to| counts[usize::from(*to)] += 1);
        }
        counts
    }

    #[test]
    fn every_binding_is_chosen_alike() {
        let (mut one_of, none) = (OneOf::default(), Table::default());
        assert_eq!(counts(&one_of), [0; 5]);
        for to in 1..=3 {
            assert!(one_of.bind(b"k", &none, to) && !one_of.bind(b"k", &none, to));
        }
        assert!(one_of.bind(b"other", &none, 3));
        let counted = counts(&one_of);
        for (to, expected) in [(1, 1000), (2, 1000), (3, 2000)] {
            assert!(counted[to].abs_diff(expected) < 150, "{counted:?}");
        }
        assert!(one_of.unbind(b"k", &none, &3) && !one_of.unbind(b"k", &none, &3));
        assert!(one_of.unbind(b"k", &none, &1));
        let counted = counts(&one_of);
        assert!(counted[1] == 0 && counted[2] + counted[3] == 4000, "{counted:?}");
        assert!(one_of.unbind(b"k", &none, &2) && one_of.unbind(b"other", &none, &3));
        assert!(one_of.is_empty() && one_of.iter().count() == 0);
    }

    #[test]
    fn the_order_of_binding_does_not_matter() {
        let (mut one, mut other, none) = (OneOf::default(), OneOf::default(), Table::default());
        for to in 0..5 {
            one.bind(b"", &none, to);
            other.bind(b"", &none, 4 - to);
        }
        for number in 0..1000 {
            let (mut a, mut b) = (None, None);
            one.pick(mix(number), &mut |to| a = Some(*to));
            other.pick(mix(number), &mut |to| b = Some(*to));
            assert!(a.is_some() && a == b);
        }
    }
}
