//! The socket of one connection.
//!
//! Waiting to read holds no buffer, so an idle connection costs none. Knows frames only as what is
//! read into and written from.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::ready;

use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::amqp::frame::FrameReader;

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket(TcpStream);

/// Its reading half.
pub(super) struct Reading<'a>(ReadHalf<'a>);

/// Its writing half.
pub(super) struct Writing<'a>(WriteHalf<'a>);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(stream)
    }

    /// Both halves, to be waited for at once.
    pub(super) fn split(&mut self) -> (Reading<'_>, Writing<'_>) {
        let (reading, writing) = self.0.split();
        (Reading(reading), Writing(writing))
    }

    /// Reads once. 0 is the end of the stream.
    pub(super) async fn read(&mut self, frames: &mut FrameReader) -> io::Result<usize> {
        self.split().0.read(frames).await
    }

    /// Writes everything.
    pub(super) async fn write_all(&mut self, out: &mut impl Buf) -> io::Result<()> {
        self.0.write_all_buf(out).await
    }

    /// Tells the peer that nothing more will come.
    pub(super) async fn shut_down(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

impl Reading<'_> {
    /// Reads once, into a buffer that is only asked for when there is something to read. Can be
    /// cancelled: nothing is lost. 0 is the end of the stream.
    pub(super) async fn read(&mut self, frames: &mut FrameReader) -> io::Result<usize> {
        let read = poll_fn(|context| {
            ready!(self.0.as_ref().poll_read_ready(context))?;
            pin!(self.0.read_buf(frames.buffer())).poll(context)
        });
        let bytes = read.await?;
        frames.note_read(bytes);
        Ok(bytes)
    }
}

impl Writing<'_> {
    /// Writes once, what fits. Can be cancelled: nothing is lost.
    pub(super) async fn write(&mut self, out: &mut impl Buf) -> io::Result<usize> {
        self.0.write_buf(out).await
    }
}
