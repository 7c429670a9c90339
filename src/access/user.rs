//! A user: name, password, tags, limits.
//!
//! A value that never changes; who changes a user makes another one. Knows nothing of what users
//! may do where.

use std::fmt;
use std::sync::Arc;

use super::password::PasswordHash;
use crate::store::{HashText, UserDefinition};

/// Names are short strings on the wire.
pub const NAME_MAX_BYTES: usize = 255;
/// The store counts tags in one octet; people have one or two.
pub const TAGS_MAX: usize = 64;

/// Somebody who may log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The name.
    pub name: Arc<str>,
    /// None: no login with a password.
    pub password: Option<PasswordHash>,
    /// What may be managed, and words of the operator's choice.
    pub tags: Vec<Tag>,
    /// Limits.
    pub limits: UserLimits,
}

/// A tag of a user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tag {
    /// May manage everything.
    Administrator,
    /// May see everything.
    Monitoring,
    /// May set policies and parameters.
    Policymaker,
    /// May use the management API.
    Management,
    /// May publish in anybody's name.
    Impersonator,
    /// Something that means nothing here.
    Other(Box<str>),
}

/// How much of something a user may have at a time; negative for any number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UserLimits {
    /// Connections.
    pub max_connections: Option<i64>,
    /// Channels of all connections.
    pub max_channels: Option<i64>,
}

/// Something of which a user may have so much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserLimit {
    /// Connections.
    MaxConnections,
    /// Channels of all connections.
    MaxChannels,
}

impl User {
    /// May do everything in the management API.
    pub fn is_administrator(&self) -> bool {
        self.has(&Tag::Administrator)
    }

    /// May see everything.
    pub fn may_monitor(&self) -> bool {
        self.is_administrator() || self.has(&Tag::Monitoring)
    }

    /// May set policies and parameters where there is a permission.
    pub fn may_make_policies(&self) -> bool {
        self.is_administrator() || self.has(&Tag::Policymaker)
    }

    /// May use the management API at all.
    pub fn may_manage(&self) -> bool {
        self.may_monitor() || self.may_make_policies() || self.has(&Tag::Management)
    }

    /// May publish in anybody's name.
    pub fn may_impersonate(&self) -> bool {
        self.has(&Tag::Impersonator)
    }

    fn has(&self, tag: &Tag) -> bool {
        self.tags.contains(tag)
    }

    /// What is kept of it.
    pub fn definition(&self) -> UserDefinition {
        let (algorithm, hash) = match &self.password {
            Some(hash) => (hash.algorithm().name(), hash.text()),
            None => ("", String::new()),
        };
        UserDefinition {
            name: self.name.clone(),
            algorithm: algorithm.into(),
            hash: HashText(hash.into()),
            tags: self.tags.iter().map(|tag| tag.name().into()).collect(),
            max_connections: self.limits.max_connections,
            max_channels: self.limits.max_channels,
        }
    }

    /// What was kept of it.
    pub fn from_definition(kept: &UserDefinition) -> Result<Self, String> {
        let password = match &*kept.hash.0 {
            "" => None,
            hash => {
                let parsed = PasswordHash::parse(Some(&kept.algorithm), hash);
                Some(parsed.map_err(|bad| bad.to_string())?)
            }
        };
        Ok(Self {
            name: kept.name.clone(),
            password,
            tags: kept.tags.iter().map(|name| Tag::from_name(name)).collect(),
            limits: UserLimits {
                max_connections: kept.max_connections,
                max_channels: kept.max_channels,
            },
        })
    }
}

impl Tag {
    /// The tag of that name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "administrator" => Self::Administrator,
            "monitoring" => Self::Monitoring,
            "policymaker" => Self::Policymaker,
            "management" => Self::Management,
            "impersonator" => Self::Impersonator,
            other => Self::Other(other.into()),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Administrator => "administrator",
            Self::Monitoring => "monitoring",
            Self::Policymaker => "policymaker",
            Self::Management => "management",
            Self::Impersonator => "impersonator",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl UserLimit {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxConnections => "max-connections",
            Self::MaxChannels => "max-channels",
        }
    }

    /// The limit of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::MaxConnections, Self::MaxChannels].into_iter().find(|limit| limit.name() == name)
    }
}

impl UserLimits {
    /// The same with another limit.
    #[must_use]
    pub fn with(mut self, limit: UserLimit, value: Option<i64>) -> Self {
        match limit {
            UserLimit::MaxConnections => self.max_connections = value,
            UserLimit::MaxChannels => self.max_channels = value,
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(tags: &[&str]) -> User {
        let tags = tags.iter().map(|name| Tag::from_name(name)).collect();
        User { name: "u".into(), password: None, tags, limits: UserLimits::default() }
    }

    #[test]
    fn tags_say_what_may_be_managed() {
        let may = |tag| {
            let user = user(&[tag]);
            [
                user.may_manage(),
                user.may_make_policies(),
                user.may_monitor(),
                user.is_administrator(),
                user.may_impersonate(),
            ]
        };
        assert_eq!(may("administrator"), [true, true, true, true, false]);
        assert_eq!(may("monitoring"), [true, false, true, false, false]);
        assert_eq!(may("policymaker"), [true, true, false, false, false]);
        assert_eq!(may("management"), [true, false, false, false, false]);
        assert_eq!(may("impersonator"), [false, false, false, false, true]);
        assert_eq!(may("Administrator"), [false; 5]);
    }

    #[test]
    fn what_is_kept_of_a_user_is_the_user() {
        let mut user = user(&["monitoring", "team-a"]);
        user.limits = UserLimits::default().with(UserLimit::MaxChannels, Some(7));
        assert_eq!(User::from_definition(&user.definition()), Ok(user.clone()));
        user.password = Some(PasswordHash::new(b"x").expect("hashed"));
        assert_eq!(User::from_definition(&user.definition()), Ok(user));
    }
}
