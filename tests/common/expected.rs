//! What came from the broker, and what a test says should have come.

use std::fmt::{self, Write as _};

use amq_protocol::protocol::{
    AMQPClass, BasicProperties,
    basic::{self, AMQPMethod},
};

use super::wire::readable;

/// One thing the broker said on one channel: a method with the content it carries, if any.
#[derive(Clone, PartialEq)]
pub enum Item {
    Method(AMQPClass),
    Content { method: AMQPMethod, properties: Box<BasicProperties>, body: Vec<u8> },
    Heartbeat,
}

/// What should come. Of content, only what the test has named is compared.
#[derive(Clone)]
pub enum Expected {
    Method(AMQPClass),
    Content(Box<ExpectedContent>),
    Heartbeat,
}

#[derive(Clone)]
pub struct ExpectedContent {
    pub method: AMQPMethod,
    pub source_is_named: bool,
    pub properties: Option<BasicProperties>,
    pub body: Vec<u8>,
}

impl ExpectedContent {
    /// Also compares which exchange and routing key it came by.
    pub fn via(mut self, exchange: &str, key: &str) -> Self {
        set_source(&mut self.method, exchange, key);
        self.source_is_named = true;
        self
    }

    /// Also compares all properties.
    pub fn with(mut self, properties: BasicProperties) -> Self {
        self.properties = Some(properties);
        self
    }

    fn matches(&self, method: &AMQPMethod, properties: &BasicProperties, body: &[u8]) -> bool {
        let mut expected = self.method.clone();
        if !self.source_is_named {
            let (exchange, key) = source(method);
            set_source(&mut expected, &exchange, &key);
        }
        expected == *method
            && self.properties.as_ref().is_none_or(|p| p == properties)
            && self.body == body
    }
}

impl Expected {
    pub fn matches(&self, item: &Item) -> bool {
        match (self, item) {
            (Self::Method(expected), Item::Method(came)) => expected == came,
            (Self::Content(expected), Item::Content { method, properties, body }) => {
                expected.matches(method, properties, body)
            }
            (Self::Heartbeat, Item::Heartbeat) => true,
            _ => false,
        }
    }
}

impl From<AMQPClass> for Expected {
    fn from(method: AMQPClass) -> Self {
        Self::Method(method)
    }
}

impl From<ExpectedContent> for Expected {
    fn from(content: ExpectedContent) -> Self {
        Self::Content(Box::new(content))
    }
}

fn source(method: &AMQPMethod) -> (String, String) {
    let (exchange, key) = match method {
        AMQPMethod::Deliver(m) => (&m.exchange, &m.routing_key),
        AMQPMethod::GetOk(m) => (&m.exchange, &m.routing_key),
        AMQPMethod::Return(m) => (&m.exchange, &m.routing_key),
        _ => return Default::default(),
    };
    (exchange.to_string(), key.to_string())
}

fn set_source(method: &mut AMQPMethod, exchange: &str, key: &str) {
    if let AMQPMethod::Deliver(basic::Deliver { exchange: e, routing_key: k, .. })
    | AMQPMethod::GetOk(basic::GetOk { exchange: e, routing_key: k, .. })
    | AMQPMethod::Return(basic::Return { exchange: e, routing_key: k, .. }) = method
    {
        (*e, *k) = (exchange.into(), key.into());
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => write!(f, "{}", plain(method)),
            Self::Content { method, properties, body } => {
                write!(f, "{} {} {}", plain(method), plain(&**properties), readable(body))
            }
            Self::Heartbeat => f.write_str("heartbeat"),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => write!(f, "{}", plain(method)),
            Self::Content(content) => {
                write!(f, "{}", plain(&content.method))?;
                if !content.source_is_named {
                    f.write_str(" (from anywhere)")?;
                }
                if let Some(properties) = &content.properties {
                    write!(f, " {}", plain(properties))?;
                }
                write!(f, " {}", readable(&content.body))
            }
            Self::Heartbeat => f.write_str("heartbeat"),
        }
    }
}

/// The codec's debug form without what says nothing, and with texts as text.
pub fn plain(value: &impl fmt::Debug) -> String {
    let mut shown = format!("{value:?}").replace("ShortString(\"", "(\"").replace("Some(", "(");
    for property in PROPERTIES {
        shown = shown.replace(&format!("{property}: None, "), "");
    }
    shown = shown.replace("cluster_id: None ", "").replace("AMQPProperties ", "");
    with_texts(&shown)
}

const PROPERTIES: [&str; 13] = [
    "content_type",
    "content_encoding",
    "headers",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "kind",
    "user_id",
    "app_id",
];

/// Turns `LongString([104, 105])` into `"hi"`.
fn with_texts(shown: &str) -> String {
    let mut pieces = shown.split("LongString([");
    let mut readable = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (numbers, rest) = piece.split_once("])").unwrap_or((piece, ""));
        let bytes: Vec<u8> = numbers.split(", ").filter_map(|n| n.parse().ok()).collect();
        let _ = write!(readable, "\"{}\"{rest}", bytes.escape_ascii()); // a String takes everything
    }
    readable
}
