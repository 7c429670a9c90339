//! Users and what they may do, as administrators change them.
//!
//! Each change is checked, logged, told to the store and in force at once; it is on disk when
//! [`Node::definitions_on_disk`] returns. One at a time, so that the store hears of changes in
//! their order. Knows nothing of where the wish comes from.

use std::fmt;
use std::sync::Arc;

use super::change_error::{Change, ChangeError};
use super::{Node, check_name};
use crate::access::{
    Entry, Gone, PasswordHash, Permission, TAGS_MAX, Tag, TopicPermission, User, UserLimit,
    UserLimits,
};
use crate::outbox::Wakes;
use crate::store::Definition;

/// Each is in memory, and looked at one by one in lists. Large fleets have some thousands.
const USERS_MAX: usize = 100_000;
/// So many topic permissions may a user have in a virtual host.
const TOPIC_PERMISSIONS_MAX: usize = 1_000;

/// A user as somebody wants it.
#[derive(Clone, Debug)]
pub struct UserUpdate {
    /// The name.
    pub name: String,
    /// The password.
    pub password: NewPassword,
    /// The tags; none: they stay, and a new user has none.
    pub tags: Option<Vec<Tag>>,
}

/// What becomes of a user's password.
#[derive(Clone, Default)]
pub enum NewPassword {
    /// It stays; a new user has none.
    #[default]
    Keep,
    /// There is none: no login with a password.
    Remove,
    /// This one.
    Plain(String),
    /// The one with this hash.
    Hash(PasswordHash),
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Remove => "Remove",
            Self::Plain(_) => "Plain(..)",
            Self::Hash(_) => "Hash(..)",
        })
    }
}

impl Node {
    /// Whether a user could be as somebody wants it.
    pub fn check_user(update: &UserUpdate) -> Change<()> {
        check_name("user", &update.name)?;
        let tags = update.tags.as_deref().unwrap_or_default();
        check_tags(tags.iter().map(Tag::name))
    }

    /// Makes a user, or changes one. True if there was none of that name.
    pub fn set_user(&self, update: UserUpdate) -> Change<bool> {
        Self::check_user(&update)?;
        let UserUpdate { name, password, tags } = update;
        let changes_password = !matches!(password, NewPassword::Keep);
        let removes_password = matches!(password, NewPassword::Remove);
        let changes_tags = tags.is_some();
        let password = match password {
            NewPassword::Keep => None,
            NewPassword::Remove => Some(None),
            NewPassword::Plain(text) if text.is_empty() => {
                return Err(ChangeError::Invalid("a password must not be empty".to_owned()));
            }
            NewPassword::Plain(text) => Some(Some(PasswordHash::new(text.as_bytes())?)),
            NewPassword::Hash(hash) => Some(Some(hash)),
        };
        let _one_at_a_time = self.administration.lock();
        let old = self.access.user(&name);
        if old.is_none() && self.access.user_count() >= USERS_MAX {
            return Err(ChangeError::Refused(format!("there are {USERS_MAX} users already")));
        }
        let kept = old.as_deref();
        let user = User {
            name: kept.map_or_else(|| name.as_str().into(), |old| old.name.clone()),
            password: password.unwrap_or_else(|| kept.and_then(|old| old.password.clone())),
            tags: tags.unwrap_or_else(|| kept.map(|old| old.tags.clone()).unwrap_or_default()),
            limits: kept.map(|old| old.limits).unwrap_or_default(),
        };
        let created = old.is_none();
        let shown: Vec<_> = user.tags.iter().map(Tag::name).collect();
        tracing::info!(user = %user.name, tags = ?shown, created, changes_password, "user set");
        let name = user.name.clone();
        let tags: Vec<_> = user.tags.clone();
        self.put_user(user);
        match (created, changes_password, removes_password) {
            (true, ..) => self.note_user("user.created", &name),
            (_, _, true) => self.note_user("user.password.cleared", &name),
            (_, true, _) => self.note_user("user.password.changed", &name),
            _ => {}
        }
        if changes_tags {
            self.note_tags(&name, &tags.iter().map(Tag::name).collect::<Vec<_>>());
        }
        Ok(created)
    }

    /// Deletes a user with all permissions, and closes the user's connections.
    pub fn delete_user(&self, name: &str) -> Change<()> {
        let _one_at_a_time = self.administration.lock();
        let user = self.user(name)?;
        let gone = self.access.remove_user(name).unwrap_or_default();
        self.forget_permissions(&gone);
        self.forget(&Definition::User(user.definition()));
        self.forget_all_routes();
        tracing::info!(user = name, "user deleted");
        self.note_user("user.deleted", name);
        self.close_connections_of(name, &format!("user '{name}' is deleted"));
        Ok(())
    }

    /// Sets what a user may do in a virtual host. True if there was no permission.
    pub fn set_permission(
        &self,
        vhost: &str,
        user: &str,
        configure: &str,
        write: &str,
        read: &str,
    ) -> Change<bool> {
        let permission = Permission::new(configure, write, read)?;
        let _one_at_a_time = self.administration.lock();
        let (vhost, user) = self.vhost_and_user(vhost, user)?;
        self.define(&Definition::Permission(permission.definition(&vhost, &user)));
        self.note_permission(&vhost, &user, Some(&permission));
        let old = self.access.set_permission(&vhost, &user, Some(permission));
        tracing::info!(%user, %vhost, configure, write, read, "permission set");
        self.access_changed(&vhost, &user);
        Ok(old.is_none())
    }

    /// Takes a user's access to a virtual host. Open connections stay, and may do nothing.
    pub fn clear_permission(&self, vhost: &str, user: &str) -> Change<()> {
        let _one_at_a_time = self.administration.lock();
        let (vhost, user) = self.vhost_and_user(vhost, user)?;
        let Some(old) = self.access.set_permission(&vhost, &user, None) else {
            let text = format!("user '{user}' has no permission in vhost '{vhost}'");
            return Err(ChangeError::NotFound(text));
        };
        self.forget(&Definition::Permission(old.definition(&vhost, &user)));
        tracing::info!(%user, %vhost, "permission cleared");
        self.note_permission(&vhost, &user, None);
        self.access_changed(&vhost, &user);
        Ok(())
    }

    /// Sets what a user may do with the keys of a topic exchange. True if nothing was said.
    pub fn set_topic_permission(
        &self,
        vhost: &str,
        user: &str,
        exchange: &str,
        write: &str,
        read: &str,
    ) -> Change<bool> {
        check_name("exchange", exchange)?;
        let permission = TopicPermission::new(vhost, user, exchange, write, read)?;
        let _one_at_a_time = self.administration.lock();
        let (vhost, user) = self.vhost_and_user(vhost, user)?;
        let is_known = self.access.topic_permission(&vhost, &user, exchange).is_some();
        let count = self.access.topic_permission_count(&vhost, &user);
        if !is_known && count >= TOPIC_PERMISSIONS_MAX {
            let text = format!("user '{user}' has {count} topic permissions there already");
            return Err(ChangeError::Refused(text));
        }
        self.define(&Definition::TopicPermission(permission.definition(&vhost, &user)));
        self.note_topic_permission(&vhost, &user, Some(&permission));
        let is_new = self.access.set_topic_permission(&vhost, &user, permission);
        tracing::info!(%user, %vhost, exchange, write, read, "topic permission set");
        self.access_changed(&vhost, &user);
        Ok(is_new)
    }

    /// Lets a user use all keys again of a topic exchange, or of all of them in a virtual host.
    pub fn clear_topic_permission(
        &self,
        vhost: &str,
        user: &str,
        exchange: Option<&str>,
    ) -> Change<()> {
        let _one_at_a_time = self.administration.lock();
        let (vhost, user) = self.vhost_and_user(vhost, user)?;
        let old = self.access.clear_topic_permissions(&vhost, &user, exchange);
        if old.is_empty() {
            let text = format!("user '{user}' has no such topic permission in vhost '{vhost}'");
            return Err(ChangeError::NotFound(text));
        }
        for permission in old {
            self.forget(&Definition::TopicPermission(permission.definition(&vhost, &user)));
            let exchange = &permission.exchange;
            tracing::info!(%user, %vhost, %exchange, "topic permission cleared");
        }
        self.note_topic_permission(&vhost, &user, None);
        self.access_changed(&vhost, &user);
        Ok(())
    }

    /// Limits how much of something a user may have at a time; negative for any number.
    pub fn set_user_limit(&self, user: &str, limit: UserLimit, value: i64) -> Change<()> {
        self.change_user_limits(user, |limits| Ok(limits.with(limit, Some(value))))?;
        tracing::info!(user, limit = limit.name(), value, "user limit set");
        Ok(())
    }

    /// Lifts a limit of a user; one that there is not is lifted already.
    pub fn clear_user_limit(&self, user: &str, limit: UserLimit) -> Change<()> {
        self.change_user_limits(user, |limits| Ok(limits.with(limit, None)))?;
        tracing::info!(user, limit = limit.name(), "user limit cleared");
        Ok(())
    }

    fn change_user_limits(
        &self,
        name: &str,
        change: impl FnOnce(UserLimits) -> Change<UserLimits>,
    ) -> Change<()> {
        let _one_at_a_time = self.administration.lock();
        let user = self.user(name)?;
        let limits = change(user.limits)?;
        self.put_user(User { limits, ..User::clone(&user) });
        self.note_user_limits(name, limits);
        Ok(())
    }

    fn put_user(&self, user: User) {
        self.define(&Definition::User(user.definition()));
        self.access.insert_user(user);
    }

    fn user(&self, name: &str) -> Change<Arc<User>> {
        self.access.user(name).ok_or_else(|| ChangeError::NoUser(name.to_owned()))
    }

    fn vhost_and_user(&self, vhost: &str, user: &str) -> Change<(Arc<str>, Arc<str>)> {
        let found = self.vhosts.get(vhost).map(|found| found.key().clone());
        let vhost = found.ok_or_else(|| ChangeError::NoVhost(vhost.to_owned()))?;
        Ok((vhost, self.user(user)?.name.clone()))
    }

    /// Forgets permissions that went with something else.
    pub(super) fn forget_permissions(&self, gone: &Gone) {
        for Entry { vhost, user, what } in &gone.permissions {
            self.forget(&Definition::Permission(what.definition(vhost, user)));
            self.note_permission(vhost, user, None);
        }
        for Entry { vhost, user, what } in &gone.topic_permissions {
            self.forget(&Definition::TopicPermission(what.definition(vhost, user)));
            self.note_topic_permission(vhost, user, None);
        }
    }

    /// What was remembered of a user's rights is asked for again.
    fn access_changed(&self, vhost: &str, user: &str) {
        if let Some(vhost) = self.vhosts.get(vhost) {
            vhost.forget_routes();
        }
        self.tell_of_access(user, Some(vhost));
    }

    fn forget_all_routes(&self) {
        for vhost in &self.vhosts {
            vhost.forget_routes();
        }
    }

    /// Tells the store that something is defined. Called under the lock of administration.
    pub(super) fn define(&self, definition: &Definition) {
        self.store.define(definition.key(), definition.value(), &mut Wakes::default());
    }

    /// Tells the store that something is defined no longer. The same.
    pub(super) fn forget(&self, definition: &Definition) {
        self.store.forget(definition.key(), None, &mut Wakes::default());
    }
}

/// Tags of users and of virtual hosts.
pub(super) fn check_tags<'a>(tags: impl ExactSizeIterator<Item = &'a str>) -> Change<()> {
    if tags.len() > TAGS_MAX {
        let text = format!("there are {} tags, more than {TAGS_MAX}", tags.len());
        return Err(ChangeError::Invalid(text));
    }
    for tag in tags {
        check_name("tag", tag)?;
    }
    Ok(())
}
