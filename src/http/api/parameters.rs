//! Parameters of components, and global ones.
//!
//! Policies and the limits of virtual hosts are parameters too, and are shown as such. Components
//! with further parameters (shovels, federation) do not exist here.

use serde_json::Value;

use super::change::{invalid, kept};
use super::policies;
use crate::broker::Node;
use crate::definitions::{OPERATOR_POLICY, VHOST_LIMITS, rule};
use crate::http::app::Call;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{Shape, always};
use crate::policy::Scope;
use crate::vhost::{VhostLimit, VhostLimits, VirtualHost};

/// The component under which policies are parameters.
const POLICY: &str = "policy";
/// The one name of a virtual host's limits.
const LIMITS: &str = "limits";

static PARAMETER: Shape = Shape::Object(&[
    always("component", &Shape::Text),
    always("vhost", &Shape::Text),
    always("name", &Shape::Text),
    always("value", &Shape::Any),
]);
static GLOBAL: Shape = Shape::Object(&[always("name", &Shape::Text), always("value", &Shape::Any)]);
static BODY: Shape = Shape::Object(&[always("value", &Shape::Any)]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get(
        "/api/parameters",
        Access::Policymaker,
        Now(|call| all(call, None)),
        "Lists parameters, without policies.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&PARAMETER)),
    Route::get(
        "/api/parameters/{component}",
        Access::Policymaker,
        Now(|call| all(call, Some(call.parameter("component")))),
        "Lists the parameters of a component.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&PARAMETER)),
    Route::get(
        "/api/parameters/{component}/{vhost}",
        Access::Policymaker,
        Now(of_vhost),
        "Lists the parameters of a component in a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&PARAMETER)),
    Route::get(
        "/api/parameters/{component}/{vhost}/{name}",
        Access::Policymaker,
        Now(get),
        "Tells of a parameter.",
    )
    .gives(&PARAMETER),
    Route::put(
        "/api/parameters/{component}/{vhost}/{name}",
        Access::Policymaker,
        Now(put),
        "Sets a parameter: an operator's policy or the limits of a virtual host.",
    )
    .takes(&BODY),
    Route::delete(
        "/api/parameters/{component}/{vhost}/{name}",
        Access::Policymaker,
        Now(delete),
        "Clears a parameter.",
    ),
    Route::get(
        "/api/global-parameters",
        Access::Policymaker,
        Now(globals),
        "Lists the parameters of the whole broker.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&GLOBAL)),
    Route::get(
        "/api/global-parameters/{name}",
        Access::Policymaker,
        Now(global),
        "Tells of a parameter of the whole broker.",
    )
    .gives(&GLOBAL),
    Route::put(
        "/api/global-parameters/{name}",
        Access::Policymaker,
        Now(put_global),
        "Sets a parameter of the whole broker.",
    )
    .takes(&BODY),
    Route::delete(
        "/api/global-parameters/{name}",
        Access::Policymaker,
        Now(delete_global),
        "Clears a parameter of the whole broker.",
    ),
];

/// A parameter as it is shown.
struct Shown {
    component: &'static str,
    vhost: String,
    name: String,
    value: Value,
}

/// What is a parameter in a virtual host.
fn in_vhost(node: &Node, vhost: &VirtualHost, component: Option<&str>) -> Vec<Shown> {
    let name = vhost.name();
    let mut shown = Vec::new();
    // Among all of them, policies would only be in the way.
    for (kind, scope) in [(POLICY, Scope::User), (OPERATOR_POLICY, Scope::Operator)] {
        if component.is_none_or(|wanted| wanted == kind) && !(component.is_none() && kind == POLICY)
        {
            for policy in node.policies(name, scope).unwrap_or_default() {
                shown.push(Shown {
                    component: kind,
                    vhost: name.to_string(),
                    name: policy.name().to_string(),
                    value: Value::Object(rule(&policy)),
                });
            }
        }
    }
    let limits = vhost.settings().limits;
    let limits = [
        (VhostLimit::MaxConnections, limits.max_connections),
        (VhostLimit::MaxQueues, limits.max_queues),
    ];
    let limits: serde_json::Map<_, _> = limits
        .into_iter()
        .filter_map(|(limit, value)| Some((limit.name().to_owned(), value?.into())))
        .collect();
    if component.is_none_or(|wanted| wanted == VHOST_LIMITS) && !limits.is_empty() {
        let (vhost, name, value) = (name.to_string(), LIMITS.to_owned(), Value::Object(limits));
        shown.push(Shown { component: VHOST_LIMITS, vhost, name, value });
    }
    shown
}

fn render(shown: &Shown, wanted: &Wanted) -> Value {
    let mut object = Object::new(wanted);
    object.put("component", shown.component);
    object.put("vhost", &*shown.vhost);
    object.put("name", &*shown.name);
    object.put("value", shown.value.clone());
    object.build()
}

fn all(call: &Call, component: Option<&str>) -> Outcome {
    let (caller, node) = (call.caller()?, call.node());
    let mut shown = Vec::new();
    for vhost in node.vhosts() {
        if caller.user.is_administrator() || caller.is_member(node, vhost.name()) {
            shown.extend(in_vhost(node, &vhost, component));
        }
    }
    list::list(call, shown, |shown| (&shown.vhost, &shown.name), render)
}

fn of_vhost(call: &Call) -> Outcome {
    let shown = in_vhost(call.node(), &*call.vhost()?, Some(call.parameter("component")));
    list::list(call, shown, |shown| (&shown.vhost, &shown.name), render)
}

fn get(call: &Call) -> Outcome {
    let shown = in_vhost(call.node(), &*call.vhost()?, Some(call.parameter("component")));
    let found = shown.iter().find(|shown| shown.name == call.parameter("name"));
    let found = found.ok_or_else(Failure::not_found)?;
    list::one(call, |wanted| render(found, wanted))
}

fn check_administrator(call: &Call) -> Result<(), Failure> {
    if call.caller()?.user.is_administrator() {
        return Ok(());
    }
    Err(Failure::not_authorised("Not administrator user"))
}

fn put(call: &Call) -> Outcome {
    let fields = call.fields()?;
    let value = fields.required("value")?;
    match call.parameter("component") {
        POLICY => Err(Failure::bad_request("policies may not be set using this method")),
        OPERATOR_POLICY => {
            check_administrator(call)?;
            policies::set(call, Scope::Operator, value)
        }
        VHOST_LIMITS => {
            check_administrator(call)?;
            put_limits(call, value)
        }
        component => Err(invalid(&Node::refuse_parameter(component).to_string())),
    }
}

/// All limits of a virtual host at once: those that are not named are lifted.
fn put_limits(call: &Call, value: &Value) -> Outcome {
    let (vhost, node) = (call.vhost()?, call.node());
    let name = vhost.name();
    let Value::Object(asked) = value else {
        return Err(invalid(&format!("limits should be an object, actually was {value}")));
    };
    let mut limits = VhostLimits::default();
    for (limit, value) in asked {
        let known = VhostLimit::from_name(limit).zip(value.as_i64());
        let (limit, value) = known.ok_or_else(|| {
            invalid(&format!("Unrecognised terms [{{<<\"{limit}\">>,{value}}}] in limits"))
        })?;
        limits = limits.with(limit, Some(value));
    }
    let had = vhost.settings().limits;
    let created = had == VhostLimits::default();
    for (limit, value) in [
        (VhostLimit::MaxConnections, limits.max_connections),
        (VhostLimit::MaxQueues, limits.max_queues),
    ] {
        match value {
            Some(value) => node.set_vhost_limit(name, limit, value)?,
            None => node.clear_vhost_limit(name, limit)?,
        }
    }
    Ok(kept(call, Reply::created_or_done(created)))
}

fn delete(call: &Call) -> Outcome {
    let vhost = call.vhost()?;
    match call.parameter("component") {
        OPERATOR_POLICY => {
            check_administrator(call)?;
            policies::delete(call, Scope::Operator)
        }
        VHOST_LIMITS if call.parameter("name") == LIMITS => {
            check_administrator(call)?;
            if vhost.settings().limits == VhostLimits::default() {
                return Err(Failure::not_found());
            }
            for limit in [VhostLimit::MaxConnections, VhostLimit::MaxQueues] {
                call.node().clear_vhost_limit(vhost.name(), limit)?;
            }
            Ok(kept(call, Reply::done()))
        }
        _ => Err(Failure::not_found()),
    }
}

fn globals(call: &Call) -> Outcome {
    let all = call.node().global_parameters();
    list::list(
        call,
        all,
        |(name, _)| ("", name),
        |(name, value), wanted| render_global(name, value, wanted),
    )
}

fn render_global(name: &str, value: &str, wanted: &Wanted) -> Value {
    let mut object = Object::new(wanted);
    object.put("name", name);
    // It was checked when it was set.
    object.put("value", serde_json::from_str::<Value>(value).unwrap_or_default());
    object.build()
}

fn global(call: &Call) -> Outcome {
    let name = call.parameter("name");
    let value = call.node().global_parameter(name).ok_or_else(Failure::not_found)?;
    list::one(call, |wanted| render_global(name, &value, wanted))
}

fn put_global(call: &Call) -> Outcome {
    let fields = call.fields()?;
    let value = fields.required("value")?.to_string();
    let created = call.node().set_global_parameter(call.parameter("name"), &value)?;
    Ok(kept(call, Reply::created_or_done(created)))
}

fn delete_global(call: &Call) -> Outcome {
    call.node().clear_global_parameter(call.parameter("name"))?;
    Ok(kept(call, Reply::done()))
}
