//! What clients say when they log in: SASL PLAIN and AMQPLAIN.
//!
//! Knows no users.

use crate::amqp::table::TableView;

/// The mechanism for those whose name is in a certificate that was verified, and offered to nobody
/// else.
pub const EXTERNAL: &str = "EXTERNAL";

/// The mechanisms, as `connection.start` offers them.
pub const MECHANISMS: &str = "PLAIN AMQPLAIN ANONYMOUS";

/// Name and password.
pub(super) type Credentials<'a> = (&'a [u8], &'a [u8]);

/// Authorization identity, NUL, user, NUL, password (RFC 4616); the first has to be empty.
pub(super) fn plain(response: &[u8]) -> Option<Credentials<'_>> {
    let rest = response.strip_prefix(&[0])?;
    let nul = rest.iter().position(|&octet| octet == 0)?;
    let (user, password) = rest.split_at_checked(nul)?;
    let password = password.get(1..)?;
    (!password.contains(&0)).then_some((user, password))
}

/// The contents of a field table with LOGIN and PASSWORD.
pub(super) fn amqplain(response: &[u8]) -> Option<Credentials<'_>> {
    let table = TableView::check(response).ok()?;
    let text = |name| table.get(name)?.as_bytes();
    Some((text("LOGIN")?, text("PASSWORD")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_three_parts_the_first_of_them_empty() {
        assert_eq!(plain(b"\0guest\0secret"), Some((&b"guest"[..], &b"secret"[..])));
        assert_eq!(plain(b"\0guest\0"), Some((&b"guest"[..], &b""[..])));
        for malformed in [&b""[..], b"guest", b"\0guest", b"x\0guest\0guest", b"\0a\0b\0c"] {
            assert_eq!(plain(malformed), None);
        }
    }

    #[test]
    fn amqplain_is_a_table() {
        let good = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x06secret";
        assert_eq!(amqplain(good), Some((&b"guest"[..], &b"secret"[..])));
        assert_eq!(amqplain(b"\x05LOGINS\0\0\0\x05guest"), None);
        assert_eq!(amqplain(b"\x05LOGIN"), None);
    }
}
