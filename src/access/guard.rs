//! Who may have a password checked at once, and who has to wait for it.
//!
//! Guesses are slowed down by where they come from (`throttle.rs`). Whoever was right before does
//! not wait because others guess: a name with its password is remembered under a keyed hash, for
//! as long as the user is what he was. Knows no protocols.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::time::sleep_until;

use super::throttle::Throttle;
use super::{Access, Denial, Refusal, User};

/// For this long a login that was right is not even checked again. A change of the user ends that
/// at once.
const UNCHECKED: Duration = Duration::from_mins(1);
/// Logins remembered, some 50 octets each; when there are more, all are forgotten.
const REMEMBERED_MAX: usize = 4096;

/// Stands in front of the checks of passwords.
#[derive(Debug)]
pub struct Guard {
    throttle: Throttle,
    remembered: Remembered,
    /// Names are put into so many groups, each of which is slowed down alone.
    groups: u64,
}

/// A name and a password, as they came, and whence. Deliberately without `Debug`.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// Who it wants to be.
    pub name: &'a [u8],
    /// What it says to prove it.
    pub password: &'a [u8],
    /// Where it is.
    pub peer: IpAddr,
    /// Whether that is this machine.
    pub local: bool,
}

/// Somebody who is not.
#[derive(Debug)]
pub struct Denied {
    /// Why.
    pub refusal: Refusal,
    /// How many guesses were wrong from there lately. None if this one was not even looked at.
    pub failures: u32,
}

/// Logins that were right, under 128 bits that nobody else can compute.
#[derive(Debug, Default)]
struct Remembered {
    keys: [RandomState; 2],
    logins: Mutex<HashMap<[u64; 2], Login>>,
}

#[derive(Clone, Debug)]
struct Login {
    user: Arc<User>,
    at: Instant,
}

impl Guard {
    /// Slows down whole addresses.
    pub fn of_addresses() -> Self {
        Self { throttle: Throttle::default(), remembered: Remembered::default(), groups: 1 }
    }

    /// Slows down groups of names, so that a program with an old password keeps those from the
    /// same address waiting that have the same name, and few others.
    pub fn of_names() -> Self {
        /// One address can take this share of the throttle's memory and no more.
        const GROUPS: u64 = 64;
        Self { groups: GROUPS, ..Self::of_addresses() }
    }

    /// Checks a password when its turn has come.
    pub async fn log_in(
        &self,
        access: &Access,
        attempt: &Attempt<'_>,
    ) -> Result<Arc<User>, Denied> {
        let Attempt { name, password, peer, local } = *attempt;
        let key = self.remembered.key(attempt);
        let known = self.remembered.find(key, access);
        if let Some(login) = &known
            && login.at.elapsed() < UNCHECKED
        {
            return Ok(login.user.clone());
        }
        let place = (peer, self.remembered.group(name, self.groups));
        let turn = match known {
            Some(_) => None,
            None => match self.throttle.turn(place, Instant::now()) {
                Ok(turn) => Some(turn),
                Err(too_many) => {
                    let why = Denial::TooMany { retry_after: too_many.retry_after };
                    return Err(Denied { refusal: Refusal::denied(name, why), failures: 0 });
                }
            },
        };
        if let Some(turn) = &turn
            && !turn.wait.is_zero()
        {
            sleep_until(tokio::time::Instant::now() + turn.wait).await;
        }
        match access.log_in(name, password, local).await {
            Ok(user) => {
                self.remembered.note(key, user.clone());
                Ok(user)
            }
            Err(refusal) => {
                let failures = self.throttle.note_failure(place, Instant::now());
                Err(Denied { refusal, failures })
            }
        }
    }
}

impl Remembered {
    fn key(&self, attempt: &Attempt<'_>) -> [u64; 2] {
        let Attempt { name, password, local, .. } = attempt;
        self.keys.each_ref().map(|key| key.hash_one((name, password, local)))
    }

    /// Names that nobody has fall into groups as others do, and nobody can tell which.
    fn group(&self, name: &[u8], groups: u64) -> u64 {
        let [key, _] = &self.keys;
        key.hash_one(name) % groups
    }

    fn find(&self, key: [u64; 2], access: &Access) -> Option<Login> {
        let login = self.logins.lock().get(&key).cloned()?;
        // Whoever changes a user makes another one.
        let current = access.user(&login.user.name)?;
        Arc::ptr_eq(&current, &login.user).then_some(login)
    }

    fn note(&self, key: [u64; 2], user: Arc<User>) {
        let mut logins = self.logins.lock();
        if logins.len() >= REMEMBERED_MAX {
            logins.clear();
        }
        logins.insert(key, Login { user, at: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{PasswordHash, UserLimits};

    fn access() -> Access {
        let access = Access::new(Vec::new());
        for name in ["ann", "bob"] {
            let password = Some(PasswordHash::new(name.as_bytes()).expect("hashed"));
            let (tags, limits) = (Vec::new(), UserLimits::default());
            access.insert_user(User { name: name.into(), password, tags, limits });
        }
        access
    }

    fn attempt<'a>(name: &'a str, password: &'a str) -> Attempt<'a> {
        let (name, password) = (name.as_bytes(), password.as_bytes());
        Attempt { name, password, peer: IpAddr::from([192, 0, 2, 1]), local: false }
    }

    /// Guesses until a guess is not looked at any more.
    async fn exhaust(guard: &Guard, access: &Access, name: &str) {
        let wrong = attempt(name, "wrong");
        while guard.log_in(access, &wrong).await.is_err_and(|denied| denied.failures > 0) {}
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_right_before_waits_for_nobody() {
        let (access, guard) = (access(), Guard::of_addresses());
        let right = attempt("ann", "ann");
        assert!(guard.log_in(&access, &right).await.is_ok());
        exhaust(&guard, &access, "ann").await;
        assert!(guard.log_in(&access, &right).await.is_ok());
        let denied = guard.log_in(&access, &attempt("bob", "bob")).await.expect_err("too many");
        let why = |denied: Denied| match denied.refusal {
            Refusal::Denied { why, .. } => why,
            other => panic!("{other}"),
        };
        assert!(matches!(why(denied), Denial::TooMany { .. }));
        // Another user of that name is somebody else.
        let password = Some(PasswordHash::new(b"new").expect("hashed"));
        let (name, tags, limits) = ("ann".into(), Vec::new(), UserLimits::default());
        access.insert_user(User { name, password, tags, limits });
        let denied = guard.log_in(&access, &right).await.expect_err("an old password");
        assert!(matches!(why(denied), Denial::TooMany { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn other_names_go_on_where_names_count() {
        let (access, guard) = (access(), Guard::of_names());
        let group = |name: &str| guard.remembered.group(name.as_bytes(), guard.groups);
        let names = (0..).map(|n| format!("nobody-{n}"));
        let guessed = names.into_iter().find(|name| group(name) != group("ann")).expect("one");
        exhaust(&guard, &access, &guessed).await;
        assert!(guard.log_in(&access, &attempt("ann", "ann")).await.is_ok());
    }
}
