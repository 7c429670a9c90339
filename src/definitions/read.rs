//! Definitions out of JSON, as lenient as RabbitMQ's own versions differ.
//!
//! Lists may be missing, tags are a list or words with commas, virtual hosts carry their
//! description in two places, settings of mirrored queues are dropped. What is wrong is refused
//! with the entry's name. Knows no broker: whether a virtual host is there is asked later.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::entry::{
    BindingEntry, Document, ExchangeEntry, Limits, ParameterEntry, PermissionEntry, PolicyEntry,
    QueueEntry, Secret, TopicPermissionEntry, UserEntry, VhostEntry,
};
use super::fields::{Fields, Refused};
use crate::policy::{Policy, Scope};

/// The component that carries the limits of virtual hosts among the parameters.
pub const VHOST_LIMITS: &str = "vhost-limits";
/// The component that carries the operator's policies among them.
pub const OPERATOR_POLICY: &str = "operator_policy";
/// Under this name a file tells what it is for.
pub(super) const FORMAT: &str = "rabbitmq_definition_format";
/// What a file for a whole broker says there.
pub(super) const FORMAT_WHOLE: &str = "cluster";
/// Keys of policies that begin like this were for mirrored queues, which RabbitMQ 4 has no more.
const MIRRORING_PREFIX: &str = "ha-";
/// The broker's own global parameters begin like this: they are nobody else's.
pub(super) const INTERNAL_PREFIX: &str = "internal";
/// How passwords were hashed before RabbitMQ 3.6, and since.
const OLD_ALGORITHM: &str = "rabbit_password_hashing_md5";
const USUAL_ALGORITHM: &str = "rabbit_password_hashing_sha256";

/// Where definitions are to go.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// Into the whole broker.
    Broker,
    /// Into one virtual host, whatever the entries say.
    Vhost(&'a str),
}

/// What stands among the parameters.
enum Parameter {
    Policy(Option<PolicyEntry>),
    Limits(String, Limits),
    Other(ParameterEntry),
}

impl Document {
    /// Reads definitions from JSON.
    pub fn read(octets: &[u8], target: Target<'_>) -> Result<Self, Refused> {
        let json = serde_json::from_slice(octets)
            .map_err(|error| Refused(format!("failed_to_parse_json: {error}")))?;
        let Json::Object(lists) = json else {
            return Err(Refused("failed_to_parse_json: this is not an object".to_owned()));
        };
        let reader = Reader { lists: &lists, target };
        match target {
            Target::Broker => reader.whole(),
            Target::Vhost(_) if reader.word(FORMAT) == FORMAT_WHOLE => {
                let text = "these are the definitions of a whole broker, not of a virtual host";
                Err(Refused(text.to_owned()))
            }
            Target::Vhost(_) => reader.contents(),
        }
    }
}

struct Reader<'a> {
    lists: &'a Map<String, Json>,
    target: Target<'a>,
}

impl<'a> Reader<'a> {
    fn whole(&self) -> Result<Document, Refused> {
        let algorithm = self.default_algorithm();
        let mut document = self.contents()?;
        document.users = self.each("users", |entry| user(entry, algorithm))?;
        for (vhost, limits) in self.each("vhosts", vhost)? {
            if !limits.is_empty() {
                document.vhost_limits.insert(vhost.name.clone(), limits);
            }
            document.vhosts.push(vhost);
        }
        document.permissions = self.each("permissions", permission)?;
        document.topic_permissions = self.each("topic_permissions", topic_permission)?;
        document.global_parameters = self.each("global_parameters", global_parameter)?;
        document.global_parameters.retain(|(name, _)| !name.starts_with(INTERNAL_PREFIX));
        Ok(document)
    }

    /// What lies in virtual hosts.
    fn contents(&self) -> Result<Document, Refused> {
        let policies = self.each("policies", |entry| self.policy(entry))?;
        let mut document =
            Document { policies: policies.into_iter().flatten().collect(), ..Document::default() };
        for parameter in self.each("parameters", |entry| self.parameter(entry))? {
            match parameter {
                Parameter::Policy(policy) => document.policies.extend(policy),
                Parameter::Limits(vhost, limits) => {
                    document.vhost_limits.insert(vhost, limits);
                }
                Parameter::Other(other) => document.parameters.push(other),
            }
        }
        document.exchanges = self.each("exchanges", |entry| self.exchange(entry))?;
        document.queues = self.each("queues", |entry| self.queue(entry))?;
        document.bindings = self.each("bindings", |entry| self.binding(entry))?;
        Ok(document)
    }

    fn each<T>(
        &self,
        list: &'static str,
        read: impl Fn(&Fields<'a>) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        match self.lists.get(list) {
            None | Some(Json::Null) => Ok(Vec::new()),
            Some(Json::Array(entries)) => {
                let read = |(at, entry)| read(&Fields::new(list, at, entry)?);
                entries.iter().enumerate().map(read).collect()
            }
            Some(_) => Err(Refused(format!("\"{list}\" must be a list"))),
        }
    }

    fn word(&self, key: &str) -> &str {
        self.lists.get(key).and_then(Json::as_str).unwrap_or_default()
    }

    /// How passwords are hashed whose entries do not say it.
    fn default_algorithm(&self) -> &'static str {
        let version = match self.word("rabbitmq_version") {
            "" => self.word("rabbit_version"),
            version => version,
        };
        let is_old = |minor: u8| version.starts_with(&format!("3.{minor}."));
        if (0..=5).any(is_old) { OLD_ALGORITHM } else { USUAL_ALGORITHM }
    }

    fn vhost(&self, entry: &Fields<'_>) -> Result<String, Refused> {
        match self.target {
            Target::Vhost(name) => Ok(name.to_owned()),
            Target::Broker if entry.get("vhost").is_some() => entry.name("vhost"),
            Target::Broker => Err(entry.refuse(
                "\"vhost\" is missing; the definitions of one virtual host are imported with \
                 POST /api/definitions/VHOST",
            )),
        }
    }

    fn policy(&self, entry: &Fields<'_>) -> Result<Option<PolicyEntry>, Refused> {
        let body = Json::Object(entry.all().clone());
        policy(entry, Scope::User, self.vhost(entry)?, body)
    }

    fn parameter(&self, entry: &Fields<'_>) -> Result<Parameter, Refused> {
        let (component, vhost) = (entry.name("component")?, self.vhost(entry)?);
        Ok(match &*component {
            VHOST_LIMITS => Parameter::Limits(vhost, entry.limits("value")?),
            OPERATOR_POLICY => {
                let value = entry.all().get("value").cloned().unwrap_or_default();
                Parameter::Policy(policy(entry, Scope::Operator, vhost, value)?)
            }
            _ => {
                let value = entry.all().get("value").cloned();
                let value = value.ok_or_else(|| entry.refuse("\"value\" is missing"))?;
                let name = entry.name("name")?;
                Parameter::Other(ParameterEntry { component, vhost, name, value })
            }
        })
    }

    fn exchange(&self, entry: &Fields<'_>) -> Result<ExchangeEntry, Refused> {
        Ok(ExchangeEntry {
            vhost: self.vhost(entry)?,
            name: entry.short("name")?,
            kind: entry.name("type")?,
            durable: entry.flag_that_is_said("durable")?,
            auto_delete: entry.flag("auto_delete")?.unwrap_or_default(),
            internal: entry.flag("internal")?.unwrap_or_default(),
            arguments: entry.arguments()?,
        })
    }

    fn queue(&self, entry: &Fields<'_>) -> Result<QueueEntry, Refused> {
        Ok(QueueEntry {
            vhost: self.vhost(entry)?,
            name: entry.name("name")?,
            kind: entry.text_or_none("type")?,
            durable: entry.flag_that_is_said("durable")?,
            auto_delete: entry.flag("auto_delete")?.unwrap_or_default(),
            arguments: entry.arguments()?,
        })
    }

    fn binding(&self, entry: &Fields<'_>) -> Result<BindingEntry, Refused> {
        let to_queue = match &*entry.text("destination_type")? {
            "queue" => true,
            "exchange" => false,
            _ => {
                let must = "must be \"queue\" or \"exchange\"";
                return Err(entry.wrong("destination_type", must));
            }
        };
        Ok(BindingEntry {
            vhost: self.vhost(entry)?,
            source: entry.short("source")?,
            to_queue,
            destination: entry.name("destination")?,
            routing_key: entry.short("routing_key")?,
            arguments: entry.arguments()?,
        })
    }
}

/// A policy without what was for mirrored queues; none if nothing else is in it.
fn policy(
    entry: &Fields<'_>,
    scope: Scope,
    vhost: String,
    mut body: Json,
) -> Result<Option<PolicyEntry>, Refused> {
    let name = entry.name("name")?;
    if let Some(Json::Object(definition)) = body.get_mut("definition") {
        let before = definition.len();
        definition.retain(|key, _| !key.starts_with(MIRRORING_PREFIX));
        let dropped = before - definition.len();
        if dropped > 0 {
            tracing::warn!(vhost, policy = name, dropped, "keys for mirrored queues are left out");
        }
        if dropped > 0 && definition.is_empty() {
            return Ok(None);
        }
    }
    match Policy::from_value(scope, &name, &body) {
        Ok(policy) => Ok(Some(PolicyEntry { vhost, policy: Arc::new(policy) })),
        Err(error) => Err(entry.refuse(format!("Validation failed\n\n{error}\n"))),
    }
}

fn user(entry: &Fields<'_>, default_algorithm: &str) -> Result<UserEntry, Refused> {
    let name = entry.name("name")?;
    let tags = entry.tags()?.ok_or_else(|| entry.refuse("tags_not_present"))?;
    let text = |key: &str| match entry.get(key) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        // What else stands there may be secret: it is not repeated.
        Some(_) => Err(entry.refuse(format!("\"{key}\" must be a string"))),
    };
    let secret = match (text("password")?, text("password_hash")?) {
        (Some(_), Some(_)) => {
            return Err(entry.refuse("both_password_and_password_hash_are_provided"));
        }
        (Some(password), None) => Secret::Password(password),
        (None, Some(hash)) if !hash.is_empty() => {
            let algorithm = entry.text_or_none("hashing_algorithm")?;
            let algorithm = algorithm.unwrap_or_else(|| default_algorithm.to_owned());
            Secret::Hash { hash, algorithm }
        }
        (None, _) => Secret::None,
    };
    Ok(UserEntry { name, secret, tags, limits: entry.limits("limits")? })
}

/// Where RabbitMQ has put what it knows of a virtual host has changed; newer places come first.
fn vhost(entry: &Fields<'_>) -> Result<(VhostEntry, Limits), Refused> {
    let metadata = match entry.get("metadata") {
        Some(Json::Object(_)) => entry.inside("metadata")?,
        _ => *entry,
    };
    let description = match metadata.text_or_none("description")? {
        None => entry.text_or_none("description")?,
        said => said,
    };
    let tags = match metadata.tags()? {
        None => entry.tags()?,
        said => said,
    };
    let queue_type = match metadata.text_or_none("default_queue_type")? {
        None => entry.text_or_none("default_queue_type")?,
        said => said,
    };
    let vhost = VhostEntry {
        name: entry.name("name")?,
        description,
        tags,
        default_queue_type: queue_type.filter(|name| !name.is_empty() && name != "undefined"),
        tracing: entry.flag("tracing")?,
    };
    Ok((vhost, entry.limits("limits")?))
}

fn permission(entry: &Fields<'_>) -> Result<PermissionEntry, Refused> {
    Ok(PermissionEntry {
        vhost: entry.name("vhost")?,
        user: entry.name("user")?,
        configure: entry.text("configure")?,
        write: entry.text("write")?,
        read: entry.text("read")?,
    })
}

fn topic_permission(entry: &Fields<'_>) -> Result<TopicPermissionEntry, Refused> {
    Ok(TopicPermissionEntry {
        vhost: entry.name("vhost")?,
        user: entry.name("user")?,
        exchange: entry.short("exchange")?,
        write: entry.text("write")?,
        read: entry.text("read")?,
    })
}

fn global_parameter(entry: &Fields<'_>) -> Result<(String, Json), Refused> {
    let value = entry.all().get("value").cloned();
    Ok((entry.name("name")?, value.ok_or_else(|| entry.refuse("\"value\" is missing"))?))
}
