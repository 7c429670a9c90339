//! A durable queue, and its octets.

use std::sync::Arc;

use super::input::{Input, put};
use super::{AUTO_DELETE, BadDefinition, QUEUE};
use crate::amqp::table::Table;
use crate::store::QueueId;

/// A durable queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueDefinition {
    /// Its virtual host's name.
    pub vhost: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
    /// Its number, under which its messages are.
    pub id: QueueId,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments.
    pub arguments: Table,
}

impl QueueDefinition {
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.push(QUEUE);
        put(key, self.vhost.as_bytes());
        put(key, self.name.as_bytes());
    }

    pub(super) fn write_value(&self, value: &mut Vec<u8>) {
        value.extend_from_slice(&self.id.0.to_be_bytes());
        value.push(if self.auto_delete { AUTO_DELETE } else { 0 });
        self.arguments.write_prefixed(value);
    }

    pub(super) fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        let (name, id) = (key.text()?, value.array()?);
        let auto_delete = value.flags(AUTO_DELETE)? & AUTO_DELETE != 0;
        let id = QueueId(u64::from_be_bytes(id));
        Ok(Self { vhost, name, id, auto_delete, arguments: value.table()? })
    }
}
