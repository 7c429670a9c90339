//! What a user may do: every operation with every right missing, in its own virtual host and in
//! another; changes on open connections; topic permissions; whose name a message may bear
//! (behaviour 33).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use amq_protocol::protocol::channel::AMQPMethod as ChannelMethod;
use common::*;
use warren::access::Tag;
use warren::broker::{NewPassword, UserUpdate};

/// What a right is for: its place among the patterns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Right {
    Configure,
    Write,
    Read,
}

use Right::{Configure, Read, Write};

impl Right {
    fn name(self) -> &'static str {
        match self {
            Configure => "configure",
            Write => "write",
            Read => "read",
        }
    }
}

/// A right that an operation needs, and the thing that it needs it for.
type Need = (Right, &'static str, &'static str);

/// One row of the table of behaviour 33.2.
struct Operation {
    name: &'static str,
    ask: fn() -> Vec<Outgoing>,
    /// In the order in which they are checked.
    needs: &'static [Need],
    /// Class and method that a refusal blames.
    ids: (u16, u16),
    /// Any one of the rights will do.
    any: bool,
}

const fn operation(
    name: &'static str,
    ask: fn() -> Vec<Outgoing>,
    ids: (u16, u16),
    needs: &'static [Need],
) -> Operation {
    Operation { name, ask, needs, ids, any: false }
}

fn one(what: impl Into<Outgoing>) -> Vec<Outgoing> {
    vec![what.into()]
}

/// Things that are there: queue `jobs`, exchanges `logs` and `audit`; `jobs` and `audit` are bound
/// to `logs`. Others are new.
const OPERATIONS: &[Operation] = &[
    operation(
        "exchange.declare",
        || one(exchange_declare("logs", "fanout")),
        (40, 10),
        &[(Configure, "exchange", "logs")],
    ),
    operation(
        "exchange.declare, new",
        || one(exchange_declare("new-x", "fanout")),
        (40, 10),
        &[(Configure, "exchange", "new-x")],
    ),
    operation(
        "exchange.declare with an alternate exchange",
        || {
            let alternate = table(&[("alternate-exchange", text("audit"))]);
            one(exchange_declare("new-x", "fanout").args(alternate))
        },
        (40, 10),
        &[
            (Configure, "exchange", "new-x"),
            (Read, "exchange", "new-x"),
            (Write, "exchange", "audit"),
        ],
    ),
    operation(
        "exchange.delete",
        || one(exchange_delete("logs")),
        (40, 20),
        &[(Configure, "exchange", "logs")],
    ),
    operation(
        "exchange.delete of none",
        || one(exchange_delete("none-x")),
        (40, 20),
        &[(Configure, "exchange", "none-x")],
    ),
    operation(
        "queue.declare",
        || one(queue_declare("jobs")),
        (50, 10),
        &[(Configure, "queue", "jobs")],
    ),
    operation(
        "queue.declare, new",
        || one(queue_declare("new-q")),
        (50, 10),
        &[(Configure, "queue", "new-q")],
    ),
    operation(
        "queue.declare with a dead-letter exchange",
        || {
            let dead = table(&[("x-dead-letter-exchange", text("audit"))]);
            one(queue_declare("new-q").args(dead))
        },
        (50, 10),
        &[(Configure, "queue", "new-q"), (Read, "queue", "new-q"), (Write, "exchange", "audit")],
    ),
    operation(
        "queue.declare with the default exchange for the dead",
        || one(queue_declare("new-q").args(table(&[("x-dead-letter-exchange", text(""))]))),
        (50, 10),
        &[
            (Configure, "queue", "new-q"),
            (Read, "queue", "new-q"),
            (Write, "exchange", "amq.default"),
        ],
    ),
    operation(
        "queue.delete",
        || one(queue_delete("jobs")),
        (50, 40),
        &[(Configure, "queue", "jobs")],
    ),
    operation(
        "queue.bind",
        || one(queue_bind("jobs", "logs", "k")),
        (50, 20),
        &[(Write, "queue", "jobs"), (Read, "exchange", "logs")],
    ),
    operation(
        "queue.unbind",
        || one(queue_unbind("jobs", "logs", "")),
        (50, 50),
        &[(Write, "queue", "jobs"), (Read, "exchange", "logs")],
    ),
    operation(
        "exchange.bind",
        || one(exchange_bind("audit", "logs", "k")),
        (40, 30),
        &[(Write, "exchange", "audit"), (Read, "exchange", "logs")],
    ),
    operation(
        "exchange.unbind",
        || one(exchange_unbind("audit", "logs", "")),
        (40, 40),
        &[(Write, "exchange", "audit"), (Read, "exchange", "logs")],
    ),
    operation(
        "basic.publish",
        || vec![confirm_select().into(), publish("logs", "", b"one").into()],
        (60, 40),
        &[(Write, "exchange", "logs")],
    ),
    operation(
        "basic.publish to the default exchange",
        || vec![confirm_select().into(), publish("", "jobs", b"one").into()],
        (60, 40),
        &[(Write, "exchange", "amq.default")],
    ),
    operation("basic.get", || one(get_no_ack("jobs")), (60, 70), &[(Read, "queue", "jobs")]),
    operation("basic.consume", || one(consume("jobs", "c")), (60, 20), &[(Read, "queue", "jobs")]),
    operation("queue.purge", || one(queue_purge("jobs")), (50, 30), &[(Read, "queue", "jobs")]),
    Operation {
        name: "queue.declare, passive",
        ask: || one(queue_declare("jobs").passive()),
        needs: &[(Configure, "queue", "jobs"), (Write, "queue", "jobs"), (Read, "queue", "jobs")],
        ids: (50, 10),
        any: true,
    },
    Operation {
        name: "exchange.declare, passive",
        ask: || one(exchange_declare("logs", "fanout").passive()),
        needs: &[
            (Configure, "exchange", "logs"),
            (Write, "exchange", "logs"),
            (Read, "exchange", "logs"),
        ],
        ids: (40, 10),
        any: true,
    },
    operation("basic.qos", || one(qos(1)), (60, 10), &[]),
    operation("basic.cancel", || one(cancel("c")), (60, 30), &[]),
    operation("basic.recover", || one(recover(Requeue::Yes)), (60, 110), &[]),
    operation("tx.select", || one(tx_select()), (90, 10), &[]),
    operation("confirm.select", || one(confirm_select()), (85, 10), &[]),
];

/// Patterns that allow exactly these.
fn only(needs: &[Need]) -> [String; 3] {
    [Configure, Write, Read].map(|right| {
        let names = needs.iter().filter(|need| need.0 == right).map(|need| need.2);
        let names: Vec<_> = names.collect();
        if names.is_empty() { String::new() } else { format!("^({})$", names.join("|")) }
    })
}

/// Patterns that allow everything but that.
fn all_but(missing: Need) -> [String; 3] {
    [Configure, Write, Read].map(|right| {
        let but_one = || format!("^(?!{}$)", missing.2.replace('.', "\\."));
        if right == missing.0 { but_one() } else { ".*".to_owned() }
    })
}

fn refusal(need: Need, vhost: &str) -> String {
    let (right, kind, name) = (need.0.name(), need.1, need.2);
    format!(
        "ACCESS_REFUSED - {right} access to {kind} '{name}' in vhost '{vhost}' refused for user \
         'ann'"
    )
}

/// A broker with two virtual hosts and a user; each case has a virtual host of its own.
struct Table {
    broker: OwnBroker,
    cases: usize,
}

impl Table {
    async fn start() -> Self {
        let broker = OwnBroker::start().await;
        broker.add_vhost("other");
        broker.add_user("ann");
        Self { broker, cases: 0 }
    }

    /// What an operation is answered with these permissions.
    async fn outcome(&mut self, operation: &Operation, patterns: [String; 3]) -> Option<String> {
        self.cases += 1;
        let vhost = &format!("v{}", self.cases);
        self.broker.add_vhost(vhost);
        self.broker.permit(vhost, "guest", [".*"; 3]);
        let mut owner = self.broker.peer_with(Hello::of("guest", vhost)).await;
        owner.declare("jobs").await;
        for exchange in ["logs", "audit"] {
            owner.ask(exchange_declare(exchange, "fanout"), exchange_declare_ok()).await;
        }
        owner.ask(queue_bind("jobs", "logs", ""), queue_bind_ok()).await;
        owner.ask(exchange_bind("audit", "logs", ""), exchange_bind_ok()).await;

        let [configure, write, read] = &patterns;
        self.broker.permit(vhost, "ann", [configure, write, read]);
        let mut peer = self.broker.peer_with(Hello::of("ann", vhost)).await;
        let mut refused = None;
        for what in (operation.ask)() {
            peer.send(what).await;
            let came = peer.next(1, operation.name).await;
            if let Item::Method(AMQPClass::Channel(ChannelMethod::Close(close))) = came {
                assert_eq!((close.class_id, close.method_id), operation.ids);
                assert_eq!(close.reply_code, 403, "{}", operation.name);
                let text = close.reply_text.to_string();
                refused = Some(text.replace(&format!("'{vhost}'"), "'v'"));
            }
        }
        self.broker.node().delete_vhost(vhost).expect("deleted");
        refused
    }
}

#[tokio::test]
async fn every_operation_needs_its_rights_and_no_others() {
    let mut table = Table::start().await;
    for operation in OPERATIONS {
        let name = operation.name;
        if operation.any {
            for need in operation.needs {
                assert_eq!(table.outcome(operation, only(&[*need])).await, None, "{name}");
            }
            let first = operation.needs.first().expect("some");
            let refused = table.outcome(operation, only(&[])).await;
            assert_eq!(refused, Some(refusal(*first, "v")), "{name}");
            continue;
        }
        assert_eq!(table.outcome(operation, only(operation.needs)).await, None, "{name}");
        for need in operation.needs {
            let refused = table.outcome(operation, all_but(*need)).await;
            assert_eq!(refused, Some(refusal(*need, "v")), "{name}");
        }
        // What is checked first is what is told.
        let expected = operation.needs.first().map(|need| refusal(*need, "v"));
        assert_eq!(table.outcome(operation, only(&[])).await, expected, "{name}");
    }
    table.broker.stop_and_check().await;
}

#[tokio::test]
async fn rights_in_another_vhost_are_of_no_use() {
    let mut table = Table::start().await;
    table.broker.permit("other", "ann", [".*"; 3]);
    for operation in OPERATIONS.iter().filter(|operation| !operation.needs.is_empty()) {
        let expected = operation.needs.first().map(|need| refusal(*need, "v"));
        let refused = table.outcome(operation, only(&[])).await;
        assert_eq!(refused, expected, "{}", operation.name);
    }
    table.broker.stop_and_check().await;
}

#[tokio::test]
async fn a_vhost_without_a_permission_is_closed() {
    let broker = OwnBroker::start().await;
    broker.add_vhost("v");
    broker.add_free_user("ann", "/");
    let mut peer = broker.raw().await;
    peer.ask_in(Hello::of("ann", "v")).await;
    let text = "NOT_ALLOWED - access to vhost 'v' refused for user 'ann'";
    peer.expect_connection_close(530, text, (10, 40)).await;
    let mut peer = broker.raw().await;
    peer.ask_in(Hello::of("ann", "nowhere")).await;
    peer.expect_connection_close(530, "NOT_ALLOWED - vhost nowhere not found", (10, 40)).await;
    // A permission for nothing is one.
    broker.permit("v", "ann", ["", "", ""]);
    broker.peer_with(Hello::of("ann", "v")).await.close().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn names_that_the_broker_gives_need_the_right_too() {
    let broker = OwnBroker::start().await;
    broker.add_user("ann");
    broker.permit("/", "ann", ["^mine", ".*", ".*"]);
    let mut peer = broker.peer_with(Hello::of("ann", "/")).await;
    peer.send(queue_declare("")).await;
    let Item::Method(AMQPClass::Channel(ChannelMethod::Close(close))) = peer.next(1, "403").await
    else {
        panic!("no close");
    };
    let text = close.reply_text.as_str();
    assert!(text.starts_with("ACCESS_REFUSED - configure access to queue 'amq.gen-"), "{text}");
    broker.permit("/", "ann", ["^amq\\.gen", "", ""]);
    let mut peer = broker.peer_with(Hello::of("ann", "/")).await;
    peer.send(queue_declare("")).await;
    assert!(matches!(peer.next(1, "declare-ok").await, Item::Method(AMQPClass::Queue(_))));
    broker.stop_and_check().await;
}

// Changes on open connections

#[tokio::test]
async fn a_publisher_loses_its_right_at_once() {
    let broker = OwnBroker::start().await;
    broker.add_free_user("ann", "/");
    let mut peer = broker.peer_with(Hello::of("ann", "/")).await;
    peer.declare("jobs").await;
    peer.ask(confirm_select(), confirm_select_ok()).await;
    // Twice, so that the route is remembered.
    for tag in 1..=2 {
        peer.send(publish("", "jobs", b"one")).await;
        peer.expect(ack(tag)).await;
    }
    broker.permit("/", "ann", [".*", "^other$", ".*"]);
    peer.send(publish("", "jobs", b"two")).await;
    let text = "ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for \
                user 'ann'";
    peer.expect_channel_close(403, text, (60, 40)).await;
    // And has it again.
    broker.permit("/", "ann", [".*", "^amq\\.default$", ".*"]);
    peer.open_channel(1).await;
    peer.send(publish("", "jobs", b"three")).await;
    peer.expect_counts("jobs", 3, 0).await;
    // The permission is gone altogether: the connection stays, and may do nothing.
    broker.node().clear_permission("/", "ann").expect("cleared");
    peer.send(publish("", "jobs", b"four")).await;
    peer.expect_channel_close(403, text, (60, 40)).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_consumer_ends_with_its_right_to_read() {
    let broker = OwnBroker::start().await;
    broker.add_free_user("ann", "/");
    let mut peer = broker.peer_with(Hello::of("ann", "/")).await;
    for queue in ["jobs", "mine"] {
        peer.declare(queue).await;
        peer.ask(consume(queue, queue), consume_ok(queue)).await;
    }
    broker.permit("/", "ann", ["", ".*", "^mine$"]);
    peer.expect(cancel_nowait("jobs")).await;
    for queue in ["jobs", "mine"] {
        peer.send(publish("", queue, b"one")).await;
    }
    peer.expect(deliver("mine", 1, false, b"one")).await;
    let mut guest = broker.peer().await;
    guest.expect_counts("jobs", 1, 0).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn who_is_deleted_is_closed_out() {
    let broker = OwnBroker::start().await;
    broker.add_free_user("ann", "/");
    broker.add_free_user("bob", "/");
    let mut ann = broker.peer_with(Hello::of("ann", "/")).await;
    let mut bob = broker.peer_with(Hello::of("bob", "/")).await;
    broker.node().delete_user("ann").expect("deleted");
    ann.expect_connection_close(320, "CONNECTION_FORCED - user 'ann' is deleted", (0, 0)).await;
    bob.pass_a_message().await;
    assert_eq!(broker.node().connections_of("ann"), (0, 0));
    assert!(broker.node().access.permission("/", "ann").is_none());
    // A new user of that name has nothing of the old one.
    broker.add_user("ann");
    let mut peer = broker.raw().await;
    peer.ask_in(Hello::of("ann", "/")).await;
    let text = "NOT_ALLOWED - access to vhost '/' refused for user 'ann'";
    peer.expect_connection_close(530, text, (10, 40)).await;
    broker.stop_and_check().await;
}

// Topic permissions

#[tokio::test]
async fn keys_of_topic_exchanges_are_checked() {
    let broker = OwnBroker::start().await;
    broker.add_free_user("ann", "/");
    let node = broker.node();
    let set = node.set_topic_permission("/", "ann", "amq.topic", "^{username}\\.", "^news\\.");
    assert_eq!(set, Ok(true));
    let mut peer = broker.peer_with(Hello::of("ann", "/")).await;
    peer.declare("jobs").await;
    peer.ask(queue_bind("jobs", "amq.topic", "news.#"), queue_bind_ok()).await;
    peer.ask(queue_bind("jobs", "amq.direct", "anything"), queue_bind_ok()).await;
    peer.send(publish("amq.topic", "ann.1", b"one")).await;
    peer.send(publish("amq.direct", "bob.1", b"one")).await;
    peer.expect_nothing_until_reply().await;

    let refused = |right, key| {
        format!(
            "ACCESS_REFUSED - {right} access to topic '{key}' in exchange 'amq.topic' in vhost '/' \
             refused for user 'ann'"
        )
    };
    let copies = |keys: &[&str]| headers(&[("CC", texts(keys))]);
    for (message, key) in [
        (publish("amq.topic", "bob.1", b"two"), "bob.1"),
        (publish("amq.topic", "ann.1", b"two").with(copies(&["ann.2", "bob.2"])), "bob.2"),
        (
            publish("amq.topic", "ann.1", b"two").with(headers(&[("BCC", texts(&["bob.3"]))])),
            "bob.3",
        ),
    ] {
        peer.send(message).await;
        peer.expect_channel_close(403, &refused("write", key), (60, 40)).await;
        peer.open_channel(1).await;
    }
    peer.send(queue_bind("jobs", "amq.topic", "ann.#")).await;
    peer.expect_channel_close(403, &refused("read", "ann.#"), (50, 20)).await;
    peer.open_channel(1).await;
    peer.send(queue_unbind("jobs", "amq.topic", "ann.#")).await;
    peer.expect_channel_close(403, &refused("read", "ann.#"), (50, 50)).await;
    peer.open_channel(1).await;
    peer.send(exchange_bind("amq.fanout", "amq.topic", "x")).await;
    peer.expect_channel_close(403, &refused("read", "x"), (40, 30)).await;
    peer.open_channel(1).await;

    // Without the permission all keys are free, on the open connection too.
    node.clear_topic_permission("/", "ann", Some("amq.topic")).expect("cleared");
    peer.send(publish("amq.topic", "bob.1", b"three")).await;
    peer.ask(queue_bind("jobs", "amq.topic", "ann.#"), queue_bind_ok()).await;
    // And taken again, though the route is remembered.
    node.set_topic_permission("/", "ann", "amq.topic", "^no$", "").expect("set");
    peer.send(publish("amq.topic", "bob.1", b"four")).await;
    peer.expect_channel_close(403, &refused("write", "bob.1"), (60, 40)).await;
    broker.stop_and_check().await;
}

// Whose name a message bears

#[tokio::test]
async fn an_impersonator_may_publish_in_anybodys_name() {
    let broker = OwnBroker::start().await;
    broker.add_free_user("ann", "/");
    let mut peer = broker.peer_with(Hello::of("ann", "/")).await;
    peer.declare("jobs").await;
    let as_bob = || {
        let properties = BasicProperties::default().with_user_id("bob".into());
        publish("", "jobs", b"one").with(properties)
    };
    peer.send(as_bob()).await;
    let text = "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was \
                'ann'";
    peer.expect_channel_close(406, text, (60, 40)).await;
    let tag = |tag: &str| UserUpdate {
        name: "ann".to_owned(),
        password: NewPassword::Keep,
        tags: Some(vec![Tag::from_name(tag)]),
    };
    assert_eq!(broker.node().set_user(tag("impersonator")), Ok(false));
    peer.open_channel(1).await;
    peer.send(as_bob()).await;
    peer.expect_counts("jobs", 1, 0).await;
    assert_eq!(broker.node().set_user(tag("administrator")), Ok(false));
    peer.send(as_bob()).await;
    peer.expect_channel_close(406, text, (60, 40)).await;
    broker.stop_and_check().await;
}
