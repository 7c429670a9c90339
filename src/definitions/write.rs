//! Definitions as JSON, in the form that RabbitMQ exports and imports.
//!
//! Limits of virtual hosts are written twice, as RabbitMQ does: newer versions read them from the
//! virtual host, older ones from the parameters. Knows no broker.

use serde_json::{Map, Value as Json, json};

use super::entry::{
    BindingEntry, Document, ExchangeEntry, Limits, ParameterEntry, PermissionEntry, QueueEntry,
    Secret, TopicPermissionEntry, UserEntry, VhostEntry,
};
use super::read::{FORMAT, FORMAT_WHOLE, OPERATOR_POLICY, VHOST_LIMITS};
use super::table;
use crate::policy::{Policy, Scope};

/// The name under which a virtual host's limits are a parameter.
const LIMITS_NAME: &str = "limits";
const EXPLANATION_WHOLE: &str = "Definitions of the whole broker. Import them with POST \
                                 /api/definitions, `warren import` or the setting \
                                 load-definitions.";
const EXPLANATION_VHOST: &str = "Definitions of one virtual host. Import them with POST \
                                 /api/definitions/VHOST.";

/// What a broker says of itself in what it exports.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The version of RabbitMQ that it is like.
    pub version: &'a str,
    /// The name of its cluster.
    pub cluster_name: &'a str,
}

impl Document {
    /// The definitions of a whole broker.
    pub fn to_json(&self, about: About<'_>) -> Json {
        let mut all = head(about, FORMAT_WHOLE, EXPLANATION_WHOLE);
        all.insert("original_cluster_name".to_owned(), about.cluster_name.into());
        all.insert("users".to_owned(), self.users.iter().map(user).collect());
        let vhosts = self.vhosts.iter().map(|vhost| self.vhost(vhost));
        all.insert("vhosts".to_owned(), vhosts.collect());
        let permissions = self.permissions.iter().map(permission);
        all.insert("permissions".to_owned(), permissions.collect());
        let permissions = self.topic_permissions.iter().map(topic_permission);
        all.insert("topic_permissions".to_owned(), permissions.collect());
        let global = self.global_parameters.iter();
        let global = global.map(|(name, value)| json!({"name": name, "value": value}));
        all.insert("global_parameters".to_owned(), global.collect());
        self.write_contents(&mut all);
        Json::Object(all)
    }

    /// The definitions of the one virtual host that is in here.
    pub fn to_json_of_vhost(&self, about: About<'_>) -> Json {
        let mut all = head(about, "single_virtual_host", EXPLANATION_VHOST);
        if let Some(vhost) = self.vhosts.first() {
            all.insert("original_vhost_name".to_owned(), vhost.name.as_str().into());
            all.insert("metadata".to_owned(), metadata(vhost));
            all.insert("description".to_owned(), description(vhost).into());
            if let Some(queue_type) = &vhost.default_queue_type {
                all.insert("default_queue_type".to_owned(), queue_type.as_str().into());
            }
            all.insert("limits".to_owned(), self.limits_of(&vhost.name));
        }
        self.write_contents(&mut all);
        for list in ["parameters", "policies", "exchanges", "queues", "bindings"] {
            let entries = all.get_mut(list).and_then(Json::as_array_mut);
            for entry in entries.into_iter().flatten().filter_map(Json::as_object_mut) {
                entry.remove("vhost");
            }
        }
        Json::Object(all)
    }

    /// What lies in virtual hosts.
    fn write_contents(&self, all: &mut Map<String, Json>) {
        let of = |scope| self.policies.iter().filter(move |entry| entry.policy.scope() == scope);
        let mut parameters: Vec<Json> = Vec::new();
        for (vhost, limits) in &self.vhost_limits {
            let value = limits_to_json(limits);
            parameters.push(parameter(VHOST_LIMITS, vhost, LIMITS_NAME, &value));
        }
        for entry in of(Scope::Operator) {
            let (name, value) = (entry.policy.name(), Json::Object(rule(&entry.policy)));
            parameters.push(parameter(OPERATOR_POLICY, &entry.vhost, name, &value));
        }
        for entry in &self.parameters {
            let ParameterEntry { component, vhost, name, value } = entry;
            parameters.push(parameter(component, vhost, name, value));
        }
        let policies = of(Scope::User).map(|entry| policy_to_json(&entry.vhost, &entry.policy));
        all.insert("parameters".to_owned(), parameters.into());
        all.insert("policies".to_owned(), policies.collect());
        all.insert("queues".to_owned(), self.queues.iter().map(queue).collect());
        all.insert("exchanges".to_owned(), self.exchanges.iter().map(exchange).collect());
        all.insert("bindings".to_owned(), self.bindings.iter().map(binding).collect());
    }

    fn vhost(&self, vhost: &VhostEntry) -> Json {
        let mut all = Map::new();
        all.insert("name".to_owned(), vhost.name.as_str().into());
        all.insert("description".to_owned(), description(vhost).into());
        all.insert("tags".to_owned(), vhost.tags.clone().unwrap_or_default().into());
        if let Some(queue_type) = &vhost.default_queue_type {
            all.insert("default_queue_type".to_owned(), queue_type.as_str().into());
        }
        all.insert("metadata".to_owned(), metadata(vhost));
        all.insert("limits".to_owned(), self.limits_of(&vhost.name));
        Json::Object(all)
    }

    fn limits_of(&self, vhost: &str) -> Json {
        self.vhost_limits.get(vhost).map_or_else(|| json!({}), limits_to_json)
    }
}

/// A policy as the routes and definitions show it.
pub fn policy_to_json(vhost: &str, policy: &Policy) -> Json {
    let mut all = rule(policy);
    all.insert("vhost".to_owned(), vhost.into());
    all.insert("name".to_owned(), (&**policy.name()).into());
    Json::Object(all)
}

/// What a policy says, without its name.
pub fn rule(policy: &Policy) -> Map<String, Json> {
    let mut all = Map::new();
    all.insert("pattern".to_owned(), policy.pattern().into());
    all.insert("apply-to".to_owned(), policy.apply_to().name().into());
    all.insert("priority".to_owned(), policy.priority().into());
    all.insert("definition".to_owned(), Json::Object(policy.definition().clone()));
    all
}

fn head(about: About<'_>, format: &str, explanation: &str) -> Map<String, Json> {
    let mut all = Map::new();
    for key in ["rabbit_version", "rabbitmq_version", "product_version"] {
        all.insert(key.to_owned(), about.version.into());
    }
    all.insert("product_name".to_owned(), "warren".into());
    all.insert(FORMAT.to_owned(), format.into());
    all.insert("explanation".to_owned(), explanation.into());
    all
}

fn description(vhost: &VhostEntry) -> &str {
    vhost.description.as_deref().unwrap_or_default()
}

fn metadata(vhost: &VhostEntry) -> Json {
    let mut all = Map::new();
    all.insert("description".to_owned(), description(vhost).into());
    all.insert("tags".to_owned(), vhost.tags.clone().unwrap_or_default().into());
    if let Some(queue_type) = &vhost.default_queue_type {
        all.insert("default_queue_type".to_owned(), queue_type.as_str().into());
    }
    Json::Object(all)
}

fn limits_to_json(limits: &Limits) -> Json {
    limits.iter().map(|(name, value)| (name.clone(), Json::from(*value))).collect()
}

fn parameter(component: &str, vhost: &str, name: &str, value: &Json) -> Json {
    json!({"component": component, "vhost": vhost, "name": name, "value": value})
}

fn user(user: &UserEntry) -> Json {
    // A password itself is never here: what is exported has been hashed.
    let (hash, algorithm) = match &user.secret {
        Secret::Hash { hash, algorithm } => (hash.as_str(), algorithm.as_str()),
        Secret::None | Secret::Password(_) => ("", "rabbit_password_hashing_sha256"),
    };
    json!({
        "name": user.name,
        "password_hash": hash,
        "hashing_algorithm": algorithm,
        "tags": user.tags,
        "limits": limits_to_json(&user.limits),
    })
}

fn permission(entry: &PermissionEntry) -> Json {
    let PermissionEntry { vhost, user, configure, write, read } = entry;
    json!({
        "user": user, "vhost": vhost, "configure": configure, "write": write, "read": read,
    })
}

fn topic_permission(entry: &TopicPermissionEntry) -> Json {
    let TopicPermissionEntry { vhost, user, exchange, write, read } = entry;
    json!({"user": user, "vhost": vhost, "exchange": exchange, "write": write, "read": read})
}

fn queue(queue: &QueueEntry) -> Json {
    let arguments = table::to_json(queue.arguments.view());
    let asked = arguments.get("x-queue-type").and_then(Json::as_str);
    let kind = asked.or(queue.kind.as_deref()).unwrap_or("classic");
    json!({
        "name": queue.name,
        "vhost": queue.vhost,
        "type": kind,
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "arguments": arguments,
    })
}

fn exchange(exchange: &ExchangeEntry) -> Json {
    json!({
        "name": exchange.name,
        "vhost": exchange.vhost,
        "type": exchange.kind,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": table::to_json(exchange.arguments.view()),
    })
}

pub(super) fn binding(binding: &BindingEntry) -> Json {
    json!({
        "source": binding.source,
        "vhost": binding.vhost,
        "destination": binding.destination,
        "destination_type": if binding.to_queue { "queue" } else { "exchange" },
        "routing_key": binding.routing_key,
        "arguments": table::to_json(binding.arguments.view()),
    })
}
