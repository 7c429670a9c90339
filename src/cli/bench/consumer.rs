//! One channel that consumes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use futures_core::Stream;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Error};
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::client::{self, Started};
use super::meter::{Meter, Tally};
use super::options::Consume;
use super::pace::Pace;
use super::stamp::{self, Clock};
use crate::cli::failure::Failure;

/// Messages that are counted at once at most.
const BATCH: u64 = 256;
/// Acknowledgements on their way to the socket.
const ACKS_UNDER_WAY_MAX: usize = 1024;

/// What one channel consumes, and how.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) queue: ShortString,
    pub(super) consume: Consume,
    pub(super) clock: Clock,
    pub(super) meter: Arc<Meter>,
}

/// A consumer at work.
pub(super) struct Receiving {
    of: Consumer,
    channel: Arc<Channel>,
    deliveries: lapin::Consumer,
    acks: VecDeque<Started<Result<(), Error>>>,
    /// Not yet acknowledged: how many, and the tag of the last one.
    unacked: (u32, u64),
    left: u64,
    tally: Tally,
}

impl Consumer {
    /// Subscribes; from here on messages come.
    pub(super) async fn subscribe(self, channel: Channel) -> Result<Receiving, Failure> {
        let failed = |error| client::failed_at(&format!("consuming from {}", self.queue), &error);
        let no_ack = self.consume.no_ack;
        if !no_ack && self.consume.prefetch > 0 {
            let qos = channel.basic_qos(self.consume.prefetch, BasicQosOptions::default());
            qos.await.map_err(failed)?;
        }
        let options = BasicConsumeOptions { no_ack, ..Default::default() };
        let (queue, tag) = (self.queue.clone(), ShortString::default());
        let consume = channel.basic_consume(queue, tag, options, FieldTable::default());
        let deliveries = consume.await.map_err(failed)?;
        Ok(Receiving {
            left: self.consume.messages.unwrap_or(u64::MAX),
            of: self,
            channel: Arc::new(channel),
            deliveries,
            acks: VecDeque::new(),
            unacked: (0, 0),
            tally: Tally::default(),
        })
    }
}

impl Receiving {
    /// Receives until it is done or told to stop.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Failure> {
        let outcome = self.receive_all(&mut stop).await;
        self.of.meter.bring(&mut self.tally);
        outcome
    }

    async fn receive_all(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Failure> {
        let rate = self.of.consume.rate;
        let mut pace = rate.map(|rate| Pace::new(rate, Instant::now()));
        while self.left > 0 && !*stop.borrow() {
            let Some(delivery) = self.next(stop).await? else { break };
            while let Some(Err(next)) = pace.as_mut().map(|pace| pace.due(Instant::now())) {
                self.of.meter.bring(&mut self.tally);
                tokio::select! {
                    () = sleep_until(next.into()) => {}
                    _ = stop.changed() => return Ok(()),
                }
            }
            if let Some(pace) = &mut pace {
                pace.did(1);
            }
            self.take(&delivery).await?;
        }
        self.acknowledge().await?;
        while let Some(ack) = self.acks.pop_front() {
            ack.finish().await.map_err(|error| client::failed_at("acknowledging", &error))?;
        }
        Ok(())
    }

    /// The next message; `None` if the run is over.
    async fn next(
        &mut self,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Option<Delivery>, Failure> {
        let ready = std::future::poll_fn(|context| {
            Poll::Ready(Pin::new(&mut self.deliveries).poll_next(context))
        });
        let delivery = if let Poll::Ready(delivery) = ready.await {
            delivery
        } else {
            self.of.meter.bring(&mut self.tally);
            let deliveries = &mut self.deliveries;
            tokio::select! {
                next = client::next(deliveries) => next,
                _ = stop.changed() => return Ok(None),
            }
        };
        match delivery {
            Some(Ok(delivery)) => Ok(Some(delivery)),
            Some(Err(error)) => Err(client::failed_at("consuming", &error)),
            None => Err(client::failed(format!(
                "consuming: the broker cancelled the consumer of {}",
                self.of.queue
            ))),
        }
    }

    async fn take(&mut self, delivery: &Delivery) -> Result<(), Failure> {
        self.left -= 1;
        self.tally.received += 1;
        if let Some(sent_ns) = stamp::sent_ns(&delivery.data) {
            let latency_ns = self.of.clock.now_ns().saturating_sub(sent_ns);
            self.tally.latencies_us.push(latency_ns / 1000);
        }
        if self.tally.received >= BATCH {
            self.of.meter.bring(&mut self.tally);
        }
        if self.of.consume.no_ack {
            return Ok(());
        }
        self.unacked = (self.unacked.0 + 1, delivery.delivery_tag);
        if self.unacked.0 >= self.of.consume.ack_every {
            self.acknowledge().await?;
        }
        Ok(())
    }

    async fn acknowledge(&mut self) -> Result<(), Failure> {
        let (count, tag) = std::mem::take(&mut self.unacked);
        if count == 0 {
            return Ok(());
        }
        let channel = self.channel.clone();
        let options = BasicAckOptions { multiple: count > 1 };
        self.acks.push_back(Started::new(async move { channel.basic_ack(tag, options).await }));
        if self.acks.len() > ACKS_UNDER_WAY_MAX
            && let Some(oldest) = self.acks.pop_front()
        {
            oldest.finish().await.map_err(|error| client::failed_at("acknowledging", &error))?;
        }
        Ok(())
    }
}
