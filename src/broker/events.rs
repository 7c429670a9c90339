//! What is told of users, virtual hosts and connections, in the words of RabbitMQ's events; and
//! publishing all events.
//!
//! Knows nothing of what leads to them, nor of who listens.

use std::net::SocketAddr;

use serde_json::{Map, Value as Json};

use super::{Node, Presence};
use crate::access::{Permission, Right, TopicPermission, UserLimits};
use crate::amqp::table::{ArrayBuilder, Table, TableBuilder, Value};
use crate::events::{EVENT_EXCHANGE, Event, acting, address_term, with_terms};
use crate::message::{Body, Message, Traits, address};
use crate::outbox::Wakes;
use crate::policy::{Policy, Scope};
use crate::tls::TlsInfo;
use crate::vhost::{DEFAULT_VHOST, VhostLimits, VirtualHost};

/// As events show it.
const PROTOCOL: &str = "{0,9,1}";
/// A value of an operator is shown if it takes this much as a table: it has to fit into a frame.
const VALUE_MAX_BYTES: usize = 32 * 1024;
/// A value is shown up to this depth.
const VALUE_DEPTH_MAX: u8 = 16;

/// Somebody who logs in, or cannot.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The client.
    pub peer: SocketAddr,
    /// Where it has connected to.
    pub local: SocketAddr,
    /// The connection speaks TLS.
    pub is_tls: bool,
    /// How.
    pub mechanism: &'a str,
    /// As whom.
    pub user: &'a str,
    /// Why not, if not.
    pub refused: Option<String>,
}

impl Node {
    /// Publishes events, in order.
    pub fn publish_events(&self, events: &[Event]) {
        let Ok(vhost) = self.vhost(DEFAULT_VHOST) else { return };
        let Ok(exchange) = vhost.exchange(EVENT_EXCHANGE) else { return };
        let mut wakes = Wakes::default();
        for event in events {
            let address = address(EVENT_EXCHANGE.as_bytes(), event.key().as_bytes());
            let (body, traits) = (Body::Inline(&[]), Traits::from(true));
            let message = Message::new(&address, &event.properties(), body, traits);
            vhost.publish_own(&exchange, &message.published_at(wakes.now_ms()), &mut wakes);
        }
    }

    /// Somebody has logged in over AMQP, or was refused.
    pub fn note_attempt(&self, attempt: &Attempt<'_>) {
        let key = match attempt.refused {
            None => "user.authentication.success",
            Some(_) => "user.authentication.failure",
        };
        self.events.note_plain(key, |about| {
            let Attempt { peer, local, is_tls, mechanism, user, refused } = attempt;
            let about = match refused {
                // An Erlang string is a list of numbers.
                Some(why) => about.value("error", &Value::Array(codes(why).view())),
                None => about,
            };
            about
                .bool("ssl", *is_tls)
                .long_string("auth_mechanism", mechanism)
                .long_string("protocol", PROTOCOL)
                .long("peer_port", peer.port().into())
                .long_string("peer_host", &address_term(peer.ip()))
                .long_string("connection_name", &format!("{peer} -> {local}"))
                .long_string("host", &address_term(local.ip()))
                .long_string("name", user)
                .long_string("connection_type", "network")
        });
    }

    pub(super) fn note_connection_created(&self, presence: &Presence) {
        let who = &presence.identity;
        acting(&who.user, || {
            self.events.note("connection.created", |about| {
                let about = about
                    .long_string("node", self.events.node())
                    .long("connected_at", who.connected_ms.cast_signed());
                let about = with_terms(about, "client_properties", who.client_properties.view())
                    .long("channel_max", who.channel_max.into())
                    .long("frame_max", who.frame_max_bytes.into())
                    .long("timeout", who.heartbeat.into())
                    .long_string("vhost", &who.vhost)
                    .long_string("user", &who.user)
                    .long_string("protocol", PROTOCOL)
                    .long_string("auth_mechanism", &who.mechanism);
                let about = with_tls(about, who.tls.as_deref())
                    .long_string("peer_host", &address_term(who.peer.ip()))
                    .long_string("host", &address_term(who.local.ip()))
                    .long("peer_port", who.peer.port().into())
                    .long("port", who.local.port().into());
                self.with_names(about, presence).long_string("type", "network")
            });
        });
    }

    pub(super) fn note_connection_closed(&self, presence: &Presence) {
        self.events.note_plain("connection.closed", |about| {
            let properties = presence.identity.client_properties.view();
            let about = with_terms(about, "client_properties", properties);
            self.with_names(about.long_string("node", self.events.node()), presence)
        });
    }

    fn with_names(&self, about: TableBuilder, presence: &Presence) -> TableBuilder {
        let about = about
            .long_string("name", &presence.name)
            .long_string("pid", &self.events.pid(presence.identity.id.0, 0));
        match presence.user_provided_name() {
            Some(name) => about.long_string("user_provided_name", &name),
            None => about,
        }
    }

    /// A channel has been opened.
    pub fn note_channel_created(&self, presence: &Presence, number: u16) {
        let who = &presence.identity;
        acting(&who.user, || {
            self.events.note("channel.created", |about| {
                about
                    .long_string("vhost", &who.vhost)
                    .long_string("user", &who.user)
                    .long("number", number.into())
                    .long_string("connection", &self.events.pid(who.id.0, 0))
                    .long_string("name", &format!("{} ({number})", presence.name))
                    .long_string("pid", &self.events.pid(who.id.0, number))
            });
        });
    }

    /// A channel is closed.
    pub fn note_channel_closed(&self, presence: &Presence, number: u16) {
        let who = &presence.identity;
        acting(&who.user, || {
            let pid =
                |about: TableBuilder| about.long_string("pid", &self.events.pid(who.id.0, number));
            self.events.note("channel.closed", pid);
        });
    }

    // ---- users ----------------------------------------------------------------------------

    pub(super) fn note_user(&self, key: &'static str, name: &str) {
        self.events.note(key, |about| about.long_string("name", name));
    }

    pub(super) fn note_tags(&self, name: &str, tags: &[&str]) {
        self.events.note("user.tags.set", |about| {
            about.array_of_long_strings("tags", tags).long_string("name", name)
        });
    }

    pub(super) fn note_user_limits(&self, name: &str, limits: UserLimits) {
        let UserLimits { max_connections, max_channels } = limits;
        let limits = [("max-connections", max_connections), ("max-channels", max_channels)];
        let is_set = limits.iter().any(|(_, limit)| limit.is_some());
        let key = if is_set { "user.limits.set" } else { "user.limits.cleared" };
        self.events.note(key, |about| {
            with_limits(about, &limits).long_string("username", name).long_string("name", "limits")
        });
    }

    pub(super) fn note_permission(&self, vhost: &str, user: &str, set: Option<&Permission>) {
        let key = if set.is_some() { "permission.created" } else { "permission.deleted" };
        self.events.note(key, |about| {
            let about = match set {
                Some(set) => about
                    .long_string("read", set.rule(Right::Read).text())
                    .long_string("write", set.rule(Right::Write).text())
                    .long_string("configure", set.rule(Right::Configure).text()),
                None => about,
            };
            about.long_string("vhost", vhost).long_string("user", user)
        });
    }

    pub(super) fn note_topic_permission(
        &self,
        vhost: &str,
        user: &str,
        set: Option<&TopicPermission>,
    ) {
        let deleted = "topic.permission.deleted";
        let key = if set.is_some() { "topic.permission.created" } else { deleted };
        self.events.note(key, |about| {
            let about = match set {
                Some(set) => about
                    .long_string("read", set.rule(Right::Read).text())
                    .long_string("write", set.rule(Right::Write).text())
                    .long_string("exchange", &set.exchange),
                None => about,
            };
            about.long_string("vhost", vhost).long_string("user", user)
        });
    }

    // ---- virtual hosts --------------------------------------------------------------------

    pub(super) fn note_vhost(&self, key: &'static str, vhost: &VirtualHost) {
        self.events.note(key, |about| {
            let metadata = &vhost.settings().metadata;
            let kind =
                metadata.default_queue_type.map_or("undefined", crate::queue::QueueKind::name);
            let (description, tags) = (&metadata.description, metadata.tags.join(","));
            let shown = format!("#{{description => <<\"{description}\">>,tags => [{tags}]}}");
            let state = TableBuilder::new().long_string(self.events.node(), "running").build();
            about
                .array_of_long_strings("tags", metadata.tags.iter().map(|tag| &**tag))
                .long_string("description", description)
                .table("cluster_state", &state)
                .bool("tracing", metadata.tracing)
                .long_string("metadata", &shown)
                .long_string("default_queue_type", kind)
                .long_string("name", vhost.name())
        });
    }

    pub(super) fn note_vhost_limits(&self, vhost: &str, limits: VhostLimits) {
        let VhostLimits { max_connections, max_queues } = limits;
        let limits = [("max-connections", max_connections), ("max-queues", max_queues)];
        let is_set = limits.iter().any(|(_, limit)| limit.is_some());
        let of_vhost = |about: TableBuilder| about.long_string("vhost", vhost);
        let value = with_limits(TableBuilder::new(), &limits).build();
        let (parameter, limit) = if is_set {
            ("parameter.set", "vhost.limits.set")
        } else {
            ("parameter.cleared", "vhost.limits.cleared")
        };
        self.events.note(parameter, |about| {
            let about = if is_set { about.table("value", &value) } else { about };
            of_vhost(about.long_string("name", "limits").long_string("component", "vhost-limits"))
        });
        self.events.note(limit, |about| {
            of_vhost(with_limits(about, &limits).long_string("name", "limits"))
        });
    }

    // ---- policies and parameters ----------------------------------------------------------

    pub(super) fn note_policy_set(&self, vhost: &str, policy: &Policy) {
        let parts = |about: TableBuilder| {
            with_object(about, "definition", policy.definition())
                .long_string("apply-to", policy.apply_to().name())
                .long("priority", policy.priority())
                .long_string("pattern", policy.pattern())
        };
        if policy.scope() == Scope::Operator {
            self.events.note("parameter.set", |about| {
                let about = about.table("value", &parts(TableBuilder::new()).build());
                of_operator_policy(about, vhost, policy.name())
            });
        }
        self.events.note("policy.set", |about| {
            parts(about).long_string("vhost", vhost).long_string("name", policy.name())
        });
    }

    pub(super) fn note_policy_cleared(&self, vhost: &str, scope: Scope, name: &str) {
        let key = match scope {
            Scope::User => "policy.cleared",
            Scope::Operator => {
                self.events.note("parameter.cleared", |it| of_operator_policy(it, vhost, name));
                "operator.policy.cleared"
            }
        };
        self.events.note(key, |about| about.long_string("vhost", vhost).long_string("name", name));
    }

    pub(super) fn note_global_parameter(&self, name: &str, value: Option<&str>) {
        let key = if value.is_some() { "parameter.set" } else { "parameter.cleared" };
        self.events.note(key, |about| {
            let value = value.and_then(|value| serde_json::from_str(value).ok());
            let about = match &value {
                Some(value) => with_json(about, "value", value),
                None => about,
            };
            about.long_string("name", name).long_string("component", "global")
        });
    }
}

fn of_operator_policy(about: TableBuilder, vhost: &str, name: &str) -> TableBuilder {
    about
        .long_string("name", name)
        .long_string("component", "operator_policy")
        .long_string("vhost", vhost)
}

fn with_limits(about: TableBuilder, limits: &[(&str, Option<i64>)]) -> TableBuilder {
    limits.iter().fold(about, |about, (name, limit)| match limit {
        Some(limit) => about.long(name, *limit),
        None => about,
    })
}

fn with_tls(about: TableBuilder, tls: Option<&TlsInfo>) -> TableBuilder {
    let peer = tls.and_then(|tls| tls.peer.as_ref());
    let of_peer = |text: Option<&String>| text.cloned().unwrap_or_default();
    about
        .bool("ssl", tls.is_some())
        .long_string("ssl_hash", tls.map_or("", |tls| tls.hash))
        .long_string("ssl_cipher", tls.map_or("", |tls| &tls.cipher))
        .long_string("ssl_key_exchange", tls.map_or("", |tls| &tls.key_exchange))
        .long_string("ssl_protocol", tls.map_or("", |tls| tls.protocol))
        .long_string("peer_cert_validity", &of_peer(peer.map(|peer| &peer.validity)))
        .long_string("peer_cert_issuer", &of_peer(peer.map(|peer| &peer.issuer)))
        .long_string("peer_cert_subject", &of_peer(peer.map(|peer| &peer.subject)))
}

fn codes(text: &str) -> ArrayBuilder {
    let mut codes = ArrayBuilder::default();
    text.chars().for_each(|c| codes.push(&Value::I64(u32::from(c).into())));
    codes
}

/// Adds what is JSON, unless it is too large or too deep.
fn with_json(about: TableBuilder, name: &str, value: &Json) -> TableBuilder {
    let only = Map::from_iter([(String::new(), value.clone())]);
    let Some(table) = table(&only, VALUE_DEPTH_MAX) else { return about };
    match table.view().iter().next() {
        Some((_, value)) if table.view().as_bytes().len() <= VALUE_MAX_BYTES => {
            about.value(name, &value)
        }
        _ => about,
    }
}

fn with_object(about: TableBuilder, name: &str, object: &Map<String, Json>) -> TableBuilder {
    let table = table(object, VALUE_DEPTH_MAX);
    match table.filter(|table| table.view().as_bytes().len() <= VALUE_MAX_BYTES) {
        Some(table) => about.table(name, &table),
        None => about,
    }
}

fn table(object: &Map<String, Json>, depth_left: u8) -> Option<Table> {
    let deeper = depth_left.checked_sub(1)?;
    let mut built = TableBuilder::new();
    for (name, value) in object {
        built = match value {
            Json::Object(object) => built.table(name, &table(object, deeper)?),
            Json::Array(list) => built.value(name, &Value::Array(array(list, deeper)?.view())),
            other => built.value(name, &simple(other)),
        };
    }
    Some(built.build())
}

fn array(list: &[Json], depth_left: u8) -> Option<ArrayBuilder> {
    let deeper = depth_left.checked_sub(1)?;
    let mut built = ArrayBuilder::default();
    for value in list {
        match value {
            Json::Object(object) => built.push(&Value::Table(table(object, deeper)?.view())),
            Json::Array(list) => built.push(&Value::Array(array(list, deeper)?.view())),
            other => built.push(&simple(other)),
        }
    }
    Some(built)
}

fn simple(value: &Json) -> Value<'_> {
    match value {
        Json::Bool(flag) => Value::Bool(*flag),
        Json::String(text) => Value::LongString(text.as_bytes()),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::I64(number),
            None => Value::F64(number.as_f64().unwrap_or_default()),
        },
        _ => Value::Void,
    }
}
