//! One key's way through the tree, with all nodes it has reached so far.
//!
//! A node behind `#` stays reached from then on, whatever the words; every other one is left with
//! the next word. Because a node has one parent, only a node behind `#` can be reached twice: it
//! is entered once and then remembered. So no set here is ever larger than the tree.

use std::hash::Hash;

use smallvec::SmallVec;

use super::node::{Node, words};
use crate::exchange::seen::Seen;

/// Nodes kept on the stack; only keys that match many patterns at once reach more.
const REACHED_INLINE: usize = 16;

type Nodes<'a, T> = SmallVec<[&'a Node<T>; REACHED_INLINE]>;

pub(super) struct Walk<'a, 'f, T, F> {
    /// Reached with exactly the words so far.
    reached: Nodes<'a, T>,
    /// Behind `#` and with children, reached with these or fewer words.
    staying: Nodes<'a, T>,
    /// Nodes behind `#` that could be entered again, by address.
    seen: Seen,
    found: &'f mut F,
}

impl<'a, 'f, T: Clone + Eq + Hash, F: FnMut(&T)> Walk<'a, 'f, T, F> {
    pub(super) fn new(found: &'f mut F) -> Self {
        Self { reached: Nodes::new(), staying: Nodes::new(), seen: Seen::default(), found }
    }

    pub(super) fn run(mut self, root: &'a Node<T>, key: &[u8]) {
        self.enter(root);
        for word in words(key) {
            if self.reached.is_empty() && self.staying.is_empty() {
                return;
            }
            self.step(word);
        }
        for end in self.reached.iter().filter_map(|node| node.end.as_deref()) {
            end.to.each(self.found);
        }
    }

    fn step(&mut self, word: &[u8]) {
        let left = std::mem::take(&mut self.reached);
        // What starts to stay with this word must not use it up as well.
        let staying = self.staying.len();
        for node in left {
            self.enter_children(node, word);
        }
        for at in 0..staying {
            if let Some(node) = self.staying.get(at).copied() {
                self.enter_children(node, word);
            }
        }
    }

    fn enter_children(&mut self, node: &'a Node<T>, word: &[u8]) {
        if let Some(child) = &node.one_word {
            self.enter(child);
        }
        if !node.literal.is_empty()
            && let Some(child) = node.literal.get(word)
        {
            self.enter(child);
        }
    }

    fn enter(&mut self, node: &'a Node<T>) {
        self.reached.push(node);
        let mut next = node.any_words.as_deref();
        while let Some(node) = next {
            // With nothing staying above it, a node is reached at one word only.
            if !self.staying.is_empty() && !self.seen.insert(std::ptr::from_ref(node).addr()) {
                return;
            }
            // `#` takes all words that are still to come.
            if let Some(end) = &node.end {
                end.to.each(self.found);
            }
            if node.one_word.is_some() || !node.literal.is_empty() {
                self.staying.push(node);
            }
            next = node.any_words.as_deref();
        }
    }
}
