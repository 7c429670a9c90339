//! A TCP socket that is read in large pieces, below TLS, which asks for 4 KiB at a time.
//!
//! A buffer is only held while there is something in it. Knows nothing of what it reads.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The least that is read at once, and all that somebody gets who has not finished its handshake.
const READ_MIN_BYTES: usize = 4 * 1024;
/// The most: four records of the largest kind.
const READ_MAX_BYTES: usize = 64 * 1024;

/// A socket and what was read from it too early.
#[derive(Debug)]
pub struct ReadAhead {
    stream: TcpStream,
    ahead: BytesMut,
    /// How much the next read may bring; follows the traffic.
    read_bytes: usize,
    max_bytes: usize,
}

impl ReadAhead {
    pub(super) fn new(stream: TcpStream) -> Self {
        let read_bytes = READ_MIN_BYTES;
        Self { stream, ahead: BytesMut::new(), read_bytes, max_bytes: READ_MIN_BYTES }
    }

    /// From here on large buffers are allowed.
    pub(super) fn trust(&mut self) {
        self.max_bytes = READ_MAX_BYTES;
    }

    /// Reads once. False is the end of the stream.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.stream.poll_read_ready(context)?.is_pending() {
                self.ahead = BytesMut::new();
                return Poll::Pending;
            }
            self.ahead.reserve(self.read_bytes);
            match self.stream.try_read_buf(&mut self.ahead) {
                Ok(bytes) => {
                    if bytes >= self.read_bytes {
                        self.read_bytes = (self.read_bytes * 4).min(self.max_bytes);
                    } else if bytes < self.read_bytes / 8 {
                        self.read_bytes = (self.read_bytes / 2).max(READ_MIN_BYTES);
                    }
                    return Poll::Ready(Ok(bytes > 0));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for ReadAhead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() && !ready!(self.poll_fill(context))? {
            return Poll::Ready(Ok(()));
        }
        let bytes = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(self.ahead.get(..bytes).unwrap_or_default());
        self.ahead.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ReadAhead {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
