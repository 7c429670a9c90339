//! Accepts connections, as many as there are slots for, and sees each of them through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument;

use super::Phase;
use super::connection::Connection;
use super::handshake::{Failure, Handshake};
use super::socket::Socket;
use crate::amqp::frame::FrameReader;
use crate::amqp::method::Method;
use crate::amqp::reply::Reply;
use crate::amqp::write::WriteQueue;
use crate::broker::Node;

/// After an error of `accept`, mostly for want of file descriptors, the next try waits this long.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// A client that was told why it is refused gets this long to read that and go.
const LINGER: Duration = Duration::from_secs(3);
/// What a lingering client sends is dropped, and after this much the connection with it.
const LINGER_MAX_BYTES: usize = 1024 * 1024;

/// Room for connections. Full, nothing is accepted; the system's backlog holds who comes.
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

/// Accepts until the broker stops.
pub(super) async fn accept(
    listener: TcpListener,
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
                let (node, phase) = (node.clone(), connections.clone());
                tokio::spawn(serve(stream, peer, node, phase, slot));
            }
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                sleep_until(Instant::now() + ACCEPT_RETRY).await;
            }
        }
    }
}

async fn next(
    listener: &TcpListener,
    slots: &Slots,
) -> io::Result<Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)>> {
    let Some(slot) = slots.take().await else { return Ok(None) };
    let (stream, peer) = listener.accept().await?;
    Ok(Some((stream, peer, slot)))
}

/// Sees one connection through. Its slot is free when this ends, however it ends.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    node: Arc<Node>,
    mut phase: watch::Receiver<Phase>,
    _slot: OwnedSemaphorePermit,
) {
    let span = tracing::info_span!("connection", %peer);
    let socket = Socket::new(stream);
    tokio::select! {
        () = open_and_run(socket, peer, node).instrument(span) => {}
        _ = phase.wait_for(|phase| *phase == Phase::Killed) => {}
    }
}

async fn open_and_run(mut socket: Socket, peer: SocketAddr, node: Arc<Node>) {
    let mut reader = FrameReader::new();
    let limit = node.config.handshake_timeout;
    // Boxed, so that an open connection does not keep the room of its handshake.
    let handshake = Box::pin(async {
        let (socket, reader, out) = (&mut socket, &mut reader, WriteQueue::new());
        Handshake { socket, reader, node, peer, out }.run().await
    });
    let session = match timeout(limit, handshake).await {
        Ok(Ok(session)) => session,
        Ok(Err(failure)) => return Box::pin(refuse(socket, failure)).await,
        Err(_) => {
            tracing::warn!(?limit, "handshake timeout");
            return;
        }
    };
    tracing::info!(user = %session.user.name, vhost = %session.vhost.name(), "connection opened");
    let mut connection = Box::new(Connection::new(socket, reader, session));
    match connection.run().await {
        Ok(()) => tracing::info!("connection closed"),
        Err(error) => tracing::info!(%error, "connection broke"),
    }
}

/// Says why, and lets the client read it before the socket goes.
async fn refuse(mut socket: Socket, failure: Failure) {
    let mut out = WriteQueue::new();
    let mut nothing_more = false;
    match failure {
        Failure::Io(error) => {
            tracing::debug!(%error, "handshake broke off");
            return;
        }
        Failure::WrongProtocol => {
            tracing::warn!("the client speaks another protocol");
            nothing_more = true;
        }
        Failure::RefusedInSilence => {}
        Failure::Close(reason, blamed) => {
            tracing::warn!(reason = ?reason.reply_text(), "handshake refused");
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
}

fn is_close_ok(reader: &FrameReader) -> bool {
    let Ok(Some(head)) = reader.head() else { return false };
    matches!(Method::decode(reader.payload(head)), Ok(Method::ConnectionCloseOk))
}
