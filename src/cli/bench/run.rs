//! One run from the first connection to the last: starts the workers, watches them, ends them.
//!
//! What ends a run is decided here and nowhere else. Prints through `Printer`.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::{Connection, Event};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant as Tick, MissedTickBehavior, interval_at, sleep_until};

use super::client;
use super::consumer::Consumer;
use super::meter::{Figures, Meter};
use super::options::Plan;
use super::printer::Printer;
use super::producer::Producer;
use super::stamp::Clock;
use super::topology::Places;
use crate::cli::failure::Failure;
use crate::cli::output::escape;
use crate::signals::{EndSignal, Signals};

/// When producers are done, consumers without a number to reach go on until nothing has come for
/// this long.
const QUIET: Duration = Duration::from_millis(500);
/// How often that is looked at.
const QUIET_CHECK: Duration = Duration::from_millis(50);

type Workers = JoinSet<Result<(), Failure>>;

/// A run that is over.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) elapsed: Duration,
    pub(super) figures: Figures,
    /// Why the run is not as it was asked for.
    pub(super) failure: Option<Failure>,
}

/// A run that is going on.
struct Run<'a> {
    plan: &'a Plan,
    meter: Arc<Meter>,
    stop: watch::Sender<bool>,
    connections: Vec<Connection>,
    producers: Workers,
    consumers: Workers,
    /// Tells of connections that are blocked and unblocked.
    events: JoinSet<()>,
    started: Instant,
}

/// Why nothing more is measured.
enum End {
    Done,
    TimeIsUp,
    Interrupted,
    Failed(Failure),
}

/// Runs the plan. An `Err` means that it could not begin, or had to end at once.
pub(super) async fn run(
    plan: &Plan,
    signals: &mut Signals,
    printer: &mut Printer,
) -> Result<Outcome, Failure> {
    let control = client::connect(&plan.uri, format!("{} control", plan.id));
    let control = signals.unless(control).await.map_err(interrupted)??;
    let places = signals.unless(Places::prepare(&control, plan)).await.map_err(interrupted)??;
    let mut run = Run {
        plan,
        meter: Arc::new(Meter::new()),
        stop: watch::Sender::new(false),
        connections: Vec::new(),
        producers: JoinSet::new(),
        consumers: JoinSet::new(),
        events: JoinSet::new(),
        started: Instant::now(),
    };
    let end = match signals.unless(run.start(&places)).await.map_err(interrupted)? {
        Ok(()) => Ok(run.watch(signals, printer).await),
        Err(failure) => Err(failure),
    };
    let last = async {
        let outcome = match end {
            Ok(end) => Ok(run.finish(end).await),
            Err(failure) => Err(failure),
        };
        // All at once: a broker that has stopped answering costs the wait for one.
        let mut closing = JoinSet::new();
        for connection in run.connections.drain(..) {
            closing.spawn(async move { client::close(&connection).await });
        }
        while closing.join_next().await.is_some() {}
        let removed = places.remove(&control).await;
        client::close(&control).await;
        let mut outcome = outcome?;
        outcome.failure = outcome.failure.or(removed.err());
        Ok(outcome)
    };
    signals.unless(last).await.map_err(interrupted)?
}

fn interrupted(signal: EndSignal) -> Failure {
    client::failed(format!("ended by {signal:?} before there was a summary"))
}

impl Run<'_> {
    /// Consumers first, so that what producers send is consumed from the first message on.
    async fn start(&mut self, places: &Places) -> Result<(), Failure> {
        let plan = self.plan;
        let clock = Clock::new();
        let mut subscribed = Vec::new();
        for consumer in 0..plan.consumers as usize {
            let connection = self.connect("consumer", consumer).await?;
            for _ in 0..plan.consumer_channels {
                let channel = channel_of(&connection).await?;
                let (meter, consume) = (self.meter.clone(), plan.consume.clone());
                let worker = Consumer { queue: places.queue(consumer), consume, clock, meter };
                subscribed.push(worker.subscribe(channel).await?);
            }
            self.connections.push(connection);
        }
        let mut ready = Vec::new();
        for producer in 0..plan.producers as usize {
            let connection = self.connect("producer", producer).await?;
            self.tell_of_blocking(&connection, producer);
            for _ in 0..plan.producer_channels {
                ready
                    .push((self.producer(places, producer, clock), channel_of(&connection).await?));
            }
            self.connections.push(connection);
        }
        self.started = Instant::now();
        for worker in subscribed {
            self.consumers.spawn(worker.run(self.stop.subscribe()));
        }
        for (worker, channel) in ready {
            self.producers.spawn(worker.run(channel, self.stop.subscribe()));
        }
        Ok(())
    }

    async fn connect(&self, what: &str, number: usize) -> Result<Connection, Failure> {
        let name = format!("{} {what} {number}", self.plan.id);
        client::connect(&self.plan.uri, name).await
    }

    fn producer(&self, places: &Places, number: usize, clock: Clock) -> Producer {
        let (topology, publish) = (&self.plan.topology, self.plan.publish.clone());
        let routing_key = match &topology.routing_key {
            Some(key) => key.as_str().into(),
            None => places.queue(number),
        };
        Producer {
            exchange: topology.exchange.as_str().into(),
            routing_key,
            properties: publish.properties.to_basic(),
            publish,
            clock,
            meter: self.meter.clone(),
        }
    }

    fn tell_of_blocking(&mut self, connection: &Connection, number: usize) {
        let mut events = Box::pin(connection.events_listener());
        let id = self.plan.id.clone();
        self.events.spawn(async move {
            while let Some(event) = client::next(&mut events).await {
                let what = match event {
                    Event::ConnectionBlocked(reason) => {
                        format!("blocked by the broker: {}", escape(&reason))
                    }
                    Event::ConnectionUnblocked => "unblocked".to_owned(),
                    _ => continue,
                };
                Printer::note(&format!("id: {id}, connection of producer {number} {what}"));
            }
        });
    }

    /// Prints an interval after the other until something ends the run.
    async fn watch(&mut self, signals: &mut Signals, printer: &mut Printer) -> End {
        let started = Tick::from_std(self.started);
        let mut ticks = interval_at(started + self.plan.interval, self.plan.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let deadline = self.plan.time.map(|time| started + time);
        let time_is_up = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::pin!(time_is_up);
        let mut last = Duration::ZERO;
        let mut quiet = Quiet::new(self.plan);
        loop {
            if let Some(end) = self.is_over(&mut quiet) {
                return end;
            }
            tokio::select! {
                biased;
                _ = signals.next() => return End::Interrupted,
                () = &mut time_is_up => return End::TimeIsUp,
                Some(ended) = self.producers.join_next() => if let Err(f) = flat(ended) {
                    return End::Failed(f);
                },
                Some(ended) = self.consumers.join_next() => if let Err(f) = flat(ended) {
                    return End::Failed(f);
                },
                _ = ticks.tick() => {
                    let time = self.started.elapsed();
                    let times = (time, time.saturating_sub(last));
                    if !printer.interval(times, &self.meter.interval()) {
                        return End::Interrupted;
                    }
                    printer.progress(time, self.meter.sent_and_received());
                    last = time;
                }
                () = quiet.next_check() => {}
            }
        }
    }

    /// Whether all that was asked for has been done.
    fn is_over(&self, quiet: &mut Quiet) -> Option<End> {
        let plan = self.plan;
        let published = self.producers.is_empty();
        if plan.consume.messages.is_some() {
            let all = self.consumers.is_empty() && (published || plan.publish.messages.is_none());
            return all.then_some(End::Done);
        }
        if plan.publish.messages.is_none() || !published {
            return None;
        }
        let (_, received) = self.meter.sent_and_received();
        let nothing_comes = plan.consumers == 0 || quiet.since(received, Instant::now());
        nothing_comes.then_some(End::Done)
    }

    async fn finish(&mut self, end: End) -> Outcome {
        let elapsed = self.started.elapsed();
        self.stop.send_replace(true);
        let mut failure = match end {
            End::Failed(failure) => Some(failure),
            End::Done | End::TimeIsUp | End::Interrupted => None,
        };
        let lost = failure.is_some();
        for workers in [&mut self.producers, &mut self.consumers] {
            if lost {
                // The others may wait for what will never come.
                workers.abort_all();
            }
            while let Some(ended) = workers.join_next().await {
                failure = failure.or(flat(ended).err());
            }
        }
        self.events.abort_all();
        let figures = self.meter.total();
        let failure = failure.or_else(|| self.missing(&figures));
        Outcome { elapsed, figures, failure }
    }

    /// What was asked for and did not happen before the end.
    fn missing(&self, figures: &Figures) -> Option<Failure> {
        let plan = self.plan;
        let of = |each: u64, connections: u32, channels: u32| {
            each.saturating_mul(u64::from(connections)).saturating_mul(u64::from(channels))
        };
        let to_send = plan.publish.messages.map(|m| of(m, plan.producers, plan.producer_channels));
        let to_receive =
            plan.consume.messages.map(|m| of(m, plan.consumers, plan.consumer_channels));
        let counts = [("sent", to_send, figures.sent), ("received", to_receive, figures.received)];
        let mut short = counts.into_iter().filter_map(|(what, asked, done)| {
            let asked = asked.filter(|asked| done < *asked)?;
            Some(format!("only {done} of {asked} messages were {what}"))
        });
        short.next().map(client::failed)
    }
}

/// Whether consumers have had nothing to do for a while.
struct Quiet {
    needed: Duration,
    received: u64,
    since: Option<Instant>,
}

impl Quiet {
    fn new(plan: &Plan) -> Self {
        // Slow consumers are slow on purpose.
        let slow = plan.consume.rate.map_or(0.0, |rate| 2.0 / rate);
        let needed = QUIET.max(Duration::try_from_secs_f64(slow).unwrap_or(QUIET));
        Self { needed, received: 0, since: None }
    }

    fn since(&mut self, received: u64, now: Instant) -> bool {
        if self.since.is_none() || self.received != received {
            (self.since, self.received) = (Some(now), received);
        }
        self.since.is_some_and(|since| now.saturating_duration_since(since) >= self.needed)
    }

    /// When to look again; never before the first look.
    async fn next_check(&self) {
        match self.since {
            Some(_) => sleep_until(Tick::now() + QUIET_CHECK).await,
            None => pending().await,
        }
    }
}

async fn channel_of(connection: &Connection) -> Result<lapin::Channel, Failure> {
    connection
        .create_channel()
        .await
        .map_err(|error| client::failed_at("opening a channel", &error))
}

fn flat(ended: Result<Result<(), Failure>, JoinError>) -> Result<(), Failure> {
    match ended {
        Ok(outcome) => outcome,
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) => Err(client::failed(error.to_string())),
    }
}
