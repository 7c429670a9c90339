//! What the owner of a broker does to it without a connection.
//!
//! Each change is answered once it is on disk. Knows no frames.

use std::sync::Arc;

use super::Broker;
use crate::broker::Node;
use crate::policy::{Policy, PolicyError, Scope};
use crate::vhost::VirtualHost;

impl Broker {
    /// Sets a policy, in the place of one of its name and scope. True if there was none.
    pub async fn set_policy(&self, vhost: &str, policy: Policy) -> Result<bool, PolicyError> {
        let new = self.node.set_policy(vhost, policy)?;
        self.node.definitions_on_disk().await;
        Ok(new)
    }

    /// Clears a policy.
    pub async fn clear_policy(
        &self,
        vhost: &str,
        scope: Scope,
        name: &str,
    ) -> Result<(), PolicyError> {
        self.node.clear_policy(vhost, scope, name)?;
        self.node.definitions_on_disk().await;
        Ok(())
    }

    /// All policies of a virtual host and scope, by name.
    pub fn policies(&self, vhost: &str, scope: Scope) -> Result<Vec<Arc<Policy>>, PolicyError> {
        self.node.policies(vhost, scope)
    }

    /// The virtual host of that name.
    #[doc(hidden)]
    pub fn vhost(&self, name: &str) -> Option<Arc<VirtualHost>> {
        self.node.vhost(name).ok()
    }

    /// What all connections share, to be administered.
    #[doc(hidden)]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }
}
