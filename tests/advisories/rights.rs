//! Who may do what by every route that there is: the routes are those that the document tells of.

use serde_json::{Value, json};
use warren::access::Tag;

use super::common::http::Http;
use super::common::*;
use super::{concrete, message, operations, tagged};

/// Part of the name of everything that is there.
const THING: &str = "canary-thing";

/// One of everything in the first virtual host, with that name.
async fn furnish(broker: &OwnBroker, http: &Http) {
    let at = |kind: &str| format!("/api/{kind}/%2F/{THING}");
    http.put(&at("queues"), &json!({})).await.expect(201);
    http.put(&at("exchanges"), &json!({"type": "topic"})).await.expect(201);
    let rule = json!({"pattern": THING, "definition": {"max-length": 10}});
    http.put(&at("policies"), &rule).await.expect(201);
    http.put(&at("operator-policies"), &rule).await.expect(201);
    let binding = format!("/api/bindings/%2F/e/{THING}/q/{THING}");
    http.post(&binding, &json!({"routing_key": THING})).await.expect(201);
    http.post(&format!("/api/exchanges/%2F/{THING}/publish"), &message(THING, "secret")).await;
    tagged(broker, http, THING, &[]);
    broker.permit("/", THING, [".*"; 3]);
    http.put(&format!("/api/global-parameters/{THING}"), &json!({"value": 1})).await.expect(201);
}

/// A body that each route would take.
fn body(path: &str) -> Value {
    let thing = || THING.to_owned();
    match path {
        path if path.ends_with("/publish") => message(THING, "x"),
        path if path.ends_with("/get") => {
            json!({"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"})
        }
        path if path.contains("policies") => {
            json!({"pattern": ".*", "definition": {"max-length": 1}})
        }
        path if path.contains("topic-permissions") => {
            json!({"exchange": "amq.topic", "write": ".*", "read": ".*"})
        }
        path if path.contains("permissions") => {
            json!({"configure": ".*", "write": ".*", "read": ".*"})
        }
        path if path.contains("bulk-delete") => json!({"users": [thing()]}),
        path if path.contains("users") => json!({"password": "x", "tags": "administrator"}),
        path if path.contains("limits") => json!({"value": 1}),
        path if path.contains("parameters") => json!({"value": {"pattern": ".*"}}),
        _ => json!({}),
    }
}

/// CVE-2026-66075: the tag `monitoring` could delete. Nobody changes anything without permissions,
/// whatever the tag, but the administrator.
#[tokio::test]
async fn no_tag_but_the_highest_changes_anything() {
    let (broker, http) = OwnBroker::start_with_http().await;
    furnish(&broker, &http).await;
    let _connected = broker.peer().await;
    let before = http.get("/api/definitions").await.expect(200).json();
    let tags = [&[][..], &[Tag::Management], &[Tag::Policymaker], &[Tag::Monitoring]];
    let all = operations(&http).await;
    let changing: Vec<_> = all.iter().filter(|(verb, ..)| verb != "GET").collect();
    assert!(changing.len() > 40, "{}", changing.len());
    for (number, tags) in tags.iter().enumerate() {
        let name = format!("user-{number}");
        let somebody = tagged(&broker, &http, &name, tags);
        for (verb, path, _) in &changing {
            let asked = concrete(path, "%2F", THING);
            let body = body(path).to_string();
            let answer = somebody.request(verb, &asked, &[], body.as_bytes()).await;
            // Refused, or not there for them; and nothing is told by the difference of a body.
            let mut refused = [401, 404].contains(&answer.status);
            // As in RabbitMQ these are the policymaker's too.
            refused |= tags.contains(&Tag::Policymaker) && path.contains("global-parameters");
            assert!(refused, "{tags:?} {verb} {asked}: {}", answer.status);
        }
        broker.node().delete_user(&name).expect("deleted");
    }
    let after = http.get("/api/definitions").await.expect(200).json();
    let changed = ["users", "global_parameters"];
    let parts = before.as_object().expect("an object").keys();
    for part in parts.filter(|part| !changed.contains(&part.as_str())) {
        assert_eq!(before[part], after[part], "{part}");
    }
    let connections = http.get("/api/connections").await.expect(200).json();
    assert_eq!(connections.as_array().expect("a list").len(), 1);
    let queue = http.get(&format!("/api/queues/%2F/{THING}")).await.expect(200).json();
    assert_eq!(queue["messages"], json!(1));
    broker.stop_and_check().await;
}

/// CVE-2026-66076, 66069: what is in a virtual host is not told to those who may not enter it.
#[tokio::test]
async fn other_virtual_hosts_are_not_seen() {
    let (broker, http) = OwnBroker::start_with_http().await;
    furnish(&broker, &http).await;
    broker.add_vhost("own");
    let mut owner = broker.peer().await;
    owner.send(consume(THING, THING)).await;
    owner.expect(consume_ok(THING)).await;
    let stranger = tagged(&broker, &http, "stranger", &[Tag::Management]);
    broker.permit("own", "stranger", [".*"; 3]);
    for (verb, path, operation) in operations(&http).await {
        if verb != "GET" || operation.get("security").is_none() {
            continue;
        }
        let asked = concrete(&path, "%2F", THING);
        let answer = stranger.get(&asked).await;
        let text = String::from_utf8_lossy(&answer.body);
        if path.contains("{vhost}") {
            assert!([401, 404].contains(&answer.status), "{asked}: {} {text}", answer.status);
        } else if answer.status == 200 {
            assert!(!text.contains(THING), "{asked}: {text}");
        }
        // And the other way round it is there, so that this test sees what it looks for.
        let own = stranger.get(&concrete(&path, "own", "nothing")).await;
        assert!(own.status < 500 || own.status == 503, "{path}: {}", own.status);
    }
    broker.stop_and_check().await;
}

/// CVE-2026-66078: many at once are no less protected than one.
#[tokio::test]
async fn bulk_deletes_need_the_same_rights() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let everybody = [
        ("none", Vec::new()),
        ("management", vec![Tag::Management]),
        ("policymaker", vec![Tag::Policymaker]),
        ("monitoring", vec![Tag::Monitoring]),
    ];
    for (name, tags) in everybody {
        let somebody = tagged(&broker, &http, name, &tags);
        for victims in [json!(["guest"]), json!([name]), json!(["guest", name]), json!([])] {
            let body = json!({"users": victims});
            somebody.post("/api/users/bulk-delete", &body).await.expect(401);
        }
    }
    assert_eq!(http.get("/api/users").await.expect(200).json().as_array().map(Vec::len), Some(5));
    broker.stop_and_check().await;
}

/// CVE-2026-67218, 67233 and the one of 2024: over HTTP the rights of AMQP were not asked for. Each
/// operation over both doors with each right missing: both refuse, or both do it.
#[tokio::test]
async fn both_doors_ask_for_the_same_rights() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let mut owner = broker.peer().await;
    owner.declare("q").await;
    owner.ask(exchange_declare("x", "fanout"), exchange_declare_ok()).await;
    let somebody = tagged(&broker, &http, "somebody", &[Tag::Management]);
    let take = json!({"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"});
    let none = json!({});
    for rights in 0..8_u8 {
        let right = |bit: u8| if rights & bit == 0 { "" } else { ".*" };
        broker.permit("/", "somebody", [right(1), right(2), right(4)]);
        let over_http = [
            somebody.put("/api/queues/%2F/q", &none).await,
            somebody.post("/api/bindings/%2F/e/x/q/q", &none).await,
            somebody.post("/api/exchanges/%2F/x/publish", &message("", "x")).await,
            somebody.post("/api/queues/%2F/q/get", &take).await,
            somebody.delete("/api/queues/%2F/q/contents").await,
            somebody.put("/api/exchanges/%2F/x", &json!({"type": "fanout"})).await,
        ];
        let over_amqp: [Outgoing; 6] = [
            queue_declare("q").into(),
            queue_bind("q", "x", "").into(),
            publish("x", "", b"x").into(),
            get_no_ack("q").into(),
            queue_purge("q").into(),
            exchange_declare("x", "fanout").into(),
        ];
        for (number, (answer, operation)) in over_http.into_iter().zip(over_amqp).enumerate() {
            let mut peer = broker.peer_with(Hello::of("somebody", "/")).await;
            peer.ask(confirm_select(), confirm_select_ok()).await;
            peer.send(operation).await;
            let said = match peer.next(1, "any answer").await {
                Item::Method(method) => format!("{method:?}"),
                _ => "a message".to_owned(),
            };
            let by_amqp = said.contains("ACCESS_REFUSED");
            let case = format!("operation {number} with rights {rights}: {answer:?} and {said}");
            // As in RabbitMQ a publish is refused with 400 and AMQP's text; and what differs
            // otherwise (durable or not) is refused for that, after the right.
            let text = String::from_utf8_lossy(&answer.body);
            let by_http = answer.status == 401 || text.contains("403 ACCESS_REFUSED");
            assert_eq!(by_http, by_amqp, "{case}");
            assert!(answer.status < 500, "{case}");
        }
    }
    broker.stop_and_check().await;
}
