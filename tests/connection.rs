//! Opening a connection, step by step, and closing it (behaviour 1.9, 4, 5, 7).

mod common;

use std::time::{Duration, Instant};

use amq_protocol::protocol::{
    AMQPClass,
    connection::{AMQPMethod, Start},
};
use common::*;

// The protocol header

#[tokio::test]
async fn another_protocol_is_answered_with_the_header_we_speak() {
    let broker = TestBroker::start().await;
    let others: [&[u8; 8]; 4] = [
        b"AMQP\x00\x00\x0A\x00",
        b"AMQP\x00\x01\x00\x00",
        b"GET / HT",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ];
    for header in others {
        let mut peer = broker.raw().await;
        peer.send_bytes(header).await;
        peer.expect_bytes_and_end(PROTOCOL_HEADER).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_header_of_0_8_is_answered_like_any_other() {
    let Some(broker) = only_on_warren("3.10 still speaks 0-8").await else { return };
    let mut peer = broker.raw().await;
    peer.send_bytes(b"AMQP\x01\x01\x08\x00").await;
    peer.expect_bytes_and_end(PROTOCOL_HEADER).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_header_of_0_9_is_as_good() {
    let broker = TestBroker::start().await;
    let mut peer = broker.raw().await;
    peer.send_bytes(b"AMQP\x01\x01\x00\x09").await;
    let start = peer.next_method_on(0, "connection.start").await;
    assert!(matches!(start, AMQPClass::Connection(AMQPMethod::Start(_))), "{start:?}");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let broker = TestBroker::start().await;
    let mut peer = broker.raw().await;
    for byte in PROTOCOL_HEADER {
        peer.send_bytes(&[*byte]).await;
    }
    peer.next_method_on(0, "connection.start").await;
    broker.stop_and_check().await;
}

// start

async fn start_of(broker: &TestBroker) -> Start {
    broker.raw().await.greet().await
}

#[tokio::test]
async fn start_names_version_mechanisms_and_locale() {
    let broker = TestBroker::start().await;
    let start = start_of(&broker).await;
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!(start.locales.to_string(), "en_US");
    let mechanisms = start.mechanisms.to_string();
    let mechanisms: Vec<&str> = mechanisms.split(' ').collect();
    assert!(mechanisms.contains(&"PLAIN"), "{mechanisms:?}");
    assert!(mechanisms.contains(&"AMQPLAIN"), "{mechanisms:?}");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn start_says_who_the_broker_is() {
    let broker = TestBroker::start().await;
    let properties = start_of(&broker).await.server_properties;
    for key in ["cluster_name", "copyright", "information", "platform", "product", "version"] {
        let value = properties.inner().get(key);
        assert!(
            matches!(value, Some(AMQPValue::LongString(s)) if !s.is_empty()),
            "{key}: {value:?}"
        );
    }
    let Some(AMQPValue::LongString(version)) = properties.inner().get("version") else { return };
    let numbers: Vec<_> = version.to_string().split('.').map(str::parse::<u32>).collect();
    assert!(numbers.len() == 3 && numbers.iter().all(Result::is_ok), "clients parse {version}");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn start_says_what_the_broker_can_do() {
    let broker = TestBroker::start().await;
    let properties = start_of(&broker).await.server_properties;
    let Some(AMQPValue::FieldTable(able)) = properties.inner().get("capabilities") else {
        panic!("no capabilities in {properties:?}");
    };
    for capability in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        assert_eq!(able.inner().get(capability), Some(&AMQPValue::Boolean(true)), "{capability}");
    }
    broker.stop_and_check().await;
}

// Logging in

/// The contents of a field table with LOGIN and PASSWORD, without its length.
fn amqplain(user: &str, password: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in [("LOGIN", user), ("PASSWORD", password)] {
        bytes.push(key.len() as u8);
        bytes.extend(key.as_bytes());
        bytes.push(b'S');
        bytes.extend((value.len() as u32).to_be_bytes());
        bytes.extend(value.as_bytes());
    }
    bytes
}

#[tokio::test]
async fn plain_logs_in_and_is_offered_limits() {
    let broker = TestBroker::start().await;
    let mut peer = broker.raw().await;
    let tune = peer.log_in().await;
    assert_eq!((tune.channel_max, tune.frame_max, tune.heartbeat), (2047, 131_072, 60));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn amqplain_logs_in() {
    let broker = TestBroker::start().await;
    let mut peer = broker.raw().await;
    peer.greet().await;
    peer.send_on(0, start_ok("AMQPLAIN", &amqplain("guest", "guest"))).await;
    peer.expect_tune().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn anonymous_logs_in() {
    let Some(broker) = only_on_warren("3.10 has no ANONYMOUS").await else { return };
    let mut peer = broker.raw().await;
    let start = peer.greet().await;
    assert!(start.mechanisms.to_string().split(' ').any(|m| m == "ANONYMOUS"));
    peer.send_on(0, start_ok("ANONYMOUS", b"")).await;
    peer.expect_tune().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_refused_login_is_told_to_who_can_hear_it() {
    let broker = TestBroker::start().await;
    let by_amqplain = amqplain("guest", "wrong");
    let refused: [(&str, &[u8]); 5] = [
        ("PLAIN", b"\0guest\0wrong"),
        ("PLAIN", b"\0nobody\0guest"),
        ("PLAIN", b"\0guest\0"),
        ("PLAIN", b"\0\0"),
        ("AMQPLAIN", &by_amqplain),
    ];
    for (mechanism, response) in refused {
        let mut peer = broker.raw().await;
        peer.greet().await;
        peer.send_on(0, start_ok(mechanism, response)).await;
        let text = format!(
            "ACCESS_REFUSED - Login was refused using authentication mechanism {mechanism}. \
             For details see the broker logfile."
        );
        peer.expect_connection_close(403, &text, (0, 0)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_refused_login_is_an_end_without_words_for_older_clients() {
    let broker = TestBroker::start().await;
    let mut peer = broker.raw().await;
    peer.greet().await;
    let mut login = start_ok("PLAIN", b"\0guest\0wrong");
    if let AMQPClass::Connection(AMQPMethod::StartOk(m)) = &mut login {
        m.client_properties = client_properties(&["basic.nack"]);
    }
    peer.send_on(0, login).await;
    peer.expect_end().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_malformed_login_does_not_get_in() {
    let broker = TestBroker::start().await;
    let malformed: [(&str, &[u8]); 4] =
        [("PLAIN", b"guest"), ("PLAIN", b""), ("AMQPLAIN", b"\x05LOGIN"), ("AMQPLAIN", b"")];
    let mut peers = Vec::new();
    for (mechanism, response) in malformed {
        let mut peer = broker.raw().await;
        peer.greet().await;
        peer.send_on(0, start_ok(mechanism, response)).await;
        peers.push(peer);
    }
    for mut peer in peers {
        peer.expect_end_perhaps_after(502).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_unknown_mechanism_does_not_get_in() {
    let broker = TestBroker::start().await;
    let mut peer = broker.raw().await;
    peer.greet().await;
    peer.send_on(0, start_ok("KERBEROS", b"guest")).await;
    peer.expect_end_perhaps_after(503).await;
    broker.stop_and_check().await;
}

// tune-ok

async fn expect_tune_refused(broker: &TestBroker, (channels, frame): (u16, u32), text: &str) {
    let mut peer = broker.raw().await;
    peer.log_in().await;
    peer.send_on(0, tune_ok(channels, frame, 0)).await;
    if here("says why", "says nothing") == "says nothing" {
        return peer.expect_end().await;
    }
    peer.expect_connection_close(530, &format!("NOT_ALLOWED - negotiated {text}"), (10, 30)).await;
}

#[tokio::test]
async fn no_limit_is_more_than_the_limit() {
    let broker = TestBroker::start().await;
    let text = "channel_max = 0 (no limit) is higher than the maximum allowed value (2047)";
    expect_tune_refused(&broker, (0, FRAME_MAX), text).await;
    let text = "frame_max = 0 is higher than the maximum allowed value (131072)";
    expect_tune_refused(&broker, (2047, 0), text).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn more_than_the_limit_is_refused() {
    let broker = TestBroker::start().await;
    let text = "channel_max = 2048 is higher than the maximum allowed value (2047)";
    expect_tune_refused(&broker, (2048, FRAME_MAX), text).await;
    let text = "frame_max = 131073 is higher than the maximum allowed value (131072)";
    expect_tune_refused(&broker, (2047, FRAME_MAX + 1), text).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn frames_too_small_to_work_with_are_refused() {
    let broker = TestBroker::start().await;
    for small in [100, 4095] {
        let text = format!("frame_max = {small} is lower than the minimum allowed value (4096)");
        expect_tune_refused(&broker, (2047, small), &text).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_smallest_frames_of_the_protocol_are_enough() {
    let broker = TestBroker::start().await;
    let hello = Hello { frame_max: 4096, channel_max: 1, ..Hello::default() };
    let mut peer = broker.peer_with(hello).await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let body = vec![b'x'; 10_000]; // three frames; the peer checks that none is too large
    peer.send(publish("", jobs, &body)).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 0, &body)).await;
    broker.stop_and_check().await;
}

// open

#[tokio::test]
async fn a_vhost_that_is_not_there_is_refused() {
    let broker = TestBroker::start().await;
    let mut peer = broker.raw().await;
    peer.log_in().await;
    peer.send_on(0, tune_ok(2047, FRAME_MAX, 0)).await;
    peer.send_on(0, connection_open("nowhere")).await;
    peer.expect_connection_close(530, "NOT_ALLOWED - vhost nowhere not found", (10, 40)).await;
    broker.stop_and_check().await;
}

// Out of order

#[tokio::test]
async fn a_method_before_its_time_ends_the_handshake() {
    let broker = TestBroker::start().await;
    let mut early_open = broker.raw().await;
    early_open.greet().await;
    early_open.send_on(0, connection_open("/")).await;
    let mut early_still = broker.raw().await;
    early_still.log_in().await;
    early_still.send_on(0, connection_open("/")).await;
    early_open.expect_end_perhaps_after(504).await;
    early_still.expect_end_perhaps_after(504).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_second_tune_ok_is_out_of_order() {
    let broker = TestBroker::start().await;
    let mut peer = broker.raw().await;
    peer.log_in().await;
    peer.send_on(0, tune_ok(2047, FRAME_MAX, 0)).await;
    peer.send_on(0, tune_ok(2047, FRAME_MAX, 0)).await;
    let text = "CHANNEL_ERROR - unexpected method in connection state opening";
    peer.expect_connection_close(504, text, (10, 31)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_handshake_is_not_repeated() {
    let broker = TestBroker::start().await;
    let text = "CHANNEL_ERROR - unexpected method in connection state running";
    let again = [
        (start_ok("PLAIN", b"\0guest\0guest"), (10, 11)),
        (tune_ok(2047, FRAME_MAX, 0), (10, 31)),
        (connection_open("/"), (10, 40)),
    ];
    for (method, ids) in again {
        let mut peer = broker.peer().await;
        peer.send_on(0, method).await;
        peer.expect_connection_close(504, text, ids).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_only_a_broker_says_on_channel_0_is_out_of_order() {
    let broker = TestBroker::start().await;
    let text = "CHANNEL_ERROR - unexpected method in connection state running";
    for method in [60, 61] {
        let mut peer = broker.peer().await;
        let arguments: &[u8] = if method == 60 { b"\x03why" } else { b"" };
        peer.send_bytes(&method_frame(0, (10, method), arguments)).await;
        peer.expect_connection_close(504, text, (10, method)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_channel_before_open_is_an_unexpected_frame() {
    let broker = TestBroker::start().await;
    let mut peer = broker.raw().await;
    peer.log_in().await;
    peer.send_on(0, tune_ok(2047, FRAME_MAX, 0)).await;
    peer.send_on(1, channel_open()).await;
    let text = "UNEXPECTED_FRAME - type 1, all octets = <<0,20,0,10,0>>";
    peer.expect_connection_close(505, text, (0, 0)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let limit = Some(Duration::from_millis(300));
    let short = Settings { handshake_timeout: limit, ..Settings::default() };
    let broker = only_on_warren_with(short, "3.10's time is not ours to set").await;
    let Some(broker) = broker else { return };
    let mut silent = broker.raw().await;
    let mut halfway = broker.raw().await;
    halfway.log_in().await;
    silent.expect_end().await;
    halfway.expect_end().await;
    broker.stop_and_check().await;
}

// Heartbeats

fn every_second() -> Hello {
    Hello { heartbeat_s: 1, ..Hello::default() }
}

#[tokio::test]
async fn an_idle_broker_sends_heartbeats() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer_with(every_second()).await;
    peer.expect_on(0, heartbeat()).await;
    peer.expect_on(0, heartbeat()).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_silent_client_is_cut_off_without_words() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer_with(every_second()).await;
    let since = Instant::now();
    peer.expect_end().await; // heartbeats aside
    let took = since.elapsed();
    let two_to_three_periods = Duration::from_millis(1_500)..Duration::from_millis(4_500);
    assert!(two_to_three_periods.contains(&took), "took {took:?}");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn heartbeats_keep_a_connection_open() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer_with(every_second()).await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(4) {
        peer.expect_on(0, heartbeat()).await; // our clock: about two a second
        peer.send_bytes(&frame(8, 0, &[])).await;
    }
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_heartbeats_none_come() {
    let broker = TestBroker::start().await;
    let mut idle = broker.peer().await;
    let mut clock = broker.peer_with(every_second()).await;
    for _ in 0..4 {
        clock.expect_on(0, heartbeat()).await;
        clock.send_bytes(&frame(8, 0, &[])).await;
    }
    idle.send(channel_flow(true)).await;
    let first = idle.next_with_heartbeats(1, "flow-ok and no heartbeat before").await;
    assert!(first != Item::Heartbeat, "a heartbeat came although none were asked for");
    broker.stop_and_check().await;
}

// Closing

#[tokio::test]
async fn what_follows_a_close_is_discarded() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let late = &unique("late");
    peer.send_on(0, connection_close()).await;
    peer.try_send_bytes(&method_frame(1, (20, 20), &[1])).await;
    peer.expect_on(0, connection_close_ok()).await;
    peer.end_sending().await;
    peer.expect_end().await;
    let mut other = broker.peer().await;
    other.send(queue_declare(late).passive()).await;
    let text = format!("NOT_FOUND - no queue '{late}' in vhost '/'");
    other.expect_channel_close(404, &text, (50, 10)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_broker_ends_the_stream_after_close_ok() {
    let Some(broker) = only_on_warren("3.10 leaves it to the client").await else { return };
    let mut peer = broker.peer().await;
    peer.send_on(0, connection_close()).await;
    peer.expect_on(0, connection_close_ok()).await;
    peer.expect_end().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_closing_broker_listens_for_close_and_close_ok_only() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (before, after) = (&unique("before"), &unique("after"));
    peer.send(queue_declare(before)).await;
    peer.send(channel_open()).await; // the mistake
    peer.send(queue_declare(after)).await;
    peer.expect(queue_declare_ok(before, 0, 0)).await;
    let text = "CHANNEL_ERROR - second 'channel.open' seen";
    peer.expect_on(0, close_of_connection(504, text, (20, 10))).await;
    peer.send(queue_declare(after)).await;
    peer.send_on(0, connection_close()).await;
    peer.expect_on(0, connection_close_ok()).await;
    peer.send_on(0, connection_close_ok()).await;
    peer.expect_end().await;
    let mut other = broker.peer().await;
    other.ask(queue_declare(before).passive(), queue_declare_ok(before, 0, 0)).await;
    other.send(queue_declare(after).passive()).await;
    let text = format!("NOT_FOUND - no queue '{after}' in vhost '/'");
    other.expect_channel_close(404, &text, (50, 10)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn exclusive_queues_are_gone_before_close_ok() {
    let broker = TestBroker::start().await;
    let mut other = broker.peer().await;
    for round in 0..5 {
        let mine = &unique("mine");
        let mut owner = broker.peer().await;
        owner.ask(queue_declare(mine).exclusive(), queue_declare_ok(mine, 0, 0)).await;
        owner.send_on(0, connection_close()).await;
        owner.expect_on(0, connection_close_ok()).await;
        other.open_channel(2 + round).await;
        other.send_on(2 + round, queue_declare(mine).passive()).await;
        let text = format!("NOT_FOUND - no queue '{mine}' in vhost '/'");
        other.expect_on(2 + round, close_of_channel(404, &text, (50, 10))).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_broker_that_stops_says_so() {
    let Some(broker) = only_on_warren("it is not ours to stop").await else { return };
    let mut peer = broker.peer().await;
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    tokio::join!(broker.stop(), peer.expect_connection_close(320, text, (0, 0)));
}

#[tokio::test]
async fn a_broker_stops_though_clients_do_not_listen() {
    let Some(broker) = only_on_warren("it is not ours to stop").await else { return };
    let deaf = (broker.peer().await, broker.raw().await);
    broker.stop().await;
    drop(deaf);
}

// Secrets

#[tokio::test]
async fn a_secret_can_be_updated() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send_on(0, update_secret("guest")).await;
    peer.expect_on(0, update_secret_ok()).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}
