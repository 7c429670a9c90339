//! Users, virtual hosts, permissions, limits, policies and parameters over HTTP (behaviour 36):
//! what each route does, what it refuses, and to whom.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::api::{Answer, Api, encoded};
use common::*;
use serde_json::{Value, json};

/// Names that have been mistaken for something else somewhere.
const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "%2f",
    "a/b",
    "..",
    "a?b#c&d=e",
    "caf\u{e9} \u{1f407}",
    "\"quoted\\\"",
    "'; DROP TABLE users; --",
    "line\nbreak",
];

async fn started() -> (OwnBroker, Api) {
    let broker = OwnBroker::start_with(with_http).await;
    let api = Api::of(&broker);
    (broker, api)
}

/// A user with those tags who may see the virtual host `v`.
async fn user(api: &Api, name: &str, tags: &str) -> Api {
    api.put(&format!("/users/{name}"), json!({"password": "pw", "tags": tags})).await.is(201);
    let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
    api.put(&format!("/permissions/v/{name}"), everything).await.is(201);
    api.as_user(name, "pw")
}

fn names(answer: &Answer, field: &str) -> Vec<String> {
    let json = answer.is(200).json();
    let all = json.as_array().expect("a list").iter();
    all.map(|entry| entry[field].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_vhost_comes_changes_and_goes() {
    let (broker, api) = started().await;
    let body = json!({"description": "d", "tags": "a, b", "default_queue_type": "quorum"});
    api.put("/vhosts/v", body).await.is(201);
    let vhost = api.get("/vhosts/v").await.is(200).json();
    assert_eq!(vhost["name"], "v");
    assert_eq!(vhost["description"], "d");
    assert_eq!(vhost["tags"], json!(["a", "b"]));
    assert_eq!(vhost["default_queue_type"], "quorum");
    assert_eq!(vhost["protected_from_deletion"], false);
    assert_eq!(vhost["messages"], 0);
    let permission = api.get("/permissions/v/guest").await.is(200).json();
    assert_eq!(permission["configure"], ".*", "who makes it may do everything in it");
    api.put("/vhosts/v", json!({"tracing": "true"})).await.is(204);
    let vhost = api.get("/vhosts/v").await.is(200).json();
    assert_eq!((&vhost["description"], &vhost["tracing"]), (&json!("d"), &json!(true)));
    assert_eq!(names(&api.get("/vhosts").await, "name"), ["/", "v"]);
    assert_eq!(names(&api.get("/vhosts?name=V").await, "name"), ["v"]);
    assert_eq!(api.get("/vhosts?columns=name").await.json(), json!([{"name": "/"}, {"name": "v"}]));
    assert_eq!(names(&api.get("/vhosts/v/permissions").await, "user"), ["guest"]);
    assert_eq!(api.get("/vhosts/v/topic-permissions").await.json(), json!([]));

    api.post("/vhosts/v/deletion/protection", json!({})).await.is(204);
    let text = "Refusing to delete virtual host 'v' because it is protected from deletion";
    api.delete("/vhosts/v").await.refuses(412, text);
    api.delete("/vhosts/v/deletion/protection").await.is(204);
    api.delete("/vhosts/v").await.is(204);
    api.delete("/vhosts/v").await.refuses(404, "Not Found");
    api.get("/vhosts/v").await.refuses(404, "Not Found");
    api.get("/vhosts/v/permissions").await.is(404);
    api.get("/permissions/v/guest").await.is(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_vhost_that_makes_no_sense_is_refused() {
    let (broker, api) = started().await;
    for (body, reason) in [
        (json!([]), "not_json"),
        (json!({"tags": 7}), "not_a_list_of_strings"),
        (json!({"tags": [1]}), "not_a_list_of_strings"),
        (json!({"description": 7}), "description"),
        (json!({"tracing": "maybe"}), "not_boolean"),
        (json!({"default_queue_type": "stream"}), "unsupported queue type 'stream'"),
    ] {
        api.put("/vhosts/v", body).await.refuses(400, reason);
    }
    let long = "v".repeat(256);
    api.put(&format!("/vhosts/{long}"), json!({})).await.refuses(400, "at most 255 octets");
    assert_eq!(names(&api.get("/vhosts").await, "name"), ["/"], "nothing was made");
    let node = api.get("/vhosts/%2F").await.json()["cluster_state"].clone();
    let node = node.as_object().and_then(|nodes| nodes.keys().next().cloned()).expect("a node");
    api.post(&format!("/vhosts/%2F/start/{node}"), json!({})).await.is(204);
    let reason = "Request to node other failed with nodedown";
    api.post("/vhosts/%2F/start/other", json!({})).await.refuses(400, reason);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_user_comes_changes_and_goes() {
    let (broker, api) = started().await;
    let hash = "q83vAefOSFd4y4Ed34U6m6hr5D6zj91MFvK/nHDa8DHhW+fE";
    let body = json!({"password_hash": hash, "tags": "management, x,"});
    api.put("/users/u", body).await.is(201);
    let user = api.get("/users/u").await.is(200).json();
    let expected = json!({
        "name": "u", "password_hash": hash, "tags": ["management", "x"], "limits": {},
        "hashing_algorithm": "rabbit_password_hashing_sha256",
    });
    assert_eq!(user, expected);
    let u = api.as_user("u", "guest");
    assert_eq!(u.get("/whoami").await.is(200).json()["name"], "u");
    assert_eq!(names(&api.get("/users/without-permissions").await, "name"), ["u"]);

    api.put("/users/u", json!({"tags": ["management"], "password": "new"})).await.is(204);
    u.get("/whoami").await.is(401);
    let u = api.as_user("u", "new");
    u.get("/whoami").await.is(200);
    // Neither a password nor a hash: none from now on.
    api.put("/users/u", json!({"tags": ["management"]})).await.is(204);
    u.get("/whoami").await.is(401);
    assert_eq!(api.get("/users/u").await.json()["password_hash"], "");

    let body = json!({
        "tags": "", "limits": {"max-connections": 3},
        "permissions": {"/": {"configure": "a", "write": "b", "read": "c"}},
    });
    api.put("/users/u", body).await.is(204);
    assert_eq!(api.get("/users/u").await.json()["limits"], json!({"max-connections": 3}));
    let permissions = api.get("/users/u/permissions").await.json();
    let expected =
        json!([{"user": "u", "vhost": "/", "configure": "a", "write": "b", "read": "c"}]);
    assert_eq!(permissions, expected);
    assert_eq!(api.get("/users/u/topic-permissions").await.json(), json!([]));
    assert_eq!(names(&api.get("/users").await, "name"), ["guest", "u"]);
    api.delete("/users/u").await.is(204);
    api.delete("/users/u").await.refuses(404, "Not Found");
    api.get("/users/u/permissions").await.is(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_user_that_makes_no_sense_is_refused() {
    let (broker, api) = started().await;
    for (body, reason) in [
        (json!({"password": "x"}), "tags_not_present"),
        (json!({"password": "x", "tags": 3}), "not_a_list_of_strings"),
        (
            json!({"password": "x", "password_hash": "x", "tags": ""}),
            "both_password_and_password_hash_are_provided",
        ),
        (json!({"password": "", "tags": ""}), "must not be empty"),
        (json!({"password": 7, "tags": ""}), "not_string"),
        (json!({"password_hash": "!!", "tags": ""}), "base64"),
        (json!({"password_hash": "AAAA", "tags": ""}), "3 octets"),
        (json!({"password_hash": "AAAA", "hashing_algorithm": "x", "tags": ""}), "hashing"),
        (json!({"tags": "", "limits": {"x": 1}}), "Unrecognised terms"),
        (json!({"tags": "", "permissions": {"nope": {}}}), "vhost_or_user_not_found"),
        (json!({"tags": "", "permissions": {"/": {"configure": ""}}}), "key_missing,write"),
        (
            json!({"tags": "", "permissions": {"/": {"configure": "(", "write": "", "read": ""}}}),
            "invalid regular expression '('",
        ),
    ] {
        api.put("/users/u", body).await.refuses(400, reason);
    }
    assert_eq!(names(&api.get("/users").await, "name"), ["guest"], "nobody was made");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn several_users_are_deleted_at_once_or_none() {
    let (broker, api) = started().await;
    for name in ["a", "b", "c"] {
        api.put(&format!("/users/{name}"), json!({"tags": ""})).await.is(201);
    }
    let bulk = |users: Value| api.post("/users/bulk-delete", json!({"users": users}));
    bulk(json!(["a", "nope"])).await.refuses(400, "no_such_user");
    bulk(json!("a")).await.is(400);
    api.post("/users/bulk-delete", json!({})).await.refuses(400, "[{key_missing,users}]");
    assert_eq!(names(&api.get("/users").await, "name"), ["a", "b", "c", "guest"]);
    bulk(json!(["a", "c", "a"])).await.is(204);
    assert_eq!(names(&api.get("/users").await, "name"), ["b", "guest"]);
    // Nobody is protected, not even from oneself.
    bulk(json!(["guest"])).await.is(204);
    api.get("/users").await.is(401);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn permissions_are_set_and_cleared() {
    let (broker, api) = started().await;
    api.put("/users/u", json!({"tags": ""})).await.is(201);
    let body = json!({"configure": "^a", "write": "", "read": ".*"});
    api.put("/permissions/%2F/u", body.clone()).await.is(201);
    api.put("/permissions/%2F/u", body.clone()).await.is(204);
    let expected = json!({"user": "u", "vhost": "/", "configure": "^a", "write": "", "read": ".*"});
    assert_eq!(api.get("/permissions/%2F/u").await.is(200).json(), expected);
    assert_eq!(names(&api.get("/permissions").await, "user"), ["guest", "u"]);
    let missing = json!({"configure": "", "read": ""});
    api.put("/permissions/%2F/u", missing).await.refuses(400, "[{key_missing,write}]");
    let wrong = json!({"configure": "(", "write": "", "read": ""});
    api.put("/permissions/%2F/u", wrong).await.refuses(400, "invalid regular expression '('");
    for place in ["%2F/nobody", "nowhere/u"] {
        let path = format!("/permissions/{place}");
        api.put(&path, body.clone()).await.refuses(400, "vhost_or_user_not_found");
        api.get(&path).await.is(404);
        api.delete(&path).await.is(404);
    }
    api.delete("/permissions/%2F/u").await.is(204);
    api.delete("/permissions/%2F/u").await.is(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn topic_permissions_are_set_and_cleared() {
    let (broker, api) = started().await;
    let path = "/topic-permissions/%2F/guest";
    let body = |exchange: &str| json!({"exchange": exchange, "write": "^a", "read": "b"});
    api.get(path).await.is(404);
    api.put(path, body("amq.topic")).await.is(201);
    api.put(path, body("amq.topic")).await.is(204);
    api.put(path, body("other")).await.is(201);
    assert_eq!(names(&api.get(path).await, "exchange"), ["amq.topic", "other"]);
    assert_eq!(names(&api.get("/topic-permissions").await, "exchange").len(), 2);
    api.put(path, json!({"write": "", "read": ""})).await.refuses(400, "[{key_missing,exchange}]");
    let wrong = json!({"exchange": "x", "write": "(", "read": ""});
    api.put(path, wrong).await.refuses(400, "invalid regular expression");
    let nowhere = "/topic-permissions/nowhere/guest";
    api.put(nowhere, body("x")).await.refuses(400, "vhost_or_user_not_found");
    api.delete(&format!("{path}/amq.topic")).await.is(204);
    assert_eq!(names(&api.get(path).await, "exchange"), ["other"]);
    api.delete(path).await.is(204);
    api.delete(path).await.is(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn limits_are_set_lifted_and_kept() {
    let (broker, api) = started().await;
    for (kind, of, limits) in [
        ("vhost", "%2F", ["max-connections", "max-queues"]),
        ("user", "guest", ["max-connections", "max-channels"]),
    ] {
        let path = format!("/{kind}-limits/{of}");
        assert_eq!(api.get(&path).await.is(200).json(), json!([]));
        for limit in limits {
            let one = format!("{path}/{limit}");
            api.put(&one, json!({"value": 5})).await.is(204);
            api.put(&one, json!({"value": "x"})).await.refuses(400, "should be a number");
            api.put(&one, json!({})).await.refuses(400, "[{key_missing,value}]");
        }
        let set = api.get(&path).await.json();
        assert_eq!(set[0]["value"], json!({limits[0]: 5, limits[1]: 5}));
        assert_eq!(api.get(&format!("/{kind}-limits")).await.json(), set);
        api.put(&format!("{path}/x"), json!({"value": 1})).await.refuses(400, "Unrecognised terms");
        api.delete(&format!("{path}/{}", limits[1])).await.is(204);
        api.delete(&format!("{path}/x")).await.is(204);
        assert_eq!(api.get(&path).await.json()[0]["value"], json!({limits[0]: 5}));
    }
    api.get("/vhost-limits/nope").await.is(404);
    api.get("/user-limits/nope").await.is(404);
    api.put("/vhost-limits/nope/max-queues", json!({"value": 1})).await.is(404);
    api.put("/user-limits/nope/max-channels", json!({"value": 1}))
        .await
        .refuses(400, "no_such_user");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn policies_are_set_listed_and_cleared() {
    let (broker, api) = started().await;
    for kind in ["policies", "operator-policies"] {
        let path = format!("/{kind}/%2F/p");
        let body = json!({"pattern": "^a", "definition": {"max-length": 1}});
        api.put(&path, body).await.is(201);
        let body = json!({
            "pattern": "^a", "definition": {"max-length": 2}, "priority": 3, "apply-to": "queues",
        });
        api.put(&path, body).await.is(204);
        let expected = json!({
            "vhost": "/", "name": "p", "pattern": "^a", "definition": {"max-length": 2},
            "priority": 3, "apply-to": "queues",
        });
        assert_eq!(api.get(&path).await.is(200).json(), expected);
        assert_eq!(api.get(&format!("/{kind}")).await.json(), json!([expected]));
        assert_eq!(api.get(&format!("/{kind}/%2F")).await.json(), json!([expected]));
        for (body, reason) in [
            (json!({}), "[{key_missing,pattern},{key_missing,definition}]"),
            (
                json!({"pattern": "("  , "definition": {"max-length": 1}}),
                "pattern should be regular",
            ),
            (json!({"pattern": "", "definition": {"x": 1}}), "are not recognised policy settings"),
            (json!({"pattern": "", "definition": {"max-length": "x"}}), "is not a valid maximum"),
        ] {
            api.put(&path, body).await.refuses(400, reason);
        }
        assert_eq!(api.get(&path).await.json(), expected, "it is as it was");
        api.delete(&path).await.is(204);
        api.delete(&path).await.is(404);
        api.get(&path).await.is(404);
        api.put(&format!("/{kind}/nope/p"), json!({})).await.is(404);
        api.get(&format!("/{kind}/nope")).await.is(404);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_policy_set_over_http_is_in_force() {
    let (broker, api) = started().await;
    let mut peer = broker.peer().await;
    peer.declare("jobs").await;
    let body = json!({"pattern": "^jobs", "definition": {"max-length": 7}});
    api.put("/policies/%2F/p", body).await.is(201);
    let queue = broker.broker.vhost("/").expect("a vhost").queue("jobs").expect("a queue");
    assert_eq!(queue.rules().max_length, Some(7));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn parameters_show_what_is_one_and_refuse_what_has_no_meaning() {
    let (broker, api) = started().await;
    let rule = json!({"pattern": "^a", "definition": {"max-length": 1}});
    api.put("/policies/%2F/p", rule.clone()).await.is(201);
    api.put("/parameters/operator_policy/%2F/o", json!({"value": rule})).await.is(201);
    let limits = json!({"value": {"max-queues": 5, "max-connections": 6}});
    api.put("/parameters/vhost-limits/%2F/limits", limits).await.is(201);
    api.put("/parameters/vhost-limits/%2F/limits", json!({"value": {"max-queues": 4}}))
        .await
        .is(204);
    assert_eq!(api.get("/vhost-limits").await.json()[0]["value"], json!({"max-queues": 4}));
    assert_eq!(names(&api.get("/parameters").await, "name"), ["limits", "o"]);
    assert_eq!(names(&api.get("/parameters/policy").await, "name"), ["p"]);
    assert_eq!(names(&api.get("/parameters/operator_policy/%2F").await, "name"), ["o"]);
    assert_eq!(api.get("/parameters/shovel").await.is(200).json(), json!([]));
    let shown = api.get("/parameters/policy/%2F/p").await.is(200).json();
    assert_eq!(shown["value"]["definition"], json!({"max-length": 1}));
    api.get("/parameters/policy/%2F/x").await.is(404);
    api.get("/parameters/shovel/nope").await.is(404);
    for (path, body, reason) in [
        ("shovel/%2F/x", json!({"value": {}}), "component shovel not found"),
        ("nonsense/%2F/x", json!({"value": {}}), "component nonsense not found"),
        ("policy/%2F/x", json!({"value": {}}), "policies may not be set using this method"),
        ("shovel/%2F/x", json!({}), "[{key_missing,value}]"),
        ("vhost-limits/%2F/limits", json!({"value": {"x": 1}}), "Unrecognised terms"),
        ("vhost-limits/%2F/limits", json!({"value": 1}), "should be an object"),
    ] {
        api.put(&format!("/parameters/{path}"), body).await.refuses(400, reason);
    }
    api.delete("/parameters/operator_policy/%2F/o").await.is(204);
    api.delete("/parameters/vhost-limits/%2F/limits").await.is(204);
    api.delete("/parameters/shovel/%2F/x").await.is(404);
    assert_eq!(api.get("/parameters").await.json(), json!([]));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn global_parameters_are_any_json() {
    let (broker, api) = started().await;
    let value = json!({"a": [1, 2.5, null, "x"]});
    api.put("/global-parameters/g", json!({"value": value})).await.is(201);
    api.put("/global-parameters/g", json!({"name": "other", "value": value})).await.is(204);
    let expected = json!({"name": "g", "value": value});
    assert_eq!(api.get("/global-parameters/g").await.is(200).json(), expected);
    assert_eq!(api.get("/global-parameters").await.json(), json!([expected]));
    api.put("/global-parameters/g", json!({})).await.refuses(400, "[{key_missing,value}]");
    let long = json!({"value": "x".repeat(40_000)});
    api.put("/global-parameters/g", long).await.refuses(400, "octets");
    api.delete("/global-parameters/g").await.is(204);
    api.delete("/global-parameters/g").await.is(404);
    api.get("/global-parameters/g").await.is(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn hostile_names_survive_every_route() {
    let (broker, api) = started().await;
    let longest = "\u{e9}".repeat(127);
    for name in HOSTILE.iter().copied().chain([longest.as_str()]) {
        let part = encoded(name);
        api.put(&format!("/vhosts/{part}"), json!({"description": name})).await.is(201);
        let vhost = api.get(&format!("/vhosts/{part}")).await.is(200).json();
        assert_eq!((&vhost["name"], &vhost["description"]), (&json!(name), &json!(name)));
        api.put(&format!("/users/{part}"), json!({"tags": [name.replace(',', "")]})).await.is(201);
        assert_eq!(api.get(&format!("/users/{part}")).await.is(200).json()["name"], name);
        let rules = json!({"configure": "", "write": "", "read": "", "exchange": name});
        for kind in ["permissions", "topic-permissions"] {
            let path = format!("/{kind}/{part}/{part}");
            api.put(&path, rules.clone()).await.is(201);
            let found = api.get(&path).await.is(200).json();
            let found = found.as_array().map_or(&found, |list| &list[0]);
            assert_eq!((&found["vhost"], &found["user"]), (&json!(name), &json!(name)));
            assert_eq!(names(&api.get(&format!("/vhosts/{part}/{kind}")).await, "vhost")[0], name);
            assert_eq!(names(&api.get(&format!("/users/{part}/{kind}")).await, "user"), [name]);
        }
        let rule = json!({"pattern": "^a", "definition": {"dead-letter-exchange": name}});
        api.put(&format!("/policies/{part}/{part}"), rule).await.is(201);
        let policy = api.get(&format!("/policies/{part}/{part}")).await.is(200).json();
        assert_eq!(policy["definition"]["dead-letter-exchange"], name);
        let rule = json!({"pattern": "^a", "definition": {"max-length": 1}});
        api.put(&format!("/operator-policies/{part}/{part}"), rule).await.is(201);
        api.put(&format!("/global-parameters/{part}"), json!({"value": name})).await.is(201);
        assert_eq!(api.get(&format!("/global-parameters/{part}")).await.json()["value"], name);
        api.put(&format!("/vhost-limits/{part}/max-queues"), json!({"value": 5})).await.is(204);
        api.put(&format!("/user-limits/{part}/max-channels"), json!({"value": 5})).await.is(204);
        let whole = api.get("/definitions").await.is(200).json();
        let one = api.get(&format!("/definitions/{part}")).await.is(200).json();
        assert_eq!(one["original_vhost_name"], name);
        api.post("/definitions", whole.clone()).await.is(204);
        api.post(&format!("/definitions/{part}"), one).await.is(204);
        assert_eq!(api.get("/definitions").await.json(), whole);
        for path in ["policies", "operator-policies"] {
            api.delete(&format!("/{path}/{part}/{part}")).await.is(204);
        }
        api.delete(&format!("/topic-permissions/{part}/{part}/{part}")).await.is(204);
        api.delete(&format!("/global-parameters/{part}")).await.is(204);
        api.delete(&format!("/users/{part}")).await.is(204);
        api.delete(&format!("/vhosts/{part}")).await.is(204);
        for unknown in ["parameters", "feature-flags", "health/checks/protocol-listener"] {
            let answer = api.get(&format!("/{unknown}/{part}")).await;
            assert!(answer.status < 500 || answer.status == 503, "{answer:?}");
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn tags_decide_who_may_do_what() {
    let (broker, api) = started().await;
    api.put("/vhosts/v", json!({})).await.is(201);
    api.put("/vhosts/w", json!({})).await.is(201);
    let rule = || json!({"pattern": "^a", "definition": {"max-length": 1}});
    for vhost in ["v", "w"] {
        api.put(&format!("/policies/{vhost}/p"), rule()).await.is(201);
    }
    let nobody = user(&api, "nobody", "").await;
    let management = user(&api, "management", "management").await;
    let policymaker = user(&api, "policymaker", "policymaker").await;
    let monitoring = user(&api, "monitoring", "monitoring").await;
    let everybody = [&nobody, &management, &policymaker, &monitoring];
    for (path, allowed) in [
        ("/vhosts/v", [401, 200, 200, 200]),
        ("/vhosts/w", [401, 401, 401, 200]),
        ("/vhosts/nope", [401, 401, 401, 404]),
        ("/vhosts/v/permissions", [401; 4]),
        ("/users", [401; 4]),
        ("/users/guest", [401; 4]),
        ("/users/without-permissions", [401; 4]),
        ("/permissions", [401; 4]),
        ("/permissions/v/guest", [401; 4]),
        ("/topic-permissions", [401; 4]),
        ("/policies", [401, 200, 200, 200]),
        ("/policies/v", [401, 200, 200, 200]),
        ("/policies/w", [401; 4]),
        ("/policies/v/p", [401, 401, 200, 401]),
        ("/policies/w/p", [401; 4]),
        ("/operator-policies", [401, 200, 200, 200]),
        ("/operator-policies/v/p", [401; 4]),
        ("/parameters", [401, 401, 200, 401]),
        ("/global-parameters", [401, 401, 200, 401]),
        ("/vhost-limits", [401, 200, 200, 200]),
        ("/vhost-limits/v", [401, 200, 200, 200]),
        ("/vhost-limits/w", [401, 401, 401, 200]),
        ("/user-limits/guest", [401; 4]),
        ("/definitions", [401; 4]),
        ("/definitions/v", [401; 4]),
        ("/all-configuration", [401; 4]),
        ("/feature-flags", [401; 4]),
        ("/config/effective", [401; 4]),
        ("/shovels", [401, 401, 401, 200]),
        ("/health/checks/alarms", [401, 200, 200, 200]),
    ] {
        for (who, allowed) in everybody.iter().zip(allowed) {
            let answer = who.get(path).await;
            assert_eq!(answer.status, allowed, "{path} {answer:?}");
        }
    }
    assert_eq!(names(&management.get("/vhosts").await, "name"), ["v"]);
    assert_eq!(names(&monitoring.get("/vhosts").await, "name"), ["/", "v", "w"]);
    assert_eq!(names(&policymaker.get("/policies").await, "vhost"), ["v"]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn only_administrators_change_anything_but_policies() {
    let (broker, api) = started().await;
    api.put("/vhosts/v", json!({})).await.is(201);
    api.put("/vhosts/w", json!({})).await.is(201);
    let rule = || json!({"pattern": "^a", "definition": {"max-length": 1}});
    for (tags, may_make) in
        [("", false), ("management", false), ("policymaker", true), ("monitoring", false)]
    {
        let who = user(&api, &format!("user-{tags}"), tags).await;
        let status = who.put("/policies/v/q", rule()).await.status;
        assert_eq!(status, if may_make { 201 } else { 401 }, "{tags}");
        who.put("/policies/w/q", rule()).await.is(401);
        who.put("/operator-policies/v/q", rule()).await.is(401);
        who.put("/parameters/operator_policy/v/q", json!({"value": rule()})).await.is(401);
        who.put("/parameters/vhost-limits/v/limits", json!({"value": {}})).await.is(401);
        who.put("/users/x", json!({"tags": "administrator"})).await.is(401);
        who.put("/vhosts/x", json!({})).await.is(401);
        who.delete("/vhosts/v").await.is(401);
        who.delete("/users/guest").await.is(401);
        who.put("/vhost-limits/v/max-queues", json!({"value": 0})).await.is(401);
        who.post("/users/bulk-delete", json!({"users": ["guest"]})).await.is(401);
        who.post("/definitions", json!({})).await.is(401);
        who.post("/definitions/v", json!({})).await.is(401);
        who.post("/vhosts/v/deletion/protection", json!({})).await.is(401);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn health_checks_tell_what_is_so() {
    let (broker, api) = started().await;
    let check = |path: &str| format!("/health/checks/{path}");
    let port = broker.address().port();
    for path in [
        "alarms",
        "local-alarms",
        "virtual-hosts",
        "node-is-quorum-critical",
        "is-in-service",
        "ready-to-serve-clients",
        "below-node-connection-limit",
        "reached-target-cluster-size",
        "metadata-store/initialized",
        "metadata-store/initialized/with-data",
        "certificate-expiration/1/weeks",
        "protocol-listener/amqp091,http",
        "quorum-queues-without-elected-leaders/all-vhosts/pattern/.%2A",
        "quorum-queues-without-elected-leaders/vhost/%2F/pattern/a",
        &format!("port-listener/{port}"),
    ] {
        let answer = api.get(&check(path)).await;
        assert_eq!(answer.is(200).json()["status"], "ok", "{path}");
    }
    api.get("/healthchecks/node").await.is(200);
    api.get("/healthchecks/node/other").await.is(404);
    api.get(&check("port-listener/x")).await.refuses(400, "Invalid port");
    api.get(&check("certificate-expiration/x/days"))
        .await
        .refuses(400, "Invalid expiration value.");
    api.get(&check("certificate-expiration/1/x")).await.refuses(400, "Time unit not recognised");
    api.get(&check("nonsense")).await.is(404);
    let missing = api.get(&check("protocol-listener/mqtt,amqp")).await.is(503).json();
    assert_eq!((&missing["status"], &missing["missing"]), (&json!("failed"), &json!(["mqtt"])));
    let missing = api.get(&check("port-listener/1")).await.is(503).json();
    assert!(missing["ports"].as_array().expect("a list").contains(&json!(port)));

    broker.broker.set_alarm(warren::alarm::Alarm::Memory, true);
    let alarms = api.get(&check("alarms")).await.is(503).json();
    assert_eq!(alarms["alarms"][0]["resource"], "memory");
    api.get("/healthchecks/node").await.refuses(503, "resource alarm(s) in effect:[memory]");
    broker.broker.set_alarm(warren::alarm::Alarm::Memory, false);
    api.get(&check("alarms")).await.is(200);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_full_broker_is_not_below_its_connection_limit() {
    let broker = OwnBroker::start_with(|config| {
        config.http = vec!["127.0.0.1:0".to_owned()];
        config.max_connections = 1;
    })
    .await;
    let api = Api::of(&broker);
    let _peer = broker.peer().await;
    let full = api.get("/health/checks/below-node-connection-limit").await.is(503).json();
    assert_eq!((&full["current"], &full["limit"]), (&json!(1), &json!(1)));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn features_and_settings_are_shown() {
    let (broker, api) = started().await;
    let flags = api.get("/feature-flags").await.is(200).json();
    assert_eq!(flags[0]["state"], "enabled");
    api.put("/feature-flags/user_limits/enable", json!({})).await.is(204);
    api.put("/feature-flags/nope/enable", json!({})).await.refuses(400, "'nope'");
    assert_eq!(api.get("/deprecated-features/used").await.json(), json!([]));
    let mut peer = broker.peer().await;
    peer.declare("transient").await;
    let used = api.get("/deprecated-features/used").await;
    assert_eq!(names(&used, "name"), ["transient_nonexcl_queues"]);
    assert_eq!(names(&api.get("/deprecated-features").await, "name").len(), 1);
    for nothing in ["/shovels", "/shovels/%2F", "/federation-links", "/federation-links/%2F"] {
        assert_eq!(api.get(nothing).await.is(200).json(), json!([]));
    }
    let settings = api.get("/config/effective").await.is(200).json();
    assert_eq!(settings["listen"], "127.0.0.1:0");
    assert!(settings.get("default-password").is_none());
    broker.stop_and_check().await;
}

#[tokio::test]
async fn changes_are_there_after_a_restart() {
    let (broker, api) = started().await;
    api.put("/vhosts/v", json!({"description": "d", "tags": ["t"]})).await.is(201);
    api.put("/users/u", json!({"password": "pw", "tags": "administrator"})).await.is(201);
    api.put("/vhost-limits/v/max-queues", json!({"value": 5})).await.is(204);
    api.put("/user-limits/u/max-channels", json!({"value": 5})).await.is(204);
    let rule = json!({"pattern": "^a", "definition": {"max-length": 1}});
    api.put("/policies/v/p", rule.clone()).await.is(201);
    api.put("/operator-policies/v/o", rule).await.is(201);
    api.put("/global-parameters/g", json!({"value": [1]})).await.is(201);
    let topic = json!({"exchange": "amq.topic", "write": "a", "read": "b"});
    api.put("/topic-permissions/v/u", topic).await;
    let before = api.get("/definitions").await.is(200).json();
    let broker = broker.restart_with_api().await;
    let api = Api::of(&broker);
    assert_eq!(api.get("/definitions").await.is(200).json(), before);
    api.as_user("u", "pw").get("/users").await.is(200);
    broker.stop_and_check().await;
}
