//! Something that an operator has noted for the whole broker, and its octets.

use std::sync::Arc;

use super::input::{Input, put};
use super::{BadDefinition, GLOBAL_PARAMETER};

/// A value of the whole broker under a name of the operator's choice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GlobalParameterDefinition {
    /// The name.
    pub name: Arc<str>,
    /// The value, as JSON.
    pub value: Arc<str>,
}

impl GlobalParameterDefinition {
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.push(GLOBAL_PARAMETER);
        put(key, self.name.as_bytes());
    }

    pub(super) fn write_value(&self, value: &mut Vec<u8>) {
        put(value, self.value.as_bytes());
    }

    pub(super) fn read(name: Arc<str>, value: &mut Input<'_>) -> Result<Self, BadDefinition> {
        Ok(Self { name, value: value.text()? })
    }
}
