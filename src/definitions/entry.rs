//! What definitions consist of: one struct for each kind of entry.
//!
//! They say what somebody wrote or what there is, in words: nothing here has been checked against
//! a broker. Knows no JSON but that of parameters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::amqp::table::Table;
use crate::policy::Policy;

/// All that a broker, or one of its virtual hosts, is set up with.
#[derive(Clone, Default, Debug)]
pub struct Document {
    /// Who may log in.
    pub users: Vec<UserEntry>,
    /// The virtual hosts.
    pub vhosts: Vec<VhostEntry>,
    /// How much virtual hosts may hold.
    pub vhost_limits: BTreeMap<String, Limits>,
    /// What users may do.
    pub permissions: Vec<PermissionEntry>,
    /// The same for routing keys.
    pub topic_permissions: Vec<TopicPermissionEntry>,
    /// What components are told.
    pub parameters: Vec<ParameterEntry>,
    /// What the whole broker is told.
    pub global_parameters: Vec<(String, Json)>,
    /// Policies of both scopes.
    pub policies: Vec<PolicyEntry>,
    /// Exchanges.
    pub exchanges: Vec<ExchangeEntry>,
    /// Queues.
    pub queues: Vec<QueueEntry>,
    /// Bindings.
    pub bindings: Vec<BindingEntry>,
}

/// A user.
#[derive(Clone)]
pub struct UserEntry {
    /// The name.
    pub name: String,
    /// How it logs in.
    pub secret: Secret,
    /// Its tags.
    pub tags: Vec<String>,
    /// How much it may have.
    pub limits: Limits,
}

/// How a user logs in.
#[derive(Clone)]
pub enum Secret {
    /// Not with a password.
    None,
    /// With a password, of which this is the hash.
    Hash {
        /// As RabbitMQ writes it.
        hash: String,
        /// RabbitMQ's name of the algorithm.
        algorithm: String,
    },
    /// With this password.
    Password(String),
}

/// Limits by their names; a negative one is none.
pub type Limits = Vec<(String, i64)>;

/// A virtual host.
#[derive(Clone, Default, Debug)]
pub struct VhostEntry {
    /// The name.
    pub name: String,
    /// What people say of it; not said by all.
    pub description: Option<String>,
    /// Its tags; not said by all.
    pub tags: Option<Vec<String>>,
    /// The type of queues that name none.
    pub default_queue_type: Option<String>,
    /// Whether the firehose is on; not said by most.
    pub tracing: Option<bool>,
}

/// What a user may do in a virtual host.
#[derive(Clone, Debug)]
pub struct PermissionEntry {
    /// The virtual host.
    pub vhost: String,
    /// The user.
    pub user: String,
    /// Names of what may be configured.
    pub configure: String,
    /// Names of what may be written to.
    pub write: String,
    /// Names of what may be read from.
    pub read: String,
}

/// Which routing keys a user may use at a topic exchange.
#[derive(Clone, Debug)]
pub struct TopicPermissionEntry {
    /// The virtual host.
    pub vhost: String,
    /// The user.
    pub user: String,
    /// The exchange.
    pub exchange: String,
    /// Keys to publish with.
    pub write: String,
    /// Keys to bind with.
    pub read: String,
}

/// What a component is told in a virtual host.
#[derive(Clone, Debug)]
pub struct ParameterEntry {
    /// The component.
    pub component: String,
    /// The virtual host.
    pub vhost: String,
    /// The name.
    pub name: String,
    /// The value.
    pub value: Json,
}

/// A policy.
#[derive(Clone, Debug)]
pub struct PolicyEntry {
    /// The virtual host.
    pub vhost: String,
    /// What it says, checked.
    pub policy: Arc<Policy>,
}

/// An exchange.
#[derive(Clone, Debug)]
pub struct ExchangeEntry {
    /// The virtual host.
    pub vhost: String,
    /// The name.
    pub name: String,
    /// The type.
    pub kind: String,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct QueueEntry {
    /// The virtual host.
    pub vhost: String,
    /// The name.
    pub name: String,
    /// The type; not said by older versions.
    pub kind: Option<String>,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments.
    pub arguments: Table,
}

/// A binding.
#[derive(Clone, Debug)]
pub struct BindingEntry {
    /// The virtual host.
    pub vhost: String,
    /// The exchange it leads from.
    pub source: String,
    /// Whether it leads to a queue, otherwise to an exchange.
    pub to_queue: bool,
    /// What it leads to.
    pub destination: String,
    /// The key.
    pub routing_key: String,
    /// Its arguments.
    pub arguments: Table,
}

/// Without what it logs in with.
impl fmt::Debug for UserEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for QueueEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queue '{}' in vhost '{}'", self.name, self.vhost)
    }
}

impl fmt::Display for ExchangeEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exchange '{}' in vhost '{}'", self.name, self.vhost)
    }
}

impl fmt::Display for BindingEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.to_queue { "queue" } else { "exchange" };
        let Self { vhost, source, destination, routing_key, .. } = self;
        write!(
            f,
            "binding from exchange '{source}' to {kind} '{destination}' with key '{routing_key}' \
             in vhost '{vhost}'"
        )
    }
}
