//! What the broker can do and runs with: feature flags, settings, and what it does not have.

use serde_json::{Map, Value, json};

use crate::http::app::Call;
use crate::http::list;
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{OPEN, Shape, always};

/// Features that RabbitMQ has introduced behind flags and that are here, always: name and what it
/// is.
const FLAGS: [(&str, &str); 9] = [
    ("direct_exchange_routing_v2", "Direct exchanges find queues by their key at once"),
    ("drop_unroutable_metric", "Messages that are dropped as unroutable are counted"),
    ("empty_basic_get_metric", "Answers to basic.get on empty queues are counted"),
    ("feature_flags_v2", "Flags are enabled one by one"),
    ("implicit_default_bindings", "What is bound to the default exchange is not stored"),
    ("quorum_queue", "Queues of type quorum"),
    ("stream_queue", "What NServiceBus asks for: quorum queues dead-letter at least once"),
    ("user_limits", "Connections and channels of users can be limited"),
    ("virtual_host_metadata", "Virtual hosts have a description and tags"),
];
/// What RabbitMQ will give up one day, and is permitted here.
const TRANSIENT_QUEUES: &str = "transient_nonexcl_queues";

static FLAG: Shape = Shape::Object(&[
    always("name", &Shape::Text),
    always("state", &Shape::Text),
    always("desc", &Shape::Text),
    always("doc_url", &Shape::Text),
    always("stability", &Shape::Text),
    always("provided_by", &Shape::Text),
]);
static DEPRECATED: Shape = Shape::Object(&[
    always("name", &Shape::Text),
    always("state", &Shape::Text),
    always("deprecation_phase", &Shape::Text),
    always("desc", &Shape::Text),
    always("doc_url", &Shape::Text),
    always("provided_by", &Shape::Text),
]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get(
        "/api/feature-flags",
        Access::Administrator,
        Now(flags),
        "Lists the features of RabbitMQ that had a flag and are here.",
    )
    .gives(&Shape::List(&FLAG)),
    Route::put(
        "/api/feature-flags/{name}/enable",
        Access::Administrator,
        Now(enable),
        "Enables a feature, which here is always done already.",
    )
    .done(&[204]),
    Route::get(
        "/api/deprecated-features",
        Access::Administrator,
        Now(deprecated),
        "Lists what RabbitMQ will give up one day.",
    )
    .gives(&Shape::List(&DEPRECATED)),
    Route::get(
        "/api/deprecated-features/used",
        Access::Administrator,
        Now(deprecated_and_used),
        "Lists what of that is used.",
    )
    .gives(&Shape::List(&DEPRECATED)),
    Route::get(
        "/api/config/effective",
        Access::Administrator,
        Now(settings),
        "Tells the settings that the broker runs with, without secrets.",
    )
    .gives(&OPEN),
    Route::get(
        "/api/federation-links",
        Access::Monitoring,
        Now(nothing),
        "Lists federation links, of which there are none.",
    )
    .gives(&Shape::List(&OPEN)),
    Route::get(
        "/api/federation-links/{vhost}",
        Access::Monitoring,
        Now(nothing),
        "Lists federation links of a virtual host, of which there are none.",
    )
    .gives(&Shape::List(&OPEN)),
    Route::get(
        "/api/shovels",
        Access::Monitoring,
        Now(nothing),
        "Lists shovels, of which there are none.",
    )
    .gives(&Shape::List(&OPEN)),
    Route::get(
        "/api/shovels/{vhost}",
        Access::Monitoring,
        Now(nothing),
        "Lists shovels of a virtual host, of which there are none.",
    )
    .gives(&Shape::List(&OPEN)),
];

fn flags(_: &Call) -> Outcome {
    let flag = |(name, what)| {
        json!({
            "name": name, "state": "enabled", "desc": what, "doc_url": "",
            "stability": "required", "provided_by": "warren",
        })
    };
    Reply::json(&FLAGS.map(flag))
}

fn enable(call: &Call) -> Outcome {
    let name = call.parameter("name");
    if FLAGS.iter().any(|(known, _)| *known == name) {
        return Ok(Reply::done());
    }
    Err(Failure::bad_request(format!("there is no feature flag '{name}'")))
}

fn transient_queues() -> Value {
    json!({
        "name": TRANSIENT_QUEUES, "state": "permitted", "deprecation_phase": "permitted_by_default",
        "desc": "Queues that are neither durable nor exclusive", "doc_url": "",
        "provided_by": "warren",
    })
}

fn deprecated(_: &Call) -> Outcome {
    Reply::json(&[transient_queues()])
}

fn deprecated_and_used(call: &Call) -> Outcome {
    let vhosts = call.node().vhosts();
    let mut queues = vhosts.iter().flat_map(|vhost| vhost.queues());
    let used = queues.any(|queue| !queue.spec().durable && queue.spec().owner.is_none());
    Reply::json(&used.then(transient_queues).into_iter().collect::<Vec<_>>())
}

fn settings(call: &Call) -> Outcome {
    let all = call.node().config.effective().into_iter();
    let all: Map<_, _> = all.map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
    Reply::json(&all)
}

/// What there is nothing of.
fn nothing(call: &Call) -> Outcome {
    list::list(call, Vec::<()>::new(), |()| ("", ""), |(), _| Value::Null)
}
