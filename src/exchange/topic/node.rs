//! The tree of patterns: a node stands for the words that lead to it.

use hashbrown::HashMap;

use crate::exchange::bindings::{Destinations, shrink};

/// The words of a key. The empty key has none; anything else has one more than dots.
pub(super) fn words(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    (!key.is_empty()).then(|| key.split(|octet| *octet == b'.')).into_iter().flatten()
}

pub(super) struct Node<T> {
    /// What is bound with exactly the words so far.
    pub(super) end: Option<Box<End<T>>>,
    pub(super) literal: HashMap<Box<[u8]>, Node<T>>,
    /// Behind `*`.
    pub(super) one_word: Option<Box<Node<T>>>,
    /// Behind `#`.
    pub(super) any_words: Option<Box<Node<T>>>,
}

pub(super) struct End<T> {
    pub(super) key: Box<[u8]>,
    pub(super) to: Destinations<T>,
}

impl<T> End<T> {
    pub(super) fn new(key: &[u8]) -> Self {
        Self { key: key.into(), to: Destinations::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { end: None, literal: HashMap::default(), one_word: None, any_words: None }
    }
}

impl<T> Node<T> {
    pub(super) fn children(&self) -> usize {
        let wild = [&self.one_word, &self.any_words];
        self.literal.len() + wild.iter().filter(|child| child.is_some()).count()
    }

    pub(super) fn child_mut(&mut self, word: &[u8]) -> Option<&mut Self> {
        match word {
            b"*" => self.one_word.as_deref_mut(),
            b"#" => self.any_words.as_deref_mut(),
            _ => self.literal.get_mut(word),
        }
    }

    pub(super) fn child_or_new(&mut self, word: &[u8]) -> &mut Self {
        match word {
            b"*" => self.one_word.get_or_insert_default(),
            b"#" => self.any_words.get_or_insert_default(),
            _ => self.literal.entry(word.into()).or_default(),
        }
    }

    pub(super) fn remove(&mut self, word: &[u8]) {
        match word {
            b"*" => self.one_word = None,
            b"#" => self.any_words = None,
            _ => {
                self.literal.remove(word);
                shrink(&mut self.literal);
            }
        }
    }

    /// This node and everything below.
    pub(super) fn tree(&self) -> impl Iterator<Item = &Self> {
        let mut left = vec![self];
        std::iter::from_fn(move || {
            let node = left.pop()?;
            left.extend(node.literal.values());
            left.extend(node.one_word.as_deref());
            left.extend(node.any_words.as_deref());
            Some(node)
        })
    }
}
