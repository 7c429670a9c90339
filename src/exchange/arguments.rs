//! The arguments of `exchange.declare` that a type or every type knows, checked.
//!
//! Texts are RabbitMQ's and its plugins': clients match on them. Other arguments are kept and mean
//! nothing. Knows no bindings.

use std::sync::Arc;

use super::hash_on::HashOn;
use super::kind::ExchangeKind;
use super::{ExchangeSpec, describe};
use crate::amqp::frame::erlang_binary;
use crate::amqp::table::Value;
use crate::error::{Error, Result};

/// Names an alternate exchange.
const ALTERNATE_EXCHANGE: &str = "alternate-exchange";
/// Names the type that a delayed exchange has otherwise.
const DELAYED_TYPE: &str = "x-delayed-type";
/// How many messages a recent history keeps.
const HISTORY_LENGTH: &str = "x-recent-history-length";
/// So many if that is not said.
const HISTORY_LENGTH_DEFAULT: u64 = 20;
const HASH_HEADER: &str = "hash-header";
const HASH_PROPERTY: &str = "hash-property";
/// What `LavinMQ` calls `hash-header`.
const HASH_HEADER_ALIAS: &str = "x-hash-on";

/// What the arguments mean.
#[derive(Debug)]
pub(super) struct Arguments {
    /// Where messages go that no binding matches.
    pub(super) alternate: Option<Arc<str>>,
    /// The type by which it routes: its own, or the one that a delayed exchange names.
    pub(super) routes_as: ExchangeKind,
    /// What a consistent hash is taken of.
    pub(super) hash_on: HashOn,
    /// How many messages a recent history keeps; `None` for other types.
    pub(super) history_length: Option<u64>,
}

impl Arguments {
    pub(super) fn parse(spec: &ExchangeSpec) -> Result<Self> {
        let alternate = long_string(spec, ALTERNATE_EXCHANGE)?;
        let alternate = alternate.map(|name| String::from_utf8_lossy(name).as_ref().into());
        let routes_as = match spec.kind {
            ExchangeKind::Delayed => delayed_type(spec)?,
            kind => kind,
        };
        let hash_on = match routes_as {
            ExchangeKind::ConsistentHash => hash_on(spec)?,
            _ => HashOn::Keys,
        };
        let history_length = match routes_as {
            ExchangeKind::RecentHistory => Some(history_length(spec)?),
            _ => None,
        };
        Ok(Self { alternate, routes_as, hash_on, history_length })
    }
}

fn delayed_type(spec: &ExchangeSpec) -> Result<ExchangeKind> {
    let Some(Value::LongString(name)) = spec.arguments.view().get(DELAYED_TYPE) else {
        return Err(not_a_type());
    };
    let name = String::from_utf8_lossy(name);
    match ExchangeKind::from_name(&name) {
        // A message is delayed once.
        Some(ExchangeKind::Delayed) => Err(not_a_type()),
        Some(kind) => Ok(kind),
        None => Err(Error::precondition_failed(format!("unknown exchange type '{name}'"))),
    }
}

fn not_a_type() -> Error {
    Error::precondition_failed(format!(
        "Invalid argument, '{DELAYED_TYPE}' must be an existing exchange type"
    ))
}

fn hash_on(spec: &ExchangeSpec) -> Result<HashOn> {
    let header = match long_string(spec, HASH_HEADER)? {
        None => long_string(spec, HASH_HEADER_ALIAS)?,
        header => header,
    };
    match (header, long_string(spec, HASH_PROPERTY)?) {
        (None, None) => Ok(HashOn::Keys),
        (Some(header), None) => Ok(HashOn::Header(header.into())),
        (None, Some(name)) => HashOn::property(name).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            Error::precondition_failed(format!("Unsupported property: {name}"))
        }),
        (Some(_), Some(_)) => Err(Error::precondition_failed(format!(
            "{HASH_HEADER} and {HASH_PROPERTY} are mutually exclusive"
        ))),
    }
}

fn history_length(spec: &ExchangeSpec) -> Result<u64> {
    let Some(value) = spec.arguments.view().get(HISTORY_LENGTH) else {
        return Ok(HISTORY_LENGTH_DEFAULT);
    };
    let length = value.as_int().and_then(|length| u64::try_from(length).ok());
    length.filter(|length| *length > 0).ok_or_else(|| {
        let shown = match value {
            Value::LongString(text) => erlang_binary(text),
            other => other.to_string(),
        };
        Error::precondition_failed(format!(
            "Invalid argument {shown}, '{HISTORY_LENGTH}' must be a positive integer"
        ))
    })
}

fn long_string<'a>(spec: &'a ExchangeSpec, name: &str) -> Result<Option<&'a [u8]>> {
    match spec.arguments.view().get(name) {
        None => Ok(None),
        Some(Value::LongString(value)) => Ok(Some(value)),
        Some(other) => Err(Error::precondition_failed(format!(
            "invalid type '{}' for arg '{name}' in {}",
            other.type_name(),
            describe(&spec.name, &spec.vhost)
        ))),
    }
}
