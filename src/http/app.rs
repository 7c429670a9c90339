//! A request from its arrival to its answer: path, login, permission, body, handler.
//!
//! Everything that is the same for all routes stands here and in `serve.rs`. Knows the rows of the
//! table, not what any of them does.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Query, RawPathParams, Request};
use axum::http::header::{ALLOW, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::set_header::SetResponseHeaderLayer;

use super::caller::Caller;
use super::fields::Fields;
use super::login::Logins;
use super::reply::{Failure, Outcome};
use super::route::{Access, Handler, Route, Verb};
use crate::broker::Node;
use crate::clock;
use crate::events::{acting, acting_later};
use crate::vhost::VirtualHost;

/// Requests that are worked on at a time. More would not be faster, and would take the processors
/// away from messages.
const WORKING_MAX: usize = 4;
/// A client has this long to send the whole body of a request.
const BODY_TIME_MAX: Duration = Duration::from_mins(1);
/// Parameters of one query; no route knows more than twenty.
const QUERY_PARAMETERS_MAX: usize = 64;

/// Browsers: do not guess types, do not show this inside another page, load and run nothing.
const SECURITY_HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cache-control", "no-cache"),
    ("vary", "accept, accept-encoding, origin"),
];

/// One place where the broker listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// As `amqp` or `http`.
    pub protocol: &'static str,
    /// The address and the port.
    pub address: SocketAddr,
    /// Spoken inside TLS.
    pub tls: bool,
}

/// What all requests share.
#[derive(Debug)]
pub(super) struct App {
    pub(super) node: Arc<Node>,
    node_name: String,
    /// When it was started: milliseconds since 1970.
    pub(super) started_ms: u64,
    /// Where the broker listens, all protocols.
    pub(super) endpoints: Vec<Endpoint>,
    logins: Logins,
    working: Arc<Semaphore>,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin(pub(super) SocketAddr);

/// A request as its handler sees it: allowed, and read whole.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) app: Arc<App>,
    pub(super) route: &'static Route,
    /// Nobody on routes for everybody.
    caller: Option<Caller>,
    parameters: Vec<(String, String)>,
    query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl App {
    pub(super) fn new(node: Arc<Node>, endpoints: Vec<Endpoint>) -> Arc<Self> {
        let working = Arc::new(Semaphore::new(WORKING_MAX));
        let node_name = node.config.node_name();
        let (started_ms, logins) = (clock::now_ms(), Logins::default());
        Arc::new(Self { node, node_name, started_ms, endpoints, logins, working })
    }

    /// What the node is called.
    pub(super) fn node_name(&self) -> &str {
        &self.node_name
    }

    /// What the cluster is called, which is this node alone.
    pub(super) fn cluster_name(&self) -> String {
        self.node.cluster_name().unwrap_or_else(|| self.node_name.clone())
    }

    /// Serves these routes. `open`: to everybody, whatever the rows say.
    pub(super) fn router(
        self: &Arc<Self>,
        routes: impl Iterator<Item = &'static Route>,
        open: bool,
    ) -> Router {
        let mut paths: Vec<(&str, Vec<&'static Route>)> = Vec::new();
        for route in routes {
            match paths.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, routes)) => routes.push(route),
                None => paths.push((route.path, vec![route])),
            }
        }
        let served = paths.into_iter().fold(Router::new(), |served, (path, rows)| {
            served.route(path, self.methods(&rows, open))
        });
        let served = served.fallback(|| async { Failure::not_found() });
        let panics =
            CatchPanicLayer::custom(|_| Failure::internal(&"a handler panicked").into_response());
        let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
        let served = served.layer(panics).layer(compression);
        SECURITY_HEADERS.into_iter().fold(served, |served, (name, value)| {
            let name = HeaderName::from_static(name);
            let value = HeaderValue::from_static(value);
            served.layer(SetResponseHeaderLayer::overriding(name, value))
        })
    }

    fn methods(self: &Arc<Self>, routes: &[&'static Route], open: bool) -> MethodRouter {
        let allow = HeaderValue::from_str(&allowed(routes));
        let allow = allow.unwrap_or(HeaderValue::from_static("OPTIONS"));
        let refused = allow.clone();
        let methods = MethodRouter::new()
            .options(move || async move { (StatusCode::OK, [(ALLOW, allow)]) })
            .fallback(move || async move {
                let reason = "this resource does not have that method";
                let status = StatusCode::METHOD_NOT_ALLOWED;
                Failure::new(status, "method_not_allowed", reason).with_header(ALLOW, refused)
            });
        routes.iter().copied().fold(methods, |methods, route| {
            let app = self.clone();
            let filter = match route.method {
                Verb::Get => MethodFilter::GET,
                Verb::Put => MethodFilter::PUT,
                Verb::Post => MethodFilter::POST,
                Verb::Delete => MethodFilter::DELETE,
            };
            methods.on(filter, move |request: Request| app.clone().answer(route, request, open))
        })
    }

    async fn answer(
        self: Arc<Self>,
        route: &'static Route,
        request: Request,
        open: bool,
    ) -> Response {
        match self.outcome(route, request, open).await {
            Ok(reply) => reply.into_response(),
            Err(failure) => failure.into_response(),
        }
    }

    async fn outcome(
        self: Arc<Self>,
        route: &'static Route,
        request: Request,
        open: bool,
    ) -> Outcome {
        let (mut parts, body) = request.into_parts();
        let origin = parts.extensions.get::<Origin>().copied();
        let Origin(peer) = origin.ok_or_else(|| Failure::internal(&"no origin"))?;
        let parameters = RawPathParams::from_request_parts(&mut parts, &()).await;
        let parameters = parameters.map_err(|_| Failure::bad_request("path_not_utf8"))?;
        let parameters = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let parameters: Vec<_> = parameters.collect();
        let access = if open { Access::Anyone } else { route.access };
        let caller = self.admit(access, &parameters, &parts.headers, peer.ip()).await?;
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(query) = query.map_err(|_| Failure::bad_request("query_not_utf8"))?;
        if query.len() > QUERY_PARAMETERS_MAX {
            return Err(Failure::bad_request("too_many_query_parameters"));
        }
        let body = match route.body {
            Some(_) => self.read(route, &parts.headers, body).await?,
            None => Bytes::new(),
        };
        if route.method == Verb::Get {
            self.node.note_watched(clock::now_ms());
        }
        let (app, headers) = (self, parts.headers);
        let call = Call { app, route, caller, parameters, query, headers, body };
        handle(route.handler, call).await
    }

    async fn admit(
        &self,
        access: Access,
        parameters: &[(String, String)],
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Option<Caller>, Failure> {
        if access == Access::Anyone {
            return Ok(None);
        }
        let caller = self.logins.log_in(&self.node, headers, peer).await?;
        let vhost = parameters.iter().find(|(name, _)| name == "vhost");
        caller.check(&self.node, access, vhost.map(|(_, value)| value.as_str()))?;
        Ok(Some(caller))
    }

    async fn read(&self, route: &Route, headers: &HeaderMap, body: Body) -> Result<Bytes, Failure> {
        let usual = usize::try_from(self.node.config.http_max_body_bytes).unwrap_or(usize::MAX);
        let max = route.body_max_bytes.map_or(usual, |max| max.max(usual));
        let too_large = || {
            let reason = format!("the body of a request may have {max} bytes here");
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", reason)
        };
        let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if announced.and_then(|text| text.parse().ok()).is_some_and(|length: usize| length > max) {
            return Err(too_large());
        }
        match timeout(BODY_TIME_MAX, to_bytes(body, max)).await {
            Ok(Ok(body)) => Ok(body),
            // It is too long, or the client has gone and reads no answer.
            Ok(Err(_)) => Err(too_large()),
            Err(_) => {
                let reason = "the body of the request took too long";
                Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", reason))
            }
        }
    }
}

async fn handle(handler: Handler, call: Call) -> Outcome {
    match handler {
        Handler::Later(answer) => match &call.caller {
            Some(caller) => acting_later(caller.user.name.clone(), answer(&call)).await,
            None => answer(&call).await,
        },
        Handler::Now(answer) => {
            let working = call.app.working.clone().acquire_owned().await;
            let working = working.map_err(|error| Failure::internal(&error))?;
            let worked = tokio::task::spawn_blocking(move || {
                let outcome = match call.caller.as_ref().map(|caller| caller.user.name.clone()) {
                    Some(user) => acting(&user, || answer(&call)),
                    None => answer(&call),
                };
                drop(working);
                outcome
            });
            worked.await.map_err(|error| Failure::internal(&error))?
        }
    }
}

fn allowed(routes: &[&Route]) -> String {
    let mut allowed = Vec::new();
    for route in routes {
        if route.method == Verb::Get {
            allowed.push(Method::HEAD.to_string());
        }
        allowed.push(route.method.method().to_string());
    }
    allowed.push(Method::OPTIONS.to_string());
    allowed.join(", ")
}

impl Call {
    /// The node that everything is asked of.
    pub(super) fn node(&self) -> &Arc<Node> {
        &self.app.node
    }

    /// Who asks.
    pub(super) fn caller(&self) -> Result<&Caller, Failure> {
        self.caller.as_ref().ok_or_else(Failure::login_missing)
    }

    /// A part of the path, decoded. Empty if the path has no such part.
    pub(super) fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// A parameter of the query; the last, if there are several.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter of the query.
    pub(super) fn queries<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c str> {
        let found = self.query.iter().filter(move |(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a parameter of the query is `true`.
    pub(super) fn has_flag(&self, name: &str) -> bool {
        self.query(name) == Some("true")
    }

    /// The body as an object.
    pub(super) fn fields(&self) -> Result<Fields, Failure> {
        Fields::parse(&self.body)
    }

    /// The virtual host in the path, or 404.
    pub(super) fn vhost(&self) -> Result<Arc<VirtualHost>, Failure> {
        self.node().vhost(self.parameter("vhost")).map_err(|_| Failure::not_found())
    }

    /// Whether the caller may see what is in a virtual host.
    pub(super) fn sees(&self, vhost: &str) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.sees(self.node(), vhost))
    }
}
