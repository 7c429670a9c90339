//! Why something that an administrator wants cannot be done.

use std::fmt;

use crate::access::{BadHash, BadRule};

/// Why a change is refused. Nothing has changed then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChangeError {
    /// There is no user of that name.
    NoUser(String),
    /// There is no virtual host of that name.
    NoVhost(String),
    /// There is no such permission, limit or parameter.
    NotFound(String),
    /// What was asked for makes no sense.
    Invalid(String),
    /// It makes sense, and is not allowed as things are.
    Refused(String),
}

/// What a change answers.
pub type Change<T> = std::result::Result<T, ChangeError>;

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUser(name) => write!(f, "no user '{name}'"),
            Self::NoVhost(name) => write!(f, "no vhost '{name}'"),
            Self::NotFound(text) | Self::Invalid(text) | Self::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ChangeError {}

impl From<BadRule> for ChangeError {
    fn from(bad: BadRule) -> Self {
        Self::Invalid(bad.to_string())
    }
}

impl From<BadHash> for ChangeError {
    fn from(bad: BadHash) -> Self {
        Self::Invalid(bad.to_string())
    }
}
