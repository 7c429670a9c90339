//! Users and virtual hosts of a test.

use warren::broker::{NewPassword, Node, UserUpdate};
use warren::vhost::VhostMetadata;

use super::OwnBroker;

impl OwnBroker {
    pub fn node(&self) -> &Node {
        self.broker.node()
    }

    /// A user whose password is the name, without tags and permissions.
    pub fn add_user(&self, name: &str) {
        let password = NewPassword::Plain(name.to_owned());
        let update = UserUpdate { name: name.to_owned(), password, tags: None };
        assert_eq!(self.node().set_user(update), Ok(true), "{name}");
    }

    pub fn add_vhost(&self, name: &str) {
        let created = self.node().create_vhost(name, VhostMetadata::default());
        assert_eq!(created, Ok(true), "{name}");
    }

    /// What a user may configure, write and read.
    pub fn permit(&self, vhost: &str, user: &str, [configure, write, read]: [&str; 3]) {
        self.node().set_permission(vhost, user, configure, write, read).expect("set");
    }

    /// A user whose password is the name, and who may do everything in a virtual host.
    pub fn add_free_user(&self, name: &str, vhost: &str) {
        self.add_user(name);
        self.permit(vhost, name, [".*", ".*", ".*"]);
    }
}
