//! What can be listed: where it is found, which columns it has, and who can search in it.

use clap::ValueEnum;

use crate::cli::output::{Column, Kind};

/// What can be listed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[value(rename_all = "kebab-case")]
pub(crate) enum What {
    Queues,
    Exchanges,
    Bindings,
    Connections,
    Channels,
    Consumers,
    Users,
    Vhosts,
    Nodes,
    Policies,
    OperatorPolicies,
    Permissions,
    TopicPermissions,
    Parameters,
    GlobalParameters,
    VhostLimits,
    UserLimits,
}

/// How it is listed.
pub(crate) struct Listing {
    /// The first part of its path.
    pub(crate) part: &'static str,
    /// Whether one virtual host's are found below `part/VHOST`.
    pub(crate) is_by_vhost: bool,
    /// Whether the broker gives it in pages, and searches and sorts itself.
    pub(crate) is_paged: bool,
    pub(crate) columns: &'static [Column],
}

impl What {
    /// How it is listed.
    pub(crate) fn listing(self) -> Listing {
        let found =
            |part, is_by_vhost, is_paged, columns| Listing { part, is_by_vhost, is_paged, columns };
        match self {
            Self::Queues => found("queues", true, true, QUEUES),
            Self::Exchanges => found("exchanges", true, true, EXCHANGES),
            Self::Bindings => found("bindings", true, false, BINDINGS),
            Self::Connections => found("connections", false, true, CONNECTIONS),
            Self::Channels => found("channels", false, true, CHANNELS),
            Self::Consumers => found("consumers", true, false, CONSUMERS),
            Self::Users => found("users", false, false, USERS),
            Self::Vhosts => found("vhosts", false, false, VHOSTS),
            Self::Nodes => found("nodes", false, false, NODES),
            Self::Policies => found("policies", true, false, POLICIES),
            Self::OperatorPolicies => found("operator-policies", true, false, POLICIES),
            Self::Permissions => found("permissions", false, false, PERMISSIONS),
            Self::TopicPermissions => found("topic-permissions", false, false, TOPIC_PERMISSIONS),
            Self::Parameters => found("parameters", false, false, PARAMETERS),
            Self::GlobalParameters => found("global-parameters", false, false, GLOBAL_PARAMETERS),
            Self::VhostLimits => found("vhost-limits", false, false, VHOST_LIMITS),
            Self::UserLimits => found("user-limits", false, false, USER_LIMITS),
        }
    }
}

const PUBLISH_RATE: &str = "message_stats.publish_details.rate";
const DELIVER_RATE: &str = "message_stats.deliver_get_details.rate";

pub(crate) const QUEUES: &[Column] = &[
    Column::text("vhost"),
    Column::text("name"),
    Column::text("type"),
    Column::text("state"),
    Column::named("ready", "messages_ready", Kind::Number),
    Column::named("unacked", "messages_unacknowledged", Kind::Number),
    Column::number("messages"),
    Column::number("consumers"),
    Column::named("publish_rate", PUBLISH_RATE, Kind::Rate),
    Column::named("deliver_rate", DELIVER_RATE, Kind::Rate),
];

pub(crate) const EXCHANGES: &[Column] = &[
    Column::text("vhost"),
    Column::text("name"),
    Column::text("type"),
    Column::text("durable"),
    Column::text("auto_delete"),
    Column::text("internal"),
    Column::text("policy"),
    Column::text("arguments"),
];

pub(crate) const BINDINGS: &[Column] = &[
    Column::text("vhost"),
    Column::text("source"),
    Column::text("destination_type"),
    Column::text("destination"),
    Column::text("routing_key"),
    Column::text("arguments"),
];

pub(crate) const CONNECTIONS: &[Column] = &[
    Column::text("name"),
    Column::text("vhost"),
    Column::text("user"),
    Column::text("state"),
    Column::number("channels"),
    Column::named("tls", "ssl", Kind::Text),
    Column::text("protocol"),
    Column::named("received", "recv_oct", Kind::Bytes),
    Column::named("sent", "send_oct", Kind::Bytes),
    Column::of("connected_at", Kind::Time),
];

pub(crate) const CHANNELS: &[Column] = &[
    Column::text("name"),
    Column::text("vhost"),
    Column::text("user"),
    Column::text("state"),
    Column::named("consumers", "consumer_count", Kind::Number),
    Column::named("prefetch", "prefetch_count", Kind::Number),
    Column::named("unacked", "messages_unacknowledged", Kind::Number),
    Column::named("unconfirmed", "messages_unconfirmed", Kind::Number),
    Column::named("publish_rate", PUBLISH_RATE, Kind::Rate),
    Column::named("deliver_rate", DELIVER_RATE, Kind::Rate),
];

pub(crate) const CONSUMERS: &[Column] = &[
    Column::named("vhost", "queue.vhost", Kind::Text),
    Column::named("queue", "queue.name", Kind::Text),
    Column::text("consumer_tag"),
    Column::named("channel", "channel_details.name", Kind::Text),
    Column::named("user", "channel_details.user", Kind::Text),
    Column::text("ack_required"),
    Column::named("prefetch", "prefetch_count", Kind::Number),
    Column::text("exclusive"),
    Column::text("active"),
    Column::text("arguments"),
];

pub(crate) const USERS: &[Column] =
    &[Column::text("name"), Column::text("tags"), Column::text("limits")];

pub(crate) const VHOSTS: &[Column] = &[
    Column::text("name"),
    Column::text("description"),
    Column::text("tags"),
    Column::text("default_queue_type"),
    Column::named("protected", "protected_from_deletion", Kind::Text),
    Column::text("tracing"),
    Column::number("messages"),
];

pub(crate) const NODES: &[Column] = &[
    Column::text("name"),
    Column::text("running"),
    Column::of("uptime", Kind::Duration),
    Column::of("mem_used", Kind::Bytes),
    Column::of("mem_limit", Kind::Bytes),
    Column::text("mem_alarm"),
    Column::of("disk_free", Kind::Bytes),
    Column::of("disk_free_limit", Kind::Bytes),
    Column::text("disk_free_alarm"),
    Column::number("fd_used"),
    Column::number("fd_total"),
];

pub(crate) const POLICIES: &[Column] = &[
    Column::text("vhost"),
    Column::text("name"),
    Column::text("pattern"),
    Column::text("apply-to"),
    Column::number("priority"),
    Column::text("definition"),
];

pub(crate) const PERMISSIONS: &[Column] = &[
    Column::text("vhost"),
    Column::text("user"),
    Column::text("configure"),
    Column::text("write"),
    Column::text("read"),
];

pub(crate) const TOPIC_PERMISSIONS: &[Column] = &[
    Column::text("vhost"),
    Column::text("user"),
    Column::text("exchange"),
    Column::text("write"),
    Column::text("read"),
];

pub(crate) const PARAMETERS: &[Column] = &[
    Column::text("component"),
    Column::text("vhost"),
    Column::text("name"),
    Column::text("value"),
];

pub(crate) const GLOBAL_PARAMETERS: &[Column] = &[Column::text("name"), Column::text("value")];

pub(crate) const VHOST_LIMITS: &[Column] = &[
    Column::text("vhost"),
    Column::named("max-connections", "value.max-connections", Kind::Number),
    Column::named("max-queues", "value.max-queues", Kind::Number),
];

pub(crate) const USER_LIMITS: &[Column] = &[
    Column::text("user"),
    Column::named("max-connections", "value.max-connections", Kind::Number),
    Column::named("max-channels", "value.max-channels", Kind::Number),
];
