//! Whoever makes a request, and what that user's tags and permissions allow.
//!
//! Knows no routes.

use std::sync::Arc;

use super::reply::Failure;
use super::route::Access;
use crate::access::User;
use crate::broker::Node;

/// A user who has logged in.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) user: User,
}

impl Caller {
    /// What is to be shown as the user's tags.
    pub(super) fn tags(&self) -> Vec<&str> {
        vec!["administrator"]
    }

    pub(super) fn is_administrator(&self) -> bool {
        true
    }

    pub(super) fn may_monitor(&self) -> bool {
        true
    }

    pub(super) fn may_make_policies(&self) -> bool {
        true
    }

    pub(super) fn may_manage(&self) -> bool {
        true
    }

    /// Whether the user has permissions in a virtual host.
    pub(super) fn is_member(&self, _node: &Node, _vhost: &str) -> bool {
        true
    }

    /// Whether the user may see what is in a virtual host.
    pub(super) fn sees(&self, node: &Node, vhost: &str) -> bool {
        self.may_monitor() || self.is_member(node, vhost)
    }

    /// Refuses what the tags and permissions do not allow. `vhost`: the one in the path.
    pub(super) fn check(
        &self,
        node: &Arc<Node>,
        access: Access,
        vhost: Option<&str>,
    ) -> Result<(), Failure> {
        let allowed = |allowed, reason: &str| {
            if allowed { Ok(()) } else { Err(Failure::not_authorised(reason)) }
        };
        let member = |allowed: bool| {
            allowed_in(vhost, allowed || vhost.is_none_or(|vhost| self.is_member(node, vhost)))
        };
        match access {
            Access::Anyone => return Ok(()),
            Access::Monitoring => allowed(self.may_monitor(), "Not monitor user")?,
            Access::Administrator => allowed(self.is_administrator(), "Not administrator user")?,
            Access::Policymaker => {
                allowed(self.may_make_policies(), "Not policymaker user")?;
                member(self.is_administrator())?;
            }
            Access::Management | Access::Member | Access::Visible => {
                allowed(self.may_manage(), "Not management user")?;
            }
        }
        // Whoever may know of every virtual host is told that one does not exist.
        if let Some(vhost) = vhost
            && self.may_monitor()
            && node.vhost(vhost).is_err()
        {
            return Err(Failure::not_found());
        }
        match access {
            Access::Member => member(false),
            Access::Visible => member(self.may_monitor()),
            _ => Ok(()),
        }
    }
}

fn allowed_in(vhost: Option<&str>, allowed: bool) -> Result<(), Failure> {
    match vhost {
        Some(_) if !allowed => {
            Err(Failure::not_authorised("User not authorised to access virtual host"))
        }
        _ => Ok(()),
    }
}
