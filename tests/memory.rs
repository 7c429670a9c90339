//! What hostile or unlucky clients cost in memory, measured on the process itself.
//!
//! One test, since the resident memory is that of all threads together; the allocator is the one
//! that the program runs with. Clients live in the same process and count against the broker.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::*;
use tikv_jemallocator::Jemalloc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use warren::memory::resident_bytes;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// For whatever must happen, but not at once.
const LONG: Duration = Duration::from_secs(20);
/// What a client may wait while others are hostile, in a debug build on a busy machine.
const PROMPT: Duration = Duration::from_secs(1);

fn resident() -> u64 {
    resident_bytes().expect("the system tells")
}

/// Waits until the resident memory is at most that; what it was at last.
async fn resident_falls_to(most: u64, wait: Duration) -> u64 {
    let until = Instant::now() + wait;
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    loop {
        clock.tick().await;
        let now = resident();
        if now <= most || Instant::now() > until {
            return now;
        }
    }
}

fn grown(before: u64) -> u64 {
    resident().saturating_sub(before)
}

/// A message of another client goes in and out, at once.
async fn expect_prompt(broker: &OwnBroker) {
    let since = Instant::now();
    let mut good = broker.peer().await;
    good.pass_a_message().await;
    good.close().await;
    let took = since.elapsed();
    assert!(took < PROMPT, "a good client waited {took:?}");
}

/// The same without a message, for times when publishers are stopped.
async fn expect_login(broker: &OwnBroker) {
    let since = Instant::now();
    broker.peer().await.close().await;
    let took = since.elapsed();
    assert!(took < PROMPT, "a good client waited {took:?}");
}

/// A client that sends what it is told and reads as bytes.
struct Raw {
    reading: OwnedReadHalf,
    writing: OwnedWriteHalf,
}

impl Raw {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the broker takes connections");
        let (reading, writing) = stream.into_split();
        Self { reading, writing }
    }

    /// Logged in, with channel 1 open.
    async fn open(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(&opening().concat()).await;
        raw.read_until(&encode_method(1, channel_open_ok())).await;
        raw
    }

    async fn send(&mut self, octets: &[u8]) {
        let sent = timeout(LONG, self.writing.write_all(octets)).await;
        sent.expect("the broker reads").expect("the broker is there");
    }

    /// Reads until what has come ends with this.
    async fn read_until(&mut self, end: &[u8]) {
        let mut came = Vec::new();
        let reads = async {
            while !came.ends_with(end) {
                let read = self.reading.read_buf(&mut came).await.expect("the broker is there");
                assert!(read > 0, "ended after {}", came.escape_ascii());
            }
        };
        let outcome = timeout(LONG, reads).await;
        assert!(outcome.is_ok(), "no answer, but {}", came.escape_ascii());
    }

    /// Everything before this has been acted on.
    async fn settle(&mut self) {
        self.send(&encode_method(1, channel_flow(true))).await;
        self.read_until(&encode_method(1, channel_flow_ok(true))).await;
    }
}

fn message(exchange: &str, key: &str, body: &[u8]) -> Vec<u8> {
    [
        encode_method(1, publish(exchange, key, b"").method()),
        header_frame(1, 60, body.len() as u64),
        body_frame(1, body),
    ]
    .concat()
}

fn method_of(what: impl Into<Outgoing>) -> Vec<u8> {
    match what.into() {
        Outgoing::Method(method) => encode_method(1, method),
        Outgoing::Content(..) => panic!("not a method"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_within_its_bounds() {
    warren::descriptors::raise();
    let mut steps = Steps::default();
    // First, since what other steps have left free would hide what this one takes.
    acked_deliveries_cost_nothing_while_an_older_one_is_held().await;
    steps.took("held");
    strangers_cost_little_and_are_shown_the_door().await;
    steps.took("strangers");
    a_consumer_that_never_reads_gets_no_more_than_its_boxes_hold().await;
    steps.took("consumer");
    a_flood_is_stopped_at_the_limit().await;
    steps.took("flood");
    names_that_are_gone_cost_nothing().await;
    steps.took("names");
    names_of_other_things_cost_nothing().await;
    steps.took("other names");
    keys_that_were_used_once_cost_nothing().await;
    steps.took("keys");
}

struct Steps(Instant);

impl Default for Steps {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Steps {
    fn took(&mut self, what: &str) {
        let took = std::mem::replace(&mut self.0, Instant::now()).elapsed();
        eprintln!("{what}: {took:?}, {} MiB resident", resident() / MIB);
    }
}

/// Connections that have not logged in hold a small buffer at the most, keep nobody out, and do
/// not stay.
async fn strangers_cost_little_and_are_shown_the_door() {
    const STRANGERS: u64 = 1_000;
    const EACH_MAX_BYTES: u64 = 16 * KIB;
    let limit = Duration::from_secs(2);
    let broker = OwnBroker::start_with(|config| config.handshake_timeout = limit).await;
    expect_prompt(&broker).await;
    let mut half_a_frame = [&PROTOCOL_HEADER[..], b"\x01\x00\x00"].concat();
    half_a_frame.extend(8_184_u32.to_be_bytes());
    half_a_frame.resize(half_a_frame.len() + 8_000, 0xFF);
    let says: [&[u8]; 3] = [b"", b"AMQ", &half_a_frame];
    let before = resident();
    let mut strangers = Vec::new();
    for says in says.iter().cycle().take(STRANGERS as usize) {
        let mut raw = Raw::connect(broker.address()).await;
        raw.send(says).await;
        strangers.push(raw);
    }
    expect_prompt(&broker).await;
    let each = grown(before) / STRANGERS;
    assert!(each < EACH_MAX_BYTES, "{each} bytes for a connection that has not logged in");
    let since = Instant::now();
    for mut stranger in strangers {
        let mut came = Vec::new();
        let end = timeout(LONG, stranger.reading.read_to_end(&mut came)).await;
        assert!(end.is_ok(), "a stranger is still there after {:?}", since.elapsed());
    }
    let took = since.elapsed();
    assert!(took < limit * 3, "the last stranger went after {took:?}");
    broker.stop_and_check().await;
}

/// What is handed to it is its outbox, what waits for the socket, and what the sockets hold;
/// the rest stays in the queue, and other queues do not notice.
async fn a_consumer_that_never_reads_gets_no_more_than_its_boxes_hold() {
    const BODY_BYTES: usize = 1024;
    const MESSAGES: u32 = 64 * 1024;
    const BATCH: u32 = 1024;
    const HANDED_OUT_MAX_BYTES: u64 = 16 * MIB;
    let broker = OwnBroker::start().await;
    let mut stuck = Raw::open(broker.address()).await;
    stuck.send(&method_of(queue_declare("stuck"))).await;
    stuck.send(&method_of(consume("stuck", "c1").no_ack())).await;
    stuck.read_until(&encode_method(1, consume_ok("c1"))).await;
    let before = resident();
    let mut publisher = Raw::open(broker.address()).await;
    let batch = message("", "stuck", &[b'x'; BODY_BYTES]).repeat(BATCH as usize);
    for number in 0..MESSAGES / BATCH {
        publisher.send(&batch).await;
        if number % 16 == 0 {
            expect_prompt(&broker).await;
        }
    }
    publisher.settle().await;
    let ready = ready_in(&broker, "stuck").await;
    let handed_out = u64::from(MESSAGES - ready) * BODY_BYTES as u64;
    assert!(handed_out > 0, "the consumer is served at all");
    assert!(handed_out < HANDED_OUT_MAX_BYTES, "{handed_out} bytes for who does not read");
    let (held, grown) = (u64::from(MESSAGES) * BODY_BYTES as u64, grown(before));
    assert!(grown < 2 * held, "{grown} bytes for messages of {held}");
    drop((stuck, publisher));
    broker.stop_and_check().await;
}

async fn ready_in(broker: &OwnBroker, queue: &str) -> u32 {
    use amq_protocol::protocol::queue::AMQPMethod::DeclareOk;
    let mut peer = broker.peer().await;
    peer.send(queue_declare(queue).passive()).await;
    match peer.next_method_on(1, "declare-ok").await {
        AMQPClass::Queue(DeclareOk(ok)) => ok.message_count,
        other => peer.fail("declare-ok", &format!("{other:?}")),
    }
}

/// A publisher that does not stop is stopped, and goes on when there is room again.
async fn a_flood_is_stopped_at_the_limit() {
    const ROOM_BYTES: u64 = 64 * MIB;
    const OVER_MAX_BYTES: u64 = 150 * MIB;
    let limit = resident() + ROOM_BYTES;
    let broker = OwnBroker::start_with(|config| config.memory_limit_bytes = limit).await;
    let mut owner = broker.peer().await;
    owner.declare("flooded").await;
    let Raw { mut reading, mut writing } = Raw::open(broker.address()).await;
    let batch = message("", "flooded", &[b'x'; 16 * 1024]).repeat(16);
    let flood = tokio::spawn(async move { while writing.write_all(&batch).await.is_ok() {} });
    let said = read_method(&mut reading, "blocked").await;
    assert!(said.windows(13).any(|w| w == b"low on memory"), "blocked: {}", said.escape_ascii());
    expect_login(&broker).await;
    let over = resident().saturating_sub(limit);
    assert!(over < OVER_MAX_BYTES, "{over} bytes over the limit of {limit}");
    owner.send(queue_delete("flooded")).await;
    owner.next_method_on(1, "delete-ok").await;
    let said = read_method(&mut reading, "unblocked").await;
    let unblocked = [0, 10, 0, 61];
    assert!(said.windows(4).any(|w| w == unblocked), "unblocked: {}", said.escape_ascii());
    flood.abort();
    drop(reading);
    broker.stop_and_check().await;
}

/// The octets of the next thing that the broker says.
async fn read_method(reading: &mut OwnedReadHalf, wanted: &str) -> Vec<u8> {
    let mut came = Vec::new();
    let read = timeout(LONG, reading.read_buf(&mut came)).await;
    read.unwrap_or_else(|_| panic!("no {wanted} at {} MiB resident", resident() / MIB))
        .expect("the broker is there");
    came
}

/// Queues that are declared and deleted leave nothing behind (CVE-2026-66072, 67220, 67226: tables
/// of names that only grow).
async fn names_that_are_gone_cost_nothing() {
    const NAMES: u32 = 100_000;
    const LEFT_MAX_BYTES: u64 = 24 * MIB;
    let broker = OwnBroker::start().await;
    let mut raw = Raw::open(broker.address()).await;
    let before = resident();
    for batch in 0..NAMES / 1_000 {
        let names = (batch * 1_000..).take(1_000).map(|n| format!("a-queue-of-a-name-of-{n}"));
        let names: Vec<_> = names.collect();
        let declares = names.iter().flat_map(|name| declare_nowait(name));
        let deletes = names.iter().flat_map(|name| delete_nowait(name));
        raw.send(&declares.chain(deletes).collect::<Vec<_>>()).await;
    }
    raw.settle().await;
    let left = resident_falls_to(before + LEFT_MAX_BYTES, LONG).await.saturating_sub(before);
    assert!(left <= LEFT_MAX_BYTES, "{left} bytes are left of {NAMES} names");
    drop(raw);
    broker.stop_and_check().await;
}

/// The same of exchanges, of consumers, and of those who try to log in (CVE-2026-67227, 67228).
async fn names_of_other_things_cost_nothing() {
    const NAMES: u32 = 50_000;
    const LEFT_MAX_BYTES: u64 = 24 * MIB;
    let broker = OwnBroker::start().await;
    let mut raw = Raw::open(broker.address()).await;
    raw.send(&method_of(queue_declare("q"))).await;
    raw.settle().await;
    let before = resident();
    for batch in 0..NAMES / 1_000 {
        let names = (batch * 1_000..).take(1_000).map(|n| format!("a-thing-of-a-name-of-{n}"));
        let frames = names.flat_map(|name| {
            let name = short(&name);
            let declare = [&[0, 0][..], &name, b"\x06direct", &[16, 0, 0, 0, 0]].concat();
            let bind = [&[0, 0][..], b"\x01q", &name, &name, &[1, 0, 0, 0, 0]].concat();
            let consume = [&[0, 0][..], b"\x01q", &name, &[2 + 8, 0, 0, 0, 0]].concat();
            let cancel = [&name[..], &[1]].concat();
            let delete = [&[0, 0][..], &name, &[2]].concat();
            [
                method_frame(1, (40, 10), &declare),
                method_frame(1, (50, 20), &bind),
                method_frame(1, (60, 20), &consume),
                method_frame(1, (60, 30), &cancel),
                method_frame(1, (40, 20), &delete),
            ]
            .concat()
        });
        raw.send(&frames.collect::<Vec<_>>()).await;
        raw.settle().await;
    }
    for number in 0..500 {
        let mut stranger = broker.raw().await;
        stranger.greet().await;
        let response = format!("\0nobody-{number}-{}\0x", "n".repeat(4_000));
        stranger.send_on(0, start_ok("PLAIN", response.as_bytes())).await;
        stranger.expect_end_perhaps_after(403).await;
    }
    let left = resident_falls_to(before + LEFT_MAX_BYTES, LONG).await.saturating_sub(before);
    assert!(left <= LEFT_MAX_BYTES, "{left} bytes are left of {NAMES} names");
    drop(raw);
    broker.stop_and_check().await;
}

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// By hand, as the client's encoder would take longer than the broker.
fn declare_nowait(name: &str) -> Vec<u8> {
    let (nowait, no_arguments) = (16, 0_u32.to_be_bytes());
    let name = [&[0, 0, name.len() as u8], name.as_bytes()].concat();
    method_frame(1, (50, 10), &[&name[..], &[nowait], &no_arguments].concat())
}

fn delete_nowait(name: &str) -> Vec<u8> {
    let nowait = 4;
    let name = [&[0, 0, name.len() as u8], name.as_bytes()].concat();
    method_frame(1, (50, 40), &[&name[..], &[nowait]].concat())
}

/// What a publisher remembers of where its messages went is bounded.
async fn keys_that_were_used_once_cost_nothing() {
    const KEYS: u32 = 100_000;
    const LEFT_MAX_BYTES: u64 = 16 * MIB;
    let broker = OwnBroker::start().await;
    let mut raw = Raw::open(broker.address()).await;
    let before = resident();
    for batch in 0..KEYS / 1_000 {
        let keys = (batch * 1_000..).take(1_000).map(|n| format!("{n}.{}", "a".repeat(200)));
        let messages: Vec<_> = keys.flat_map(|key| message("amq.topic", &key, b"x")).collect();
        raw.send(&messages).await;
    }
    raw.settle().await;
    let left = resident_falls_to(before + LEFT_MAX_BYTES, LONG).await.saturating_sub(before);
    assert!(left <= LEFT_MAX_BYTES, "{left} bytes are left of {KEYS} routing keys");
    drop(raw);
    broker.stop_and_check().await;
}

/// A consumer that holds one message for long and acknowledges all others as they come.
async fn acked_deliveries_cost_nothing_while_an_older_one_is_held() {
    const MESSAGES: u64 = 200_000;
    const BATCH: u64 = 1_000;
    /// Batches after which only what is kept makes the memory grow.
    const WARM_UP: u64 = 10;
    const LEFT_MAX_BYTES: u64 = 4 * MIB;
    let broker = OwnBroker::start().await;
    let mut raw = Raw::open(broker.address()).await;
    raw.send(&method_of(queue_declare("held"))).await;
    let (one, got) = (message("", "held", b"x"), method_of(get("held")));
    raw.send(&[one.clone(), got.clone()].concat()).await;
    raw.settle().await;
    let mut before = 0;
    for batch in 0..MESSAGES / BATCH {
        if batch == WARM_UP {
            before = resident();
        }
        let tags = (2 + batch * BATCH..).take(BATCH as usize);
        let octets: Vec<_> = tags
            .flat_map(|tag| [one.clone(), got.clone(), encode_method(1, ack(tag))].concat())
            .collect();
        raw.send(&octets).await;
        raw.settle().await;
    }
    let left = resident_falls_to(before + LEFT_MAX_BYTES, Duration::from_secs(2)).await;
    let left = left.saturating_sub(before);
    assert!(left <= LEFT_MAX_BYTES, "{left} bytes for {MESSAGES} deliveries that are acked");
    drop(raw);
    broker.stop_and_check().await;
}
