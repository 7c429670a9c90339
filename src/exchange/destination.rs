//! Where a binding leads: which destination it is, now and after a restart.

use std::sync::Arc;

use super::Exchange;
use super::stable_hash::StableHasher;
use crate::queue::{Queue, QueueKind};

/// Where a binding leads.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Into a queue.
    Queue(Arc<Queue>),
    /// To another exchange's bindings.
    Exchange(Arc<Exchange>),
}

/// What keeps a number that depends on nothing but what it is: another process gives it the same.
pub trait Lasting {
    /// The number; different things nearly always have different ones.
    fn lasting_number(&self) -> u64;
}

impl Destination {
    /// Whether it survives a restart.
    pub fn is_durable(&self) -> bool {
        match self {
            Self::Queue(queue) => queue.spec().durable,
            Self::Exchange(exchange) => exchange.spec().durable,
        }
    }

    /// Whether `x-local-random` may lead here.
    pub(super) fn check_local(&self, key: &[u8]) -> std::result::Result<(), String> {
        if !key.is_empty() {
            let key = String::from_utf8_lossy(key);
            return Err(format!("Non empty binding '{key}' key not permitted"));
        }
        match self {
            Self::Queue(queue) if queue.spec().options.nature.kind == QueueKind::Classic => Ok(()),
            Self::Queue(queue) => Err(format!(
                "Queue type {} not valid for this exchange type",
                queue.spec().options.nature.kind.module()
            )),
            Self::Exchange(_) => Err("Destination not found".to_owned()),
        }
    }

    /// What tells it from every other one that is there.
    pub(super) fn address(&self) -> usize {
        match self {
            Self::Queue(queue) => Arc::as_ptr(queue).addr(),
            Self::Exchange(exchange) => Arc::as_ptr(exchange).addr(),
        }
    }
}

impl Lasting for Destination {
    fn lasting_number(&self) -> u64 {
        let (kind, name) = match self {
            Self::Queue(queue) => (0, queue.name()),
            Self::Exchange(exchange) => (1, exchange.name()),
        };
        let mut hasher = StableHasher::new();
        hasher.number(kind);
        hasher.text(name.as_bytes());
        hasher.finish()
    }
}

/// Destinations are the same if they are the same object: a name that was deleted and declared
/// again is another destination.
impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Destination {}

impl std::hash::Hash for Destination {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

#[cfg(test)]
impl Lasting for u8 {
    fn lasting_number(&self) -> u64 {
        super::stable_hash::mix(u64::from(*self) + 1)
    }
}
