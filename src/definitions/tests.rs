//! What is read and written, without a broker.

use super::*;
use serde_json::{Value as Json, json};

/// Exported by RabbitMQ 3.10, with something of everything.
const FIXTURE: &str = include_str!("../../tests/definitions/rabbitmq-3.10.json");
const ABOUT: About<'_> = About { version: "4.2.0", cluster_name: "c" };

fn read(json: &Json) -> Document {
    Document::read(json.to_string().as_bytes(), Target::Broker).expect("sound")
}

fn refused(json: &Json) -> String {
    Document::read(json.to_string().as_bytes(), Target::Broker).expect_err("wrong").0
}

/// Which of a list's entries is which.
fn sorted(list: &Json) -> Vec<String> {
    let mut sorted: Vec<_> = list.as_array().expect("a list").iter().map(Json::to_string).collect();
    sorted.sort();
    sorted
}

#[test]
fn an_export_of_rabbitmq_is_written_as_it_was() {
    let fixture: Json = serde_json::from_str(FIXTURE).expect("JSON");
    let written = read(&fixture).to_json(ABOUT);
    for list in ["users", "permissions", "topic_permissions", "exchanges", "bindings"] {
        assert_eq!(sorted(&written[list]), sorted(&fixture[list]), "{list}");
    }
    // It does not name the type that this version of RabbitMQ has no field for.
    let mut queues = written["queues"].clone();
    for queue in queues.as_array_mut().expect("a list") {
        let kind = queue.as_object_mut().expect("an object").remove("type");
        let asked = queue["arguments"].get("x-queue-type").cloned();
        assert_eq!(kind, Some(asked.unwrap_or("classic".into())));
    }
    assert_eq!(sorted(&queues), sorted(&fixture["queues"]));
    assert_eq!(sorted(&written["parameters"]), sorted(&fixture["parameters"]));
    let names = |json: &Json| {
        let all = json.as_array().expect("a list").iter();
        all.map(|entry| entry["name"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&written["vhosts"]), names(&fixture["vhosts"]));
    assert_eq!(names(&written["global_parameters"]), [r#""owner""#], "no internal ones");
    let mirrored = fixture["policies"].as_array().expect("a list").last().expect("one");
    assert_eq!(mirrored["definition"]["ha-mode"], "all");
    let kept = written["policies"].as_array().expect("a list").last().expect("one");
    assert_eq!(kept["definition"], json!({"max-length": 10}));
}

#[test]
fn what_is_written_is_read_again_and_is_the_same() {
    let fixture: Json = serde_json::from_str(FIXTURE).expect("JSON");
    let written = read(&fixture).to_json(ABOUT);
    let again = read(&written).to_json(ABOUT);
    for (key, value) in written.as_object().expect("an object") {
        assert_eq!(again[key], *value, "{key}");
    }
}

#[test]
fn one_virtual_host_is_written_without_its_name() {
    let document = read(&json!({
        "vhosts": [{"name": "v", "description": "d", "tags": "a,b", "limits": {"max-queues": 3}}],
        "queues": [{"name": "q", "vhost": "v", "durable": true}],
        "exchanges": [{"name": "x", "vhost": "v", "type": "topic", "durable": true}],
        "policies": [{"name": "p", "vhost": "v", "pattern": "", "definition": {"max-length": 1}}],
    }));
    let written = document.to_json_of_vhost(ABOUT);
    assert_eq!(written["rabbitmq_definition_format"], "single_virtual_host");
    assert_eq!(written["original_vhost_name"], "v");
    assert_eq!(written["metadata"], json!({"description": "d", "tags": ["a", "b"]}));
    assert_eq!(written["limits"], json!({"max-queues": 3}));
    assert!(!written.to_string().contains(r#""vhost""#) && written.get("users").is_none());
    let octets = written.to_string();
    let text = Document::read(octets.as_bytes(), Target::Broker).expect_err("for a vhost").0;
    assert!(text.contains("\"vhost\" is missing; the definitions of one virtual host"), "{text}");
    let read = Document::read(octets.as_bytes(), Target::Vhost("w")).expect("sound");
    assert_eq!(read.queues.first().map(|queue| &*queue.vhost), Some("w"));
    assert_eq!(read.vhost_limits["w"], [("max-queues".to_owned(), 3)]);
}

#[test]
fn a_whole_broker_does_not_go_into_a_virtual_host() {
    let written = Document::default().to_json(ABOUT).to_string();
    let text = Document::read(written.as_bytes(), Target::Vhost("v")).expect_err("too much").0;
    assert_eq!(text, "these are the definitions of a whole broker, not of a virtual host");
}

#[test]
fn older_layouts_are_read() {
    let document = read(&json!({
        "rabbit_version": "3.5.7",
        "users": [
            {"name": "a", "password_hash": "q83vAQ==", "tags": "administrator, x,"},
            {"name": "b", "password_hash": "", "tags": ["management"], "limits": []},
            {"name": "c", "tags": [], "password": "secret"},
        ],
        "vhosts": [
            {"name": "old", "description": "d", "tags": ["t"], "default_queue_type": "quorum"},
            {"name": "new", "description": "old", "default_queue_type": "undefined",
             "metadata": {"description": "new", "tags": []}},
            {"name": "bare"},
        ],
        "parameters": [{"component": "operator_policy", "vhost": "old", "name": "o",
                        "value": {"pattern": "", "definition": {"max-length": 1}}}],
        "queues": null,
        "exchanges": [{"name": "x", "vhost": "old", "type": "fanout", "durable": "true",
                       "internal": true, "arguments": []}],
    }));
    let [a, b, c] = &document.users[..] else { panic!("not three users") };
    assert_eq!(a.tags, ["administrator", "x"]);
    let Secret::Hash { algorithm, .. } = &a.secret else { panic!("no hash") };
    assert_eq!(algorithm, "rabbit_password_hashing_md5");
    assert!(matches!((&b.secret, &c.secret), (Secret::None, Secret::Password(_))));
    assert!(!format!("{document:?}").contains("secret"), "nothing secret is shown");
    let [old, new, bare] = &document.vhosts[..] else { panic!("not three vhosts") };
    assert_eq!(old.default_queue_type.as_deref(), Some("quorum"));
    assert_eq!((new.description.as_deref(), &new.default_queue_type), (Some("new"), &None));
    assert_eq!((&bare.description, &bare.tags), (&None, &None));
    assert_eq!(document.policies.len(), 1);
    let exchange = document.exchanges.first().expect("one");
    assert!(exchange.internal && exchange.durable && exchange.arguments.is_empty());
}

#[test]
fn a_policy_for_mirrored_queues_alone_is_left_out() {
    let document = read(&json!({"policies": [
        {"name": "p", "vhost": "v", "pattern": "", "definition": {"ha-mode": "all"}},
    ]}));
    assert!(document.policies.is_empty());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let queue = |more: Json| {
        let mut queue = json!({"name": "q", "vhost": "v", "durable": true});
        let fields = queue.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        json!({"queues": [queue]})
    };
    for (json, text) in [
        (json!([]), "failed_to_parse_json: this is not an object"),
        (json!({"queues": {}}), "\"queues\" must be a list"),
        (json!({"queues": [3]}), "queues[0] must be an object, not 3"),
        (
            queue(json!({"durable": "maybe"})),
            "queues[0] ('q' in vhost 'v'): \"durable\" must be a boolean, not \"maybe\"",
        ),
        (
            queue(json!({"durable": null})),
            "queues[0] ('q' in vhost 'v'): \"durable\" must be a boolean, not null",
        ),
        (
            queue(json!({"arguments": [1]})),
            "queues[0] ('q' in vhost 'v'): \"arguments\" must be an object, not [1]",
        ),
        (queue(json!({"name": ""})), "queues[0] ('' in vhost 'v'): \"name\" must not be empty"),
        (json!({"users": [{"name": "u"}]}), "users[0] ('u'): tags_not_present"),
        (
            json!({"users": [{"name": "u", "tags": "", "password": 7}]}),
            "users[0] ('u'): \"password\" must be a string",
        ),
        (
            json!({"policies": [{"vhost": "v", "name": "p", "pattern": "a"}]}),
            "policies[0] ('p' in vhost 'v'): Validation failed\n\n[{key_missing,definition}]\n",
        ),
        (
            json!({"bindings": [{"source": "x", "vhost": "v", "destination": "q",
                                 "destination_type": "z", "routing_key": ""}]}),
            "bindings[0] (from 'x' to 'q' in vhost 'v'): \"destination_type\" must be \"queue\" or \
             \"exchange\", not \"z\"",
        ),
    ] {
        assert!(refused(&json).starts_with(text.trim_end()), "{}", refused(&json));
    }
    let long = refused(&queue(json!({"name": "q".repeat(256)})));
    assert!(long.ends_with("\"name\" has more than 255 octets") && long.len() < 400, "{long}");
}
