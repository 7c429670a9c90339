//! Logging in.
//!
//! It takes as long for a name that nobody has as for one with a wrong password. What takes long
//! at all happens off the async threads, for a few at a time.

use std::fmt;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::sasl::{amqplain, plain};
use super::{Access, Attempt, NAME_MAX_BYTES, PasswordHash, State, User};

/// What ANONYMOUS logs in as.
const ANONYMOUS_USER: &str = "guest";

/// Why somebody may not log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such mechanism.
    UnknownMechanism,
    /// The response is not what the mechanism prescribes.
    Malformed,
    /// The peer is not told why.
    Denied {
        /// The name that was given.
        user: String,
        /// For the log.
        why: Denial,
    },
}

/// Why a login is denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denial {
    /// Nobody has that name.
    UnknownUser,
    /// It is not the user's password.
    WrongPassword,
    /// The user has no password.
    NoPassword,
    /// Nobody's password is empty.
    EmptyPassword,
    /// The user may come from this machine only.
    NotLocal,
    /// Too many logins from there have failed: this one was not looked at.
    TooMany {
        /// After this time it may be worth another try.
        retry_after: Duration,
    },
}

/// Where somebody is who wants to log in.
#[derive(Clone, Copy, Debug)]
pub struct Whence {
    /// The address.
    pub peer: IpAddr,
    /// Whether that is this machine, beyond doubt.
    pub local: bool,
}

impl Refusal {
    pub(super) fn denied(name: &[u8], why: Denial) -> Self {
        Self::Denied { user: String::from_utf8_lossy(name).into_owned(), why }
    }

    /// The name that was given, as much of it as a name may have.
    pub fn user(&self) -> Option<&str> {
        let Self::Denied { user, .. } = self else { return None };
        user.get(..user.floor_char_boundary(NAME_MAX_BYTES))
    }
}

/// Whose password is checked.
struct Candidate {
    /// Who has that name.
    user: Option<Arc<User>>,
    /// Whose hash is looked at: somebody else's if nobody has that name.
    checked: Option<Arc<User>>,
}

impl Candidate {
    fn hash(&self) -> Option<&PasswordHash> {
        self.checked.as_ref()?.password.as_ref()
    }

    /// Takes as long as the hash does.
    fn check(&self, password: &[u8]) -> Result<Arc<User>, Denial> {
        let right = self.hash().is_some_and(|hash| hash.is_of(password));
        let user = self.user.clone().ok_or(Denial::UnknownUser)?;
        if user.password.is_none() {
            return Err(Denial::NoPassword);
        }
        match right {
            true => Ok(user),
            false if password.is_empty() => Err(Denial::EmptyPassword),
            false => Err(Denial::WrongPassword),
        }
    }
}

impl State {
    /// Of a name that nobody has, the user whose name comes next is checked: always the same, so
    /// that the time tells nothing.
    fn candidate(&self, name: &str) -> Candidate {
        let user = self.users.get(name).cloned();
        let from = (Bound::Included(name), Bound::Unbounded);
        let following = self.users.range::<str, _>(from).chain(self.users.iter());
        let mut with_password = following.map(|(_, user)| user).filter(|u| u.password.is_some());
        let has_password = user.clone().filter(|user| user.password.is_some());
        let checked = has_password.or_else(|| with_password.next().cloned());
        Candidate { user, checked }
    }
}

impl Access {
    /// Checks name and password; takes as long as the user's hash does. `local` tells whether the
    /// peer is on this machine.
    pub fn login(&self, name: &[u8], password: &[u8], local: bool) -> Result<Arc<User>, Refusal> {
        let checked = self.candidate(name).check(password);
        self.admit(name, checked, local)
    }

    /// The same, without holding up the others on this thread.
    pub async fn log_in(
        &self,
        name: &[u8],
        password: &[u8],
        local: bool,
    ) -> Result<Arc<User>, Refusal> {
        let candidate = self.candidate(name);
        let checked = if candidate.hash().is_some_and(PasswordHash::is_slow) {
            // The semaphore is never closed.
            let permit = self.slow_logins.clone().acquire_owned().await;
            let password = password.to_vec();
            let checking = tokio::task::spawn_blocking(move || {
                let checked = candidate.check(&password);
                // Kept until the work is done, even if nobody waits for it any more.
                drop(permit);
                checked
            });
            checking.await.unwrap_or(Err(Denial::WrongPassword))
        } else {
            candidate.check(password)
        };
        self.admit(name, checked, local)
    }

    /// Checks a SASL response. Whoever guesses waits here.
    pub async fn authenticate(
        &self,
        mechanism: &str,
        response: &[u8],
        whence: Whence,
    ) -> Result<Arc<User>, Refusal> {
        let Whence { peer, local } = whence;
        let credentials = match mechanism {
            "PLAIN" => plain(response),
            "AMQPLAIN" => amqplain(response),
            "ANONYMOUS" => return self.external(ANONYMOUS_USER, local),
            _ => return Err(Refusal::UnknownMechanism),
        };
        let (name, password) = credentials.ok_or(Refusal::Malformed)?;
        let attempt = Attempt { name, password, peer, local };
        self.guard.log_in(self, &attempt).await.map_err(|denied| denied.refusal)
    }

    /// Somebody whose name is known without a password: from a certificate, for instance.
    pub fn external(&self, name: &str, local: bool) -> Result<Arc<User>, Refusal> {
        let found = self.user(name).ok_or(Denial::UnknownUser);
        self.admit(name.as_bytes(), found, local)
    }

    fn candidate(&self, name: &[u8]) -> Candidate {
        // A name that is no text cannot be anybody's.
        let name = std::str::from_utf8(name).unwrap_or("");
        self.state.read().candidate(name)
    }

    fn admit(
        &self,
        name: &[u8],
        checked: Result<Arc<User>, Denial>,
        local: bool,
    ) -> Result<Arc<User>, Refusal> {
        let remote = |user: &Arc<User>| !local && self.is_loopback_user(&user.name);
        let admitted = match checked {
            Ok(user) if remote(&user) => Err(Denial::NotLocal),
            checked => checked,
        };
        admitted.map_err(|why| Refusal::denied(name, why))
    }

    /// Whether a user may come from this machine only.
    pub fn is_loopback_user(&self, name: &str) -> bool {
        self.loopback_users.iter().any(|user| user == name)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownUser => "unknown user",
            Self::WrongPassword => "wrong password",
            Self::NoPassword => "the user has no password",
            Self::EmptyPassword => "empty password",
            Self::NotLocal => "the user may come from this machine only",
            Self::TooMany { .. } => "too many failed logins from this address",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownMechanism => f.write_str("unknown mechanism"),
            Self::Malformed => f.write_str("malformed response"),
            Self::Denied { why, .. } => why.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::UserLimits;

    fn add(access: &Access, name: &str, password: Option<PasswordHash>) {
        let (tags, limits) = (Vec::new(), UserLimits::default());
        access.insert_user(User { name: name.into(), password, tags, limits });
    }

    fn access() -> Access {
        let access = Access::new(vec!["guest".to_owned()]);
        for name in ["guest", "ann"] {
            add(&access, name, Some(PasswordHash::new(name.as_bytes()).expect("hashed")));
        }
        add(&access, "card", None);
        let bcrypt = bcrypt::hash("moved", 4).expect("hashed");
        add(&access, "zoe", Some(PasswordHash::parse(None, &bcrypt).expect("a hash")));
        access
    }

    fn outcome(result: Result<Arc<User>, Refusal>) -> Result<String, Denial> {
        match result {
            Ok(user) => Ok(user.name.to_string()),
            Err(Refusal::Denied { why, .. }) => Err(why),
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn names_and_passwords_are_checked_in_both_ways() {
        let access = access();
        for (name, password, local, expected) in [
            ("ann", "ann", false, Ok("ann".to_owned())),
            ("zoe", "moved", false, Ok("zoe".to_owned())),
            ("guest", "guest", true, Ok("guest".to_owned())),
            ("guest", "guest", false, Err(Denial::NotLocal)),
            ("guest", "wrong", false, Err(Denial::WrongPassword)),
            ("ann", "guest", true, Err(Denial::WrongPassword)),
            ("ann", "", true, Err(Denial::EmptyPassword)),
            ("zoe", "ann", true, Err(Denial::WrongPassword)),
            ("card", "ann", true, Err(Denial::NoPassword)),
            ("card", "", true, Err(Denial::NoPassword)),
            // Nobody's name, not even with the password of the user who is checked in their place.
            ("anm", "ann", true, Err(Denial::UnknownUser)),
            ("zzz", "ann", true, Err(Denial::UnknownUser)),
            ("", "ann", true, Err(Denial::UnknownUser)),
        ] {
            let (name, password) = (name.as_bytes(), password.as_bytes());
            assert_eq!(outcome(access.login(name, password, local)), expected, "{name:?}");
            assert_eq!(outcome(access.log_in(name, password, local).await), expected);
        }
        assert_eq!(outcome(access.login(b"\xff", b"ann", true)), Err(Denial::UnknownUser));
    }

    #[test]
    fn an_unknown_name_is_checked_against_some_hash() {
        let access = access();
        let state = access.state.read();
        for (name, checked) in [("b", "guest"), ("h", "zoe"), ("zzz", "ann"), ("card", "guest")] {
            let candidate = state.candidate(name);
            assert_eq!(candidate.checked.as_deref().map(|user| &*user.name), Some(checked));
        }
        assert!(Access::new(Vec::new()).login(b"x", b"y", true).is_err());
    }

    #[tokio::test]
    async fn mechanisms_lead_to_the_same_check() {
        let access = access();
        let peer = IpAddr::from([192, 0, 2, 1]);
        let login = |mechanism, response, local| {
            access.authenticate(mechanism, response, Whence { peer, local })
        };
        assert_eq!(outcome(login("PLAIN", b"\0ann\0ann", false).await), Ok("ann".to_owned()));
        let table = b"\x05LOGINS\0\0\0\x03ann\x08PASSWORDS\0\0\0\x03ann";
        assert_eq!(outcome(login("AMQPLAIN", table, false).await), Ok("ann".to_owned()));
        assert_eq!(outcome(login("ANONYMOUS", b"x", true).await), Ok("guest".to_owned()));
        assert_eq!(outcome(login("ANONYMOUS", b"", false).await), Err(Denial::NotLocal));
        assert_eq!(login("PLAIN", b"ann", true).await, Err(Refusal::Malformed));
        assert_eq!(login("EXTERNAL", b"", true).await, Err(Refusal::UnknownMechanism));
    }

    #[test]
    fn who_may_come_from_afar_is_a_setting() {
        let access = Access::new(Vec::new());
        add(&access, "guest", Some(PasswordHash::new(b"guest").expect("hashed")));
        assert!(access.login(b"guest", b"guest", false).is_ok());
        assert!(access.external("guest", false).is_ok());
        assert!(access.external("nobody", true).is_err());
    }
}
