//! Policies of users, and the operator's, which administrators alone may change.

use std::sync::Arc;

use serde_json::Value;

use super::change::kept;
use crate::definitions::{PolicyEntry, policy_to_json};
use crate::http::app::Call;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{OPEN, Shape, always, maybe};
use crate::policy::{Policy, PolicyError, Scope};

static POLICY: Shape = Shape::Object(&[
    always("vhost", &Shape::Text),
    always("name", &Shape::Text),
    always("pattern", &Shape::Text),
    always("apply-to", &Shape::Text),
    always("definition", &OPEN),
    always("priority", &Shape::Integer),
]);
static BODY: Shape = Shape::Object(&[
    always("pattern", &Shape::Text),
    always("definition", &OPEN),
    maybe("apply-to", &Shape::Text),
    maybe("priority", &Shape::Integer),
]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get(
        "/api/policies",
        Access::Management,
        Now(|call| all(call, Scope::User)),
        "Lists the policies of the virtual hosts that the caller has permissions in.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&POLICY)),
    Route::get(
        "/api/policies/{vhost}",
        Access::MemberOrAdministrator,
        Now(|call| of_vhost(call, Scope::User)),
        "Lists the policies of a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&POLICY)),
    Route::get(
        "/api/policies/{vhost}/{name}",
        Access::Policymaker,
        Now(|call| get(call, Scope::User)),
        "Tells of a policy.",
    )
    .query(list::COLUMNS)
    .gives(&POLICY),
    Route::put(
        "/api/policies/{vhost}/{name}",
        Access::Policymaker,
        Now(|call| put(call, Scope::User)),
        "Sets a policy, which is in force at once.",
    )
    .takes(&BODY),
    Route::delete(
        "/api/policies/{vhost}/{name}",
        Access::Policymaker,
        Now(|call| delete(call, Scope::User)),
        "Clears a policy.",
    ),
    Route::get(
        "/api/operator-policies",
        Access::Management,
        Now(|call| all(call, Scope::Operator)),
        "Lists the operator's policies of the virtual hosts that the caller has permissions in.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&POLICY)),
    Route::get(
        "/api/operator-policies/{vhost}",
        Access::MemberOrAdministrator,
        Now(|call| of_vhost(call, Scope::Operator)),
        "Lists the operator's policies of a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&POLICY)),
    Route::get(
        "/api/operator-policies/{vhost}/{name}",
        Access::Administrator,
        Now(|call| get(call, Scope::Operator)),
        "Tells of an operator's policy.",
    )
    .query(list::COLUMNS)
    .gives(&POLICY),
    Route::put(
        "/api/operator-policies/{vhost}/{name}",
        Access::Administrator,
        Now(|call| put(call, Scope::Operator)),
        "Sets an operator's policy, which is in force at once.",
    )
    .takes(&BODY),
    Route::delete(
        "/api/operator-policies/{vhost}/{name}",
        Access::Administrator,
        Now(|call| delete(call, Scope::Operator)),
        "Clears an operator's policy.",
    ),
];

fn all(call: &Call, scope: Scope) -> Outcome {
    let mut entries = Vec::new();
    for vhost in call.node().vhosts() {
        let caller = call.caller()?;
        if caller.user.is_administrator() || caller.is_member(call.node(), vhost.name()) {
            entries.extend(entries_of(call, vhost.name(), scope)?);
        }
    }
    show(call, entries)
}

fn of_vhost(call: &Call, scope: Scope) -> Outcome {
    let entries = entries_of(call, call.parameter("vhost"), scope)?;
    show(call, entries)
}

fn entries_of(call: &Call, vhost: &str, scope: Scope) -> Result<Vec<PolicyEntry>, Failure> {
    let policies = call.node().policies(vhost, scope)?.into_iter();
    Ok(policies.map(|policy| PolicyEntry { vhost: vhost.to_owned(), policy }).collect())
}

fn show(call: &Call, entries: Vec<PolicyEntry>) -> Outcome {
    list::list(call, entries, |entry| (&entry.vhost, entry.policy.name()), render)
}

fn render(entry: &PolicyEntry, wanted: &Wanted) -> Value {
    let mut object = Object::new(wanted);
    if let Value::Object(fields) = policy_to_json(&entry.vhost, &entry.policy) {
        fields.into_iter().for_each(|(field, value)| object.put(&field, value));
    }
    object.build()
}

/// The policy of the path, or 404.
pub(super) fn find(call: &Call, scope: Scope) -> Result<Arc<Policy>, Failure> {
    let policies = call.node().policies(call.parameter("vhost"), scope)?;
    let found = policies.into_iter().find(|policy| **policy.name() == *call.parameter("name"));
    found.ok_or_else(Failure::not_found)
}

fn get(call: &Call, scope: Scope) -> Outcome {
    let policy = find(call, scope)?;
    let entry = PolicyEntry { vhost: call.parameter("vhost").to_owned(), policy };
    list::one(call, |wanted| render(&entry, wanted))
}

fn put(call: &Call, scope: Scope) -> Outcome {
    let fields = call.fields()?;
    fields.require(&["pattern", "definition"])?;
    let body = Value::Object(fields.as_map().clone());
    set(call, scope, &body)
}

/// Sets the policy of the path.
pub(super) fn set(call: &Call, scope: Scope, body: &Value) -> Outcome {
    let (vhost, name) = (call.parameter("vhost"), call.parameter("name"));
    let policy = Policy::from_value(scope, name, body)?;
    let shown = policy.definition_text();
    let created = call.node().set_policy(vhost, policy)?;
    let user = &call.caller()?.user.name;
    tracing::info!(%user, vhost, name, ?scope, definition = shown, "policy set");
    Ok(kept(call, Reply::created_or_done(created)))
}

/// Clears the policy of the path.
pub(super) fn delete(call: &Call, scope: Scope) -> Outcome {
    let (vhost, name) = (call.parameter("vhost"), call.parameter("name"));
    match call.node().clear_policy(vhost, scope, name) {
        Err(PolicyError::NoVhost(_)) => return Err(Failure::not_found()),
        other => other?,
    }
    let user = &call.caller()?.user.name;
    tracing::info!(%user, vhost, name, ?scope, "policy cleared");
    Ok(kept(call, Reply::done()))
}
