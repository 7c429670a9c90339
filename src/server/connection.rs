//! The task of one connection: it owns the socket, the buffers and the channels, and waits for
//! four things at once: the clock, room to write, something to read, something in the outbox.
//!
//! Everything that a read brings is acted on before anything is waited for again. Knows nothing
//! of queues.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::channel::Channel;
use super::consume::Subscription;
use super::handshake::undecodable;
use super::heartbeat::{Beat, Heartbeat};
use super::release::release;
use super::session::Session;
use super::socket::Socket;
use crate::amqp::frame::{FrameHead, FrameKind, FrameReader, describe};
use crate::amqp::method::{BASIC_PUBLISH, Method, method_id};
use crate::amqp::reply::Reply;
use crate::error::{Error, MethodId, Reason, Result};
use crate::outbox::Outgoing;
use crate::vhost::DeleteQueue;

/// Above this no more deliveries are encoded until the socket has taken some.
const OUT_HIGH_WATER_BYTES: usize = 256 * 1024;
/// Above this nothing more is read: the client does not take its replies.
const OUT_PAUSE_BYTES: usize = 1024 * 1024;
/// After reading so much others get a turn. A flooding publisher would otherwise go on for over a
/// hundred reads, and fill queues that their consumers' tasks would have emptied.
const YIELD_AFTER_BYTES: u64 = 1024 * 1024;
/// A client gets at most this long to answer `connection.close`.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(30);
/// After a frame that cannot be read, what follows cannot be understood: the client gets this
/// long to read the close.
const DEAF_WAIT: Duration = Duration::from_secs(3);

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// `connection.close` is sent; everything but its answer is dropped.
    Closing {
        until: Instant,
    },
    /// The same, but what comes is not even looked at.
    Deaf {
        until: Instant,
    },
    /// Nothing more is to be said than what waits to be written.
    Closed { until: Instant },
}

/// An open connection.
pub(super) struct Connection {
    socket: Socket,
    reader: FrameReader,
    session: Session,
    channels: HashMap<u16, Box<Channel>>,
    /// Channels that we have closed, until the client has agreed.
    closing_channels: HashSet<u16>,
    state: State,
    /// `connection.blocked` is in force.
    blocked: bool,
    /// Frames were left in the reader because too much waits to be written.
    unread_frames: bool,
    heartbeat: Heartbeat,
    ticks: Interval,
    sent_bytes: u64,
    received_bytes: u64,
}

impl Connection {
    pub(super) fn new(socket: Socket, reader: FrameReader, session: Session) -> Self {
        let heartbeat = Heartbeat::new(session.tuning.heartbeat);
        let period = heartbeat.period();
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        session.node.add_connection(session.id, session.outbox.clone());
        Self {
            socket,
            reader,
            session,
            channels: HashMap::new(),
            closing_channels: HashSet::new(),
            state: State::Open,
            blocked: false,
            unread_frames: true,
            heartbeat,
            ticks,
            // The handshake was traffic too.
            sent_bytes: 1,
            received_bytes: 1,
        }
    }

    /// Serves the client until the connection is closed. An error means that it broke.
    pub(super) async fn run(&mut self) -> std::io::Result<()> {
        let mut yielded_at_bytes = self.received_bytes;
        loop {
            if self.unread_frames && self.session.out.len() < OUT_PAUSE_BYTES {
                self.on_frames();
            }
            self.on_outbox();
            self.session.wakes.flush();
            if self.is_closed() && self.session.out.is_empty() {
                return Ok(()); // closing the socket tells the client
            }
            if !self.wait().await? {
                return Ok(());
            }
            if self.received_bytes - yielded_at_bytes >= YIELD_AFTER_BYTES {
                yielded_at_bytes = self.received_bytes;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits for the next thing to do. False once the peer has gone.
    async fn wait(&mut self) -> std::io::Result<bool> {
        let may_read = self.may_read();
        let may_deliver = self.session.out.len() < OUT_HIGH_WATER_BYTES;
        let deadline = match self.state {
            State::Closing { until } | State::Deaf { until } | State::Closed { until } => Some(until),
            State::Open => None,
        };
        let (mut reading, mut writing) = self.socket.split();
        let session = &mut self.session;
        tokio::select! {
            _ = self.ticks.tick() => Ok(self.on_tick()),
            () = until(deadline), if deadline.is_some() => Ok(false),
            written = writing.write(&mut session.out), if !session.out.is_empty() => {
                self.sent_bytes += written? as u64;
                Ok(true)
            }
            read = reading.read(&mut self.reader), if may_read => match read? {
                0 => Ok(false),
                bytes => {
                    self.received_bytes += bytes as u64;
                    self.on_frames();
                    Ok(true)
                }
            },
            () = session.outbox.ready(), if may_deliver => Ok(true),
        }
    }

    fn may_read(&self) -> bool {
        match self.state {
            State::Open => !self.is_stopped() && self.session.out.len() < OUT_PAUSE_BYTES,
            State::Closing { .. } | State::Deaf { .. } => true,
            State::Closed { .. } => false,
        }
    }

    /// An alarm is on, and it concerns this client.
    fn is_stopped(&self) -> bool {
        self.session.publishes && self.session.node.alarms.reason().is_some()
    }

    fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// False if the peer is dead.
    fn on_tick(&mut self) -> bool {
        self.reader.release();
        self.session.release_buffers();
        let deaf = self.state == State::Open && self.is_stopped();
        // While we do not read because the client does not, taking what we send is a sign of life.
        let unread = self.session.out.len() >= OUT_PAUSE_BYTES;
        let heard = self.received_bytes + if unread { self.sent_bytes } else { 0 };
        match self.heartbeat.tick(self.sent_bytes, heard, deaf) {
            Beat::Nothing => true,
            Beat::Send => {
                self.session.out.heartbeat();
                true
            }
            Beat::Dead => {
                tracing::warn!("the client has shown no life for two heartbeat intervals");
                false
            }
        }
    }

    /// Acts on every complete frame, then confirms and wakes once for all of them.
    fn on_frames(&mut self) {
        let mut reader = std::mem::take(&mut self.reader);
        self.unread_frames = false;
        loop {
            if matches!(self.state, State::Closed { .. } | State::Deaf { .. }) {
                reader.clear();
                break;
            }
            if self.state == State::Open && self.session.out.len() >= OUT_PAUSE_BYTES {
                self.unread_frames = true;
                break;
            }
            match reader.head() {
                Ok(Some(head)) => self.on_frame(&mut reader, head),
                Ok(None) => break,
                Err(error) => self.on_unreadable(error),
            }
        }
        reader.settle();
        self.reader = reader;
        self.settle_confirms();
        self.look_at_alarms();
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
                method => channel.on_method(&mut self.session, method),
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
                self.channels.insert(channel, Box::new(Channel::new(channel)));
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
                tracing::debug!(code = close.reply_code, text = %close.reply_text, "client closes");
                self.settle_confirms();
                self.tear_down();
                self.session.reply(0, Reply::connection_close_ok());
                self.state = self.closed();
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
                    self.state = self.closed();
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
    fn close_on_error(&mut self, channel: u16, blamed: MethodId, result: Result<()>) {
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
                tracing::warn!(channel, reason = %reason.reply_text(), "channel closed");
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

    /// Closes the connection from our side.
    fn close(&mut self, reason: &Reason, blamed: MethodId) {
        tracing::warn!(reason = %reason.reply_text(), "connection closed by the broker");
        self.tear_down();
        self.session.reply(0, Reply::connection_close(reason, blamed));
        self.state = State::Closing { until: self.close_deadline() };
    }

    fn closed(&self) -> State {
        State::Closed { until: self.close_deadline() }
    }

    fn close_deadline(&self) -> Instant {
        let wait = match self.session.tuning.heartbeat {
            0 => CLOSE_WAIT_MAX,
            seconds => Duration::from_secs(seconds.into()).min(CLOSE_WAIT_MAX),
        };
        Instant::now() + wait
    }

    fn close_channel(&mut self, number: u16) {
        if let Some(mut channel) = self.channels.remove(&number) {
            channel.settle_confirms(&mut self.session);
            release(&mut self.session, [*channel]);
        }
    }

    fn settle_confirms(&mut self) {
        while let Some(number) = self.session.to_confirm.pop() {
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.settle_confirms(&mut self.session);
            }
        }
    }

    /// Acts on what is in the outbox, as far as the write queue has room.
    fn on_outbox(&mut self) {
        loop {
            while self.session.out.len() < OUT_HIGH_WATER_BYTES {
                let Some(item) = self.session.pending.pop_front() else { break };
                self.on_outgoing(item);
            }
            if !self.session.pending.is_empty() {
                return;
            }
            let mut drained = Vec::from(std::mem::take(&mut self.session.pending));
            let refused = self.session.outbox.swap(&mut drained);
            self.session.pending = VecDeque::from(drained);
            if refused {
                for subscription in self.session.all_subscriptions() {
                    subscription.resume(&mut self.session);
                }
            }
            if self.session.pending.is_empty() {
                return;
            }
        }
    }

    #[inline]
    fn on_outgoing(&mut self, item: Outgoing) {
        match item {
            Outgoing::Delivery { consumer, entry } => {
                // Both are there as long as the consumer is: what waited for one that has ended
                // was taken back or written then.
                let Some(subscription) = self.session.subscriptions.get(&consumer) else { return };
                let subscription: Arc<Subscription> = subscription.clone();
                let Some(channel) = self.channels.get_mut(&subscription.channel) else { return };
                channel.deliver(&mut self.session, &subscription, entry);
            }
            Outgoing::Cancelled(consumer) => {
                let Some(subscription) = self.session.subscriptions.remove(&consumer) else {
                    return;
                };
                if let Some(channel) = self.channels.get_mut(&subscription.channel) {
                    channel.on_cancelled(&mut self.session, &subscription);
                }
            }
            Outgoing::AlarmChanged => self.look_at_alarms(),
            Outgoing::Close(reason) => {
                if self.state == State::Open {
                    self.settle_confirms();
                    self.close(&reason, MethodId::NONE);
                }
            }
        }
    }

    /// Tells a publisher whether it is stopped.
    fn look_at_alarms(&mut self) {
        if self.state != State::Open || !self.session.publishes {
            return;
        }
        let reason = self.session.node.alarms.reason();
        if reason.is_some() == self.blocked {
            return;
        }
        self.blocked = reason.is_some();
        if self.session.capabilities.connection_blocked {
            let reply = match reason {
                Some(reason) => Reply::connection_blocked(reason),
                None => Reply::connection_unblocked(),
            };
            self.session.reply(0, reply);
        }
    }

    /// Gives everything back that the client held. Can be called again.
    fn tear_down(&mut self) {
        let channels = self.channels.drain().map(|(_, channel)| *channel).collect::<Vec<_>>();
        release(&mut self.session, channels);
        let session = &mut self.session;
        for (_, queue) in session.exclusive_queues.drain() {
            let deleted =
                session.vhost.delete_queue(&queue, DeleteQueue::default(), &mut session.wakes);
            if let Err(error) = deleted {
                tracing::error!(%queue, %error, "an exclusive queue stays");
            }
        }
        session.wakes.flush();
    }
}

/// Whatever ends the task, a panic included, nothing that the client held is lost.
impl Drop for Connection {
    fn drop(&mut self) {
        self.tear_down();
        self.session.node.remove_connection(self.session.id);
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
