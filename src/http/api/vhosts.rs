//! Virtual hosts: what they are, who may use them, and their protection.

use std::sync::Arc;

use serde_json::{Value, json};

use super::change::{kept, not_his_vhost, protected, tags};
use super::permissions::{
    PERMISSION, TOPIC_PERMISSION, permissions_where, topic_permissions_where,
};
use crate::broker::Node;
use crate::http::app::Call;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{OPEN, Shape, always, maybe};
use crate::vhost::{VhostMetadata, VirtualHost};

/// What whoever creates a virtual host may do in it.
const EVERYTHING: &str = ".*";

static VHOST: Shape = Shape::Object(&[
    always("name", &Shape::Text),
    always("description", &Shape::Text),
    always("tags", &Shape::List(&Shape::Text)),
    always("metadata", &OPEN),
    always("default_queue_type", &Shape::Text),
    always("tracing", &Shape::Flag),
    always("protected_from_deletion", &Shape::Flag),
    always("cluster_state", &OPEN),
]);
static VHOSTS: Shape = Shape::Page(&OPEN);
static BODY: Shape = Shape::Object(&[
    maybe("description", &Shape::Text),
    maybe("tags", &Shape::Any),
    maybe("default_queue_type", &Shape::Text),
    maybe("tracing", &Shape::Flag),
]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get(
        "/api/vhosts",
        Access::Management,
        Now(all),
        "Lists the virtual hosts that the caller may see.",
    )
    .query(list::QUERY)
    .gives(&VHOSTS),
    Route::get("/api/vhosts/{name}", Access::Management, Now(get), "Tells of a virtual host.")
        .query(list::COLUMNS)
        .gives(&VHOST),
    Route::put(
        "/api/vhosts/{name}",
        Access::Administrator,
        Now(put),
        "Creates a virtual host, in which the caller may do everything, or changes one.",
    )
    .takes(&BODY),
    Route::delete(
        "/api/vhosts/{name}",
        Access::Administrator,
        Now(delete),
        "Deletes a virtual host with everything in it and closes its connections.",
    )
    .fails(&[412]),
    Route::get(
        "/api/vhosts/{name}/permissions",
        Access::Administrator,
        Now(permissions),
        "Lists what users may do in a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::List(&PERMISSION)),
    Route::get(
        "/api/vhosts/{name}/topic-permissions",
        Access::Administrator,
        Now(topic_permissions),
        "Lists what users may do with routing keys in a virtual host.",
    )
    .query(list::QUERY)
    .gives(&Shape::List(&TOPIC_PERMISSION)),
    Route::post(
        "/api/vhosts/{name}/deletion/protection",
        Access::Administrator,
        Now(protect),
        "Protects a virtual host from deletion.",
    )
    .takes_nothing()
    .done(&[204]),
    Route::delete(
        "/api/vhosts/{name}/deletion/protection",
        Access::Administrator,
        Now(unprotect),
        "Lets a virtual host be deleted again.",
    ),
    Route::post(
        "/api/vhosts/{name}/start/{node}",
        Access::Administrator,
        Now(start),
        "Starts a virtual host, which here is always done already.",
    )
    .takes_nothing()
    .done(&[204]),
];

fn all(call: &Call) -> Outcome {
    let mut vhosts = call.node().vhosts();
    vhosts.retain(|vhost| call.sees(vhost.name()));
    let counts = !call.has_flag("disable_stats");
    list::list(
        call,
        vhosts,
        |vhost| ("", vhost.name()),
        |vhost, wanted| render(call.node(), vhost, wanted, counts),
    )
}

fn get(call: &Call) -> Outcome {
    let vhost = seen(call)?;
    let counts = !call.has_flag("disable_stats");
    list::one(call, |wanted| render(call.node(), &vhost, wanted, counts))
}

/// The virtual host of the path, if the caller may see it.
fn seen(call: &Call) -> Result<Arc<VirtualHost>, Failure> {
    let name = call.parameter("name");
    let found = call.node().vhost(name).ok();
    // Whoever may not see it is not told whether it exists.
    if !call.sees(name) {
        return Err(not_his_vhost());
    }
    found.ok_or_else(Failure::not_found)
}

fn render(node: &Node, vhost: &VirtualHost, wanted: &Wanted, counts: bool) -> Value {
    let settings = vhost.settings();
    let VhostMetadata { description, tags, default_queue_type, tracing } = &settings.metadata;
    // What a queue becomes that asks for no type.
    let kind = default_queue_type.unwrap_or_default().name();
    let mut object = Object::new(wanted);
    object.put("name", &**vhost.name());
    object.put("description", &**description);
    let tags: Vec<&str> = tags.iter().map(|tag| &**tag).collect();
    object.put("tags", tags.clone());
    object.put("default_queue_type", kind);
    let metadata = json!({"description": &**description, "tags": tags, "default_queue_type": kind});
    object.put("metadata", metadata);
    object.put("tracing", *tracing);
    object.put("protected_from_deletion", settings.protected);
    object.put_with("cluster_state", || json!({node.config.node_name(): "running"}));
    let totals = ["messages", "messages_ready", "messages_unacknowledged"];
    if counts && totals.iter().any(|field| object.wants(field)) {
        let (mut ready, mut unacknowledged) = (0, 0);
        for queue in vhost.queues() {
            let counts = queue.counts();
            ready += counts.ready;
            unacknowledged += counts.unacked;
        }
        object.put("messages", ready + unacknowledged);
        object.put("messages_ready", ready);
        object.put("messages_unacknowledged", unacknowledged);
    }
    object.build()
}

/// What is not said stays as it is.
fn put(call: &Call) -> Outcome {
    let (name, node, fields) = (call.parameter("name"), call.node(), call.fields()?);
    let had = node.vhost_settings(name).map(|settings| settings.metadata.clone());
    let is_new = had.is_err();
    let mut metadata = had.unwrap_or_default();
    if let Some(description) = fields.text("description")? {
        metadata.description = description.into();
    }
    if let Some(tags) = tags(&fields)? {
        metadata.tags = tags.iter().map(|tag| tag.as_str().into()).collect();
    }
    match fields.text("default_queue_type")? {
        None => {}
        Some("" | "undefined") => metadata.default_queue_type = None,
        Some(kind) => metadata.default_queue_type = Some(Node::default_queue_type(kind)?),
    }
    metadata.tracing = fields.flag("tracing", metadata.tracing)?;
    let created = node.create_vhost(name, metadata)?;
    if is_new && created {
        let user = &call.caller()?.user.name;
        node.set_permission(name, user, EVERYTHING, EVERYTHING, EVERYTHING)?;
    }
    Ok(kept(call, Reply::created_or_done(created)))
}

fn delete(call: &Call) -> Outcome {
    let name = call.parameter("name");
    let vhost = call.node().vhost(name).map_err(|_| Failure::not_found())?;
    if vhost.settings().protected {
        let text = "because it is protected from deletion";
        return Err(protected(format!("Refusing to delete virtual host '{name}' {text}")));
    }
    call.node().delete_vhost(name)?;
    Ok(kept(call, Reply::done()))
}

fn permissions(call: &Call) -> Outcome {
    let vhost = seen(call)?;
    permissions_where(call, |entry| entry.vhost == *vhost.name())
}

fn topic_permissions(call: &Call) -> Outcome {
    let vhost = seen(call)?;
    topic_permissions_where(call, |entry| entry.vhost == *vhost.name())
}

fn protect(call: &Call) -> Outcome {
    let vhost = seen(call)?;
    call.node().protect_vhost(vhost.name(), true)?;
    Ok(kept(call, Reply::done()))
}

fn unprotect(call: &Call) -> Outcome {
    let vhost = seen(call)?;
    call.node().protect_vhost(vhost.name(), false)?;
    Ok(kept(call, Reply::done()))
}

fn start(call: &Call) -> Outcome {
    seen(call)?;
    let asked = call.parameter("node");
    if asked != call.node().config.node_name() {
        let text = format!("Request to node {asked} failed with nodedown");
        return Err(Failure::bad_request(text));
    }
    Ok(Reply::done())
}
