//! The fields that `warren show` shows of each thing, in the order in which people ask for them.
//!
//! JSON shows all there are.

use crate::cli::output::{Column, Kind};

const fn rate(name: &'static str, path: &'static str) -> Column {
    Column::named(name, path, Kind::Rate)
}

pub(crate) const OVERVIEW: &[Column] = &[
    Column::text("cluster_name"),
    Column::text("node"),
    Column::text("product_name"),
    Column::text("product_version"),
    Column::text("rabbitmq_version"),
    Column::named("connections", "object_totals.connections", Kind::Number),
    Column::named("channels", "object_totals.channels", Kind::Number),
    Column::named("consumers", "object_totals.consumers", Kind::Number),
    Column::named("exchanges", "object_totals.exchanges", Kind::Number),
    Column::named("queues", "object_totals.queues", Kind::Number),
    Column::named("ready", "queue_totals.messages_ready", Kind::Number),
    Column::named("unacked", "queue_totals.messages_unacknowledged", Kind::Number),
    Column::named("messages", "queue_totals.messages", Kind::Number),
    rate("publish_rate", "message_stats.publish_details.rate"),
    rate("confirm_rate", "message_stats.confirm_details.rate"),
    rate("deliver_rate", "message_stats.deliver_get_details.rate"),
    rate("ack_rate", "message_stats.ack_details.rate"),
];

pub(crate) const LISTENERS: &[Column] = &[
    Column::text("protocol"),
    Column::text("ip_address"),
    Column::number("port"),
    Column::text("tls"),
    Column::text("node"),
];

pub(crate) const NODE: &[Column] = &[
    Column::text("name"),
    Column::text("type"),
    Column::text("running"),
    Column::text("being_drained"),
    Column::text("os_pid"),
    Column::of("uptime", Kind::Duration),
    Column::number("processors"),
    Column::of("mem_used", Kind::Bytes),
    Column::of("mem_limit", Kind::Bytes),
    Column::text("mem_alarm"),
    Column::of("disk_free", Kind::Bytes),
    Column::of("disk_free_limit", Kind::Bytes),
    Column::text("disk_free_alarm"),
    Column::number("fd_used"),
    Column::number("fd_total"),
    Column::number("sockets_used"),
    Column::number("sockets_total"),
    Column::text("db_dir"),
    Column::text("config_files"),
    Column::text("log_files"),
    Column::text("enabled_plugins"),
];

pub(crate) const QUEUE: &[Column] = &[
    Column::text("name"),
    Column::text("vhost"),
    Column::text("type"),
    Column::text("state"),
    Column::text("node"),
    Column::text("durable"),
    Column::text("auto_delete"),
    Column::text("exclusive"),
    Column::text("arguments"),
    Column::text("policy"),
    Column::text("operator_policy"),
    Column::text("effective_policy_definition"),
    Column::named("ready", "messages_ready", Kind::Number),
    Column::named("unacked", "messages_unacknowledged", Kind::Number),
    Column::number("messages"),
    Column::number("messages_persistent"),
    Column::of("message_bytes", Kind::Bytes),
    Column::of("memory", Kind::Bytes),
    Column::number("consumers"),
    Column::number("consumer_capacity"),
    Column::text("single_active_consumer_tag"),
    rate("publish_rate", "message_stats.publish_details.rate"),
    rate("deliver_rate", "message_stats.deliver_get_details.rate"),
    rate("ack_rate", "message_stats.ack_details.rate"),
    rate("redeliver_rate", "message_stats.redeliver_details.rate"),
    Column::named("published", "message_stats.publish", Kind::Number),
    Column::named("delivered", "message_stats.deliver_get", Kind::Number),
    Column::named("acked", "message_stats.ack", Kind::Number),
    Column::named("redelivered", "message_stats.redeliver", Kind::Number),
    Column::text("head_message_timestamp"),
    Column::text("idle_since"),
];

pub(crate) const EXCHANGE: &[Column] = &[
    Column::text("name"),
    Column::text("vhost"),
    Column::text("type"),
    Column::text("durable"),
    Column::text("auto_delete"),
    Column::text("internal"),
    Column::text("arguments"),
    Column::text("policy"),
    Column::text("user_who_performed_action"),
    rate("publish_in_rate", "message_stats.publish_in_details.rate"),
    rate("publish_out_rate", "message_stats.publish_out_details.rate"),
    Column::named("published_in", "message_stats.publish_in", Kind::Number),
    Column::named("published_out", "message_stats.publish_out", Kind::Number),
];

pub(crate) const CONNECTION: &[Column] = &[
    Column::text("name"),
    Column::text("user_provided_name"),
    Column::text("vhost"),
    Column::text("user"),
    Column::text("state"),
    Column::text("protocol"),
    Column::text("auth_mechanism"),
    Column::text("peer_host"),
    Column::text("peer_port"),
    Column::text("host"),
    Column::text("port"),
    Column::named("tls", "ssl", Kind::Text),
    Column::text("ssl_protocol"),
    Column::text("ssl_cipher"),
    Column::text("peer_cert_subject"),
    Column::of("connected_at", Kind::Time),
    Column::named("heartbeat", "timeout", Kind::Number),
    Column::number("channel_max"),
    Column::number("frame_max"),
    Column::named("received", "recv_oct", Kind::Bytes),
    Column::named("sent", "send_oct", Kind::Bytes),
    Column::of("send_pend", Kind::Bytes),
    Column::named("product", "client_properties.product", Kind::Text),
    Column::named("product_version", "client_properties.version", Kind::Text),
    Column::named("platform", "client_properties.platform", Kind::Text),
];

pub(crate) const CHANNEL: &[Column] = &[
    Column::text("name"),
    Column::number("number"),
    Column::text("vhost"),
    Column::text("user"),
    Column::text("state"),
    Column::text("confirm"),
    Column::text("transactional"),
    Column::number("consumer_count"),
    Column::number("prefetch_count"),
    Column::number("global_prefetch_count"),
    Column::number("messages_unacknowledged"),
    Column::number("messages_unconfirmed"),
    Column::number("messages_uncommitted"),
    Column::number("acks_uncommitted"),
    rate("publish_rate", "message_stats.publish_details.rate"),
    rate("deliver_rate", "message_stats.deliver_get_details.rate"),
    rate("ack_rate", "message_stats.ack_details.rate"),
    Column::text("idle_since"),
];

// The hash of the password is left out on purpose.
pub(crate) const USER: &[Column] = &[
    Column::text("name"),
    Column::text("tags"),
    Column::text("hashing_algorithm"),
    Column::text("limits"),
];

pub(crate) const VHOST: &[Column] = &[
    Column::text("name"),
    Column::text("description"),
    Column::text("tags"),
    Column::text("default_queue_type"),
    Column::named("protected", "protected_from_deletion", Kind::Text),
    Column::text("tracing"),
    Column::text("cluster_state"),
    Column::named("ready", "messages_ready", Kind::Number),
    Column::named("unacked", "messages_unacknowledged", Kind::Number),
    Column::number("messages"),
    rate("publish_rate", "message_stats.publish_details.rate"),
    rate("deliver_rate", "message_stats.deliver_get_details.rate"),
    Column::named("received", "recv_oct", Kind::Bytes),
    Column::named("sent", "send_oct", Kind::Bytes),
];

pub(crate) const POLICY: &[Column] = &[
    Column::text("name"),
    Column::text("vhost"),
    Column::text("pattern"),
    Column::text("apply-to"),
    Column::number("priority"),
    Column::text("definition"),
];
