//! The HTTP API: RabbitMQ's management API, and metrics.
//!
//! `serve.rs` accepts and limits connections, `app.rs` takes a request from login to answer,
//! `routes.rs` is the one table of all routes; `openapi.rs` describes that table to programs. What
//! a route does stands in `api/`, one file per kind of object. Knows no AMQP connections: what it
//! does, it does on behalf of a user through the broker.

mod api;
mod app;
mod caller;
mod fields;
mod figures;
mod json;
mod list;
mod login;
mod metrics;
mod openapi;
mod patient;
mod reply;
mod route;
mod routes;
mod schema;
mod serve;
mod time;

pub use app::Endpoint;
pub use serve::{Http, Listeners};
