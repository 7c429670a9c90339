//! A policy as it was written, and its octets.

use std::sync::Arc;

use super::BadDefinition;
use super::input::{Input, put};

/// A policy, as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyDefinition {
    /// Its virtual host's name.
    pub vhost: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
    /// The regular expression for names.
    pub pattern: Box<str>,
    /// What it is for.
    pub apply_to: Box<str>,
    /// The highest of several counts.
    pub priority: i64,
    /// What it says, as JSON.
    pub definition: Box<str>,
}

impl PolicyDefinition {
    pub(super) fn write_key(&self, kind: u8, key: &mut Vec<u8>) {
        key.push(kind);
        put(key, self.vhost.as_bytes());
        put(key, self.name.as_bytes());
    }

    pub(super) fn write_value(&self, value: &mut Vec<u8>) {
        put(value, self.pattern.as_bytes());
        put(value, self.apply_to.as_bytes());
        value.extend_from_slice(&self.priority.to_be_bytes());
        put(value, self.definition.as_bytes());
    }

    pub(super) fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        Ok(Self {
            vhost,
            name: key.text()?,
            pattern: (*value.text()?).into(),
            apply_to: (*value.text()?).into(),
            priority: i64::from_be_bytes(value.array()?),
            definition: (*value.text()?).into(),
        })
    }
}
