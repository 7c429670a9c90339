//! Health checks: 200 if all is well, else 503 with the reason.
//!
//! There is one node, so what RabbitMQ asks of a cluster is asked of that one.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::alarm::Alarm;
use crate::clock;
use crate::descriptors;
use crate::http::app::{Call, Endpoint};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{Shape, always};
use crate::pattern::Pattern;

/// Seconds of the units in which the end of a certificate is asked for.
const UNITS: [(&str, i64); 4] =
    [("days", 86_400), ("weeks", 604_800), ("months", 2_592_000), ("years", 31_536_000)];

static STATUS: Shape = Shape::Object(&[always("status", &Shape::Text)]);

/// A check that anybody may ask for who may use the API.
const fn check(path: &'static str, run: fn(&Call) -> Outcome, summary: &'static str) -> Route {
    Route::get(path, Access::Management, Now(run), summary).gives(&STATUS).fails(&[503])
}

pub(in crate::http) static ROUTES: &[Route] = &[
    check("/api/health/checks/alarms", alarms, "Checks that no alarm is on."),
    check("/api/health/checks/local-alarms", alarms, "Checks that no alarm is on at this node."),
    check(
        "/api/health/checks/virtual-hosts",
        virtual_hosts,
        "Checks that all virtual hosts are running.",
    ),
    check(
        "/api/health/checks/port-listener/{port}",
        port_listener,
        "Checks that something listens on a port.",
    ),
    check(
        "/api/health/checks/protocol-listener/{protocols}",
        protocol_listener,
        "Checks that protocols are listened for, with commas between several.",
    ),
    check(
        "/api/health/checks/certificate-expiration/{within}/{unit}",
        certificate_expiration,
        "Checks that no certificate ends within so many days, weeks, months or years.",
    ),
    check(
        "/api/health/checks/node-is-quorum-critical",
        alone,
        "Checks that queues would survive without this node: there is no other.",
    ),
    check(
        "/api/health/checks/node-is-mirror-sync-critical",
        alone,
        "Checks that mirrored queues would survive without this node: there are none.",
    ),
    check(
        "/api/health/checks/quorum-queues-without-elected-leaders/all-vhosts/pattern/{pattern}",
        leaders,
        "Checks that quorum queues have a leader: each has this node.",
    ),
    Route::get(
        "/api/health/checks/quorum-queues-without-elected-leaders/vhost/{vhost}/pattern/{pattern}",
        Access::Visible,
        Now(leaders),
        "Checks that quorum queues of a virtual host have a leader: each has this node.",
    )
    .gives(&STATUS)
    .fails(&[503]),
    check("/api/health/checks/is-in-service", in_service, "Checks that this node accepts clients."),
    check(
        "/api/health/checks/ready-to-serve-clients",
        in_service,
        "Checks that this node accepts clients.",
    ),
    check(
        "/api/health/checks/below-node-connection-limit",
        below_connection_limit,
        "Checks that there may be more connections.",
    ),
    check(
        "/api/health/checks/reached-target-cluster-size",
        cluster_size,
        "Checks that all nodes are there: this one.",
    ),
    check(
        "/api/health/checks/metadata-store/initialized",
        store_is_open,
        "Checks that definitions have been read.",
    ),
    check(
        "/api/health/checks/metadata-store/initialized/with-data",
        store_has_data,
        "Checks that definitions have been read and that there are users and virtual hosts.",
    ),
    check("/api/healthchecks/node", node, "Checks this node."),
    check("/api/healthchecks/node/{node}", node, "Checks a node, of which there is one."),
];

fn well() -> Outcome {
    Reply::json(&json!({"status": "ok"}))
}

fn unwell(reason: &str, more: Value) -> Outcome {
    let mut body = json!({"status": "failed", "reason": reason});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    Err(Failure::with_body(StatusCode::SERVICE_UNAVAILABLE, body))
}

/// What runs short, as RabbitMQ names it.
fn short(call: &Call) -> Vec<&'static str> {
    let alarms = [(Alarm::Memory, "memory"), (Alarm::Disk, "disk")];
    let on = alarms.into_iter().filter(|(alarm, _)| call.node().alarms.is_on(*alarm));
    on.map(|(_, name)| name).collect()
}

fn alarms(call: &Call) -> Outcome {
    let short = short(call);
    if short.is_empty() {
        return well();
    }
    let node = call.node().config.node_name();
    let alarms: Vec<_> =
        short.into_iter().map(|resource| json!({"node": node, "resource": resource})).collect();
    unwell("There are alarms in effect in the cluster", json!({"alarms": alarms}))
}

/// One that is listed is running: it is there before clients are let in.
fn virtual_hosts(call: &Call) -> Outcome {
    if call.node().vhosts().is_empty() {
        return unwell("There are no virtual hosts", json!({"virtual-hosts": []}));
    }
    well()
}

fn port_listener(call: &Call) -> Outcome {
    let Ok(port) = call.parameter("port").parse::<u16>() else {
        return Err(Failure::bad_request("Invalid port"));
    };
    let ports: Vec<u16> =
        call.app.endpoints.iter().map(|endpoint| endpoint.address.port()).collect();
    if ports.contains(&port) {
        return Reply::json(&json!({"status": "ok", "port": port}));
    }
    unwell("No active listener", json!({"missing": port, "ports": ports}))
}

/// RabbitMQ's name for what is listened for.
fn protocol(endpoint: &Endpoint) -> &'static str {
    match (endpoint.protocol, endpoint.tls) {
        ("amqp", true) => "amqp/ssl",
        ("http", true) => "https",
        (other, _) => other,
    }
}

/// Clients know protocols under several names.
fn canonical(name: &str) -> String {
    let name = name.trim().to_lowercase();
    match &*name {
        "amqp091" | "amqp0.9.1" | "amqp0-9-1" => "amqp".to_owned(),
        "amqps" | "amqp/tls" | "amqp091/ssl" | "amqp091/tls" => "amqp/ssl".to_owned(),
        _ => name,
    }
}

fn protocol_listener(call: &Call) -> Outcome {
    let mut active: Vec<_> = call.app.endpoints.iter().map(protocol).collect();
    active.sort_unstable();
    active.dedup();
    let asked = call.parameter("protocols");
    let names = asked.split(',').map(str::trim).filter(|name| !name.is_empty());
    let missing: Vec<_> = names.filter(|name| !active.contains(&&*canonical(name))).collect();
    if missing.is_empty() {
        return Reply::json(&json!({"status": "ok", "protocol": asked}));
    }
    unwell("No active listener", json!({"missing": missing, "protocols": active}))
}

/// When the certificate of the listeners ends, in seconds since 1970.
fn certificate_ends_at(call: &Call) -> Option<i64> {
    call.node().tls.as_ref().map(|tls| tls.certificate_ends_at())
}

fn certificate_expiration(call: &Call) -> Outcome {
    let within = call.parameter("within").parse::<u32>();
    let within = within.map_err(|_| Failure::bad_request("Invalid expiration value."))?;
    let unit = UNITS.iter().find(|(name, _)| *name == call.parameter("unit"));
    let Some((_, seconds)) = unit else {
        return Err(Failure::bad_request(
            "Time unit not recognised. Supported units: days, weeks, months, years.",
        ));
    };
    let until = i64::try_from(clock::now_ms() / 1000).unwrap_or(i64::MAX);
    let until = until.saturating_add(i64::from(within) * seconds);
    match certificate_ends_at(call) {
        Some(end) if end < until => {
            let more =
                json!({"expired": [{"node": call.node().config.node_name(), "ends_at": end}]});
            unwell("Certificates expiring", more)
        }
        _ => well(),
    }
}

fn alone(_: &Call) -> Outcome {
    Reply::json(&json!({"status": "ok", "reason": "single node cluster"}))
}

fn leaders(call: &Call) -> Outcome {
    match Pattern::new(call.parameter("pattern")) {
        Ok(_) => well(),
        Err(_) => Err(Failure::bad_request("invalid_pattern")),
    }
}

fn in_service(call: &Call) -> Outcome {
    let listens = call.app.endpoints.iter().any(|endpoint| endpoint.protocol == "amqp");
    if listens { well() } else { unwell("No active listener", json!({"missing": "amqp"})) }
}

fn below_connection_limit(call: &Call) -> Outcome {
    let node = call.node();
    let limit = descriptors::connections_max(node.config.max_connections);
    let count = node.connection_count();
    if count < limit {
        return Reply::json(&json!({"status": "ok", "current": count, "limit": limit}));
    }
    let more = json!({"current": count, "limit": limit});
    unwell("The limit of connections is reached", more)
}

fn cluster_size(_: &Call) -> Outcome {
    Reply::json(&json!({"status": "ok", "cluster_size": 1, "target_cluster_size": 1}))
}

/// Nothing is answered before the store has been read.
fn store_is_open(_: &Call) -> Outcome {
    well()
}

fn store_has_data(call: &Call) -> Outcome {
    let node = call.node();
    if node.access.user_count() > 0 && !node.vhosts().is_empty() {
        return well();
    }
    unwell("There are no users or no virtual hosts", json!({}))
}

fn node(call: &Call) -> Outcome {
    let asked = call.parameter("node");
    if !asked.is_empty() && asked != call.node().config.node_name() {
        return Err(Failure::not_found());
    }
    let short = short(call);
    if short.is_empty() {
        return well();
    }
    unwell(&format!("resource alarm(s) in effect:[{}]", short.join(",")), json!({}))
}
