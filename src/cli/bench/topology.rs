//! The exchange and the queues of a run, and where its messages go.

use lapin::options::{
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection};

use super::client;
use super::options::{Plan, Topology};
use crate::cli::failure::Failure;

/// Where producers publish to and consumers consume from.
#[derive(Debug)]
pub(super) struct Places {
    /// Workers take turns.
    pub(super) queues: Vec<ShortString>,
    /// One was made for this run and goes with it.
    made: bool,
}

impl Places {
    /// Declares what is to be declared.
    pub(super) async fn prepare(control: &Connection, plan: &Plan) -> Result<Self, Failure> {
        let topology = &plan.topology;
        let channel =
            control.create_channel().await.map_err(|e| client::failed_at("a channel", &e))?;
        declare_exchange(&channel, topology).await?;
        if topology.predeclared && topology.queues.is_empty() && plan.consumers > 0 {
            return Err(Failure::usage("--predeclared with consumers needs --queue".to_owned()));
        }
        let made = topology.queues.is_empty() && !topology.predeclared;
        let mut queues = Vec::with_capacity(topology.queues.len().max(1));
        let none = [String::new()];
        let names = if made { &none[..] } else { &topology.queues[..] };
        for name in names {
            let queue = declare_queue(&channel, topology, name).await?;
            bind(&channel, topology, &queue).await?;
            queues.push(queue);
        }
        // Nobody waits for what is on a channel that did its work.
        let _ = channel.close(200, "declared".into()).await;
        Ok(Self { queues, made })
    }

    /// The queue that a worker with this number has to do with.
    pub(super) fn queue(&self, worker: usize) -> ShortString {
        let at = worker.checked_rem(self.queues.len()).unwrap_or(0);
        self.queues.get(at).cloned().unwrap_or_default()
    }

    /// Deletes what was made for the run alone.
    pub(super) async fn remove(&self, control: &Connection) -> Result<(), Failure> {
        if !self.made {
            return Ok(());
        }
        let failed = |error| client::failed_at("deleting the queue of the run", &error);
        let channel = control.create_channel().await.map_err(failed)?;
        for queue in &self.queues {
            // One that went with its last consumer is gone already, which is no error.
            let options = QueueDeleteOptions::default();
            channel.queue_delete(queue.clone(), options).await.map_err(failed)?;
        }
        Ok(())
    }
}

async fn declare_exchange(channel: &Channel, topology: &Topology) -> Result<(), Failure> {
    let name = &topology.exchange;
    if name.is_empty() {
        return Ok(());
    }
    // The broker's own exchanges can only be asked for.
    let passive = topology.predeclared || name.starts_with("amq.");
    let options =
        ExchangeDeclareOptions { passive, durable: topology.durable, ..Default::default() };
    let kind = topology.kind.clone();
    let declared = channel.exchange_declare(name.as_str().into(), kind, options, no_arguments());
    declared.await.map_err(|error| client::failed_at(&format!("exchange {name}"), &error))
}

async fn declare_queue(
    channel: &Channel,
    topology: &Topology,
    name: &str,
) -> Result<ShortString, Failure> {
    let options = QueueDeclareOptions {
        passive: topology.predeclared,
        durable: topology.durable,
        auto_delete: topology.auto_delete,
        ..Default::default()
    };
    let declared = channel.queue_declare(name.into(), options, topology.arguments.clone());
    let queue =
        declared.await.map_err(|error| client::failed_at(&format!("queue {name}"), &error))?;
    Ok(queue.name().clone())
}

async fn bind(channel: &Channel, topology: &Topology, queue: &ShortString) -> Result<(), Failure> {
    if topology.exchange.is_empty() || topology.predeclared {
        return Ok(());
    }
    let key = topology.routing_key.as_deref().unwrap_or(queue.as_str());
    let exchange = topology.exchange.as_str().into();
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(queue.clone(), exchange, key.into(), options, no_arguments());
    bound.await.map_err(|error| client::failed_at(&format!("binding queue {queue}"), &error))
}

fn no_arguments() -> FieldTable {
    FieldTable::default()
}
