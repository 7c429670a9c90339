//! Consumers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{channels, scope};
use crate::broker::Presence;
use crate::http::app::Call;
use crate::http::json;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{OPEN, Shape};
use crate::outbox::{Outgoing, Wakes};
use crate::queue::{Activity, ConnectionId, ConsumerDetails, Queue};

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/consumers", Access::Management, Now(all), "Lists all consumers.")
        .query(list::QUERY)
        .gives(&Shape::Page(&OPEN)),
    Route::get(
        "/api/consumers/{vhost}",
        Access::Visible,
        Now(all),
        "Lists the consumers of a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&OPEN)),
    Route::delete(
        "/api/consumers/{vhost}/{connection}/{channel}/{tag}",
        Access::Member,
        Now(cancel),
        "Cancels a consumer, which its client is told.",
    ),
];

/// A consumer, its queue, and the connection that it is on.
struct Consumer {
    details: ConsumerDetails,
    queue: Arc<Queue>,
    presence: Arc<Presence>,
}

/// Those whose connection is still there.
fn consumers(call: &Call, queue: &Arc<Queue>) -> Vec<Consumer> {
    let all = queue.consumers().into_iter();
    let known = all.filter_map(|details| {
        let presence = call.node().presence(details.facts.connection)?;
        Some(Consumer { details, queue: queue.clone(), presence })
    });
    known.collect()
}

fn all(call: &Call) -> Outcome {
    let caller = call.caller()?;
    let mut found = Vec::new();
    for vhost in scope::vhosts(call)? {
        for queue in vhost.queues() {
            found.extend(consumers(call, &queue));
        }
    }
    found.retain(|consumer| caller.sees_user(&consumer.presence.identity.user));
    list::list(
        call,
        found,
        |consumer| (&consumer.queue.spec().vhost, &consumer.details.facts.tag),
        |consumer, wanted| render(call, consumer, wanted),
    )
}

/// The consumers of a queue.
pub(super) fn of_queue(call: &Call, queue: &Arc<Queue>) -> Vec<Value> {
    shown(call, &consumers(call, queue))
}

/// The consumers of a channel.
pub(super) fn of_channel(
    call: &Call,
    vhost: &str,
    connection: ConnectionId,
    channel: u16,
) -> Vec<Value> {
    let Ok(vhost) = call.node().vhost(vhost) else { return Vec::new() };
    let mut found = Vec::new();
    for queue in vhost.queues() {
        found.extend(consumers(call, &queue).into_iter().filter(|consumer| {
            let facts = &consumer.details.facts;
            (facts.connection, facts.channel) == (connection, channel)
        }));
    }
    shown(call, &found)
}

fn shown(call: &Call, consumers: &[Consumer]) -> Vec<Value> {
    let wanted = Wanted::default();
    consumers.iter().map(|consumer| render(call, consumer, &wanted)).collect()
}

fn render(call: &Call, consumer: &Consumer, wanted: &Wanted) -> Value {
    let node = call.app.node_name();
    let default_timeout = call.node().config.consumer_timeout;
    let Consumer { details, queue, presence } = consumer;
    let (facts, identity) = (&details.facts, &presence.identity);
    let mut object = Object::new(wanted);
    object.put("consumer_tag", &*facts.tag);
    object.put("active", details.activity != Activity::Waiting);
    object.put("activity_status", details.activity.name());
    object.put("ack_required", details.ack_required);
    object.put("exclusive", details.exclusive);
    object.put("prefetch_count", details.prefetch);
    object.put("priority", details.priority);
    object.put("messages_unacknowledged", details.unacked);
    object.put("consumer_timeout", timeout_ms(default_timeout, consumer));
    object.put_with("arguments", || json::from_table(facts.arguments.view()));
    object.put_with("queue", || json!({"name": &**queue.name(), "vhost": &*queue.spec().vhost}));
    object.put_with("channel_details", || {
        json!({
            "number": facts.channel,
            "name": channels::name(presence, facts.channel),
            "connection_name": &*presence.name,
            "node": node,
            "peer_host": identity.peer.ip().to_canonical().to_string(),
            "peer_port": identity.peer.port(),
            "user": &*identity.user,
        })
    });
    object.build()
}

/// How long it may keep a delivery, as it, its queue or the configuration say; 0 for ever. Clients
/// want a number.
fn timeout_ms(default: Option<Duration>, consumer: &Consumer) -> u64 {
    let asked = consumer.details.facts.arguments.view().get("x-consumer-timeout");
    let own = asked.and_then(|value| value.as_int()).and_then(|ms| u64::try_from(ms).ok());
    let own = own.filter(|ms| *ms > 0).or_else(|| consumer.queue.consumer_timeout_ms());
    let default = || default.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    own.or_else(default).unwrap_or(0)
}

fn cancel(call: &Call) -> Outcome {
    let tag = call.parameter("tag");
    let channel: u16 = call.parameter("channel").parse().map_err(|_| Failure::not_found())?;
    let presence = call.node().presence_named(call.parameter("connection"));
    let presence = presence.ok_or_else(Failure::not_found)?;
    call.caller()?.check_controls_user(&presence.identity.user)?;
    if *presence.identity.vhost != *call.parameter("vhost") || !is_there(call, &presence, channel) {
        return Err(Failure::not_found());
    }
    tracing::info!(connection = &*presence.name, channel, tag, "a consumer is to be cancelled");
    let cancel = Outgoing::CancelConsumer { channel, tag: tag.into() };
    presence.outbox().push(cancel, &mut Wakes::default());
    Ok(Reply::done())
}

fn is_there(call: &Call, presence: &Presence, channel: u16) -> bool {
    let Ok(vhost) = call.vhost() else { return false };
    let id = presence.identity.id;
    vhost.queues().iter().any(|queue| {
        queue.consumers().iter().any(|consumer| {
            let facts = &consumer.facts;
            (facts.connection, facts.channel, &*facts.tag) == (id, channel, call.parameter("tag"))
        })
    })
}
