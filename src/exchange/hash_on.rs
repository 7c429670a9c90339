//! What a consistent hash exchange takes the hash of.

use super::route::Subject;
use super::stable_hash::StableHasher;

/// What is hashed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HashOn {
    /// The routing keys.
    Keys,
    /// The header of that name.
    Header(Box<[u8]>),
    /// The property `message_id`.
    MessageId,
    /// The property `correlation_id`.
    CorrelationId,
    /// The property `timestamp`.
    Timestamp,
}

impl HashOn {
    /// By the name of a property, if it is one of those that can be hashed.
    pub fn property(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"message_id" => Self::MessageId,
            b"correlation_id" => Self::CorrelationId,
            b"timestamp" => Self::Timestamp,
            _ => return None,
        })
    }

    /// Whether messages with the same keys have the same hash.
    pub fn is_keys(&self) -> bool {
        *self == Self::Keys
    }

    /// The hash. All messages without the header or property have the same one.
    pub(super) fn hash(&self, subject: &Subject<'_>) -> u64 {
        let mut hasher = StableHasher::new();
        let properties = subject.properties;
        let text = match self {
            Self::Keys => {
                for key in subject.keys {
                    hasher.text(key);
                }
                None
            }
            Self::Header(name) => {
                if let Some(value) = properties.headers.and_then(|h| h.get_bytes(name)) {
                    hasher.value(&value);
                }
                None
            }
            Self::Timestamp => {
                if let Some(seconds) = properties.timestamp {
                    hasher.number(seconds);
                }
                None
            }
            Self::MessageId => properties.message_id,
            Self::CorrelationId => properties.correlation_id,
        };
        if let Some(text) = text {
            hasher.text(text);
        }
        hasher.finish()
    }
}
