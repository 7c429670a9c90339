//! A durable exchange, and its octets.

use std::sync::Arc;

use super::input::{Input, put};
use super::{AUTO_DELETE, BadDefinition, EXCHANGE, INTERNAL};
use crate::amqp::table::Table;

/// A durable exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExchangeDefinition {
    /// Its virtual host's name.
    pub vhost: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
    /// Its type's name.
    pub kind: Box<str>,
    /// Goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
}

impl ExchangeDefinition {
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.push(EXCHANGE);
        put(key, self.vhost.as_bytes());
        put(key, self.name.as_bytes());
    }

    pub(super) fn write_value(&self, value: &mut Vec<u8>) {
        put(value, self.kind.as_bytes());
        let auto_delete = if self.auto_delete { AUTO_DELETE } else { 0 };
        let internal = if self.internal { INTERNAL } else { 0 };
        value.push(auto_delete | internal);
        self.arguments.write_prefixed(value);
    }

    pub(super) fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        let (name, kind) = (key.text()?, value.text()?);
        let flags = value.flags(AUTO_DELETE | INTERNAL)?;
        Ok(Self {
            vhost,
            name,
            kind: (*kind).into(),
            auto_delete: flags & AUTO_DELETE != 0,
            internal: flags & INTERNAL != 0,
            arguments: value.table()?,
        })
    }
}
