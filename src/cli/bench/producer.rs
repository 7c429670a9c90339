//! One channel that publishes.
//!
//! Two tasks: one starts to publish as fast as it may, the other waits for what was started, in
//! order, counts it and gives its room back. Room is what bounds the messages that are under way.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Error, PublisherConfirm};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep_until, timeout};

use super::client::{self, Started, if_ready};
use super::meter::{Meter, Tally};
use super::options::Publish;
use super::pace::Pace;
use super::stamp::{self, Clock};
use crate::cli::failure::Failure;

/// Messages on their way to the socket when no confirmations are asked for ...
const UNDER_WAY_MAX: usize = 1024;
/// ... and their octets.
const UNDER_WAY_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Settled messages that are counted at once at most.
const BATCH: usize = 256;
/// How long outstanding confirmations are waited for at the end.
const SETTLE_WAIT: Duration = Duration::from_secs(10);

type Publishing = Started<Result<PublisherConfirm, Error>>;

/// What one channel publishes, and how.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) publish: Publish,
    pub(super) properties: BasicProperties,
    pub(super) clock: Clock,
    pub(super) meter: Arc<Meter>,
}

/// A message whose end is waited for.
struct Sent {
    at_ns: u64,
    publishing: Publishing,
}

/// The room that messages under way take.
#[derive(Clone)]
struct Room(Arc<Semaphore>);

impl Producer {
    /// Publishes until it is done or told to stop, and waits for the confirmations.
    pub(super) async fn run(
        self,
        channel: Channel,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        if self.publish.unconfirmed_max.is_some() {
            let select = channel.confirm_select(ConfirmSelectOptions::default());
            select.await.map_err(|error| client::failed_at("confirm.select", &error))?;
        }
        let channel = Arc::new(channel);
        let window = self.window();
        let room = Room(Arc::new(Semaphore::new(window)));
        let (sender, receiver) = mpsc::channel(window);
        let settler = Settler {
            confirms: self.publish.unconfirmed_max.is_some(),
            clock: self.clock,
            meter: self.meter.clone(),
            room: room.clone(),
            channel: channel.clone(),
            tally: Tally::default(),
            settled: 0,
        };
        let settled = tokio::spawn(settler.run(receiver));
        self.publish_all(&channel, &room, &sender, &mut stop).await;
        drop(sender);
        match timeout(SETTLE_WAIT, settled).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => Err(client::failed(panicked.to_string())),
            Err(_) if self.publish.unconfirmed_max.is_none() => Ok(()),
            Err(_) => Err(client::failed(format!(
                "messages were still not confirmed {} seconds after the end",
                SETTLE_WAIT.as_secs()
            ))),
        }
    }

    fn window(&self) -> usize {
        match self.publish.unconfirmed_max {
            Some(unconfirmed) => unconfirmed as usize,
            None => (UNDER_WAY_MAX_BYTES / self.publish.size_bytes.max(1)).clamp(1, UNDER_WAY_MAX),
        }
    }

    async fn publish_all(
        &self,
        channel: &Arc<Channel>,
        room: &Room,
        sender: &mpsc::Sender<Sent>,
        stop: &mut watch::Receiver<bool>,
    ) {
        let mut pace = self.publish.rate.map(|rate| Pace::new(rate, Instant::now()));
        let mut left = self.publish.messages.unwrap_or(u64::MAX);
        while left > 0 && !*stop.borrow() {
            let due = match pace.as_mut().map_or(Ok(BATCH as u64), |p| p.due(Instant::now())) {
                Ok(due) => due.min(left),
                Err(next) => {
                    tokio::select! {
                        () = sleep_until(next.into()) => {}
                        _ = stop.changed() => {}
                    }
                    continue;
                }
            };
            for _ in 0..due {
                if !room.take(stop).await || sender.send(self.start(channel)).await.is_err() {
                    return;
                }
                left -= 1;
                if let Some(pace) = &mut pace {
                    pace.did(1);
                }
            }
        }
    }

    fn start(&self, channel: &Arc<Channel>) -> Sent {
        let channel = channel.clone();
        let (exchange, routing_key) = (self.exchange.clone(), self.routing_key.clone());
        let properties = self.properties.clone();
        let mandatory = self.publish.mandatory;
        let at_ns = self.clock.now_ns();
        let body = stamp::body(self.publish.size_bytes, at_ns);
        let publishing = Started::new(async move {
            let options = BasicPublishOptions { mandatory, immediate: false };
            channel.basic_publish(exchange, routing_key, options, &body, properties).await
        });
        Sent { at_ns, publishing }
    }
}

impl Room {
    /// Waits for room for a message; `false` if the run is over.
    async fn take(&self, stop: &mut watch::Receiver<bool>) -> bool {
        if let Ok(permit) = self.0.try_acquire() {
            permit.forget();
            return true;
        }
        tokio::select! {
            permit = self.0.acquire() => permit.is_ok_and(|permit| { permit.forget(); true }),
            _ = stop.changed() => false,
        }
    }
}

/// Waits for messages in the order they were started.
struct Settler {
    confirms: bool,
    clock: Clock,
    meter: Arc<Meter>,
    room: Room,
    channel: Arc<Channel>,
    tally: Tally,
    settled: usize,
}

impl Settler {
    async fn run(mut self, mut sent: mpsc::Receiver<Sent>) -> Result<(), Failure> {
        let outcome = self.settle_all(&mut sent).await;
        // Whoever waits for room must not wait for ever.
        self.room.0.close();
        self.count();
        outcome.map_err(|error| client::failed_at("publishing", &error))
    }

    async fn settle_all(&mut self, sent: &mut mpsc::Receiver<Sent>) -> Result<(), Error> {
        loop {
            let Ok(next) = sent.try_recv() else {
                self.count();
                match sent.recv().await {
                    Some(next) => self.settle(next).await?,
                    None => return self.catch_up().await,
                }
                continue;
            };
            self.settle(next).await?;
            if self.settled >= BATCH {
                self.count();
                self.count_returned().await?;
            }
        }
    }

    async fn settle(&mut self, Sent { at_ns, publishing }: Sent) -> Result<(), Error> {
        let confirm = match publishing {
            Started::Done(confirm) => confirm?,
            Started::Underway(future) => self.wait_for(future).await?,
        };
        self.tally.sent += 1;
        if self.confirms {
            let confirmation = self.wait_for(confirm).await?;
            let waited_ns = self.clock.now_ns().saturating_sub(at_ns);
            match confirmation {
                Confirmation::Nack(_) => self.tally.nacked += 1,
                Confirmation::Ack(_) | Confirmation::NotRequested => {
                    self.tally.confirmed += 1;
                    self.tally.confirm_latencies_us.push(waited_ns / 1000);
                }
            }
            self.tally.returned += u64::from(confirmation.take_message().is_some());
        }
        self.settled += 1;
        Ok(())
    }

    /// Counts what is done before it waits, so that room comes back in time.
    async fn wait_for<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        if let Poll::Ready(value) = if_ready(future.as_mut()).await {
            return value;
        }
        self.count();
        future.await
    }

    fn count(&mut self) {
        if self.settled > 0 || self.tally.sent > 0 {
            self.meter.bring(&mut self.tally);
            self.room.0.add_permits(std::mem::take(&mut self.settled));
        }
    }

    /// Asks the broker something that it answers after all that was published. So errors and
    /// returned messages are known that came after the last message was sent.
    async fn catch_up(&mut self) -> Result<(), Error> {
        if !self.confirms {
            self.channel.basic_qos(1, BasicQosOptions::default()).await?;
        }
        self.count_returned().await
    }

    /// Without confirmations returned messages pile up in the client until they are asked for.
    async fn count_returned(&mut self) -> Result<(), Error> {
        if !self.confirms {
            let returned = self.channel.wait_for_confirms().await?.len() as u64;
            self.meter.bring(&mut Tally { returned, ..Tally::default() });
        }
        Ok(())
    }
}
