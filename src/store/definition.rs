//! What is durable beside messages, as plain values, and the octets that stand for them on disk.
//!
//! The key says what something is and how it is called, the value what it was declared with. Both
//! are laid out in `docs/format.md`; reading is strict, so that damage is seen. A value begins with
//! its version: one that a later warren wrote is refused by this one, and left where it is. Knows
//! nothing of where the octets are kept, nor of what is done with a definition.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::QueueId;
use crate::amqp::table::{Table, TableView};

/// First octets of keys: what is defined. Users will follow.
const VIRTUAL_HOST: u8 = 1;
const EXCHANGE: u8 = 2;
const QUEUE: u8 = 3;
const BINDING: u8 = 4;
const POLICY: u8 = 5;
const OPERATOR_POLICY: u8 = 6;
/// First octet of a value: how the rest is laid out.
const VERSION: u8 = 1;
/// In a binding's key: what it leads to.
const TO_QUEUE: u8 = 1;
const TO_EXCHANGE: u8 = 2;
/// Flags of queues and exchanges.
const AUTO_DELETE: u8 = 1;
const INTERNAL: u8 = 2;
/// So much of the SHA-256 of a binding's arguments is in its key. Nobody finds two tables that
/// agree in 128 bits.
const ARGUMENTS_HASH_BYTES: usize = 16;

/// Something that is there again after a restart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Definition {
    /// A virtual host of that name.
    VirtualHost(Arc<str>),
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
}

/// A durable exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExchangeDefinition {
    /// Its virtual host's name.
    pub vhost: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
    /// Its type's name.
    pub kind: Box<str>,
    /// Goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
}

/// A durable queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueDefinition {
    /// Its virtual host's name.
    pub vhost: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
    /// Its number, under which its messages are.
    pub id: QueueId,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments.
    pub arguments: Table,
}

/// A binding between two durable ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindingDefinition {
    /// The virtual host's name.
    pub vhost: Arc<str>,
    /// The exchange that it leads from.
    pub source: Arc<str>,
    /// Where it leads.
    pub destination: DestinationName,
    /// The routing key.
    pub routing_key: Box<[u8]>,
    /// Its arguments.
    pub arguments: Table,
}

/// A policy, as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyDefinition {
    /// Its virtual host's name.
    pub vhost: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
    /// The regular expression for names.
    pub pattern: Box<str>,
    /// What it is for.
    pub apply_to: Box<str>,
    /// The highest of several counts.
    pub priority: i64,
    /// What it says, as JSON.
    pub definition: Box<str>,
}

/// Where a binding leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DestinationName {
    /// To the queue of that name.
    Queue(Arc<str>),
    /// To the exchange of that name.
    Exchange(Arc<str>),
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
            Self::VirtualHost(name) => {
                key.push(VIRTUAL_HOST);
                put(&mut key, name.as_bytes());
            }
            Self::Exchange(exchange) => {
                key.push(EXCHANGE);
                put(&mut key, exchange.vhost.as_bytes());
                put(&mut key, exchange.name.as_bytes());
            }
            Self::Queue(queue) => {
                key.push(QUEUE);
                put(&mut key, queue.vhost.as_bytes());
                put(&mut key, queue.name.as_bytes());
            }
            Self::Binding(binding) => binding.write_key(&mut key),
            Self::Policy(policy) => policy.write_key(POLICY, &mut key),
            Self::OperatorPolicy(policy) => policy.write_key(OPERATOR_POLICY, &mut key),
        }
        key
    }

    /// What is stored there.
    pub fn value(&self) -> Vec<u8> {
        let mut value = vec![VERSION];
        match self {
            Self::VirtualHost(_) => {}
            Self::Exchange(exchange) => {
                put(&mut value, exchange.kind.as_bytes());
                let auto_delete = if exchange.auto_delete { AUTO_DELETE } else { 0 };
                let internal = if exchange.internal { INTERNAL } else { 0 };
                value.push(auto_delete | internal);
                exchange.arguments.write_prefixed(&mut value);
            }
            Self::Queue(queue) => {
                value.extend_from_slice(&queue.id.0.to_be_bytes());
                value.push(if queue.auto_delete { AUTO_DELETE } else { 0 });
                queue.arguments.write_prefixed(&mut value);
            }
            Self::Binding(binding) => binding.arguments.write_prefixed(&mut value),
            Self::Policy(policy) | Self::OperatorPolicy(policy) => policy.write(&mut value),
        }
        value
    }

    /// What stands in both halves.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, BadDefinition> {
        let mut key = Input { octets: key, half: Half::Key };
        let mut value = Input { octets: value, half: Half::Value };
        let kind = key.octet()?;
        if !(VIRTUAL_HOST..=OPERATOR_POLICY).contains(&kind) {
            return Err(BadDefinition::UnknownKind(kind));
        }
        match value.octet()? {
            VERSION => {}
            other => return Err(BadDefinition::UnknownVersion(other)),
        }
        let vhost = key.text()?;
        let definition = match kind {
            VIRTUAL_HOST => Self::VirtualHost(vhost),
            EXCHANGE => Self::Exchange(ExchangeDefinition::read(vhost, &mut key, &mut value)?),
            QUEUE => Self::Queue(QueueDefinition::read(vhost, &mut key, &mut value)?),
            BINDING => Self::Binding(BindingDefinition::read(vhost, &mut key, &mut value)?),
            POLICY => Self::Policy(PolicyDefinition::read(vhost, &mut key, &mut value)?),
            _ => Self::OperatorPolicy(PolicyDefinition::read(vhost, &mut key, &mut value)?),
        };
        key.end()?;
        value.end()?;
        Ok(definition)
    }
}

impl ExchangeDefinition {
    fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        let (name, kind) = (key.text()?, value.text()?);
        let flags = value.flags(AUTO_DELETE | INTERNAL)?;
        Ok(Self {
            vhost,
            name,
            kind: (*kind).into(),
            auto_delete: flags & AUTO_DELETE != 0,
            internal: flags & INTERNAL != 0,
            arguments: value.table()?,
        })
    }
}

impl QueueDefinition {
    fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        let (name, id) = (key.text()?, value.array()?);
        let auto_delete = value.flags(AUTO_DELETE)? & AUTO_DELETE != 0;
        let id = QueueId(u64::from_be_bytes(id));
        Ok(Self { vhost, name, id, auto_delete, arguments: value.table()? })
    }
}

impl BindingDefinition {
    fn write_key(&self, key: &mut Vec<u8>) {
        key.push(BINDING);
        put(key, self.vhost.as_bytes());
        put(key, self.source.as_bytes());
        let (kind, destination) = match &self.destination {
            DestinationName::Queue(name) => (TO_QUEUE, name),
            DestinationName::Exchange(name) => (TO_EXCHANGE, name),
        };
        key.push(kind);
        put(key, destination.as_bytes());
        put(key, &self.routing_key);
        key.extend_from_slice(&hash(&self.arguments));
    }

    fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        let source = key.text()?;
        let destination = match key.octet()? {
            TO_QUEUE => DestinationName::Queue(key.text()?),
            TO_EXCHANGE => DestinationName::Exchange(key.text()?),
            other => return Err(BadDefinition::UnknownDestination(other)),
        };
        let routing_key = key.sized()?.into();
        let (expected, arguments) = (key.array()?, value.table()?);
        if hash(&arguments) != expected {
            return Err(BadDefinition::OtherArguments);
        }
        Ok(Self { vhost, source, destination, routing_key, arguments })
    }
}

impl PolicyDefinition {
    fn write_key(&self, kind: u8, key: &mut Vec<u8>) {
        key.push(kind);
        put(key, self.vhost.as_bytes());
        put(key, self.name.as_bytes());
    }

    fn write(&self, value: &mut Vec<u8>) {
        put(value, self.pattern.as_bytes());
        put(value, self.apply_to.as_bytes());
        value.extend_from_slice(&self.priority.to_be_bytes());
        put(value, self.definition.as_bytes());
    }

    fn read(
        vhost: Arc<str>,
        key: &mut Input<'_>,
        value: &mut Input<'_>,
    ) -> Result<Self, BadDefinition> {
        Ok(Self {
            vhost,
            name: key.text()?,
            pattern: (*value.text()?).into(),
            apply_to: (*value.text()?).into(),
            priority: i64::from_be_bytes(value.array()?),
            definition: (*value.text()?).into(),
        })
    }
}

/// Octets of which the front is taken bit by bit.
struct Input<'a> {
    octets: &'a [u8],
    half: Half,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], BadDefinition> {
        let taken = self.octets.split_at_checked(count);
        let (taken, rest) = taken.ok_or(BadDefinition::TooShort(self.half))?;
        self.octets = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadDefinition> {
        let (taken, rest) =
            self.octets.split_first_chunk().ok_or(BadDefinition::TooShort(self.half))?;
        self.octets = rest;
        Ok(*taken)
    }

    fn octet(&mut self) -> Result<u8, BadDefinition> {
        self.array().map(|[octet]| octet)
    }

    fn sized(&mut self) -> Result<&'a [u8], BadDefinition> {
        let size = u16::from_be_bytes(self.array()?);
        self.take(size.into())
    }

    fn text(&mut self) -> Result<Arc<str>, BadDefinition> {
        let text = std::str::from_utf8(self.sized()?);
        text.map(Arc::from).map_err(|_| BadDefinition::NotText(self.half))
    }

    fn flags(&mut self, known: u8) -> Result<u8, BadDefinition> {
        let flags = self.octet()?;
        if flags & !known == 0 { Ok(flags) } else { Err(BadDefinition::UnknownFlags(flags)) }
    }

    fn table(&mut self) -> Result<Table, BadDefinition> {
        let view = TableView::take(&mut self.octets).map_err(|_| BadDefinition::BadArguments)?;
        Ok(view.to_table())
    }

    fn end(&self) -> Result<(), BadDefinition> {
        if self.octets.is_empty() { Ok(()) } else { Err(BadDefinition::TooLong(self.half)) }
    }
}

/// Appends a text with its size in front. Names are short strings of at most 255 octets; what a
/// policy says is limited where it is read.
fn put(out: &mut Vec<u8>, name: &[u8]) {
    debug_assert!(u16::try_from(name.len()).is_ok());
    let name = name.get(..usize::from(u16::MAX)).unwrap_or(name);
    out.extend_from_slice(&(name.len() as u16).to_be_bytes());
    out.extend_from_slice(name);
}

/// Equal arguments have the same, in whatever order they came.
fn hash(arguments: &Table) -> [u8; ARGUMENTS_HASH_BYTES] {
    let whole = Sha256::digest(arguments.sorted_bytes());
    whole.first_chunk().copied().unwrap_or_default()
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VirtualHost(name) => write!(f, "vhost '{name}'"),
            Self::Exchange(x) => write!(f, "exchange '{}' in vhost '{}'", x.name, x.vhost),
            Self::Queue(queue) => {
                write!(f, "queue '{}' in vhost '{}'", queue.name, queue.vhost)
            }
            Self::Binding(binding) => write!(
                f,
                "binding from exchange '{}' to {} with key '{}' in vhost '{}'",
                binding.source,
                binding.destination,
                binding.routing_key.escape_ascii(),
                binding.vhost
            ),
            Self::Policy(policy) => {
                write!(f, "policy '{}' in vhost '{}'", policy.name, policy.vhost)
            }
            Self::OperatorPolicy(policy) => {
                write!(f, "operator policy '{}' in vhost '{}'", policy.name, policy.vhost)
            }
        }
    }
}

impl fmt::Display for DestinationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) => write!(f, "queue '{name}'"),
            Self::Exchange(name) => write!(f, "exchange '{name}'"),
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
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::amqp::table::TableBuilder;

    fn table(entries: &[(String, i64)]) -> Table {
        let add = |builder: TableBuilder, (name, value): &(String, i64)| builder.long(name, *value);
        entries.iter().fold(TableBuilder::new(), add).build()
    }

    fn names() -> impl Strategy<Value = Arc<str>> {
        "\\PC{0,40}".prop_map(Arc::from)
    }

    fn tables() -> impl Strategy<Value = Table> {
        vec(("[a-z-]{1,20}", any::<i64>()), 0..5).prop_map(|entries| table(&entries))
    }

    fn exchanges() -> impl Strategy<Value = Definition> {
        let parts = (names(), names(), names(), any::<bool>(), any::<bool>(), tables());
        parts.prop_map(|(vhost, name, kind, auto_delete, internal, arguments)| {
            let kind = (*kind).into();
            let exchange =
                ExchangeDefinition { vhost, name, kind, auto_delete, internal, arguments };
            Definition::Exchange(exchange)
        })
    }

    fn queues() -> impl Strategy<Value = Definition> {
        let parts = (names(), names(), any::<u64>(), any::<bool>(), tables());
        parts.prop_map(|(vhost, name, id, auto_delete, arguments)| {
            let id = QueueId(id);
            Definition::Queue(QueueDefinition { vhost, name, id, auto_delete, arguments })
        })
    }

    fn bindings() -> impl Strategy<Value = Definition> {
        let destinations = prop_oneof![
            names().prop_map(DestinationName::Queue),
            names().prop_map(DestinationName::Exchange),
        ];
        let parts = (names(), names(), destinations, vec(any::<u8>(), 0..40), tables());
        parts.prop_map(|(vhost, source, destination, key, arguments)| {
            let routing_key = key.into();
            let binding = BindingDefinition { vhost, source, destination, routing_key, arguments };
            Definition::Binding(binding)
        })
    }

    fn policies() -> impl Strategy<Value = Definition> {
        let parts = (names(), names(), names(), any::<i64>(), names(), any::<bool>());
        parts.prop_map(|(vhost, name, text, priority, other, operator)| {
            let (pattern, apply_to, definition) = ((*text).into(), "all".into(), (*other).into());
            let policy = PolicyDefinition { vhost, name, pattern, apply_to, priority, definition };
            if operator { Definition::OperatorPolicy(policy) } else { Definition::Policy(policy) }
        })
    }

    fn definitions() -> impl Strategy<Value = Definition> {
        let vhosts = names().prop_map(Definition::VirtualHost);
        prop_oneof![vhosts, exchanges(), queues(), bindings(), policies()]
    }

    fn queue() -> Definition {
        Definition::Queue(QueueDefinition {
            vhost: "/".into(),
            name: "jobs".into(),
            id: QueueId(7),
            auto_delete: true,
            arguments: table(&[("a".to_owned(), 1)]),
        })
    }

    fn binding(arguments: Table) -> Definition {
        Definition::Binding(BindingDefinition {
            vhost: "/".into(),
            source: "logs".into(),
            destination: DestinationName::Queue("jobs".into()),
            routing_key: b"k".as_slice().into(),
            arguments,
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(definition in definitions()) {
            let (key, value) = (definition.key(), definition.value());
            let read = Definition::decode(&key, &value).expect("just written");
            // Tables are equal in any order of their names; these have to keep theirs.
            prop_assert_eq!(read.value(), value);
            prop_assert_eq!(read, definition);
        }

        #[test]
        fn what_is_cut_off_or_goes_on_is_refused(
            definition in definitions(),
            at in any::<prop::sample::Index>(),
            more in vec(any::<u8>(), 1..5),
        ) {
            let (key, value) = (definition.key(), definition.value());
            let cut = |whole: &[u8]| whole[..at.index(whole.len())].to_vec();
            prop_assert!(Definition::decode(&cut(&key), &value).is_err());
            prop_assert!(Definition::decode(&key, &cut(&value)).is_err());
            let long = |whole: &[u8]| [whole, &more].concat();
            let too_long = |half| Err(BadDefinition::TooLong(half));
            prop_assert_eq!(Definition::decode(&long(&key), &value), too_long(Half::Key));
            prop_assert_eq!(Definition::decode(&key, &long(&value)), too_long(Half::Value));
        }

        /// Whatever is accepted is what this version writes, octet for octet.
        #[test]
        fn damage_is_refused_or_makes_another_definition(
            definition in definitions(),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
            in_key in any::<bool>(),
        ) {
            let (mut key, mut value) = (definition.key(), definition.value());
            let half = if in_key { &mut key } else { &mut value };
            let index = at.index(half.len());
            half[index] ^= 1 << bit;
            if let Ok(read) = Definition::decode(&key, &value) {
                prop_assert_eq!((read.key(), read.value()), (key, value));
            }
        }

        #[test]
        fn random_octets_do_no_harm(
            kind in 0..8_u8,
            key in vec(any::<u8>(), 0..80),
            value in vec(any::<u8>(), 0..80),
        ) {
            let key = [&[kind][..], &key].concat();
            let value = [&[VERSION][..], &value].concat();
            if let Ok(read) = Definition::decode(&key, &value) {
                prop_assert_eq!((read.key(), read.value()), (key, value));
            }
        }
    }

    /// The layout is a promise to every later version.
    #[test]
    fn the_octets_are_those_of_the_document() {
        assert_eq!(queue().key(), b"\x03\0\x01/\0\x04jobs");
        let value = b"\x01\0\0\0\0\0\0\0\x07\x01\0\0\0\x0b\x01al\0\0\0\0\0\0\0\x01";
        assert_eq!(queue().value(), value);

        let exchange = Definition::Exchange(ExchangeDefinition {
            vhost: "/".into(),
            name: "logs".into(),
            kind: "topic".into(),
            auto_delete: true,
            internal: true,
            arguments: Table::default(),
        });
        assert_eq!(exchange.key(), b"\x02\0\x01/\0\x04logs");
        assert_eq!(exchange.value(), b"\x01\0\x05topic\x03\0\0\0\0");

        let key = binding(Table::default()).key();
        // The beginning of the SHA-256 of nothing.
        let hash = b"\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24";
        let expected = [&b"\x04\0\x01/\0\x04logs\x01\0\x04jobs\0\x01k"[..], hash].concat();
        assert_eq!(key, expected);
        assert_eq!(binding(Table::default()).value(), b"\x01\0\0\0\0");

        let policy = PolicyDefinition {
            vhost: "/".into(),
            name: "p".into(),
            pattern: "^q".into(),
            apply_to: "all".into(),
            priority: -2,
            definition: "{}".into(),
        };
        let value = b"\x01\0\x02^q\0\x03all\xff\xff\xff\xff\xff\xff\xff\xfe\0\x02{}";
        assert_eq!(Definition::Policy(policy.clone()).key(), b"\x05\0\x01/\0\x01p");
        assert_eq!(Definition::Policy(policy.clone()).value(), value);
        assert_eq!(Definition::OperatorPolicy(policy.clone()).key(), b"\x06\0\x01/\0\x01p");
        assert_eq!(Definition::OperatorPolicy(policy).value(), value);

        assert_eq!(Definition::VirtualHost("v".into()).key(), b"\x01\0\x01v");
        assert_eq!(Definition::VirtualHost("v".into()).value(), b"\x01");
    }

    #[test]
    fn equal_arguments_are_one_binding_in_any_order() {
        let (a, b) = (("a".to_owned(), 1), ("b".to_owned(), 2));
        let (one, other) = (binding(table(&[a.clone(), b.clone()])), binding(table(&[b, a])));
        assert_eq!(one.key(), other.key());
        assert_ne!(one.value(), other.value());
        assert_ne!(one.key(), binding(Table::default()).key());
        let error = Definition::decode(&one.key(), &binding(Table::default()).value());
        assert_eq!(error, Err(BadDefinition::OtherArguments));
    }

    #[test]
    fn what_a_later_version_wrote_is_told_apart_from_damage() {
        let (key, mut value) = (queue().key(), queue().value());
        value[0] = 2;
        assert_eq!(Definition::decode(&key, &value), Err(BadDefinition::UnknownVersion(2)));
        assert_eq!(Definition::decode(&[7, 1], &value), Err(BadDefinition::UnknownKind(7)));
        let mut value = queue().value();
        value[9] = 3;
        let error = Definition::decode(&key, &value).expect_err("an unknown flag");
        assert_eq!(error.to_string(), "nothing is known of flags 0x03");
    }

    #[test]
    fn names_are_complete_in_messages() {
        assert_eq!(queue().to_string(), "queue 'jobs' in vhost '/'");
        let expected = "binding from exchange 'logs' to queue 'jobs' with key 'k' in vhost '/'";
        assert_eq!(binding(Table::default()).to_string(), expected);
    }
}
