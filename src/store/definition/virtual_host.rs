//! A virtual host with what is said about it, and its octets.

use std::sync::Arc;

use super::input::{Input, put, put_limit, put_list};
use super::{BadDefinition, VIRTUAL_HOST};

/// How its value is laid out. Before there was anything to say about a virtual host its value was
/// version 1 and nothing else.
pub(super) const VIRTUAL_HOST_VERSION: u8 = 2;
/// Flags.
const TRACING: u8 = 1;
const PROTECTED: u8 = 2;

/// A virtual host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VirtualHostDefinition {
    /// Its name.
    pub name: Arc<str>,
    /// What its operator says it is for.
    pub description: Arc<str>,
    /// Words of the operator's choice.
    pub tags: Vec<Arc<str>>,
    /// The type of queues that ask for none; empty if nobody has said.
    pub default_queue_type: Arc<str>,
    /// Its messages are traced.
    pub tracing: bool,
    /// It cannot be deleted.
    pub protected: bool,
    /// Connections to it; negative for any number.
    pub max_connections: Option<i64>,
    /// Its queues; negative for any number.
    pub max_queues: Option<i64>,
}

impl VirtualHostDefinition {
    /// One about which nothing is said.
    pub fn plain(name: Arc<str>) -> Self {
        Self {
            name,
            description: "".into(),
            tags: Vec::new(),
            default_queue_type: "".into(),
            tracing: false,
            protected: false,
            max_connections: None,
            max_queues: None,
        }
    }

    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.push(VIRTUAL_HOST);
        put(key, self.name.as_bytes());
    }

    pub(super) fn write_value(&self, value: &mut Vec<u8>) {
        put(value, self.description.as_bytes());
        put_list(value, &self.tags);
        put(value, self.default_queue_type.as_bytes());
        let tracing = if self.tracing { TRACING } else { 0 };
        value.push(tracing | if self.protected { PROTECTED } else { 0 });
        put_limit(value, self.max_connections);
        put_limit(value, self.max_queues);
    }

    pub(super) fn read(name: Arc<str>, value: &mut Input<'_>) -> Result<Self, BadDefinition> {
        let (description, tags) = (value.text()?, value.list()?);
        let default_queue_type = value.text()?;
        let flags = value.flags(TRACING | PROTECTED)?;
        Ok(Self {
            name,
            description,
            tags,
            default_queue_type,
            tracing: flags & TRACING != 0,
            protected: flags & PROTECTED != 0,
            max_connections: value.limit()?,
            max_queues: value.limit()?,
        })
    }
}
