//! The catalogue: small facts in order of their keys, one tree per kind.
//!
//! A trait, so that a test can lose what was not synced. What the keys and values are is told in
//! docs/format.md, "The catalogue".

use std::fmt;

/// The trees.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tree {
    /// How far the checkpoint is, and what numbers are taken.
    Meta,
    /// Virtual hosts, exchanges, queues, bindings: a kind's octet, then its key.
    Definitions,
    /// Per queue: the highest id, and how far it was delivered.
    Queues,
    /// Index pages, and a summary of each.
    Pages,
}

impl Tree {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Meta, Self::Definitions, Self::Queues, Self::Pages];

    /// Its name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Definitions => "definitions",
            Self::Queues => "queues",
            Self::Pages => "pages",
        }
    }
}

/// A key, and the value that it gets; `None` removes it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// What a change hands over, in octets.
pub(super) fn change_bytes((key, value): &Change) -> usize {
    key.len() + value.as_ref().map_or(0, Vec::len)
}

/// What is called for each key and value of a scan; false ends it.
pub type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> bool;

/// Why the catalogue does not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CatalogueError(pub String);

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CatalogueError {}

/// What the catalogue answers.
pub type CatalogueResult<T> = std::result::Result<T, CatalogueError>;

/// Small facts in order of their keys.
pub trait Catalogue: fmt::Debug + Send + Sync {
    /// The value of a key.
    fn get(&self, tree: Tree, key: &[u8]) -> CatalogueResult<Option<Vec<u8>>>;

    /// What it has answered cannot be.
    fn is_wrong(&self, _what: &str) {}

    /// Every key that begins with `prefix`, in order.
    fn scan(&self, tree: Tree, prefix: &[u8], each: Each<'_>) -> CatalogueResult<()>;

    /// Changes are about to be made. If anything fails after this, [`sync`](Self::sync) does too,
    /// until the next `begin`.
    fn begin(&self) -> CatalogueResult<()> {
        Ok(())
    }

    /// Makes changes: all of them or, after a crash before the next sync, perhaps none.
    fn apply(&self, tree: Tree, changes: Vec<Change>) -> CatalogueResult<()>;

    /// Gives back what is taken beyond need. `living_bytes` is about what there is to keep.
    /// Nothing else is changed meanwhile.
    fn shrink(&self, _living_bytes: u64) -> CatalogueResult<()> {
        Ok(())
    }

    /// Every change survives a power cut once this has returned.
    fn sync(&self) -> CatalogueResult<()>;
}
