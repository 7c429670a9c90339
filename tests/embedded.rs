//! Brokers inside another program: several at once, each with its own port, data and queues.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use lapin::message::DeliveryResult;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tempfile::TempDir;
use tokio::sync::mpsc;
use warren::Broker;

/// Enough for the prefetch of one consumer to run dry and fill again many times.
const MESSAGES: usize = 500;
/// Longer than a busy machine takes; a test that waits for ever says nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same name on both brokers, on purpose.
const QUEUE: &str = "jobs";

struct Embedded {
    broker: Broker,
    // Removed after the broker has ended: dropped last.
    _data: TempDir,
}

impl Embedded {
    async fn start() -> Self {
        let data = TempDir::new().expect("a directory for the broker");
        let builder = Broker::builder().listen("127.0.0.1:0").data_dir(data.path());
        Self { broker: builder.start().await.expect("the broker starts"), _data: data }
    }

    fn address(&self) -> SocketAddr {
        *self.broker.amqp_addresses().first().expect("the broker listens")
    }
}

async fn connect(address: SocketAddr) -> Connection {
    let url = format!("amqp://guest:guest@{address}/%2f");
    Connection::connect(&url, ConnectionProperties::default()).await.expect("connected")
}

async fn declare(channel: &Channel, queue: &str, passive: bool) -> lapin::Result<lapin::Queue> {
    let options = QueueDeclareOptions { passive, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await
}

/// Publishes with confirms and consumes with acknowledgements at the same time; what was received,
/// in the order of the delivery tags.
async fn exchange_messages(address: SocketAddr, word: &str) -> Vec<String> {
    let connection = connect(address).await;
    let channel = connection.create_channel().await.expect("a channel");
    declare(&channel, QUEUE, false).await.expect("a queue");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirm mode");
    let mut deliveries = consume(&channel).await;

    let publishing = async {
        for number in 0..MESSAGES {
            let body = format!("{word} {number}");
            let (options, properties) =
                (BasicPublishOptions::default(), BasicProperties::default());
            let sent = channel
                .basic_publish("".into(), QUEUE.into(), options, body.as_bytes(), properties)
                .await
                .expect("published");
            assert!(sent.await.expect("answered").is_ack(), "{body} was not confirmed");
        }
    };
    let consuming = async {
        let mut bodies = Vec::new();
        while bodies.len() < MESSAGES {
            let delivery = deliveries.recv().await.expect("a delivery");
            delivery.ack(BasicAckOptions::default()).await.expect("acknowledged");
            let body = String::from_utf8(delivery.data.clone()).expect("text");
            bodies.push((delivery.delivery_tag, body));
        }
        // lapin hands deliveries to a task each, so they come in any order; the tags tell.
        bodies.sort_unstable();
        bodies.into_iter().map(|(_, body)| body).collect()
    };
    let ((), bodies) = tokio::join!(publishing, consuming);

    let queue = declare(&channel, QUEUE, true).await.expect("the queue is still there");
    assert_eq!(queue.message_count(), 0, "everything was consumed");
    connection.close(200, "done".into()).await.expect("closed");
    bodies
}

async fn consume(channel: &Channel) -> mpsc::Receiver<lapin::message::Delivery> {
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let consumer = channel.basic_consume(QUEUE.into(), "".into(), options, arguments).await;
    let (sender, receiver) = mpsc::channel(MESSAGES);
    consumer.expect("a consumer").set_delegate(move |result: DeliveryResult| {
        let sender = sender.clone();
        async move {
            if let Ok(Some(delivery)) = result {
                sender.send(delivery).await.expect("the test takes all of them");
            }
        }
    });
    receiver
}

fn numbered(word: &str) -> Vec<String> {
    (0..MESSAGES).map(|number| format!("{word} {number}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_brokers_in_one_process_serve_their_clients_at_the_same_time() {
    let (one, two) = tokio::join!(Embedded::start(), Embedded::start());
    assert_ne!(one.address(), two.address());

    let both = async {
        tokio::join!(
            exchange_messages(one.address(), "one"),
            exchange_messages(two.address(), "two")
        )
    };
    let (from_one, from_two) = tokio::time::timeout(PATIENCE, both).await.expect("in time");
    assert_eq!(from_one, numbered("one"));
    assert_eq!(from_two, numbered("two"));

    tokio::time::timeout(PATIENCE, async { tokio::join!(one.broker.stop(), two.broker.stop()) })
        .await
        .expect("both stop");
}

#[tokio::test]
async fn what_one_broker_has_the_other_does_not_know() {
    let (one, two) = tokio::join!(Embedded::start(), Embedded::start());
    let (client_of_one, client_of_two) =
        tokio::join!(connect(one.address()), connect(two.address()));
    let channel = client_of_one.create_channel().await.expect("a channel");
    declare(&channel, "only-here", false).await.expect("a queue");

    let channel = client_of_two.create_channel().await.expect("a channel");
    let error = declare(&channel, "only-here", true).await.expect_err("not on this one");
    assert!(error.to_string().contains("NOT_FOUND"), "{error}");

    // One ends, the other goes on.
    one.broker.stop().await;
    let channel = client_of_two.create_channel().await.expect("a channel");
    declare(&channel, "still-here", false).await.expect("a queue");
    assert_eq!(two.broker.connection_count(), 1);
    client_of_two.close(200, "done".into()).await.expect("closed");
    two.broker.stop().await;
}
