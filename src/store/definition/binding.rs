//! A binding between two durable ends, and its octets.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::input::{Input, put};
use super::{BINDING, BadDefinition};
use crate::amqp::table::Table;

/// In a binding's key: what it leads to.
const TO_QUEUE: u8 = 1;
const TO_EXCHANGE: u8 = 2;
/// So much of the SHA-256 of a binding's arguments is in its key. Nobody finds two tables that
/// agree in 128 bits.
const ARGUMENTS_HASH_BYTES: usize = 16;

/// A binding between two durable ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindingDefinition {
    /// The virtual host's name.
    pub vhost: Arc<str>,
    /// The exchange that it leads from.
    pub source: Arc<str>,
    /// Where it leads.
    pub destination: DestinationName,
    /// The routing key.
    pub routing_key: Box<[u8]>,
    /// Its arguments.
    pub arguments: Table,
}

/// Where a binding leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DestinationName {
    /// To the queue of that name.
    Queue(Arc<str>),
    /// To the exchange of that name.
    Exchange(Arc<str>),
}

impl BindingDefinition {
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.push(BINDING);
        put(key, self.vhost.as_bytes());
        put(key, self.source.as_bytes());
        let (kind, destination) = match &self.destination {
            DestinationName::Queue(name) => (TO_QUEUE, name),
            DestinationName::Exchange(name) => (TO_EXCHANGE, name),
        };
        key.push(kind);
        put(key, destination.as_bytes());
        put(key, &self.routing_key);
        key.extend_from_slice(&hash(&self.arguments));
    }

    pub(super) fn write_value(&self, value: &mut Vec<u8>) {
        self.arguments.write_prefixed(value);
    }

    pub(super) fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        let source = key.text()?;
        let destination = match key.octet()? {
            TO_QUEUE => DestinationName::Queue(key.text()?),
            TO_EXCHANGE => DestinationName::Exchange(key.text()?),
            other => return Err(BadDefinition::UnknownDestination(other)),
        };
        let routing_key = key.sized()?.into();
        let (expected, arguments) = (key.array()?, value.table()?);
        if hash(&arguments) != expected {
            return Err(BadDefinition::OtherArguments);
        }
        Ok(Self { vhost, source, destination, routing_key, arguments })
    }
}

/// Equal arguments have the same, in whatever order they came.
fn hash(arguments: &Table) -> [u8; ARGUMENTS_HASH_BYTES] {
    let whole = Sha256::digest(arguments.sorted_bytes());
    whole.first_chunk().copied().unwrap_or_default()
}

impl fmt::Display for BindingDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "binding from exchange '{}' to {} with key '{}' in vhost '{}'",
            self.source,
            self.destination,
            self.routing_key.escape_ascii(),
            self.vhost
        )
    }
}

impl fmt::Display for DestinationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) => write!(f, "queue '{name}'"),
            Self::Exchange(name) => write!(f, "exchange '{name}'"),
        }
    }
}
