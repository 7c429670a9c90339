//! The task of one connection: it owns the socket, the buffers and the channels, and waits for
//! four things at once: the clock, room to write, something to read, something in the outbox.
//!
//! Everything that a read brings is acted on, in `dispatch.rs`, before anything is waited for
//! again. Knows nothing of queues.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::channel::Channel;
use super::consume::Subscription;
use super::heartbeat::{Beat, Heartbeat};
use super::release::release;
use super::session::Session;
use super::socket::Socket;
use crate::amqp::frame::FrameReader;
use crate::amqp::reply::Reply;
use crate::broker::ConnectionState;
use crate::clock;
use crate::error::{MethodId, Reason};
use crate::outbox::{ConsumerId, Outgoing};
use crate::queue::Conditions;

/// Above this no more deliveries are encoded until the socket has taken some.
const OUT_HIGH_WATER_BYTES: usize = 256 * 1024;
/// Above this nothing more is read: the client does not take its replies.
pub(super) const OUT_PAUSE_BYTES: usize = 1024 * 1024;
/// After moving so much others get a turn, and the runtime a look at what has come. A flooding
/// publisher would otherwise go on for over a hundred reads, and fill queues that their consumers'
/// tasks would have emptied; a consumer of a long backlog would not be heard.
const YIELD_AFTER_BYTES: u64 = 1024 * 1024;
/// A client gets at most this long to answer `connection.close`.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(30);
/// After a frame that cannot be read, what follows cannot be understood: the client gets this
/// long to read the close.
pub(super) const DEAF_WAIT: Duration = Duration::from_secs(3);

/// Several threads of a client may close its connection at once, and each waits for its answer.
/// After the first the socket stays open this long, unless the client is faster.
const LEAVE_WAIT: Duration = Duration::from_millis(50);

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// `connection.close` is sent; everything but its answer is dropped.
    Closing {
        until: Instant,
    },
    /// The same, but what comes is not even looked at.
    Deaf {
        until: Instant,
    },
    /// The client has closed, and has been answered: it may say it again, from another thread.
    Leaving {
        until: Instant,
    },
    /// Nothing more is to be said than what waits to be written.
    Closed {
        until: Instant,
    },
}

/// An open connection.
pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) reader: FrameReader,
    pub(super) session: Session,
    pub(super) channels: HashMap<u16, Box<Channel>>,
    /// Channels that we have closed, until the client has agreed.
    pub(super) closing_channels: HashSet<u16>,
    pub(super) state: State,
    /// `connection.blocked` is in force.
    pub(super) blocked: bool,
    /// Frames were left in the reader because too much waits to be written, or the store is to
    /// be waited for.
    pub(super) unread_frames: bool,
    /// The store is full, and will tell when it has room.
    pub(super) waits_for_room: bool,
    /// Why it ends, once that is known.
    pub(super) ended: Option<String>,
    pub(super) heartbeat: Heartbeat,
    pub(super) ticks: Interval,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
}

impl Connection {
    pub(super) fn new(socket: Socket, reader: FrameReader, session: Session) -> Self {
        let heartbeat = Heartbeat::new(session.tuning.heartbeat);
        let period = heartbeat.period();
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        session.node.add_presence(session.presence.clone());
        let (sent_bytes, received_bytes) = {
            let traffic = &session.presence.traffic;
            (traffic.sent_bytes.get(), traffic.received_bytes.get())
        };
        Self {
            socket,
            reader,
            session,
            channels: HashMap::new(),
            closing_channels: HashSet::new(),
            state: State::Open,
            blocked: false,
            unread_frames: true,
            waits_for_room: false,
            ended: None,
            heartbeat,
            ticks,
            // The handshake was traffic too.
            sent_bytes,
            received_bytes,
        }
    }

    /// Serves the client until the connection is closed. An error means that it broke.
    pub(super) async fn run(&mut self) -> std::io::Result<()> {
        let mut yielded_at_bytes = 0;
        loop {
            self.session.begin();
            self.on_timeouts();
            self.on_settled();
            if self.unread_frames && self.session.out.len() < OUT_PAUSE_BYTES {
                self.on_frames();
            }
            self.on_outbox();
            self.look_at_alarms();
            self.look_for_room();
            self.session.wakes.flush();
            self.show();
            if self.is_closed() && self.session.out.is_empty() && !self.socket.has_unsent() {
                return Ok(()); // closing the socket tells the client
            }
            if !self.wait().await? {
                return Ok(());
            }
            let moved_bytes = self.received_bytes + self.sent_bytes;
            if moved_bytes - yielded_at_bytes >= YIELD_AFTER_BYTES {
                yielded_at_bytes = moved_bytes;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits for the next thing to do. False once the peer has gone.
    async fn wait(&mut self) -> std::io::Result<bool> {
        let may_read = self.may_read();
        let deadline = match self.state {
            State::Closing { until } | State::Deaf { until } | State::Closed { until } => {
                Some(until)
            }
            State::Leaving { until } if self.session.out.is_empty() => Some(until),
            State::Leaving { until } => Some(until + CLOSE_WAIT_MAX),
            State::Open => None,
        };
        let timeouts_ms = self.session.timeouts_ms.filter(|_| self.state == State::Open);
        let timeouts = timeouts_ms.and_then(clock::instant_of).map(Instant::from_std);
        let has_to_write = !self.session.out.is_empty() || self.socket.has_unsent();
        let (mut reading, mut writing) = self.socket.split();
        let session = &mut self.session;
        tokio::select! {
            _ = self.ticks.tick() => Ok(self.on_tick()),
            () = until(deadline), if deadline.is_some() => Ok(false),
            () = until(timeouts), if timeouts.is_some() => Ok(true),
            written = writing.write(&mut session.out), if has_to_write => {
                self.sent_bytes += written? as u64;
                session.presence.traffic.writes.add(1);
                Ok(true)
            }
            read = reading.read(&mut self.reader), if may_read => match read? {
                0 => Ok(false),
                bytes => {
                    self.received_bytes += bytes as u64;
                    session.presence.traffic.reads.add(1);
                    self.on_frames();
                    Ok(true)
                }
            },
            () = session.outbox.ready() => Ok(true),
        }
    }

    fn may_read(&self) -> bool {
        match self.state {
            State::Open => {
                let has_room = self.session.out.len() < OUT_PAUSE_BYTES;
                has_room && !self.is_stopped() && !self.waits_for_store()
            }
            State::Closing { .. } | State::Deaf { .. } => true,
            // First it gets what it is owed.
            State::Leaving { .. } => self.session.out.is_empty(),
            State::Closed { .. } => false,
        }
    }

    /// An alarm is on, and it concerns this client.
    fn is_stopped(&self) -> bool {
        self.session.publishes && self.session.node.alarms.reason().is_some()
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Lets others see how it is.
    fn show(&mut self) {
        self.session.exchanges.tell();
        let (presence, node) = (&self.session.presence, &self.session.node);
        let traffic = &presence.traffic;
        traffic.received_bytes.set(self.received_bytes);
        traffic.sent_bytes.set(self.sent_bytes);
        traffic.pending_bytes.set(self.session.out.len() as u64);
        presence.set_state(match self.state {
            State::Open if node.alarms.reason().is_some() && self.session.publishes => {
                ConnectionState::Blocked
            }
            State::Open if node.alarms.reason().is_some() => ConnectionState::Blocking,
            State::Open if self.may_read() => ConnectionState::Running,
            State::Open => ConnectionState::Flow,
            _ => ConnectionState::Closing,
        });
    }

    /// False if the peer is dead.
    fn on_tick(&mut self) -> bool {
        self.reader.release();
        self.session.release_buffers();
        let deaf = self.state == State::Open && (self.is_stopped() || self.waits_for_store());
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
                self.ended = Some("no sign of life for two heartbeat intervals".to_owned());
                false
            }
        }
    }

    /// Closes the connection from our side.
    pub(super) fn close(&mut self, reason: &Reason, blamed: MethodId) {
        let text = reason.reply_text();
        tracing::warn!(reason = ?text, "connection closed by the broker");
        self.ended = Some(format!("closed by the broker: {text:?}"));
        self.tear_down();
        self.session.reply(0, Reply::connection_close(reason, blamed));
        self.state = State::Closing { until: self.close_deadline() };
    }

    pub(super) fn closed(&self) -> State {
        State::Closed { until: self.close_deadline() }
    }

    pub(super) fn leaving() -> State {
        State::Leaving { until: Instant::now() + LEAVE_WAIT }
    }

    fn close_deadline(&self) -> Instant {
        let wait = match self.session.tuning.heartbeat {
            0 => CLOSE_WAIT_MAX,
            seconds => Duration::from_secs(seconds.into()).min(CLOSE_WAIT_MAX),
        };
        Instant::now() + wait
    }

    pub(super) fn close_channel(&mut self, number: u16) {
        if let Some(mut channel) = self.channels.remove(&number) {
            self.session.node.set_channels(self.session.id, self.channels.len());
            channel.settle_confirms(&mut self.session);
            self.session.note_channel_closed(number);
            self.session.awaiting_confirms.retain(|awaiting| *awaiting != number);
            release(&mut self.session, [*channel]);
        }
    }

    pub(super) fn settle_confirms(&mut self) {
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
                for subscription in self.session.subscriptions_in_turn() {
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
            Outgoing::Cancelled(consumer) if self.session.held.is_some() => {
                self.session.cancelled.push(consumer);
            }
            Outgoing::Cancelled(consumer) => self.on_cancelled(consumer),
            Outgoing::CancelConsumer { channel, tag } => self.on_cancel_consumer(channel, &tag),
            Outgoing::AccessChanged => self.on_access_changed(),
            Outgoing::Close(reason) => {
                if self.state == State::Open {
                    self.settle_confirms();
                    self.close(&reason, MethodId::NONE);
                }
            }
        }
    }

    /// The queue of a consumer is gone.
    pub(super) fn on_cancelled(&mut self, consumer: ConsumerId) {
        let Some(subscription) = self.session.subscriptions.remove(&consumer) else { return };
        if let Some(channel) = self.channels.get_mut(&subscription.channel) {
            channel.on_cancelled(&mut self.session, &subscription);
        }
    }

    /// Somebody wants a consumer to end, which may have ended already.
    fn on_cancel_consumer(&mut self, number: u16, tag: &str) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let Some(subscription) = channel.consumers.get(tag).cloned() else { return };
        channel.cancel(&mut self.session, tag);
        channel.on_cancelled(&mut self.session, &subscription);
    }

    /// What the user may do has changed: consumers end whose queues may not be read any more.
    fn on_access_changed(&mut self) {
        let consumers = self.session.subscriptions.values().cloned().collect::<Vec<_>>();
        for subscription in consumers {
            let Some(queue) = &subscription.queue else { continue };
            if self.session.actor.check_read(queue.name()).is_ok() {
                continue;
            }
            tracing::info!(%queue, "a consumer ends: its user may no longer read from the queue");
            if let Some(channel) = self.channels.get_mut(&subscription.channel) {
                channel.cancel(&mut self.session, &subscription.tag);
                channel.on_cancelled(&mut self.session, &subscription);
            }
        }
    }

    /// Tells a publisher whether it is stopped.
    pub(super) fn look_at_alarms(&mut self) {
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
    pub(super) fn tear_down(&mut self) {
        self.session.held = None;
        // The last batch may be long ago, and leases begin now.
        self.session.wakes.begin();
        let channels = self.channels.drain().map(|(_, channel)| *channel).collect::<Vec<_>>();
        self.session.node.set_channels(self.session.id, 0);
        self.session.exchanges.tell();
        for channel in &channels {
            self.session.note_channel_closed(channel.number);
        }
        release(&mut self.session, channels);
        let session = &mut self.session;
        for (_, queue) in session.exclusive_queues.drain() {
            let deleted =
                session.vhost.delete_queue(&queue, Conditions::default(), &mut session.wakes);
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
        self.session.node.remove_presence(self.session.id);
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
