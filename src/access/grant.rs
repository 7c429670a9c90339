//! What one user may do in one virtual host, asked again and again.
//!
//! Remembers what is in force and what patterns have answered, for as long as nothing changes.
//! Knows neither queues nor exchanges, only their names.

use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};
use parking_lot::Mutex;

use super::{Access, Granted, Resource, Right, User};

/// So many answers are remembered; then it begins anew. A client uses some dozens of names.
const ANSWERS_MAX: usize = 256;

/// A user in a virtual host, by their names.
pub struct Grant {
    access: Arc<Access>,
    user: Arc<str>,
    vhost: Arc<str>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    revision: u64,
    granted: Option<Arc<Granted>>,
    answers: HashMap<Asked, bool>,
}

/// What was asked. A name in a pattern's eyes is the same for queues and exchanges.
#[derive(PartialEq, Eq, Hash)]
struct Asked {
    right: Right,
    name: Box<str>,
}

/// The same, borrowed.
#[derive(Hash)]
struct Asking<'a> {
    right: Right,
    name: &'a str,
}

impl Equivalent<Asked> for Asking<'_> {
    fn equivalent(&self, asked: &Asked) -> bool {
        self.right == asked.right && *self.name == *asked.name
    }
}

impl Known {
    fn refresh(&mut self, access: &Access, vhost: &str, user: &str) {
        let revision = access.revision();
        if revision != self.revision {
            self.granted = access.granted(vhost, user);
            self.answers.clear();
            self.revision = revision;
        }
    }

    fn may(&mut self, right: Right, name: &str) -> bool {
        let permission = self.granted.as_ref().and_then(|granted| granted.permission.as_ref());
        let Some(rule) = permission.map(|permission| permission.rule(right)) else { return false };
        if !rule.is_costly() {
            return rule.matches(name);
        }
        if let Some(answer) = self.answers.get(&Asking { right, name }) {
            return *answer;
        }
        let answer = rule.matches(name);
        if self.answers.len() >= ANSWERS_MAX {
            self.answers.clear();
        }
        self.answers.insert(Asked { right, name: name.into() }, answer);
        answer
    }
}

impl Grant {
    /// A user in a virtual host.
    pub fn new(access: Arc<Access>, user: Arc<str>, vhost: Arc<str>) -> Self {
        Self { access, user, vhost, known: Mutex::default() }
    }

    /// The user as it is now, if it still exists.
    pub fn user(&self) -> Option<Arc<User>> {
        self.access.user(&self.user)
    }

    /// Whether the user may do that with what has that name.
    pub fn may(&self, right: Right, resource: Resource<'_>) -> bool {
        self.known().may(right, resource.name())
    }

    /// Whether the user may do that with that key of a topic exchange.
    pub fn may_use_key(&self, right: Right, exchange: &str, key: &[u8]) -> bool {
        let topic = match &self.known().granted {
            Some(granted) => granted.topics.get(exchange).cloned(),
            None => None,
        };
        topic.is_none_or(|topic| topic.rule(right).matches(&String::from_utf8_lossy(key)))
    }

    fn known(&self) -> parking_lot::MutexGuard<'_, Known> {
        let mut known = self.known.lock();
        known.refresh(&self.access, &self.vhost, &self.user);
        known
    }
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (user, vhost) = (&self.user, &self.vhost);
        f.debug_struct("Grant").field("user", user).field("vhost", vhost).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Permission, TopicPermission};

    fn set(access: &Access, texts: [&str; 3]) {
        let [configure, write, read] = texts;
        let permission = Permission::new(configure, write, read).expect("sound");
        access.set_permission("v", "ann", Some(permission));
    }

    #[test]
    fn a_change_is_seen_at_once() {
        let access = Arc::new(Access::new(Vec::new()));
        let grant = Grant::new(access.clone(), "ann".into(), "v".into());
        let may = || {
            let rights = [Right::Configure, Right::Write, Right::Read];
            rights.map(|right| grant.may(right, Resource::Queue("jobs")))
        };
        assert_eq!(may(), [false; 3]);
        set(&access, [".*", "^jobs$", "^other"]);
        assert_eq!(may(), [true, true, false]);
        assert_eq!(may(), [true, true, false], "and remembered");
        set(&access, ["", "^other", "^jobs"]);
        assert_eq!(may(), [false, false, true]);
        access.set_permission("v", "ann", None);
        assert_eq!(may(), [false; 3]);
    }

    #[test]
    fn answers_do_not_pile_up() {
        let access = Arc::new(Access::new(Vec::new()));
        set(&access, ["^q", "", ""]);
        let grant = Grant::new(access, "ann".into(), "v".into());
        for number in 0..10 * ANSWERS_MAX {
            assert!(grant.may(Right::Configure, Resource::Queue(&format!("q{number}"))));
            assert!(grant.known.lock().answers.len() <= ANSWERS_MAX);
        }
    }

    #[test]
    fn keys_are_free_until_something_is_said_about_their_exchange() {
        let access = Arc::new(Access::new(Vec::new()));
        let grant = Grant::new(access.clone(), "ann".into(), "v".into());
        let may = |right, exchange, key| grant.may_use_key(right, exchange, key);
        assert!(may(Right::Write, "x", b"anything"));
        let topic = TopicPermission::new("v", "ann", "x", "^{username}\\.", "^b").expect("sound");
        access.set_topic_permission("v", "ann", topic);
        assert!(may(Right::Write, "x", b"ann.1") && !may(Right::Write, "x", b"bob.1"));
        assert!(may(Right::Read, "x", b"b") && !may(Right::Read, "x", b"ann.1"));
        assert!(may(Right::Write, "y", b"bob.1"));
        assert!(!may(Right::Write, "x", b"\xffann.1"));
    }
}
