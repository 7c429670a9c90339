//! The exchange of events (behaviour 39.2): what is told, in which words, and by whom.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use amq_protocol::protocol::basic::AMQPMethod;
use common::http::Http;
use common::*;
use serde_json::json;

const EVENTS: &str = "amq.rabbitmq.event";

/// An event: its key, and its headers as text with their types.
#[derive(Debug)]
struct Event {
    key: String,
    headers: BTreeMap<String, AMQPValue>,
}

impl Event {
    #[track_caller]
    fn text(&self, name: &str) -> String {
        match self.headers.get(name) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            other => panic!("{name} is {other:?} in {self:?}"),
        }
    }

    #[track_caller]
    fn has(&self, expected: &[(&str, AMQPValue)]) {
        for (name, value) in expected {
            assert_eq!(self.headers.get(*name), Some(value), "{name} in {self:?}");
        }
    }
}

/// Listens to events whose keys match.
async fn listener(broker: &TestBroker, keys: &[&str]) -> Peer {
    listening(broker.peer().await, keys).await
}

async fn listening(mut peer: Peer, keys: &[&str]) -> Peer {
    let queue = unique("events");
    peer.ask(queue_declare(&queue).exclusive(), queue_declare_ok(&queue, 0, 0)).await;
    peer.ask(consume(&queue, "events").no_ack(), consume_ok("events")).await;
    for key in keys {
        peer.ask(queue_bind(&queue, EVENTS, key), queue_bind_ok()).await;
    }
    peer
}

async fn next(peer: &mut Peer) -> Event {
    let Item::Content { method, properties, body, .. } = peer.next(1, "an event").await else {
        panic!("no content");
    };
    assert_eq!(body, b"", "the body of an event is empty");
    assert_eq!(*properties.delivery_mode(), Some(2));
    let AMQPMethod::Deliver(deliver) = method else { panic!("no delivery") };
    assert_eq!(deliver.exchange.as_str(), EVENTS);
    let key = deliver.routing_key.to_string();
    let headers = properties.headers().clone().expect("headers");
    let headers: BTreeMap<_, _> =
        headers.inner().iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let Some(AMQPValue::LongLongInt(ms)) = headers.get("timestamp_in_ms") else {
        panic!("no time in {headers:?}");
    };
    let seconds = i64::try_from(properties.timestamp().expect("a time")).expect("now");
    assert_eq!(ms / 1000, seconds);
    Event { key, headers }
}

/// The next event that is about something of that name.
async fn next_about(peer: &mut Peer, key: &str, name: &str, value: &str) -> Event {
    loop {
        let event = next(peer).await;
        if event.key == key && event.headers.get(name) == Some(&text(value)) {
            return event;
        }
    }
}

#[tokio::test]
async fn topology_tells_of_itself_in_order() {
    let broker = TestBroker::start().await;
    let keys = ["queue.*", "exchange.*", "binding.*"];
    let mut events = listener(&broker, &keys).await;
    let mut peer = broker.peer().await;
    let (queue, exchange) = (&unique("told"), &unique("told-too"));
    let limit = table(&[("x-max-length", int(3))]);
    peer.ask(queue_declare(queue).durable().args(limit), queue_declare_ok(queue, 0, 0)).await;
    peer.ask(exchange_declare(exchange, "topic").durable(), exchange_declare_ok()).await;
    let about = table(&[("z", int(1))]);
    peer.ask(queue_bind_args(queue, exchange, "a.b", about), queue_bind_ok()).await;
    peer.ask(exchange_delete(exchange), exchange_delete_ok()).await;
    peer.ask(queue_delete(queue), queue_delete_ok(0)).await;

    let who = ("user_who_performed_action", text("guest"));
    let vhost = ("vhost", text("/"));
    let on = AMQPValue::Boolean;
    let created = next_about(&mut events, "queue.created", "name", queue).await;
    created.has(&[
        who.clone(),
        vhost.clone(),
        ("durable", on(true)),
        ("auto_delete", on(false)),
        ("exclusive", on(false)),
        ("owner_pid", text("")),
        ("arguments", texts(&["{<<\"x-max-length\">>,signedint,3}"])),
    ]);
    let declared = next_about(&mut events, "exchange.created", "name", exchange).await;
    declared.has(&[
        who.clone(),
        vhost.clone(),
        ("type", text("topic")),
        ("durable", on(true)),
        ("internal", on(false)),
        ("policy", text("")),
        ("arguments", texts(&[])),
    ]);
    let binding = [
        who.clone(),
        vhost.clone(),
        ("source_name", text(exchange)),
        ("source_kind", text("exchange")),
        ("destination_name", text(queue)),
        ("destination_kind", text("queue")),
        ("routing_key", text("a.b")),
        ("arguments", texts(&["{<<\"z\">>,signedint,1}"])),
    ];
    next_about(&mut events, "binding.created", "source_name", exchange).await.has(&binding);
    let gone = next_about(&mut events, "exchange.deleted", "name", exchange).await;
    gone.has(&[who.clone(), vhost.clone()]);
    next_about(&mut events, "binding.deleted", "source_name", exchange).await.has(&binding);
    next_about(&mut events, "queue.deleted", "name", queue).await.has(&[who, vhost]);
    peer.close().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn connections_channels_and_consumers_come_and_go() {
    let broker = TestBroker::start().await;
    let keys = ["user.authentication.*", "connection.*", "channel.*", "consumer.*"];
    let mut events = listener(&broker, &keys).await;
    let mut peer = broker.peer().await;
    let queue = &unique("consumed");
    peer.ask(queue_declare(queue).exclusive(), queue_declare_ok(queue, 0, 0)).await;
    peer.ask(consume(queue, "mine").exclusive(), consume_ok("mine")).await;
    let consumer = next_about(&mut events, "consumer.created", "queue", queue).await;
    consumer.has(&[
        ("consumer_tag", text("mine")),
        ("ack_required", AMQPValue::Boolean(true)),
        ("exclusive", AMQPValue::Boolean(true)),
        ("prefetch_count", AMQPValue::LongLongInt(0)),
        ("user_who_performed_action", text("guest")),
    ]);
    let channel = consumer.text("channel");
    peer.close_channel(1).await;
    peer.close().await;
    // Either may be told first.
    let mut left = vec![("consumer.deleted", "channel"), ("channel.closed", "pid")];
    while !left.is_empty() {
        let event = next(&mut events).await;
        let of_channel = |name: &str| event.headers.get(name) == Some(&text(&channel));
        left.retain(|(key, name)| event.key != *key || !of_channel(name));
    }

    let mut events = listener(&broker, &keys).await;
    broker.peer().await.close().await;
    let login = loop {
        let event = next(&mut events).await;
        if event.key == "user.authentication.success" {
            break event;
        }
    };
    login.has(&[
        ("name", text("guest")),
        ("auth_mechanism", text("PLAIN")),
        ("connection_type", text("network")),
        ("protocol", text("{0,9,1}")),
        ("ssl", AMQPValue::Boolean(false)),
    ]);
    let name = &login.text("connection_name");
    let opened = next_about(&mut events, "connection.created", "name", name).await;
    opened.has(&[("vhost", text("/")), ("user", text("guest")), ("type", text("network"))]);
    let pid = opened.text("pid");
    let channel = next_about(&mut events, "channel.created", "connection", &pid).await;
    channel.has(&[("number", AMQPValue::LongLongInt(1)), ("name", text(&format!("{name} (1)")))]);
    next_about(&mut events, "channel.closed", "pid", &channel.text("pid")).await;
    next_about(&mut events, "connection.closed", "pid", &pid).await;
    broker.stop_and_check().await;
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "one step after the other")]
async fn what_administrators_do_is_told_with_their_names() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let keys = ["user.#", "vhost.#", "permission.*", "topic.#", "policy.*", "parameter.*"];
    let mut events = listening(broker.peer().await, &keys).await;
    let put = async |path: &str, body| {
        let status = http.put(path, &body).await.status;
        assert!(status == 201 || status == 204, "{path}: {status}");
    };
    put("/api/users/ann", json!({"password": "secret", "tags": "management"})).await;
    put("/api/users/ann", json!({"password": "other", "tags": "management"})).await;
    put("/api/vhosts/v", json!({"description": "d", "tags": "a,b"})).await;
    put("/api/permissions/v/ann", json!({"configure": "c", "write": "w", "read": "r"})).await;
    let topic = json!({"exchange": "amq.topic", "write": "w", "read": "r"});
    put("/api/topic-permissions/v/ann", topic).await;
    let policy = json!({"pattern": "^x", "definition": {"max-length": 5}, "priority": 1});
    put("/api/policies/v/p", policy).await;
    put("/api/vhost-limits/v/max-queues", json!({"value": 5})).await;
    put("/api/global-parameters/g", json!({"value": {"a": 1}})).await;
    for path in [
        "/api/global-parameters/g",
        "/api/vhost-limits/v/max-queues",
        "/api/policies/v/p",
        "/api/topic-permissions/v/ann",
        "/api/permissions/v/ann",
        "/api/vhosts/v",
        "/api/users/ann",
    ] {
        http.delete(path).await.expect(204);
    }
    let mut told = Vec::new();
    while told.last().is_none_or(|event: &Event| event.key != "user.deleted") {
        told.push(next(&mut events).await);
    }
    told.retain(|event| event.key != "user.authentication.success");
    let keys: Vec<_> = told.iter().map(|event| &*event.key).collect();
    assert_eq!(
        keys,
        [
            "user.created",
            "user.tags.set",
            "user.password.changed",
            "user.tags.set",
            "vhost.created",
            // Who makes a virtual host may do everything in it.
            "permission.created",
            "permission.created",
            "topic.permission.created",
            "policy.set",
            "parameter.set",
            "vhost.limits.set",
            "parameter.set",
            "parameter.cleared",
            "parameter.cleared",
            "vhost.limits.cleared",
            "policy.cleared",
            "topic.permission.deleted",
            "permission.deleted",
            "permission.deleted",
            "vhost.deleted",
            "user.deleted",
        ]
    );
    for event in &told {
        event.has(&[("user_who_performed_action", text("guest"))]);
        assert!(!format!("{event:?}").contains("secret"), "{event:?}");
    }
    let of = |key: &str| told.iter().rfind(|event| event.key == key).expect("told");
    of("user.tags.set").has(&[("tags", texts(&["management"]))]);
    of("vhost.created").has(&[("description", text("d")), ("tags", texts(&["a", "b"]))]);
    of("permission.created").has(&[("configure", text("c")), ("user", text("ann"))]);
    let definition = table(&[("max-length", AMQPValue::LongLongInt(5))]);
    of("policy.set").has(&[
        ("definition", AMQPValue::FieldTable(definition)),
        ("priority", AMQPValue::LongLongInt(1)),
        ("pattern", text("^x")),
    ]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn refused_logins_and_alarms_are_told() {
    let broker = OwnBroker::start().await;
    let keys = ["user.authentication.failure", "alarm.*"];
    let mut events = listening(broker.peer().await, &keys).await;
    let mut stranger = broker.raw().await;
    stranger.greet().await;
    stranger.send_on(0, start_ok("PLAIN", b"\0guest\0wrong")).await;
    let refused = next(&mut events).await;
    assert_eq!(refused.key, "user.authentication.failure");
    refused.has(&[("name", text("guest")), ("auth_mechanism", text("PLAIN"))]);
    assert!(matches!(refused.headers.get("error"), Some(AMQPValue::FieldArray(_))));
    broker.broker.set_alarm(warren::alarm::Alarm::Disk, true);
    broker.broker.set_alarm(warren::alarm::Alarm::Disk, false);
    for key in ["alarm.set", "alarm.cleared"] {
        let event = next(&mut events).await;
        assert_eq!((&*event.key, event.text("source")), (key, "disk".to_owned()));
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn nobody_publishes_events_and_only_the_first_vhost_has_them() {
    let (broker, http): (OwnBroker, Http) = OwnBroker::start_with_http().await;
    let mut peer = broker.peer().await;
    peer.send(publish(EVENTS, "queue.created", b"lies")).await;
    let text = "ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.event' in \
                vhost '/'";
    peer.expect_channel_close(403, text, (60, 40)).await;
    http.put("/api/vhosts/v", &json!({})).await.expect(201);
    http.get("/api/exchanges/v/amq.rabbitmq.event").await.expect(404);
    http.get("/api/exchanges/%2F/amq.rabbitmq.event").await.expect(200);
    broker.stop_and_check().await;
}
