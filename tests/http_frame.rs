//! What all of the HTTP API has in common: logins, limits, headers, names, the document.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::time::Duration;

use common::OwnBroker;
use common::http::{Http, parse, part};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer takes; shorter than the limits of the broker.
const SOON: Duration = Duration::from_secs(20);

/// Names that survive every path.
const NAMES: [&str; 12] = [
    "plain",
    "<script>alert(1)</script>",
    "%2f",
    "a/b",
    "..",
    ".",
    "q?x=1#y",
    "with space+plus",
    "naïve-Ωμέγα-🐇",
    "line\r\nSet-Cookie: x",
    "\"quoted\"\\",
    "detailed ",
];

#[tokio::test]
async fn a_login_is_needed_and_checked() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.get("/api/whoami").await.expect(200);
    let nobody = http.as_nobody().get("/api/whoami").await.expect(401);
    assert_eq!(nobody.header("www-authenticate"), Some("Basic realm=\"RabbitMQ Management\""));
    assert!(nobody.body.is_empty());
    for (name, password) in [("guest", "wrong"), ("nobody", "guest"), ("", ""), ("guest", "")] {
        let refused = http.as_user(name, password).get("/api/whoami").await.expect(401);
        assert_eq!(refused.refusal(), ("not_authorized".to_owned(), json!("Login failed")));
    }
    for header in ["Basic", "Basic !!!", "Bearer abc", "Basic Z3Vlc3Q="] {
        let headers = [("Authorization", header)];
        http.as_nobody().request("GET", "/api/whoami", &headers, b"").await.expect(401);
    }
    // What is not there is not there for nobody either.
    http.as_nobody().get("/api/nothing").await.expect(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn who_guesses_has_to_wait_and_who_has_logged_in_does_not() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.get("/api/whoami").await.expect(200);
    let guess = http.as_user("guest", "wrong");
    for _ in 0..10 {
        guess.get("/api/whoami").await.expect(401);
    }
    // From here on each takes its turn, and those who would wait too long are sent away.
    let guesses: Vec<_> = (0..40)
        .map(|_| {
            let guess = guess.clone();
            tokio::spawn(async move { guess.get("/api/whoami").await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for guess in guesses {
        statuses.push(timeout(SOON, guess).await.expect("soon").expect("answered"));
        // Meanwhile others are served.
        timeout(SOON, http.get("/api/whoami")).await.expect("soon").expect(200);
    }
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    broker.stop_and_check().await;
}

/// CVE-2026-66070 among others.
#[tokio::test]
async fn answers_keep_browsers_out_of_trouble() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let evil = [("Origin", "https://evil.example")];
    for path in ["/api/whoami", "/api/nothing", "/api/openapi.json", "/"] {
        let answer = http.request("GET", path, &evil, b"").await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(answer.header("content-security-policy").expect("there").contains("'none'"));
        let cors = answer.headers.iter().find(|(name, _)| name.starts_with("access-control"));
        assert_eq!(cors, None, "{path}");
    }
    let preflight = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "PUT")];
    let answer = http.as_nobody().request("OPTIONS", "/api/queues/a/b", &preflight, b"").await;
    assert_eq!(answer.header("allow"), Some("HEAD, GET, PUT, DELETE, OPTIONS"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let answer = answer.expect(200);
    assert!(answer.body.is_empty());
    broker.stop_and_check().await;
}

#[tokio::test]
async fn methods_that_a_path_does_not_have_are_refused() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let refused = http.post("/api/queues/%2F", &json!({})).await.expect(405);
    assert_eq!(refused.header("allow"), Some("HEAD, GET, OPTIONS"));
    assert_eq!(refused.refusal().0, "method_not_allowed");
    http.request("BREW", "/api/whoami", &[], b"").await.expect(405);
    let head = http.request("HEAD", "/api/whoami", &[], b"").await.expect(200);
    assert!(head.body.is_empty());
    http.get("/api/whoami/").await.expect(200);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let long = vec![b' '; 1024 * 1024 + 1];
    let path = "/api/queues/%2F/limited";
    let refused = http.request("PUT", path, &[], &long).await.expect(413);
    assert_eq!(refused.refusal().0, "payload_too_large");
    // Without a length in front it is counted.
    let mut stream = TcpStream::connect(http.address()).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n100001\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let _ = stream.write_all(&long).await;
    let _ = stream.write_all(b"\r\n0\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(parse(&answer).expect("an answer").status, 413);
    // Who has not logged in is not listened to.
    http.as_nobody().request("PUT", path, &[], &long).await.expect(401);
    http.request("PUT", path, &[], b"{}").await.expect(201);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn heads_have_limits() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let long = "x".repeat(1024 * 1024);
    let refused = http.request("GET", "/api/whoami", &[("X-Long", &long)], b"").await;
    assert_eq!(refused.status, 431);
    let many: Vec<_> = (0..200).map(|n| (format!("X-{n}"), "v".to_owned())).collect();
    let many: Vec<_> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(http.request("GET", "/api/whoami", &many, b"").await.status, 431);
    let deep = format!("{{\"arguments\":{}", "{\"a\":".repeat(100_000));
    let path = "/api/queues/%2F/deep";
    http.request("PUT", path, &[], deep.as_bytes()).await.expect(400);
    let nested = format!("{{\"arguments\":{{\"a\":{}{}}}}}", "[".repeat(90), "]".repeat(90));
    http.request("PUT", path, &[], nested.as_bytes()).await.expect(400);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn bodies_are_read_with_latitude() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let put = |body: &'static str| {
        let http = http.clone();
        async move { http.request("PUT", "/api/queues/%2F/lax", &[], body.as_bytes()).await }
    };
    put("").await.expect(201);
    put("null").await.expect(204);
    put("{\"durable\":\"false\",\"unknown\":[1]}").await.expect(204);
    let refused = put("{\"durable\":\"maybe\"}").await.expect(400);
    let expected = ("bad_request".to_owned(), json!(["not_boolean", "maybe"]));
    assert_eq!(refused.refusal(), expected);
    for bad in ["[]", "x", "{", "1", "{\"arguments\":{\"a\":null}}"] {
        put(bad).await.expect(400);
    }
    let refused = put("{\"durable\":true}").await.expect(400);
    let text = "inequivalent arg 'durable' for queue 'lax' in vhost '/': received 'true' but \
                current is 'false'";
    assert_eq!(refused.refusal(), ("bad_request".to_owned(), json!(text)));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn names_survive_every_route() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    names.push("n".repeat(255));
    names.push("Ω".repeat(127));
    for name in &names {
        let path = part(name);
        let (queue, exchange) =
            (format!("/api/queues/%2F/{path}"), format!("/api/exchanges/%2F/{path}"));
        http.put(&queue, &json!({})).await.expect(201);
        http.put(&exchange, &json!({"type": "topic"})).await.expect(201);
        assert_eq!(http.get(&queue).await.expect(200).json()["name"], json!(name));
        assert_eq!(http.get(&exchange).await.expect(200).json()["name"], json!(name));
        let binding = format!("/api/bindings/%2F/e/{path}/q/{path}");
        let bound = http.post(&binding, &json!({"routing_key": name})).await.expect(201);
        assert!(bound.header("location").is_some() && bound.header("set-cookie").is_none());
        let bindings = http.get(&binding).await.expect(200).json();
        assert_eq!(bindings[0]["routing_key"], json!(name));
        let key = bindings[0]["properties_key"].as_str().expect("a key").to_owned();
        let one = format!("{binding}/{}", part(&key));
        assert_eq!(http.get(&one).await.expect(200).json()["destination"], json!(name));
        let message = json!({
            "properties": {}, "routing_key": name, "payload": name, "payload_encoding": "string",
        });
        let published = http.post(&format!("{exchange}/publish"), &message).await.expect(200);
        assert_eq!(published.json()["routed"], json!(true), "{name}");
        let get = json!({"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"});
        let got = http.post(&format!("{queue}/get"), &get).await.expect(200).json();
        assert_eq!(got[0]["payload"], json!(name));
        let page = format!("/api/queues?page=1&name={path}");
        assert_eq!(http.get(&page).await.expect(200).json()["filtered_count"], json!(1));
        http.delete(&one).await.expect(204);
        http.delete(&queue).await.expect(204);
        http.delete(&exchange).await.expect(204);
        http.get(&queue).await.expect(404);
    }
    http.put(&format!("/api/queues/%2F/{}", "n".repeat(256)), &json!({})).await.expect(400);
    http.get("/api/queues/%2F/%FF").await.expect(400);
    http.get("/api/queues/%FF").await.expect(400);
    broker.stop_and_check().await;
}

/// Every row of the document answers, and with a status that it names.
#[tokio::test]
async fn the_document_tells_what_is_served() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let document = http.as_nobody().get("/api/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() > 30, "{}", paths.len());
    for (path, operations) in paths {
        let concrete: Vec<_> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "something" } else { part })
            .collect();
        let concrete = concrete.join("/");
        for verb in ["get", "put", "post", "delete"] {
            let answer = http.request(&verb.to_uppercase(), &concrete, &[], b"").await;
            let Some(operation) = operations.get(verb) else {
                assert_eq!(answer.status, 405, "{verb} {path} is served, and not told of");
                continue;
            };
            let told = operation["responses"].get(answer.status.to_string());
            assert!(told.is_some(), "{verb} {path}: {} is not told of", answer.status);
            assert_ne!(answer.status, 405, "{verb} {path} is told of, and not served");
            check_login(&http, verb, path, &concrete, operation).await;
        }
    }
    broker.stop_and_check().await;
}

async fn check_login(http: &Http, verb: &str, path: &str, concrete: &str, operation: &Value) {
    let nobody = http.as_nobody().request(&verb.to_uppercase(), concrete, &[], b"").await;
    let is_open = operation.get("security").is_none();
    assert_eq!(nobody.status != 401, is_open, "{verb} {path}");
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let (broker, http) = OwnBroker::start_with_http().await;
    for number in 0..7 {
        let body = json!({"durable": number % 2 == 0});
        http.put(&format!("/api/queues/%2F/list-{number}"), &body).await.expect(201);
    }
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|queue| queue["name"].as_str().expect("a name").to_owned()).collect()
    };
    let all = http.get("/api/queues").await.expect(200).json();
    assert_eq!(names(&all), (0..7).map(|n| format!("list-{n}")).collect::<Vec<_>>());
    let page = http.get("/api/queues?page=2&page_size=3").await.expect(200).json();
    assert_eq!(names(&page["items"]), ["list-3", "list-4", "list-5"]);
    for (key, value) in [
        ("page", 2),
        ("page_size", 3),
        ("page_count", 3),
        ("item_count", 3),
        ("filtered_count", 7),
        ("total_count", 7),
    ] {
        assert_eq!(page[key], json!(value), "{key}");
    }
    let reverse = "/api/queues?page=1&sort=durable&sort_reverse=true&columns=name";
    let page = http.get(reverse).await.expect(200).json();
    assert_eq!(names(&page["items"])[..4], ["list-6", "list-4", "list-2", "list-0"]);
    assert_eq!(page["items"][0], json!({"name": "list-6"}));
    let regex = "/api/queues?page=1&use_regex=true&name=-%5B12%5D%24";
    let page = http.get(regex).await.expect(200).json();
    assert_eq!(names(&page["items"]), ["list-1", "list-2"]);
    let columns = "/api/queues/%2F/list-1?columns=name,messages_details.rate";
    let one = http.get(columns).await.expect(200).json();
    assert_eq!(one, json!({"name": "list-1", "messages_details": {"rate": 0.0}}));
    for (query, error) in [
        ("page=0", "invalid_pagination_parameters"),
        ("page=1&page_size=501", "invalid_pagination_parameters"),
        ("page=9", "page_out_of_range"),
        ("page=x", "bad_request"),
        ("page=1&use_regex=true&name=(", "bad_request"),
        ("page=18446744073709551616", "bad_request"),
    ] {
        let refused = http.get(&format!("/api/queues?{query}")).await.expect(400);
        assert_eq!(refused.refusal().0, error, "{query}");
    }
    let nothing = http.get("/api/queues?page=1&name=nothing").await.expect(200).json();
    assert_eq!((&nothing["items"], &nothing["page_count"]), (&json!([]), &json!(0)));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_broker_stops_while_clients_dawdle() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let _idle = TcpStream::connect(http.address()).await.unwrap();
    let mut half = TcpStream::connect(http.address()).await.unwrap();
    half.write_all(b"GET /api/whoami HTTP/1.1\r\nHost:").await.unwrap();
    http.get("/api/whoami").await.expect(200);
    broker.stop_and_check().await;
}
