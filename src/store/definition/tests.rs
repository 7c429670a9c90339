//! Definitions survive being written and read; what is damaged is refused.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::amqp::table::{Table, TableBuilder};
use crate::store::QueueId;

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

fn limits() -> impl Strategy<Value = (Option<i64>, Option<i64>)> {
    any::<(Option<i64>, Option<i64>)>()
}

fn vhosts() -> impl Strategy<Value = Definition> {
    let said = (names(), vec(names(), 0..3), names(), any::<bool>(), any::<bool>());
    (names(), said, limits()).prop_map(|(name, said, (max_connections, max_queues))| {
        let (description, tags, default_queue_type, tracing, protected) = said;
        Definition::VirtualHost(VirtualHostDefinition {
            name,
            description,
            tags,
            default_queue_type,
            tracing,
            protected,
            max_connections,
            max_queues,
        })
    })
}

fn users() -> impl Strategy<Value = Definition> {
    let parts = (names(), names(), names(), vec(names(), 0..3), limits());
    parts.prop_map(|(name, algorithm, hash, tags, (max_connections, max_channels))| {
        let hash = HashText(hash);
        let user = UserDefinition { name, algorithm, hash, tags, max_connections, max_channels };
        Definition::User(user)
    })
}

fn permissions() -> impl Strategy<Value = Definition> {
    let parts = (names(), names(), names(), names(), names(), any::<bool>());
    parts.prop_map(|(vhost, user, name, write, read, is_topic)| {
        if is_topic {
            let exchange = name;
            let kept = TopicPermissionDefinition { vhost, user, exchange, write, read };
            return Definition::TopicPermission(kept);
        }
        let configure = name;
        Definition::Permission(PermissionDefinition { vhost, user, configure, write, read })
    })
}

fn parameters() -> impl Strategy<Value = Definition> {
    let parts = (names(), names());
    parts.prop_map(|(name, value)| {
        Definition::GlobalParameter(GlobalParameterDefinition { name, value })
    })
}

fn definitions() -> impl Strategy<Value = Definition> {
    prop_oneof![
        vhosts(),
        exchanges(),
        queues(),
        bindings(),
        policies(),
        users(),
        permissions(),
        parameters(),
    ]
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
        kind in 0..12_u8,
        key in vec(any::<u8>(), 0..80),
        value in vec(any::<u8>(), 0..80),
    ) {
        // The old value of a virtual host is read, and never written.
        let version = if kind == VIRTUAL_HOST { VIRTUAL_HOST_VERSION } else { VERSION };
        let key = [&[kind][..], &key].concat();
        let value = [&[version][..], &value].concat();
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
}

/// The same for what came with users.
#[test]
fn the_octets_of_users_are_those_of_the_document() {
    let plain = VirtualHostDefinition::plain("v".into());
    assert_eq!(Definition::decode(b"\x01\0\x01v", b"\x01"), Ok(Definition::VirtualHost(plain)));
    let vhost = Definition::VirtualHost(VirtualHostDefinition {
        description: "d".into(),
        tags: vec!["t".into()],
        default_queue_type: "quorum".into(),
        tracing: true,
        protected: true,
        max_queues: Some(7),
        ..VirtualHostDefinition::plain("v".into())
    });
    assert_eq!(vhost.key(), b"\x01\0\x01v");
    let value = b"\x02\0\x01d\x01\0\x01t\0\x06quorum\x03\0\x01\0\0\0\0\0\0\0\x07";
    assert_eq!(vhost.value(), value);

    let user = user();
    assert_eq!(user.key(), b"\x07\0\x03ann");
    let value = b"\x01\0\x03md5\0\x06SECRET\x01\0\x05admin\x01\0\0\0\0\0\0\0\x05\0";
    assert_eq!(user.value(), value);

    let (vhost, user): (Arc<str>, Arc<str>) = ("/".into(), "ann".into());
    let (configure, write, read) = ("c".into(), "w".into(), "r".into());
    let (v, u) = (vhost.clone(), user.clone());
    let permission = PermissionDefinition { vhost: v, user: u, configure, write, read };
    let permission = Definition::Permission(permission);
    assert_eq!(permission.key(), b"\x08\0\x01/\0\x03ann");
    assert_eq!(permission.value(), b"\x01\0\x01c\0\x01w\0\x01r");

    let (exchange, write, read) = ("x".into(), "w".into(), "r".into());
    let topic = TopicPermissionDefinition { vhost, user, exchange, write, read };
    let topic = Definition::TopicPermission(topic);
    assert_eq!(topic.key(), b"\x09\0\x01/\0\x03ann\0\x01x");
    assert_eq!(topic.value(), b"\x01\0\x01w\0\x01r");

    let (name, value) = ("n".into(), "1".into());
    let parameter = Definition::GlobalParameter(GlobalParameterDefinition { name, value });
    assert_eq!(parameter.key(), b"\x0a\0\x01n");
    assert_eq!(parameter.value(), b"\x01\0\x011");
}

fn user() -> Definition {
    Definition::User(UserDefinition {
        name: "ann".into(),
        algorithm: "md5".into(),
        hash: HashText("SECRET".into()),
        tags: vec!["admin".into()],
        max_connections: Some(5),
        max_channels: None,
    })
}

#[test]
fn hashes_are_not_shown() {
    let user = user();
    assert!(user.is_secret() && user.to_string() == "user 'ann'");
    assert!(!format!("{user:?}").contains("SECRET"), "{user:?}");
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
    assert_eq!(Definition::decode(&[11, 1], &value), Err(BadDefinition::UnknownKind(11)));
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
