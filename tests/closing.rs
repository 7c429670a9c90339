//! A connection that the broker is closing: one close, one answer, an end in time
//! (behaviour 3, 7).

mod common;

use common::*;

/// What closes the connection: a body frame that nothing announced.
fn stray_body() -> Vec<u8> {
    body_frame(1, b"stray")
}

async fn expect_the_only_close(peer: &mut Peer) {
    let text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    peer.expect_connection_close(505, text, (0, 0)).await; // and nothing else before the end
}

#[tokio::test]
async fn a_bad_frame_after_the_close_is_not_answered_with_another_close() {
    let broker = TestBroker::start().await;
    let bad = [
        frame(8, 1, b""),                   // a heartbeat on a channel
        b"\x01\0\x01\0\0\0\x01xy".to_vec(), // no end octet
        b"\x07\0\x01\0\0\0\0\xCE".to_vec(), // no such type
    ];
    let mut peers = Vec::new();
    for bad in bad {
        let mut peer = broker.peer().await;
        peer.send_bytes(&[stray_body(), bad].concat()).await;
        peers.push(peer);
    }
    for mut peer in peers {
        expect_the_only_close(&mut peer).await;
    }
    broker.stop_and_check().await;
}

/// Threads of one client may close its connection at once, and each waits for its answer.
#[tokio::test]
async fn a_second_close_is_answered_too() {
    let why = "RabbitMQ answers it only if it comes before the end of the first";
    let Some(broker) = only_on_warren(why).await else { return };
    let mut peer = broker.peer().await;
    peer.send_on(0, connection_close()).await;
    peer.expect_on(0, connection_close_ok()).await;
    peer.send_on(0, connection_close()).await;
    peer.expect_on(0, connection_close_ok()).await;
    peer.expect_end().await;
    broker.stop_and_check().await;
}
