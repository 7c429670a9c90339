//! Permissions and topic permissions: who may do what where.

use serde_json::Value;

use super::change::kept;
use crate::access::{Entry, Permission, Right, TopicPermission};
use crate::broker::ChangeError;
use crate::http::app::Call;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{Shape, always};

pub(super) static PERMISSION: Shape = Shape::Object(&[
    always("user", &Shape::Text),
    always("vhost", &Shape::Text),
    always("configure", &Shape::Text),
    always("write", &Shape::Text),
    always("read", &Shape::Text),
]);
pub(super) static TOPIC_PERMISSION: Shape = Shape::Object(&[
    always("user", &Shape::Text),
    always("vhost", &Shape::Text),
    always("exchange", &Shape::Text),
    always("write", &Shape::Text),
    always("read", &Shape::Text),
]);
static BODY: Shape = Shape::Object(&[
    always("configure", &Shape::Text),
    always("write", &Shape::Text),
    always("read", &Shape::Text),
]);
static TOPIC_BODY: Shape = Shape::Object(&[
    always("exchange", &Shape::Text),
    always("write", &Shape::Text),
    always("read", &Shape::Text),
]);

// The virtual host is not called that in these paths: administrators need no permission in it, and
// what is missing is a matter of the handlers.
pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get(
        "/api/permissions",
        Access::Administrator,
        Now(|call| permissions_where(call, |_| true)),
        "Lists what users may do in all virtual hosts.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&PERMISSION)),
    Route::get(
        "/api/permissions/{in}/{user}",
        Access::Administrator,
        Now(get),
        "Tells what a user may do in a virtual host.",
    )
    .gives(&PERMISSION),
    Route::put(
        "/api/permissions/{in}/{user}",
        Access::Administrator,
        Now(put),
        "Sets what a user may do in a virtual host.",
    )
    .takes(&BODY),
    Route::delete(
        "/api/permissions/{in}/{user}",
        Access::Administrator,
        Now(delete),
        "Takes a user's access to a virtual host.",
    ),
    Route::get(
        "/api/topic-permissions",
        Access::Administrator,
        Now(|call| topic_permissions_where(call, |_| true)),
        "Lists what users may do with routing keys in all virtual hosts.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&TOPIC_PERMISSION)),
    Route::get(
        "/api/topic-permissions/{in}/{user}",
        Access::Administrator,
        Now(get_topic),
        "Lists what a user may do with routing keys in a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&TOPIC_PERMISSION)),
    Route::put(
        "/api/topic-permissions/{in}/{user}",
        Access::Administrator,
        Now(put_topic),
        "Sets what a user may do with the routing keys of an exchange.",
    )
    .takes(&TOPIC_BODY),
    Route::delete(
        "/api/topic-permissions/{in}/{user}",
        Access::Administrator,
        Now(|call| delete_topic(call, None)),
        "Lets a user use all routing keys in a virtual host again.",
    ),
    Route::delete(
        "/api/topic-permissions/{in}/{user}/{exchange}",
        Access::Administrator,
        Now(|call| delete_topic(call, Some(call.parameter("exchange")))),
        "Lets a user use all routing keys of an exchange again.",
    ),
];

/// Lists some permissions.
pub(super) fn permissions_where(
    call: &Call,
    wanted: impl Fn(&Entry<Permission>) -> bool,
) -> Outcome {
    let mut entries = call.node().access.permissions();
    entries.retain(wanted);
    list::list(call, entries, |entry| (&entry.vhost, &entry.user), render)
}

/// Lists some topic permissions.
pub(super) fn topic_permissions_where(
    call: &Call,
    wanted: impl Fn(&Entry<TopicPermission>) -> bool,
) -> Outcome {
    let mut entries = call.node().access.topic_permissions();
    entries.retain(wanted);
    list::list(call, entries, |entry| (&entry.vhost, &entry.user), render_topic)
}

fn render(entry: &Entry<Permission>, wanted: &Wanted) -> Value {
    let mut object = Object::new(wanted);
    object.put("user", &*entry.user);
    object.put("vhost", &*entry.vhost);
    object.put("configure", entry.what.rule(Right::Configure).text());
    object.put("write", entry.what.rule(Right::Write).text());
    object.put("read", entry.what.rule(Right::Read).text());
    object.build()
}

fn render_topic(entry: &Entry<TopicPermission>, wanted: &Wanted) -> Value {
    let mut object = Object::new(wanted);
    object.put("user", &*entry.user);
    object.put("vhost", &*entry.vhost);
    object.put("exchange", &*entry.what.exchange);
    object.put("write", entry.what.rule(Right::Write).text());
    object.put("read", entry.what.rule(Right::Read).text());
    object.build()
}

/// The virtual host and the user of the path.
fn place(call: &Call) -> (&str, &str) {
    (call.parameter("in"), call.parameter("user"))
}

/// What is missing is the caller's mistake where something is to be set.
fn refuse(error: ChangeError) -> Failure {
    match error {
        ChangeError::NoUser(_) | ChangeError::NoVhost(_) => {
            Failure::bad_request("vhost_or_user_not_found")
        }
        other => other.into(),
    }
}

/// And it is not found where something is asked for or removed.
fn missing(error: ChangeError) -> Failure {
    match error {
        ChangeError::NoUser(_) | ChangeError::NoVhost(_) => Failure::not_found(),
        other => other.into(),
    }
}

fn get(call: &Call) -> Outcome {
    let (vhost, user) = place(call);
    let found = call.node().access.permission(vhost, user).ok_or_else(Failure::not_found)?;
    let entry = Entry { vhost: vhost.into(), user: user.into(), what: found };
    list::one(call, |wanted| render(&entry, wanted))
}

fn put(call: &Call) -> Outcome {
    let ((vhost, user), fields) = (place(call), call.fields()?);
    fields.require(&["configure", "write", "read"])?;
    let rule = |key| fields.required_text(key);
    let (configure, write, read) = (rule("configure")?, rule("write")?, rule("read")?);
    let set = call.node().set_permission(vhost, user, configure, write, read);
    Ok(kept(call, Reply::created_or_done(set.map_err(refuse)?)))
}

fn delete(call: &Call) -> Outcome {
    let (vhost, user) = place(call);
    call.node().clear_permission(vhost, user).map_err(missing)?;
    Ok(kept(call, Reply::done()))
}

fn get_topic(call: &Call) -> Outcome {
    let (vhost, user) = place(call);
    let access = &call.node().access;
    if access.topic_permission_count(vhost, user) == 0 {
        return Err(Failure::not_found());
    }
    topic_permissions_where(call, |entry| *entry.vhost == *vhost && *entry.user == *user)
}

fn put_topic(call: &Call) -> Outcome {
    let ((vhost, user), fields) = (place(call), call.fields()?);
    fields.require(&["exchange", "write", "read"])?;
    let text = |key| fields.required_text(key);
    let (exchange, write, read) = (text("exchange")?, text("write")?, text("read")?);
    let set = call.node().set_topic_permission(vhost, user, exchange, write, read);
    Ok(kept(call, Reply::created_or_done(set.map_err(refuse)?)))
}

fn delete_topic(call: &Call, exchange: Option<&str>) -> Outcome {
    let (vhost, user) = place(call);
    call.node().clear_topic_permission(vhost, user, exchange).map_err(missing)?;
    Ok(kept(call, Reply::done()))
}
