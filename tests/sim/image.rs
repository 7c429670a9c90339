//! What is on a disk at some moment: files as sparse pages, and the catalogue's trees.
//!
//! Images share what they have in common, so that thousands can be made of one journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use warren::store::{Change, Tree};

pub const PAGE_BYTES: u64 = 4096;

type Page = [u8; PAGE_BYTES as usize];

/// A file; pages that were never written are zeros.
#[derive(Clone, Debug, Default)]
pub struct FileImage {
    pub bytes: u64,
    pages: BTreeMap<u64, Arc<Page>>,
}

impl FileImage {
    pub fn of_zeros(bytes: u64) -> Self {
        Self { bytes, pages: BTreeMap::new() }
    }

    pub fn write(&mut self, offset: u64, octets: &[u8]) {
        let mut at = offset;
        for piece in pieces(offset, octets, PAGE_BYTES) {
            let page = self.pages.entry(at / PAGE_BYTES).or_insert_with(|| Arc::new([0; 4096]));
            let from = (at % PAGE_BYTES) as usize;
            Arc::make_mut(page)[from..from + piece.len()].copy_from_slice(piece);
            at += piece.len() as u64;
        }
        self.bytes = self.bytes.max(at);
    }

    pub fn read(&self, into: &mut [u8], offset: u64) -> usize {
        let count = into.len().min(self.bytes.saturating_sub(offset) as usize);
        let mut done = 0;
        while done < count {
            let at = offset + done as u64;
            let from = (at % PAGE_BYTES) as usize;
            let some = (count - done).min(PAGE_BYTES as usize - from);
            let target = &mut into[done..done + some];
            match self.pages.get(&(at / PAGE_BYTES)) {
                Some(page) => target.copy_from_slice(&page[from..from + some]),
                None => target.fill(0),
            }
            done += some;
        }
        count
    }
}

/// Cuts octets where offsets are multiples of `unit_bytes`.
pub fn pieces(offset: u64, octets: &[u8], unit_bytes: u64) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    let mut at = offset;
    std::iter::from_fn(move || {
        let room = (unit_bytes - at % unit_bytes) as usize;
        let (piece, later) = rest.split_at(room.min(rest.len()));
        rest = later;
        at += piece.len() as u64;
        (!piece.is_empty()).then_some(piece)
    })
}

pub type TreeImage = Arc<BTreeMap<Vec<u8>, Vec<u8>>>;

/// A whole disk.
#[derive(Clone, Debug, Default)]
pub struct DiskImage {
    pub files: BTreeMap<Arc<str>, FileImage>,
    pub trees: [TreeImage; 4],
}

impl DiskImage {
    pub fn tree(&self, tree: Tree) -> &TreeImage {
        &self.trees[tree_index(tree)]
    }

    pub fn apply(&mut self, tree: Tree, changes: &[Change]) {
        let tree = Arc::make_mut(&mut self.trees[tree_index(tree)]);
        for (key, value) in changes {
            match value {
                Some(value) => tree.insert(key.clone(), value.clone()),
                None => tree.remove(key),
            };
        }
    }
}

fn tree_index(tree: Tree) -> usize {
    Tree::ALL.iter().position(|t| *t == tree).expect("one of them")
}
