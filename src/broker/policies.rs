//! Policies of all virtual hosts, by the names that people give.
//!
//! Knows nothing of where the wish comes from. What is changed here is on disk once
//! `Store::definitions_seq` is settled.

use std::sync::Arc;

use super::Node;
use crate::outbox::Wakes;
use crate::policy::{Policy, PolicyError, Scope};
use crate::vhost::VirtualHost;

impl Node {
    /// Sets a policy, in the place of one of its name and scope. True if there was none.
    pub fn set_policy(&self, vhost: &str, policy: Policy) -> Result<bool, PolicyError> {
        let found = self.for_policies(vhost)?;
        let set = policy.clone();
        let is_new = found.set_policy(policy, &mut Wakes::default())?;
        let (name, scope, pattern) = (set.name(), set.scope(), set.pattern());
        tracing::info!(vhost, %name, ?scope, pattern, priority = set.priority(), "policy set");
        self.note_policy_set(vhost, &set);
        Ok(is_new)
    }

    /// Clears a policy.
    pub fn clear_policy(&self, vhost: &str, scope: Scope, name: &str) -> Result<(), PolicyError> {
        let cleared = self.for_policies(vhost)?.clear_policy(scope, name, &mut Wakes::default());
        if !cleared {
            return Err(PolicyError::NoPolicy(name.to_owned()));
        }
        tracing::info!(vhost, name, ?scope, "policy cleared");
        self.note_policy_cleared(vhost, scope, name);
        Ok(())
    }

    /// All policies of a virtual host and scope, by name.
    pub fn policies(&self, vhost: &str, scope: Scope) -> Result<Vec<Arc<Policy>>, PolicyError> {
        Ok(self.for_policies(vhost)?.policies(scope))
    }

    fn for_policies(&self, name: &str) -> Result<Arc<VirtualHost>, PolicyError> {
        let found = self.vhosts.get(name).map(|vhost| vhost.value().clone());
        found.ok_or_else(|| PolicyError::NoVhost(name.to_owned()))
    }
}
