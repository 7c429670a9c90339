//! Connections over HTTP: accepted, limited, and seen through to their end.
//!
//! Knows nothing of what is asked.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tower::ServiceExt;

use super::app::{App, Endpoint, Origin};
use super::patient::Patient;
use super::routes;
use crate::broker::Node;
use crate::descriptors;
use crate::log_limit::{Line, LogLimits};
use crate::start_error::StartError;
use crate::tls::{self, Tls};

/// A client has this long to send the head of a request, and to think of the next one.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// A handshake takes two round trips.
const TLS_TIME_MAX: Duration = Duration::from_secs(10);
/// Octets of a request's head.
const HEAD_MAX_BYTES: usize = 64 * 1024;
/// Headers of one request. Browsers and proxies send a dozen or two.
const HEADERS_MAX: usize = 100;
/// Requests that are under way when the broker stops have this long.
const STOP_WAIT: Duration = Duration::from_secs(3);
/// After an error of `accept`, mostly for want of file descriptors, the next try waits this long.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For the whole API.
    pub http: Vec<TcpListener>,
    /// The same over TLS, which is configured then.
    pub https: Vec<TcpListener>,
    /// For metrics alone, which everybody may read there.
    pub metrics: Vec<TcpListener>,
    /// Where the broker listens for other protocols, to be shown.
    pub others: Vec<Endpoint>,
}

/// The HTTP side of a broker. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Http {
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    metrics_addresses: Vec<SocketAddr>,
    stopping: watch::Sender<bool>,
    slots: Arc<Semaphore>,
    connections_max: u32,
}

impl Http {
    /// Starts serving on the current tokio runtime.
    pub fn start(node: Arc<Node>, listeners: Listeners) -> Result<Self, StartError> {
        let Listeners { http, https, metrics, others: mut endpoints } = listeners;
        let addresses = addresses_of(&http)?;
        let tls_addresses = addresses_of(&https)?;
        let metrics_addresses = addresses_of(&metrics)?;
        let endpoint = |protocol| move |&address| Endpoint { protocol, address, tls: false };
        endpoints.extend(addresses.iter().map(endpoint("http")));
        endpoints.extend(metrics_addresses.iter().map(endpoint("http/prometheus")));
        let secured = |&address| Endpoint { protocol: "https", address, tls: true };
        endpoints.extend(tls_addresses.iter().map(secured));
        let tls = node.tls.clone();
        let limits: Arc<LogLimits> = Arc::default();
        let app = App::new(node, endpoints);
        let (stopping, stop) = watch::channel(false);
        let connections_max = descriptors::http_connections_max();
        let slots = Arc::new(Semaphore::new(connections_max as usize));
        let whole = app.router(routes::all(), false);
        let open = app.router(routes::metrics(), true);
        let http = http.into_iter().map(|listener| (listener, whole.clone(), None));
        let https = https.into_iter().map(|listener| (listener, whole.clone(), tls.clone()));
        let metrics = metrics.into_iter().map(|listener| (listener, open.clone(), None));
        for (listener, router, tls) in http.chain(https).chain(metrics) {
            let (limits, slots) = (limits.clone(), slots.clone());
            let door = Door { listener, router, tls, slots, limits };
            tokio::spawn(door.accept(stop.clone()));
        }
        Ok(Self { addresses, tls_addresses, metrics_addresses, stopping, slots, connections_max })
    }

    /// Where the API is served.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the API is served over TLS.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// Where metrics are served to everybody.
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        &self.metrics_addresses
    }

    /// Takes no more requests, and waits a little for those that are under way.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        // The semaphore is never closed; who takes longer is cut off with the runtime.
        let _ = timeout(STOP_WAIT, self.slots.acquire_many(self.connections_max)).await;
    }
}

fn addresses_of(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, StartError> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    addresses.collect::<io::Result<_>>().map_err(StartError::internal)
}

/// A listener, and what is spoken behind it.
struct Door {
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    slots: Arc<Semaphore>,
    limits: Arc<LogLimits>,
}

impl Door {
    async fn accept(self, mut stop: watch::Receiver<bool>) {
        let connections = stop.clone();
        loop {
            let accepted = tokio::select! {
                _ = stopped(&mut stop) => return,
                accepted = self.next() => accepted,
            };
            match accepted {
                Ok(Some((stream, peer, slot))) => {
                    let (router, tls) = (self.router.clone(), self.tls.clone());
                    let (limits, stop) = (self.limits.clone(), connections.clone());
                    let talk = Talk { peer, router, stop, limits, _slot: slot };
                    tokio::spawn(talk.begin(stream, tls));
                }
                Ok(None) => return,
                Err(error) => {
                    if let Some(Line { left_out }) = self.limits.accepts.line() {
                        tracing::error!(%error, left_out, "cannot accept a connection over HTTP");
                    }
                    sleep_until(Instant::now() + ACCEPT_RETRY).await;
                }
            }
        }
    }

    async fn next(&self) -> io::Result<Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)>> {
        // In this order: a listener that nobody comes to would keep a slot from the others.
        let (stream, peer) = self.listener.accept().await?;
        let slot = self.slots.clone().acquire_owned().await.ok();
        Ok(slot.map(|slot| (stream, peer, slot)))
    }
}

/// One connection. Its slot is free when this ends, however it ends.
struct Talk {
    peer: SocketAddr,
    router: Router,
    stop: watch::Receiver<bool>,
    limits: Arc<LogLimits>,
    _slot: OwnedSemaphorePermit,
}

impl Talk {
    async fn begin(mut self, stream: TcpStream, tls: Option<Arc<Tls>>) {
        let Some(tls) = tls else { return self.run(stream).await };
        let peer = self.peer;
        let secured = tokio::select! {
            _ = stopped(&mut self.stop) => return,
            secured = timeout(TLS_TIME_MAX, tls.accept(stream)) => secured,
        };
        match secured {
            Ok(Ok(stream)) => self.run(stream).await,
            Ok(Err(error)) => {
                if let Some(Line { left_out }) = self.limits.tls.line() {
                    // What the peer sent may be part of the reason.
                    let reason = tls::failure(&error);
                    tracing::warn!(%peer, ?reason, left_out, "TLS handshake failed");
                }
            }
            Err(_) => {
                if let Some(Line { left_out }) = self.limits.tls.line() {
                    tracing::warn!(%peer, left_out, "TLS handshake timeout");
                }
            }
        }
    }

    /// Sees it through.
    async fn run(mut self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let (peer, router) = (self.peer, self.router);
        let service = service_fn(move |request| answer(router.clone(), request, peer));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .max_buf_size(HEAD_MAX_BYTES)
            .max_headers(HEADERS_MAX);
        let connection = http.serve_connection(TokioIo::new(Patient::new(stream)), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            graceful = stopped(&mut self.stop) => {
                if graceful {
                    connection.as_mut().graceful_shutdown();
                    timeout(STOP_WAIT, connection).await.ok()
                } else {
                    None
                }
            }
        };
        if let Some(Err(error)) = ended {
            tracing::debug!(%peer, %error, "a connection over HTTP broke");
        }
    }
}

/// Waits for the end: true if the broker is stopped, false if it was dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) -> bool {
    stop.wait_for(|stop| *stop).await.is_ok()
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Origin(peer));
    if let Some(shorter) = without_last_slash(request.uri()) {
        *request.uri_mut() = shorter;
    }
    router.oneshot(request).await
}

/// `/api/queues/` is `/api/queues`: RabbitMQ's router does not look at the last slash.
fn without_last_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| !path.is_empty())?;
    let shorter = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(shorter).ok()?);
    Uri::from_parts(parts).ok()
}
