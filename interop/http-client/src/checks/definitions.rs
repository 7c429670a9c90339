//! Export and import of definitions.

use rabbitmq_http_client::requests::PolicyParams;
use serde_json::{Map, Value, json};

use super::Check;
use crate::trial::{Failure, Result, Trial, equal, holds, refused, wrong};

pub const CHECKS: &[Check] = &[
    ("definitions of everything are exported", export),
    ("definitions of a vhost are exported", export_of_vhost),
    ("definitions are imported", import),
    ("definitions are imported into a vhost", import_into_vhost),
    ("bad definitions are refused", bad),
];

/// A virtual host with one of everything.
fn furnished(t: &Trial) -> Result<String> {
    let vhost = t.vhost()?;
    t.api.declare_quorum_queue(&vhost, "q")?;
    t.api.declare_exchange(&vhost, &exchange("x"))?;
    t.api.bind_queue(&vhost, "q", "x", Some("a.*"), None)?;
    let definition = Map::from_iter([("max-length".to_owned(), json!(7))]);
    t.api.declare_policy(&PolicyParams::new(&vhost, "p", "^q", definition))?;
    Ok(vhost)
}

fn exchange(name: &str) -> rabbitmq_http_client::requests::ExchangeParams<'_> {
    rabbitmq_http_client::requests::ExchangeParams::durable_topic(name, None)
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Failure::Wrong(format!("{error} in {text}")))
}

/// What `furnished` puts into a virtual host is there.
fn is_furnished(t: &Trial, vhost: &str) -> Result {
    equal(t.api.get_queue_info(vhost, "q")?.queue_type.as_str(), "quorum")?;
    equal(t.api.get_exchange_info(vhost, "x")?.exchange_type.as_str(), "topic")?;
    equal(t.api.list_exchange_bindings_with_source(vhost, "x")?.len(), 1)?;
    equal(t.api.get_policy(vhost, "p")?.pattern.as_str(), "^q")
}

fn export(t: &Trial) -> Result {
    let vhost = furnished(t)?;
    let user = t.user_of(&vhost, "management")?;
    let set = t.api.export_cluster_wide_definitions_as_data()?;
    let text = t.api.export_cluster_wide_definitions_as_string()?;
    equal(parsed(&text)?["users"].as_array().map(Vec::len), Some(set.users.len()))?;
    parsed(&t.api.export_cluster_wide_definitions()?)?;
    equal(set.server_version.as_ref(), Some(&t.api.overview()?.rabbitmq_version))?;
    holds(set.find_queue(&vhost, "q").is_some(), "no queue")?;
    holds(set.find_policy(&vhost, "p").is_some(), "no policy")?;
    holds(set.users.iter().any(|each| each.name == user), "no user")?;
    holds(set.virtual_hosts.iter().any(|each| each.name == vhost), "no virtual host")?;
    holds(set.permissions.iter().any(|each| each.user == user), "no permission")?;
    holds(set.exchanges.iter().any(|each| each.vhost == vhost), "no exchange")?;
    holds(set.bindings.iter().any(|each| each.vhost == vhost), "no binding")
}

fn export_of_vhost(t: &Trial) -> Result {
    t.since((3, 12), "definitions of a virtual host without its name")?;
    let vhost = furnished(t)?;
    let set = t.api.export_vhost_definitions_as_data(&vhost)?;
    equal((set.queues.len(), set.exchanges.len(), set.bindings.len()), (1, 1, 1))?;
    equal(set.policies.len(), 1)?;
    let text = t.api.export_vhost_definitions_as_string(&vhost)?;
    equal(parsed(&text)?["queues"][0]["name"].as_str(), Some("q"))?;
    parsed(&t.api.export_vhost_definitions(&vhost)?)?;
    Ok(())
}

fn import(t: &Trial) -> Result {
    let vhost = furnished(t)?;
    let whole = parsed(&t.api.export_cluster_wide_definitions_as_string()?)?;
    let mut mine = Map::new();
    for kind in ["queues", "exchanges", "bindings", "policies", "permissions"] {
        let Some(all) = whole[kind].as_array() else { return wrong(format!("no {kind}")) };
        let ours = all.iter().filter(|each| each["vhost"] == vhost.as_str()).cloned();
        mine.insert(kind.to_owned(), ours.collect());
    }
    mine.insert("vhosts".to_owned(), json!([{"name": vhost}]));
    mine.insert("rabbit_version".to_owned(), whole["rabbit_version"].clone());
    t.api.delete_vhost(&vhost, false)?;
    t.api.import_definitions(json!(mine))?;
    is_furnished(t, &vhost)?;
    t.api.import_cluster_wide_definitions(json!(mine))?;
    is_furnished(t, &vhost)
}

fn import_into_vhost(t: &Trial) -> Result {
    let from = furnished(t)?;
    let mut set = parsed(&t.api.export_vhost_definitions_as_string(&from)?)?;
    for kind in ["queues", "exchanges", "bindings", "policies", "parameters"] {
        for each in set[kind].as_array_mut().into_iter().flatten() {
            each.as_object_mut().map(|fields| fields.remove("vhost"));
        }
    }
    let to = t.vhost()?;
    t.api.import_vhost_definitions(&to, set)?;
    is_furnished(t, &to)
}

fn bad(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let queue = json!({
        "name": "q", "vhost": vhost, "durable": true, "auto_delete": false,
        "arguments": {"x-max-length": "many"},
    });
    refused(400, t.api.import_definitions(json!({"queues": [queue]})))?;
    equal(t.api.list_queues_in(&vhost)?.len(), 0)
}
