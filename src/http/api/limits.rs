//! Limits of virtual hosts and of users.

use serde_json::{Map, Value, json};

use super::change::{invalid, kept, limit};
use super::users;
use crate::access::{User, UserLimit};
use crate::http::app::Call;
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{OPEN, Shape, always};
use crate::vhost::{VhostLimit, VirtualHost};

static OF_VHOST: Shape =
    Shape::List(&Shape::Object(&[always("vhost", &Shape::Text), always("value", &OPEN)]));
static OF_USER: Shape =
    Shape::List(&Shape::Object(&[always("user", &Shape::Text), always("value", &OPEN)]));
static BODY: Shape = Shape::Object(&[always("value", &Shape::Integer)]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get(
        "/api/vhost-limits",
        Access::Management,
        Now(vhosts),
        "Lists the limits of the virtual hosts that the caller may see.",
    )
    .gives(&OF_VHOST),
    Route::get(
        "/api/vhost-limits/{vhost}",
        Access::Visible,
        Now(vhost),
        "Lists the limits of a virtual host.",
    )
    .gives(&OF_VHOST),
    Route::put(
        "/api/vhost-limits/{vhost}/{name}",
        Access::Administrator,
        Now(put_vhost),
        "Sets a limit of a virtual host: max-connections or max-queues.",
    )
    .takes(&BODY)
    .done(&[204]),
    Route::delete(
        "/api/vhost-limits/{vhost}/{name}",
        Access::Administrator,
        Now(delete_vhost),
        "Lifts a limit of a virtual host.",
    ),
    Route::get(
        "/api/user-limits",
        Access::Management,
        Now(users),
        "Lists the limits of users: of all for administrators, else of the caller.",
    )
    .gives(&OF_USER),
    Route::get(
        "/api/user-limits/{user}",
        Access::Management,
        Now(user),
        "Lists the limits of a user.",
    )
    .gives(&OF_USER),
    Route::put(
        "/api/user-limits/{user}/{name}",
        Access::Administrator,
        Now(put_user),
        "Sets a limit of a user: max-connections or max-channels.",
    )
    .takes(&BODY)
    .done(&[204]),
    Route::delete(
        "/api/user-limits/{user}/{name}",
        Access::Administrator,
        Now(delete_user),
        "Lifts a limit of a user.",
    ),
];

fn vhosts(call: &Call) -> Outcome {
    let vhosts = call.node().vhosts();
    let seen = vhosts.iter().filter(|vhost| call.sees(vhost.name()));
    Reply::json(&seen.filter_map(|vhost| of_vhost(vhost)).collect::<Vec<_>>())
}

fn vhost(call: &Call) -> Outcome {
    let vhost = call.vhost()?;
    Reply::json(&of_vhost(&vhost).into_iter().collect::<Vec<_>>())
}

/// Nothing if it has no limits.
fn of_vhost(vhost: &VirtualHost) -> Option<Value> {
    let limits = vhost.settings().limits;
    let limits = [
        (VhostLimit::MaxConnections, limits.max_connections),
        (VhostLimit::MaxQueues, limits.max_queues),
    ];
    let limits = limits.into_iter();
    let value: Map<_, _> = limits
        .filter_map(|(limit, value)| Some((limit.name().to_owned(), value?.into())))
        .collect();
    (!value.is_empty()).then(|| json!({"vhost": &**vhost.name(), "value": value}))
}

fn put_vhost(call: &Call) -> Outcome {
    let (name, fields) = (call.parameter("name"), call.fields()?);
    let value = fields.required("value")?;
    let which = VhostLimit::from_name(name).ok_or_else(|| {
        invalid(&format!("Unrecognised terms [{{<<\"{name}\">>,{value}}}] in limits"))
    })?;
    let value = limit(&fields, name).map_err(|text| invalid(&text))?;
    call.node().set_vhost_limit(call.parameter("vhost"), which, value)?;
    Ok(kept(call, Reply::done()))
}

/// A limit that nobody knows is lifted already.
fn delete_vhost(call: &Call) -> Outcome {
    if let Some(limit) = VhostLimit::from_name(call.parameter("name")) {
        call.node().clear_vhost_limit(call.parameter("vhost"), limit)?;
    }
    Ok(kept(call, Reply::done()))
}

fn users(call: &Call) -> Outcome {
    let mut all = call.node().access.users();
    let caller = call.caller()?;
    all.retain(|user| caller.user.is_administrator() || user.name == caller.user.name);
    Reply::json(&all.iter().filter_map(|user| of_user(user)).collect::<Vec<_>>())
}

fn user(call: &Call) -> Outcome {
    let (name, caller) = (call.parameter("user"), call.caller()?);
    if !caller.user.is_administrator() && *caller.user.name != *name {
        return Err(Failure::not_authorised("Not administrator user"));
    }
    let user = call.node().access.user(name).ok_or_else(Failure::not_found)?;
    Reply::json(&of_user(&user).into_iter().collect::<Vec<_>>())
}

fn of_user(user: &User) -> Option<Value> {
    let value = users::limits(user);
    (!value.is_empty()).then(|| json!({"user": &*user.name, "value": value}))
}

fn put_user(call: &Call) -> Outcome {
    let (user, name, fields) = (call.parameter("user"), call.parameter("name"), call.fields()?);
    let value = fields.required("value")?;
    let which = UserLimit::from_name(name).ok_or_else(|| {
        let text = format!("Unrecognised terms [{{<<\"{name}\">>,{value}}}] in user-limits");
        Failure::bad_request(text)
    })?;
    let value = limit(&fields, name).map_err(Failure::bad_request)?;
    if call.node().access.user(user).is_none() {
        return Err(Failure::bad_request(json!(["no_such_user", user])));
    }
    call.node().set_user_limit(user, which, value)?;
    Ok(kept(call, Reply::done()))
}

fn delete_user(call: &Call) -> Outcome {
    let user = call.parameter("user");
    if call.node().access.user(user).is_none() {
        return Err(Failure::not_found());
    }
    if let Some(limit) = UserLimit::from_name(call.parameter("name")) {
        call.node().clear_user_limit(user, limit)?;
    }
    Ok(kept(call, Reply::done()))
}
