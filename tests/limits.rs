//! What a hostile or broken client may not do: each attack is followed by a look at the broker,
//! which must serve others as if nothing had been (behaviour 8.1, 9; attacks of the kinds seen).

mod common;

use std::time::{Duration, Instant};

use common::*;

const PUBLISH: (u16, u16) = (60, 40);

/// A message of another client goes in and out.
async fn expect_unharmed(broker: &TestBroker) {
    let mut other = broker.peer().await;
    other.pass_a_message().await;
    other.close().await;
}

/// The contents of a field table with tables in tables in it, so many deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for _ in 0..depth {
        let mut outer = vec![1, b'a', b'F'];
        outer.extend((inner.len() as u32).to_be_bytes());
        // Built from the inside; appended to and turned, as putting in front takes long.
        inner.extend(outer.iter().rev());
    }
    inner.reverse();
    inner
}

fn with_length(table: &[u8]) -> Vec<u8> {
    [&(table.len() as u32).to_be_bytes(), table].concat()
}

#[test]
fn nested_tables_are_what_they_say() {
    assert_eq!(nested(1), [1, b'a', b'F', 0, 0, 0, 0]);
    assert_eq!(nested(2), [1, b'a', b'F', 0, 0, 0, 7, 1, b'a', b'F', 0, 0, 0, 0]);
}

// Tables in tables

/// CVE-2026-69220, and 66079 before login.
#[tokio::test]
async fn deep_tables_before_login_do_no_harm() {
    let broker = TestBroker::start().await;
    for depth in [500, 1_000, 15_000] {
        let mut peer = broker.raw().await;
        peer.greet().await;
        let mut arguments = with_length(&nested(depth));
        arguments.extend(b"\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US");
        peer.try_send_bytes(&method_frame(0, (10, 11), &arguments)).await;
        if here(false, depth == 500) {
            peer.expect_tune().await; // small enough for 3.10, which has no limit to the depth
        } else {
            peer.expect_end_perhaps_after(501).await;
        }
        expect_unharmed(&broker).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn deep_tables_in_arguments_are_refused() {
    let Some(broker) = only_on_warren("3.10 has no limit to the depth").await else { return };
    for depth in [1_000, 15_000] {
        let mut peer = broker.peer().await;
        let mut arguments = vec![0, 0, 4];
        arguments.extend(b"deep\0");
        arguments.extend(with_length(&nested(depth)));
        peer.try_send_bytes(&method_frame(1, (50, 10), &arguments)).await;
        let came = peer.next_method_on(0, "connection.close with 501").await;
        peer.compare_close_prefix(&came, (501, "FRAME_ERROR", (50, 10)));
        expect_unharmed(&broker).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn deep_tables_in_headers_do_no_harm() {
    let broker = TestBroker::start().await;
    for depth in [1_000, 15_000] {
        for (exchange, key) in [("amq.headers", ""), ("", "none")] {
            let mut peer = broker.peer().await;
            peer.send(publish(exchange, key, b"").method()).await;
            let mut payload = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0];
            payload.extend(with_length(&nested(depth)));
            peer.try_send_bytes(&frame(2, 1, &payload)).await;
            peer.try_send_bytes(&method_frame(1, (20, 20), &[1])).await;
            // Whether it looks into headers or leaves them alone is the broker's own affair.
            match peer.next_method_on(1, "flow-ok, or connection.close with 501").await {
                came if came == channel_flow_ok(true) => {}
                came => peer.compare_close_prefix(&came, (501, "FRAME_ERROR", PUBLISH)),
            }
            expect_unharmed(&broker).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn lengths_that_reach_beyond_their_frame_are_errors() {
    let broker = TestBroker::start().await;
    let table_too_long: &[u8] = b"\0\0\x01q\0\xff\xff\xff\xff\x01aV";
    let name_too_long: &[u8] = b"\0\0\xffq\0\0\0\0\0";
    let string_too_long: &[u8] = b"\0\0\x01q\0\0\0\0\x09\x01aS\x7f\xff\xff\xffxx";
    for arguments in [table_too_long, name_too_long, string_too_long] {
        let mut peer = broker.peer().await;
        peer.send_bytes(&method_frame(1, (50, 10), arguments)).await;
        peer.expect_end_perhaps_after(501).await;
    }
    expect_unharmed(&broker).await;
    broker.stop_and_check().await;
}

// Sizes that are announced

/// CVE-2026-67235, 69219, 77410: a size that is only announced.
#[tokio::test]
async fn a_body_of_2_to_the_63_is_refused_by_its_header() {
    let Some(broker) = only_on_warren("3.10 waits for it").await else { return };
    for size in [1u64 << 63, u64::MAX, 134_217_729] {
        let mut peer = broker.peer().await;
        peer.send(publish("", "x", b"").method()).await;
        peer.send_bytes(&header_frame(1, 60, size)).await;
        let text = format!(
            "PRECONDITION_FAILED - message size {size} is larger than configured max size \
             134217728"
        );
        peer.expect_channel_close(406, &text, PUBLISH).await;
    }
    expect_unharmed(&broker).await;
    broker.stop_and_check().await;
}

/// CVE-2026-67235: the same when it comes.
#[tokio::test]
async fn a_body_that_does_not_end_is_cut_off() {
    let Some(broker) = only_on_warren("3.10 takes what comes").await else { return };
    let mut peer = broker.peer().await;
    peer.send(publish("", "x", b"").method()).await;
    peer.send_bytes(&header_frame(1, 60, 10)).await;
    for _ in 0..100 {
        peer.try_send_bytes(&body_frame(1, &[0; 4096])).await;
    }
    peer.expect_end_perhaps_after(501).await;
    expect_unharmed(&broker).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn sixteen_mebibytes_are_not_too_large() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    let body = vec![b'x'; 16 * 1024 * 1024];
    peer.send(publish("amq.direct", "none", &body)).await;
    peer.expect(ack(1)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_message_above_the_limit_closes_its_channel_only() {
    let settings = Settings { message_max_bytes: Some(1_000_000), ..Settings::default() };
    let broker = only_on_warren_with(settings, "3.10's limit is not ours to set").await;
    let Some(broker) = broker else { return };
    let mut peer = broker.peer().await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    peer.send(publish("amq.direct", "none", &vec![b'x'; 1_000_000])).await;
    peer.expect(ack(1)).await;
    peer.send(publish("amq.direct", "none", &vec![b'x'; 1_000_001])).await;
    let text = "PRECONDITION_FAILED - message size 1000001 is larger than \
                configured max size 1000000";
    peer.expect_channel_close(406, text, PUBLISH).await;
    peer.open_channel(1).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

// Numbers of things

#[tokio::test]
async fn all_the_channels_offered_can_be_had_and_no_more() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let opens: Vec<u8> = (2..=2047).flat_map(|ch| peer.encode(ch, channel_open().into())).collect();
    peer.send_bytes(&opens).await;
    for channel in 2..=2047 {
        peer.expect_on(channel, channel_open_ok()).await;
    }
    peer.send_on(2048, channel_open()).await;
    let text = "NOT_ALLOWED - number of channels opened (2047) has reached \
                the negotiated channel_max (2047)";
    peer.expect_connection_close(530, text, (0, 0)).await;
    broker.stop_and_check().await;
}

// Work that explodes

/// CVE-2026-67419: many `#` in one key.
#[tokio::test]
async fn many_wildcards_and_a_long_key_are_matched_in_time() {
    let Some(broker) = only_on_warren("3.10 takes minutes").await else { return };
    let mut peer = broker.peer().await;
    let (jobs, x) = (&unique("jobs"), &unique("x"));
    peer.declare(jobs).await;
    peer.ask(exchange_declare(x, "topic"), exchange_declare_ok()).await;
    let pattern = "#.a.".repeat(8) + "b";
    peer.ask(queue_bind(jobs, x, &pattern), queue_bind_ok()).await;
    let (never, ever) = ("a.".repeat(59) + "c", "a.".repeat(59) + "b");
    let since = Instant::now();
    peer.send(publish(x, &never, b"lost")).await;
    peer.send(publish(x, &ever, b"one")).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 0, b"one")).await;
    let took = since.elapsed();
    assert!(took < Duration::from_millis(500), "took {took:?}");
    broker.stop_and_check().await;
}

// Before login

#[tokio::test]
async fn garbage_before_login_is_cut_off() {
    let broker = TestBroker::start().await;
    let megabyte = vec![0xFF; 1024 * 1024];
    let mut without_header = broker.raw().await;
    without_header.try_send_bytes(&megabyte).await;
    without_header.expect_bytes_if_any_and_end(PROTOCOL_HEADER).await;
    let mut after_header = broker.raw().await;
    after_header.greet().await;
    after_header.try_send_bytes(&megabyte).await;
    after_header.expect_end_perhaps_after(501).await;
    expect_unharmed(&broker).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn frames_before_login_are_small() {
    let broker = TestBroker::start().await;
    for size in [8193u32, 1 << 20, u32::MAX] {
        let mut peer = broker.raw().await;
        peer.greet().await;
        let mut head = vec![1, 0, 0];
        head.extend(size.to_be_bytes());
        peer.try_send_bytes(&head).await;
        peer.expect_end_perhaps_after(501).await;
    }
    expect_unharmed(&broker).await;
    broker.stop_and_check().await;
}

async fn with_handshake_timeout(limit: Duration) -> Option<TestBroker> {
    let settings = Settings { handshake_timeout: Some(limit), ..Settings::default() };
    only_on_warren_with(settings, "3.10's time is not ours to set").await
}

#[tokio::test]
async fn a_trickle_does_not_prolong_the_handshake() {
    let limit = Duration::from_millis(500);
    let Some(broker) = with_handshake_timeout(limit).await else { return };
    let mut peer = broker.raw().await;
    peer.greet().await;
    let since = Instant::now();
    let mut clock = tokio::time::interval(Duration::from_millis(50));
    for byte in method_frame(0, (10, 11), &[0; 200]) {
        clock.tick().await;
        if !peer.try_send_bytes(&[byte]).await {
            break; // the second byte after the end at the latest
        }
    }
    let took = since.elapsed();
    assert!(took < 4 * limit, "still open after {took:?}");
    peer.expect_end().await;
    expect_unharmed(&broker).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn half_a_header_is_not_waited_for() {
    let limit = Duration::from_millis(300);
    let Some(broker) = with_handshake_timeout(limit).await else { return };
    let mut peer = broker.raw().await;
    peer.send_bytes(b"AMQ").await;
    peer.expect_end().await;
    expect_unharmed(&broker).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn many_silent_connections_keep_nobody_out() {
    let broker = TestBroker::start().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(broker.raw().await);
    }
    let since = Instant::now();
    expect_unharmed(&broker).await;
    let took = since.elapsed();
    assert!(took < Duration::from_secs(2), "took {took:?}");
    drop(silent);
    broker.stop_and_check().await;
}
