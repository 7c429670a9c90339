//! Users: for administrators alone, who see password hashes, and never a password.

use serde_json::{Map, Value, json};

use super::change::{kept, tags};
use super::permissions::{
    PERMISSION, TOPIC_PERMISSION, permissions_where, topic_permissions_where,
};
use crate::access::{PasswordHash, Permission, Tag, User, UserLimit};
use crate::broker::{NewPassword, Node, UserUpdate};
use crate::http::app::Call;
use crate::http::fields::Fields;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{OPEN, Shape, always, maybe};

/// Users that one request may delete: as many as there may be.
const BULK_MAX: usize = 100_000;

static USER: Shape = Shape::Object(&[
    always("name", &Shape::Text),
    always("password_hash", &Shape::Text),
    always("hashing_algorithm", &Shape::Text),
    always("tags", &Shape::List(&Shape::Text)),
    always("limits", &OPEN),
]);
static BODY: Shape = Shape::Object(&[
    maybe("password", &Shape::Text),
    maybe("password_hash", &Shape::Text),
    maybe("hashing_algorithm", &Shape::Text),
    always("tags", &Shape::Any),
    maybe("permissions", &OPEN),
    maybe("limits", &OPEN),
]);
static BULK: Shape = Shape::Object(&[always("users", &Shape::List(&Shape::Text))]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/users", Access::Administrator, Now(all), "Lists the users.")
        .query(list::QUERY)
        .gives(&Shape::Page(&USER)),
    Route::get(
        "/api/users/without-permissions",
        Access::Administrator,
        Now(without_permissions),
        "Lists the users who may enter no virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&USER)),
    Route::post(
        "/api/users/bulk-delete",
        Access::Administrator,
        Now(bulk_delete),
        "Deletes several users.",
    )
    .takes(&BULK)
    .done(&[204]),
    Route::get("/api/users/{user}", Access::Administrator, Now(get), "Tells of a user.")
        .query(list::COLUMNS)
        .gives(&USER),
    Route::put(
        "/api/users/{user}",
        Access::Administrator,
        Now(put),
        "Makes a user, or changes one; without a password there is none from then on.",
    )
    .takes(&BODY),
    Route::delete(
        "/api/users/{user}",
        Access::Administrator,
        Now(delete),
        "Deletes a user with all permissions, and closes the user's connections.",
    ),
    Route::get(
        "/api/users/{user}/permissions",
        Access::Administrator,
        Now(permissions),
        "Lists what a user may do in all virtual hosts.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&PERMISSION)),
    Route::get(
        "/api/users/{user}/topic-permissions",
        Access::Administrator,
        Now(topic_permissions),
        "Lists what a user may do with routing keys in all virtual hosts.",
    )
    .query(list::QUERY)
    .gives(&Shape::Page(&TOPIC_PERMISSION)),
];

fn all(call: &Call) -> Outcome {
    list::list(call, call.node().access.users(), |user| ("", &user.name), |u, w| render(u, w))
}

fn without_permissions(call: &Call) -> Outcome {
    let access = &call.node().access;
    let permissions = access.permissions();
    let mut users = access.users();
    let members: hashbrown::HashSet<_> = permissions.iter().map(|entry| &entry.user).collect();
    users.retain(|user| !members.contains(&user.name));
    list::list(call, users, |user| ("", &user.name), |u, w| render(u, w))
}

fn get(call: &Call) -> Outcome {
    let user = call.node().access.user(call.parameter("user")).ok_or_else(Failure::not_found)?;
    list::one(call, |wanted| render(&user, wanted))
}

fn render(user: &User, wanted: &Wanted) -> Value {
    let mut object = Object::new(wanted);
    object.put("name", &*user.name);
    let (hash, algorithm) = match &user.password {
        Some(hash) => (hash.text(), hash.algorithm()),
        None => Default::default(),
    };
    object.put("password_hash", hash);
    object.put("hashing_algorithm", algorithm.name());
    object.put("tags", user.tags.iter().map(Tag::name).collect::<Vec<_>>());
    object.put("limits", limits(user));
    object.build()
}

/// The limits of a user, as far as there are any.
pub(super) fn limits(user: &User) -> Map<String, Value> {
    let limits = [
        (UserLimit::MaxConnections, user.limits.max_connections),
        (UserLimit::MaxChannels, user.limits.max_channels),
    ];
    let limits = limits.into_iter();
    limits.filter_map(|(limit, value)| Some((limit.name().to_owned(), value?.into()))).collect()
}

fn put(call: &Call) -> Outcome {
    let (name, node, fields) = (call.parameter("user"), call.node(), call.fields()?);
    let Some(tags) = tags(&fields)? else { return Err(Failure::bad_request("tags_not_present")) };
    let tags = Some(tags.iter().map(|tag| Tag::from_name(tag)).collect());
    let update = UserUpdate { name: name.to_owned(), password: password(&fields)?, tags };
    let permissions = granted(node, &fields)?;
    let limits = asked_limits(&fields)?;
    let created = node.set_user(update)?;
    for (vhost, [configure, write, read]) in permissions {
        node.set_permission(&vhost, name, &configure, &write, &read)?;
    }
    for (limit, value) in limits {
        node.set_user_limit(name, limit, value)?;
    }
    warn_without_administrator(node);
    Ok(kept(call, Reply::created_or_done(created)))
}

/// What stands there in the place of a password is never repeated.
fn password(fields: &Fields) -> Result<NewPassword, Failure> {
    let text = |key: &str| match fields.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Failure::bad_request(json!(["not_string", key]))),
    };
    match (text("password")?, text("password_hash")?) {
        (Some(_), Some(_)) => {
            Err(Failure::bad_request("both_password_and_password_hash_are_provided"))
        }
        (Some(password), None) => Ok(NewPassword::Plain(password.clone())),
        (None, Some(hash)) if !hash.is_empty() => {
            let parsed = PasswordHash::parse(fields.text("hashing_algorithm")?, hash);
            parsed.map(NewPassword::Hash).map_err(|bad| Failure::bad_request(bad.to_string()))
        }
        (None, _) => Ok(NewPassword::Remove),
    }
}

/// Permissions that come with a user, checked.
fn granted(node: &Node, fields: &Fields) -> Result<Vec<(String, [String; 3])>, Failure> {
    let mut granted = Vec::new();
    for (vhost, rules) in fields.object("permissions")? {
        if node.vhost(&vhost).is_err() {
            return Err(Failure::bad_request("vhost_or_user_not_found"));
        }
        let rule = |key: &str| {
            let rule = rules.get(key).and_then(Value::as_str).map(str::to_owned);
            rule.ok_or_else(|| Failure::bad_request(format!("[{{key_missing,{key}}}]")))
        };
        let rules = [rule("configure")?, rule("write")?, rule("read")?];
        let [configure, write, read] = &rules;
        Permission::new(configure, write, read)
            .map_err(|bad| Failure::bad_request(bad.to_string()))?;
        granted.push((vhost, rules));
    }
    Ok(granted)
}

fn asked_limits(fields: &Fields) -> Result<Vec<(UserLimit, i64)>, Failure> {
    let limits = fields.object("limits")?;
    let limit = |(name, value): (&String, &Value)| {
        let limit = UserLimit::from_name(name).zip(value.as_i64());
        limit.ok_or_else(|| {
            let text = format!("Unrecognised terms [{{{name},{value}}}] in user-limits");
            Failure::bad_request(text)
        })
    };
    limits.iter().map(limit).collect()
}

fn delete(call: &Call) -> Outcome {
    remove(call, call.parameter("user"))?;
    warn_without_administrator(call.node());
    Ok(kept(call, Reply::done()))
}

fn remove(call: &Call, name: &str) -> Result<(), Failure> {
    if *call.caller()?.user.name == *name {
        tracing::warn!(user = name, "a user deletes itself");
    }
    Ok(call.node().delete_user(name)?)
}

/// All of them, or none if one of them is unknown.
fn bulk_delete(call: &Call) -> Outcome {
    let fields = call.fields()?;
    let Value::Array(names) = fields.required("users")? else {
        return Err(Failure::bad_request("users must be a list of names"));
    };
    if names.len() > BULK_MAX {
        let text = format!("users: {BULK_MAX} at most");
        return Err(Failure::bad_request(text));
    }
    let mut known = hashbrown::HashSet::new();
    for name in names {
        let found = name.as_str().filter(|name| call.node().access.user(name).is_some());
        let found = found.ok_or_else(|| Failure::bad_request(json!(["no_such_user", name])))?;
        known.insert(found);
    }
    for name in known {
        remove(call, name)?;
    }
    warn_without_administrator(call.node());
    Ok(kept(call, Reply::done()))
}

/// Nothing is protected from administrators, but they should know.
fn warn_without_administrator(node: &Node) {
    if !node.access.users().iter().any(|user| user.is_administrator()) {
        tracing::warn!("there is no administrator any more; nobody can manage this broker");
    }
}

fn permissions(call: &Call) -> Outcome {
    let user = call.node().access.user(call.parameter("user")).ok_or_else(Failure::not_found)?;
    permissions_where(call, |entry| entry.user == user.name)
}

fn topic_permissions(call: &Call) -> Outcome {
    let user = call.node().access.user(call.parameter("user")).ok_or_else(Failure::not_found)?;
    topic_permissions_where(call, |entry| entry.user == user.name)
}
