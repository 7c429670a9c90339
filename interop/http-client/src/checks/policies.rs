//! Policies and operator policies.

use rabbitmq_http_client::commons::PolicyTarget;
use rabbitmq_http_client::requests::{PolicyDefinition, PolicyParams};
use serde_json::{Map, Value, json};

use super::Check;
use crate::trial::{Result, Trial, equal, eventually, holds, refused};

pub const CHECKS: &[Check] = &[
    ("policy is declared, listed, deleted", lifecycle),
    ("policies several at once", several),
    ("policies that match", matching),
    ("policy applies to a queue", applies),
    ("policy with an unknown key is refused", unknown_key),
    ("operator policy is declared, listed, deleted", operator_lifecycle),
];

fn definition(key: &str, value: Value) -> PolicyDefinition {
    Map::from_iter([(key.to_owned(), value)])
}

fn lifecycle(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    refused(404, t.api.get_policy(&vhost, "p"))?;
    let mut params = PolicyParams::new(&vhost, "p", "^q", definition("max-length", json!(7)));
    params.apply_to = match t.since((3, 12), "policies of one type of queue") {
        Ok(()) => PolicyTarget::ClassicQueues,
        Err(_) => PolicyTarget::Queues,
    };
    params.priority = 3;
    t.api.declare_policy(&params)?;
    let policy = t.api.get_policy(&vhost, "p")?;
    equal((policy.pattern.as_str(), policy.priority, policy.apply_to), ("^q", 3, params.apply_to))?;
    equal(policy.definition.0.as_ref(), Some(&definition("max-length", json!(7))))?;
    equal(t.api.list_policies_in(&vhost)?.len(), 1)?;
    holds(t.api.list_policies()?.iter().any(|each| each.vhost == vhost), "not in that of all")?;
    t.api.delete_policy(&vhost, "p", false)?;
    refused(404, t.api.delete_policy(&vhost, "p", false))?;
    Ok(t.api.delete_policy(&vhost, "p", true)?)
}

fn several(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let a = PolicyParams::new(&vhost, "a", ".", definition("max-length", json!(7)));
    let b = PolicyParams::new(&vhost, "b", ".", definition("expires", json!(60_000)));
    t.api.declare_policies(vec![&a, &b])?;
    equal(t.api.list_policies_in(&vhost)?.len(), 2)?;
    t.api.delete_policies_in(&vhost, vec!["a", "b"])?;
    equal(t.api.list_policies_in(&vhost)?.len(), 0)?;
    t.api.declare_operator_policies(vec![&a, &b])?;
    equal(t.api.list_operator_policies_in(&vhost)?.len(), 2)?;
    t.api.delete_operator_policies_in(&vhost, vec!["a", "b"])?;
    equal(t.api.list_operator_policies_in(&vhost)?.len(), 0)
}

fn matching(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let queues = PolicyParams::new(&vhost, "p", "^q", definition("max-length", json!(7)))
        .apply_to(PolicyTarget::Queues);
    t.api.declare_policy(&queues)?;
    t.api.declare_operator_policy(&queues)?;
    let target = PolicyTarget::Queues;
    equal(t.api.list_policies_for_target(&vhost, target)?.len(), 1)?;
    equal(t.api.list_policies_for_target(&vhost, PolicyTarget::Exchanges)?.len(), 0)?;
    equal(t.api.list_matching_policies(&vhost, "q1", target)?.len(), 1)?;
    equal(t.api.list_matching_policies(&vhost, "other", target)?.len(), 0)?;
    equal(t.api.list_operator_policies_for_target(&vhost, target)?.len(), 1)?;
    equal(t.api.list_matching_operator_policies(&vhost, "q1", target)?.len(), 1)
}

fn applies(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let queue = t.queue(&vhost)?;
    let user = PolicyParams::new(&vhost, "p", ".", definition("max-length", json!(7)));
    t.api.declare_policy(&user)?;
    let operator = PolicyParams::new(&vhost, "o", ".", definition("max-length", json!(5)))
        .apply_to(PolicyTarget::Queues);
    t.api.declare_operator_policy(&operator)?;
    eventually("both policies to apply", || {
        let info = t.api.get_queue_info(&vhost, &queue)?;
        let names = (info.policy.as_deref(), info.operator_policy.as_deref());
        let effective = info.effective_policy_definition.and_then(|definition| definition.0);
        let length = effective.and_then(|keys| keys.get("max-length").and_then(Value::as_u64));
        Ok((names == (Some("p"), Some("o")) && length == Some(5)).then_some(()))
    })
}

fn unknown_key(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let params = PolicyParams::new(&vhost, "p", ".", definition("nonsense", json!(1)));
    refused(400, t.api.declare_policy(&params))?;
    refused(400, t.api.declare_operator_policy(&params))
}

fn operator_lifecycle(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let params = PolicyParams::new(&vhost, "o", "^q", definition("max-length", json!(7)))
        .apply_to(PolicyTarget::Queues);
    t.api.declare_operator_policy(&params)?;
    let policy = t.api.get_operator_policy(&vhost, "o")?;
    equal((policy.pattern.as_str(), policy.apply_to), ("^q", PolicyTarget::Queues))?;
    equal(t.api.list_operator_policies_in(&vhost)?.len(), 1)?;
    let all = t.api.list_operator_policies()?;
    holds(all.iter().any(|each| each.vhost == vhost), "not in that of all")?;
    t.api.delete_operator_policy(&vhost, "o", false)?;
    refused(404, t.api.get_operator_policy(&vhost, "o"))?;
    refused(404, t.api.delete_operator_policy(&vhost, "o", false))
}
