//! What was there before the start is built again: virtual hosts, policies, exchanges, queues,
//! bindings.
//!
//! What does not fit is reported and left on disk as it is: a later warren, or this one once its
//! cause is gone, may know what to do with it. It never stops the start. Knows nothing of how
//! things are stored.

use std::sync::Arc;

use hashbrown::HashSet;

use super::{DEFAULT_VHOST, Node};
use crate::access::{Permission, TopicPermission, User};
use crate::error::Result;
use crate::policy::Scope;
use crate::store::{
    Definition, PermissionDefinition, Recovered, TopicPermissionDefinition, UserDefinition,
    VirtualHostDefinition,
};
use crate::vhost::{VhostSettings, VirtualHost};

/// Why something cannot be used, as the end of a sentence.
type Recovery = std::result::Result<(), String>;

impl Node {
    /// Both ends of a binding have to be there before it, their policies before them, so that they
    /// never follow other rules, and their virtual host before all, whatever the order in which the
    /// store has found them.
    pub(super) fn recover(&self, mut recovered: Recovered) -> Result<()> {
        self.recover_first_vhost(&recovered.definitions)?;
        recovered.definitions.sort_by_key(rank);
        let (mut ids, mut left_out) = (HashSet::new(), 0_usize);
        for definition in &recovered.definitions {
            let done = match definition {
                Definition::GlobalParameter(it) => {
                    let (name, value) = (it.name.clone(), it.value.clone());
                    self.global_parameters.write().insert(name, value);
                    Ok(())
                }
                Definition::User(user) => self.recover_user(user),
                Definition::VirtualHost(vhost) => self.recover_vhost(vhost),
                Definition::Permission(permission) => self.recover_permission(permission),
                Definition::TopicPermission(it) => self.recover_topic_permission(it),
                Definition::Policy(policy) => self
                    .for_recovery(&policy.vhost)
                    .and_then(|vhost| vhost.recover_policy(Scope::User, policy)),
                Definition::OperatorPolicy(policy) => self
                    .for_recovery(&policy.vhost)
                    .and_then(|vhost| vhost.recover_policy(Scope::Operator, policy)),
                Definition::Exchange(exchange) => self
                    .for_recovery(&exchange.vhost)
                    .and_then(|vhost| vhost.recover_exchange(exchange)),
                Definition::Queue(queue) if !ids.insert(queue.id) => {
                    Err(format!("another queue has its number {}", queue.id.0))
                }
                Definition::Queue(queue) => self.for_recovery(&queue.vhost).and_then(|vhost| {
                    let had = recovered.queues.remove(&queue.id).unwrap_or_default();
                    vhost.recover_queue(queue, &had)
                }),
                Definition::Binding(binding) => self
                    .for_recovery(&binding.vhost)
                    .and_then(|vhost| vhost.recover_binding(binding)),
            };
            if let Err(why) = done {
                tracing::error!(why, "{definition} cannot be used and stays on disk as it is");
                left_out += 1;
            }
        }
        let used = recovered.definitions.len() - left_out;
        tracing::info!(used, left_out, "definitions recovered");
        Ok(())
    }

    /// Before there were users, the first virtual host was not kept: it was always there.
    fn recover_first_vhost(&self, definitions: &[Definition]) -> Result<()> {
        let is_younger = definitions.iter().any(|it| match it {
            Definition::User(_) => true,
            Definition::VirtualHost(vhost) => &*vhost.name == DEFAULT_VHOST,
            _ => false,
        });
        if is_younger || definitions.is_empty() {
            return Ok(());
        }
        let settings = VhostSettings::default();
        self.define(&settings.definition(&DEFAULT_VHOST.into()));
        self.add_vhost(DEFAULT_VHOST, settings)
    }

    fn recover_user(&self, kept: &UserDefinition) -> Recovery {
        self.access.insert_user(User::from_definition(kept)?);
        Ok(())
    }

    fn recover_permission(&self, kept: &PermissionDefinition) -> Recovery {
        self.check_ends(&kept.vhost, &kept.user)?;
        let permission = Permission::new(&kept.configure, &kept.write, &kept.read);
        let permission = permission.map_err(|bad| bad.to_string())?;
        self.access.set_permission(&kept.vhost, &kept.user, Some(permission));
        Ok(())
    }

    fn recover_topic_permission(&self, kept: &TopicPermissionDefinition) -> Recovery {
        self.check_ends(&kept.vhost, &kept.user)?;
        let TopicPermissionDefinition { vhost, user, exchange, write, read } = kept;
        let permission = TopicPermission::new(vhost, user, exchange, write, read);
        let permission = permission.map_err(|bad| bad.to_string())?;
        self.access.set_topic_permission(vhost, user, permission);
        Ok(())
    }

    fn check_ends(&self, vhost: &str, user: &str) -> Recovery {
        self.for_recovery(vhost)?;
        match self.access.user(user) {
            Some(_) => Ok(()),
            None => Err(format!("there is no user '{user}'")),
        }
    }

    fn recover_vhost(&self, kept: &VirtualHostDefinition) -> Recovery {
        if self.vhosts.contains_key(&kept.name) {
            return Ok(());
        }
        let settings = VhostSettings::from_definition(kept)?;
        self.add_vhost(&kept.name, settings).map_err(|error| error.to_string())
    }

    fn for_recovery(&self, name: &str) -> std::result::Result<Arc<VirtualHost>, String> {
        let found = self.vhosts.get(name).map(|vhost| vhost.value().clone());
        found.ok_or_else(|| format!("there is no vhost '{name}'"))
    }
}

fn rank(definition: &Definition) -> u8 {
    match definition {
        Definition::VirtualHost(_) | Definition::User(_) | Definition::GlobalParameter(_) => 0,
        Definition::Policy(_) | Definition::OperatorPolicy(_) => 1,
        Definition::Permission(_) | Definition::TopicPermission(_) => 2,
        Definition::Exchange(_) => 3,
        Definition::Queue(_) => 4,
        Definition::Binding(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::table::{Table, TableBuilder};
    use crate::config::Config;
    use crate::store::{
        BindingDefinition, DataDirectory, DestinationName, ExchangeDefinition, PolicyDefinition,
        QueueDefinition, QueueId, Store,
    };

    fn vhost(name: &str) -> Definition {
        Definition::VirtualHost(VirtualHostDefinition::plain(name.into()))
    }

    fn node(mut definitions: Vec<Definition>) -> Node {
        definitions.push(vhost("/"));
        let directory = tempfile::tempdir().expect("a directory");
        let directory = DataDirectory::open(directory.path()).expect("opened");
        let (store, _) = Store::open(directory).expect("opened");
        let (changes, recovered) =
            (store.definitions_seq(), Recovered { definitions, ..Recovered::default() });
        let node = Node::new(Config::default(), store, recovered).expect("a node");
        assert_eq!(node.store.definitions_seq(), changes, "nothing is told to the store again");
        node
    }

    fn queue(vhost: &str, name: &str, id: u64, arguments: Table) -> Definition {
        let (vhost, name, id) = (vhost.into(), name.into(), QueueId(id));
        Definition::Queue(QueueDefinition { vhost, name, id, auto_delete: false, arguments })
    }

    fn exchange(vhost: &str, name: &str, kind: &str) -> Definition {
        Definition::Exchange(ExchangeDefinition {
            vhost: vhost.into(),
            name: name.into(),
            kind: kind.into(),
            auto_delete: false,
            internal: false,
            arguments: Table::default(),
        })
    }

    fn binding(vhost: &str, source: &str, queue: &str) -> Definition {
        Definition::Binding(BindingDefinition {
            vhost: vhost.into(),
            source: source.into(),
            destination: DestinationName::Queue(queue.into()),
            routing_key: b"k".as_slice().into(),
            arguments: Table::default(),
        })
    }

    #[test]
    fn things_come_back_in_any_order_and_every_vhost() {
        let node = node(vec![
            binding("v", "logs", "jobs"),
            queue("v", "jobs", 1, Table::default()),
            exchange("v", "logs", "topic"),
            vhost("v"),
            queue("/", "jobs", 2, Table::default()),
        ]);
        let vhost = node.vhost("v").expect("there again");
        assert!(vhost.exchange("logs").expect("there again").has_bindings());
        assert!(vhost.exchange("amq.topic").is_ok());
        let mut ids: Vec<_> = node.delivered().into_iter().map(|(id, _)| id.0).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2]);
    }

    fn policy(vhost: &str, pattern: &str) -> PolicyDefinition {
        PolicyDefinition {
            vhost: vhost.into(),
            name: "p".into(),
            pattern: pattern.into(),
            apply_to: "all".into(),
            priority: 0,
            definition: r#"{"max-length":1}"#.into(),
        }
    }

    #[test]
    fn policies_are_there_before_what_follows_them() {
        let operator =
            PolicyDefinition { definition: r#"{"message-ttl":2}"#.into(), ..policy("v", "jobs") };
        let node = node(vec![
            queue("v", "jobs", 1, Table::default()),
            Definition::OperatorPolicy(operator),
            Definition::Policy(policy("v", "jobs")),
            vhost("v"),
            queue("/", "jobs", 2, Table::default()),
            Definition::Policy(policy("/", "(")),
            Definition::Policy(policy("nowhere", "jobs")),
        ]);
        let rules = |vhost: &str| {
            let queue = node.vhost(vhost).expect("there again").queue("jobs");
            queue.expect("there again").rules()
        };
        assert_eq!((rules("v").max_length, rules("v").message_ttl_ms), (Some(1), Some(2)));
        assert_eq!(rules("/").max_length, None, "its pattern is none");
        // A queue that came first would follow other rules until then.
        let policy = || policy("/", "jobs");
        for policy in [Definition::Policy(policy()), Definition::OperatorPolicy(policy())] {
            assert!(rank(&policy) < rank(&exchange("/", "logs", "direct")));
            assert!(rank(&policy) < rank(&queue("/", "jobs", 1, Table::default())));
            assert!(rank(&policy) > rank(&vhost("/")));
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_the_rest_comes_back() {
        let strange = TableBuilder::new().long_string("x-queue-type", "later").build();
        let node = node(vec![
            binding("/", "logs", "missing"),
            binding("/", "missing", "jobs"),
            binding("nowhere", "logs", "jobs"),
            exchange("/", "logs", "direct"),
            exchange("/", "strange", "x-later"),
            exchange("/", "amq.direct", "fanout"),
            exchange("nowhere", "logs", "direct"),
            queue("/", "strange", 1, strange),
            queue("/", "jobs", 2, Table::default()),
            queue("/", "double", 2, Table::default()),
        ]);
        let vhost = node.vhost("/").expect("there always");
        assert!(!vhost.exchange("logs").expect("there again").has_bindings());
        assert!(vhost.queue("jobs").is_ok());
        assert!(vhost.exchange("strange").is_err() && vhost.queue("strange").is_err());
        assert!(vhost.queue("double").is_err() && node.vhost("nowhere").is_err());
        let kind = vhost.exchange("amq.direct").expect("there always").spec().kind;
        assert_eq!(kind.name(), "direct");
    }

    #[test]
    fn names_are_complete_in_reports() {
        let name: Arc<str> = "q".repeat(255).into();
        let node = node(Vec::new());
        let vhost = node.vhost("/").expect("there always");
        let Definition::Binding(kept) = binding("/", "amq.direct", &name) else { return };
        let why = vhost.recover_binding(&kept).expect_err("no such queue");
        assert_eq!(why, format!("no queue '{name}' in vhost '/'"));
    }
}
