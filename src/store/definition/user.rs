//! Users, and what they may do where, and their octets.

use std::fmt;
use std::sync::Arc;

use super::input::{Input, put, put_limit, put_list};
use super::{BadDefinition, PERMISSION, TOPIC_PERMISSION, USER};

/// A user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserDefinition {
    /// The name.
    pub name: Arc<str>,
    /// How the password is hashed, by `RabbitMQ`'s name; empty if there is none.
    pub algorithm: Arc<str>,
    /// The hash as text.
    pub hash: HashText,
    /// Tags.
    pub tags: Vec<Arc<str>>,
    /// Connections; negative for any number.
    pub max_connections: Option<i64>,
    /// Channels of all connections; negative for any number.
    pub max_channels: Option<i64>,
}

/// The hash of a password. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HashText(pub Arc<str>);

impl fmt::Debug for HashText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashText(..)")
    }
}

/// What a user may do in a virtual host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PermissionDefinition {
    /// The virtual host's name.
    pub vhost: Arc<str>,
    /// The user's name.
    pub user: Arc<str>,
    /// What may be declared and deleted, as a regular expression for names.
    pub configure: Arc<str>,
    /// What may be written to.
    pub write: Arc<str>,
    /// What may be read from.
    pub read: Arc<str>,
}

/// What a user may do with which routing keys of a topic exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicPermissionDefinition {
    /// The virtual host's name.
    pub vhost: Arc<str>,
    /// The user's name.
    pub user: Arc<str>,
    /// The exchange's name.
    pub exchange: Arc<str>,
    /// Keys that may be published, as a regular expression.
    pub write: Arc<str>,
    /// Keys that may be bound.
    pub read: Arc<str>,
}

impl UserDefinition {
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.push(USER);
        put(key, self.name.as_bytes());
    }

    pub(super) fn write_value(&self, value: &mut Vec<u8>) {
        put(value, self.algorithm.as_bytes());
        put(value, self.hash.0.as_bytes());
        put_list(value, &self.tags);
        put_limit(value, self.max_connections);
        put_limit(value, self.max_channels);
    }

    pub(super) fn read(name: Arc<str>, value: &mut Input<'_>) -> Result<Self, BadDefinition> {
        let (algorithm, hash) = (value.text()?, HashText(value.text()?));
        let tags = value.list()?;
        let (max_connections, max_channels) = (value.limit()?, value.limit()?);
        Ok(Self { name, algorithm, hash, tags, max_connections, max_channels })
    }
}

impl PermissionDefinition {
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.push(PERMISSION);
        put(key, self.vhost.as_bytes());
        put(key, self.user.as_bytes());
    }

    pub(super) fn write_value(&self, value: &mut Vec<u8>) {
        for text in [&self.configure, &self.write, &self.read] {
            put(value, text.as_bytes());
        }
    }

    pub(super) fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        let user = key.text()?;
        let (configure, write, read) = (value.text()?, value.text()?, value.text()?);
        Ok(Self { vhost, user, configure, write, read })
    }
}

impl TopicPermissionDefinition {
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.push(TOPIC_PERMISSION);
        put(key, self.vhost.as_bytes());
        put(key, self.user.as_bytes());
        put(key, self.exchange.as_bytes());
    }

    pub(super) fn write_value(&self, value: &mut Vec<u8>) {
        put(value, self.write.as_bytes());
        put(value, self.read.as_bytes());
    }

    pub(super) fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        let (user, exchange) = (key.text()?, key.text()?);
        Ok(Self { vhost, user, exchange, write: value.text()?, read: value.text()? })
    }
}
