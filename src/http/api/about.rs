//! Who asks, what the API is and what the broker is called; logins; a test that it is alive.

use serde_json::{Value, json};

use super::nodes::check_node;
use super::scope::{Scoped, scoped};
use crate::access::{PasswordHash, Tag};
use crate::amqp::table::Table;
use crate::broker::Publication;
use crate::http::app::Call;
use crate::http::openapi;
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{
    Access,
    Handler::{Later, Now},
    Route,
};
use crate::http::schema::{OPEN, Shape, always};
use crate::names::COMPATIBLE_VERSION;
use crate::outbox::Wakes;
use crate::queue::ConnectionId;
use crate::vhost::DeclareQueue;

/// The queue that the test of being alive goes through.
const ALIVENESS_QUEUE: &str = "aliveness-test";
/// What goes through it.
const ALIVENESS_BODY: &[u8] = b"test_message";
/// The global parameter that names the cluster.
const CLUSTER_NAME: &str = "cluster_name";

static USER: Shape =
    Shape::Object(&[always("name", &Shape::Text), always("tags", &Shape::List(&Shape::Text))]);
static NAME: Shape = Shape::Object(&[always("name", &Shape::Text)]);
static ATTEMPTS: Shape = Shape::List(&Shape::Object(&[
    always("protocol", &Shape::Text),
    always("auth_attempts", &Shape::Integer),
    always("auth_attempts_failed", &Shape::Integer),
    always("auth_attempts_succeeded", &Shape::Integer),
]));
static HASH: Shape = Shape::Object(&[always("ok", &Shape::Text)]);
static STATUS: Shape = Shape::Object(&[always("status", &Shape::Text)]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/whoami", Access::Management, Now(whoami), "Tells who asks.").gives(&USER),
    Route::get("/api/openapi.json", Access::Anyone, Now(document), "Describes this API.")
        .gives(&OPEN),
    Route::get("/api/version", Access::Management, Now(version), "Tells the version.")
        .gives(&Shape::Text),
    Route::get(
        "/api/auth",
        Access::Anyone,
        Now(auth),
        "Tells how a browser logs in: never with OAuth.",
    )
    .gives(&OPEN),
    Route::get(
        "/api/extensions",
        Access::Management,
        Now(extensions),
        "Lists extensions of the user interface, of which there are none.",
    )
    .gives(&Shape::List(&OPEN)),
    Route::get(
        "/api/cluster-name",
        Access::Management,
        Now(cluster_name),
        "Tells what the cluster is called.",
    )
    .gives(&NAME),
    Route::put(
        "/api/cluster-name",
        Access::Administrator,
        Later(|call| Box::pin(set_cluster_name(call))),
        "Names the cluster.",
    )
    .takes(&NAME)
    .done(&[204]),
    Route::get(
        "/api/auth/hash_password/{password}",
        Access::Administrator,
        Now(hash_password),
        "Makes the hash of a password, with a new salt.",
    )
    .gives(&HASH),
    Route::get(
        "/api/auth/attempts/{node}",
        Access::Monitoring,
        Now(attempts),
        "Counts logins by protocol.",
    )
    .gives(&ATTEMPTS),
    Route::get(
        "/api/aliveness-test/{vhost}",
        Access::Member,
        Later(|call| Box::pin(is_alive(call))),
        "Sends a message through a queue of a virtual host.",
    )
    .gives(&STATUS)
    .fails(&[503]),
];

fn whoami(call: &Call) -> Outcome {
    let user = &call.caller()?.user;
    Reply::json(&json!({
        "name": &*user.name,
        "tags": user.tags.iter().map(Tag::name).collect::<Vec<_>>(),
        "is_internal_user": true,
    }))
}

fn document(_: &Call) -> Outcome {
    Reply::json(&*openapi::DOCUMENT)
}

fn version(_: &Call) -> Outcome {
    Reply::json(&COMPATIBLE_VERSION)
}

fn auth(_: &Call) -> Outcome {
    Reply::json(&json!({"oauth_enabled": false}))
}

fn extensions(_: &Call) -> Outcome {
    Reply::json(&json!([]))
}

fn cluster_name(call: &Call) -> Outcome {
    Reply::json(&json!({"name": call.app.cluster_name()}))
}

async fn set_cluster_name(call: &Call) -> Outcome {
    let fields = call.fields()?;
    let name = Value::from(fields.required_text("name")?);
    let set = call.node().set_global_parameter(CLUSTER_NAME, &name.to_string());
    set.map_err(|error| Failure::bad_request(error.to_string()))?;
    call.node().definitions_on_disk().await;
    Ok(Reply::done())
}

fn hash_password(call: &Call) -> Outcome {
    match PasswordHash::new(call.parameter("password").as_bytes()) {
        Ok(hash) => Reply::json(&json!({"ok": hash.text()})),
        Err(error) => Err(Failure::bad_request(error.to_string())),
    }
}

fn attempts(call: &Call) -> Outcome {
    check_node(call)?;
    let ledger = &call.node().ledger;
    let shown = |protocol: &str, logins: &crate::stats::LoginCounters| {
        let (succeeded, failed) = (logins.succeeded.get(), logins.failed.get());
        json!({
            "protocol": protocol,
            "auth_attempts": succeeded + failed,
            "auth_attempts_failed": failed,
            "auth_attempts_succeeded": succeeded,
        })
    };
    let (http, amqp) = (&ledger.http_logins, &ledger.amqp_logins);
    Reply::json(&json!([shown("http", http), shown("amqp091", amqp)]))
}

/// Declares a queue, publishes to it, and takes out what is there: as a client would.
async fn is_alive(call: &Call) -> Outcome {
    let Scoped { actor, .. } = scoped(call)?;
    let node = call.node();
    let asked = DeclareQueue {
        name: ALIVENESS_QUEUE,
        connection: ConnectionId::NOBODY,
        durable: false,
        exclusive: false,
        auto_delete: false,
        arguments: Table::default(),
    };
    actor.declare_queue(&asked, &mut Wakes::default())?;
    let publication = Publication {
        exchange: "",
        routing_key: ALIVENESS_QUEUE.as_bytes(),
        properties: &[0, 0],
        body: bytes::Bytes::from_static(ALIVENESS_BODY),
    };
    let published = actor.publish(node, publication, &mut Wakes::default());
    node.settled(published?.seq).await;
    let queue = actor.readable_queue(ALIVENESS_QUEUE)?;
    let got = queue.get(true, &mut Wakes::default());
    if got.is_none() {
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        let body = json!({"status": "failed", "reason": "no message came back"});
        return Err(Failure::with_body(status, body));
    }
    Reply::json(&json!({"status": "ok"}))
}
