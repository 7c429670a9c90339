//! Channels.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{connections, consumers};
use crate::broker::Presence;
use crate::clock;
use crate::http::app::Call;
use crate::http::figures;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{OPEN, Shape, always};
use crate::http::time::rfc3339;
use crate::stats::ChannelStatistics;

/// A channel that has done nothing for this long says since when.
const IDLE_MS: u64 = 1_000;

static CHANNEL: Shape = Shape::Object(&[
    always("name", &Shape::Text),
    always("number", &Shape::Integer),
    always("connection_details", &OPEN),
    always("vhost", &Shape::Text),
    always("state", &Shape::Text),
    always("consumer_count", &Shape::Integer),
    always("confirm", &Shape::Flag),
    always("prefetch_count", &Shape::Integer),
    always("messages_unacknowledged", &Shape::Integer),
    always("messages_unconfirmed", &Shape::Integer),
]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/channels", Access::Management, Now(all), "Lists the open channels.")
        .query(list::QUERY)
        .gives(&Shape::Page(&OPEN)),
    Route::get(
        "/api/vhosts/{vhost}/channels",
        Access::Visible,
        Now(all),
        "Lists the open channels to a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&OPEN)),
    Route::get(
        "/api/connections/{connection}/channels",
        Access::Management,
        Now(of_connection),
        "Lists the channels of a connection.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&OPEN)),
    Route::get("/api/channels/{channel}", Access::Management, Now(get), "Tells of one channel.")
        .query(list::COLUMNS)
        .gives(&CHANNEL),
];

/// A channel and the connection that it is on.
struct Open {
    name: String,
    presence: Arc<Presence>,
    statistics: Arc<ChannelStatistics>,
}

fn of(presence: &Arc<Presence>) -> impl Iterator<Item = Open> + '_ {
    presence.channels().into_iter().map(|statistics| Open {
        name: name(presence, statistics.number),
        presence: presence.clone(),
        statistics,
    })
}

/// What a channel is called.
pub(super) fn name(presence: &Presence, number: u16) -> String {
    format!("{} ({number})", presence.name)
}

fn all(call: &Call) -> Outcome {
    let connections = connections::visible(call)?;
    listed(call, connections.iter().flat_map(of).collect())
}

fn of_connection(call: &Call) -> Outcome {
    let presence = connections::named(call)?;
    listed(call, of(&presence).collect())
}

fn listed(call: &Call, open: Vec<Open>) -> Outcome {
    let now_ms = clock::now_ms();
    list::list(
        call,
        open,
        |open| (&open.presence.identity.vhost, &open.name),
        |open, wanted| render(call.app.node_name(), open, now_ms, wanted).build(),
    )
}

fn get(call: &Call) -> Outcome {
    let found = find(call).ok_or_else(Failure::not_found)?;
    call.caller()?.check_sees_user(&found.presence.identity.user)?;
    list::one(call, |wanted| {
        let mut object = render(call.app.node_name(), &found, clock::now_ms(), wanted);
        object.put_with("consumer_details", || {
            let (id, number) = (found.presence.identity.id, found.statistics.number);
            consumers::of_channel(call, &found.presence.identity.vhost, id, number).into()
        });
        // What went to or came from which exchange and queue is not counted for each channel.
        object.put("publishes", json!([]));
        object.put("deliveries", json!([]));
        object.build()
    })
}

/// `PEER:PORT -> LOCAL:PORT (NUMBER)`
fn find(call: &Call) -> Option<Open> {
    let name = call.parameter("channel");
    let (connection, number) = name.strip_suffix(')')?.rsplit_once(" (")?;
    let presence = call.node().presence_named(connection)?;
    let statistics = presence.channel(number.parse().ok()?)?;
    Some(Open { name: name.to_owned(), presence, statistics })
}

fn render<'w>(node: &str, open: &Open, now_ms: u64, wanted: &'w Wanted) -> Object<'w> {
    let identity = &open.presence.identity;
    let details = open.statistics.details();
    let mut object = Object::new(wanted);
    object.put("name", open.name.as_str());
    object.put("number", details.number);
    object.put("node", node);
    object.put_with("connection_details", || connections::brief(&open.presence));
    object.put("vhost", &*identity.vhost);
    object.put("user", &*identity.user);
    object.put("user_who_performed_action", &*identity.user);
    object.put("state", "running");
    if now_ms.saturating_sub(details.active_ms) >= IDLE_MS {
        object.put_with("idle_since", || rfc3339(details.active_ms).into());
    }
    object.put("consumer_count", details.consumers);
    object.put("confirm", details.confirm);
    object.put("transactional", details.transactional);
    object.put("prefetch_count", details.prefetch);
    object.put("global_prefetch_count", details.global_prefetch);
    object.put("messages_unacknowledged", details.unacked);
    object.put("messages_unconfirmed", details.unconfirmed);
    object.put("messages_uncommitted", details.uncommitted);
    object.put("acks_uncommitted", details.uncommitted_acks);
    if object.wants("message_stats") {
        let stats = figures::messages(&details.messages, &details.rates);
        figures::put_message_stats(&mut object, stats);
    }
    object.put("garbage_collection", Value::Object(Map::new()));
    object
}
