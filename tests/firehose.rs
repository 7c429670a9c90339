//! The firehose (behaviour 39.1): copies of what is published and delivered, while a virtual host
//! is traced.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use amq_protocol::protocol::basic::AMQPMethod;
use common::http::Http;
use common::*;
use serde_json::json;

const TRACE: &str = "amq.rabbitmq.trace";

async fn broker() -> (OwnBroker, Http) {
    OwnBroker::start_with_http().await
}

async fn trace(http: &Http, on: bool) {
    http.put("/api/vhosts/%2F", &json!({ "tracing": on })).await.expect(204);
}

/// Gets every trace message.
async fn watcher(broker: &OwnBroker) -> Peer {
    let mut peer = broker.peer().await;
    peer.ask(queue_declare("traces"), queue_declare_ok("traces", 0, 0)).await;
    peer.ask(queue_bind("traces", TRACE, "#"), queue_bind_ok()).await;
    peer.ask(consume("traces", "t").no_ack(), consume_ok("t")).await;
    peer
}

/// Key, headers, body.
async fn next(peer: &mut Peer) -> (String, FieldTable, Vec<u8>) {
    let Item::Content { method, properties, body, .. } = peer.next(1, "a trace").await else {
        panic!("no content");
    };
    let AMQPMethod::Deliver(deliver) = method else { panic!("no delivery") };
    assert_eq!(deliver.exchange.as_str(), TRACE);
    let headers = properties.headers().clone().expect("headers");
    assert_eq!(*properties, BasicProperties::default().with_headers(headers.clone()));
    (deliver.routing_key.to_string(), headers, body)
}

#[track_caller]
fn has(headers: &FieldTable, expected: &[(&str, AMQPValue)]) {
    for (name, value) in expected {
        assert_eq!(headers.inner().get(*name), Some(value), "{name} in {headers:?}");
    }
}

#[tokio::test]
async fn publishes_and_deliveries_are_copied_while_it_is_on() {
    let (broker, http) = broker().await;
    let mut traces = watcher(&broker).await;
    let mut peer = broker.peer().await;
    peer.ask(exchange_declare("e", "fanout"), exchange_declare_ok()).await;
    for queue in ["a", "b"] {
        peer.declare(queue).await;
        peer.ask(queue_bind(queue, "e", ""), queue_bind_ok()).await;
    }
    peer.send(publish("e", "k", b"before")).await;
    trace(&http, true).await;
    let own = table(&[("h", int(1)), ("CC", texts(&["c"])), ("BCC", texts(&["d"]))]);
    let properties = BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_priority(3)
        .with_headers(own);
    peer.send(publish("e", "k", b"hello").with(properties)).await;
    let (key, headers, body) = next(&mut traces).await;
    assert_eq!((&*key, &*body), ("publish.e", &b"hello"[..]));
    let shown = table(&[
        ("content_type", text("text/plain")),
        ("priority", int(3)),
        ("headers", AMQPValue::FieldTable(table(&[("h", int(1)), ("CC", texts(&["c"]))]))),
    ]);
    let common = [
        ("exchange_name", text("e")),
        ("routing_keys", texts(&["k", "c", "d"])),
        ("properties", AMQPValue::FieldTable(shown)),
        ("vhost", text("/")),
        ("user", text("guest")),
        ("channel", int(1)),
    ];
    has(&headers, &common);
    let Some(AMQPValue::FieldArray(queues)) = headers.inner().get("routed_queues") else {
        panic!("no queues in {headers:?}");
    };
    assert_eq!(queues.as_slice().len(), 2);
    let Some(AMQPValue::LongString(connection)) = headers.inner().get("connection") else {
        panic!("no connection in {headers:?}");
    };
    assert!(connection.to_string().contains(" -> "), "{connection}");

    peer.ask(consume("a", "c").no_ack(), consume_ok("c")).await;
    for expected in [&b"before"[..], b"hello"] {
        let (key, headers, body) = next(&mut traces).await;
        assert_eq!((&*key, &*body), ("deliver.a", expected));
        has(&headers, &[("redelivered", int(0)), ("exchange_name", text("e"))]);
        assert!(!headers.inner().contains_key("routed_queues"), "{headers:?}");
    }
    let mut getting = broker.peer().await;
    getting.send(get_no_ack("b")).await;
    let _ = getting.next(1, "a message").await;
    assert_eq!(next(&mut traces).await.0, "deliver.b");

    trace(&http, false).await;
    getting.send(publish("", "nowhere", b"off")).await;
    getting.close_channel(1).await;
    // What comes next is traced again, and nothing has come between.
    trace(&http, true).await;
    getting.open_channel(1).await;
    getting.send(publish("", "nowhere", b"on")).await;
    let (key, headers, body) = next(&mut traces).await;
    assert_eq!((&*key, &*body), ("publish.", &b"on"[..]));
    has(&headers, &[("routed_queues", texts(&[])), ("exchange_name", text(""))]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn traces_are_not_traced_though_they_die() {
    let (broker, http) = broker().await;
    let mut peer = broker.peer().await;
    // Every trace but the last dies, and what dies is delivered.
    peer.declare("dead").await;
    let dying = table(&[
        ("x-max-length", int(1)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ]);
    peer.ask(queue_declare("traces").args(dying), queue_declare_ok("traces", 0, 0)).await;
    peer.ask(queue_bind("traces", TRACE, "#"), queue_bind_ok()).await;
    trace(&http, true).await;
    for body in [b"1", b"2", b"3"] {
        peer.send(publish("", "nowhere", body)).await;
    }
    peer.ask(consume("dead", "c").no_ack(), consume_ok("c")).await;
    for body in [b"1", b"2"] {
        let Item::Content { body: came, .. } = peer.next(1, "a dead trace").await else {
            panic!("no content");
        };
        assert_eq!(came, body);
    }
    peer.expect_nothing_until_reply().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn messages_by_http_and_in_transactions_are_traced_too() {
    let (broker, http) = broker().await;
    let mut traces = watcher(&broker).await;
    let mut peer = broker.peer().await;
    peer.declare("a").await;
    trace(&http, true).await;
    peer.ask(tx_select(), tx_select_ok()).await;
    peer.send(publish("", "a", b"in tx")).await;
    assert_eq!(next(&mut traces).await.2, b"in tx");
    let message = json!({"properties": {}, "routing_key": "a", "payload": "by http",
                         "payload_encoding": "string"});
    http.post("/api/exchanges/%2F/amq.default/publish", &message).await.expect(200);
    let (key, headers, body) = next(&mut traces).await;
    assert_eq!((&*key, &*body), ("publish.", &b"by http"[..]));
    has(&headers, &[("user", text("guest")), ("connection", text("http"))]);
    let wish = json!({"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"});
    http.post("/api/queues/%2F/a/get", &wish).await.expect(200);
    assert_eq!(next(&mut traces).await.0, "deliver.a");
    broker.stop_and_check().await;
}
