//! The store's edge: what durable queues and definitions hand over, and what they take back.
//!
//! So far everything lives in memory, and a restart begins empty; the verbs are called where a
//! log will be written, under the locks that give it its order. The data directory is taken, so
//! that two brokers never share one. Knows nothing of queues' states or of channels.

mod directory;

pub use directory::{DataDirectory, DataDirectoryError};

use crate::message::{Message, MessageId};

/// What survives; one per broker.
#[derive(Debug)]
pub struct Store {
    directory: DataDirectory,
}

impl Store {
    /// The store in that directory.
    pub fn new(directory: DataDirectory) -> Self {
        Self { directory }
    }

    /// Where it is.
    pub fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    /// A persistent message was taken into a durable queue.
    #[inline]
    pub fn append(&self, _queue: &str, _id: MessageId, _message: &Message) {}

    /// Messages of a durable queue were settled for good.
    #[inline]
    pub fn remove(&self, _queue: &str, _ids: &[MessageId]) {}

    /// A queue was emptied of what was ready.
    pub fn purge(&self, _queue: &str) {}
}
