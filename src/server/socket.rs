//! The socket of one connection, with TLS or without.
//!
//! Waiting to read holds no buffer, so an idle connection costs none. Knows frames only as what is
//! read into and written from.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut};
use parking_lot::Mutex;
use tokio::io::{AsyncBufRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::amqp::frame::FrameReader;
use crate::tls::{self, TlsSocket};

/// A client that does not take the last word of TLS in this time goes without.
const FAREWELL_WAIT: Duration = Duration::from_secs(1);

/// A connected socket.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    /// Locked for both halves in turn by the one task that has them, so never waited for.
    Tls(Box<Mutex<TlsSocket>>),
}

/// Its reading half.
pub(super) enum Reading<'a> {
    Plain(ReadHalf<'a>),
    Tls(&'a Mutex<TlsSocket>),
}

/// Its writing half.
pub(super) enum Writing<'a> {
    Plain(WriteHalf<'a>),
    Tls(&'a Mutex<TlsSocket>),
}

impl Socket {
    pub(super) fn tls(socket: TlsSocket) -> Self {
        Self::Tls(Box::new(Mutex::new(socket)))
    }

    /// Both halves, to be waited for at once.
    pub(super) fn split(&mut self) -> (Reading<'_>, Writing<'_>) {
        match self {
            Self::Plain(stream) => {
                let (reading, writing) = stream.split();
                (Reading::Plain(reading), Writing::Plain(writing))
            }
            Self::Tls(socket) => (Reading::Tls(socket), Writing::Tls(socket)),
        }
    }

    /// Whether something was written that has not left yet: then writing has to go on, if only of
    /// nothing.
    pub(super) fn has_unsent(&mut self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(socket) => tls::has_unsent(socket.get_mut()),
        }
    }

    /// Reads once. 0 is the end of the stream.
    pub(super) async fn read(&mut self, frames: &mut FrameReader) -> io::Result<usize> {
        self.split().0.read(frames).await
    }

    /// Writes everything.
    pub(super) async fn write_all(&mut self, out: &mut impl Buf) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all_buf(out).await,
            Self::Tls(socket) => {
                let socket = socket.get_mut();
                socket.write_all_buf(out).await?;
                socket.flush().await
            }
        }
    }

    /// Tells the peer that nothing more will come.
    pub(super) async fn shut_down(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(socket) => socket.get_mut().shutdown().await,
        }
    }

    /// Before the socket goes: over TLS an end without a word would be taken for an attack.
    pub(super) async fn farewell(&mut self) {
        if let Self::Tls(socket) = self {
            // A peer that has gone already does not miss it.
            let _ = tokio::time::timeout(FAREWELL_WAIT, socket.get_mut().shutdown()).await;
        }
    }
}

impl Reading<'_> {
    /// Reads once, into a buffer that is only asked for when there is something to read. Can be
    /// cancelled: nothing is lost. 0 is the end of the stream.
    pub(super) async fn read(&mut self, frames: &mut FrameReader) -> io::Result<usize> {
        let bytes = match self {
            Self::Plain(half) => {
                poll_fn(|context| {
                    ready!(half.as_ref().poll_read_ready(context))?;
                    pin!(half.read_buf(frames.buffer())).poll(context)
                })
                .await?
            }
            Self::Tls(socket) => {
                poll_fn(|context| poll_read(&mut socket.lock(), frames, context)).await?
            }
        };
        frames.note_read(bytes);
        Ok(bytes)
    }
}

/// Takes one record after the other, until the buffer is full or none is complete.
fn poll_read(
    socket: &mut TlsSocket,
    frames: &mut FrameReader,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut socket = Pin::new(socket);
    let mut record = ready!(socket.as_mut().poll_fill_buf(context))?;
    let buffer = frames.buffer();
    let room = buffer.capacity() - buffer.len();
    let mut bytes = 0;
    loop {
        let taken = record.len().min(room - bytes);
        buffer.put_slice(record.get(..taken).unwrap_or_default());
        socket.as_mut().consume(taken);
        bytes += taken;
        if taken == 0 || bytes == room {
            return Poll::Ready(Ok(bytes));
        }
        record = match socket.as_mut().poll_fill_buf(context) {
            Poll::Ready(Ok(record)) => record,
            // What was read counts first; an error is there again the next time.
            Poll::Ready(Err(_)) | Poll::Pending => return Poll::Ready(Ok(bytes)),
        };
    }
}

impl Writing<'_> {
    /// Writes once, what fits. Can be cancelled: nothing is lost.
    pub(super) async fn write(&mut self, out: &mut impl Buf) -> io::Result<usize> {
        match self {
            Self::Plain(half) => half.write_buf(out).await,
            Self::Tls(socket) => {
                poll_fn(|context| poll_write(&mut socket.lock(), out, context)).await
            }
        }
    }
}

fn poll_write(
    socket: &mut TlsSocket,
    out: &mut impl Buf,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if out.has_remaining() {
        return pin!(socket.write_buf(out)).poll(context);
    }
    Pin::new(socket).poll_flush(context).map_ok(|()| 0)
}
