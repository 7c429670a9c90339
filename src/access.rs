//! Who may log in: SASL PLAIN, AMQPLAIN and ANONYMOUS against the users.
//!
//! There is one user so far, guest, who may come from this machine only. Knows no connections:
//! it is told whether a peer is local.

use std::sync::Arc;

use crate::amqp::table::TableView;

/// The mechanisms, as `connection.start` offers them.
pub const MECHANISMS: &str = "PLAIN AMQPLAIN ANONYMOUS";

/// The mechanism for those whose name is in a certificate that was verified; offered to nobody else.
pub const EXTERNAL: &str = "EXTERNAL";

/// The user that exists from the start, and what ANONYMOUS logs in as.
const GUEST: &str = "guest";

/// Somebody who has logged in.
#[derive(Clone, Debug)]
pub struct User {
    /// The name.
    pub name: Arc<str>,
}

/// Why somebody may not log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such mechanism.
    UnknownMechanism,
    /// The response is not what the mechanism prescribes.
    Malformed,
    /// Unknown user, wrong password, or not from there. It is not told which.
    Denied,
}

/// The users.
#[derive(Debug)]
pub struct Users {
    guest_password: Box<[u8]>,
}

impl Default for Users {
    fn default() -> Self {
        Self { guest_password: GUEST.as_bytes().into() }
    }
}

impl Users {
    /// Checks a SASL response. `local` tells whether the peer is on this machine.
    pub fn authenticate(
        &self,
        mechanism: &str,
        response: &[u8],
        local: bool,
    ) -> Result<User, Refusal> {
        match mechanism {
            "PLAIN" => {
                let (user, password) = plain(response).ok_or(Refusal::Malformed)?;
                self.check(user, password, local)
            }
            "AMQPLAIN" => {
                let (user, password) = amqplain(response).ok_or(Refusal::Malformed)?;
                self.check(user, password, local)
            }
            "ANONYMOUS" => admit(GUEST.as_bytes(), local),
            _ => Err(Refusal::UnknownMechanism),
        }
    }

    /// Logs in whom a verified certificate names. `local` tells whether the peer is on this machine.
    pub fn external(&self, name: Option<&str>, local: bool) -> Result<User, Refusal> {
        admit(name.ok_or(Refusal::Denied)?.as_bytes(), local)
    }

    fn check(&self, user: &[u8], password: &[u8], local: bool) -> Result<User, Refusal> {
        // The password is compared whoever it is, so that a wrong name takes as long.
        let right = same(password, &self.guest_password);
        if right && !password.is_empty() { admit(user, local) } else { Err(Refusal::Denied) }
    }
}

fn admit(user: &[u8], local: bool) -> Result<User, Refusal> {
    if same(user, GUEST.as_bytes()) && local {
        Ok(User { name: GUEST.into() })
    } else {
        Err(Refusal::Denied)
    }
}

/// Authorization identity, NUL, user, NUL, password (RFC 4616); the first has to be empty.
fn plain(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = response.strip_prefix(&[0])?;
    let nul = rest.iter().position(|&octet| octet == 0)?;
    let (user, password) = rest.split_at_checked(nul)?;
    let password = password.get(1..)?;
    (!password.contains(&0)).then_some((user, password))
}

/// The contents of a field table with LOGIN and PASSWORD.
fn amqplain(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let table = TableView::check(response).ok()?;
    let text = |name| table.get(name)?.as_bytes();
    Some((text("LOGIN")?, text("PASSWORD")?))
}

/// Compares in a time that depends on the lengths only.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (x, y)| differing | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(mechanism: &str, response: &[u8], local: bool) -> Result<(), Refusal> {
        Users::default().authenticate(mechanism, response, local).map(|_| ())
    }

    #[test]
    fn plain_checks_user_and_password() {
        assert_eq!(login("PLAIN", b"\0guest\0guest", true), Ok(()));
        assert_eq!(login("PLAIN", b"\0guest\0wrong", true), Err(Refusal::Denied));
        assert_eq!(login("PLAIN", b"\0guest\0", true), Err(Refusal::Denied));
        assert_eq!(login("PLAIN", b"\0nobody\0guest", true), Err(Refusal::Denied));
        for malformed in [&b""[..], b"guest", b"\0guest", b"x\0guest\0guest", b"\0a\0b\0c"] {
            assert_eq!(login("PLAIN", malformed, true), Err(Refusal::Malformed));
        }
    }

    #[test]
    fn amqplain_reads_a_table() {
        let good = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05guest";
        assert_eq!(login("AMQPLAIN", good, true), Ok(()));
        let wrong = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x03abc";
        assert_eq!(login("AMQPLAIN", wrong, true), Err(Refusal::Denied));
        assert_eq!(login("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest", true), Err(Refusal::Malformed));
    }

    #[test]
    fn guest_comes_from_this_machine_only() {
        assert_eq!(login("PLAIN", b"\0guest\0guest", false), Err(Refusal::Denied));
        assert_eq!(login("ANONYMOUS", b"", false), Err(Refusal::Denied));
        assert_eq!(login("ANONYMOUS", b"whatever", true), Ok(()));
        assert_eq!(login("EXTERNAL", b"", true), Err(Refusal::UnknownMechanism));
    }
}
