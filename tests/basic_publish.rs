//! Publishing and what is checked on the way, and messages on their way back (behaviour 18, 19).

mod common;

use common::*;

const PUBLISH: (u16, u16) = (60, 40);

#[tokio::test]
async fn a_message_arrives_as_it_was_published() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let all = BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("identity".into())
        .with_headers(table(&[("n", int(1))]))
        .with_delivery_mode(2)
        .with_priority(9)
        .with_correlation_id("c-1".into())
        .with_reply_to("replies".into())
        .with_expiration("600000".into())
        .with_message_id("m-1".into())
        .with_timestamp(1_234_567_890)
        .with_type("kind".into())
        .with_user_id("guest".into())
        .with_app_id("app".into())
        .with_cluster_id("cluster".into());
    peer.send(publish("amq.direct", "nowhere", b"x").with(all.clone())).await;
    peer.send(publish("", jobs, b"one").with(all.clone())).await;
    peer.ask(get(jobs), get_ok(1, false, 0, b"one").via("", jobs).with(all.clone())).await;
    peer.send(reject(1, Requeue::Yes)).await;
    peer.ask(consume(jobs, "c"), consume_ok("c")).await;
    peer.expect(deliver("c", 2, true, b"one").via("", jobs).with(all)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_message_without_properties_is_given_none() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"one")).await;
    let bare = get_ok(1, false, 0, b"one").with(BasicProperties::default());
    peer.ask(get(jobs), bare).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn headers_of_every_type_arrive() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let nested = table(&[("in", AMQPValue::FieldTable(table(&[("deep", int(-1))])))]);
    let every = headers(&[
        ("bool", AMQPValue::Boolean(true)),
        ("byte", AMQPValue::ShortShortInt(-128)),
        ("unsigned byte", AMQPValue::ShortShortUInt(255)),
        ("short", AMQPValue::ShortInt(-32_768)),
        ("unsigned short", AMQPValue::ShortUInt(65_535)),
        ("int", int(i32::MIN)),
        ("unsigned int", AMQPValue::LongUInt(u32::MAX)),
        ("long", AMQPValue::LongLongInt(i64::MIN)),
        ("float", AMQPValue::Float(1.5)),
        ("double", AMQPValue::Double(-1e300)),
        ("text", text("ßñ 漢字")),
        ("no text", text("")),
        ("bytes", AMQPValue::ByteArray(ByteArray::from(vec![0, 255, 1].as_slice()))),
        ("time", AMQPValue::Timestamp(1_234_567_890)),
        ("nothing", AMQPValue::Void),
        ("table", AMQPValue::FieldTable(nested)),
        ("array", AMQPValue::FieldArray(vec![int(1), texts(&["a", "b"]), AMQPValue::Void].into())),
        ("no array", texts(&[])),
    ]);
    peer.send(publish("", jobs, b"one").with(every.clone())).await;
    peer.ask(get(jobs), get_ok(1, false, 0, b"one").with(every)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_large_message_comes_in_frames_that_are_not_too_large() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer_with(Hello { frame_max: 8192, ..Hello::default() }).await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    let body: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    peer.send(publish("", jobs, &body)).await;
    peer.ask(get(jobs), get_ok(1, false, 0, &body)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn messages_of_one_publisher_stay_in_order() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.ask(consume(jobs, "c").no_ack(), consume_ok("c")).await;
    for n in 1..=500u64 {
        peer.send(publish("", jobs, &n.to_be_bytes())).await;
    }
    for n in 1..=500u64 {
        peer.expect(deliver("c", n, false, &n.to_be_bytes())).await;
    }
    broker.stop_and_check().await;
}

// What is checked

/// Publishes what must close the channel with 406 and this, and opens it again.
async fn expect_refused(peer: &mut Peer, properties: BasicProperties, text: &str) {
    peer.send(publish("amq.direct", "k", b"x").with(properties)).await;
    peer.expect_channel_close(406, &format!("PRECONDITION_FAILED - {text}"), PUBLISH).await;
    peer.open_channel(1).await;
}

#[tokio::test]
async fn the_exchange_must_be_there() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let none = &unique("none");
    peer.send(publish(none, "k", b"one")).await;
    let text = format!("NOT_FOUND - no exchange '{none}' in vhost '/'");
    peer.expect_channel_close(404, &text, PUBLISH).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn immediate_is_not_implemented() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(publish("amq.direct", "k", b"one").immediate()).await;
    peer.expect_connection_close(540, "NOT_IMPLEMENTED - immediate=true", PUBLISH).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_expiration_is_a_number_of_milliseconds() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let wrong = [
        ("soon", "no_integer"),
        ("", "no_integer"),
        ("10 s", "{leftover_string,\" s\"}"),
        ("-1", "{value_negative,-1}"),
        ("315360000001", "{value_too_large,315360000001}"),
    ];
    for (expiration, why) in wrong {
        let properties = BasicProperties::default().with_expiration(expiration.into());
        let text = format!("invalid expiration '{expiration}': {why}");
        expect_refused(&mut peer, properties, &text).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_user_id_is_ones_own() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let properties = BasicProperties::default().with_user_id("somebody".into());
    let text = "user_id property set to 'somebody' but authenticated user was 'guest'";
    expect_refused(&mut peer, properties, text).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn cc_and_bcc_are_arrays() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    for (key, value, kind) in [("CC", int(1), "signedint"), ("BCC", text("k"), "longstr")] {
        let text = format!("invalid message: {{unacceptable_type_in_header,\"{key}\",{kind}}}");
        expect_refused(&mut peer, headers(&[(key, value)]), &text).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_error_leaves_the_messages_before_it_alone() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (jobs, none) = (&unique("jobs"), &unique("none"));
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"one")).await;
    peer.send(publish(none, jobs, b"two")).await;
    peer.send(publish("", jobs, b"three")).await;
    let text = format!("NOT_FOUND - no exchange '{none}' in vhost '/'");
    peer.expect_channel_close(404, &text, PUBLISH).await;
    peer.open_channel(1).await;
    peer.ask(get_no_ack(jobs), get_ok(1, false, 0, b"one")).await;
    peer.ask(get_no_ack(jobs), get_empty()).await;
    broker.stop_and_check().await;
}

// Messages that reach no queue

#[tokio::test]
async fn a_mandatory_message_comes_back_if_no_queue_takes_it() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let none = &unique("none");
    let properties = headers(&[("n", int(1))]).with_message_id("m".into());
    peer.send(publish("", none, b"one").mandatory().with(properties.clone())).await;
    peer.expect(no_route("", none, b"one").with(properties)).await;
    peer.send(publish("amq.direct", none, b"").mandatory()).await;
    peer.expect(no_route("amq.direct", none, b"")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_mandatory_message_that_arrives_does_not_come_back() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let jobs = &unique("jobs");
    peer.declare(jobs).await;
    peer.send(publish("", jobs, b"one").mandatory()).await;
    peer.ask(get(jobs), get_ok(1, false, 0, b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn any_other_message_without_a_queue_is_dropped() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    peer.send(publish("", &unique("none"), b"one")).await;
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_route_to_an_exchange_without_queues_is_none() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let (a, b) = (&unique("a"), &unique("b"));
    for x in [a, b] {
        peer.ask(exchange_declare(x, "fanout"), exchange_declare_ok()).await;
    }
    peer.ask(exchange_bind(b, a, ""), exchange_bind_ok()).await;
    peer.send(publish(a, "k", b"one").mandatory()).await;
    peer.expect(no_route(a, "k", b"one")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_comes_back_names_the_key_of_the_publish_and_no_blind_copies() {
    let broker = TestBroker::start().await;
    let mut peer = broker.peer().await;
    let none = &unique("none");
    let copies = headers(&[("CC", texts(&["a"])), ("BCC", texts(&["b"]))]);
    peer.send(publish("amq.direct", none, b"one").mandatory().with(copies)).await;
    let seen = headers(&[("CC", texts(&["a"]))]);
    peer.expect(no_route("amq.direct", none, b"one").with(seen)).await;
    broker.stop_and_check().await;
}
