//! The node: overview, memory, plugins, features, health, the cluster's name and tags.

use rabbitmq_http_client::commons::SupportedProtocol;
use rabbitmq_http_client::error::HttpClientError;
use rabbitmq_http_client::responses::{HealthCheckFailureDetails, ReachabilityProbeOutcome};
use serde_json::{Map, json};

use super::Check;
use crate::trial::{Result, Trial, equal, holds, port, refused, wrong};

pub const CHECKS: &[Check] = &[
    ("overview", overview),
    ("server version", server_version),
    ("cluster name", cluster_name),
    ("cluster tags", cluster_tags),
    ("nodes", nodes),
    ("memory footprint", memory_footprint),
    ("plugins", plugins),
    ("feature flags", feature_flags),
    ("deprecated features", deprecated_features),
    ("health checks of alarms and quorum", health_checks),
    ("health checks of listeners", health_checks_of_listeners),
    ("probe of reachability", probe),
    ("authentication attempts", auth_attempts),
    ("rebalancing of queue leaders", rebalance),
];

fn overview(t: &Trial) -> Result {
    let overview = t.api.overview()?;
    holds(!overview.cluster_name.is_empty(), "no cluster name")?;
    holds(!overview.node.is_empty(), "no node")?;
    holds(!overview.product_name.is_empty(), "no product")?;
    holds(overview.object_totals.exchanges >= 6, "too few exchanges")?;
    let amqp = overview.listeners.iter().find(|each| each.protocol == "amqp");
    let Some(amqp) = amqp else { return wrong(format!("{:?}", overview.listeners)) };
    equal(amqp.port, u32::from(port("AMQP_PORT", 5672)))?;
    equal(amqp.human_friendly_name(), "AMQP 1.0 and 0-9-1")?;
    holds(!amqp.has_tls_enabled(), "TLS on the plain port")
}

fn server_version(t: &Trial) -> Result {
    equal(t.api.server_version()?, t.api.overview()?.rabbitmq_version)
}

fn cluster_name(t: &Trial) -> Result {
    let before = t.api.get_cluster_name()?.name;
    equal(&before, &t.api.overview()?.cluster_name)?;
    let name = t.name("cluster");
    t.api.set_cluster_name(&name)?;
    let changed = t.api.get_cluster_name();
    let seen = t.api.overview();
    t.api.set_cluster_name(&before)?;
    equal(changed?.name, name.as_str())?;
    equal(seen?.cluster_name, name)
}

fn cluster_tags(t: &Trial) -> Result {
    t.since((3, 13), "tags of the cluster")?;
    let tags = Map::from_iter([("region".to_owned(), json!("north"))]);
    t.api.set_cluster_tags(tags.clone())?;
    equal(t.api.get_cluster_tags()?.0, tags.clone())?;
    equal(t.api.overview()?.cluster_tags.map(|each| each.0), Some(tags))?;
    t.api.clear_cluster_tags()?;
    refused(404, t.api.get_cluster_tags())
}

fn nodes(t: &Trial) -> Result {
    t.since((4, 0), "the field being_drained of nodes")?;
    let name = t.node()?;
    let nodes = t.api.list_nodes()?;
    let Some(node) = nodes.iter().find(|each| each.name == name) else {
        return wrong(format!("{name} is not in {nodes:?}"));
    };
    holds(node.os_pid > 0 && node.uptime > 0 && node.fd_total > 0, format!("{node:?}"))?;
    holds(node.memory_high_watermark > 0, "no memory limit")?;
    holds(!node.has_memory_alarm_in_effect && !node.being_drained, format!("{node:?}"))?;
    equal(node.rabbitmq_version(), t.api.overview()?.rabbitmq_version)?;
    equal(t.api.get_node_info(&name)?.os_pid, node.os_pid)?;
    refused(404, t.api.get_node_info("rabbit@nowhere"))
}

fn memory_footprint(t: &Trial) -> Result {
    t.since((4, 0), "all kinds of memory that the client wants")?;
    let footprint = t.api.get_node_memory_footprint(&t.node()?)?;
    let Some(mut breakdown) = footprint.breakdown else { return wrong("no breakdown") };
    holds(breakdown.grand_total() > 1_000_000, format!("{breakdown:?}"))?;
    let percentage = breakdown.other_system_percentage();
    holds((0.0..=100.0).contains(&percentage), format!("{percentage} %"))?;
    refused(404, t.api.get_node_memory_footprint("rabbit@nowhere"))
}

fn plugins(t: &Trial) -> Result {
    t.since((4, 0), "the field being_drained of nodes")?;
    let all = t.api.list_all_cluster_plugins()?;
    equal(t.api.list_node_plugins(&t.node()?)?, all)
}

fn feature_flags(t: &Trial) -> Result {
    let flags = t.api.list_feature_flags()?;
    holds(flags.iter().any(|each| each.name == "quorum_queue"), "no quorum_queue")?;
    t.api.enable_feature_flag("quorum_queue")?;
    if flags.iter().all(|each| String::from(each.state.clone()) == "enabled") {
        t.api.enable_all_stable_feature_flags()?;
    }
    Ok(())
}

fn deprecated_features(t: &Trial) -> Result {
    t.since((3, 13), "deprecated features")?;
    let all = t.api.list_all_deprecated_features()?;
    let used = t.api.list_deprecated_features_in_use()?;
    let known = |name: &str| all.iter().any(|each| each.name == name);
    holds(used.iter().all(|each| known(&each.name)), "an unknown one is used")
}

fn health_checks(t: &Trial) -> Result {
    t.api.health_check_cluster_wide_alarms()?;
    t.api.health_check_local_alarms()?;
    Ok(t.api.health_check_if_node_is_quorum_critical()?)
}

fn health_checks_of_listeners(t: &Trial) -> Result {
    t.api.health_check_port_listener(port("AMQP_PORT", 5672))?;
    t.api.health_check_port_listener(port("HTTP_PORT", 15672))?;
    t.api.health_check_protocol_listener(SupportedProtocol::AMQP)?;
    t.api.health_check_protocol_listener(SupportedProtocol::HTTP)?;
    match t.api.health_check_port_listener(1) {
        Err(HttpClientError::HealthCheckFailed {
            details: HealthCheckFailureDetails::NoActivePortListener(details),
            ..
        }) => equal(details.inactive_port, 1)?,
        other => return wrong(format!("{other:?}")),
    }
    match t.api.health_check_protocol_listener(SupportedProtocol::MQTT) {
        Err(HttpClientError::HealthCheckFailed {
            details:
                HealthCheckFailureDetails::NoActiveProtocolListener(_)
                | HealthCheckFailureDetails::NoActiveProtocolListeners(_),
            ..
        }) => Ok(()),
        other => wrong(format!("{other:?}")),
    }
}

fn probe(t: &Trial) -> Result {
    match t.api.probe_reachability() {
        ReachabilityProbeOutcome::Reached(details) => {
            equal(details.current_user.name.as_str(), "guest")?;
            holds(details.current_user.tags.is_administrator(), "no administrator")?;
        }
        ReachabilityProbeOutcome::Unreachable(error) => return Err((*error).into()),
    }
    let nobody = Trial::as_user("guest", "wrong");
    match nobody.probe_reachability() {
        ReachabilityProbeOutcome::Reached(_) => wrong("reached with a wrong password"),
        ReachabilityProbeOutcome::Unreachable(error) => refused(401, Err::<(), _>(*error)),
    }
}

fn auth_attempts(t: &Trial) -> Result {
    let node = t.node()?;
    let count = || -> Result<(u64, u64)> {
        let all = t.api.auth_attempts_statistics(&node)?;
        let http = all.into_iter().find(|each| each.protocol == SupportedProtocol::HTTP);
        Ok(http.map_or((0, 0), |each| (each.failure_count, each.success_count)))
    };
    let before = count()?;
    refused(401, Trial::as_user("guest", "wrong").overview())?;
    let after = count()?;
    holds(after.0 > before.0 && after.1 > before.1, format!("{before:?}, then {after:?}"))
}

fn rebalance(t: &Trial) -> Result {
    Ok(t.api.rebalance_queue_leaders()?)
}
