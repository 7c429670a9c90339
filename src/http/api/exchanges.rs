//! Exchanges.

use std::sync::Arc;

use serde_json::{Value, json};

use super::bindings::{exchange_name, exchange_of};
use super::scope::{Scoped, check_name, scoped, vhosts};
use crate::exchange::Exchange;
use crate::http::app::Call;
use crate::http::figures;
use crate::http::json;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{
    Access,
    Handler::{Later, Now},
    Route,
};
use crate::http::schema::{Field, OPEN, Shape, always, maybe};
use crate::outbox::Wakes;
use crate::vhost::{DeclareExchange, VirtualHost};

/// The type of an exchange that is declared without one, as in RabbitMQ.
const KIND_DEFAULT: &str = "direct";

static EXCHANGE: Shape = Shape::Object(&[
    always("name", &Shape::Text),
    always("vhost", &Shape::Text),
    always("type", &Shape::Text),
    always("durable", &Shape::Flag),
    always("auto_delete", &Shape::Flag),
    always("internal", &Shape::Flag),
    always("arguments", &OPEN),
]);
static BODY: Shape = Shape::Object(&[
    maybe("type", &Shape::Text),
    maybe("durable", &Shape::Flag),
    maybe("auto_delete", &Shape::Flag),
    maybe("internal", &Shape::Flag),
    maybe("arguments", &OPEN),
]);
static DELETE_QUERY: &[Field] = &[maybe("if-unused", &Shape::Flag)];

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/exchanges", Access::Management, Now(all), "Lists all exchanges.")
        .query(list::QUERY)
        .gives(&Shape::Page(&OPEN)),
    Route::get(
        "/api/exchanges/{vhost}",
        Access::Visible,
        Now(all),
        "Lists the exchanges of a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&OPEN)),
    Route::get(
        "/api/exchanges/{vhost}/{exchange}",
        Access::Visible,
        Now(get),
        "Tells of one exchange.",
    )
    .query(list::COLUMNS)
    .gives(&EXCHANGE),
    Route::put(
        "/api/exchanges/{vhost}/{exchange}",
        Access::Member,
        Later(|call| Box::pin(declare(call))),
        "Declares an exchange.",
    )
    .takes(&BODY),
    Route::delete(
        "/api/exchanges/{vhost}/{exchange}",
        Access::Member,
        Later(|call| Box::pin(delete(call))),
        "Deletes an exchange.",
    )
    .query(DELETE_QUERY),
];

fn all(call: &Call) -> Outcome {
    let mut exchanges = Vec::new();
    for vhost in vhosts(call)? {
        exchanges.extend(vhost.exchanges());
    }
    let has_stats = !call.has_flag("disable_stats");
    list::list(
        call,
        exchanges,
        |exchange| (&exchange.spec().vhost, exchange.name()),
        |exchange, wanted| render(exchange, wanted, has_stats),
    )
}

fn get(call: &Call) -> Outcome {
    let vhost = call.vhost()?;
    let exchange = exchange_of(&vhost, call.parameter("exchange"))?;
    let has_stats = !call.has_flag("disable_stats");
    list::one(call, |wanted| {
        let mut shown = render(&exchange, wanted, has_stats);
        // Who publishes to it and what it hands to whom is not counted one by one.
        if let (true, Some(fields)) = (wanted.everything(), shown.as_object_mut()) {
            fields.insert("incoming".to_owned(), json!([]));
            fields.insert("outgoing".to_owned(), json!([]));
        }
        shown
    })
}

fn render(exchange: &Arc<Exchange>, wanted: &Wanted, has_stats: bool) -> Value {
    let spec = exchange.spec();
    let mut object = Object::new(wanted);
    object.put("name", &*spec.name);
    object.put("vhost", &*spec.vhost);
    object.put("type", spec.kind.name());
    object.put("durable", spec.durable);
    object.put("auto_delete", spec.auto_delete);
    object.put("internal", spec.internal);
    object.put_with("arguments", || json::from_table(spec.arguments.view()));
    if object.wants("policy")
        && let Some(shown) = exchange.effective_policy()
    {
        object.put("policy", shown.policy.as_deref());
    }
    if has_stats && object.wants("message_stats") {
        let counts = exchange.counters().get();
        let [publish_in, publish_out] = exchange.rates();
        let stats = figures::counters([
            ("publish_in", counts.publish_in, publish_in),
            ("publish_out", counts.publish_out, publish_out),
        ]);
        figures::put_message_stats(&mut object, stats);
    }
    object.build()
}

async fn declare(call: &Call) -> Outcome {
    let name = call.parameter("exchange");
    check_name("exchange", name)?;
    let fields = call.fields()?;
    let asked = DeclareExchange {
        name,
        kind: fields.text("type")?.unwrap_or(KIND_DEFAULT),
        durable: fields.flag("durable", false)?,
        auto_delete: fields.flag("auto_delete", false)?,
        internal: fields.flag("internal", false)?,
        arguments: json::to_table(&fields.object("arguments")?)?,
    };
    let Scoped { actor, vhost } = scoped(call)?;
    let created = !has(&vhost, name);
    actor.declare_exchange(asked, &mut Wakes::default())?;
    call.node().definitions_on_disk().await;
    Ok(Reply::created_or_done(created))
}

fn has(vhost: &VirtualHost, name: &str) -> bool {
    vhost.exchange(name).is_ok()
}

async fn delete(call: &Call) -> Outcome {
    let name = exchange_name(call.parameter("exchange"));
    let Scoped { actor, vhost } = scoped(call)?;
    if !has(&vhost, name) {
        return Err(Failure::not_found());
    }
    actor.delete_exchange(name, call.has_flag("if-unused"), &mut Wakes::default())?;
    call.node().definitions_on_disk().await;
    Ok(Reply::done())
}
