//! Queues.

use serde_json::json;

use super::consumers;
use super::queue_view::{Detail, render};
use super::scope::{Scoped, check_name, scoped, vhosts};
use crate::clock;
use crate::http::app::Call;
use crate::http::json;
use crate::http::list;
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{
    Access,
    Handler::{Later, Now},
    Route,
};
use crate::http::schema::{Field, OPEN, Shape, always, maybe};
use crate::outbox::Wakes;
use crate::queue::Conditions;
use crate::vhost::DeclareQueue;

static QUEUE: Shape = Shape::Object(&[
    always("name", &Shape::Text),
    always("vhost", &Shape::Text),
    always("type", &Shape::Text),
    always("durable", &Shape::Flag),
    always("auto_delete", &Shape::Flag),
    always("exclusive", &Shape::Flag),
    always("arguments", &OPEN),
    maybe("messages", &Shape::Integer),
    maybe("messages_ready", &Shape::Integer),
    maybe("messages_unacknowledged", &Shape::Integer),
    maybe("consumers", &Shape::Integer),
]);
static BODY: Shape = Shape::Object(&[
    maybe("durable", &Shape::Flag),
    maybe("auto_delete", &Shape::Flag),
    maybe("arguments", &OPEN),
    maybe("node", &Shape::Text),
]);
static DELETE_QUERY: &[Field] =
    &[maybe("if-empty", &Shape::Flag), maybe("if-unused", &Shape::Flag)];

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/queues", Access::Management, Now(all), "Lists all queues.")
        .query(list::QUERY)
        .gives(&Shape::Page(&OPEN)),
    Route::get(
        "/api/queues/detailed",
        Access::Management,
        Now(all_detailed),
        "Lists all queues with everything that is known of them.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&OPEN)),
    Route::get(
        "/api/queues/{vhost}",
        Access::Visible,
        Now(all),
        "Lists the queues of a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&OPEN)),
    Route::get("/api/queues/{vhost}/{queue}", Access::Visible, Now(get), "Tells of one queue.")
        .query(list::COLUMNS)
        .gives(&QUEUE),
    Route::put(
        "/api/queues/{vhost}/{queue}",
        Access::Member,
        Later(|call| Box::pin(declare(call))),
        "Declares a queue.",
    )
    .takes(&BODY),
    Route::delete(
        "/api/queues/{vhost}/{queue}",
        Access::Member,
        Later(|call| Box::pin(delete(call))),
        "Deletes a queue.",
    )
    .query(DELETE_QUERY),
    Route::delete(
        "/api/queues/{vhost}/{queue}/contents",
        Access::Member,
        Now(purge),
        "Drops the messages that wait in a queue.",
    ),
    Route::post(
        "/api/rebalance/queues",
        Access::Administrator,
        Now(rebalance),
        "Spreads queues over the nodes, of which there is one.",
    )
    .done(&[204]),
];

fn all(call: &Call) -> Outcome {
    let columns = call.query("columns").is_some_and(|columns| !columns.is_empty());
    let detail = match (call.has_flag("disable_stats"), call.has_flag("enable_queue_totals")) {
        (true, true) => Detail::Totals,
        (true, false) => Detail::Definition,
        (false, _) if columns || call.query("sort").is_some() => Detail::Everything,
        (false, _) => Detail::Usual,
    };
    listed(call, detail)
}

fn all_detailed(call: &Call) -> Outcome {
    listed(call, Detail::Everything)
}

fn listed(call: &Call, detail: Detail) -> Outcome {
    let mut queues = Vec::new();
    for vhost in vhosts(call)? {
        queues.extend(vhost.queues());
    }
    let node = call.app.node_name();
    let now_ms = clock::now_ms();
    list::list(
        call,
        queues,
        |queue| (&queue.spec().vhost, queue.name()),
        |queue, wanted| render(call.node(), node, queue, detail, now_ms, wanted).build(),
    )
}

fn get(call: &Call) -> Outcome {
    let vhost = call.vhost()?;
    let queue = vhost.queue(call.parameter("queue")).map_err(|_| Failure::not_found())?;
    let (node, now_ms) = (call.app.node_name(), clock::now_ms());
    let is_full = !call.has_flag("disable_stats");
    let detail = if is_full { Detail::Everything } else { Detail::Definition };
    list::one(call, |wanted| {
        let mut object = render(call.node(), node, &queue, detail, now_ms, wanted);
        if is_full {
            object.put_with("consumer_details", || consumers::of_queue(call, &queue).into());
            // Which exchange and which channel brought or took how much is not counted.
            object.put("incoming", json!([]));
            object.put("deliveries", json!([]));
        }
        object.build()
    })
}

async fn declare(call: &Call) -> Outcome {
    let name = call.parameter("queue");
    check_name("queue", name)?;
    let fields = call.fields()?;
    check_node(call, fields.text("node")?)?;
    let Scoped { actor, vhost } = scoped(call)?;
    let asked = DeclareQueue {
        name,
        connection: crate::queue::ConnectionId::NOBODY,
        durable: fields.flag("durable", false)?,
        exclusive: false,
        auto_delete: fields.flag("auto_delete", false)?,
        arguments: json::to_table(&fields.object("arguments")?)?,
    };
    let created = vhost.queue(name).is_err();
    actor.declare_queue(&asked, &mut Wakes::default())?;
    call.node().definitions_on_disk().await;
    Ok(Reply::created_or_done(created))
}

/// A client may say where the queue is to be, and that can only be here.
fn check_node(call: &Call, node: Option<&str>) -> Result<(), Failure> {
    match node {
        Some(node) if node != call.app.node_name() => {
            Err(Failure::bad_request(format!("node: there is no node '{node}'")))
        }
        _ => Ok(()),
    }
}

async fn delete(call: &Call) -> Outcome {
    let Scoped { actor, .. } = scoped(call)?;
    let conditions = Conditions {
        if_unused: call.has_flag("if-unused"),
        if_empty: call.has_flag("if-empty"),
        ..Conditions::default()
    };
    let name = call.parameter("queue");
    // The wakes have to go before anything is waited for: they tell the store.
    let deleted = actor.delete_queue(name, conditions, &mut Wakes::default())?;
    if deleted.is_none() {
        return Err(Failure::not_found());
    }
    call.node().definitions_on_disk().await;
    Ok(Reply::done())
}

fn purge(call: &Call) -> Outcome {
    let Scoped { actor, vhost } = scoped(call)?;
    let name = call.parameter("queue");
    if vhost.queue(name).is_err() {
        return Err(Failure::not_found());
    }
    actor.purge(name, &mut Wakes::default())?;
    Ok(Reply::done())
}

/// Queues stay where they are; who may ask has been checked.
fn rebalance(call: &Call) -> Outcome {
    call.caller().map(|_| Reply::done())
}
