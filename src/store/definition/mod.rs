//! What is durable beside messages, as plain values, and the octets that stand for them on disk.
//!
//! The key says what something is and how it is called, the value what it was declared with. Both
//! are laid out in `docs/format.md`; reading is strict, so that damage is seen. A value begins with
//! its version: one that a later warren wrote is refused by this one, and left where it is. Each
//! kind has a file of its own. Knows nothing of where the octets are kept, nor of what is done with
//! a definition.

use std::fmt;

mod binding;
mod exchange;
mod input;
mod parameter;
mod policy;
mod queue;
mod user;
mod virtual_host;

pub use binding::{BindingDefinition, DestinationName};
pub use exchange::ExchangeDefinition;
pub use parameter::GlobalParameterDefinition;
pub use policy::PolicyDefinition;
pub use queue::QueueDefinition;
pub use user::{HashText, PermissionDefinition, TopicPermissionDefinition, UserDefinition};
pub use virtual_host::VirtualHostDefinition;

use input::Input;
use virtual_host::VIRTUAL_HOST_VERSION;

/// First octets of keys: what is defined.
const VIRTUAL_HOST: u8 = 1;
const EXCHANGE: u8 = 2;
const QUEUE: u8 = 3;
const BINDING: u8 = 4;
const POLICY: u8 = 5;
const OPERATOR_POLICY: u8 = 6;
const USER: u8 = 7;
const PERMISSION: u8 = 8;
const TOPIC_PERMISSION: u8 = 9;
const GLOBAL_PARAMETER: u8 = 10;
/// First octet of a value: how the rest is laid out.
const VERSION: u8 = 1;
/// Flags of queues and exchanges.
const AUTO_DELETE: u8 = 1;
const INTERNAL: u8 = 2;

/// Something that is there again after a restart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Definition {
    /// A virtual host.
    VirtualHost(VirtualHostDefinition),
    /// A durable exchange.
    Exchange(ExchangeDefinition),
    /// A durable queue.
    Queue(QueueDefinition),
    /// A binding between two durable ends.
    Binding(BindingDefinition),
    /// A user's policy.
    Policy(PolicyDefinition),
    /// An operator's policy.
    OperatorPolicy(PolicyDefinition),
    /// A user.
    User(UserDefinition),
    /// What a user may do in a virtual host.
    Permission(PermissionDefinition),
    /// What a user may do with routing keys.
    TopicPermission(TopicPermissionDefinition),
    /// A value of the whole broker.
    GlobalParameter(GlobalParameterDefinition),
}

/// Which half of a definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Half {
    /// What it is stored under.
    Key,
    /// What is stored there.
    Value,
}

/// Why octets are no definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadDefinition {
    /// Nothing is known of that kind.
    UnknownKind(u8),
    /// Nothing is known of that layout.
    UnknownVersion(u8),
    /// More was to follow.
    TooShort(Half),
    /// Nothing was to follow.
    TooLong(Half),
    /// A name is no UTF-8.
    NotText(Half),
    /// There are flags without a meaning.
    UnknownFlags(u8),
    /// A binding leads to neither a queue nor an exchange.
    UnknownDestination(u8),
    /// The arguments are no sound table.
    BadArguments,
    /// A binding's arguments are not those of its key.
    OtherArguments,
}

impl Definition {
    /// What it is stored under: the same for things that cannot exist beside each other.
    pub fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        match self {
            Self::VirtualHost(vhost) => vhost.write_key(&mut key),
            Self::Exchange(exchange) => exchange.write_key(&mut key),
            Self::Queue(queue) => queue.write_key(&mut key),
            Self::Binding(binding) => binding.write_key(&mut key),
            Self::Policy(policy) => policy.write_key(POLICY, &mut key),
            Self::OperatorPolicy(policy) => policy.write_key(OPERATOR_POLICY, &mut key),
            Self::User(user) => user.write_key(&mut key),
            Self::Permission(permission) => permission.write_key(&mut key),
            Self::TopicPermission(permission) => permission.write_key(&mut key),
            Self::GlobalParameter(parameter) => parameter.write_key(&mut key),
        }
        key
    }

    /// What is stored there.
    pub fn value(&self) -> Vec<u8> {
        let mut value = vec![VERSION];
        match self {
            Self::VirtualHost(vhost) => {
                value = vec![VIRTUAL_HOST_VERSION];
                vhost.write_value(&mut value);
            }
            Self::Exchange(exchange) => exchange.write_value(&mut value),
            Self::Queue(queue) => queue.write_value(&mut value),
            Self::Binding(binding) => binding.write_value(&mut value),
            Self::Policy(policy) | Self::OperatorPolicy(policy) => policy.write_value(&mut value),
            Self::User(user) => user.write_value(&mut value),
            Self::Permission(permission) => permission.write_value(&mut value),
            Self::TopicPermission(permission) => permission.write_value(&mut value),
            Self::GlobalParameter(parameter) => parameter.write_value(&mut value),
        }
        value
    }

    /// What stands in both halves.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, BadDefinition> {
        let mut key = Input { octets: key, half: Half::Key };
        let mut value = Input { octets: value, half: Half::Value };
        let kind = key.octet()?;
        if !(VIRTUAL_HOST..=GLOBAL_PARAMETER).contains(&kind) {
            return Err(BadDefinition::UnknownKind(kind));
        }
        let version = value.octet()?;
        let is_known =
            version == VERSION || (kind, version) == (VIRTUAL_HOST, VIRTUAL_HOST_VERSION);
        if !is_known {
            return Err(BadDefinition::UnknownVersion(version));
        }
        // The virtual host, but for what belongs to none.
        let name = key.text()?;
        let (rest, v) = (&mut key, &mut value);
        let definition = match kind {
            VIRTUAL_HOST if version == VERSION => {
                Self::VirtualHost(VirtualHostDefinition::plain(name))
            }
            VIRTUAL_HOST => Self::VirtualHost(VirtualHostDefinition::read(name, v)?),
            EXCHANGE => Self::Exchange(ExchangeDefinition::read(name, rest, v)?),
            QUEUE => Self::Queue(QueueDefinition::read(name, rest, v)?),
            BINDING => Self::Binding(BindingDefinition::read(name, rest, v)?),
            POLICY => Self::Policy(PolicyDefinition::read(name, rest, v)?),
            OPERATOR_POLICY => Self::OperatorPolicy(PolicyDefinition::read(name, rest, v)?),
            USER => Self::User(UserDefinition::read(name, v)?),
            PERMISSION => Self::Permission(PermissionDefinition::read(name, rest, v)?),
            TOPIC_PERMISSION => {
                Self::TopicPermission(TopicPermissionDefinition::read(name, rest, v)?)
            }
            _ => Self::GlobalParameter(GlobalParameterDefinition::read(name, v)?),
        };
        key.end()?;
        value.end()?;
        Ok(definition)
    }

    /// Whether its value holds what nobody may see.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::User(_))
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, what, name, vhost| {
            write!(f, "{what} '{name}' in vhost '{vhost}'")
        };
        match self {
            Self::VirtualHost(vhost) => write!(f, "vhost '{}'", vhost.name),
            Self::Exchange(exchange) => named(f, "exchange", &exchange.name, &exchange.vhost),
            Self::Queue(queue) => named(f, "queue", &queue.name, &queue.vhost),
            Self::Binding(binding) => binding.fmt(f),
            Self::Policy(policy) => named(f, "policy", &policy.name, &policy.vhost),
            Self::OperatorPolicy(policy) => {
                named(f, "operator policy", &policy.name, &policy.vhost)
            }
            Self::User(user) => write!(f, "user '{}'", user.name),
            Self::Permission(it) => named(f, "permission of user", &it.user, &it.vhost),
            Self::TopicPermission(it) => {
                named(f, "topic permission of user", &it.user, &it.vhost)?;
                write!(f, " for exchange '{}'", it.exchange)
            }
            Self::GlobalParameter(parameter) => write!(f, "global parameter '{}'", parameter.name),
        }
    }
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}

impl fmt::Display for BadDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind(kind) => write!(f, "nothing is known of kind {kind}"),
            Self::UnknownVersion(version) => write!(f, "nothing is known of version {version}"),
            Self::TooShort(half) => write!(f, "its {half} ends too early"),
            Self::TooLong(half) => write!(f, "its {half} goes on after the end"),
            Self::NotText(half) => write!(f, "a name in its {half} is not UTF-8"),
            Self::UnknownFlags(flags) => write!(f, "nothing is known of flags {flags:#04x}"),
            Self::UnknownDestination(kind) => {
                write!(f, "nothing is known of a destination of kind {kind}")
            }
            Self::BadArguments => f.write_str("its arguments are no table"),
            Self::OtherArguments => f.write_str("its arguments are not those of its key"),
        }
    }
}

impl std::error::Error for BadDefinition {}

#[cfg(test)]
mod tests;
