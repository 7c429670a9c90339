//! Tests of `properties.rs`.

use amq_protocol::protocol::basic::{AMQPProperties, gen_properties, parse_properties};
use amq_protocol::types::{AMQPValue, FieldTable, ShortString};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::amqp::table::TableBuilder;

fn encode(properties: &AMQPProperties) -> Vec<u8> {
    let out: Vec<u8> = Vec::new();
    gen_properties(properties)(out.into()).unwrap().into_inner().0
}

fn short() -> impl Strategy<Value = Option<String>> {
    of("[a-zé]{0,9}")
}

const WITH_SHORT_STRING: [fn(AMQPProperties, ShortString) -> AMQPProperties; 10] = [
    AMQPProperties::with_content_type,
    AMQPProperties::with_content_encoding,
    AMQPProperties::with_correlation_id,
    AMQPProperties::with_reply_to,
    AMQPProperties::with_expiration,
    AMQPProperties::with_message_id,
    AMQPProperties::with_type,
    AMQPProperties::with_user_id,
    AMQPProperties::with_app_id,
    AMQPProperties::with_cluster_id,
];

fn any_properties() -> impl Strategy<Value = AMQPProperties> {
    let strings = proptest::array::uniform10(short());
    (strings, of(any::<u8>()), of(any::<u8>()), of(any::<u64>()), of(any::<i32>())).prop_map(
        |(strings, mode, priority, time, header)| {
            let mut strings = strings.into_iter();
            let all =
                WITH_SHORT_STRING.iter().fold(AMQPProperties::default(), |all, with| match strings
                    .next()
                    .flatten()
                {
                    Some(s) => with(all, s.into()),
                    None => all,
                });
            let all = mode.into_iter().fold(all, AMQPProperties::with_delivery_mode);
            let all = priority.into_iter().fold(all, AMQPProperties::with_priority);
            let all = time.into_iter().fold(all, AMQPProperties::with_timestamp);
            header.into_iter().map(headers).fold(all, AMQPProperties::with_headers)
        },
    )
}

fn headers(value: i32) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("k".into(), AMQPValue::LongInt(value));
    table
}

fn text(value: Option<&[u8]>) -> Option<ShortString> {
    value.map(|v| std::str::from_utf8(v).unwrap().into())
}

fn assert_same(theirs: &AMQPProperties, ours: &Properties<'_>) {
    assert_eq!(theirs.content_type(), &text(ours.content_type));
    assert_eq!(theirs.content_encoding(), &text(ours.content_encoding));
    assert_eq!(theirs.correlation_id(), &text(ours.correlation_id));
    assert_eq!(theirs.reply_to(), &text(ours.reply_to));
    assert_eq!(theirs.expiration(), &text(ours.expiration));
    assert_eq!(theirs.message_id(), &text(ours.message_id));
    assert_eq!(theirs.kind(), &text(ours.kind));
    assert_eq!(theirs.user_id(), &text(ours.user_id));
    assert_eq!(theirs.app_id(), &text(ours.app_id));
    assert_eq!(theirs.delivery_mode(), &ours.delivery_mode);
    assert_eq!(theirs.priority(), &ours.priority);
    assert_eq!(theirs.timestamp(), &ours.timestamp);
    let header = ours.headers.map(|h| h.get("k").unwrap().as_int().unwrap());
    assert_eq!(theirs.headers().clone(), header.map(|v| headers(i32::try_from(v).unwrap())));
}

#[test]
fn the_usual_ones_are_read() {
    assert!(Properties::check(&[0, 0]).unwrap().headers.is_none());
    assert_eq!(Properties::check(&[0x10, 0, 2]).unwrap().delivery_mode, Some(2));
    assert_eq!(Properties::default().as_bytes(), [0, 0]);
}

#[test]
fn each_is_read_when_it_comes_alone() {
    let none = AMQPProperties::default;
    let text = ShortString::from("text");
    let mut alone: Vec<_> =
        WITH_SHORT_STRING.iter().map(|with| with(none(), text.clone())).collect();
    alone.push(none().with_headers(headers(1)));
    alone.push(none().with_delivery_mode(2));
    alone.push(none().with_priority(9));
    alone.push(none().with_timestamp(1));
    for theirs in alone {
        assert_same(&theirs, &Properties::check(&encode(&theirs)).unwrap());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let bad: [&[u8]; 9] = [
        b"",
        b"\0",
        b"\0\x01",                // a second word of flags
        b"\0\x02",                // a property that does not exist
        b"\0\0x",                 // bytes left over
        b"\x10\0",                // no value
        b"\x10\0\x02x",           // bytes left over
        b"\x80\0\x05text",        // a string that is cut off
        b"\x20\0\0\0\0\x02\x01k", // headers that are malformed inside
    ];
    for raw in bad {
        assert_eq!(Properties::check(raw).err(), Some(Malformed), "{raw:?}");
    }
}

#[test]
fn an_address_too_long_is_cut_off() {
    let raw = Properties::default().with_reply_to(&[b'a'; 300]);
    assert_eq!(Properties::check(&raw).unwrap().reply_to, Some(&[b'a'; 255][..]));
}

proptest! {
    #[test]
    fn values_are_what_another_codec_wrote(theirs in any_properties()) {
        let raw = encode(&theirs);
        let ours = Properties::check(&raw).unwrap();
        prop_assert_eq!(ours.as_bytes(), &raw);
        assert_same(&theirs, &ours);
    }

    #[test]
    fn a_rewrite_changes_one_property_only(theirs in any_properties(), value in any::<i32>()) {
        let raw = encode(&theirs);
        let ours = Properties::check(&raw).unwrap();
        let table = TableBuilder::new().int("k", value).build();
        let expected = encode(&theirs.clone().with_headers(headers(value)));
        prop_assert_eq!(ours.with_headers(&table), expected);
        let expected = encode(&theirs.with_reply_to("answers".into()));
        prop_assert_eq!(ours.with_reply_to(b"answers"), expected);
    }

    #[test]
    fn random_bytes_never_panic(
        theirs in any_properties(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut raw = encode(&theirs);
        for (at, octet) in damage {
            let at = at.index(raw.len());
            raw[at] = octet;
        }
        if let Ok(ours) = Properties::check(&raw) {
            let (rest, _) = parse_properties(raw.as_slice()).unwrap_or((&[], theirs));
            prop_assert!(rest.is_empty());
            prop_assert!(Properties::check(&ours.with_reply_to(b"x")).is_ok());
        }
    }
}

#[test]
fn what_is_set_is_encoded() {
    let headers = crate::amqp::table::TableBuilder::new().long("a", 1).build();
    let long = [b'x'; 300];
    let set = Properties {
        content_type: Some(b"text/plain"),
        headers: Some(headers.view()),
        delivery_mode: Some(2),
        priority: Some(7),
        message_id: Some(&long),
        timestamp: Some(5),
        kind: Some(b"k"),
        app_id: Some(b"app"),
        ..Properties::default()
    };
    let encoded = set.encoded();
    let read = Properties::check(&encoded).expect("sound");
    assert_eq!(read.content_type, set.content_type);
    assert_eq!(
        read.headers.map(|h| h.as_bytes().to_vec()),
        Some(headers.view().as_bytes().to_vec())
    );
    assert_eq!((read.delivery_mode, read.priority), (Some(2), Some(7)));
    assert_eq!(read.message_id.map(<[u8]>::len), Some(255));
    assert_eq!((read.timestamp, read.kind, read.app_id), (Some(5), set.kind, set.app_id));
    assert_eq!((read.reply_to, read.user_id, read.expiration), (None, None, None));
    assert_eq!(Properties::default().encoded(), [0, 0]);
}
