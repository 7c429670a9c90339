//! Definitions as a whole: exported and imported, of the broker or of one virtual host.
//!
//! What an import says is on disk before it is answered. Knows nothing of the entries.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use tokio::runtime::Handle;

use super::change::kept;
use crate::definitions::{About, DEFINITIONS_MAX_BYTES, Document, Target};
use crate::http::app::Call;
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{Field, OPEN, Shape, maybe};
use crate::names::COMPATIBLE_VERSION;

/// The field of a form that holds the file.
const FILE_FIELD: &str = "file";

static QUERY: &[Field] = &[maybe("download", &Shape::Text)];

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get(
        "/api/definitions",
        Access::Administrator,
        Now(export),
        "Exports all that the broker is set up with, password hashes included.",
    )
    .query(QUERY)
    .gives(&OPEN),
    Route::post(
        "/api/definitions",
        Access::Administrator,
        Now(import),
        "Imports definitions, as JSON or as the field `file` of a form. Nothing is deleted.",
    )
    .body_max(DEFINITIONS_MAX_BYTES)
    .done(&[204]),
    Route::get(
        "/api/all-configuration",
        Access::Administrator,
        Now(export),
        "The same as /api/definitions, under its old name.",
    )
    .query(QUERY)
    .gives(&OPEN),
    Route::post(
        "/api/all-configuration",
        Access::Administrator,
        Now(import),
        "The same as /api/definitions, under its old name.",
    )
    .body_max(DEFINITIONS_MAX_BYTES)
    .done(&[204]),
    Route::get(
        "/api/definitions/{vhost}",
        Access::Administrator,
        Now(export_vhost),
        "Exports all that a virtual host is set up with.",
    )
    .query(QUERY)
    .gives(&OPEN),
    Route::post(
        "/api/definitions/{vhost}",
        Access::Administrator,
        Now(import_vhost),
        "Imports definitions into a virtual host, whatever virtual host they are from.",
    )
    .body_max(DEFINITIONS_MAX_BYTES)
    .done(&[204]),
];

fn export(call: &Call) -> Outcome {
    let cluster_name = cluster_name(call);
    let json = Document::of_broker(call.node()).to_json(about(&cluster_name));
    Ok(offered(call, Reply::json(&json)?))
}

fn export_vhost(call: &Call) -> Outcome {
    let (vhost, cluster_name) = (call.vhost()?, cluster_name(call));
    let document = Document::of_vhost(call.node(), &vhost);
    Ok(offered(call, Reply::json(&document.to_json_of_vhost(about(&cluster_name)))?))
}

fn cluster_name(call: &Call) -> String {
    call.node().cluster_name().unwrap_or_else(|| call.node().config.node_name())
}

fn about(cluster_name: &str) -> About<'_> {
    About { version: COMPATIBLE_VERSION, cluster_name }
}

/// As a file, if the query names one.
fn offered(call: &Call, reply: Reply) -> Reply {
    match call.query("download") {
        Some(file) => reply.download(file),
        None => reply,
    }
}

fn import(call: &Call) -> Outcome {
    import_into(call, Target::Broker)
}

fn import_vhost(call: &Call) -> Outcome {
    let vhost = call.vhost()?;
    import_into(call, Target::Vhost(vhost.name()))
}

fn import_into(call: &Call, target: Target<'_>) -> Outcome {
    let file = file(call)?;
    let read = Document::read(&file, target);
    let imported = read.and_then(|document| document.import(call.node()));
    let imported = imported.map_err(|refused| Failure::bad_request(refused.0))?;
    let user = &call.caller()?.user.name;
    tracing::info!(%user, ?target, %imported, "definitions imported over HTTP");
    Ok(kept(call, Reply::done()))
}

/// The body, or the file in it if it is a form.
fn file(call: &Call) -> Result<Bytes, Failure> {
    let kind = call.headers.get(CONTENT_TYPE);
    let is_form =
        |kind: &[u8]| kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
    match kind {
        Some(kind) if is_form(kind.as_bytes()) => {
            let mut request = Request::new(Body::from(call.body.clone()));
            request.headers_mut().insert(CONTENT_TYPE, kind.clone());
            Handle::current().block_on(file_of_form(request))
        }
        _ => Ok(call.body.clone()),
    }
}

/// All of it is in memory already: nothing is waited for.
async fn file_of_form(request: Request) -> Result<Bytes, Failure> {
    let bad = |why: &dyn std::fmt::Display| Failure::bad_request(format!("bad form: {why}"));
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| bad(&error))?;
    while let Some(field) = form.next_field().await.map_err(|error| bad(&error))? {
        if field.name() == Some(FILE_FIELD) {
            return field.bytes().await.map_err(|error| bad(&error));
        }
    }
    Err(Failure::bad_request(format!("the form has no field \"{FILE_FIELD}\"")))
}
