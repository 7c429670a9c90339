//! Password hashes in `RabbitMQ`'s form, and bcrypt's, which `LavinMQ` has.
//!
//! A salted hash is four octets of salt and the digest of salt and password, in base64. Hashes are
//! compared in constant time and never shown. Knows no users.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};

/// The salt in front of the digest.
const SALT_BYTES: usize = 4;
/// Each step doubles the time of a login, and this one takes about a second.
const BCRYPT_COST_MAX: u32 = 14;
/// Below this bcrypt does not go.
const BCRYPT_COST_MIN: u32 = 4;
/// `$2a$10$`, 22 characters of salt and 31 of digest.
const BCRYPT_CHARS: usize = 60;
/// The name of a bcrypt hash's algorithm.
const BCRYPT: &str = "bcrypt";

/// How a password is hashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Algorithm {
    /// What passwords are hashed with here.
    #[default]
    Sha256,
    /// On import.
    Sha512,
    /// On import, from before `RabbitMQ` 3.6.
    Md5,
    /// On import, from `LavinMQ`.
    Bcrypt,
}

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Hash);

#[derive(Clone, PartialEq, Eq)]
enum Hash {
    Salted { algorithm: Algorithm, octets: Box<[u8]> },
    Bcrypt(Box<str>),
}

/// Why a text is no hash. The text is not repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadHash {
    /// Nothing is known of an algorithm of that name.
    UnknownAlgorithm,
    /// It is no base64.
    NotBase64,
    /// It has not the size that its algorithm gives.
    WrongSize {
        /// Octets that it should have.
        expected: usize,
        /// Octets that it has.
        found: usize,
    },
    /// It begins like a bcrypt hash, and is none.
    NotBcrypt,
    /// It would take too long to check.
    TooCostly(u32),
    /// The system has no random octets for a salt.
    NoRandomness,
}

impl Algorithm {
    /// Its name, as `hashing_algorithm` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "rabbit_password_hashing_sha256",
            Self::Sha512 => "rabbit_password_hashing_sha512",
            Self::Md5 => "rabbit_password_hashing_md5",
            Self::Bcrypt => BCRYPT,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha512, Self::Md5, Self::Bcrypt]
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    fn digest(self, salt: &[u8], password: &[u8]) -> Box<[u8]> {
        fn of<D: Digest>(salt: &[u8], password: &[u8]) -> Box<[u8]> {
            D::new().chain_update(salt).chain_update(password).finalize().as_slice().into()
        }
        match self {
            Self::Sha512 => of::<Sha512>(salt, password),
            Self::Md5 => of::<Md5>(salt, password),
            // Hashes of bcrypt are another variant.
            Self::Sha256 | Self::Bcrypt => of::<Sha256>(salt, password),
        }
    }

    fn digest_bytes(self) -> usize {
        match self {
            Self::Sha512 => 64,
            Self::Md5 => 16,
            Self::Sha256 | Self::Bcrypt => 32,
        }
    }
}

impl PasswordHash {
    /// The hash of a password, with a new salt.
    pub fn new(password: &[u8]) -> Result<Self, BadHash> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| BadHash::NoRandomness)?;
        Ok(Self::salted(salt, password))
    }

    /// The same by another algorithm than the usual one. `bcrypt` hashes are only read here.
    pub fn by(algorithm: Algorithm, password: &[u8]) -> Result<Self, BadHash> {
        if algorithm == Algorithm::Bcrypt {
            return Err(BadHash::UnknownAlgorithm);
        }
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| BadHash::NoRandomness)?;
        let octets = [&salt[..], &algorithm.digest(&salt, password)].concat().into();
        Ok(Self(Hash::Salted { algorithm, octets }))
    }

    fn salted(salt: [u8; SALT_BYTES], password: &[u8]) -> Self {
        let algorithm = Algorithm::default();
        let octets = [&salt[..], &algorithm.digest(&salt, password)].concat().into();
        Self(Hash::Salted { algorithm, octets })
    }

    /// A hash that somebody else has made. An algorithm without a name is SHA-256; the text of
    /// bcrypt says for itself that it is.
    pub fn parse(algorithm: Option<&str>, text: &str) -> Result<Self, BadHash> {
        if text.starts_with("$2") {
            return parse_bcrypt(text);
        }
        let algorithm = match algorithm {
            None | Some("") => Algorithm::default(),
            Some(name) => Algorithm::from_name(name).ok_or(BadHash::UnknownAlgorithm)?,
        };
        if algorithm == Algorithm::Bcrypt {
            return Err(BadHash::NotBcrypt);
        }
        let octets = STANDARD.decode(text).map_err(|_| BadHash::NotBase64)?;
        let (expected, found) = (SALT_BYTES + algorithm.digest_bytes(), octets.len());
        if expected != found {
            return Err(BadHash::WrongSize { expected, found });
        }
        Ok(Self(Hash::Salted { algorithm, octets: octets.into() }))
    }

    /// How it was made.
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Hash::Salted { algorithm, .. } => *algorithm,
            Hash::Bcrypt(_) => Algorithm::Bcrypt,
        }
    }

    /// The text that [`parse`](Self::parse) reads, for who may see it.
    pub fn text(&self) -> String {
        match &self.0 {
            Hash::Salted { octets, .. } => STANDARD.encode(octets),
            Hash::Bcrypt(text) => text.to_string(),
        }
    }

    /// Whether it is the hash of that password. No password is empty.
    pub fn is_of(&self, password: &[u8]) -> bool {
        let same = match &self.0 {
            Hash::Salted { algorithm, octets } => {
                let (salt, digest) = octets.split_at_checked(SALT_BYTES).unwrap_or_default();
                same(&algorithm.digest(salt, password), digest)
            }
            Hash::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
        };
        same && !password.is_empty()
    }

    /// Whether checking a password takes so long that it must not hold others up.
    pub fn is_slow(&self) -> bool {
        matches!(self.0, Hash::Bcrypt(_))
    }
}

fn parse_bcrypt(text: &str) -> Result<PasswordHash, BadHash> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| BadHash::NotBcrypt)?;
    let cost = parts.get_cost();
    if text.len() != BCRYPT_CHARS || cost < BCRYPT_COST_MIN {
        return Err(BadHash::NotBcrypt);
    }
    if cost > BCRYPT_COST_MAX {
        return Err(BadHash::TooCostly(cost));
    }
    Ok(PasswordHash(Hash::Bcrypt(text.into())))
}

/// Compares in a time that depends on the lengths only.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |differing, (x, y)| differing | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl fmt::Display for BadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAlgorithm => f.write_str(
                "unknown hashing_algorithm: it must be rabbit_password_hashing_sha256, \
                 rabbit_password_hashing_sha512, rabbit_password_hashing_md5 or bcrypt",
            ),
            Self::NotBase64 => f.write_str("password_hash is not base64"),
            Self::WrongSize { expected, found } => {
                write!(f, "password_hash has {found} octets where its algorithm gives {expected}")
            }
            Self::NotBcrypt => f.write_str("password_hash is no bcrypt hash"),
            Self::TooCostly(cost) => {
                write!(f, "password_hash has a bcrypt cost of {cost}, more than {BCRYPT_COST_MAX}")
            }
            Self::NoRandomness => f.write_str("the system gives no random octets for a salt"),
        }
    }
}

impl std::error::Error for BadHash {}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: &str = "q83vAefOSFd4y4Ed34U6m6hr5D6zj91MFvK/nHDa8DHhW+fE";

    #[test]
    fn the_worked_example_comes_out() {
        let hash = PasswordHash::salted([0xab, 0xcd, 0xef, 0x01], b"guest");
        assert_eq!(hash.text(), GUEST);
        assert_eq!(hash.algorithm().name(), "rabbit_password_hashing_sha256");
        assert_eq!(PasswordHash::parse(None, GUEST), Ok(hash));
    }

    #[test]
    fn each_algorithm_knows_its_password() {
        let salted = |algorithm: Algorithm| {
            let octets = [&b"salt"[..], &algorithm.digest(b"salt", b"secret")].concat();
            (algorithm.name(), STANDARD.encode(octets))
        };
        let bcrypt = bcrypt::hash("secret", 4).expect("hashed");
        let lavinmq = bcrypt.replacen("$2b$", "$2a$", 1);
        for (name, text) in [
            salted(Algorithm::Sha256),
            salted(Algorithm::Sha512),
            salted(Algorithm::Md5),
            ("bcrypt", bcrypt.clone()),
            ("Bcrypt", bcrypt.replacen("$2b$", "$2y$", 1)),
            ("rabbit_password_hashing_sha256", lavinmq),
        ] {
            let hash = PasswordHash::parse(Some(name), &text).expect(name);
            assert_eq!(hash.text(), text);
            assert!(hash.is_of(b"secret"), "{name}");
            for wrong in [&b"secreu"[..], b"", b"secret\0", b"secre"] {
                assert!(!hash.is_of(wrong), "{name} {wrong:?}");
            }
            assert_eq!(PasswordHash::parse(Some(hash.algorithm().name()), &text), Ok(hash));
        }
    }

    #[test]
    fn an_empty_password_is_never_right() {
        assert!(!PasswordHash::new(b"").expect("hashed").is_of(b""));
    }

    #[test]
    fn two_hashes_of_a_password_differ() {
        let (a, b) = (PasswordHash::new(b"x").expect("one"), PasswordHash::new(b"x").expect("two"));
        assert_ne!(a.text(), b.text());
        assert!(a.is_of(b"x") && b.is_of(b"x"));
    }

    #[test]
    fn what_is_no_hash_is_refused_without_being_repeated() {
        let refused =
            |name, text: &str| PasswordHash::parse(name, text).expect_err("no hash").to_string();
        let wrong_size = refused(Some("rabbit_password_hashing_md5"), GUEST);
        assert_eq!(wrong_size, "password_hash has 36 octets where its algorithm gives 20");
        assert_eq!(refused(None, "?"), "password_hash is not base64");
        assert!(refused(Some("rot13"), GUEST).starts_with("unknown hashing_algorithm"));
        assert_eq!(refused(Some("bcrypt"), GUEST), "password_hash is no bcrypt hash");
        assert_eq!(refused(None, "$2a$10$short"), "password_hash is no bcrypt hash");
        let costly = bcrypt::hash("x", 4).expect("hashed").replacen("$04$", "$31$", 1);
        let text = "password_hash has a bcrypt cost of 31, more than 14";
        assert_eq!(refused(None, &costly), text);
    }

    #[test]
    fn nothing_is_shown() {
        let hash = PasswordHash::parse(None, GUEST).expect("a hash");
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }
}
