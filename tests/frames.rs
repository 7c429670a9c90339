//! Frames that break the rules, and content that does not come together (behaviour 1.3 to 1.8, 9).

mod common;

use common::*;

/// What a frame of this type and payload is called in an error, as long as it is short.
fn snippet(kind: u8, payload: &[u8]) -> String {
    let octets: Vec<String> = payload.iter().map(ToString::to_string).collect();
    format!("type {kind}, all octets = <<{}>>", octets.join(","))
}

// Frames

#[tokio::test]
async fn a_frame_without_its_end_octet_is_a_frame_error() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let mut flow = method_frame(1, (20, 20), &[1]);
    *flow.last_mut().unwrap() = 7;
    peer.send_bytes(&flow).await;
    let snippet = snippet(1, &[0, 20, 0, 20, 1]);
    let text = format!("FRAME_ERROR - {snippet}: {{invalid_frame_end_marker,7}}");
    peer.expect_connection_close(501, &text, (0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_long_broken_frame_is_quoted_by_its_first_octets() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let mut body = body_frame(1, &[1; 17]);
    *body.last_mut().unwrap() = 0;
    peer.send_bytes(&body).await;
    let text = "FRAME_ERROR - type 3, first 16 octets = <<1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1>>: \
                {invalid_frame_end_marker,";
    let came = peer.next_method_on(0, "connection.close with 501").await;
    peer.compare_close_prefix(&came, (501, text, (0, 0)));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_unknown_frame_type_is_a_frame_error() {
    let broker = TestBroker::start().await;
    for kind in [0, 4, 255] {
        let mut peer = broker.peer().await;
        peer.send_bytes(&frame(kind, 1, &[1, 2])).await;
        let came = peer.next_method_on(0, "connection.close with 501").await;
        let text = format!("FRAME_ERROR - {}", snippet(kind, &[1, 2]));
        peer.compare_close_prefix(&came, (501, &text, (0, 0)));
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_frame_larger_than_agreed_is_refused_by_its_head_alone() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let mut head = vec![3, 0, 1];
    head.extend((FRAME_MAX + 1).to_be_bytes());
    peer.send_bytes(&head).await;
    let text = format!(
        "FRAME_ERROR - type 3, all octets = <<>>: {{frame_too_large,{},{}}}",
        FRAME_MAX + 1,
        FRAME_MAX - 8
    );
    peer.expect_connection_close(501, &text, (0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_was_agreed_is_the_limit_and_not_what_was_offered() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer_with(Hello { frame_max: 8192, ..Hello::default() }).await;
    peer.send_bytes(&[3, 0, 1, 0, 0, 0x20, 1]).await;
    let text = "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,8193,8184}";
    peer.expect_connection_close(501, text, (0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_frame_eight_bytes_over_is_tolerated() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer_with(Hello { frame_max: 8192, ..Hello::default() }).await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let body = [5; 8192];
    let mut bytes = peer.encode(1, publish("", jobs, b"").method().into());
    bytes.extend(header_frame(1, 60, 8192));
    bytes.extend(body_frame(1, &body));
    peer.send_bytes(&bytes).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 0, &body)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_heartbeat_belongs_to_channel_0() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send_bytes(&frame(8, 1, &[])).await;
    let text = format!("UNEXPECTED_FRAME - {}", snippet(8, &[]));
    peer.expect_connection_close(505, &text, (0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn content_on_channel_0_is_unexpected() {
    let broker = TestBroker::start().await;
    for (kind, stray) in [(2, header_frame(0, 60, 0)), (3, body_frame(0, &[1, 2, 3]))] {
        let mut peer = broker.peer().await;
        peer.send_bytes(&stray).await;
        let payload = &stray[7..stray.len() - 1];
        let text = format!("UNEXPECTED_FRAME - {}", snippet(kind, payload));
        peer.expect_connection_close(505, &text, (0, 0)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_known_method_with_bad_arguments_is_a_frame_error() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send_bytes(&method_frame(1, (50, 10), &[0, 0, 9, b'x'])).await;
    let text = "FRAME_ERROR - cannot decode <<0,0,9,120>>";
    peer.expect_connection_close(501, text, (50, 10)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_unknown_method_is_not_implemented() {
    let Some(broker) = only_on_warren("RabbitMQ drops the connection").await else { return };
    for ids in [(61, 10), (60, 99), (0, 0)] {
        let mut peer = broker.peer().await;
        peer.send_bytes(&method_frame(1, ids, &[])).await;
        let came = peer.next_method_on(0, "connection.close with 540").await;
        peer.compare_close_prefix(&came, (540, "NOT_IMPLEMENTED", ids));
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_only_a_broker_says_is_an_invalid_command() {
    let broker = TestBroker::start().await;
    let commands: [((u16, u16), &[u8]); 4] = [
        ((20, 11), &[0, 0, 0, 0]),                    // channel.open-ok
        ((60, 60), b"\x01c\0\0\0\0\0\0\0\x01\0\0\0"), // basic.deliver
        ((50, 31), &[0, 0, 0, 0]),                    // queue.purge-ok
        ((85, 11), &[]),                              // confirm.select-ok
    ];
    for (ids, arguments) in commands {
        let mut peer = broker.peer().await;
        peer.send_bytes(&method_frame(1, ids, arguments)).await;
        if ids == (60, 60) {
            peer.send_bytes(&header_frame(1, 60, 0)).await;
        }
        let text = "COMMAND_INVALID - unimplemented method";
        peer.expect_connection_close(503, text, ids).await;
    }
    broker.stop_and_check().await;
}

// Content

const PUBLISH: (u16, u16) = (60, 40);

#[tokio::test]
async fn content_without_a_publish_is_unexpected() {
    let broker = TestBroker::start().await;
    for stray in [header_frame(1, 60, 1), body_frame(1, b"x")] {
        let mut peer = broker.peer().await;
        peer.send_bytes(&stray).await;
        let text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
        peer.expect_connection_close(505, text, (0, 0)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_publish_is_followed_by_its_header() {
    let broker = TestBroker::start().await;
    for instead in [body_frame(1, b"x"), method_frame(1, (20, 20), &[1])] {
        let mut peer = broker.peer().await;
        peer.send(publish("", "x", b"").method()).await;
        peer.send_bytes(&instead).await;
        let text = "UNEXPECTED_FRAME - expected content header for class 60, \
                    got non content header frame instead";
        peer.expect_connection_close(505, text, PUBLISH).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_header_is_of_class_basic() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(publish("", "x", b"").method()).await;
    peer.send_bytes(&header_frame(1, 10, 0)).await;
    let text = "UNEXPECTED_FRAME - expected content header for class 60, \
                got one for class 10 instead";
    peer.expect_connection_close(505, text, PUBLISH).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_header_is_followed_by_the_body() {
    let broker = TestBroker::start().await;
    for instead in [header_frame(1, 60, 3), method_frame(1, (20, 40), &[0, 200, 0, 0, 0, 0, 0])] {
        let mut peer = broker.peer().await;
        peer.send(publish("", "x", b"").method()).await;
        peer.send_bytes(&header_frame(1, 60, 3)).await;
        peer.send_bytes(&body_frame(1, b"ab")).await;
        peer.send_bytes(&instead).await;
        let text = "UNEXPECTED_FRAME - expected content body, got non content body frame instead";
        peer.expect_connection_close(505, text, PUBLISH).await;
    }
    broker.stop_and_check().await;
}

/// CVE-2026-67235: bodies were put together without a look at their size.
#[tokio::test]
async fn a_body_longer_than_announced_is_a_frame_error() {
    let Some(broker) = only_on_warren("3.10 takes what comes").await else { return };
    let mut peer = broker.peer().await;
    peer.send(publish("", "x", b"").method()).await;
    peer.send_bytes(&header_frame(1, 60, 3)).await;
    peer.send_bytes(&body_frame(1, b"abcd")).await;
    let text = "FRAME_ERROR - content body frame exceeds remaining content size";
    peer.expect_connection_close(501, text, PUBLISH).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_body_comes_in_pieces_of_any_size() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"").method()).await;
    peer.send_bytes(&header_frame(1, 60, 6)).await;
    for piece in [b"ab".as_slice(), b"", b"c", b"def"] {
        peer.send_bytes(&body_frame(1, piece)).await;
    }
    peer.ask(get_no_ack(jobs), get_ok(1, false, 0, b"abcdef")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn channels_may_interleave_their_content() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.open_channel(2).await;
    let (one, two) = (&unique("one"), &unique("two"));
    peer.declare(one).await;
    peer.declare(two).await;
    for (channel, queue) in [(1, one), (2, two)] {
        peer.send_on(channel, publish("", queue, b"").method()).await;
    }
    for channel in [2, 1] {
        peer.send_bytes(&header_frame(channel, 60, 2)).await;
    }
    for (channel, piece) in [(1, b"a"), (2, b"x"), (2, b"y"), (1, b"b")] {
        peer.send_bytes(&body_frame(channel, piece)).await;
    }
    peer.ask(get_no_ack(one), get_ok(1, false, 0, b"ab")).await;
    peer.send_on(2, get_no_ack(two)).await;
    peer.expect_on(2, get_ok(1, false, 0, b"xy")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_empty_body_has_no_body_frame() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"")).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 0, b"")).await;
    broker.stop_and_check().await;
}

// Partial writes

#[tokio::test]
async fn a_session_sent_byte_by_byte_gets_the_same_replies() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    let session: Vec<Vec<u8>> = [
        queue_declare(jobs).into(),
        confirm_select().into(),
        publish("", jobs, b"one").with(headers(&[("n", int(1))])).into(),
        get(jobs).into(),
        ack(1).into(),
        channel_flow(true).into(),
        queue_delete(jobs).into(),
    ]
    .map(|what| peer.encode(1, what))
    .into();
    for byte in session.concat() {
        peer.send_bytes(&[byte]).await;
    }
    peer.expect(queue_declare_ok(jobs, 0, 0)).await;
    peer.expect(confirm_select_ok()).await;
    peer.expect_in_any_order(vec![
        ack(1).into(), // the confirm
        get_ok(1, false, 0, b"one").with(headers(&[("n", int(1))])).into(),
        channel_flow_ok(true).into(),
        queue_delete_ok(0).into(),
    ])
    .await;
    broker.stop_and_check().await;
}
