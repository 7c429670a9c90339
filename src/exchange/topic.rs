//! Topic exchange: binding keys are patterns over the words between the dots.
//!
//! The patterns form a tree with a branch per word. A key walks it word by word with the set of
//! all nodes it may have reached, never by trying out one way after another: whatever the
//! patterns are, a word costs at most one step per node, and the number of `#` needs no limit.
//! Ignores headers.

mod node;
mod walk;

use std::hash::Hash;

use self::node::{End, Node, words};
use self::walk::Walk;
use super::bindings::Binding;
use crate::amqp::table::{Table, TableView};

/// Destinations by pattern.
pub struct Topic<T> {
    root: Node<T>,
    len: usize,
}

impl<T> Default for Topic<T> {
    fn default() -> Self {
        Self { root: Node::default(), len: 0 }
    }
}

impl<T: Clone + Eq + Hash> Topic<T> {
    /// Adds a binding; the key is a short string, so it has 256 words at most. `false`: it exists.
    pub fn bind(&mut self, key: &[u8], arguments: &Table, to: T) -> bool {
        let node = words(key).fold(&mut self.root, Node::child_or_new);
        let added =
            node.end.get_or_insert_with(|| Box::new(End::new(key))).to.insert(arguments, to);
        self.len += usize::from(added);
        added
    }

    /// Removes a binding, and the nodes that led only to it. `false`: it does not exist.
    pub fn unbind(&mut self, key: &[u8], arguments: &Table, to: &T) -> bool {
        let mut node = &mut self.root;
        let mut needed = 0;
        for (at, word) in words(key).enumerate() {
            if node.end.is_some() || node.children() > 1 {
                needed = at;
            }
            let Some(child) = node.child_mut(word) else { return false };
            node = child;
        }
        let Some(end) = &mut node.end else { return false };
        let removed = end.to.remove(arguments, to);
        self.len -= usize::from(removed);
        if end.to.is_empty() {
            node.end = None;
            if node.children() == 0 {
                self.cut(key, needed);
            }
        }
        removed
    }

    /// Cuts the branch for a key off behind the first words, which lead to something else too.
    fn cut(&mut self, key: &[u8], needed: usize) {
        let mut node = &mut self.root;
        for (at, word) in words(key).enumerate() {
            if at == needed {
                node.remove(word);
                return;
            }
            let Some(child) = node.child_mut(word) else { return };
            node = child;
        }
    }

    /// Reports the destinations of every matching binding, once per binding.
    pub fn route(&self, key: &[u8], _: Option<TableView<'_>>, found: &mut impl FnMut(&T)) {
        if self.len > 0 {
            Walk::new(found).run(&self.root, key);
        }
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All bindings, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Binding<'_, T>> {
        self.root
            .tree()
            .filter_map(|node| node.end.as_deref())
            .flat_map(|end| end.to.iter(&end.key))
    }
}

#[cfg(test)]
mod tests;
