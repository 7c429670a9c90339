//! Accepts connections, as many as there are slots for, and sees each of them through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::Phase;
use super::connection::Connection;
use super::handshake::{Failure, Handshake};
use super::origin::Origin;
use super::session::Session;
use super::socket::Socket;
use crate::amqp::frame::FrameReader;
use crate::amqp::method::Method;
use crate::amqp::reply::Reply;
use crate::amqp::write::WriteQueue;
use crate::broker::{Identity, Node};
use crate::log_limit::{Line, LogLimits};
use crate::tls::{self, Tls};

/// After an error of `accept`, mostly for want of file descriptors, the next try waits this long.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// A client that was told why it is refused gets this long to read that and go.
const LINGER: Duration = Duration::from_secs(3);
/// What a lingering client sends is dropped, and after this much the connection with it.
const LINGER_MAX_BYTES: usize = 1024 * 1024;

/// Room for connections, whatever they come by. Full, each listener accepts one more, which waits;
/// the system's backlog holds who comes then.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    max: u32,
}

impl Slots {
    pub(super) fn new(max: usize) -> Self {
        let max = u32::try_from(max).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS as u32);
        Self { free: Arc::new(Semaphore::new(max as usize)), max }
    }

    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }

    /// Waits until no connection is left.
    pub(super) async fn all_free(&self) {
        // The semaphore is never closed.
        let _all = self.free.acquire_many(self.max).await;
    }
}

/// Accepts until the broker stops; with TLS if there is any to be spoken.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    node: Arc<Node>,
    mut phase: watch::Receiver<Phase>,
    slots: Arc<Slots>,
) {
    let connections = phase.clone();
    loop {
        let accepted = tokio::select! {
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
            accepted = next(&listener, &slots) => accepted,
        };
        match accepted {
            Ok(Some((stream, peer, slot))) => {
                let client = Client { stream, peer, tls: tls.clone(), node: node.clone() };
                tokio::spawn(serve(client, connections.clone(), slot));
            }
            Ok(None) => return,
            Err(error) => {
                if let Some(Line { left_out }) = node.log_limits.accepts.line() {
                    tracing::error!(%error, left_out, "cannot accept a connection");
                }
                sleep_until(Instant::now() + ACCEPT_RETRY).await;
            }
        }
    }
}

async fn next(
    listener: &TcpListener,
    slots: &Slots,
) -> io::Result<Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)>> {
    // In this order: a listener that nobody comes to would keep a slot from the others.
    let (stream, peer) = listener.accept().await?;
    let slot = slots.take().await;
    Ok(slot.map(|slot| (stream, peer, slot)))
}

/// Somebody who has connected.
struct Client {
    stream: TcpStream,
    /// The other end of the socket, which may be a proxy.
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    node: Arc<Node>,
}

/// Sees one connection through. Its slot is free when this ends, however it ends.
async fn serve(client: Client, mut phase: watch::Receiver<Phase>, _slot: OwnedSemaphorePermit) {
    tokio::select! {
        () = find_and_run(client) => {}
        _ = phase.wait_for(|phase| *phase == Phase::Killed) => {}
    }
}

async fn find_and_run(mut client: Client) {
    let (peer, node) = (client.peer, client.node.clone());
    // One deadline for all that is said before AMQP is spoken, and for the login.
    let deadline = Instant::now() + client.node.config.handshake_timeout;
    let proxies = &client.node.config.proxies;
    let origin = Box::pin(Origin::find(&mut client.stream, peer, proxies));
    match timeout_at(deadline, origin).await {
        Ok(Ok(origin)) => {
            let (peer, user, vhost) = (origin.peer, Empty, Empty);
            let span = tracing::info_span!("connection", %peer, user, vhost);
            open_and_run(client, origin, deadline).instrument(span).await;
        }
        Ok(Err(error)) => {
            if let Some(Line { left_out }) = node.log_limits.handshakes.line() {
                tracing::warn!(%peer, %error, left_out, "proxy refused");
            }
        }
        Err(_) => {
            if let Some(Line { left_out }) = node.log_limits.handshakes.line() {
                let missing = "no header of the PROXY protocol";
                tracing::warn!(%peer, left_out, "handshake timeout: {missing}");
            }
        }
    }
}

async fn open_and_run(client: Client, mut origin: Origin, deadline: Instant) {
    let Client { stream, tls, node, .. } = client;
    let limit = node.config.handshake_timeout;
    let secured = Box::pin(secure(stream, tls.as_deref(), &mut origin));
    let mut socket = match timeout_at(deadline, secured).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            if let Some(Line { left_out }) = node.log_limits.tls.line() {
                // What the peer sent may be part of the reason.
                let reason = tls::failure(&error);
                tracing::warn!(?reason, left_out, "TLS handshake failed");
            }
            return;
        }
        Err(_) => {
            if let Some(Line { left_out }) = node.log_limits.tls.line() {
                tracing::warn!(?limit, left_out, "handshake timeout: TLS was not agreed on");
            }
            return;
        }
    };
    let mut reader = FrameReader::new();
    // Boxed, so that an open connection does not keep the room of its handshake.
    let limits = node.clone();
    let handshake = Box::pin(async {
        let (socket, reader, out) = (&mut socket, &mut reader, WriteQueue::new());
        let (received_bytes, sent_bytes) = (0, 0);
        let handshake = Handshake { socket, reader, node, origin, out, received_bytes, sent_bytes };
        handshake.run().await
    });
    let session = match timeout_at(deadline, handshake).await {
        Ok(Ok(session)) => session,
        Ok(Err(failure)) => return Box::pin(refuse(socket, failure, &limits.log_limits)).await,
        Err(_) => {
            if let Some(Line { left_out }) = limits.log_limits.handshakes.line() {
                tracing::warn!(?limit, left_out, "handshake timeout");
            }
            return;
        }
    };
    log_opened(&session);
    let mut connection = Box::new(Connection::new(socket, reader, session));
    let outcome = connection.run().await;
    match (outcome, &connection.ended) {
        (_, Some(reason)) => tracing::info!(reason, "connection closed"),
        (Ok(()), None) => {
            tracing::info!(reason = "the client has gone without a word", "connection closed");
        }
        (Err(error), None) => tracing::info!(%error, "connection broke"),
    }
    connection.socket.farewell().await;
}

fn log_opened(session: &Session) {
    let Identity { user, vhost, local: host, tls, .. } = &session.presence.identity;
    let tls = tls.as_ref().map(|tls| tls.protocol);
    let name = session.presence.user_provided_name();
    let span = Span::current();
    span.record("user", &**user).record("vhost", &**vhost);
    tracing::info!(%host, tls, ?name, "connection opened");
}

/// Speaks TLS first, if it is spoken here.
async fn secure(stream: TcpStream, tls: Option<&Tls>, origin: &mut Origin) -> io::Result<Socket> {
    let Some(tls) = tls else { return Ok(Socket::Plain(stream)) };
    let socket = tls.accept(stream).await?;
    let info = tls.info(&socket);
    let subject = info.peer.as_ref().map(|certificate| certificate.subject.as_str());
    tracing::debug!(protocol = info.protocol, cipher = info.cipher, ?subject, "TLS agreed on");
    origin.tls = Some(Arc::new(info));
    Ok(Socket::tls(socket))
}

/// Says why, and lets the client read it before the socket goes.
async fn refuse(mut socket: Socket, failure: Failure, limits: &LogLimits) {
    let mut out = WriteQueue::new();
    let mut nothing_more = false;
    match failure {
        Failure::Io(error) => {
            tracing::debug!(%error, "handshake broke off");
            return;
        }
        Failure::WrongProtocol(what) => {
            if let Some(Line { left_out }) = limits.handshakes.line() {
                tracing::warn!(what, left_out, "the client speaks another protocol");
            }
            nothing_more = true;
        }
        Failure::RefusedInSilence => {}
        Failure::Close(reason, blamed) => {
            if let Some(Line { left_out }) = limits.handshakes.line() {
                tracing::warn!(reason = ?reason.reply_text(), left_out, "handshake refused");
            }
            Reply::connection_close(&reason, blamed).encode(0, out.tail());
        }
    }
    let farewell = async {
        socket.write_all(&mut out).await?;
        if nothing_more {
            socket.shut_down().await?;
        }
        let mut reader = FrameReader::new();
        let mut dropped = 0;
        while dropped < LINGER_MAX_BYTES {
            let bytes = socket.read(&mut reader).await?;
            if bytes == 0 || is_close_ok(&reader) {
                break;
            }
            dropped += bytes;
            reader.clear();
        }
        io::Result::Ok(())
    };
    if let Ok(Err(error)) = timeout(LINGER, farewell).await {
        tracing::debug!(%error, "the client was gone already");
    }
    socket.farewell().await;
}

fn is_close_ok(reader: &FrameReader) -> bool {
    let Ok(Some(head)) = reader.head() else { return false };
    matches!(Method::decode(reader.payload(head)), Ok(Method::ConnectionCloseOk))
}
