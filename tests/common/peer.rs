//! The scripted client: says what a test tells it to and compares what comes with what should.
//!
//! Keeps a transcript of the whole connection, which a failing expectation prints.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    net::SocketAddr,
    panic::Location,
    sync::Arc,
    time::{Duration, Instant},
};

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, BasicProperties, basic, connection, exchange, queue},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    broker::{Made, here, unique},
    expected::{Expected, Item, plain},
    methods::{
        Outgoing, channel_close, channel_flow, channel_open, connection_close, get_no_ack, publish,
        queue_declare, queue_delete,
    },
    replies::{
        channel_close_ok, channel_flow_ok, channel_open_ok, close_of_channel, close_of_connection,
        connection_close_ok, get_ok, queue_declare_ok, queue_delete_ok,
    },
    wire,
};

/// How long anything may take that should come at once.
pub const WAIT_MAX: Duration = Duration::from_secs(10);

/// What the scripted client asks for unless told otherwise.
pub const FRAME_MAX: u32 = 131_072;

/// How much of the transcript a failure shows.
const TRANSCRIPT_SHOWN: usize = 30;

/// And of each line, in characters: connection.start is long.
const LINE_SHOWN: usize = 400;

/// What a peer speaks over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub struct Peer {
    pub frame_max: u32,
    /// The frame of the content header that came last, for what the codec does not keep.
    pub last_header: Vec<u8>,
    /// Where it connects from.
    pub local_address: SocketAddr,
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// Content of which the body is not complete, by channel.
    partial: HashMap<u16, Partial>,
    inbox: VecDeque<(u16, Item)>,
    transcript: Vec<String>,
    made: Arc<Mutex<Made>>,
    /// For the end of the test, which cuts what is still open.
    _socket: Arc<std::net::TcpStream>,
}

struct Partial {
    method: basic::AMQPMethod,
    header: Option<(u64, BasicProperties)>,
    body: Vec<u8>,
}

impl Peer {
    pub async fn connect(address: SocketAddr, made: Arc<Mutex<Made>>) -> Self {
        Self::connect_over(address, made, async |stream| stream).await
    }

    /// The same, over what is made of the socket.
    pub async fn connect_over<S: Stream + 'static>(
        address: SocketAddr,
        made: Arc<Mutex<Made>>,
        over: impl AsyncFnOnce(TcpStream) -> S,
    ) -> Self {
        let stream = TcpStream::connect(address).await.expect("the broker takes connections");
        stream.set_nodelay(true).expect("nodelay");
        let stream = stream.into_std().expect("a socket");
        let local_address = stream.local_addr().expect("an address");
        let socket = Arc::new(stream.try_clone().expect("a second handle"));
        made.lock().sockets.push(Arc::downgrade(&socket));
        let stream = TcpStream::from_std(stream).expect("the same socket");
        Self {
            frame_max: FRAME_MAX,
            last_header: Vec::new(),
            local_address,
            stream: Box::new(over(stream).await),
            buffer: Vec::new(),
            partial: HashMap::new(),
            inbox: VecDeque::new(),
            transcript: Vec::new(),
            made,
            _socket: socket,
        }
    }

    // Saying

    /// Sends on channel 1.
    pub async fn send(&mut self, what: impl Into<Outgoing>) {
        self.send_on(1, what).await;
    }

    pub async fn send_on(&mut self, channel: u16, what: impl Into<Outgoing>) {
        let bytes = self.encode(channel, what.into());
        self.write(&bytes).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.transcript.push(format!("-> {}", wire::readable(bytes)));
        self.write(bytes).await;
    }

    /// Sends bytes to a broker that may hang up meanwhile. True if it took them all.
    pub async fn try_send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.transcript.push(format!("-> {} bytes", bytes.len()));
        matches!(timeout(WAIT_MAX, self.stream.write_all(bytes)).await, Ok(Ok(())))
    }

    async fn write(&mut self, bytes: &[u8]) {
        match timeout(WAIT_MAX, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => self.fail("the broker reads", &e.to_string()),
            Err(_) => self.fail("the broker reads", &format!("nothing taken in {WAIT_MAX:?}")),
        }
    }

    /// The frames of a method and its content, without sending them.
    pub fn encode(&mut self, channel: u16, what: Outgoing) -> Vec<u8> {
        match what {
            Outgoing::Method(method) => {
                self.note_declared(&method);
                self.transcript.push(format!("-> ch {channel}: {}", plain(&method)));
                wire::encode_method(channel, method)
            }
            Outgoing::Content(publish, properties, body) => {
                let shown = wire::readable(&body);
                self.transcript.push(format!("-> ch {channel}: {} {shown}", plain(&publish)));
                let publish = AMQPClass::Basic(basic::AMQPMethod::Publish(publish));
                let mut bytes = wire::encode_method(channel, publish);
                bytes.extend(wire::encode_header(channel, *properties, body.len() as u64));
                for piece in body.chunks(self.frame_max as usize - 8) {
                    bytes.extend(wire::body_frame(channel, piece));
                }
                bytes
            }
        }
    }

    fn note_declared(&self, method: &AMQPClass) {
        match method {
            AMQPClass::Queue(queue::AMQPMethod::Declare(m)) if !m.passive && !m.exclusive => {
                self.made.lock().queues.push(m.queue.to_string());
            }
            AMQPClass::Exchange(exchange::AMQPMethod::Declare(m))
                if !m.passive && !is_the_brokers_own(m.exchange.as_str()) =>
            {
                self.made.lock().exchanges.push(m.exchange.to_string());
            }
            _ => {}
        }
    }

    /// No more from this side; the broker sees the end of the stream.
    pub async fn end_sending(&mut self) {
        let _ = self.stream.shutdown().await; // the broker may have been first
    }

    // Listening

    /// Compares what comes next on channel 1.
    #[track_caller]
    pub fn expect(&mut self, what: impl Into<Expected>) -> impl Future<Output = ()> {
        self.expect_at(1, what.into(), Location::caller())
    }

    #[track_caller]
    pub fn expect_on(&mut self, ch: u16, what: impl Into<Expected>) -> impl Future<Output = ()> {
        self.expect_at(ch, what.into(), Location::caller())
    }

    async fn expect_at(&mut self, channel: u16, what: Expected, at: &Location<'_>) {
        let wanted = format!("ch {channel}: {what}  [{at}]");
        let heartbeats = matches!(what, Expected::Heartbeat);
        let came = self.next_on(channel, heartbeats, &wanted).await;
        if !what.matches(&came) {
            self.fail(&wanted, &format!("ch {channel}: {came}"));
        }
    }

    /// Sends on channel 1 and compares the answer.
    #[track_caller]
    pub fn ask(
        &mut self,
        what: impl Into<Outgoing>,
        answer: impl Into<Expected>,
    ) -> impl Future<Output = ()> {
        let (what, answer, at) = (what.into(), answer.into(), Location::caller());
        async move {
            self.send_on(1, what).await;
            self.expect_at(1, answer, at).await;
        }
    }

    /// Compares what comes on channel 1, which may be in any order.
    #[track_caller]
    pub fn expect_in_any_order(&mut self, all: Vec<Expected>) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let mut left = all;
            while !left.is_empty() {
                let list: Vec<_> = left.iter().map(ToString::to_string).collect();
                let wanted = format!("ch 1, any of: {}  [{at}]", list.join(" | "));
                let came = self.next_on(1, false, &wanted).await;
                match left.iter().position(|e| e.matches(&came)) {
                    Some(found) => drop(left.remove(found)),
                    None => self.fail(&wanted, &format!("ch 1: {came}")),
                }
            }
        }
    }

    /// The next thing said on this channel, for what an expectation cannot say.
    pub async fn next(&mut self, channel: u16, wanted: &str) -> Item {
        self.next_on(channel, false, wanted).await
    }

    /// The same, where heartbeats count.
    pub async fn next_with_heartbeats(&mut self, channel: u16, wanted: &str) -> Item {
        self.next_on(channel, true, wanted).await
    }

    pub async fn next_method_on(&mut self, channel: u16, wanted: &str) -> AMQPClass {
        match self.next_on(channel, false, wanted).await {
            Item::Method(method) => method,
            other => self.fail(wanted, &other.to_string()),
        }
    }

    /// The broker has nothing more to say on this channel: what it says next is an answer.
    #[track_caller]
    pub fn expect_nothing_until_reply(&mut self) -> impl Future<Output = ()> {
        self.ask(channel_flow(true), channel_flow_ok(true))
    }

    /// How many messages are ready in a queue and how many consumers it has; also, that nothing
    /// else came on channel 1 before. RabbitMQ answers the question before publishes that were
    /// sent first, so that it is asked again there.
    #[track_caller]
    pub fn expect_counts(
        &mut self,
        queue: &str,
        ready: u32,
        consumers: u32,
    ) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let expected = queue_declare_ok(queue, ready, consumers);
            let wanted = format!("ch 1: {}  [{at}]", plain(&expected));
            let until = Instant::now() + here(Duration::ZERO, WAIT_MAX);
            loop {
                self.send(queue_declare(queue).passive()).await;
                let came = self.next_method_on(1, &wanted).await;
                if came == expected {
                    return;
                }
                let counts = matches!(came, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(_)));
                if !counts || Instant::now() >= until {
                    self.fail(&wanted, &format!("ch 1: {}", plain(&came)));
                }
            }
        }
    }

    /// The broker closes channel 1; agrees.
    #[track_caller]
    pub fn expect_channel_close(
        &mut self,
        code: u16,
        text: &str,
        ids: (u16, u16),
    ) -> impl Future<Output = ()> {
        let close = Expected::from(close_of_channel(code, text, ids));
        let at = Location::caller();
        async move {
            self.expect_at(1, close, at).await;
            self.send(channel_close_ok()).await;
        }
    }

    /// The broker closes the connection; agrees, and waits for the end of the stream.
    #[track_caller]
    pub fn expect_connection_close(
        &mut self,
        code: u16,
        text: &str,
        ids: (u16, u16),
    ) -> impl Future<Output = ()> {
        let close = Expected::from(close_of_connection(code, text, ids));
        let at = Location::caller();
        async move {
            self.expect_at(0, close, at).await;
            let bytes = self.encode(0, connection_close_ok().into());
            self.try_send_bytes(&bytes).await;
            self.expect_end().await;
        }
    }

    /// For a close of which only the beginning of the text is certain.
    pub fn compare_close_prefix(&self, came: &AMQPClass, close: (u16, &str, (u16, u16))) {
        let (code, text, ids) = close;
        let AMQPClass::Connection(connection::AMQPMethod::Close(m)) = came else {
            self.fail("connection.close", &plain(came));
        };
        let fits = m.reply_code == code
            && (m.class_id, m.method_id) == ids
            && m.reply_text.as_str().starts_with(text);
        if !fits {
            self.fail(&format!("connection.close {code} {text}… {ids:?}"), &plain(m));
        }
    }

    /// The broker ends the connection, with or without saying why: errors before tune need not
    /// be sent, but if they are it is with this code.
    #[track_caller]
    pub fn expect_end_perhaps_after(&mut self, code: u16) -> impl Future<Output = ()> {
        let wanted = format!("the end, or a close with {code}  [{}]", Location::caller());
        async move {
            while self.inbox.is_empty() {
                if !self.read_more(&wanted).await {
                    return;
                }
            }
            match self.inbox.pop_front() {
                Some((
                    0,
                    Item::Method(AMQPClass::Connection(connection::AMQPMethod::Close(m))),
                )) if m.reply_code == code => {}
                other => self.fail(&wanted, &other.map(|o| o.1.to_string()).unwrap_or_default()),
            }
            let bytes = self.encode(0, connection_close_ok().into());
            self.try_send_bytes(&bytes).await;
            self.expect_end().await;
        }
    }

    /// The stream ends, and nothing else is said before.
    #[track_caller]
    pub fn expect_end(&mut self) -> impl Future<Output = ()> {
        let wanted = format!("the end of the stream  [{}]", Location::caller());
        async move {
            while self.inbox.iter().all(|(_, item)| *item == Item::Heartbeat) {
                if !self.read_more(&wanted).await {
                    return;
                }
            }
            let (channel, came) = self.inbox.pop_back().expect("not empty");
            self.fail(&wanted, &format!("ch {channel}: {came}"));
        }
    }

    /// Exactly these bytes come, and then the end.
    pub async fn expect_bytes_and_end(&mut self, bytes: &[u8]) {
        let wanted = format!("{} and the end", wire::readable(bytes));
        let mut came = Vec::new();
        match timeout(WAIT_MAX, self.stream.read_to_end(&mut came)).await {
            Ok(_) if came == bytes => {} // a reset is an end too
            Ok(outcome) => self.fail(&wanted, &format!("{} {outcome:?}", wire::readable(&came))),
            Err(_) => self.fail(&wanted, &format!("{} and no end", wire::readable(&came))),
        }
    }

    /// The same, if the broker says anything at all: what was sent too much may drown it.
    pub async fn expect_bytes_if_any_and_end(&mut self, bytes: &[u8]) {
        let mut came = Vec::new();
        match timeout(WAIT_MAX, self.stream.read_to_end(&mut came)).await {
            Ok(_) if came.is_empty() || came == bytes => {}
            Ok(_) => self.fail(&wire::readable(bytes), &wire::readable(&came)),
            Err(_) => self.fail("the end of the stream", "no end"),
        }
    }

    // The parts of a session

    pub async fn open_channel(&mut self, channel: u16) {
        self.send_on(channel, channel_open()).await;
        self.expect_on(channel, channel_open_ok()).await;
    }

    pub async fn close_channel(&mut self, channel: u16) {
        self.send_on(channel, channel_close()).await;
        self.expect_on(channel, channel_close_ok()).await;
    }

    /// Closes the connection in order, and returns at the end of the stream. RabbitMQ leaves it to
    /// the client to end it first.
    pub async fn close(mut self) {
        self.send_on(0, connection_close()).await;
        self.expect_on(0, connection_close_ok()).await;
        self.end_sending().await;
        self.expect_end().await;
    }

    /// Declares a plain queue that does not exist yet.
    pub async fn declare(&mut self, queue: &str) {
        self.ask(queue_declare(queue), queue_declare_ok(queue, 0, 0)).await;
    }

    /// A message goes into a queue and out again.
    pub async fn pass_a_message(&mut self) {
        let queue = &unique("good");
        self.declare(queue).await;
        self.send(publish("", queue, b"one")).await;
        self.ask(get_no_ack(queue), get_ok(1, false, 0, b"one")).await;
        self.ask(queue_delete(queue), queue_delete_ok(0)).await;
    }

    // Reading

    async fn next_on(&mut self, channel: u16, heartbeats: bool, wanted: &str) -> Item {
        loop {
            if !heartbeats {
                self.inbox.retain(|(_, item)| *item != Item::Heartbeat);
            }
            // An end of the whole connection is an answer on every channel.
            let found = self.inbox.iter().position(|(ch, item)| {
                *ch == channel || is_close(item) || (heartbeats && *item == Item::Heartbeat)
            });
            if let Some((_, item)) = found.and_then(|at| self.inbox.remove(at)) {
                return item;
            }
            if !self.read_more(wanted).await {
                self.fail(wanted, "the end of the stream");
            }
        }
    }

    /// Reads what there is. False at the end of the stream.
    async fn read_more(&mut self, wanted: &str) -> bool {
        let read = timeout(WAIT_MAX, self.stream.read_buf(&mut self.buffer)).await;
        match read {
            Ok(Ok(0) | Err(_)) => return false,
            Ok(Ok(_)) => {}
            Err(_) => self.fail(wanted, &format!("nothing in {WAIT_MAX:?}")),
        }
        while let Some((frame, bytes)) = wire::take_frame(&mut self.buffer) {
            if matches!(frame, AMQPFrame::Header(..)) {
                self.last_header = bytes;
            }
            self.take_in(frame);
        }
        true
    }

    fn take_in(&mut self, frame: AMQPFrame) {
        let channel = frame.channel_id();
        match (frame, self.partial.remove(&channel)) {
            (AMQPFrame::Heartbeat, partial) => {
                self.partial.extend(partial.map(|p| (channel, p)));
                self.inbox.push_back((0, Item::Heartbeat));
            }
            (AMQPFrame::Method(_, AMQPClass::Basic(method)), None) if has_content(&method) => {
                let started = Partial { method, header: None, body: Vec::new() };
                self.partial.insert(channel, started);
            }
            (AMQPFrame::Method(_, method), None) => {
                self.transcript.push(format!("<- ch {channel}: {}", plain(&method)));
                self.inbox.push_back((channel, Item::Method(method)));
            }
            (AMQPFrame::Header(_, header), Some(mut partial)) if partial.header.is_none() => {
                partial.header = Some((header.body_size, header.properties));
                self.complete(channel, partial);
            }
            (AMQPFrame::Body(_, piece), Some(mut partial)) if partial.header.is_some() => {
                let within = piece.len() + 8 <= self.frame_max as usize;
                assert!(within, "a body frame of {} bytes exceeds frame-max", piece.len());
                partial.body.extend(piece);
                self.complete(channel, partial);
            }
            (frame, _) => self.fail("method, header and bodies in this order", &frame.to_string()),
        }
    }

    fn complete(&mut self, channel: u16, mut partial: Partial) {
        match partial.header.take() {
            Some((size, properties)) if partial.body.len() as u64 >= size => {
                let properties = Box::new(properties);
                let (method, body) = (partial.method, partial.body);
                assert_eq!(body.len() as u64, size, "the body is as long as the header says");
                let item = Item::Content { method, properties, body };
                self.transcript.push(format!("<- ch {channel}: {item}"));
                self.inbox.push_back((channel, item));
            }
            header => {
                partial.header = header;
                self.partial.insert(channel, partial);
            }
        }
    }

    /// Replaces the transcript up to here by a word.
    pub fn forget_so_far(&mut self, what: &str) {
        self.transcript = vec![format!("({what})")];
    }

    /// Ends the test, showing both sides and how it came to this.
    pub fn fail(&self, expected: &str, came: &str) -> ! {
        let mut story = String::new();
        let from = self.transcript.len().saturating_sub(TRANSCRIPT_SHOWN);
        for line in &self.transcript[from..] {
            let line: String = line.chars().take(LINE_SHOWN).collect();
            let _ = writeln!(story, "    {line}"); // a String takes everything
        }
        panic!("\n  expected {expected}\n      came {came}\n  transcript:\n{story}");
    }
}

fn is_the_brokers_own(exchange: &str) -> bool {
    exchange.is_empty() || exchange.starts_with("amq.")
}

fn is_close(item: &Item) -> bool {
    matches!(item, Item::Method(AMQPClass::Connection(connection::AMQPMethod::Close(_))))
}

fn has_content(method: &basic::AMQPMethod) -> bool {
    use basic::AMQPMethod::{Deliver, GetOk, Return};
    matches!(method, Deliver(_) | GetOk(_) | Return(_))
}
