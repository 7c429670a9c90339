//! `/api/openapi.json`: the table of routes as an `OpenAPI` 3.1 document.
//!
//! Knows only what the rows say.

use std::sync::LazyLock;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::route::{Access, Route, Verb};
use super::routes;
use super::schema;

/// The document; it is the same for everybody.
pub(super) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

fn document() -> Value {
    let mut paths = Map::new();
    for route in routes::all() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(verb(route.method).to_owned(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "warren HTTP API",
            "description": "Compatible with the management API of RabbitMQ.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
            "schemas": {
                "Failure": schema::FAILURE.answered(),
                "Unavailable": schema::UNAVAILABLE.answered(),
            },
        },
    })
}

fn verb(method: Verb) -> &'static str {
    match method {
        Verb::Get => "get",
        Verb::Put => "put",
        Verb::Post => "post",
        Verb::Delete => "delete",
    }
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = route.parameters().map(path_parameter).collect();
    parameters.extend(route.query.iter().map(|field| {
        let schema = field.shape.asked();
        json!({"name": field.name, "in": "query", "required": field.required, "schema": schema})
    }));
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": format!("For {}.", who(route.access)),
        "tags": [route.path.split('/').nth(2).unwrap_or("metrics")],
        "parameters": parameters,
        "responses": responses(route),
    });
    if route.access != Access::Anyone {
        operation["security"] = json!([{"basic": []}]);
    }
    if let Some(body) = route.body {
        let schema = body.asked();
        operation["requestBody"] = json!({"content": {"application/json": {"schema": schema}}});
    }
    operation
}

fn path_parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

/// `get_api_queues_vhost_queue`: stable, and unique because paths are.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    let mut id = verb(route.method).to_owned();
    for word in words {
        id.push('_');
        id.push_str(word);
    }
    id
}

fn who(access: Access) -> &'static str {
    match access {
        Access::Anyone => "everybody",
        Access::Management => "users with any management tag",
        Access::Member => "users with a management tag and permissions in the virtual host",
        Access::MemberOrAdministrator => {
            "users with a management tag and permissions in the virtual host, and administrators"
        }
        Access::Visible => {
            "users with a management tag and permissions in the virtual host, and who may monitor"
        }
        Access::Policymaker => "policymakers with permissions in the virtual host",
        Access::Monitoring => "users with the tag monitoring or administrator",
        Access::Administrator => "administrators",
    }
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for status in route.statuses() {
        let response = if status.is_success() { success(route) } else { failure(status) };
        responses.insert(status.as_str().to_owned(), response);
    }
    Value::Object(responses)
}

fn success(route: &Route) -> Value {
    match route.gives {
        Some(shape) => {
            let mut schema = shape.answered();
            if route.query.iter().any(|field| field.name == "columns") {
                forget_required(&mut schema);
            }
            json!({"description": "Done.", "content": {(route.media): {"schema": schema}}})
        }
        None => json!({"description": "Done."}),
    }
}

/// Whoever names columns gets those alone.
fn forget_required(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("required").is_some_and(Value::is_array) {
                fields.remove("required");
            }
            fields.values_mut().for_each(forget_required);
        }
        Value::Array(all) => all.iter_mut().for_each(forget_required),
        _ => {}
    }
}

fn failure(status: StatusCode) -> Value {
    let description = status.canonical_reason().unwrap_or("Refused");
    if status == StatusCode::UNAUTHORIZED {
        // Without a login there is no body at all.
        return json!({"description": description});
    }
    let name = match status {
        StatusCode::SERVICE_UNAVAILABLE => "Unavailable",
        _ => "Failure",
    };
    let schema = json!({"$ref": format!("#/components/schemas/{name}")});
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}
