//! `/metrics` in Prometheus's text format, with RabbitMQ's names.
//!
//! Nothing is kept for it: whoever asks has everything counted up. `text.rs` knows the format,
//! `series.rs` the two ways to show objects, the other files what there is to tell.

mod exchanges;
mod global;
mod node;
mod queues;
mod series;
mod sessions;
mod text;

use axum::http::StatusCode;

use self::queues::Which;
use self::series::{show_each, show_folded};
use self::text::Text;
use super::app::Call;
use super::reply::{Failure, Outcome, Reply};
use super::route::{Access, Handler::Now, Route};
use super::schema::{Field, Shape, maybe};
use crate::broker::Node;
use crate::clock;

/// The media type of the format.
const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";
const PREFIX: &str = "rabbitmq_";
const DETAILED_PREFIX: &str = "rabbitmq_detailed_";
const CLUSTER_PREFIX: &str = "rabbitmq_cluster_";

/// What `/metrics/detailed` can be asked for.
const FAMILIES: &[&str] = &[
    "auth_attempt_metrics",
    "channel_exchange_metrics",
    "channel_metrics",
    "channel_queue_metrics",
    "connection_churn_metrics",
    "connection_coarse_metrics",
    "connection_metrics",
    "exchange_bindings",
    "exchange_metrics",
    "exchange_names",
    "node_coarse_metrics",
    "node_metrics",
    "node_persister_metrics",
    "queue_coarse_metrics",
    "queue_consumer_count",
    "queue_delivery_metrics",
    "queue_exchange_metrics",
    "queue_metrics",
    "vhost_status",
    queues::OWN_FAMILY,
];

/// What it may be asked for that does not exist here: processes and garbage of Erlang, streams, the
/// log of Raft, and what no queue and no channel counts apart. They have no series.
const FAMILIES_WITHOUT_SERIES: &[&str] = &[
    "channel_process_metrics",
    "channel_queue_exchange_metrics",
    "ra_metrics",
    "stream_consumer_metrics",
];

static DETAILS: &[Field] =
    &[maybe("family", &Shape::Text), maybe("vhost", &Shape::Text), maybe("queue", &Shape::Text)];

/// The routes.
pub(super) static ROUTES: &[Route] = &[
    Route::get("/metrics", Access::Monitoring, Now(aggregated), "Metrics of the whole node.")
        .gives_text(MEDIA),
    Route::get(
        "/metrics/per-object",
        Access::Monitoring,
        Now(per_object),
        "Metrics of each connection, channel, queue and exchange.",
    )
    .gives_text(MEDIA),
    Route::get(
        "/metrics/detailed",
        Access::Monitoring,
        Now(detailed),
        "Metrics of the families asked for, of each object, of all or some virtual hosts.",
    )
    .query(DETAILS)
    .gives_text(MEDIA),
];

const EVERYWHERE: Which<'_> = Which { vhosts: &[], queues: &[] };

#[allow(clippy::unnecessary_wraps, reason = "a handler")]
fn aggregated(call: &Call) -> Outcome {
    let node = call.node();
    let mut text = Text::default();
    begin(&mut text, node, "aggregated");
    let queues = queues::collect(node, &EVERYWHERE, false, clock::now_ms());
    show_folded(&mut text, PREFIX, queues::QUEUES, &queues);
    show_folded(&mut text, node::OWN_PREFIX, queues::OWN, &queues);
    queues::show_waits_folded(&mut text, &queues);
    let (connections, channels) = sessions::collect(node, &EVERYWHERE);
    show_folded(&mut text, PREFIX, sessions::CONNECTIONS, &connections);
    show_folded(&mut text, PREFIX, sessions::CHANNELS, &channels);
    Ok(Reply::text(MEDIA, text.into_string()))
}

#[allow(clippy::unnecessary_wraps, reason = "a handler")]
fn per_object(call: &Call) -> Outcome {
    let node = call.node();
    let mut text = Text::default();
    begin(&mut text, node, "per-object");
    let all = |_: &str| true;
    let queues = queues::collect(node, &EVERYWHERE, true, clock::now_ms());
    for table in [queues::QUEUES, queues::DELIVERIES] {
        show_each(&mut text, PREFIX, table, &queues, &all);
    }
    show_each(&mut text, node::OWN_PREFIX, queues::OWN, &queues, &all);
    queues::show_waits(&mut text, &queues);
    let (connections, channels) = sessions::collect(node, &EVERYWHERE);
    show_each(&mut text, PREFIX, sessions::CONNECTIONS, &connections, &all);
    show_each(&mut text, PREFIX, sessions::CHANNELS, &channels, &all);
    let (exchanges, _) = exchanges::collect(node, &EVERYWHERE);
    show_each(&mut text, PREFIX, exchanges::EXCHANGES, &exchanges, &all);
    Ok(Reply::text(MEDIA, text.into_string()))
}

/// What stands in front of the objects.
fn begin(text: &mut Text, node: &Node, endpoint: &str) {
    let counts = node.object_counts();
    node::show_identity(text, node, endpoint);
    node::show_alarms(text, node);
    node::show(text, PREFIX, node, &counts, &|_| true);
    node::show_counts(text, &counts);
    node::show_store(text, node);
    global::show(text, node, &counts);
}

fn detailed(call: &Call) -> Outcome {
    let families: Vec<&str> = call.queries("family").collect();
    let known =
        |family: &&&str| !FAMILIES.contains(*family) && !FAMILIES_WITHOUT_SERIES.contains(*family);
    if let Some(unknown) = families.iter().find(known) {
        let reason = format!("unknown family '{unknown}'; there are {}", FAMILIES.join(", "));
        return Err(Failure::new(StatusCode::BAD_REQUEST, "bad_request", reason));
    }
    let (vhosts, names): (Vec<&str>, Vec<&str>) =
        (call.queries("vhost").collect(), call.queries("queue").collect());
    let which = Which { vhosts: &vhosts, queues: &names };
    // A part of another one, which would be there twice.
    let is_doubled =
        |family: &str| family == "queue_consumer_count" && families.contains(&"queue_metrics");
    let wants = |family: &str| families.contains(&family) && !is_doubled(family);
    let mut text = Text::default();
    let node = call.node();
    node::show_identity(&mut text, node, "detailed");
    node::show(&mut text, DETAILED_PREFIX, node, &node.object_counts(), &wants);
    show_detailed_queues(&mut text, node, &which, &wants);
    if families.iter().any(|family| family.starts_with("conn") || family.starts_with("channel")) {
        let (connections, channels) = sessions::collect(node, &which);
        show_each(&mut text, DETAILED_PREFIX, sessions::CONNECTIONS, &connections, &wants);
        show_each(&mut text, DETAILED_PREFIX, sessions::CHANNELS, &channels, &wants);
    }
    if families.iter().any(|family| family.starts_with("exchange")) {
        let (plain, typed) = exchanges::collect(node, &which);
        show_each(&mut text, DETAILED_PREFIX, exchanges::EXCHANGES, &plain, &wants);
        show_each(&mut text, CLUSTER_PREFIX, exchanges::CLUSTER, &typed, &wants);
    }
    let vhosts = exchanges::vhosts(node, &which);
    show_each(&mut text, CLUSTER_PREFIX, exchanges::VHOSTS, &vhosts, &wants);
    Ok(Reply::text(MEDIA, text.into_string()))
}

fn show_detailed_queues(
    text: &mut Text,
    node: &Node,
    which: &Which<'_>,
    wants: &dyn Fn(&str) -> bool,
) {
    let tables = [queues::QUEUES, queues::DELIVERIES, queues::CONSUMER_COUNT, queues::OWN];
    if !tables.iter().any(|table| table.iter().any(|series| wants(series.family))) {
        return;
    }
    let queues = queues::collect(node, which, true, clock::now_ms());
    for table in [queues::QUEUES, queues::DELIVERIES, queues::CONSUMER_COUNT] {
        show_each(text, DETAILED_PREFIX, table, &queues, wants);
    }
    show_each(text, node::OWN_PREFIX, queues::OWN, &queues, wants);
    if wants(queues::OWN_FAMILY) {
        queues::show_waits(text, &queues);
    }
}
