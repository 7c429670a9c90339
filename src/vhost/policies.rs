//! Policies come and go, and queues and exchanges follow at once.
//!
//! Everything happens under the topology lock, so that nothing is declared past a change. Which
//! policy counts is decided here once for every object, never for a message. Knows nothing of what
//! the rules do in a queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::{VirtualHost, durable};
use crate::amqp::table::Table;
use crate::exchange::Exchange;
use crate::outbox::Wakes;
use crate::policy::{Policy, PolicyError, Scope, Target, choose, effective};
use crate::queue::{EffectivePolicy, Queue, QueueKind, Rules, rules};

/// So many policies of one scope may a virtual host have: each is tried on every name that is
/// declared. Operators have some dozens.
const POLICIES_MAX: usize = 10_000;

/// The policies of one virtual host.
#[derive(Debug, Default)]
pub(super) struct Policies {
    /// By name: of equal priorities the first counts, whatever the order in which they came.
    user: BTreeMap<Arc<str>, Arc<Policy>>,
    operator: BTreeMap<Arc<str>, Arc<Policy>>,
    /// What is shown of each pair, which many queues share.
    shown: HashMap<Pair, Arc<EffectivePolicy>>,
}

/// The names of a policy and of an operator policy that apply together.
type Pair = (Option<Arc<str>>, Option<Arc<str>>);

/// The policies that count for one thing.
struct Chosen {
    policy: Option<Arc<Policy>>,
    operator: Option<Arc<Policy>>,
    shown: Option<Arc<EffectivePolicy>>,
}

impl Policies {
    fn of(&mut self, scope: Scope) -> &mut BTreeMap<Arc<str>, Arc<Policy>> {
        match scope {
            Scope::User => &mut self.user,
            Scope::Operator => &mut self.operator,
        }
    }

    fn insert(&mut self, policy: Arc<Policy>) -> Option<Arc<Policy>> {
        self.shown.clear();
        self.of(policy.scope()).insert(policy.name().clone(), policy)
    }

    fn remove(&mut self, scope: Scope, name: &str) -> Option<Arc<Policy>> {
        self.shown.clear();
        self.of(scope).remove(name)
    }

    fn choose(&mut self, target: Target, name: &str) -> Chosen {
        let policy = choose(self.user.values(), target, name).cloned();
        let operator = choose(self.operator.values(), target, name).cloned();
        let name = |policy: &Arc<Policy>| policy.name().clone();
        let pair = (policy.as_ref().map(name), operator.as_ref().map(name));
        let shown = self.shown.get(&pair).cloned().or_else(|| {
            let made = Arc::new(effective(policy.as_deref(), operator.as_deref())?);
            self.shown.insert(pair, made.clone());
            Some(made)
        });
        Chosen { policy, operator, shown }
    }

    /// The rules of a queue of that name, type and arguments, and the policies behind them.
    pub(super) fn rules(
        &mut self,
        kind: QueueKind,
        name: &str,
        arguments: &Table,
    ) -> (Rules, Option<Arc<EffectivePolicy>>) {
        let chosen = self.choose(Target::Queue(kind), name);
        let policy = chosen.policy.as_ref().map(|policy| policy.settings());
        let operator = chosen.operator.as_ref().map(|policy| policy.settings());
        let rules = Rules::new(kind, arguments, policy, operator);
        if rules::falls_back_to_at_most_once(kind, arguments, policy, &rules) {
            tracing::warn!(
                queue = name,
                "dead-letters at most once: at least once needs overflow reject-publish"
            );
        }
        (rules, chosen.shown)
    }

    /// Puts in force for a queue what counts for it now.
    fn apply_to_queue(&mut self, queue: &Queue, wakes: &mut Wakes) {
        let options = &queue.spec().options;
        let (new, shown) = self.rules(options.nature.kind, queue.name(), &options.arguments);
        queue.set_effective_policy(shown);
        if *queue.rules() != new {
            queue.set_rules(Arc::new(new), wakes);
        }
    }

    /// Puts in force for an exchange what counts for it now. True if messages may go elsewhere.
    pub(super) fn apply_to_exchange(&mut self, exchange: &Exchange) -> bool {
        // It finds queues by their names, and nothing else.
        if exchange.name().is_empty() {
            return false;
        }
        let chosen = self.choose(Target::Exchange, exchange.name());
        let alternate = chosen.policy.and_then(|policy| policy.alternate_exchange().cloned());
        exchange.set_policy(alternate, chosen.shown)
    }
}

impl VirtualHost {
    /// Sets a policy, in the place of one of its name and scope. True if there was none.
    pub fn set_policy(&self, policy: Policy, wakes: &mut Wakes) -> Result<bool, PolicyError> {
        let mut topology = self.topology.lock();
        if topology.closed {
            return Err(PolicyError::NoVhost(self.name().to_string()));
        }
        let policies = &mut topology.policies;
        let those = policies.of(policy.scope());
        if those.len() >= POLICIES_MAX && !those.contains_key(policy.name()) {
            let text = format!("there are {POLICIES_MAX} policies already");
            return Err(PolicyError::Invalid(text));
        }
        let policy = Arc::new(policy);
        self.changes(wakes).define(Some(durable::policy(self.name(), &policy)));
        let old = policies.insert(policy.clone());
        self.apply(policies, &[Some(&policy), old.as_ref()], wakes);
        Ok(old.is_none())
    }

    /// Clears a policy. False if there is none of that name.
    pub fn clear_policy(&self, scope: Scope, name: &str, wakes: &mut Wakes) -> bool {
        let mut topology = self.topology.lock();
        let policies = &mut topology.policies;
        let Some(policy) = policies.remove(scope, name) else { return false };
        self.changes(wakes).forget(Some(durable::policy(self.name(), &policy)));
        self.apply(policies, &[Some(&policy)], wakes);
        true
    }

    /// Forgets all policies: the virtual host is deleted with everything they might concern.
    pub(super) fn drop_policies(&self, wakes: &mut Wakes) {
        let mut topology = self.topology.lock();
        let Policies { user, operator, .. } = std::mem::take(&mut topology.policies);
        for policy in user.values().chain(operator.values()) {
            self.changes(wakes).forget(Some(durable::policy(self.name(), policy)));
        }
    }

    /// All policies of a scope, by name.
    pub fn policies(&self, scope: Scope) -> Vec<Arc<Policy>> {
        self.topology.lock().policies.of(scope).values().cloned().collect()
    }

    /// Brings a policy back. What is recovered later gets it, and what is there anyway.
    pub(super) fn restore_policy(&self, policy: Policy) {
        let mut topology = self.topology.lock();
        let policy = Arc::new(policy);
        topology.policies.insert(policy.clone());
        self.apply(&mut topology.policies, &[Some(&policy)], &mut Wakes::default());
    }

    /// Decides anew for everything that these policies may concern.
    fn apply(&self, policies: &mut Policies, changed: &[Option<&Arc<Policy>>], wakes: &mut Wakes) {
        let concerns = |name: &str| changed.iter().flatten().any(|policy| policy.matches(name));
        // Without the maps' locks: a queue that has to drop something may look names up.
        let queues: Vec<_> = self.queues.iter().map(|queue| queue.value().clone()).collect();
        for queue in queues.iter().filter(|queue| concerns(queue.name())) {
            policies.apply_to_queue(queue, wakes);
        }
        let exchanges: Vec<_> = self.exchanges.iter().map(|it| it.value().clone()).collect();
        let mut moved = false;
        for exchange in exchanges.iter().filter(|exchange| concerns(exchange.name())) {
            moved |= policies.apply_to_exchange(exchange);
        }
        if moved {
            self.raise_generation();
        }
    }
}
