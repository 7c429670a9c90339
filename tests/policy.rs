//! Policies: which one counts for what, what it says together with arguments, and that all of it
//! is there again after a restart (behaviour 34).
//!
//! There is no way yet to set one over the wire, so these tests own their broker.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::*;
use warren::Broker;
use warren::policy::{Policy, PolicyError, Scope};
use warren::queue::{EffectivePolicy, Overflow, Rules};

/// A policy for all that has `pattern` in its name.
fn policy(name: &str, pattern: &str, definition: &str) -> Policy {
    with(Scope::User, name, (pattern, "all", 0), definition)
}

fn operator(name: &str, pattern: &str, definition: &str) -> Policy {
    with(Scope::Operator, name, (pattern, "all", 0), definition)
}

fn with(scope: Scope, name: &str, parts: (&str, &str, i64), definition: &str) -> Policy {
    Policy::new(scope, name, parts, definition).expect("a sound policy")
}

async fn set(broker: &Broker, policy: Policy) {
    broker.set_policy("/", policy).await.expect("set");
}

async fn clear(broker: &Broker, name: &str) {
    broker.clear_policy("/", Scope::User, name).await.expect("cleared");
}

fn rules(broker: &Broker, queue: &str) -> Arc<Rules> {
    broker.vhost("/").expect("a vhost").queue(queue).expect("a queue").rules()
}

/// The names of the policies in force for a queue, and what they say.
fn shown(broker: &Broker, queue: &str) -> Option<String> {
    let queue = broker.vhost("/").expect("a vhost").queue(queue).expect("a queue");
    queue.effective_policy().map(|policy| in_a_line(&policy))
}

fn shown_for_exchange(broker: &Broker, exchange: &str) -> Option<String> {
    let exchange = broker.vhost("/").expect("a vhost").exchange(exchange).expect("an exchange");
    exchange.effective_policy().map(|policy| in_a_line(&policy))
}

fn in_a_line(shown: &EffectivePolicy) -> String {
    let name = |name: &Option<Arc<str>>| name.as_deref().unwrap_or("-").to_owned();
    let (policy, operator) = (name(&shown.policy), name(&shown.operator_policy));
    format!("{policy} {operator} {}", shown.definition)
}

async fn declare(peer: &mut Peer, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let declare = queue_declare(queue).durable().args(table(arguments));
    peer.ask(declare, queue_declare_ok(queue, 0, 0)).await;
}

#[tokio::test]
async fn a_policy_applies_to_queues_there_are_and_to_new_ones() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare(&mut peer, "jobs-old", &[]).await;
    declare(&mut peer, "other", &[]).await;
    set(&broker.broker, policy("p", "^jobs", r#"{"max-length": 7}"#)).await;
    declare(&mut peer, "jobs-new", &[]).await;
    for queue in ["jobs-old", "jobs-new"] {
        assert_eq!(rules(&broker.broker, queue).max_length, Some(7), "{queue}");
        let expected = r#"p - {"max-length":7}"#;
        assert_eq!(shown(&broker.broker, queue).as_deref(), Some(expected));
    }
    assert_eq!(*rules(&broker.broker, "other"), Rules::default());
    assert_eq!(shown(&broker.broker, "other"), None);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_policy_that_changes_or_goes_is_followed_at_once() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare(&mut peer, "jobs", &[]).await;
    let first = policy("p", "^jobs", r#"{"max-length": 7}"#);
    assert_eq!(broker.broker.set_policy("/", first).await, Ok(true));
    let second = policy("p", "^jobs", r#"{"message-ttl": 5}"#);
    assert_eq!(broker.broker.set_policy("/", second).await, Ok(false));
    let expected = Rules { message_ttl_ms: Some(5), ..Rules::default() };
    assert_eq!(*rules(&broker.broker, "jobs"), expected);
    // Its pattern leads elsewhere now.
    set(&broker.broker, policy("p", "^other", r#"{"message-ttl": 5}"#)).await;
    assert_eq!(*rules(&broker.broker, "jobs"), Rules::default());
    set(&broker.broker, policy("p", "^jobs", r#"{"message-ttl": 5}"#)).await;
    assert_eq!(*rules(&broker.broker, "jobs"), expected);
    clear(&broker.broker, "p").await;
    assert_eq!(*rules(&broker.broker, "jobs"), Rules::default());
    assert_eq!(shown(&broker.broker, "jobs"), None);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_highest_priority_counts_and_of_equal_ones_the_first_name() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare(&mut peer, "jobs", &[]).await;
    let with_priority = |name, priority, length: u32| {
        let definition = format!(r#"{{"max-length": {length}}}"#);
        with(Scope::User, name, ("jobs", "all", priority), &definition)
    };
    let in_force = || rules(&broker.broker, "jobs").max_length;
    set(&broker.broker, with_priority("b", 0, 2)).await;
    assert_eq!(in_force(), Some(2));
    set(&broker.broker, with_priority("c", 0, 3)).await;
    assert_eq!(in_force(), Some(2), "b comes before c");
    set(&broker.broker, with_priority("a", 0, 1)).await;
    assert_eq!(in_force(), Some(1), "a comes before b");
    set(&broker.broker, with_priority("z", 1, 9)).await;
    assert_eq!(in_force(), Some(9), "nothing is merged, smaller or not");
    set(&broker.broker, with_priority("z", -1, 9)).await;
    assert_eq!(in_force(), Some(1));
    clear(&broker.broker, "a").await;
    clear(&broker.broker, "b").await;
    clear(&broker.broker, "c").await;
    assert_eq!(in_force(), Some(9), "the only one left");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_policy_is_for_the_types_it_names_and_knows() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let quorum = [("x-queue-type", text("quorum"))];
    declare(&mut peer, "q-classic", &[]).await;
    declare(&mut peer, "q-quorum", &quorum).await;
    let both = || {
        let length = |queue| rules(&broker.broker, queue).max_length;
        (length("q-classic"), length("q-quorum"))
    };
    let length = r#"{"max-length": 1}"#;
    for (apply_to, expected) in [
        ("all", (Some(1), Some(1))),
        ("queues", (Some(1), Some(1))),
        ("classic_queues", (Some(1), None)),
        ("quorum_queues", (None, Some(1))),
        ("streams", (None, None)),
        ("exchanges", (None, None)),
    ] {
        set(&broker.broker, with(Scope::User, "p", ("^q-", apply_to, 5), length)).await;
        assert_eq!(both(), expected, "{apply_to}");
    }
    // One that a type does not know does not stand in the way of another.
    let strategy = r#"{"max-length": 2, "dead-letter-strategy": "at-least-once"}"#;
    set(&broker.broker, with(Scope::User, "p", ("^q-", "all", 5), strategy)).await;
    set(&broker.broker, with(Scope::User, "fallback", ("^q-", "all", 0), length)).await;
    assert_eq!(both(), (Some(1), Some(2)));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn arguments_and_policy_come_together() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    let arguments = [
        ("x-message-ttl", int(10)),
        ("x-max-length", int(5)),
        ("x-overflow", text("drop-head")),
        ("x-dead-letter-exchange", text("argument")),
    ];
    declare(&mut peer, "jobs", &arguments).await;
    let definition = r#"{"message-ttl": 20, "max-length": 3, "expires": 900000,
        "overflow": "reject-publish", "dead-letter-exchange": "policy",
        "dead-letter-routing-key": "k", "delivery-limit": 4}"#;
    set(&broker.broker, policy("p", "^jobs$", definition)).await;
    let rules = rules(&broker.broker, "jobs");
    assert_eq!((rules.message_ttl_ms, rules.max_length), (Some(10), Some(3)));
    assert_eq!((rules.expires_ms, rules.overflow), (Some(900_000), Overflow::DropHead));
    let to = rules.dead_letter.as_ref().expect("there is an exchange");
    assert_eq!((&*to.exchange, to.routing_key.as_deref()), ("argument", Some(&b"k"[..])));
    assert_eq!(rules.delivery_limit, Some(4));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_operator_can_only_make_it_less() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare(&mut peer, "jobs", &[("x-expires", int(300_000))]).await;
    let definition = r#"{"message-ttl": 20, "max-length": 3, "overflow": "drop-head"}"#;
    set(&broker.broker, policy("p", "jobs", definition)).await;
    let limits = r#"{"message-ttl": 10, "max-length": 5, "expires": 400000, "overflow":
        "reject-publish", "max-length-bytes": 100}"#;
    set(&broker.broker, operator("limits", "jobs", limits)).await;
    let expected = Rules {
        message_ttl_ms: Some(10),
        max_length: Some(3),
        max_length_bytes: Some(100),
        expires_ms: Some(300_000),
        overflow: Overflow::RejectPublish,
        ..Rules::default()
    };
    assert_eq!(*rules(&broker.broker, "jobs"), expected);
    let merged = concat!(
        r#"p limits {"expires":400000,"max-length":3,"max-length-bytes":100,"#,
        r#""message-ttl":10,"overflow":"reject-publish"}"#
    );
    assert_eq!(shown(&broker.broker, "jobs").as_deref(), Some(merged));
    // The two have names of their own.
    let missing = broker.broker.clear_policy("/", Scope::User, "limits").await;
    assert_eq!(missing, Err(PolicyError::NoPolicy("limits".to_owned())));
    broker.broker.clear_policy("/", Scope::Operator, "limits").await.expect("cleared");
    assert_eq!(rules(&broker.broker, "jobs").max_length_bytes, None);
    assert_eq!(rules(&broker.broker, "jobs").overflow, Overflow::DropHead);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn messages_go_to_the_alternate_exchange_of_a_policy() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    for exchange in ["logs", "own"] {
        let mut arguments = table(&[]);
        if exchange == "own" {
            arguments = table(&[("alternate-exchange", text("amq.direct"))]);
        }
        let declare = exchange_declare(exchange, "direct").args(arguments);
        peer.ask(declare, exchange_declare_ok()).await;
    }
    for (queue, exchange) in [("lost", "amq.fanout"), ("direct", "amq.direct")] {
        declare(&mut peer, queue, &[]).await;
        peer.ask(queue_bind(queue, exchange, "k"), queue_bind_ok()).await;
    }
    // Asked for before and after, so that a route that was looked up does not stay.
    peer.send(publish("logs", "k", b"one").mandatory()).await;
    peer.expect(no_route("logs", "k", b"one")).await;
    let alternate = r#"{"alternate-exchange": "amq.fanout"}"#;
    set(&broker.broker, policy("p", "^(logs|own|late)$", alternate)).await;
    peer.send(publish("logs", "k", b"two").mandatory()).await;
    peer.ask(get_no_ack("lost"), get_ok(1, false, 0, b"two").via("logs", "k")).await;
    // The argument counts before the policy.
    peer.send(publish("own", "k", b"three").mandatory()).await;
    peer.ask(get_no_ack("direct"), get_ok(2, false, 0, b"three").via("own", "k")).await;
    peer.ask(exchange_declare("late", "fanout"), exchange_declare_ok()).await;
    peer.send(publish("late", "k", b"four").mandatory()).await;
    peer.ask(get_no_ack("lost"), get_ok(3, false, 0, b"four").via("late", "k")).await;
    let expected = r#"p - {"alternate-exchange":"amq.fanout"}"#;
    assert_eq!(shown_for_exchange(&broker.broker, "own").as_deref(), Some(expected));
    assert_eq!(shown_for_exchange(&broker.broker, "amq.direct"), None);
    clear(&broker.broker, "p").await;
    peer.send(publish("logs", "k", b"five").mandatory()).await;
    peer.expect(no_route("logs", "k", b"five")).await;
    assert_eq!(shown_for_exchange(&broker.broker, "own"), None);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn predeclared_exchanges_have_policies_but_not_the_default_one() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    declare(&mut peer, "lost", &[]).await;
    peer.ask(queue_bind("lost", "amq.fanout", ""), queue_bind_ok()).await;
    set(&broker.broker, policy("p", "", r#"{"alternate-exchange": "amq.fanout"}"#)).await;
    peer.send(publish("", "missing", b"one").mandatory()).await;
    peer.expect(no_route("", "missing", b"one")).await;
    peer.send(publish("amq.direct", "missing", b"two").mandatory()).await;
    let two = get_ok(1, false, 0, b"two").via("amq.direct", "missing");
    peer.ask(get_no_ack("lost"), two).await;
    broker.stop_and_check().await;
}

/// Sets two that stay and one that goes, with a queue and an exchange that follow them.
async fn prepare(broker: &OwnBroker) {
    let mut peer = broker.peer().await;
    declare(&mut peer, "jobs", &[]).await;
    let logs = exchange_declare("logs", "direct").durable();
    peer.ask(logs, exchange_declare_ok()).await;
    peer.ask(queue_bind("jobs", "amq.fanout", ""), queue_bind_ok()).await;
    let definition = r#"{"max-length": 7, "alternate-exchange": "amq.fanout"}"#;
    let kept = with(Scope::User, "kept", ("^(jobs|logs|amq.topic)$", "all", 3), definition);
    set(&broker.broker, kept).await;
    set(&broker.broker, operator("limits", "^jobs$", r#"{"message-ttl": 60000}"#)).await;
    set(&broker.broker, with(Scope::User, "gone", ("jobs", "all", 9), r#"{"expires": 100000}"#))
        .await;
    clear(&broker.broker, "gone").await;
}

async fn expect_all_of_it(broker: &OwnBroker) {
    let expected = Rules { max_length: Some(7), message_ttl_ms: Some(60_000), ..Rules::default() };
    assert_eq!(*rules(&broker.broker, "jobs"), expected);
    let names = |scope| {
        let policies = broker.broker.policies("/", scope).expect("a vhost");
        policies.iter().map(|policy| policy.name().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(Scope::User), names(Scope::Operator)),
        (vec!["kept".to_owned()], vec!["limits".to_owned()])
    );
    let policies = broker.broker.policies("/", Scope::User).expect("a vhost");
    let kept = policies.first().expect("one");
    assert_eq!((kept.pattern(), kept.priority()), ("^(jobs|logs|amq.topic)$", 3));
    assert_eq!(kept.apply_to().name(), "all");
    let mut peer = broker.peer().await;
    for (tag, exchange) in (1..).zip(["logs", "amq.topic"]) {
        peer.send(publish(exchange, "k", b"one").mandatory()).await;
        peer.ask(get_no_ack("jobs"), get_ok(tag, false, 0, b"one").via(exchange, "k")).await;
    }
}

#[tokio::test]
async fn policies_survive_a_restart() {
    let broker = OwnBroker::start().await;
    prepare(&broker).await;
    let broker = broker.restart().await;
    expect_all_of_it(&broker).await;
    let broker = broker.restart().await;
    expect_all_of_it(&broker).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_policy_that_was_answered_survives_a_crash() {
    let broker = OwnBroker::start().await;
    prepare(&broker).await;
    let broker = broker.crash().await;
    expect_all_of_it(&broker).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let broker = OwnBroker::start().await;
    let nowhere = PolicyError::NoVhost("nowhere".to_owned());
    let length = || policy("p", "", r#"{"max-length": 1}"#);
    assert_eq!(broker.broker.set_policy("nowhere", length()).await, Err(nowhere.clone()));
    let cleared = broker.broker.clear_policy("nowhere", Scope::User, "p").await;
    assert_eq!(cleared, Err(nowhere.clone()));
    assert_eq!(broker.broker.policies("nowhere", Scope::User).err(), Some(nowhere.clone()));
    assert_eq!(nowhere.to_string(), "vhost nowhere not found");
    let missing = broker.broker.clear_policy("/", Scope::User, "p").await;
    assert_eq!(missing.expect_err("missing").to_string(), "policy p not found");
    broker.stop_and_check().await;
}
