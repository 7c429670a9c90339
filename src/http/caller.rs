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
    pub(super) user: Arc<User>,
}

impl Caller {
    /// Whether the user has permissions in a virtual host.
    pub(super) fn is_member(&self, node: &Node, vhost: &str) -> bool {
        node.access.permission(vhost, &self.user.name).is_some()
    }

    /// Whether the user may see what is in a virtual host.
    pub(super) fn sees(&self, node: &Node, vhost: &str) -> bool {
        self.user.may_monitor() || self.is_member(node, vhost)
    }

    /// Whether the user may see the connections of another one.
    pub(super) fn sees_user(&self, user: &str) -> bool {
        self.user.may_monitor() || *self.user.name == *user
    }

    /// The same, or 401.
    pub(super) fn check_sees_user(&self, user: &str) -> Result<(), Failure> {
        if self.sees_user(user) { Ok(()) } else { Err(not_yours()) }
    }

    /// Whether the user may close the connections of another one, or 401.
    pub(super) fn check_controls_user(&self, user: &str) -> Result<(), Failure> {
        let may = self.user.is_administrator() || *self.user.name == *user;
        if may { Ok(()) } else { Err(not_yours()) }
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
            Access::Monitoring => allowed(self.user.may_monitor(), "Not monitor user")?,
            Access::Administrator => {
                allowed(self.user.is_administrator(), "Not administrator user")?;
            }
            Access::Policymaker => {
                allowed(self.user.may_make_policies(), "Not policymaker user")?;
                member(self.user.is_administrator())?;
            }
            Access::Management
            | Access::Member
            | Access::MemberOrAdministrator
            | Access::Visible => {
                allowed(self.user.may_manage(), "Not management user")?;
            }
        }
        // Whoever may know of every virtual host is told that one does not exist.
        if let Some(vhost) = vhost
            && self.user.may_monitor()
            && node.vhost(vhost).is_err()
        {
            return Err(Failure::not_found());
        }
        match access {
            Access::Member => member(false),
            Access::MemberOrAdministrator => member(self.user.is_administrator()),
            Access::Visible => member(self.user.may_monitor()),
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

fn not_yours() -> Failure {
    Failure::not_authorised("User not authorised to access object")
}
