//! The HTTP side of the commands: one request at a time, and what its answer means.
//!
//! Every request names what it is about, so that a refusal can be told in one line. Knows no
//! command and no route.

mod answer;
mod endpoint;
mod request;
mod route;
mod tls;

pub(crate) use answer::Written;
pub(crate) use endpoint::Endpoint;
pub(crate) use request::{Client, ClientOptions};
pub(crate) use route::Route;
