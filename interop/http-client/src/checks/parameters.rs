//! Runtime parameters, of virtual hosts and global.

use rabbitmq_http_client::requests::{
    GlobalRuntimeParameterDefinition, RuntimeParameterDefinition,
};
use serde_json::{Map, json};

use super::Check;
use crate::trial::{Result, Trial, equal, holds, refused};

pub const CHECKS: &[Check] = &[
    ("parameters", parameters),
    ("parameter of an unknown component is refused", unknown_component),
    ("global parameters", global_parameters),
    ("federation and shovels are none", none_of_plugins),
];

const COMPONENT: &str = "vhost-limits";

fn parameters(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let value = Map::from_iter([("max-queues".to_owned(), json!(3))]);
    let param = RuntimeParameterDefinition {
        name: "limits",
        vhost: &vhost,
        component: COMPONENT,
        value: value.clone(),
    };
    t.api.upsert_runtime_parameter(&param)?;
    let got = t.api.get_runtime_parameter(COMPONENT, &vhost, "limits")?;
    equal((got.vhost.as_str(), got.component.as_str()), (vhost.as_str(), COMPONENT))?;
    equal(got.value.0, value)?;
    let in_vhost = t.api.list_runtime_parameters_of_component_in(COMPONENT, &vhost)?;
    equal(in_vhost.len(), 1)?;
    let of_component = t.api.list_runtime_parameters_of_component(COMPONENT)?;
    holds(of_component.contains(&in_vhost[0]), "not in that of the component")?;
    holds(t.api.list_runtime_parameters()?.contains(&in_vhost[0]), "not in that of all")?;
    t.api.clear_runtime_parameter(COMPONENT, &vhost, "limits", false)?;
    refused(404, t.api.get_runtime_parameter(COMPONENT, &vhost, "limits"))?;
    refused(404, t.api.clear_runtime_parameter(COMPONENT, &vhost, "limits", false))?;
    Ok(t.api.clear_runtime_parameter(COMPONENT, &vhost, "limits", true)?)
}

fn unknown_component(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let param = RuntimeParameterDefinition {
        name: "n",
        vhost: &vhost,
        component: "nonsense",
        value: Map::new(),
    };
    refused(400, t.api.upsert_runtime_parameter(&param))
}

fn global_parameters(t: &Trial) -> Result {
    let name = t.name("global");
    let value = Map::from_iter([("a".to_owned(), json!({"b": [1, "two"]}))]);
    let param = GlobalRuntimeParameterDefinition { name: &name, value: value.clone() };
    t.api.upsert_global_runtime_parameter(&param)?;
    let got = t.api.get_global_runtime_parameter(&name);
    let listed = t.api.list_global_runtime_parameters();
    t.api.clear_global_runtime_parameter(&name)?;
    equal(got?.value.0, json!(value))?;
    holds(listed?.iter().any(|each| each.name == name), "not listed")?;
    refused(404, t.api.get_global_runtime_parameter(&name))
}

fn none_of_plugins(t: &Trial) -> Result {
    equal(t.api.list_federation_upstreams()?.len(), 0)?;
    t.since((4, 0), "federation and shovels without plugins")?;
    equal(t.api.list_federation_links()?.len(), 0)?;
    equal(t.api.list_shovels()?.len(), 0)?;
    equal(t.api.list_shovels_in("/")?.len(), 0)
}
