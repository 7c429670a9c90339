//! Whether definitions can be put in force, asked before anything is changed.
//!
//! RabbitMQ stops in the middle at the first error; here a bad file changes nothing. What exists
//! already is left as it is, what the broker has anyway is skipped, and a binding between what is
//! neither here nor in the file (an exclusive queue, mostly) is left out. Changes nothing.

use hashbrown::{HashMap, HashSet};

use super::collect::is_given;
use super::entry::{
    BindingEntry, Document, ExchangeEntry, Limits, QueueEntry, Secret, UserEntry, VhostEntry,
};
use super::fields::Refused;
use crate::access::{PasswordHash, Permission, Tag, TopicPermission, UserLimit};
use crate::amqp::table::{Table, TableBuilder};
use crate::broker::{NewPassword, Node, UserUpdate};
use crate::error::Error;
use crate::exchange::{Exchange, ExchangeKind, ExchangeSpec};
use crate::queue::{QueueKind, QueueOptions};
use crate::vhost::{VhostLimit, VhostMetadata, predeclared};

/// What chooses the type of a queue.
const QUEUE_TYPE: &str = "x-queue-type";

/// Definitions that can be put in force.
#[derive(Debug)]
pub struct Checked {
    /// The rest, without what exists or is skipped.
    pub(super) document: Document,
    pub(super) users: Vec<(UserUpdate, Vec<(UserLimit, i64)>)>,
    pub(super) vhosts: Vec<(String, VhostMetadata)>,
    pub(super) vhost_limits: Vec<(String, VhostLimit, i64)>,
    /// How many entries are here already, or everywhere.
    pub(super) skipped: usize,
    /// How many bindings lead from or to what is not there.
    pub(super) dangling: usize,
}

impl Document {
    /// Checks all of it against what there is.
    pub fn check(self, node: &Node) -> Result<Checked, Refused> {
        let known = Known::of(&self, node);
        let users = self.users.iter().map(user).collect::<Result<_, _>>()?;
        let vhosts = self.vhosts.iter().map(|entry| vhost(node, entry));
        let vhosts = vhosts.collect::<Result<Vec<_>, _>>()?;
        let mut vhost_limits = Vec::new();
        for (vhost, limits) in &self.vhost_limits {
            known.check_vhost(vhost, || format!("limits of vhost '{vhost}'"))?;
            vhost_limits.extend(limits_of_vhost(vhost, limits)?);
        }
        self.check_permissions(&known)?;
        for entry in &self.policies {
            let what = || format!("policy '{}'", entry.policy.name());
            known.check_vhost(&entry.vhost, what)?;
        }
        if let Some(entry) = self.parameters.first() {
            let error = Node::refuse_parameter(&entry.component);
            let place = format!("{}/{}/{}", entry.vhost, entry.component, entry.name);
            return Err(Refused(format!("Validation failed\n\n{error}\n ({place})")));
        }
        let checked =
            Checked { document: self, users, vhosts, vhost_limits, skipped: 0, dangling: 0 };
        checked.topology(node, &known)
    }

    fn check_permissions(&self, known: &Known) -> Result<(), Refused> {
        for entry in &self.permissions {
            let what = || format!("permission of user '{}'", entry.user);
            known.check_vhost(&entry.vhost, what)?;
            known.check_user(&entry.user, what)?;
            Permission::new(&entry.configure, &entry.write, &entry.read)
                .map_err(|bad| Refused(format!("{} in vhost '{}': {bad}", what(), entry.vhost)))?;
        }
        for entry in &self.topic_permissions {
            let what = || format!("topic permission of user '{}'", entry.user);
            known.check_vhost(&entry.vhost, what)?;
            known.check_user(&entry.user, what)?;
            let (vhost, user) = (&entry.vhost, &entry.user);
            TopicPermission::new(vhost, user, &entry.exchange, &entry.write, &entry.read)
                .map_err(|bad| Refused(format!("{} in vhost '{vhost}': {bad}", what())))?;
        }
        Ok(())
    }
}

/// What may be meant: what there is, and what the file brings.
struct Known {
    vhosts: HashSet<String>,
    users: HashSet<String>,
}

impl Known {
    fn of(document: &Document, node: &Node) -> Self {
        let vhosts = node.vhosts().into_iter().map(|vhost| vhost.name().to_string());
        let users = node.access.users().into_iter().map(|user| user.name.to_string());
        Self {
            vhosts: vhosts.chain(document.vhosts.iter().map(|it| it.name.clone())).collect(),
            users: users.chain(document.users.iter().map(|it| it.name.clone())).collect(),
        }
    }

    fn check_vhost(&self, name: &str, what: impl Fn() -> String) -> Result<(), Refused> {
        if self.vhosts.contains(name) {
            return Ok(());
        }
        Err(Refused(format!("{}: there is no vhost '{name}', nor one in the file", what())))
    }

    fn check_user(&self, name: &str, what: impl Fn() -> String) -> Result<(), Refused> {
        if self.users.contains(name) {
            return Ok(());
        }
        Err(Refused(format!("{}: there is no user '{name}', nor one in the file", what())))
    }
}

impl Checked {
    fn topology(mut self, node: &Node, known: &Known) -> Result<Self, Refused> {
        let mut names = Names::default();
        let exchanges = std::mem::take(&mut self.document.exchanges);
        for entry in exchanges {
            known.check_vhost(&entry.vhost, || entry.to_string())?;
            let exists = node.vhost(&entry.vhost).is_ok_and(|v| v.exchange(&entry.name).is_ok());
            if exists || is_given(&entry.name) {
                self.skipped += 1;
                continue;
            }
            names.exchanges.insert((entry.vhost.clone(), entry.name.clone()), exchange(&entry)?);
            self.document.exchanges.push(entry);
        }
        let defaults = self.default_types();
        let queues = std::mem::take(&mut self.document.queues);
        for mut entry in queues {
            known.check_vhost(&entry.vhost, || entry.to_string())?;
            let exists = node.vhost(&entry.vhost).is_ok_and(|v| v.queue(&entry.name).is_ok());
            if exists || is_given(&entry.name) {
                self.skipped += 1;
                continue;
            }
            let default = defaults.get(&entry.vhost).copied().unwrap_or_else(|| {
                let settings = node.vhost_settings(&entry.vhost).ok();
                settings.and_then(|settings| settings.metadata.default_queue_type)
            });
            name_type(&mut entry, default);
            queue(&entry)?;
            names.queues.insert((entry.vhost.clone(), entry.name.clone()));
            self.document.queues.push(entry);
        }
        self.check_queue_limits(node)?;
        let bindings = std::mem::take(&mut self.document.bindings);
        for entry in bindings {
            match names.look_at(node, &entry)? {
                Bindable::Yes => self.document.bindings.push(entry),
                Bindable::AsEverywhere => self.skipped += 1,
                Bindable::Dangling => {
                    tracing::warn!(%entry, "left out: one of its ends is not there");
                    self.dangling += 1;
                }
            }
        }
        Ok(self)
    }

    /// The types of queues that name none, by virtual host, as the file has them.
    fn default_types(&self) -> HashMap<String, Option<QueueKind>> {
        let kind = |(name, metadata): &(String, VhostMetadata)| {
            (name.clone(), metadata.default_queue_type)
        };
        self.vhosts.iter().map(kind).collect()
    }

    fn check_queue_limits(&self, node: &Node) -> Result<(), Refused> {
        let mut new: HashMap<&str, usize> = HashMap::new();
        for queue in &self.document.queues {
            *new.entry(&queue.vhost).or_default() += 1;
        }
        for (vhost, new) in new {
            let asked = self
                .vhost_limits
                .iter()
                .find(|(name, limit, _)| name == vhost && *limit == VhostLimit::MaxQueues);
            let limit = match asked {
                Some((.., value)) => Some(*value),
                None => node.vhost_settings(vhost).ok().and_then(|it| it.limits.max_queues),
            };
            let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { continue };
            let have = node.vhost(vhost).map_or(0, |vhost| vhost.queue_count());
            if have + new > limit {
                return Err(Refused(format!(
                    "vhost '{vhost}' may have {limit} queues; it has {have} and the file brings \
                     {new} more"
                )));
            }
        }
        Ok(())
    }
}

/// What the file declares: by virtual host and name.
#[derive(Default)]
struct Names {
    exchanges: HashMap<(String, String), Exchange>,
    queues: HashSet<(String, String)>,
}

enum Bindable {
    Yes,
    /// To the default exchange, where everything is bound anyway.
    AsEverywhere,
    Dangling,
}

impl Names {
    fn look_at(&self, node: &Node, entry: &BindingEntry) -> Result<Bindable, Refused> {
        if entry.source.is_empty() {
            return Ok(Bindable::AsEverywhere);
        }
        let in_file = |name: &str| (entry.vhost.clone(), name.to_owned());
        let vhost = node.vhost(&entry.vhost).ok();
        let to = &entry.destination;
        let leads_somewhere = match &vhost {
            Some(vhost) if entry.to_queue => vhost.queue(to).is_ok(),
            Some(vhost) => vhost.exchange(to).is_ok(),
            None => false,
        } || if entry.to_queue {
            self.queues.contains(&in_file(to))
        } else {
            self.exchanges.contains_key(&in_file(to)) || predeclared(to).is_some()
        };
        let (key, arguments) = (entry.routing_key.as_bytes(), &entry.arguments);
        let existing = vhost.and_then(|vhost| vhost.exchange(&entry.source).ok());
        let checked = match (existing, self.exchanges.get(&in_file(&entry.source))) {
            (Some(source), _) => source.check_key(key, arguments),
            (None, Some(source)) => source.check_key(key, arguments),
            // Perhaps one that every virtual host has, where the virtual host is not there yet.
            (None, None) => match predeclared(&entry.source) {
                Some(kind) => given(entry, kind)?.check_key(key, arguments),
                None => return Ok(Bindable::Dangling),
            },
        };
        checked.map_err(|why| Refused(format!("{entry}: {why}")))?;
        Ok(if leads_somewhere { Bindable::Yes } else { Bindable::Dangling })
    }
}

fn user(entry: &UserEntry) -> Result<(UserUpdate, Vec<(UserLimit, i64)>), Refused> {
    let name = &entry.name;
    let refuse = |why: &dyn std::fmt::Display| Refused(format!("user '{name}': {why}"));
    let password = match &entry.secret {
        Secret::None => NewPassword::Remove,
        Secret::Password(text) if text.is_empty() => {
            return Err(refuse(&"a password must not be empty"));
        }
        Secret::Password(text) => NewPassword::Plain(text.clone()),
        Secret::Hash { hash, algorithm } => {
            let hash = PasswordHash::parse(Some(algorithm), hash);
            NewPassword::Hash(hash.map_err(|bad| refuse(&bad))?)
        }
    };
    let mut limits = Vec::new();
    for (limit, value) in &entry.limits {
        let limit = UserLimit::from_name(limit)
            .ok_or_else(|| refuse(&format!("there is no limit '{limit}' of users")))?;
        limits.push((limit, *value));
    }
    let tags = entry.tags.iter().map(|tag| Tag::from_name(tag)).collect();
    let update = UserUpdate { name: name.clone(), password, tags: Some(tags) };
    Node::check_user(&update).map_err(|error| refuse(&error))?;
    Ok((update, limits))
}

fn vhost(node: &Node, entry: &VhostEntry) -> Result<(String, VhostMetadata), Refused> {
    let name = &entry.name;
    let refuse = |why: &dyn std::fmt::Display| Refused(format!("vhost '{name}': {why}"));
    // What is not said stays as it is.
    let had = node.vhost_settings(name).map(|settings| settings.metadata.clone());
    let mut metadata = had.unwrap_or_default();
    if let Some(description) = &entry.description {
        metadata.description = description.as_str().into();
    }
    if let Some(tags) = &entry.tags {
        metadata.tags = tags.iter().map(|tag| tag.as_str().into()).collect();
    }
    if let Some(kind) = &entry.default_queue_type {
        let kind = Node::default_queue_type(kind).map_err(|error| refuse(&error))?;
        metadata.default_queue_type = Some(kind);
    }
    metadata.tracing = entry.tracing.unwrap_or(metadata.tracing);
    Node::check_vhost(name, &metadata).map_err(|error| refuse(&error))?;
    Ok((name.clone(), metadata))
}

fn limits_of_vhost(
    vhost: &str,
    limits: &Limits,
) -> Result<Vec<(String, VhostLimit, i64)>, Refused> {
    let limit = |(name, value): &(String, i64)| {
        let limit = VhostLimit::from_name(name).ok_or_else(|| {
            Refused(format!("vhost '{vhost}': there is no limit '{name}' of vhosts"))
        })?;
        Ok((vhost.to_owned(), limit, *value))
    };
    limits.iter().map(limit).collect()
}

/// The source of a binding, if every virtual host has it.
fn given(entry: &BindingEntry, kind: ExchangeKind) -> Result<Exchange, Refused> {
    exchange(&ExchangeEntry {
        vhost: entry.vhost.clone(),
        name: entry.source.clone(),
        kind: kind.name().to_owned(),
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: Table::default(),
    })
}

/// The exchange as it would be: made, and bound to nothing.
fn exchange(entry: &ExchangeEntry) -> Result<Exchange, Refused> {
    let kind = ExchangeKind::from_name(&entry.kind)
        .ok_or_else(|| Refused(format!("{entry}: unknown exchange type '{}'", entry.kind)))?;
    let spec = ExchangeSpec {
        name: entry.name.as_str().into(),
        vhost: entry.vhost.as_str().into(),
        kind,
        durable: entry.durable,
        auto_delete: entry.auto_delete,
        internal: entry.internal,
        arguments: entry.arguments.clone(),
    };
    Exchange::new(spec).map_err(|error| refused(entry, &error))
}

/// Names the type of a queue where leaving it out would mean another one.
fn name_type(entry: &mut QueueEntry, default: Option<QueueKind>) {
    let Some(kind) = &entry.kind else { return };
    let is_named = entry.arguments.view().get(QUEUE_TYPE).is_some();
    if !is_named && (default.is_some() || kind != "classic") {
        let builder = TableBuilder::from_view(entry.arguments.view());
        entry.arguments = builder.long_string(QUEUE_TYPE, kind).build();
    }
}

fn queue(entry: &QueueEntry) -> Result<(), Refused> {
    let check = || {
        let options = QueueOptions::parse(&entry.arguments)?;
        options.check_flags(entry.durable, false, entry.auto_delete)
    };
    check().map_err(|refusal| Refused(refusal.text(&entry.to_string())))
}

/// Reply texts mostly name the thing themselves.
pub(super) fn refused(what: &impl std::fmt::Display, error: &Error) -> Refused {
    let (what, text) = (what.to_string(), error.text());
    if text.contains(&what) { Refused(text) } else { Refused(format!("{what}: {text}")) }
}
