//! Messages, one request at a time: published to an exchange, got from a queue.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::bindings::exchange_name;
use super::properties;
use super::scope::{Scoped, check_name, scoped};
use crate::broker::{Publication, Via};
use crate::error::Error;
use crate::http::app::Call;
use crate::http::fields::Fields;
use crate::http::json;
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{
    Access,
    Handler::{Later, Now},
    Route,
};
use crate::http::schema::{OPEN, Shape, always, maybe};
use crate::message::Message;
use crate::outbox::{Entry, Wakes};
use crate::queue::{Kept, Queue};
use axum::http::StatusCode;

/// Messages got by one request. Who wants more is better served by a consumer.
const GET_COUNT_MAX: usize = 10_000;
/// Octets of bodies got by one request: they are in memory twice, once as text. What comes behind
/// stays in the queue.
const GET_BYTES_MAX: usize = 64 * 1024 * 1024;
/// As RabbitMQ says it.
const REFUSED: &str = "rejected Unable to publish message. Check queue limits.";

static PUBLISH: Shape = Shape::Object(&[
    always("properties", &Shape::Maybe(&OPEN)),
    always("routing_key", &Shape::Text),
    always("payload", &Shape::Text),
    always("payload_encoding", &Shape::OneOf(&["string", "base64"])),
]);
static ROUTED: Shape = Shape::Object(&[always("routed", &Shape::Flag)]);
static GET: Shape = Shape::Object(&[
    always("count", &Shape::Integer),
    always("ackmode", &Shape::OneOf(&ACK_MODES)),
    always("encoding", &Shape::OneOf(&["auto", "base64"])),
    maybe("truncate", &Shape::Integer),
]);
static GOT: Shape = Shape::List(&Shape::Object(&[
    always("payload_bytes", &Shape::Integer),
    always("redelivered", &Shape::Flag),
    always("exchange", &Shape::Text),
    always("routing_key", &Shape::Text),
    always("message_count", &Shape::Integer),
    always("properties", &Shape::Maybe(&OPEN)),
    always("payload", &Shape::Text),
    always("payload_encoding", &Shape::Text),
]));
static ACK_MODES: [&str; 4] =
    ["ack_requeue_true", "ack_requeue_false", "reject_requeue_true", "reject_requeue_false"];

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::post(
        "/api/exchanges/{vhost}/{exchange}/publish",
        Access::Member,
        Later(|call| Box::pin(publish(call))),
        "Publishes a message, and tells whether anybody took it.",
    )
    .takes(&PUBLISH)
    .gives(&ROUTED)
    .fails(&[503]),
    Route::post(
        "/api/queues/{vhost}/{queue}/get",
        Access::Member,
        Now(get),
        "Gets messages from a queue.",
    )
    .takes(&GET)
    .gives(&GOT),
];

async fn publish(call: &Call) -> Outcome {
    let fields = call.fields()?;
    fields.require(&["properties", "routing_key", "payload", "payload_encoding"])?;
    let key = fields.required_text("routing_key")?;
    check_name("routing_key", key)?;
    let properties = properties::encode(&fields.object("properties")?)?;
    let body = payload(&fields)?;
    let Scoped { actor, .. } = scoped(call)?;
    let node = call.node();
    if let Some(reason) = node.alarms.reason() {
        let reason = format!("publishing is stopped by an alarm: {reason}");
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "blocked", reason));
    }
    node.room().await;
    let publication = Publication {
        exchange: exchange_name(call.parameter("exchange")),
        routing_key: key.as_bytes(),
        properties: &properties,
        body,
    };
    // The wakes go before anything is waited for.
    let published = actor.publish(node, publication, &mut Wakes::default());
    let published = published.map_err(Failure::bad_amqp_request)?;
    if published.refused {
        return Err(Failure::bad_request(REFUSED));
    }
    node.settled(published.seq).await;
    Reply::json(&json!({"routed": published.routed}))
}

fn payload(fields: &Fields) -> Result<Bytes, Failure> {
    let Some(Value::String(payload)) = fields.get("payload") else {
        return Err(Failure::bad_request("payload_not_string"));
    };
    match fields.required_text("payload_encoding")? {
        "string" => Ok(Bytes::copy_from_slice(payload.as_bytes())),
        "base64" => match BASE64_STANDARD.decode(payload) {
            Ok(body) => Ok(body.into()),
            Err(_) => Err(Failure::bad_request(json!(["not_base64", payload]))),
        },
        other => Err(Failure::bad_request(json!(["unsupported_encoding", other]))),
    }
}

/// What becomes of messages that were got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AckMode {
    /// They go back, as somebody who could not handle them would give them back.
    NackRequeue,
    /// They are gone.
    Ack,
    /// They go back.
    RejectRequeue,
    /// They are dead.
    Reject,
}

/// How a request wants them.
struct Wish {
    count: usize,
    mode: AckMode,
    in_base64: bool,
    truncate: Option<usize>,
}

fn wish(fields: &Fields) -> Result<Wish, Failure> {
    fields.require(&["ackmode", "count", "encoding"])?;
    let count = fields.integer("count")?.unwrap_or_default();
    let count = usize::try_from(count).map_err(|_| Failure::bad_request("count is negative"))?;
    if count > GET_COUNT_MAX {
        return Err(Failure::bad_request(format!("count may be {GET_COUNT_MAX} at most")));
    }
    let mode = match fields.required_text("ackmode")? {
        "ack_requeue_true" => AckMode::NackRequeue,
        "ack_requeue_false" => AckMode::Ack,
        "reject_requeue_true" => AckMode::RejectRequeue,
        "reject_requeue_false" => AckMode::Reject,
        _ => {
            let modes = ACK_MODES.join(", ");
            return Err(Failure::bad_request(format!("ackmode must be one of {modes}")));
        }
    };
    let in_base64 = match fields.required_text("encoding")? {
        "auto" => false,
        "base64" => true,
        _ => {
            let reason = "Unsupported encoding. Please use auto or base64.";
            return Err(Failure::bad_request(reason));
        }
    };
    let truncate = fields.integer("truncate")?;
    let truncate = truncate.map(usize::try_from).transpose();
    let truncate = truncate.map_err(|_| Failure::bad_request("truncate is negative"))?;
    Ok(Wish { count, mode, in_base64, truncate })
}

fn get(call: &Call) -> Outcome {
    let wish = wish(&call.fields()?)?;
    let Scoped { actor, .. } = scoped(call)?;
    let missing = |error: Error| match error {
        Error::Channel(reason) if reason.code == crate::error::ReplyCode::NotFound => {
            Failure::missing(&format!("NOT_FOUND - {}", reason.text))
        }
        other => other.into(),
    };
    let queue = actor.readable_queue(call.parameter("queue")).map_err(missing)?;
    queue.check_get()?;
    let mut wakes = Wakes::default();
    let (mut shown, mut got, mut bytes) = (Vec::new(), Vec::<Kept>::new(), 0);
    while shown.len() < wish.count && bytes < GET_BYTES_MAX {
        let taken = queue.get(wish.mode == AckMode::Ack, &mut wakes);
        let Some((entry, remaining)) = taken else { break };
        bytes += entry.message.body_bytes();
        if actor.vhost().is_traced() {
            let out_of = (&*queue, entry.redelivered);
            actor.trace_delivery(Via::HTTP, out_of, &entry.message, &mut wakes);
        }
        shown.push(render(&queue, &entry, remaining, &wish));
        if wish.mode != AckMode::Ack {
            got.push(entry.into());
        }
    }
    match wish.mode {
        AckMode::Ack => {}
        AckMode::NackRequeue => queue.requeue(None, got, true, &mut wakes),
        AckMode::RejectRequeue => queue.requeue(None, got, false, &mut wakes),
        AckMode::Reject => queue.reject(None, got, &mut wakes),
    }
    Reply::json(&shown)
}

fn render(queue: &Queue, entry: &Entry, remaining: usize, wish: &Wish) -> Value {
    let presented = queue.presented(entry);
    let message = presented.as_ref().unwrap_or(&entry.message);
    let (payload, encoding) = shown_body(message, wish);
    json!({
        "payload_bytes": message.body_bytes(),
        "redelivered": entry.redelivered,
        "exchange": json::text(message.exchange()),
        "routing_key": json::text(message.routing_key()),
        "message_count": remaining,
        "properties": properties::decode(message.properties()),
        "payload": payload,
        "payload_encoding": encoding,
    })
}

/// Text if it is text and nobody minds; never a part of a character.
fn shown_body(message: &Message, wish: &Wish) -> (String, &'static str) {
    let mut body: Vec<u8> = Vec::with_capacity(message.body_bytes());
    for slice in message.body() {
        body.extend_from_slice(slice.octets());
    }
    if let Some(truncate) = wish.truncate {
        body.truncate(truncate);
    }
    if !wish.in_base64 {
        match String::from_utf8(body) {
            Ok(text) => return (text, "string"),
            Err(error) => body = error.into_bytes(),
        }
    }
    (BASE64_STANDARD.encode(body), "base64")
}
