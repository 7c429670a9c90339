//! A broker inside another program: started on a free port, used over AMQP, stopped again.
//!
//! `cargo run --example embedded` prints the message that went through it and ends by itself. The
//! client is lapin; any other would do, since it comes in over the socket like everybody else.

#![allow(clippy::print_stdout, reason = "it is there to show something")]

use std::error::Error;
use std::net::SocketAddr;

use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::sync::mpsc;
use warren::Broker;

const QUEUE: &str = "greetings";
/// Deliveries that wait until the program takes them.
const WAITING_MAX: usize = 16;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let data = tempfile::tempdir()?;
    let broker = Broker::builder().listen("127.0.0.1:0").data_dir(data.path()).start().await?;
    let &[address, ..] = broker.amqp_addresses() else { return Err("it listens nowhere".into()) };
    println!("warren listens on {address}");

    say_hello(address).await?;

    broker.stop().await;
    println!("warren has stopped");
    Ok(())
}

async fn say_hello(address: SocketAddr) -> Result<()> {
    let url = format!("amqp://guest:guest@{address}/%2f");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let (options, arguments) = (QueueDeclareOptions::default(), FieldTable::default());
    channel.queue_declare(QUEUE.into(), options, arguments).await?;

    publish(&channel, b"hello, world").await?;

    let mut deliveries = consume(&channel).await?;
    let delivery = deliveries.recv().await.ok_or("the consumer ended")??;
    println!("received: {}", String::from_utf8_lossy(&delivery.data));
    delivery.ack(BasicAckOptions::default()).await?;

    connection.close(200, "done".into()).await?;
    Ok(())
}

/// Returns once the broker has confirmed the message.
async fn publish(channel: &Channel, body: &[u8]) -> Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sent = channel.basic_publish("".into(), QUEUE.into(), options, body, properties).await?;
    if sent.await?.is_ack() { Ok(()) } else { Err("the broker did not take the message".into()) }
}

/// What comes from the queue, or the error that ended it.
async fn consume(channel: &Channel) -> Result<mpsc::Receiver<lapin::Result<Delivery>>> {
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let consumer = channel.basic_consume(QUEUE.into(), "".into(), options, arguments).await?;
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    consumer.set_delegate(move |delivery: lapin::message::DeliveryResult| {
        let sender = sender.clone();
        async move {
            if let Some(delivery) = delivery.transpose() {
                // Whoever has dropped the receiver wants no more of them.
                let _ = sender.send(delivery).await;
            }
        }
    });
    Ok(receiver)
}
