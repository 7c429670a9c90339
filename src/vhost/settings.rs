//! What is said about a virtual host: metadata, limits, protection.
//!
//! A value that never changes; who changes it makes another one. Knows nothing of what is in the
//! virtual host.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::VirtualHost;
use crate::amqp::table::{Table, TableBuilder};
use crate::outbox::Wakes;
use crate::queue::QueueKind;
use crate::store::{Definition, VirtualHostDefinition};

/// What chooses the type of a queue.
const QUEUE_TYPE: &str = "x-queue-type";

/// What its operator says about a virtual host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VhostMetadata {
    /// What it is for.
    pub description: Arc<str>,
    /// Words of the operator's choice.
    pub tags: Vec<Arc<str>>,
    /// The type of queues that ask for none.
    pub default_queue_type: Option<QueueKind>,
    /// Its messages are traced.
    pub tracing: bool,
}

/// How much of something there may be in a virtual host; negative for any number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VhostLimits {
    /// Connections.
    pub max_connections: Option<i64>,
    /// Queues.
    pub max_queues: Option<i64>,
}

/// Something of which there may be so much in a virtual host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VhostLimit {
    /// Connections.
    MaxConnections,
    /// Queues.
    MaxQueues,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VhostSettings {
    /// What is said about it.
    pub metadata: VhostMetadata,
    /// How much there may be in it.
    pub limits: VhostLimits,
    /// It cannot be deleted.
    pub protected: bool,
}

impl VhostLimit {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxConnections => "max-connections",
            Self::MaxQueues => "max-queues",
        }
    }

    /// The limit of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::MaxConnections, Self::MaxQueues].into_iter().find(|limit| limit.name() == name)
    }
}

impl VhostLimits {
    /// The same with another limit.
    #[must_use]
    pub fn with(mut self, limit: VhostLimit, value: Option<i64>) -> Self {
        match limit {
            VhostLimit::MaxConnections => self.max_connections = value,
            VhostLimit::MaxQueues => self.max_queues = value,
        }
        self
    }
}

impl VhostSettings {
    /// What is kept of it.
    pub fn definition(&self, name: &Arc<str>) -> Definition {
        let kind = self.metadata.default_queue_type.map_or("", QueueKind::name);
        Definition::VirtualHost(VirtualHostDefinition {
            name: name.clone(),
            description: self.metadata.description.clone(),
            tags: self.metadata.tags.clone(),
            default_queue_type: kind.into(),
            tracing: self.metadata.tracing,
            protected: self.protected,
            max_connections: self.limits.max_connections,
            max_queues: self.limits.max_queues,
        })
    }

    /// What was kept of it.
    pub fn from_definition(kept: &VirtualHostDefinition) -> Result<Self, String> {
        let default_queue_type = match &*kept.default_queue_type {
            "" => None,
            name => {
                let kind = QueueKind::from_name(name);
                Some(kind.ok_or_else(|| format!("unknown default queue type '{name}'"))?)
            }
        };
        Ok(Self {
            metadata: VhostMetadata {
                description: kept.description.clone(),
                tags: kept.tags.clone(),
                default_queue_type,
                tracing: kept.tracing,
            },
            limits: VhostLimits {
                max_connections: kept.max_connections,
                max_queues: kept.max_queues,
            },
            protected: kept.protected,
        })
    }
}

impl VirtualHost {
    /// What is said about it.
    pub fn settings(&self) -> Arc<VhostSettings> {
        self.settings.read().clone()
    }

    /// Has something else said about it from now on, and kept.
    pub fn set_settings(&self, settings: VhostSettings, wakes: &mut Wakes) {
        let definition = settings.definition(self.name());
        self.traced.store(settings.metadata.tracing, Ordering::Relaxed);
        *self.settings.write() = Arc::new(settings);
        self.changes(wakes).define(Some(definition));
    }

    /// The arguments of a queue that asks for no type, if there is a default that it can have.
    pub(super) fn with_default_type(
        &self,
        arguments: &Table,
        (durable, exclusive, auto_delete): (bool, bool, bool),
    ) -> Option<Table> {
        let kind = self.settings.read().metadata.default_queue_type?;
        let fits = match kind {
            QueueKind::Classic => true,
            QueueKind::Quorum => durable && !exclusive && !auto_delete,
        };
        let asks = arguments.view().get(QUEUE_TYPE).is_some();
        (fits && !asks).then(|| {
            let builder = TableBuilder::from_view(arguments.view());
            builder.long_string(QUEUE_TYPE, kind.name()).build()
        })
    }
}
