//! Who may log in, and what they may do where: users, permissions, topic permissions.
//!
//! Holds what is in force; whoever changes it (broker/users.rs) tells the store. Every change
//! raises the revision, so that what was remembered of an answer is asked for again. Knows no
//! connections: it is told whether a peer is local.

mod grant;
mod guard;
mod login;
mod password;
mod permission;
mod sasl;
mod throttle;
mod user;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use tokio::sync::Semaphore;

pub use grant::Grant;
pub use guard::{Attempt, Denied, Guard};
pub use login::{Denial, Refusal, Whence};
pub use password::{Algorithm, BadHash, PasswordHash};
pub use permission::{BadRule, NameRule, Permission, Resource, Right, TopicPermission};
pub use sasl::{EXTERNAL, MECHANISMS};
pub use user::{NAME_MAX_BYTES, TAGS_MAX, Tag, User, UserLimit, UserLimits};

/// Each checks a password that takes up to a second of a core: the others are for the broker.
const SLOW_LOGINS_MAX: usize = 2;

/// A name.
type Name = Arc<str>;

/// The users and what they may do.
pub struct Access {
    state: RwLock<State>,
    revision: AtomicU64,
    /// Who may come from this machine only.
    loopback_users: Vec<String>,
    slow_logins: Arc<Semaphore>,
    guard: Guard,
}

#[derive(Default)]
struct State {
    users: BTreeMap<Name, Arc<User>>,
    /// By virtual host, then by user.
    granted: BTreeMap<Name, BTreeMap<Name, Arc<Granted>>>,
}

/// What a user may do in a virtual host.
#[derive(Clone, Debug, Default)]
struct Granted {
    permission: Option<Arc<Permission>>,
    /// By exchange.
    topics: BTreeMap<Name, Arc<TopicPermission>>,
}

/// Something that a user may do in a virtual host.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// The virtual host's name.
    pub vhost: Arc<str>,
    /// The user's name.
    pub user: Arc<str>,
    /// What may be done.
    pub what: Arc<T>,
}

/// Permissions that went with a user or a virtual host.
#[derive(Debug, Default)]
pub struct Gone {
    /// Of whole virtual hosts.
    pub permissions: Vec<Entry<Permission>>,
    /// Of routing keys.
    pub topic_permissions: Vec<Entry<TopicPermission>>,
}

impl Access {
    /// Nobody; later these users may come from this machine only.
    pub fn new(loopback_users: Vec<String>) -> Self {
        Self {
            state: RwLock::default(),
            revision: AtomicU64::new(1),
            loopback_users,
            slow_logins: Arc::new(Semaphore::new(SLOW_LOGINS_MAX)),
            guard: Guard::of_names(),
        }
    }

    /// Raised with every change.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<Arc<User>> {
        self.state.read().users.get(name).cloned()
    }

    /// All users, by name.
    pub fn users(&self) -> Vec<Arc<User>> {
        self.state.read().users.values().cloned().collect()
    }

    /// How many users there are.
    pub fn user_count(&self) -> usize {
        self.state.read().users.len()
    }

    /// What a user may do in a virtual host; none: not even enter it.
    pub fn permission(&self, vhost: &str, user: &str) -> Option<Arc<Permission>> {
        self.granted(vhost, user)?.permission.clone()
    }

    /// All permissions, by virtual host and user.
    pub fn permissions(&self) -> Vec<Entry<Permission>> {
        let mut all = Gone::default();
        self.state.read().each(|vhost, user, granted| all.add(vhost, user, granted));
        all.permissions
    }

    /// What a user may do with the keys of a topic exchange.
    pub fn topic_permission(
        &self,
        vhost: &str,
        user: &str,
        exchange: &str,
    ) -> Option<Arc<TopicPermission>> {
        self.granted(vhost, user)?.topics.get(exchange).cloned()
    }

    /// All topic permissions, by virtual host, user and exchange.
    pub fn topic_permissions(&self) -> Vec<Entry<TopicPermission>> {
        let mut all = Gone::default();
        self.state.read().each(|vhost, user, granted| all.add(vhost, user, granted));
        all.topic_permissions
    }

    /// How many a user has in a virtual host.
    pub fn topic_permission_count(&self, vhost: &str, user: &str) -> usize {
        self.granted(vhost, user).map_or(0, |granted| granted.topics.len())
    }

    fn granted(&self, vhost: &str, user: &str) -> Option<Arc<Granted>> {
        self.state.read().granted.get(vhost)?.get(user).cloned()
    }

    // ---- changes --------------------------------------------------------------------------

    /// Puts a user in, in the place of the one of that name. True if there was none.
    pub fn insert_user(&self, user: User) -> bool {
        let mut state = self.write();
        state.users.insert(user.name.clone(), Arc::new(user)).is_none()
    }

    /// Removes a user with all permissions. `None` if there is no such user.
    pub fn remove_user(&self, name: &str) -> Option<Gone> {
        let mut state = self.write();
        state.users.remove(name)?;
        let mut gone = Gone::default();
        for (vhost, users) in &mut state.granted {
            if let Some((user, granted)) = users.remove_entry(name) {
                gone.add(vhost, &user, &granted);
            }
        }
        Some(gone)
    }

    /// Removes all permissions in a virtual host.
    pub fn remove_vhost(&self, vhost: &str) -> Gone {
        let mut gone = Gone::default();
        let removed = self.write().granted.remove_entry(vhost);
        if let Some((vhost, users)) = removed {
            for (user, granted) in &users {
                gone.add(&vhost, user, granted);
            }
        }
        gone
    }

    /// Sets what a user may do in a virtual host, or that it may not enter it. What was before.
    pub fn set_permission(
        &self,
        vhost: &str,
        user: &str,
        permission: Option<Permission>,
    ) -> Option<Arc<Permission>> {
        let permission = permission.map(Arc::new);
        self.write()
            .change(vhost, user, |granted| std::mem::replace(&mut granted.permission, permission))
    }

    /// Sets what a user may do with the keys of an exchange. True if nothing was said before.
    pub fn set_topic_permission(&self, vhost: &str, user: &str, set: TopicPermission) -> bool {
        self.write().change(vhost, user, |granted| {
            granted.topics.insert(set.exchange.clone(), Arc::new(set)).is_none()
        })
    }

    /// Lets a user do anything again with the keys of an exchange, or of all exchanges. What was
    /// said before.
    pub fn clear_topic_permissions(
        &self,
        vhost: &str,
        user: &str,
        exchange: Option<&str>,
    ) -> Vec<Arc<TopicPermission>> {
        self.write().change(vhost, user, |granted| match exchange {
            Some(exchange) => granted.topics.remove(exchange).into_iter().collect(),
            None => std::mem::take(&mut granted.topics).into_values().collect(),
        })
    }

    /// The lock; whoever has it changes something. What is asked for before the change is made
    /// may be remembered under the new revision only after it: readers wait for this lock.
    fn write(&self) -> parking_lot::RwLockWriteGuard<'_, State> {
        let state = self.state.write();
        self.revision.fetch_add(1, Ordering::AcqRel);
        state
    }
}

impl State {
    fn change<T>(&mut self, vhost: &str, user: &str, how: impl FnOnce(&mut Granted) -> T) -> T {
        let users = self.granted.entry(vhost.into()).or_default();
        let granted = Arc::make_mut(users.entry(user.into()).or_default());
        let result = how(granted);
        if granted.permission.is_none() && granted.topics.is_empty() {
            users.remove(user);
        }
        if users.is_empty() {
            self.granted.remove(vhost);
        }
        result
    }

    fn each(&self, mut see: impl FnMut(&Name, &Name, &Granted)) {
        for (vhost, users) in &self.granted {
            for (user, granted) in users {
                see(vhost, user, granted);
            }
        }
    }
}

impl Gone {
    fn add(&mut self, vhost: &Name, user: &Name, granted: &Granted) {
        let (vhost, user) = (|| vhost.clone(), || user.clone());
        if let Some(what) = &granted.permission {
            self.permissions.push(Entry { vhost: vhost(), user: user(), what: what.clone() });
        }
        for what in granted.topics.values() {
            let entry = Entry { vhost: vhost(), user: user(), what: what.clone() };
            self.topic_permissions.push(entry);
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("users", &self.user_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission() -> Permission {
        Permission::new(".*", "", "^a").expect("sound")
    }

    fn access() -> Access {
        let access = Access::new(Vec::new());
        for name in ["ann", "bob"] {
            let (password, tags, limits) = (None, Vec::new(), UserLimits::default());
            assert!(access.insert_user(User { name: name.into(), password, tags, limits }));
        }
        access.set_permission("/", "ann", Some(permission()));
        access.set_permission("v", "ann", Some(permission()));
        access.set_permission("v", "bob", Some(permission()));
        let topic = TopicPermission::new("v", "ann", "x", "^a", "^b").expect("sound");
        assert!(access.set_topic_permission("v", "ann", topic));
        access
    }

    fn names(access: &Access) -> Vec<String> {
        let entries = access.permissions().into_iter();
        entries.map(|entry| format!("{} {}", entry.vhost, entry.user)).collect()
    }

    #[test]
    fn a_user_goes_with_all_permissions() {
        let access = access();
        assert_eq!(names(&access), ["/ ann", "v ann", "v bob"]);
        let gone = access.remove_user("ann").expect("there");
        assert_eq!((gone.permissions.len(), gone.topic_permissions.len()), (2, 1));
        assert_eq!(names(&access), ["v bob"]);
        assert!(access.user("ann").is_none() && access.remove_user("ann").is_none());
        assert!(access.topic_permissions().is_empty());
    }

    #[test]
    fn a_vhost_goes_with_all_permissions() {
        let access = access();
        let gone = access.remove_vhost("v");
        assert_eq!((gone.permissions.len(), gone.topic_permissions.len()), (2, 1));
        assert_eq!(names(&access), ["/ ann"]);
        assert!(access.topic_permission("v", "ann", "x").is_none());
    }

    #[test]
    fn every_change_raises_the_revision_and_leaves_nothing_empty() {
        let access = access();
        let before = access.revision();
        assert!(access.set_permission("v", "bob", None).is_some());
        assert!(access.set_permission("v", "bob", None).is_none());
        assert_eq!(access.clear_topic_permissions("v", "ann", Some("x")).len(), 1);
        assert!(access.clear_topic_permissions("v", "ann", None).is_empty());
        access.set_permission("v", "ann", None);
        assert!(access.revision() > before);
        assert_eq!(access.state.read().granted.len(), 1, "only that of /");
    }
}
