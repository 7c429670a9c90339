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
use crate::start_error::StartError;
use crate::tls::{self, Tls};

/// Connections of all listeners together. Programs that look after brokers are few; each connection
/// takes a file descriptor that AMQP could use.
const CONNECTIONS_MAX: u32 = 512;
/// A client has this long to send the head of a request, and to think of the next one.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
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
    /// The same inside TLS.
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
}

impl Http {
    /// Starts serving on the current tokio runtime.
    pub fn start(node: Arc<Node>, listeners: Listeners) -> Result<Self, StartError> {
        let Listeners { http, https, metrics, others: mut endpoints } = listeners;
        let addresses = addresses_of(&http)?;
        let tls_addresses = addresses_of(&https)?;
        let metrics_addresses = addresses_of(&metrics)?;
        let endpoint =
            |protocol, tls| move |&address: &SocketAddr| Endpoint { protocol, address, tls };
        endpoints.extend(addresses.iter().map(endpoint("http", false)));
        endpoints.extend(tls_addresses.iter().map(endpoint("https", true)));
        endpoints.extend(metrics_addresses.iter().map(endpoint("http/prometheus", false)));
        let tls = node.tls.clone();
        let app = App::new(node, endpoints);
        let (stopping, stop) = watch::channel(false);
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let whole = app.router(routes::all(), false);
        let open = app.router(routes::metrics(), true);
        let http = http.into_iter().map(|listener| (listener, Service::new(&whole, None)));
        let https = https.into_iter().map(|listener| (listener, Service::new(&whole, tls.clone())));
        let metrics = metrics.into_iter().map(|listener| (listener, Service::new(&open, None)));
        for (listener, service) in http.chain(https).chain(metrics) {
            tokio::spawn(accept(listener, service, stop.clone(), slots.clone()));
        }
        Ok(Self { addresses, tls_addresses, metrics_addresses, stopping, slots })
    }

    /// Where the API is served.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the API is served inside TLS.
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
        let _ = timeout(STOP_WAIT, self.slots.acquire_many(CONNECTIONS_MAX)).await;
    }
}

/// What the connections of one listener are served with.
#[derive(Clone, Debug)]
struct Service {
    router: Router,
    tls: Option<Arc<Tls>>,
}

impl Service {
    fn new(router: &Router, tls: Option<Arc<Tls>>) -> Self {
        Self { router: router.clone(), tls }
    }
}

fn addresses_of(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, StartError> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    addresses.collect::<io::Result<_>>().map_err(StartError::internal)
}

async fn accept(
    listener: TcpListener,
    service: Service,
    mut stop: watch::Receiver<bool>,
    slots: Arc<Semaphore>,
) {
    let connections = stop.clone();
    loop {
        let accepted = tokio::select! {
            _ = stopped(&mut stop) => return,
            accepted = next(&listener, &slots) => accepted,
        };
        match accepted {
            Ok(Some((stream, peer, slot))) => {
                tokio::spawn(serve(stream, peer, service.clone(), connections.clone(), slot));
            }
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection over HTTP");
                sleep_until(Instant::now() + ACCEPT_RETRY).await;
            }
        }
    }
}

async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)>> {
    let Ok(slot) = slots.clone().acquire_owned().await else { return Ok(None) };
    let (stream, peer) = listener.accept().await?;
    Ok(Some((stream, peer, slot)))
}

/// Sees one connection through. Its slot is free when this ends, however it ends.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: Service,
    stop: watch::Receiver<bool>,
    _slot: OwnedSemaphorePermit,
) {
    let Service { router, tls } = service;
    let Some(tls) = tls else { return see_through(stream, peer, router, stop).await };
    match timeout(HEAD_TIME_MAX, tls.accept(stream)).await {
        Ok(Ok(stream)) => see_through(stream, peer, router, stop).await,
        Ok(Err(error)) => {
            tracing::debug!(%peer, reason = tls::failure(&error), "TLS handshake failed");
        }
        Err(_) => tracing::debug!(%peer, "TLS handshake timeout"),
    }
}

async fn see_through(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
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
        graceful = stopped(&mut stop) => match graceful {
            false => None,
            true => {
                connection.as_mut().graceful_shutdown();
                timeout(STOP_WAIT, connection).await.ok()
            }
        },
    };
    if let Some(Err(error)) = ended {
        tracing::debug!(%peer, %error, "a connection over HTTP broke");
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
