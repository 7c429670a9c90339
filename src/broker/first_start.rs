//! The first user, when there is none: somebody has to be able to log in.
//!
//! Knows nothing of how the name and the password were given.

use super::change_error::Change;
use super::users::{NewPassword, UserUpdate};
use super::{DEFAULT_VHOST, Node};
use crate::access::Tag;
use crate::vhost::VhostMetadata;

/// All names.
const EVERYTHING: &str = ".*";

impl Node {
    /// Makes the first user, an administrator who may do everything in the first virtual host, if
    /// there are no users. True if there were none.
    pub fn create_first_user(&self) -> Change<bool> {
        if self.access.user_count() > 0 {
            return Ok(false);
        }
        if !self.vhosts.contains_key(DEFAULT_VHOST) {
            self.create_vhost(DEFAULT_VHOST, VhostMetadata::default())?;
        }
        let name = self.config.default_user.clone();
        self.set_user(UserUpdate {
            name: name.clone(),
            password: NewPassword::Plain(self.config.default_password.reveal().to_owned()),
            tags: Some(vec![Tag::Administrator]),
        })?;
        self.set_permission(DEFAULT_VHOST, &name, EVERYTHING, EVERYTHING, EVERYTHING)?;
        Ok(true)
    }
}
