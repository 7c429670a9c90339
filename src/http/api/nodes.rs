//! The nodes, of which there is one.

use serde_json::{Map, Value, json};
use tokio::runtime::RuntimeMetrics;

use super::kinds;
use crate::alarm::Alarm;
use crate::clock;
use crate::http::app::{App, Call};
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{Field, OPEN, Shape, always, maybe};
use crate::names::COMPATIBLE_VERSION;
use crate::queue::QueueKind;
use crate::stats::ChurnCounts;
use crate::{descriptors, disk, memory};

/// Tasks that are there beside those of connections: listeners, timers, signals.
const TASKS_BESIDE: usize = 64;
/// RabbitMQ's default time between two signs of life of a cluster's nodes. Clients want to read it.
const NET_TICK_SECONDS: u32 = 60;

static QUERY: &[Field] =
    &[maybe("columns", &Shape::Text), maybe("memory", &Shape::Flag), maybe("binary", &Shape::Flag)];
static NODE: Shape = Shape::Object(&[
    always("name", &Shape::Text),
    always("running", &Shape::Flag),
    always("os_pid", &Shape::Text),
    always("fd_total", &Shape::Integer),
    always("mem_limit", &Shape::Integer),
    always("mem_alarm", &Shape::Flag),
    always("disk_free_limit", &Shape::Integer),
    always("disk_free_alarm", &Shape::Flag),
    always("proc_total", &Shape::Integer),
    always("rates_mode", &Shape::Text),
    always("uptime", &Shape::Integer),
    always("run_queue", &Shape::Integer),
    always("processors", &Shape::Integer),
    always("enabled_plugins", &Shape::List(&Shape::Text)),
    always("being_drained", &Shape::Flag),
]);
static MEMORY: Shape = Shape::Object(&[always("memory", &OPEN)]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/nodes", Access::Monitoring, Now(all), "Lists the nodes.")
        .query(list::QUERY)
        .gives(&Shape::Page(&OPEN)),
    Route::get("/api/nodes/{node}", Access::Monitoring, Now(get), "Tells of one node.")
        .query(QUERY)
        .gives(&NODE),
    Route::get(
        "/api/nodes/{node}/memory",
        Access::Monitoring,
        Now(get_memory),
        "Tells what takes the memory of a node.",
    )
    .gives(&MEMORY),
];

fn all(call: &Call) -> Outcome {
    let name = call.app.node_name().to_owned();
    list::list(call, vec![name], |name| ("", name), |_, wanted| render(&call.app, wanted).build())
}

fn get(call: &Call) -> Outcome {
    check_node(call)?;
    list::one(call, |wanted| {
        let mut object = render(&call.app, wanted);
        if call.has_flag("memory") {
            object.put_with("memory", || memory_of(&call.app));
        }
        object.build()
    })
}

/// The node in the path has to be this one.
pub(super) fn check_node(call: &Call) -> Result<(), Failure> {
    if call.parameter("node") == call.app.node_name() { Ok(()) } else { Err(Failure::not_found()) }
}

fn get_memory(call: &Call) -> Outcome {
    check_node(call)?;
    Reply::json(&json!({"memory": memory_of(&call.app)}))
}

fn render<'w>(app: &App, wanted: &'w Wanted) -> Object<'w> {
    let mut object = Object::new(wanted);
    object.put("name", app.node_name());
    object.put("type", "disc");
    object.put("running", true);
    object.put("being_drained", false);
    object.put("os_pid", std::process::id().to_string());
    object.put("uptime", clock::now_ms().saturating_sub(app.started_ms));
    object.put("rates_mode", "basic");
    object.put("rabbitmq_version", COMPATIBLE_VERSION);
    object.put("exchange_types", kinds::exchange_types());
    object.put("auth_mechanisms", kinds::mechanisms());
    object.put("applications", kinds::applications());
    object.put("contexts", contexts(app));
    object.put("enabled_plugins", json!([]));
    object.put("partitions", json!([]));
    object.put("net_ticktime", NET_TICK_SECONDS);
    object.put("cluster_links", json!([]));
    object.put("log_files", json!(["<stderr>"]));
    object.put("config_files", json!([]));
    object.put("db_dir", app.node.config.data_dir.display().to_string());
    object.put("mem_calculation_strategy", "rss");
    object.put("ra_open_file_metrics", json!({}));
    put_resources(&mut object, app);
    put_churn(&mut object, app);
    object
}

fn put_resources(object: &mut Object<'_>, app: &App) {
    let (node, config) = (&app.node, &app.node.config);
    object.put("mem_limit", config.memory_limit_bytes);
    object.put("mem_alarm", node.alarms.is_on(Alarm::Memory));
    object.put_with("mem_used", || memory::resident_bytes().into());
    object.put("disk_free_limit", config.disk_free_limit_bytes);
    object.put("disk_free_alarm", node.alarms.is_on(Alarm::Disk));
    object.put_with("disk_free", || disk::free_bytes(&config.data_dir).ok().into());
    let connections_max = descriptors::connections_max(config.max_connections);
    object.put("sockets_total", connections_max);
    object.put_with("sockets_used", || node.connection_count().into());
    if object.wants("fd_total") || object.wants("fd_used") {
        let (total, used) = descriptors::limit_and_used();
        object.put("fd_total", total);
        object.put("fd_used", used);
    }
    // A connection is a task, and there are few others.
    let metrics = tokio::runtime::Handle::try_current().map(|runtime| runtime.metrics());
    let metrics = metrics.as_ref();
    object.put("proc_total", connections_max.saturating_add(TASKS_BESIDE));
    object.put("proc_used", metrics.map_or(0, RuntimeMetrics::num_alive_tasks));
    object.put("run_queue", metrics.map_or(0, RuntimeMetrics::global_queue_depth));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    object.put("processors", processors);
}

fn put_churn(object: &mut Object<'_>, app: &App) {
    let values = app.node.ledger.churn.get().values().into_iter();
    for (name, (value, rate)) in
        ChurnCounts::NAMES.iter().zip(values.zip(app.node.rates.churn.get()))
    {
        crate::http::figures::put_rated(object, name, value, rate);
    }
}

/// Where HTTP is spoken.
pub(super) fn contexts(app: &App) -> Value {
    let http = app.endpoints.iter().filter(|endpoint| endpoint.protocol.starts_with("http"));
    let shown = http.map(|endpoint| {
        json!({
            "node": app.node_name(),
            "description": if endpoint.protocol.contains("prometheus") {
                "warren metrics"
            } else {
                "warren HTTP API"
            },
            "path": "/",
            "ip": endpoint.address.ip().to_string(),
            "port": endpoint.address.port().to_string(),
            "ssl_opts": [],
        })
    });
    Value::Array(shown.collect())
}

/// Octets by what has them. RabbitMQ's parts that are not told apart here, or do not exist, are 0;
/// what is left of the process is in `other_proc`.
fn memory_of(app: &App) -> Value {
    let Some(rss) = memory::resident_bytes() else { return json!("not_available") };
    let (mut classic, mut quorum) = (0, 0);
    let now_ms = clock::now_ms();
    for queue in app.node.all_queues() {
        let bytes = queue.statistics(now_ms).memory_bytes;
        match queue.spec().options.nature.kind {
            QueueKind::Classic => classic += bytes,
            QueueKind::Quorum => quorum += bytes,
        }
    }
    let unwritten = app.node.store.figures().waiting_bytes;
    let known = classic + quorum + unwritten;
    let mut parts: Map<String, Value> =
        NOT_TOLD_APART.iter().map(|part| ((*part).to_owned(), 0.into())).collect();
    for (part, bytes) in [
        ("queue_procs", classic),
        ("quorum_queue_procs", quorum),
        ("msg_index", unwritten),
        ("other_proc", rss.saturating_sub(known)),
    ] {
        parts.insert(part.to_owned(), bytes.into());
    }
    parts.insert("strategy".to_owned(), "rss".into());
    parts.insert("total".to_owned(), json!({"erlang": rss, "rss": rss, "allocated": rss}));
    Value::Object(parts)
}

const NOT_TOLD_APART: [&str; 22] = [
    "allocated_unused",
    "atom",
    "binary",
    "code",
    "connection_channels",
    "connection_other",
    "connection_readers",
    "connection_writers",
    "metadata_store",
    "metadata_store_ets",
    "metrics",
    "mgmt_db",
    "mnesia",
    "other_ets",
    "other_system",
    "plugins",
    "quorum_ets",
    "quorum_queue_dlx_procs",
    "reserved_unallocated",
    "stream_queue_coordinator_procs",
    "stream_queue_procs",
    "stream_queue_replica_reader_procs",
];
