//! Definitions imported and exported (behaviour 37): what RabbitMQ has exported comes in and goes
//! out again, a bad file changes nothing, and nothing secret is told to anybody.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::api::{Api, encoded};
use common::*;
use serde_json::{Value, json};
use warren::StartError;

/// Exported by RabbitMQ 3.10, with something of everything.
const FIXTURE: &str = include_str!("definitions/rabbitmq-3.10.json");
/// Ten times what it takes on a machine that does nothing else.
const MANY_MAX: Duration = Duration::from_secs(30);

fn fixture() -> Value {
    serde_json::from_str(FIXTURE).expect("JSON")
}

async fn started() -> (OwnBroker, Api) {
    let broker = OwnBroker::start_with(with_http).await;
    let api = Api::of(&broker);
    (broker, api)
}

/// The entries of a list, in an order of their own.
fn sorted(list: &Value) -> Vec<String> {
    let entries = list.as_array().expect("a list").iter();
    let mut sorted: Vec<_> = entries.map(Value::to_string).collect();
    sorted.sort();
    sorted
}

/// Without the field that this version of RabbitMQ does not write.
fn without_types(queues: &Value) -> Value {
    let mut queues = queues.clone();
    for queue in queues.as_array_mut().expect("a list") {
        queue.as_object_mut().expect("an object").remove("type");
    }
    queues
}

/// The hash that this one brings would shut the test out.
fn without_guest(mut definitions: Value) -> Value {
    let users = definitions["users"].as_array_mut().expect("a list");
    users.retain(|user| user["name"] != "guest");
    definitions
}

#[tokio::test]
async fn an_export_of_rabbitmq_goes_in_and_comes_out() {
    let (broker, api) = started().await;
    let theirs = without_guest(fixture());
    api.post("/definitions", theirs.clone()).await.is(204);
    let ours = api.get("/definitions").await.is(200).json();
    for list in ["exchanges", "bindings", "topic_permissions", "permissions", "parameters"] {
        assert_eq!(sorted(&ours[list]), sorted(&theirs[list]), "{list}");
    }
    assert_eq!(sorted(&without_types(&ours["queues"])), sorted(&theirs["queues"]));
    assert_eq!(sorted(&without_guest(ours.clone())["users"]), sorted(&theirs["users"]));
    assert_eq!(ours["policies"].as_array().map(Vec::len), Some(3));
    assert_eq!(ours["rabbitmq_definition_format"], "cluster");
    // The password behind the hash that came with it.
    api.as_user("ops", "s3cret-two").get("/whoami").await.is(200);

    let vhost = broker.broker.vhost("orders/eu").expect("imported");
    assert_eq!(vhost.queue("app.plain").expect("imported").rules().message_ttl_ms, Some(60_000));
    assert!(vhost.exchange("app.hidden").expect("imported").spec().internal);
    drop(vhost);

    // Again it changes nothing, and so does what we have written ourselves.
    api.post("/definitions", theirs).await.is(204);
    api.post("/definitions", ours.clone()).await.is(204);
    assert_eq!(api.get("/definitions").await.json(), ours);
    let broker = broker.restart_with_api().await;
    let api = Api::of(&broker);
    let mut kept = ours.clone();
    for list in ["queues", "exchanges"] {
        kept[list].as_array_mut().expect("a list").retain(|entry| entry["durable"] == true);
    }
    assert_eq!(api.get("/definitions").await.json(), kept, "and all of it is on disk");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn one_vhost_goes_into_another() {
    let (broker, api) = started().await;
    api.post("/definitions", without_guest(fixture())).await.is(204);
    let path = format!("/definitions/{}", encoded("orders/eu"));
    let one = api.get(&path).await.is(200).json();
    assert_eq!(one["original_vhost_name"], "orders/eu");
    assert!(one.get("users").is_none() && !one.to_string().contains("\"vhost\""));
    api.put("/vhosts/copy", json!({})).await.is(201);
    api.post("/definitions/copy", one.clone()).await.is(204);
    let copy = api.get("/definitions/copy").await.is(200).json();
    for list in ["exchanges", "queues", "bindings", "policies", "parameters"] {
        assert_eq!(copy[list], one[list], "{list}");
    }
    assert_eq!(copy["limits"], one["limits"]);
    api.post("/definitions", one).await.refuses(400, "\"vhost\" is missing");
    let whole = api.get("/definitions").await.json();
    api.post("/definitions/copy", whole).await.refuses(400, "definitions of a whole broker");
    api.get("/definitions/nope").await.is(404);
    api.post("/definitions/nope", json!({})).await.is(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_form_with_a_file_is_read_too() {
    let (broker, api) = started().await;
    let file = json!({"queues": [{"name": "q", "vhost": "/", "durable": true}]});
    let form = |field: &str| {
        format!(
            "--b\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"d.json\"\r\n\
             content-type: application/json\r\n\r\n{file}\r\n--b--\r\n"
        )
    };
    let kind = ["content-type: multipart/form-data; boundary=b"];
    let ask = |body: String| {
        let api = api.clone();
        async move { api.ask("POST", "/definitions", &kind, body.as_bytes()).await }
    };
    ask(form("other")).await.refuses(400, "no field \"file\"");
    ask("--b\r\nnothing".to_owned()).await.refuses(400, "bad form");
    assert_eq!(api.get("/definitions").await.json()["queues"], json!([]));
    ask(form("file")).await.is(204);
    assert_eq!(api.get("/definitions").await.json()["queues"][0]["name"], "q");
    let answer = api.get("/definitions?download=my%22file.json").await;
    assert!(answer.head.contains("content-disposition: attachment; filename=\"myfile.json\""));
    broker.stop_and_check().await;
}

/// Each is wrong in one entry; the others of the file would all be sound.
fn wrong_topology() -> Vec<(Value, &'static str)> {
    let queue = |more: Value| {
        let mut queue = json!({"name": "bad", "vhost": "v", "durable": true});
        let fields = queue.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        json!({"queues": [queue]})
    };
    let binding = |source: &str, key: &str, arguments: Value| {
        json!({"bindings": [{
            "source": source, "vhost": "v", "destination": "good", "destination_type": "queue",
            "routing_key": key, "arguments": arguments,
        }]})
    };
    let exchange = |kind: &str, arguments: Value| {
        json!({"exchanges": [{
            "name": "bad", "vhost": "v", "type": kind, "durable": true, "arguments": arguments,
        }]})
    };
    vec![
        (queue(json!({"vhost": "nope"})), "queue 'bad' in vhost 'nope': there is no vhost 'nope'"),
        (
            queue(json!({"arguments": {"x-message-ttl": -1}})),
            "invalid arg 'x-message-ttl' for queue 'bad' in vhost 'v': {value_negative,-1}",
        ),
        (
            queue(json!({"arguments": {"x-queue-type": "stream"}})),
            "queue 'bad' in vhost 'v': queue type 'stream' is not supported",
        ),
        (queue(json!({"type": "stream"})), "queue type 'stream' is not supported"),
        (
            queue(json!({"durable": false, "arguments": {"x-queue-type": "quorum"}})),
            "invalid property 'non-durable' for queue 'bad' in vhost 'v'",
        ),
        (queue(json!({"durable": "x"})), "queues[1] ('bad' in vhost 'v'): \"durable\" must be"),
        (exchange("nope", json!({})), "exchange 'bad' in vhost 'v': unknown exchange type 'nope'"),
        (exchange("x-delayed-message", json!({})), "'x-delayed-type' must be an existing"),
        (binding("amq.headers", "", json!({"x-match": "some"})), "binding from exchange 'amq.h"),
        (binding("hash", "no weight", json!({})), "binding from exchange 'hash' to queue 'good'"),
    ]
}

/// The same of users and of what surrounds them.
fn wrong_administration() -> Vec<(Value, &'static str)> {
    let permission = |user: &str, vhost: &str, read: &str| {
        json!({"permissions": [
            {"user": user, "vhost": vhost, "configure": "", "write": "", "read": read},
        ]})
    };
    vec![
        (permission("nobody", "v", ""), "permission of user 'nobody': there is no user 'nobody'"),
        (permission("new", "v", "("), "invalid regular expression '('"),
        (
            json!({"topic_permissions": [
                {"user": "new", "vhost": "v", "exchange": "x", "write": "(", "read": ""}
            ]}),
            "topic permission of user 'new' in vhost 'v': invalid regular expression '('",
        ),
        (
            json!({"users": [{"name": "bad", "tags": "", "password_hash": "!!"}]}),
            "user 'bad': password_hash is not base64",
        ),
        (
            json!({"users": [{"name": "bad", "tags": "", "limits": {"x": 1}}]}),
            "user 'bad': there is no limit 'x' of users",
        ),
        (
            json!({"vhosts": [{"name": "bad", "default_queue_type": "x"}]}),
            "vhost 'bad': unsupported queue type 'x'",
        ),
        (
            json!({"vhosts": [{"name": "bad", "limits": {"x": 1}}]}),
            "vhost 'bad': there is no limit 'x' of vhosts",
        ),
        (
            json!({"policies": [{"vhost": "v", "name": "bad", "pattern": "(",
                                 "definition": {"max-length": 1}}]}),
            "policies[0] ('bad' in vhost 'v'): Validation failed",
        ),
        (
            json!({"parameters": [{"vhost": "v", "component": "shovel", "name": "bad",
                                   "value": {}}]}),
            "component shovel not found",
        ),
        (
            json!({"vhosts": [{"name": "v", "limits": {"max-queues": 0}}]}),
            "vhost 'v' may have 0 queues; it has 0 and the file brings 1 more",
        ),
    ]
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_told_why() {
    let (broker, api) = started().await;
    let before = api.get("/definitions").await.is(200).json();
    for (wrong, reason) in wrong_topology().into_iter().chain(wrong_administration()) {
        let mut file = json!({
            "users": [{"name": "new", "tags": "administrator", "password": "pw"}],
            "vhosts": [{"name": "v"}],
            "permissions": [],
            "exchanges": [{"name": "hash", "vhost": "v", "type": "x-consistent-hash",
                           "durable": true}],
            "queues": [{"name": "good", "vhost": "v", "durable": true}],
        });
        for (list, entries) in wrong.as_object().expect("an object") {
            let file = file.as_object_mut().expect("an object");
            let all = file.entry(list).or_insert_with(|| json!([]));
            let all = all.as_array_mut().expect("a list");
            all.retain(|entry| entry["name"] != entries[0]["name"]);
            all.extend(entries.as_array().expect("a list").clone());
        }
        api.post("/definitions", file).await.refuses(400, reason);
        assert_eq!(api.get("/definitions").await.json(), before, "{reason}");
    }
    let ask = |body: &'static [u8]| {
        let api = api.clone();
        async move { api.ask("POST", "/definitions", &[], body).await }
    };
    for body in [&b"x"[..], b"", b"[]", b"{", b"\xff"] {
        ask(body).await.refuses(400, "failed_to_parse_json");
    }
    let deep = "[".repeat(100_000).leak();
    ask(deep.as_bytes()).await.refuses(400, "failed_to_parse_json");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn too_much_is_refused_before_it_is_read() {
    let (broker, api) = started().await;
    let length = 20 * 1024 * 1024 + 1;
    let answer = api.ask_announcing(length, ("POST", "/definitions"), &[], b"{").await;
    assert_eq!(answer.status, 413);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_exists_stays_and_users_change() {
    let (broker, api) = started().await;
    let mut peer = broker.peer().await;
    let declare = queue_declare("q").durable().args(table(&[("x-max-length", int(7))]));
    peer.ask(declare, queue_declare_ok("q", 0, 0)).await;
    let bind = queue_bind_args("q", "amq.topic", "k", table(&[("n", int(3))]));
    peer.ask(bind, queue_bind_ok()).await;
    api.put("/users/u", json!({"tags": "", "password": "old"})).await.is(201);
    let file = json!({
        "users": [{"name": "u", "tags": ["management"], "password": "new"}],
        "queues": [
            {"name": "q", "vhost": "/", "durable": false, "arguments": {"x-max-length": 9}},
            {"name": "amq.gen-x", "vhost": "/", "durable": true},
        ],
        "exchanges": [
            {"name": "amq.topic", "vhost": "/", "type": "fanout", "durable": true},
            {"name": "", "vhost": "/", "type": "fanout", "durable": true},
        ],
        "bindings": [
            {"source": "amq.topic", "vhost": "/", "destination": "q", "destination_type": "queue",
             "routing_key": "k", "arguments": {"n": 3}},
            {"source": "amq.topic", "vhost": "/", "destination": "gone",
             "destination_type": "queue", "routing_key": "k"},
            {"source": "gone", "vhost": "/", "destination": "q", "destination_type": "queue",
             "routing_key": "k"},
            {"source": "", "vhost": "/", "destination": "q", "destination_type": "queue",
             "routing_key": "q"},
        ],
    });
    api.post("/definitions", file).await.is(204);
    let all = api.get("/definitions").await.json();
    assert_eq!(all["queues"].as_array().map(Vec::len), Some(1));
    assert_eq!(all["queues"][0]["arguments"], json!({"x-max-length": 7}));
    assert_eq!(all["queues"][0]["durable"], true);
    // The number has 32 bits in the one that is there, and 64 in the file.
    assert_eq!(all["bindings"].as_array().map(Vec::len), Some(1));
    assert_eq!(all["exchanges"], json!([]));
    api.as_user("u", "old").get("/whoami").await.is(401);
    api.as_user("u", "new").get("/whoami").await.is(200);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_type_of_a_queue_survives_another_default() {
    let (broker, api) = started().await;
    let file = json!({
        "vhosts": [{"name": "v", "default_queue_type": "quorum"}],
        "queues": [
            {"name": "asked", "vhost": "v", "type": "classic", "durable": true},
            {"name": "open", "vhost": "v", "durable": true},
        ],
    });
    api.post("/definitions", file).await.is(204);
    let queues = api.get("/definitions").await.json()["queues"].clone();
    assert_eq!((&queues[0]["type"], &queues[1]["type"]), (&json!("classic"), &json!("quorum")));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn hashes_of_other_brokers_come_and_go_as_they_are() {
    let (broker, api) = started().await;
    let bcrypt = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    let file = json!({"users": [
        {"name": "b", "password_hash": bcrypt, "hashing_algorithm": "Bcrypt", "tags": "x,y"},
        {"name": "c", "password_hash": bcrypt, "tags": ""},
    ]});
    api.post("/definitions", file).await.is(204);
    let users = api.get("/definitions").await.json()["users"].clone();
    for user in users.as_array().expect("a list").iter().filter(|user| user["name"] != "guest") {
        assert_eq!(user["password_hash"], bcrypt);
    }
    assert_eq!(users[0]["tags"], json!(["x", "y"]));
    api.post("/definitions", json!({"users": users})).await.is(204);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn many_queues_and_bindings_take_seconds() {
    let (broker, api) = started().await;
    let queues: Vec<_> = (0..10_000)
        .map(|n| json!({"name": format!("q{n}"), "vhost": "/", "durable": true}))
        .collect();
    let bindings: Vec<_> = (0..10_000)
        .map(|n| {
            json!({"source": "amq.topic", "vhost": "/", "destination": format!("q{n}"),
                   "destination_type": "queue", "routing_key": format!("k{n}")})
        })
        .collect();
    let file = json!({"queues": queues, "bindings": bindings});
    let began = Instant::now();
    api.post("/definitions", file).await.is(204);
    let took = began.elapsed();
    assert!(took < MANY_MAX, "{took:?}");
    let all = api.get("/definitions").await.json();
    assert_eq!(all["queues"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(all["bindings"].as_array().map(Vec::len), Some(10_000));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_file_is_loaded_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("d.json");
    let load = |file: &PathBuf| {
        let file = Some(file.clone());
        move |config: &mut warren::config::Config| {
            config.http = vec!["127.0.0.1:0".to_owned()];
            config.load_definitions = file;
        }
    };
    let definitions = json!({
        "users": [{"name": "boss", "password": "pw", "tags": "administrator"}],
        "vhosts": [{"name": "v"}],
        "permissions": [
            {"user": "boss", "vhost": "v", "configure": ".*", "write": ".*", "read": ".*"},
        ],
        "queues": [{"name": "q", "vhost": "v", "durable": true}],
    });
    std::fs::write(&file, definitions.to_string()).expect("written");
    let broker = OwnBroker::start_with(load(&file)).await;
    let api = Api::of(&broker);
    api.get("/users").await.is(401); // there is no guest
    let boss = api.as_user("boss", "pw");
    let all = boss.get("/definitions").await.is(200).json();
    assert_eq!(all["queues"][0]["name"], "q");
    assert_eq!(all["users"].as_array().map(Vec::len), Some(1));
    broker.stop_and_check().await;

    // Without users there is the usual one, and its virtual host can be meant.
    let definitions = json!({"queues": [{"name": "q", "vhost": "/", "durable": true}]});
    std::fs::write(&file, definitions.to_string()).expect("written");
    let broker = OwnBroker::start_with(load(&file)).await;
    let all = Api::of(&broker).get("/definitions").await.is(200).json();
    assert_eq!(
        (&all["queues"][0]["name"], &all["users"][0]["name"]),
        (&json!("q"), &json!("guest"))
    );
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_bad_file_stops_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("d.json");
    for (text, reason) in [
        (Some("{"), "failed_to_parse_json: EOF while parsing an object at line 1"),
        (
            Some(r#"{"queues": [{"name": "q", "vhost": "nope", "durable": true}]}"#),
            "queue 'q' in vhost 'nope': there is no vhost 'nope', nor one in the file",
        ),
        (None, "No such file"),
    ] {
        let data = tempfile::tempdir().expect("a directory");
        match text {
            Some(text) => std::fs::write(&file, text).expect("written"),
            None => std::fs::remove_file(&file).expect("removed"),
        }
        let config = warren::config::Config {
            listen: vec!["127.0.0.1:0".to_owned()],
            data_dir: data.path().to_owned(),
            load_definitions: Some(file.clone()),
            http: Vec::new(),
            metrics: Vec::new(),
            ..Default::default()
        };
        let error = warren::Broker::builder().config(config).start().await.expect_err("refused");
        let text = error.to_string();
        assert!(text.starts_with("cannot load definitions: ") && text.contains(reason), "{text}");
        assert!(matches!(&error, StartError::Definitions(_)) && error.exit_code() == 65);
    }
}

/// A password goes in by every way that there is, rightly and wrongly, and never comes out.
#[tokio::test]
async fn a_password_is_never_told() {
    const CANARY: &str = "canary-7f3a9c";
    let (broker, api) = started().await;
    let users = |user: Value| json!({"users": [user]});
    let asked = [
        api.put("/users/u", json!({"password": CANARY, "tags": "administrator"})).await,
        api.put("/users/u", json!({"password": [CANARY], "tags": ""})).await,
        api.put("/users/u", json!({"password_hash": CANARY, "tags": ""})).await,
        api.put("/users/u", json!({"password": CANARY, "tags": {}})).await,
        api.put("/users/u", json!({"password": CANARY, "password_hash": CANARY, "tags": ""})).await,
        api.post(
            "/definitions",
            users(json!({"name": "u", "tags": "", "password": {"a": CANARY}})),
        )
        .await,
        api.post("/definitions", users(json!({"name": "u", "password": CANARY}))).await,
        api.post("/definitions", users(json!({"name": "u", "tags": "", "password_hash": CANARY})))
            .await,
        api.post("/definitions", users(json!({"name": "u", "tags": "", "password": CANARY}))).await,
        api.get("/users").await,
        api.get("/users/u").await,
        api.get("/definitions").await,
        api.get("/config/effective").await,
        api.as_user("u", CANARY).get("/whoami").await,
        api.as_user("nobody", CANARY).get("/whoami").await,
    ];
    for answer in &asked {
        assert!(!format!("{} {}", answer.head, answer.body).contains(CANARY), "{answer:?}");
    }
    let shown = format!("{:?}", broker.broker);
    assert!(!shown.contains(CANARY));
    broker.stop_and_check().await;
}

/// The same of the log, at its most talkative, and of what is loaded at the start.
#[tokio::test]
async fn a_password_is_never_logged() {
    const CANARY: &str = "canary-1b77e0";
    let directory = tempfile::tempdir().expect("a directory");
    let (file, log) = (directory.path().join("d.json"), directory.path().join("log"));
    let definitions = json!({
        "users": [{"name": "boss", "password": CANARY, "tags": "administrator"}],
        "vhosts": [{"name": "/"}],
    });
    std::fs::write(&file, definitions.to_string()).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command.env_clear().current_dir(directory.path()).env("WARREN_DEFAULT_PASSWORD", CANARY);
    command.args(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--metrics", "none"]);
    command.args(["--log", "trace", "--data-dir", "data", "--load-definitions"]).arg(&file);
    let log_file = std::fs::File::create(&log).expect("created");
    let mut child =
        command.stdout(Stdio::piped()).stderr(log_file).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address = lines
        .find_map(|line| line.expect("a line").strip_prefix("listening http ").map(str::to_owned));
    let api = Api::at(address.expect("told").parse().expect("an address"));
    let boss = api.as_user("boss", CANARY);
    let secret = || json!({"password": CANARY, "tags": ""});
    boss.put("/users/u", secret()).await.is(201);
    boss.put("/users/v", json!({"password": CANARY, "tags": 7})).await.is(400);
    api.as_user("boss", &format!("{CANARY}-not")).get("/whoami").await.is(401);
    let bad = json!({"users": [{"name": "u", "tags": "", "password": {"a": CANARY}}]});
    boss.post("/definitions", bad).await.is(400);
    let all = boss.get("/definitions").await.is(200).json();
    boss.post("/definitions", all.clone()).await.is(204);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let log = std::fs::read_to_string(&log).expect("a log");
    assert!(log.contains("user set") && log.contains("TRACE"), "it tells of much");
    let hash = all["users"][0]["password_hash"].as_str().expect("a hash");
    assert!(!hash.is_empty() && !log.contains(hash), "a hash is in the log");
    assert!(!log.contains(CANARY), "a password is in the log");
    assert!(!log.contains("Ym9zczp"), "and none encoded, as headers have it");
}
