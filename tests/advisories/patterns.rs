//! Patterns and numbers that make a broker work: regular expressions, names in them, weights.

use std::time::{Duration, Instant};

use serde_json::json;
use warren::access::Tag;

use super::common::http::part;
use super::common::*;
use super::{is_refused, message, tagged};

/// What an attack may take in a debug build on a busy machine. Unlimited they take minutes.
const TAKES_MAX: Duration = Duration::from_secs(10);

/// Each is tried without end on names of many an `a`.
const HOSTILE: [&str; 5] =
    ["^(a|aa)+(?=b)$", "^(a+)+(?!x)b$", "(?=(a+)+b)", "^(.*)*(?<=z)\\1$", "^(?:a?){60}(?=a{200}b)"];

/// CVE-2026-66074: `?name=` is a regular expression that is tried on each queue.
#[tokio::test]
async fn hostile_filters_end_soon() {
    const QUEUES: u32 = 10_000;
    let (broker, http) = OwnBroker::start_with_http().await;
    let mut peer = broker.peer().await;
    for number in 0..QUEUES {
        let name = format!("{}{number}", "a".repeat(240));
        peer.send(queue_declare(&name).nowait()).await;
    }
    peer.expect_nothing_until_reply().await;
    for pattern in HOSTILE {
        let path = format!("/api/queues?page=1&use_regex=true&name={}", part(pattern));
        let since = Instant::now();
        let answer = http.get(&path).await;
        let took = since.elapsed();
        assert!([200, 400].contains(&answer.status), "{pattern}: {}", answer.status);
        assert!(took < TAKES_MAX, "{pattern} took {took:?}");
    }
    let path = format!("/api/queues?page=1&use_regex=true&name={}", part(HOSTILE[0]));
    let (error, reason) = http.get(&path).await.expect(400).refusal();
    assert_eq!(error, "bad_request");
    assert!(reason.to_string().contains("takes too many steps"), "{reason}");
    // An honest one is still answered.
    let honest = format!("/api/queues?page=1&use_regex=true&name={}", part("^a+77(?!7)\\d$"));
    assert_eq!(http.get(&honest).await.expect(200).json()["filtered_count"], json!(9));
    broker.stop_and_check().await;
}

/// The same of a policy, which is tried on each queue too.
#[tokio::test]
async fn hostile_policies_end_soon() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let mut peer = broker.peer().await;
    for number in 0..500 {
        peer.send(queue_declare(&format!("{}{number}", "a".repeat(240))).nowait()).await;
    }
    peer.expect_nothing_until_reply().await;
    for pattern in HOSTILE {
        let since = Instant::now();
        let policy = json!({"pattern": pattern, "definition": {"max-length": 1}});
        let status = http.put("/api/policies/%2F/hostile", &policy).await.status;
        assert!([201, 204, 400].contains(&status), "{pattern}: {status}");
        peer.ask(queue_purge(&format!("{}1", "a".repeat(240))), queue_purge_ok(0)).await;
        let took = since.elapsed();
        assert!(took < TAKES_MAX, "{pattern} took {took:?}");
    }
    broker.stop_and_check().await;
}

/// The same of a permission: what is not decided in time is not allowed.
#[tokio::test]
async fn hostile_permissions_allow_nothing_soon() {
    let broker = OwnBroker::start().await;
    broker.add_user("ann");
    let name = "a".repeat(255);
    for pattern in HOSTILE {
        let set = broker.node().set_permission("/", "ann", pattern, pattern, pattern);
        if set.is_err() {
            continue;
        }
        let mut peer = broker.peer_with(Hello::of("ann", "/")).await;
        let since = Instant::now();
        peer.send(queue_declare(&name)).await;
        is_refused(&mut peer, 403, (50, 10)).await;
        let took = since.elapsed();
        assert!(took < TAKES_MAX, "{pattern} took {took:?}");
    }
    broker.stop_and_check().await;
}

/// CVE-2026-44838 and, since its fix forgot one character, CVE-2026-67407: names that are put into
/// a pattern are names there.
#[tokio::test]
async fn names_in_patterns_of_topics_are_taken_as_they_are() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let names =
        [".*", "a|b", "a-z", "[a-z]", "x]", "^a", "a$", "(", "a{2}", "\\w", "{vhost}", "a b#c"];
    for name in names {
        let vhost = format!("v{name}");
        broker.add_vhost(&vhost);
        tagged(&broker, &http, name, &[Tag::Management]);
        broker.permit(&vhost, name, [".*"; 3]);
        let rule = "^{username}@{vhost}$";
        broker.node().set_topic_permission(&vhost, name, "amq.topic", rule, rule).expect("set");
        let mut peer = broker.peer_with(Hello::of(name, &vhost)).await;
        let right = format!("{name}@{vhost}");
        peer.send(publish("amq.topic", &right, b"one")).await;
        peer.expect_nothing_until_reply().await;
        let wrong = ["anything@any", "a@va", "b@vb", "m@vm", "aa@vaa", "-@v-", "w@vw", ""];
        for key in wrong.into_iter().filter(|key| *key != right) {
            peer.send(publish("amq.topic", key, b"two")).await;
            is_refused(&mut peer, 403, (60, 40)).await;
        }
        let api = http.as_user(name, name);
        let path = format!("/api/exchanges/{}/amq.topic/publish", part(&vhost));
        api.post(&path, &message(&right, "one")).await.expect(200);
        api.post(&path, &message("a@va", "two")).await.expect(400);
    }
    broker.stop_and_check().await;
}

/// CVE-2026-67219: as many buckets as a binding's weight says.
#[tokio::test]
async fn heavy_bindings_are_refused() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let mut peer = broker.peer().await;
    peer.declare("q").await;
    peer.ask(exchange_declare("h", "x-consistent-hash"), exchange_declare_ok()).await;
    for weight in ["100000000", "4294967296", "18446744073709551616", "-1"] {
        peer.send(queue_bind("q", "h", weight)).await;
        is_refused(&mut peer, 406, (50, 20)).await;
        let binding = json!({"routing_key": weight});
        http.post("/api/bindings/%2F/e/h/q/q", &binding).await.expect(400);
        let definitions = json!({"bindings": [{
            "source": "h", "vhost": "/", "destination": "q", "destination_type": "queue",
            "routing_key": weight, "arguments": {},
        }]});
        http.post("/api/definitions", &definitions).await.expect(400);
    }
    peer.ask(queue_bind("q", "h", "1000000"), queue_bind_ok()).await;
    peer.send(publish("h", "any", b"one")).await;
    peer.expect_counts("q", 1, 0).await;
    broker.stop_and_check().await;
}
