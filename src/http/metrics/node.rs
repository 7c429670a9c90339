//! What metrics tell of the node itself: who it is, what it uses, what comes and goes, its store.

use super::text::{Kind, Name, Text, labels, number};
use crate::alarm::Alarm;
use crate::broker::{Node, ObjectCounts};
use crate::names::COMPATIBLE_VERSION;
use crate::stats::StoreFigures;
use crate::{clock, descriptors, disk, memory};

/// The series of the node that RabbitMQ has too.
const PREFIX: &str = "rabbitmq_";
/// The others.
pub(super) const OWN_PREFIX: &str = "warren_";
/// Of what the disk takes, as they are written: seconds.
const LATENCY_BOUNDS: [&str; 9] =
    ["0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.1", "1"];
const MICROSECONDS: f64 = 1_000_000.0;
const MILLISECONDS: f64 = 1000.0;

/// A series without labels: family, name, kind, value, help.
type Single = (&'static str, &'static str, Kind, f64, &'static str);

/// A counter of tries to log in: its name, what it says, and how it is made of those that were let
/// in and those that were not.
type OfLogins = (&'static str, &'static str, fn(u64, u64) -> u64);

/// Who answers. Dashboards join every series with the first of these.
pub(super) fn show_identity(text: &mut Text, node: &Node, endpoint: &str) {
    let name = node.config.node_name();
    let cluster = node.cluster_name().unwrap_or_else(|| name.clone());
    let identity = Name { prefix: PREFIX, name: "identity_info" };
    text.family(&identity, Kind::Untyped, "Who answers");
    let pairs = [
        ("rabbitmq_node", &*name),
        ("rabbitmq_cluster", &*cluster),
        ("rabbitmq_cluster_permanent_id", &*node.store.identity()),
        ("rabbitmq_endpoint", endpoint),
    ];
    text.sample(&identity, &labels(&pairs), 1.0);
    let build = Name { prefix: PREFIX, name: "build_info" };
    text.family(&build, Kind::Untyped, "Which versions it is compatible with, and its own");
    let pairs = [
        ("rabbitmq_version", COMPATIBLE_VERSION),
        ("prometheus_plugin_version", COMPATIBLE_VERSION),
        ("prometheus_client_version", env!("CARGO_PKG_VERSION")),
        // There is no Erlang here; tables of dashboards have a column for it.
        ("erlang_version", ""),
        ("product_name", "warren"),
        ("product_version", env!("CARGO_PKG_VERSION")),
    ];
    text.sample(&build, &labels(&pairs), 1.0);
}

/// Resources, comings and goings, and the disk.
pub(super) fn show(
    text: &mut Text,
    prefix: &str,
    node: &Node,
    counts: &ObjectCounts,
    wants: &dyn Fn(&str) -> bool,
) {
    let figures = node.store.figures();
    let singles = coarse(node, counts).into_iter().chain(churn(node)).chain(persister(&figures));
    for (family, name, kind, value, help) in singles {
        if wants(family) {
            text.single(&Name { prefix, name }, kind, help, value);
        }
    }
    if wants("auth_attempt_metrics") {
        show_logins(text, prefix, node);
    }
}

fn coarse(node: &Node, counts: &ObjectCounts) -> Vec<Single> {
    use Kind::Gauge;
    let (coarse, limits) = ("node_coarse_metrics", "node_metrics");
    let (files_max, files) = descriptors::limit_and_used();
    let free = disk::free_bytes(&node.config.data_dir).ok();
    let known: [(Option<u64>, Single); 3] = [
        (files, (coarse, "process_open_fds", Gauge, 0.0, "Open files and sockets")),
        (
            memory::resident_bytes(),
            (coarse, "process_resident_memory_bytes", Gauge, 0.0, "Memory in use"),
        ),
        (free, (coarse, "disk_space_available_bytes", Gauge, 0.0, "Free space on the disk")),
    ];
    let known = known.into_iter().filter_map(|(value, (family, name, kind, _, help))| {
        Some((family, name, kind, number(value?), help))
    });
    let (memory_max, free_min) =
        (node.config.memory_limit_bytes, node.config.disk_free_limit_bytes);
    let up = number(clock::running_ms()) / MILLISECONDS;
    let (sockets, files_max) = (number(counts.connections as u64), number(files_max));
    let always: [Single; 6] = [
        (coarse, "process_open_tcp_sockets", Gauge, sockets, "Sockets of AMQP connections"),
        (limits, "process_max_fds", Gauge, files_max, "Files and sockets that may be open"),
        (limits, "process_max_tcp_sockets", Gauge, files_max, "Sockets that may be open"),
        (
            limits,
            "resident_memory_limit_bytes",
            Gauge,
            number(memory_max),
            "Memory above which publishers are stopped",
        ),
        (
            limits,
            "disk_space_available_limit_bytes",
            Gauge,
            number(free_min),
            "Free space below which publishers are stopped",
        ),
        (limits, "erlang_uptime_seconds", Gauge, up, "For how long the process has run"),
    ];
    known.chain(always).collect()
}

fn churn(node: &Node) -> Vec<Single> {
    let family = "connection_churn_metrics";
    let churn = node.ledger.churn.get();
    [
        ("connections_opened_total", churn.connection_created, "Connections opened"),
        ("connections_closed_total", churn.connection_closed, "Connections ended"),
        ("channels_opened_total", churn.channel_created, "Channels opened"),
        ("channels_closed_total", churn.channel_closed, "Channels ended"),
        ("queues_declared_total", churn.queue_declared, "Queues declared, new or not"),
        ("queues_created_total", churn.queue_created, "Queues that were not there before"),
        ("queues_deleted_total", churn.queue_deleted, "Queues deleted"),
    ]
    .map(|(name, value, help)| (family, name, Kind::Counter, number(value), help))
    .into()
}

fn persister(figures: &StoreFigures) -> Vec<Single> {
    let family = "node_persister_metrics";
    let (writes, syncs) = (&figures.write_us, &figures.sync_us);
    let seconds = |us: u64| number(us) / MICROSECONDS;
    [
        ("io_read_ops_total", number(figures.reads), "Reads of the log"),
        ("io_read_bytes_total", number(figures.read_bytes), "Octets read from the log"),
        ("io_write_ops_total", number(writes.count()), "Writes to the log"),
        ("io_write_bytes_total", number(figures.written_bytes), "Octets written to the log"),
        ("io_write_time_seconds_total", seconds(writes.sum), "Time that writes took"),
        ("io_sync_ops_total", number(syncs.count()), "Syncs of the log"),
        ("io_sync_time_seconds_total", seconds(syncs.sum), "Time that syncs took"),
        ("msg_store_read_total", number(figures.read), "Messages read back"),
        ("msg_store_write_total", number(figures.written), "Messages and changes written"),
    ]
    .map(|(name, value, help)| (family, name, Kind::Counter, value, help))
    .into()
}

fn show_logins(text: &mut Text, prefix: &str, node: &Node) {
    let ledger = &node.ledger;
    let all = [("amqp091", &ledger.amqp_logins), ("http", &ledger.http_logins)];
    let all = all.map(|(protocol, counts)| {
        (labels(&[("protocol", protocol)]), counts.succeeded.get(), counts.failed.get())
    });
    let families: [OfLogins; 3] = [
        ("auth_attempts_total", "Tries to log in", |succeeded, failed| succeeded + failed),
        ("auth_attempts_succeeded_total", "Those that were let in", |succeeded, _| succeeded),
        ("auth_attempts_failed_total", "Those that were not", |_, failed| failed),
    ];
    for (name, help, value) in families {
        let name = Name { prefix, name };
        text.family(&name, Kind::Counter, help);
        for (labels, succeeded, failed) in &all {
            text.sample(&name, labels, number(value(*succeeded, *failed)));
        }
    }
}

/// How much of everything there is.
pub(super) fn show_counts(text: &mut Text, counts: &ObjectCounts) {
    for (name, value, help) in [
        ("connections", counts.connections, "Open connections"),
        ("channels", counts.channels, "Open channels"),
        ("consumers", counts.consumers, "Consumers"),
        ("queues", counts.queues, "Queues"),
    ] {
        let name = Name { prefix: PREFIX, name };
        text.single(&name, Kind::Gauge, help, number(value as u64));
    }
}

/// What runs short: 1 for what does.
pub(super) fn show_alarms(text: &mut Text, node: &Node) {
    for (name, alarm, help) in [
        ("alarms_memory_used_watermark", Alarm::Memory, "1 while memory is above its limit"),
        ("alarms_free_disk_space_watermark", Alarm::Disk, "1 while disk space is below its limit"),
    ] {
        let value = number(node.alarms.is_on(alarm).into());
        text.single(&Name { prefix: PREFIX, name }, Kind::Untyped, help, value);
    }
}

/// What RabbitMQ does not tell: how fast the disk is, and how full the log.
pub(super) fn show_store(text: &mut Text, node: &Node) {
    let figures = node.store.figures();
    for (name, counts, help) in [
        (
            "store_commit_seconds",
            &figures.commit_us,
            "From taking a batch to telling who waits for it",
        ),
        ("store_sync_seconds", &figures.sync_us, "What a sync of the log takes"),
    ] {
        let name = Name { prefix: OWN_PREFIX, name };
        text.family(&name, Kind::Histogram, help);
        text.histogram(&name, "", &LATENCY_BOUNDS, counts, MICROSECONDS);
    }
    for (name, value, help) in [
        ("store_living_bytes", figures.living_bytes, "Octets of the log that are still wanted"),
        ("store_dead_bytes", figures.dead_bytes, "Octets of the log's files that nothing wants"),
        ("store_segments", figures.segments, "Files of the log"),
        ("store_waiting_operations", figures.waiting, "Messages and changes not written so far"),
        ("store_waiting_bytes", figures.waiting_bytes, "What they take of memory"),
    ] {
        let name = Name { prefix: OWN_PREFIX, name };
        text.single(&name, Kind::Gauge, help, number(value));
    }
}
