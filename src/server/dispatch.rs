//! What a connection does with each frame: to its channel, to channel 0, or to nobody.
//!
//! The other half of `connection.rs`, which owns the socket and waits. Errors end here: their
//! reach decides whether a channel is closed, or the connection.

use tokio::time::Instant;

use super::channel::Channel;
use super::connection::{Connection, DEAF_WAIT, OUT_PAUSE_BYTES, State};
use super::handshake::undecodable;
use crate::amqp::frame::{FrameHead, FrameKind, FrameReader, describe};
use crate::amqp::method::{BASIC_PUBLISH, Method, method_id};
use crate::amqp::reply::Reply;
use crate::error::{Error, MethodId, Result};

impl Connection {
    /// Acts on every complete frame, then confirms and wakes once for all of them.
    pub(super) fn on_frames(&mut self) {
        self.session.begin();
        self.look_for_room();
        if self.state == State::Open && self.waits_for_store() {
            self.unread_frames = true;
            return;
        }
        let mut reader = std::mem::take(&mut self.reader);
        self.unread_frames = false;
        loop {
            if matches!(self.state, State::Closed { .. } | State::Deaf { .. }) {
                reader.clear();
                break;
            }
            let pauses = self.session.out.len() >= OUT_PAUSE_BYTES || self.session.held.is_some();
            if self.state == State::Open && pauses {
                self.unread_frames = true;
                break;
            }
            match reader.head() {
                Ok(Some(head)) => {
                    self.on_frame(&mut reader, head);
                    self.session.wakes.run_deferred();
                }
                Ok(None) => break,
                Err(error) => self.on_unreadable(error),
            }
        }
        reader.settle();
        self.reader = reader;
        self.settle_confirms();
    }

    #[inline]
    fn on_frame(&mut self, reader: &mut FrameReader, head: FrameHead) {
        let mut blamed = BASIC_PUBLISH;
        let result = match head.kind {
            FrameKind::Header | FrameKind::Body => {
                if let (State::Open, Some(channel)) =
                    (self.state, self.channels.get_mut(&head.channel))
                {
                    // The usual case takes the frame out of the reader itself.
                    let result = channel.on_content_frame(&mut self.session, reader, head);
                    return self.close_on_error(head.channel, blamed, result);
                }
                self.on_stray_content(reader, head)
            }
            FrameKind::Method => {
                blamed = method_id(reader.payload(head));
                self.on_method_frame(reader, head)
            }
            FrameKind::Heartbeat if head.channel == 0 => Ok(()),
            FrameKind::Heartbeat => {
                let text = describe(head.kind.octet(), reader.payload(head));
                Err(Error::unexpected_frame(text).blame(MethodId::NONE))
            }
        };
        reader.skip(head);
        self.close_on_error(head.channel, blamed, result);
    }

    #[inline]
    fn on_method_frame(&mut self, reader: &FrameReader, head: FrameHead) -> Result<()> {
        let payload = reader.payload(head);
        if self.state != State::Open {
            self.on_method_while_closing(head, payload);
            return Ok(());
        }
        if let Some(channel) = self.channels.get_mut(&head.channel) {
            channel.assembler.expect_method()?;
            let method = Method::decode(payload).map_err(|error| undecodable(error, payload))?;
            return match method {
                Method::BasicPublish(publish) => {
                    channel.on_basic_publish(&mut self.session, &publish)
                }
                Method::ChannelClose(_) => {
                    self.close_channel(head.channel);
                    self.session.reply(head.channel, Reply::channel_close_ok());
                    Ok(())
                }
                method => {
                    let is_ack = matches!(method, Method::BasicAck(_));
                    let result = channel.on_method(&mut self.session, method);
                    if !is_ack {
                        channel.show(&self.session);
                    }
                    result
                }
            };
        }
        let method = Method::decode(payload).map_err(|error| undecodable(error, payload))?;
        if head.channel == 0 {
            return self.on_connection_method(method);
        }
        self.on_closed_channel(head.channel, &method)
    }

    /// A method on a channel that is not open.
    fn on_closed_channel(&mut self, channel: u16, method: &Method<'_>) -> Result<()> {
        if self.closing_channels.contains(&channel) {
            match method {
                Method::ChannelCloseOk => {
                    self.closing_channels.remove(&channel);
                }
                Method::ChannelClose(_) => {
                    self.session.reply(channel, Reply::channel_close_ok());
                }
                _ => {} // sent before the client knew
            }
            return Ok(());
        }
        let (open, max) = (self.channels.len(), self.session.tuning.channel_max);
        if open >= usize::from(max) {
            let text = format!(
                "number of channels opened ({open}) has reached the negotiated channel_max ({max})"
            );
            return Err(Error::not_allowed(text).blame(MethodId::NONE));
        }
        match method {
            Method::ChannelOpen => {
                let session = &self.session;
                let admitted =
                    session.node.admit_channel(session.id, &session.actor.user().name, open);
                admitted.map_err(|error| error.blame(MethodId::NONE))?;
                let opened = Channel::new(channel, self.session.wakes.now_ms());
                self.session.note_channel_opened(opened.statistics.clone());
                self.channels.insert(channel, Box::new(opened));
                self.session.reply(channel, Reply::channel_open_ok());
                Ok(())
            }
            // Both sides may have closed at once.
            Method::ChannelCloseOk => Ok(()),
            _ => Err(Error::channel_error("expected 'channel.open'")),
        }
    }

    fn on_connection_method(&mut self, method: Method<'_>) -> Result<()> {
        match method {
            Method::ConnectionClose(close) => {
                let text = close.reply_text.as_str();
                self.ended = Some(format!("closed by the client: {} {text:?}", close.reply_code));
                self.settle_confirms();
                self.tear_down();
                self.session.reply(0, Reply::connection_close_ok());
                self.state = Self::leaving();
                Ok(())
            }
            Method::ConnectionUpdateSecret(_) => {
                // Passwords do not expire: the user stays logged in.
                self.session.reply(0, Reply::connection_update_secret_ok());
                Ok(())
            }
            _ => Err(Error::channel_error("unexpected method in connection state running")),
        }
    }

    /// Only the close handshake counts any more.
    fn on_method_while_closing(&mut self, head: FrameHead, payload: &[u8]) {
        if head.channel == 0 {
            match Method::decode(payload) {
                Ok(Method::ConnectionClose(_)) => {
                    self.session.reply(0, Reply::connection_close_ok());
                    if !matches!(self.state, State::Leaving { .. }) {
                        self.state = self.closed();
                    }
                }
                Ok(Method::ConnectionCloseOk) => self.state = self.closed(),
                _ => {}
            }
        }
    }

    /// A header or body frame that no open channel takes.
    fn on_stray_content(&self, reader: &FrameReader, head: FrameHead) -> Result<()> {
        if self.state != State::Open || self.closing_channels.contains(&head.channel) {
            return Ok(());
        }
        if head.channel != 0 {
            return Err(Error::channel_error("expected 'channel.open'").blame(MethodId::NONE));
        }
        let text = describe(head.kind.octet(), reader.payload(head));
        Err(Error::unexpected_frame(text).blame(MethodId::NONE))
    }

    #[inline]
    pub(super) fn close_on_error(&mut self, channel: u16, blamed: MethodId, result: Result<()>) {
        if let Err(error) = result {
            self.on_error(channel, blamed, error);
        }
    }

    fn on_error(&mut self, channel: u16, blamed: MethodId, error: Error) {
        if self.state != State::Open {
            return;
        }
        self.settle_confirms();
        match error {
            Error::Channel(reason) if channel != 0 => {
                tracing::warn!(channel, reason = ?reason.reply_text(), "channel closed");
                let blamed = reason.method.unwrap_or(blamed);
                self.close_channel(channel);
                self.closing_channels.insert(channel);
                self.session.reply(channel, Reply::channel_close(&reason, blamed));
            }
            Error::Channel(reason) | Error::Connection(reason) => {
                let blamed = reason.method.unwrap_or(blamed);
                self.close(&reason, blamed);
            }
            Error::Io(error) => {
                tracing::debug!(%error, "connection broke");
                self.state = self.closed();
            }
        }
    }

    /// Frames can no longer be told apart.
    fn on_unreadable(&mut self, error: Error) {
        self.on_error(0, MethodId::NONE, error);
        self.state = State::Deaf { until: Instant::now() + DEAF_WAIT };
    }
}
