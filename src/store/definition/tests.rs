//! Definitions survive being written and read; what is damaged is refused.

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
        let exchange = ExchangeDefinition { vhost, name, kind, auto_delete, internal, arguments };
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
