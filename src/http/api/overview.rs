//! The broker as a whole.

use serde_json::{Map, Value, json};

use super::{kinds, nodes};
use crate::clock;
use crate::http::app::Call;
use crate::http::figures;
use crate::http::list::{self, Object};
use crate::http::reply::Outcome;
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{OPEN, Shape, always};
use crate::names::COMPATIBLE_VERSION;
use crate::queue::QueueKind;
use crate::stats::{ChurnCounts, MESSAGE_SERIES, MessageCounts};
use crate::vhost::VirtualHost;

static OVERVIEW: Shape = Shape::Object(&[
    always("node", &Shape::Text),
    always("cluster_name", &Shape::Text),
    always("rabbitmq_version", &Shape::Text),
    always("product_name", &Shape::Text),
    always("product_version", &Shape::Text),
    always("rates_mode", &Shape::Text),
    always("exchange_types", &Shape::List(&OPEN)),
    always("object_totals", &OPEN),
    always("queue_totals", &OPEN),
    always("churn_rates", &OPEN),
    always("listeners", &Shape::List(&OPEN)),
    always("contexts", &Shape::List(&OPEN)),
]);

pub(in crate::http) static ROUTES: &[Route] = &[Route::get(
    "/api/overview",
    Access::Management,
    Now(overview),
    "Tells what the broker is and how busy it is.",
)
.query(list::COLUMNS)
.gives(&OVERVIEW)];

fn overview(call: &Call) -> Outcome {
    let caller = call.caller()?;
    let has_stats = !call.has_flag("disable_stats");
    list::one(call, |wanted| {
        let mut object = Object::new(wanted);
        put_identity(&mut object, call);
        let monitors = caller.user.may_monitor();
        let listeners = if monitors { listeners(call) } else { json!([]) };
        object.put("listeners", listeners);
        object.put("contexts", if monitors { nodes::contexts(&call.app) } else { json!([]) });
        object.put("disable_stats", !has_stats);
        if has_stats {
            put_statistics(&mut object, call, monitors);
        } else {
            for field in ["object_totals", "queue_totals", "churn_rates"] {
                object.put(field, Map::new());
            }
        }
        object.build()
    })
}

fn put_identity(object: &mut Object<'_>, call: &Call) {
    object.put("node", call.app.node_name());
    object.put("cluster_name", call.app.cluster_name());
    object.put("product_name", "warren");
    object.put("product_version", COMPATIBLE_VERSION);
    object.put("rabbitmq_version", COMPATIBLE_VERSION);
    object.put("management_version", COMPATIBLE_VERSION);
    object.put("warren_version", env!("CARGO_PKG_VERSION"));
    // There is no Erlang here; programs show these two.
    object.put("erlang_version", "");
    object.put("erlang_full_version", "");
    object.put_with("cluster_tags", || cluster_tags(call));
    object.put("node_tags", Map::new());
    object.put("default_queue_type", QueueKind::default().name());
    object.put("rates_mode", "basic");
    object.put("enable_queue_totals", true);
    object.put("is_op_policy_updating_enabled", true);
    // Rates are those of the last seconds; nothing older is kept.
    let none: [u64; 0] = [];
    object
        .put("sample_retention_policies", json!({"global": none, "basic": none, "detailed": none}));
    object.put("exchange_types", kinds::exchange_types());
    object.put("statistics_db_event_queue", 0);
}

/// What an administrator has written on the cluster.
fn cluster_tags(call: &Call) -> Value {
    let text = call.node().global_parameter("cluster_tags");
    let tags = text.and_then(|text| serde_json::from_str(&text).ok());
    tags.filter(Value::is_object).unwrap_or_else(|| json!({}))
}

fn listeners(call: &Call) -> Value {
    let shown = call.app.endpoints.iter().map(|endpoint| {
        json!({
            "node": call.app.node_name(),
            "protocol": endpoint.protocol,
            "ip_address": endpoint.address.ip().to_string(),
            "port": endpoint.address.port(),
            "tls": endpoint.tls,
            "socket_opts": {"nodelay": true},
        })
    });
    Value::Array(shown.collect())
}

/// Sums over what the caller sees.
#[derive(Default)]
struct Sums {
    queues: usize,
    exchanges: usize,
    ready: u64,
    unacked: u64,
    rates: [f64; 3],
    messages: MessageCounts,
    message_rates: [f64; MESSAGE_SERIES],
}

impl Sums {
    fn add(&mut self, vhost: &VirtualHost, now_ms: u64) {
        let queues = vhost.queues();
        self.queues += queues.len();
        self.exchanges += vhost.exchange_count();
        for queue in queues {
            let statistics = queue.statistics(now_ms);
            self.ready += statistics.ready.count;
            self.unacked += statistics.unacked.count;
            self.messages.add(&statistics.messages);
            add_each(&mut self.rates, &statistics.length_rates());
            add_each(&mut self.message_rates, &statistics.message_rates());
        }
    }
}

fn add_each(sums: &mut [f64], more: &[f64]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

fn put_statistics(object: &mut Object<'_>, call: &Call, monitors: bool) {
    let (node, now_ms) = (call.node(), clock::now_ms());
    let mut sums = Sums::default();
    for vhost in node.vhosts() {
        if call.sees(vhost.name()) {
            sums.add(&vhost, now_ms);
        }
    }
    object.put_with("queue_totals", || queue_totals(&sums));
    object.put_with("object_totals", || object_totals(call, &sums));
    let stats = if monitors {
        figures::messages(&node.message_counts(), &node.rates.messages.get())
    } else {
        figures::messages(&sums.messages, &sums.message_rates)
    };
    object.put("message_stats", Value::Object(stats));
    object.put_with("churn_rates", || {
        let rates = node.rates.churn.get();
        let values = node.ledger.churn.get().values().into_iter().zip(rates);
        let mut churn = Map::new();
        for (name, (value, rate)) in ChurnCounts::NAMES.iter().zip(values) {
            churn.insert((*name).to_owned(), value.into());
            churn.insert(format!("{name}_details"), figures::rate(rate));
        }
        Value::Object(churn)
    });
}

fn queue_totals(sums: &Sums) -> Value {
    if sums.queues == 0 {
        return json!({});
    }
    let [messages, ready, unacked] = sums.rates;
    json!({
        "messages": sums.ready + sums.unacked,
        "messages_details": figures::rate(messages),
        "messages_ready": sums.ready,
        "messages_ready_details": figures::rate(ready),
        "messages_unacknowledged": sums.unacked,
        "messages_unacknowledged_details": figures::rate(unacked),
    })
}

fn object_totals(call: &Call, sums: &Sums) -> Value {
    let (mut connections, mut channels, mut consumers) = (0, 0, 0);
    for presence in super::connections::visible(call).unwrap_or_default() {
        connections += 1;
        for channel in presence.channels() {
            channels += 1;
            consumers += channel.consumers.get();
        }
    }
    json!({
        "connections": connections,
        "channels": channels,
        "consumers": consumers,
        "exchanges": sums.exchanges,
        "queues": sums.queues,
    })
}
