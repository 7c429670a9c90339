//! The fuzz targets of fuzz/ as a test of a few seconds: a seeded generator makes octets, most of
//! them from valid frames, tables and properties that it then damages.
//!
//! `WARREN_SEED` repeats a run; `WARREN_FUZZ_SECONDS` makes it longer.

mod common;
#[path = "../fuzz/targets.rs"]
mod targets;

use std::time::{Duration, Instant};

use common::damage::{Damage, Random};
use common::*;
use warren::amqp::frame::FrameReader;

/// How long each target runs.
const SECONDS: u64 = 2;
/// No input takes longer than this, in a debug build on a busy machine.
const INPUT_TIME_MAX: Duration = Duration::from_secs(1);

fn run(target: fn(&[u8]), mut input: impl FnMut(&mut Random) -> Vec<u8>) {
    let mut random = Random::seeded();
    let seconds = std::env::var("WARREN_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(SECONDS));
    let mut count = 0_u64;
    while Instant::now() < until {
        let input = input(&mut random);
        let since = Instant::now();
        let outcome = std::panic::catch_unwind(|| target(&input));
        let took = since.elapsed();
        let shown = input.escape_ascii();
        assert!(outcome.is_ok(), "{random}, input {count}: b\"{shown}\"");
        assert!(took < INPUT_TIME_MAX, "{random}, input {count} took {took:?}: b\"{shown}\"");
        count += 1;
    }
    eprintln!("{random}: {count} inputs");
}

/// Client frames of all sorts, as they should be.
fn frames() -> Vec<Vec<u8>> {
    let arguments = table(&[
        ("x-max-length", int(7)),
        ("nested", AMQPValue::FieldTable(table(&[("texts", texts(&["a", "b"]))]))),
    ]);
    let methods = [
        start_ok("PLAIN", b"\0guest\0guest"),
        tune_ok(2047, FRAME_MAX, 60),
        connection_open("/"),
        channel_open(),
        queue_bind_args("jobs", "x", "key", arguments),
        qos(5),
        ack_up_to(3),
        nack(4, Requeue::Yes),
        get("jobs"),
        cancel("c1"),
        publish("amq.topic", "a.b", b"").method(),
        confirm_select(),
        tx_commit(),
        channel_close(),
        connection_close(),
    ];
    let mut frames: Vec<_> = methods.into_iter().map(|method| encode_method(1, method)).collect();
    for body in [Vec::new(), b"hello".to_vec(), vec![7; 40_000]] {
        frames.push(
            [
                encode_method(1, publish("", "jobs", b"").method()),
                header_frame(1, 60, body.len() as u64),
                body_frame(1, &body),
            ]
            .concat(),
        );
    }
    frames.push(frame(8, 0, &[]));
    frames
}

#[test]
fn frames_decode_or_are_refused() {
    let frames = frames();
    run(targets::frames, |random| {
        let mut sent: Vec<_> =
            (0..=random.below(4)).map(|_| random.pick(&frames).clone()).collect();
        Damage::any(random).apply(random, &mut sent);
        let mut octets = sent.concat();
        random.damage_octets(&mut octets);
        octets.insert(0, random.octet()); // the size of the pieces that it is read in
        octets
    });
}

/// The contents of a table, without its length, as the client's library writes them.
fn tables() -> Vec<Vec<u8>> {
    let values = [
        AMQPValue::Boolean(true),
        AMQPValue::ShortShortInt(-1),
        AMQPValue::ShortShortUInt(1),
        AMQPValue::ShortInt(-300),
        AMQPValue::ShortUInt(300),
        int(-70_000),
        AMQPValue::LongUInt(70_000),
        AMQPValue::LongLongInt(i64::MIN),
        AMQPValue::Float(1.5),
        AMQPValue::Double(f64::NAN),
        text("text"),
        AMQPValue::Timestamp(1),
        AMQPValue::ByteArray(ByteArray::from(vec![0, 255])),
        AMQPValue::Void,
        texts(&["a", "", "c"]),
        AMQPValue::FieldTable(table(&[("inner", texts(&["x"]))])),
    ];
    let names: Vec<_> = (0..values.len()).map(|n| format!("name-{n}")).collect();
    let all: Vec<_> = names.iter().map(String::as_str).zip(values.iter().cloned()).collect();
    let of = |entries: &[(&str, AMQPValue)]| properties_of(headers(entries))[6..].to_vec();
    let mut tables: Vec<_> = all.chunks(1).map(of).collect();
    tables.push(of(&all));
    // Deep, as many levels as are allowed and one more.
    for levels in [64_usize, 65] {
        let mut contents = Vec::new();
        for _ in 0..levels {
            let length = (contents.len() as u32).to_be_bytes();
            contents = [&[1, b'a', b'F'][..], &length, &contents].concat();
        }
        tables.push(contents);
    }
    tables
}

#[test]
fn tables_decode_or_are_refused() {
    let tables = tables();
    run(targets::table, |random| {
        let mut sent: Vec<_> =
            (0..=random.below(3)).map(|_| random.pick(&tables).clone()).collect();
        Damage::any(random).apply(random, &mut sent);
        let mut octets = sent.concat();
        random.damage_octets(&mut octets);
        octets
    });
}

#[test]
fn properties_decode_or_are_refused() {
    let all = BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_headers(table(&[("CC", texts(&["a"])), ("n", int(1))]))
        .with_delivery_mode(2)
        .with_correlation_id("id".into())
        .with_reply_to("queue".into())
        .with_expiration("1000".into())
        .with_timestamp(7)
        .with_app_id("app".into());
    let some = [
        BasicProperties::default(),
        BasicProperties::default().with_delivery_mode(2),
        headers(&[("k", text("v"))]),
        all,
    ];
    let valid: Vec<_> = some.into_iter().map(properties_of).collect();
    run(targets::properties, |random| {
        let mut octets = random.pick(&valid).clone();
        random.damage_octets(&mut octets);
        octets
    });
}

/// What a frame announces is only the peer's word: up to a whole frame is reserved for it, the
/// agreed limit, and nothing beyond.
#[test]
fn the_read_buffer_stays_within_a_frame_and_what_has_come() {
    /// So much of the frame has come, in octets.
    const HAVE_COME_MAX: u32 = 100;
    let mut random = Random::seeded();
    for limit in [8192_u32, 131_072] {
        for _ in 0..2_000 {
            let mut reader = FrameReader::new();
            reader.set_frame_max(limit);
            let mut octets = vec![3, 0, 1];
            let announced = HAVE_COME_MAX + random.next() as u32 % (limit - HAVE_COME_MAX);
            octets.extend(announced.to_be_bytes());
            octets.extend(vec![0; random.below(HAVE_COME_MAX as usize)]);
            for piece in octets.chunks(1 + random.below(20)) {
                reader.buffer().extend_from_slice(piece);
                reader.note_read(piece.len());
                assert_eq!(reader.head().expect("not refused yet"), None);
            }
            let bound = 4 * octets.len() + 64 * 1024 + limit as usize;
            let capacity = reader.buffer().capacity();
            assert!(capacity <= bound, "{random}: {capacity} octets for {}", octets.len());
        }
    }
}
