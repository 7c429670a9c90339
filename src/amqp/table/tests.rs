//! Tests of `table.rs`.

use std::hash::{BuildHasher, DefaultHasher, RandomState};

use amq_protocol::types::generation::gen_field_table;
use amq_protocol::types::parsing::parse_field_table;
use amq_protocol::types::{AMQPValue, DecimalValue, FieldTable};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

fn entry(name: &str, value: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), value].concat()
}

fn sized(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    write_sized(&mut out, contents);
    out
}

/// `levels` containers, each the only thing in the one around it.
fn nested(tag: u8, levels: usize) -> Vec<u8> {
    (0..levels).fold(vec![b'V'], |inner, _| {
        sized(tag, &if tag == b'F' { entry("k", &inner) } else { inner })
    })
}

fn hash(value: &Value<'_>) -> u64 {
    let mut state = DefaultHasher::new();
    value.hash_into(&mut state);
    state.finish()
}

/// Reads everything; returns how many values there were on all levels.
fn read_all(view: TableView<'_>) -> usize {
    view.iter().map(|(_, value)| 1 + read_value(value)).sum()
}

fn read_value(value: Value<'_>) -> usize {
    match value {
        Value::Array(v) => v.iter().map(|v| 1 + read_value(v)).sum(),
        Value::Table(v) => read_all(v),
        _ => 0,
    }
}

/// What the check promises, told by reading: every byte belongs to an entry.
fn is_covered_by_fields(view: TableView<'_>) -> bool {
    let fields: usize = view.raw_fields().map(|(name, value)| 1 + name.len() + value.len()).sum();
    fields == view.as_bytes().len()
        && view.iter().all(|(_, value)| match value {
            Value::Table(v) => is_covered_by_fields(v),
            _ => true,
        })
}

#[test]
fn every_type_is_read_and_named() {
    let cases: [(&[u8], &str, &str); 18] = [
        (b"t\x01", "bool", "true"),
        (b"b\xff", "byte", "-1"),
        (b"B\xff", "unsignedbyte", "255"),
        (b"s\xff\xfe", "short", "-2"),
        (b"u\xff\xfe", "unsignedshort", "65534"),
        (b"I\xff\xff\xff\xfe", "signedint", "-2"),
        (b"i\xff\xff\xff\xfe", "unsignedint", "4294967294"),
        (b"l\xff\xff\xff\xff\xff\xff\xff\xfe", "long", "-2"),
        (b"L\0\0\0\0\0\0\0\x07", "long", "7"),
        (b"f\x3f\x80\0\0", "float", "1.0"),
        (b"d\x3f\xf0\0\0\0\0\0\0", "double", "1.0"),
        (b"D\x02\0\0\x01\x3b", "decimal", "315e-2"),
        (b"S\0\0\0\x02hi", "longstr", "hi"),
        (b"A\0\0\0\x03t\0V", "array", "[false,undefined]"),
        (b"T\0\0\0\0\0\0\0\x05", "timestamp", "5"),
        (b"F\0\0\0\x04\x01at\x01", "table", "{a=true}"),
        (b"V", "void", "undefined"),
        (b"x\0\0\0\x01\xff", "binary", "\u{fffd}"),
    ];
    for (bytes, name, text) in cases {
        let contents = entry("k", bytes);
        let value = TableView::check(&contents).unwrap().get("k").unwrap();
        assert_eq!((value.type_name(), value.to_string().as_str()), (name, text));
        assert!(value.equals(&value), "{name} equals itself");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let bad: [&[u8]; 8] = [
        b"\x01",                     // a name without its octet
        b"\x01a",                    // no value
        b"\x01aU\0\0",               // a tag that only other brokers know
        b"\x01at",                   // a value cut off
        b"\x01aS\0\0\0\x02a",        // a string longer than the table
        b"\x01aF\xff\xff\xff\xff",   // a table longer than memory
        b"\x01aA\0\0\0\x02t\0t",     // elements that end behind their array
        b"\x01aF\0\0\0\x01\x01at\0", // a name that leaves its table
    ];
    for contents in bad {
        assert_eq!(TableView::check(contents).err(), Some(Malformed), "{contents:?}");
    }
    assert!(TableView::take(&mut &b"\0\0\0\x01"[..]).is_err());
}

#[test]
fn a_table_is_taken_off_the_input_and_the_rest_stays() {
    let mut input: &[u8] = b"\0\0\0\x04\x01at\x01rest";
    let view = TableView::take(&mut input).unwrap();
    assert_eq!((view.as_bytes(), input), (&b"\x01at\x01"[..], &b"rest"[..]));
}

#[test]
fn the_first_of_repeated_names_wins() {
    let contents = [entry("a", b"t\x01"), entry("a", b"V")].concat();
    let view = TableView::check(&contents).unwrap();
    assert_eq!(view.get("a").unwrap().type_name(), "bool");
    assert!(view.get("b").is_none());
}

#[test]
fn deep_nesting_is_refused_at_the_limit_and_without_using_up_the_stack() {
    let limit = usize::from(TABLE_DEPTH_MAX);
    for tag in [b'A', b'F'] {
        let deep = entry("k", &nested(tag, limit));
        let view = TableView::check(&deep).unwrap();
        let value = view.get("k").unwrap();
        assert_eq!(read_all(view), limit + 1);
        assert!(value.equals(&value) && !value.to_string().is_empty());
        hash(&value);
        assert!(TableView::check(&entry("k", &nested(tag, limit + 1))).is_err());
        assert!(TableView::check(&entry("k", &nested(tag, 15_000))).is_err());
    }
}

#[test]
fn values_without_width_are_read_in_place() {
    let many = 100_000;
    let contents = entry("k", &sized(b'A', &vec![b'V'; many]));
    assert_eq!(read_all(TableView::check(&contents).unwrap()), many + 1);
}

#[test]
fn a_cut_takes_all_of_a_name_and_nothing_else() {
    let (bcc, cc) = (entry("BCC", b"V"), entry("CC", b"L\0\0\0\0\0\0\0\x07"));
    let contents = [&bcc[..], &cc, &bcc].concat();
    let view = TableView::check(&contents).unwrap();
    assert_eq!(view.without("BCC").unwrap().view().as_bytes(), cc);
    assert!(view.without("bcc").is_none());
}

#[test]
fn sameness_is_by_value_within_a_family() {
    let same = [
        (Value::I8(5), Value::I64(5)),
        (Value::U32(5), Value::I16(5)),
        (Value::F32(0.5), Value::F64(0.5)),
        (Value::F64(0.0), Value::F64(-0.0)),
        (Value::F64(f64::NAN), Value::F32(f32::NAN)),
        (Value::LongString(b"a"), Value::Bytes(b"a")),
        (Value::Timestamp(1), Value::Timestamp(1)),
    ];
    for (a, b) in same {
        assert!(a.equals(&b) && b.equals(&a), "{a:?} {b:?}");
        assert_eq!(hash(&a), hash(&b), "{a:?} {b:?}");
    }
    let different = [
        Value::I64(1),
        Value::I64(2),
        Value::F64(1.0),
        Value::LongString(b"1"),
        Value::Timestamp(1),
        Value::Bool(true),
        Value::Void,
        Value::Decimal { scale: 0, value: 1 },
        Value::Decimal { scale: 1, value: 1 },
        Value::Array(ArrayView::default()),
        Value::Table(TableView::default()),
    ];
    for (at, a) in different.iter().enumerate() {
        for b in &different[at + 1..] {
            assert!(!a.equals(b) && !b.equals(a), "{a:?} {b:?}");
        }
    }
}

#[test]
fn sameness_looks_inside_arrays_and_tables() {
    let inner = TableBuilder::new().int("n", 1).build();
    let wide = TableBuilder::new().long("n", 1).build();
    let other = TableBuilder::new().long("m", 1).build();
    let [a, b, c] = [&inner, &wide, &other].map(|t| Value::Table(t.view()));
    assert!(a.equals(&b) && hash(&a) == hash(&b));
    assert!(!a.equals(&c));
    let one = TableBuilder::new().array_of_tables("t", [inner.view()]).build();
    let two = TableBuilder::new().array_of_tables("t", [wide.view(), other.view()]).build();
    let [one, two] = [&one, &two].map(|t| t.view().get("t").unwrap());
    assert!(one.equals(&one) && !one.equals(&two) && !two.equals(&one));
}

#[test]
fn bindings_are_the_same_in_any_order_of_names_but_not_with_other_types() {
    let build = |f: fn(TableBuilder) -> TableBuilder| f(TableBuilder::new()).build();
    let one = build(|t| t.int("a", 1).bool("b", true));
    let turned = build(|t| t.bool("b", true).int("a", 1));
    let wide = build(|t| t.long("a", 1).bool("b", true));
    let twice = build(|t| t.int("a", 1).int("a", 2));
    let turned_twice = build(|t| t.int("a", 2).int("a", 1));
    let state = RandomState::new();
    assert_eq!(one, turned);
    assert_eq!(state.hash_one(&one), state.hash_one(&turned));
    assert_ne!(one, wide);
    assert_ne!(twice, turned_twice);
    assert_ne!(one, Table::default());
}

#[test]
fn a_built_table_reads_as_it_was_built() {
    let inner = TableBuilder::new().bool("basic.nack", true).build();
    let table = TableBuilder::new()
        .table("capabilities", &inner)
        .long_string("product", "warren")
        .timestamp("time", 7)
        .array_of_long_strings("keys", ["a", "b"])
        .bool(&"ü".repeat(200), false)
        .build();
    let text = format!("{table:?}");
    assert!(text.starts_with("{\"capabilities\": Table({\"basic.nack\": Bool(true)})"), "{text}");
    let mut wire = Vec::new();
    table.write_prefixed(&mut wire);
    let view = TableView::take(&mut wire.as_slice()).unwrap();
    assert_eq!(view.get("product").unwrap().as_str(), Some("warren"));
    assert_eq!(view.get("keys").unwrap().to_string(), "[a,b]");
    assert!(view.get(&"ü".repeat(127)).is_some(), "a name is cut between characters");
    assert_eq!(view.to_table(), table);
    let more = TableBuilder::from_view(view).int("x", 1).build();
    assert_eq!(more.view().without("x"), Some(table));
}

fn any_value() -> impl Strategy<Value = AMQPValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<u8>().prop_map(AMQPValue::ShortShortUInt),
        any::<i16>().prop_map(AMQPValue::ShortInt),
        any::<u16>().prop_map(AMQPValue::ShortUInt),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<f32>().prop_map(AMQPValue::Float),
        any::<f64>().prop_map(AMQPValue::Double),
        any::<(u8, u32)>()
            .prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
        vec(any::<u8>(), 0..20).prop_map(|v| AMQPValue::LongString(v.into())),
        vec(any::<u8>(), 0..20).prop_map(|v| AMQPValue::ByteArray(v.into())),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        Just(AMQPValue::Void),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|v| AMQPValue::FieldArray(v.into())),
            fields(inner).prop_map(AMQPValue::FieldTable),
        ]
    })
}

fn fields(value: impl Strategy<Value = AMQPValue>) -> impl Strategy<Value = FieldTable> {
    btree_map("[a-dé]{0,3}", value, 0..6)
        .prop_map(|m| m.into_iter().map(|(k, v)| (k.into(), v)).collect::<BTree>().into())
}

type BTree = std::collections::BTreeMap<amq_protocol::types::ShortString, AMQPValue>;

fn encode(table: &FieldTable) -> Vec<u8> {
    let out: Vec<u8> = Vec::new();
    gen_field_table(table)(out.into()).unwrap().into_inner().0
}

fn says_the_same(theirs: &AMQPValue, ours: Value<'_>) -> bool {
    match (theirs, ours) {
        (AMQPValue::Boolean(a), Value::Bool(b)) => *a == b,
        (AMQPValue::ShortShortInt(a), Value::I8(b)) => *a == b,
        (AMQPValue::ShortShortUInt(a), Value::U8(b)) => *a == b,
        (AMQPValue::ShortInt(a), Value::I16(b)) => *a == b,
        (AMQPValue::ShortUInt(a), Value::U16(b)) => *a == b,
        (AMQPValue::LongInt(a), Value::I32(b)) => *a == b,
        (AMQPValue::LongUInt(a), Value::U32(b)) => *a == b,
        (AMQPValue::LongLongInt(a), Value::I64(b)) => *a == b,
        (AMQPValue::Float(a), Value::F32(b)) => a.to_bits() == b.to_bits(),
        (AMQPValue::Double(a), Value::F64(b)) => a.to_bits() == b.to_bits(),
        (AMQPValue::DecimalValue(a), Value::Decimal { scale, value }) => {
            a.scale == scale && a.value == value.cast_unsigned()
        }
        (AMQPValue::LongString(a), Value::LongString(b)) => a.as_bytes() == b,
        (AMQPValue::ByteArray(a), Value::Bytes(b)) => a.as_slice() == b,
        (AMQPValue::Timestamp(a), Value::Timestamp(b)) => *a == b,
        (AMQPValue::Void, Value::Void) => true,
        (AMQPValue::FieldArray(a), Value::Array(b)) => {
            a.as_slice().len() == b.iter().count()
                && a.as_slice().iter().zip(b.iter()).all(|(a, b)| says_the_same(a, b))
        }
        (AMQPValue::FieldTable(a), Value::Table(b)) => fields_say_the_same(a, b),
        _ => false,
    }
}

fn fields_say_the_same(theirs: &FieldTable, ours: TableView<'_>) -> bool {
    theirs.inner().len() == ours.iter().count()
        && theirs
            .inner()
            .iter()
            .all(|(k, v)| ours.get(k.as_str()).is_some_and(|ours| says_the_same(v, ours)))
}

fn rebuild(view: TableView<'_>) -> Table {
    let names = view.iter().map(|(name, value)| (String::from_utf8_lossy(name), value));
    names.fold(TableBuilder::new(), |t, (name, value)| t.value(&name, &value)).build()
}

proptest! {
    #[test]
    fn a_table_means_what_another_codec_put_into_it(table in fields(any_value())) {
        let wire = encode(&table);
        let mut input = wire.as_slice();
        let view = TableView::take(&mut input).unwrap();
        prop_assert!(input.is_empty());
        prop_assert!(fields_say_the_same(&table, view), "{table:?} {view:?}");
        prop_assert!(is_covered_by_fields(view));
        let (again, copy) = (Value::Table(view), view.to_table());
        let copied = Value::Table(copy.view());
        prop_assert!(again.equals(&copied) && hash(&again) == hash(&copied));
        prop_assert_eq!(&rebuild(view), &copy);
        let mut out = Vec::new();
        rebuild(view).write_prefixed(&mut out);
        let (left, theirs) = parse_field_table(out.as_slice()).unwrap();
        prop_assert!(left.is_empty());
        prop_assert!(fields_say_the_same(&theirs, view));
    }

    #[test]
    fn damaged_tables_are_refused_or_read_to_the_end(
        table in fields(any_value()),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in 0..3_usize,
    ) {
        let mut contents = encode(&table).split_off(4);
        for (at, octet) in damage {
            if !contents.is_empty() {
                let at = at.index(contents.len());
                contents[at] = octet;
            }
        }
        contents.truncate(contents.len().saturating_sub(cut));
        if let Ok(view) = TableView::check(&contents) {
            prop_assert!(is_covered_by_fields(view));
        }
        // Not even a view that breaks its promise may panic.
        let unchecked = TableView::trusted(&contents);
        read_all(unchecked);
        prop_assert!(Value::Table(unchecked).equals(&Value::Table(unchecked)));
    }

    #[test]
    fn random_bytes_never_panic(contents in vec(any::<u8>(), 0..200)) {
        let sound = TableView::check(&contents).is_ok();
        prop_assert!(!sound || is_covered_by_fields(TableView::trusted(&contents)));
        read_all(TableView::trusted(&contents));
        TableView::take(&mut contents.as_slice()).ok();
    }
}
