//! What is fuzzed: octets into each decoder, and everything that it gives read once.
//!
//! Shared by the fuzz targets and by tests/fuzz.rs. An assertion here is a promise of the decoder
//! that later code relies on.

#![allow(dead_code, reason = "each target uses one of them")]
#![allow(unreachable_pub, reason = "a module of several crates, each private")]
#![allow(clippy::expect_used, clippy::panic, reason = "a finding is a panic")]

use std::hash::{DefaultHasher, Hash, Hasher};

use warren::amqp::content::{Assembler, Content};
use warren::amqp::frame::{FrameHead, FrameKind, FrameReader};
use warren::amqp::method::{Method, method_id};
use warren::amqp::properties::Properties;
use warren::amqp::table::{Table, TableView, Value};
use warren::message::{Body, short_strings};

/// What a peer may send as one frame, in octets; the usual agreement.
const FRAME_MAX_BYTES: u32 = 128 * 1024;
/// Larger bodies are refused by their header, in octets.
const BODY_MAX_BYTES: u64 = 1024 * 1024;

/// Octets through reader, method decoder and assembler, read in pieces of which the first octet
/// tells the size.
pub fn frames(input: &[u8]) {
    let Some((&pieces, input)) = input.split_first() else { return };
    let piece_bytes = if pieces == 0 { input.len() } else { usize::from(pieces) };
    let mut reader = FrameReader::new();
    if pieces.is_multiple_of(2) {
        reader.set_frame_max(FRAME_MAX_BYTES);
    }
    let (mut assembler, mut spare) = (Assembler::default(), Content::default());
    for piece in input.chunks(piece_bytes.max(1)) {
        reader.buffer().extend_from_slice(piece);
        reader.note_read(piece.len());
        loop {
            match reader.head() {
                Ok(Some(head)) => frame(&mut reader, head, &mut assembler, &mut spare),
                Ok(None) => break,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    return;
                }
            }
        }
        reader.settle();
    }
}

fn frame(
    reader: &mut FrameReader,
    head: FrameHead,
    assembler: &mut Assembler,
    spare: &mut Content,
) {
    assert_eq!(reader.payload(head).len(), head.size);
    match head.kind {
        FrameKind::Method => {
            let payload = reader.payload(head);
            let expected = assembler.expect_method().is_ok();
            match Method::decode(payload) {
                Ok(Method::BasicPublish(publish)) if expected => {
                    let (exchange, routing_key) = short_strings(publish.address);
                    assert_eq!((exchange, routing_key), (publish.exchange, publish.routing_key));
                    assembler.begin(&publish, spare);
                }
                Ok(method) => assert!(!format!("{method:?}").is_empty()),
                Err(error) => {
                    let class = method_id(payload).class.to_string();
                    assert!(format!("{error:?}").contains(&class));
                }
            }
            reader.skip(head);
        }
        FrameKind::Header | FrameKind::Body => match assembler.push(reader, head, BODY_MAX_BYTES) {
            Ok(false) => {}
            Ok(true) => {
                let content = whole(assembler.take());
                Assembler::recycle(content, spare);
            }
            Err(_) => {
                // A broker closes the channel; here the next one begins.
                *assembler = Assembler::default();
                reader.skip(head);
            }
        },
        FrameKind::Heartbeat => reader.skip(head),
    }
}

/// A content that is complete has the body that its header announced.
fn whole(mut content: Content) -> Content {
    let (exchange, routing_key) = short_strings(content.address());
    assert_eq!(exchange.len() + routing_key.len() + 2, content.address().len());
    properties(content.properties());
    let announced = content.body_bytes();
    assert!(announced <= BODY_MAX_BYTES);
    let bytes = match content.take_body() {
        Body::Inline(octets) => octets.len(),
        Body::Linked(slices) => slices.concat().len(),
    };
    assert_eq!(bytes as u64, announced);
    content
}

/// A table: whatever passes the check can be read, written and compared.
pub fn table(input: &[u8]) {
    let Ok(view) = TableView::check(input) else {
        let mut rest = input;
        if let Ok(view) = TableView::take(&mut rest) {
            read_table(view);
        }
        return;
    };
    read_table(view);
    let table = view.to_table();
    let mut prefixed = Vec::new();
    table.write_prefixed(&mut prefixed);
    let again = TableView::take(&mut prefixed.as_slice()).map(|view| view.to_table());
    assert_eq!(again.as_ref(), Ok(&table));
    assert_eq!(hash_of(&again), hash_of(&Ok::<_, warren::amqp::table::Malformed>(table.clone())));
    for (name, value) in &view {
        assert!(value.equals(&value), "a value equals itself: {value}");
        let Ok(name) = std::str::from_utf8(name) else { continue };
        assert!(view.get(name).is_some());
        let without = view.without(name).expect("the name is there");
        assert!(without.view().get(name).is_none());
        assert!(TableView::check(without.view().as_bytes()).is_ok());
    }
}

fn hash_of<E>(table: &Result<Table, E>) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Ok(table) = table {
        table.hash(&mut hasher);
    }
    hasher.finish()
}

/// Reads every value, inside tables and arrays too.
fn read_table(view: TableView<'_>) {
    let mut left: Vec<Value<'_>> = view.iter().map(|(_, value)| value).collect();
    let mut hasher = DefaultHasher::new();
    while let Some(value) = left.pop() {
        value.hash_into(&mut hasher);
        assert!(!value.type_name().is_empty());
        match value {
            Value::Table(inner) => left.extend(inner.iter().map(|(_, value)| value)),
            Value::Array(inner) => left.extend(inner.iter()),
            _ => {}
        }
    }
    assert!(!format!("{view:?}").is_empty());
    assert!(!Value::Table(view).to_string().is_empty());
}

/// Properties: a rewrite changes what it is about and nothing else.
pub fn properties(input: &[u8]) {
    let Ok(found) = Properties::check(input) else { return };
    assert_eq!(found.as_bytes(), input);
    found.headers.into_iter().for_each(read_table);
    let replied = found.with_reply_to(b"somewhere");
    let again = Properties::check(&replied).expect("a rewrite is sound");
    assert_eq!(again.reply_to, Some(&b"somewhere"[..]));
    assert_eq!(again.correlation_id, found.correlation_id);
    assert_eq!(again.app_id, found.app_id);
    let headed = found.with_headers(&Table::default());
    let again = Properties::check(&headed).expect("a rewrite is sound");
    assert!(again.headers.is_some_and(|headers| headers.is_empty()));
    assert_eq!((again.content_type, again.reply_to), (found.content_type, found.reply_to));
    assert_eq!((again.user_id, again.timestamp), (found.user_id, found.timestamp));
}
