//! Connections: who is there, and the door.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::broker::{Presence, Traffic};
use crate::http::app::Call;
use crate::http::figures;
use crate::http::json;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{OPEN, Shape, always, maybe};
use crate::tls::TlsInfo;

/// What is said to a connection that is closed without a reason.
const REASON_DEFAULT: &str = "Closed via management plugin";
/// A header in which the reason may stand.
const REASON_HEADER: &str = "x-reason";
/// What all connections speak.
pub(super) const PROTOCOL: &str = "AMQP 0-9-1";

static CONNECTION: Shape = Shape::Object(&[
    always("name", &Shape::Text),
    always("node", &Shape::Text),
    always("state", &Shape::Text),
    always("protocol", &Shape::Text),
    always("user", &Shape::Text),
    always("vhost", &Shape::Text),
    always("connected_at", &Shape::Integer),
    always("channels", &Shape::Integer),
    always("client_properties", &OPEN),
    maybe("recv_oct", &Shape::Integer),
    maybe("send_oct", &Shape::Integer),
]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/connections", Access::Management, Now(all), "Lists the open connections.")
        .query(list::QUERY)
        .gives(&Shape::Page(&OPEN)),
    Route::get(
        "/api/vhosts/{vhost}/connections",
        Access::Visible,
        Now(all),
        "Lists the open connections to a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&OPEN)),
    Route::get(
        "/api/connections/username/{user}",
        Access::Management,
        Now(of_user),
        "Lists the open connections of a user.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&OPEN)),
    Route::delete(
        "/api/connections/username/{user}",
        Access::Management,
        Now(close_of_user),
        "Closes the connections of a user.",
    ),
    Route::get(
        "/api/connections/{connection}",
        Access::Management,
        Now(get),
        "Tells of one connection.",
    )
    .query(list::COLUMNS)
    .gives(&CONNECTION),
    Route::delete(
        "/api/connections/{connection}",
        Access::Management,
        Now(close),
        "Closes a connection; the header X-Reason may say why.",
    ),
];

/// Connections that the caller may see: all, or the caller's own.
pub(super) fn visible(call: &Call) -> Result<Vec<Arc<Presence>>, Failure> {
    let caller = call.caller()?;
    let vhost = call.route.has_vhost().then(|| call.parameter("vhost"));
    let mut found = call.node().presences();
    found.retain(|presence| {
        let identity = &presence.identity;
        vhost.is_none_or(|vhost| *identity.vhost == *vhost) && caller.sees_user(&identity.user)
    });
    Ok(found)
}

fn all(call: &Call) -> Outcome {
    listed(call, visible(call)?)
}

fn of_user(call: &Call) -> Outcome {
    let user = call.parameter("user");
    let mut found = visible(call)?;
    found.retain(|presence| *presence.identity.user == *user);
    listed(call, found)
}

fn listed(call: &Call, found: Vec<Arc<Presence>>) -> Outcome {
    list::list(
        call,
        found,
        |presence| (&presence.identity.vhost, &presence.name),
        |presence, wanted| render(call.app.node_name(), presence, wanted),
    )
}

/// The connection in the path, or 404; 401 if it is somebody else's.
pub(super) fn named(call: &Call) -> Result<Arc<Presence>, Failure> {
    let found = call.node().presence_named(call.parameter("connection"));
    let found = found.ok_or_else(Failure::not_found)?;
    call.caller()?.check_sees_user(&found.identity.user)?;
    Ok(found)
}

fn get(call: &Call) -> Outcome {
    let presence = named(call)?;
    list::one(call, |wanted| render(call.app.node_name(), &presence, wanted))
}

fn close(call: &Call) -> Outcome {
    let found = call.node().presence_named(call.parameter("connection"));
    let presence = found.ok_or_else(Failure::not_found)?;
    call.caller()?.check_controls_user(&presence.identity.user)?;
    call.node().close_presence(&presence, &reason(call));
    Ok(Reply::done())
}

fn close_of_user(call: &Call) -> Outcome {
    let user = call.parameter("user");
    call.caller()?.check_controls_user(user)?;
    let reason = reason(call);
    for presence in call.node().presences() {
        if *presence.identity.user == *user {
            call.node().close_presence(&presence, &reason);
        }
    }
    Ok(Reply::done())
}

fn reason(call: &Call) -> String {
    let given = call.headers.get(REASON_HEADER).map(|value| json::text(value.as_bytes()));
    given.filter(|given| !given.is_empty()).unwrap_or_else(|| REASON_DEFAULT.to_owned())
}

/// What other objects tell of their connection.
pub(super) fn brief(presence: &Presence) -> Value {
    let peer = presence.identity.peer;
    json!({
        "name": &*presence.name,
        "peer_host": peer.ip().to_canonical().to_string(),
        "peer_port": peer.port(),
    })
}

fn render(node: &str, presence: &Presence, wanted: &Wanted) -> Value {
    let identity = &presence.identity;
    let (peer, local) = (identity.peer, identity.local);
    let mut object = Object::new(wanted);
    object.put("name", &*presence.name);
    object.put("node", node);
    object.put("state", presence.state().name());
    object.put("protocol", PROTOCOL);
    object.put("type", "network");
    object.put("user", &*identity.user);
    object.put("user_who_performed_action", &*identity.user);
    object.put("vhost", &*identity.vhost);
    object.put("connected_at", identity.connected_ms);
    object.put("host", local.ip().to_canonical().to_string());
    object.put("port", local.port());
    object.put("peer_host", peer.ip().to_canonical().to_string());
    object.put("peer_port", peer.port());
    put_tls(&mut object, identity.tls.as_deref());
    object.put("auth_mechanism", &*identity.mechanism);
    object.put("timeout", identity.heartbeat);
    object.put("frame_max", identity.frame_max_bytes);
    object.put("channel_max", identity.channel_max);
    object.put("channels", presence.channel_count());
    object.put_with("client_properties", || json::from_table(identity.client_properties.view()));
    if object.wants("user_provided_name")
        && let Some(name) = presence.user_provided_name()
    {
        object.put("user_provided_name", name);
    }
    put_traffic(&mut object, presence);
    object.put("garbage_collection", Map::new());
    object.build()
}

/// Names out of certificates may be anything: whoever shows them has to escape them.
fn put_tls(object: &mut Object<'_>, tls: Option<&TlsInfo>) {
    let peer = tls.and_then(|tls| tls.peer.as_ref());
    object.put("ssl", tls.is_some());
    object.put("ssl_protocol", tls.map(|tls| tls.protocol));
    object.put("ssl_key_exchange", tls.map(|tls| tls.key_exchange.as_str()));
    object.put("ssl_cipher", tls.map(|tls| tls.cipher.as_str()));
    object.put("ssl_hash", tls.map(|tls| tls.hash));
    object.put("peer_cert_subject", peer.map(|peer| peer.subject.as_str()));
    object.put("peer_cert_issuer", peer.map(|peer| peer.issuer.as_str()));
    object.put("peer_cert_validity", peer.map(|peer| peer.validity.as_str()));
}

fn put_traffic(object: &mut Object<'_>, presence: &Presence) {
    let values = presence.traffic.values().into_iter().zip(presence.rates.get());
    for (name, (value, rate)) in Traffic::NAMES.iter().zip(values) {
        figures::put_rated(object, name, value, rate);
    }
    object.put("send_pend", presence.traffic.pending_bytes.get());
}
