//! The opening of a connection, each step of which a test may say otherwise.

use amq_protocol::{
    protocol::{
        AMQPClass,
        connection::{self, AMQPMethod},
    },
    types::{AMQPValue, FieldTable},
};

use super::{
    methods::{channel_open, connection_open},
    peer::{FRAME_MAX, Peer},
    replies::connection_open_ok,
    table,
    wire::encode_method,
};

/// All that a client of today says it can do.
const CAPABILITIES: [&str; 6] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "authentication_failure_close",
];

/// What a client says first (0-9-1, 4.2.2).
pub const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

/// All that a client sends until it is logged in with channel 1 open, without waiting for any
/// answer: the protocol header, then a frame each.
pub fn opening() -> Vec<Vec<u8>> {
    let methods =
        [start_ok("PLAIN", b"\0guest\0guest"), tune_ok(2047, FRAME_MAX, 0), connection_open("/")];
    let mut frames = vec![PROTOCOL_HEADER.to_vec()];
    frames.extend(methods.into_iter().map(|method| encode_method(0, method)));
    frames.push(encode_method(1, channel_open()));
    frames
}

/// How a scripted client opens its connection.
pub struct Hello {
    pub properties: FieldTable,
    pub channel_max: u16,
    pub frame_max: u32,
    pub heartbeat_s: u16,
    /// Name and password.
    pub user: (String, String),
    pub vhost: String,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            properties: client_properties(&CAPABILITIES),
            channel_max: 2047,
            frame_max: FRAME_MAX,
            heartbeat_s: 0,
            user: ("guest".to_owned(), "guest".to_owned()),
            vhost: "/".to_owned(),
        }
    }
}

impl Hello {
    /// A user whose password is the name.
    pub fn of(user: &str, vhost: &str) -> Self {
        let user = (user.to_owned(), user.to_owned());
        Self { user, vhost: vhost.to_owned(), ..Self::default() }
    }
}

pub fn client_properties(capabilities: &[&str]) -> FieldTable {
    let able: Vec<_> = capabilities.iter().map(|c| (*c, AMQPValue::Boolean(true))).collect();
    table(&[
        ("product", AMQPValue::LongString("transcript".into())),
        ("capabilities", AMQPValue::FieldTable(table(&able))),
    ])
}

/// A login with all capabilities.
pub fn start_ok(mechanism: &str, response: &[u8]) -> AMQPClass {
    start_ok_with(client_properties(&CAPABILITIES), mechanism, response)
}

fn start_ok_with(client_properties: FieldTable, mechanism: &str, response: &[u8]) -> AMQPClass {
    AMQPClass::Connection(AMQPMethod::StartOk(connection::StartOk {
        client_properties,
        mechanism: mechanism.into(),
        response: response.into(),
        locale: "en_US".into(),
    }))
}

pub fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> AMQPClass {
    let tune_ok = connection::TuneOk { channel_max, frame_max, heartbeat };
    AMQPClass::Connection(AMQPMethod::TuneOk(tune_ok))
}

pub fn update_secret(secret: &str) -> AMQPClass {
    let update = connection::UpdateSecret { new_secret: secret.into(), reason: "test".into() };
    AMQPClass::Connection(AMQPMethod::UpdateSecret(update))
}

impl Peer {
    /// From the protocol header to open-ok.
    pub async fn say_hello(&mut self, hello: Hello) {
        self.ask_in(hello).await;
        self.expect_on(0, connection_open_ok()).await;
        self.forget_so_far("logged in");
    }

    /// From the protocol header to connection.open, of which the answer is left to the test.
    pub async fn ask_in(&mut self, hello: Hello) {
        self.greet().await;
        let (user, password) = hello.user;
        let response = format!("\0{user}\0{password}").into_bytes();
        self.send_on(0, start_ok_with(hello.properties, "PLAIN", &response)).await;
        self.expect_tune().await;
        self.send_on(0, tune_ok(hello.channel_max, hello.frame_max, hello.heartbeat_s)).await;
        self.frame_max = hello.frame_max;
        self.send_on(0, connection_open(&hello.vhost)).await;
    }

    /// Sends the protocol header; gives what the broker says of itself.
    pub async fn greet(&mut self) -> connection::Start {
        self.send_bytes(PROTOCOL_HEADER).await;
        match self.next_method_on(0, "connection.start").await {
            AMQPClass::Connection(AMQPMethod::Start(start)) => start,
            other => self.fail("connection.start", &format!("{other:?}")),
        }
    }

    /// Header and start-ok as guest; gives the broker's tune.
    pub async fn log_in(&mut self) -> connection::Tune {
        self.greet().await;
        self.log_in_with(client_properties(&CAPABILITIES)).await
    }

    pub async fn log_in_with(&mut self, properties: FieldTable) -> connection::Tune {
        self.send_on(0, start_ok_with(properties, "PLAIN", b"\0guest\0guest")).await;
        self.expect_tune().await
    }

    pub async fn expect_tune(&mut self) -> connection::Tune {
        match self.next_method_on(0, "connection.tune").await {
            AMQPClass::Connection(AMQPMethod::Tune(tune)) => tune,
            other => self.fail("connection.tune", &format!("{other:?}")),
        }
    }
}
