//! A connection that is busy in one direction is still served in the other.

mod common;

use std::time::Duration;

use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const BODY_BYTES: usize = 1024;
const BACKLOG: u32 = 64 * 1024;
/// What may be on its way when the consumer says stop: the boxes, the socket buffers of both
/// sides, and what a busy machine adds.
const ON_ITS_WAY_MAX: u32 = BACKLOG / 2;
/// A consumer that gets nothing for that long has got all.
const SILENCE: Duration = Duration::from_millis(500);

/// A consumer reads as fast as the broker writes, so that the socket always takes more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fast_consumer_is_still_listened_to() {
    let broker = OwnBroker::start().await;
    let mut owner = broker.peer().await;
    owner.declare("jobs").await;
    let one = owner.encode(1, publish("", "jobs", &[b'x'; BODY_BYTES]).into());
    let batch = one.repeat(1024);
    for _ in 0..BACKLOG / 1024 {
        owner.send_bytes(&batch).await;
    }
    owner.expect_counts("jobs", BACKLOG, 0).await;
    let mut stream = TcpStream::connect(broker.address()).await.expect("the broker is there");
    let Outgoing::Method(consume) = consume("jobs", "c1").no_ack().into() else {
        panic!("a method");
    };
    let mut frames = opening();
    frames.push(encode_method(1, consume));
    stream.write_all(&frames.concat()).await.expect("the broker reads");
    let mut buffer = vec![0; 1024 * 1024];
    let (mut came_bytes, mut cancelled) = (0, false);
    while let Ok(Ok(read)) = timeout(SILENCE, stream.read(&mut buffer)).await {
        came_bytes += read;
        if !cancelled && came_bytes > 10 * BODY_BYTES {
            cancelled = true;
            stream.write_all(&encode_method(1, cancel("c1"))).await.expect("the broker reads");
        }
        assert!(read > 0, "the broker hung up after {came_bytes} bytes");
    }
    assert!(cancelled);
    let left = ready_in(&mut owner, "jobs").await;
    let delivered = BACKLOG - left;
    assert!(delivered < ON_ITS_WAY_MAX, "{delivered} of {BACKLOG} delivered before the cancel");
    drop(stream);
    broker.stop_and_check().await;
}

async fn ready_in(peer: &mut Peer, queue: &str) -> u32 {
    use amq_protocol::protocol::queue::AMQPMethod::DeclareOk;
    peer.send(queue_declare(queue).passive()).await;
    match peer.next_method_on(1, "declare-ok").await {
        AMQPClass::Queue(DeclareOk(ok)) => ok.message_count,
        other => peer.fail("declare-ok", &format!("{other:?}")),
    }
}
