//! Users and virtual hosts: who gets in, how many connections, channels and queues there may be,
//! what is there after a restart, and the end of a virtual host (behaviour 4.5, 4.6, 4.9, 8.2,
//! 37.6).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::*;
use warren::access::{PasswordHash, Tag, UserLimit};
use warren::broker::{ChangeError, NewPassword, UserUpdate};
use warren::config::Secret;
use warren::queue::QueueKind;
use warren::store::{Definition, DumpOptions, dump};
use warren::vhost::{VhostLimit, VhostMetadata};

fn update(name: &str, password: NewPassword) -> UserUpdate {
    UserUpdate { name: name.to_owned(), password, tags: None }
}

async fn expect_login_refused(broker: &OwnBroker, user: &str, password: &str) {
    let mut peer = broker.raw().await;
    peer.greet().await;
    let response = format!("\0{user}\0{password}");
    peer.send_on(0, start_ok("PLAIN", response.as_bytes())).await;
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For \
                details see the broker logfile.";
    peer.expect_connection_close(403, text, (0, 0)).await;
}

async fn expect_open_refused(broker: &OwnBroker, hello: Hello, text: &str) {
    let mut peer = broker.raw().await;
    peer.ask_in(hello).await;
    peer.expect_connection_close(530, text, (10, 40)).await;
}

// Logins

#[tokio::test]
async fn every_kind_of_hash_lets_its_password_in() {
    let broker = OwnBroker::start().await;
    let bcrypt = PasswordHash::parse(None, BCRYPT_OF_SECRET).expect("a hash");
    let sha256 = PasswordHash::parse(None, "q83vAefOSFd4y4Ed34U6m6hr5D6zj91MFvK/nHDa8DHhW+fE");
    for (name, password, hash) in
        [("sha256", "guest", sha256.expect("a hash")), ("bcrypt", "secret", bcrypt)]
    {
        assert_eq!(broker.node().set_user(update(name, NewPassword::Hash(hash))), Ok(true));
        broker.permit("/", name, [".*"; 3]);
        expect_login_refused(&broker, name, "wrong").await;
        expect_login_refused(&broker, name, "").await;
        let user = (name.to_owned(), password.to_owned());
        broker.peer_with(Hello { user, ..Hello::default() }).await.close().await;
    }
    broker.stop_and_check().await;
}

/// Made with cost 4, the least.
const BCRYPT_OF_SECRET: &str = "$2b$04$cWP7Euy2cqmrJOrrYAPtLusIFl7eCV8WO32KgY4Kpuii7iJI3bOXq";

/// CVE-2016-9877: an empty password was as good as the right one.
#[tokio::test]
async fn who_has_no_password_or_is_nobody_does_not_get_in() {
    let broker = OwnBroker::start().await;
    assert_eq!(broker.node().set_user(update("card", NewPassword::Remove)), Ok(true));
    for (user, password) in [("card", ""), ("card", "card"), ("nobody", "guest"), ("", "")] {
        expect_login_refused(&broker, user, password).await;
    }
    let empty = broker.node().set_user(update("ann", NewPassword::Plain(String::new())));
    let text = "a password must not be empty".to_owned();
    assert_eq!(empty, Err(ChangeError::Invalid(text)));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_new_password_counts_from_the_next_login_on() {
    let broker = OwnBroker::start().await;
    broker.add_free_user("ann", "/");
    let mut peer = broker.peer_with(Hello::of("ann", "/")).await;
    let new = update("ann", NewPassword::Plain("new".to_owned()));
    assert_eq!(broker.node().set_user(new), Ok(false));
    expect_login_refused(&broker, "ann", "ann").await;
    let user = ("ann".to_owned(), "new".to_owned());
    broker.peer_with(Hello { user, ..Hello::default() }).await.close().await;
    peer.pass_a_message().await;
    broker.stop_and_check().await;
}

/// An attacker measures many times; this measures often enough to see a difference of three times,
/// which a login without any hashing would make.
#[tokio::test]
async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    const ROUNDS: usize = 40;
    let broker = OwnBroker::start_with(|config| config.default_user = "only".to_owned()).await;
    let hash = PasswordHash::parse(None, SLOW_BCRYPT).expect("a hash");
    assert_eq!(broker.node().set_user(update("only", NewPassword::Hash(hash))), Ok(false));
    let access = &broker.node().access;
    let median = |name: &[u8]| {
        let mut times: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                assert!(access.login(name, b"wrong", true).is_err());
                begun.elapsed()
            })
            .collect();
        times.sort();
        times.get(ROUNDS / 2).copied().expect("measured")
    };
    let (known, unknown) = (median(b"only"), median(b"nobody"));
    assert!(known > Duration::from_millis(1), "{known:?}: slow enough to be measured");
    assert!(unknown * 3 > known && known * 3 > unknown, "{known:?} and {unknown:?}");
    broker.stop_and_check().await;
}

/// Of cost 8: some 10 ms.
const SLOW_BCRYPT: &str = "$2b$08$abcdefghijklmnopqrstuuKxCcvB7KZ7.BpDoK0bh6qM7Dl1/xiJa";

#[tokio::test]
async fn the_first_user_is_a_setting() {
    let broker = OwnBroker::start_with(|config| {
        config.default_user = "root".to_owned();
        config.default_password = Secret::new("fine words");
    })
    .await;
    expect_login_refused(&broker, "guest", "guest").await;
    let user = ("root".to_owned(), "fine words".to_owned());
    let mut peer = broker.peer_with(Hello { user, ..Hello::default() }).await;
    peer.pass_a_message().await;
    let root = broker.node().access.user("root").expect("there");
    assert_eq!(root.tags, [Tag::Administrator]);
    // The next start has a user already, whatever it is told: the settings are the usual ones.
    let broker = broker.restart().await;
    assert!(broker.node().access.user("guest").is_none());
    assert_eq!(broker.node().access.user_count(), 1);
    broker.stop_and_check().await;
}

// Limits

#[tokio::test]
async fn connections_are_limited_per_vhost_and_per_user() {
    let broker = OwnBroker::start().await;
    broker.add_vhost("v");
    broker.add_free_user("ann", "v");
    broker.permit("/", "ann", [".*"; 3]);
    let node = broker.node();
    node.set_vhost_limit("v", VhostLimit::MaxConnections, 1).expect("set");
    let first = broker.peer_with(Hello::of("ann", "v")).await;
    let text = "NOT_ALLOWED - access to vhost 'v' refused for user 'ann': connection limit (1) is \
                reached";
    expect_open_refused(&broker, Hello::of("ann", "v"), text).await;
    // Another virtual host has room, until the user is limited too.
    let second = broker.peer_with(Hello::of("ann", "/")).await;
    node.set_user_limit("ann", UserLimit::MaxConnections, 2).expect("set");
    let text = "NOT_ALLOWED - connection refused for user 'ann': user connection limit (2) is \
                reached";
    expect_open_refused(&broker, Hello::of("ann", "/"), text).await;
    second.close().await;
    let third = broker.peer_with(Hello::of("ann", "/")).await;
    first.close().await;
    let fourth = broker.peer_with(Hello::of("ann", "v")).await;
    assert_eq!(node.connections_of("ann"), (2, 2));
    // Negative is no limit, and zero is one.
    node.set_user_limit("ann", UserLimit::MaxConnections, -1).expect("set");
    broker.peer_with(Hello::of("ann", "/")).await.close().await;
    node.set_vhost_limit("v", VhostLimit::MaxConnections, 0).expect("set");
    let text = "NOT_ALLOWED - access to vhost 'v' refused for user 'ann': connection limit (0) is \
                reached";
    expect_open_refused(&broker, Hello::of("ann", "v"), text).await;
    node.clear_vhost_limit("v", VhostLimit::MaxConnections).expect("cleared");
    broker.peer_with(Hello::of("ann", "v")).await.close().await;
    third.close().await;
    fourth.close().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn channels_are_limited_per_user_over_all_connections() {
    let broker = OwnBroker::start().await;
    broker.add_free_user("ann", "/");
    let node = broker.node();
    node.set_user_limit("ann", UserLimit::MaxChannels, 2).expect("set");
    let mut first = broker.peer_with(Hello::of("ann", "/")).await;
    let mut second = broker.peer_with(Hello::of("ann", "/")).await;
    let text = "NOT_ALLOWED - number of channels opened for user 'ann' has reached the maximum \
                allowed user limit of (2)";
    first.send_on(2, channel_open()).await;
    first.expect_connection_close(530, text, (0, 0)).await;
    // Its channels are free again, one by one too.
    second.open_channel(2).await;
    second.close_channel(1).await;
    second.open_channel(3).await;
    assert_eq!(node.connections_of("ann"), (1, 2));
    // A channel that the broker closes is free too.
    second.send_on(3, queue_declare("nowhere").passive()).await;
    let text = "NOT_FOUND - no queue 'nowhere' in vhost '/'";
    second.expect_on(3, close_of_channel(404, text, (50, 10))).await;
    second.open_channel(4).await;
    node.clear_user_limit("ann", UserLimit::MaxChannels).expect("cleared");
    second.open_channel(5).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn queues_are_limited_per_vhost() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.declare("one").await;
    broker.node().set_vhost_limit("/", VhostLimit::MaxQueues, 2).expect("set");
    peer.declare("two").await;
    peer.ask(queue_declare("one"), queue_declare_ok("one", 0, 0)).await;
    peer.send(queue_declare("three")).await;
    let text = "PRECONDITION_FAILED - cannot declare queue 'three': queue limit in vhost '/' (2) \
                is reached";
    peer.expect_channel_close(406, text, (50, 10)).await;
    peer.open_channel(1).await;
    peer.ask(queue_delete("one"), queue_delete_ok(0)).await;
    peer.declare("three").await;
    broker.stop_and_check().await;
}

// Virtual hosts

fn metadata(kind: Option<QueueKind>) -> VhostMetadata {
    VhostMetadata {
        description: "for tests".into(),
        tags: vec!["a".into(), "b".into()],
        default_queue_type: kind,
        tracing: true,
    }
}

#[tokio::test]
async fn queues_that_ask_for_no_type_get_the_vhosts() {
    let broker = OwnBroker::start().await;
    assert_eq!(broker.node().create_vhost("v", metadata(Some(QueueKind::Quorum))), Ok(true));
    broker.permit("v", "guest", [".*"; 3]);
    let mut peer = broker.peer_with(Hello::of("guest", "v")).await;
    let kind = |name: &str| {
        let queue = broker.broker.vhost("v").expect("a vhost").queue(name).expect("a queue");
        queue.spec().options.nature.kind
    };
    let durable = |name| queue_declare(name).durable();
    peer.ask(durable("plain"), queue_declare_ok("plain", 0, 0)).await;
    assert_eq!(kind("plain"), QueueKind::Quorum);
    // Declared again it is the same, also when it says what it is.
    peer.ask(durable("plain"), queue_declare_ok("plain", 0, 0)).await;
    let says = |kind| table(&[("x-queue-type", text(kind))]);
    peer.ask(durable("plain").args(says("quorum")), queue_declare_ok("plain", 0, 0)).await;
    peer.ask(durable("old").args(says("classic")), queue_declare_ok("old", 0, 0)).await;
    assert_eq!(kind("old"), QueueKind::Classic);
    // What no quorum queue can be is classic.
    peer.declare("transient").await;
    assert_eq!(kind("transient"), QueueKind::Classic);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_deleted_vhost_leaves_nothing() {
    let broker = OwnBroker::start().await;
    let before = broker.broker.store().definitions().len();
    broker.add_vhost("v");
    broker.add_free_user("ann", "v");
    broker.permit("v", "guest", [".*"; 3]);
    broker.node().set_topic_permission("v", "ann", "amq.topic", "a", "b").expect("set");
    let policy = warren::policy::Policy::new(
        warren::policy::Scope::User,
        "p",
        (".*", "all", 0),
        r#"{"max-length": 7}"#,
    );
    broker.broker.set_policy("v", policy.expect("sound")).await.expect("set");
    let mut peer = broker.peer_with(Hello::of("ann", "v")).await;
    let mut other = broker.peer().await;
    let declare = queue_declare("jobs").durable();
    peer.ask(declare, queue_declare_ok("jobs", 0, 0)).await;
    let declare = queue_declare("mine").exclusive();
    peer.ask(declare, queue_declare_ok("mine", 0, 0)).await;
    peer.ask(exchange_declare("logs", "topic").durable(), exchange_declare_ok()).await;
    peer.ask(queue_bind("jobs", "logs", "#"), queue_bind_ok()).await;
    peer.send(publish("logs", "k", b"one").persistent()).await;
    peer.ask(consume("jobs", "c"), consume_ok("c")).await;
    peer.expect(deliver("c", 1, false, b"one")).await;

    let vhost = broker.broker.vhost("v").expect("there");
    broker.node().delete_vhost("v").expect("deleted");
    let text = "CONNECTION_FORCED - vhost 'v' is deleted";
    peer.expect_on(0, close_of_connection(320, text, (0, 0))).await;
    assert!(vhost.queue("jobs").is_err() && vhost.exchange("amq.topic").is_err());
    drop(vhost);
    other.pass_a_message().await;
    let text = "NOT_ALLOWED - vhost v not found";
    expect_open_refused(&broker, Hello::of("ann", "v"), text).await;
    assert_eq!(broker.node().delete_vhost("v"), Err(ChangeError::NoVhost("v".to_owned())));
    broker.node().definitions_on_disk().await;
    // The user is what is left.
    assert_eq!(broker.broker.store().definitions().len(), before + 1);
    // One of that name has nothing of the old one.
    broker.add_vhost("v");
    let vhost = broker.broker.vhost("v").expect("there");
    assert!(vhost.queue("jobs").is_err() && vhost.exchange("logs").is_err());
    // Whatever still held on to the deleted one would hold on to the store, too.
    drop(vhost);
    let broker = broker.restart().await;
    let vhost = broker.broker.vhost("v").expect("there");
    assert!(vhost.queue("jobs").is_err() && vhost.policies(warren::policy::Scope::User).is_empty());
    assert!(broker.node().access.permission("v", "ann").is_none());
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_protected_vhost_stays() {
    let broker = OwnBroker::start().await;
    broker.add_vhost("v");
    broker.node().protect_vhost("v", true).expect("set");
    let refused = broker.node().delete_vhost("v");
    let text = "vhost 'v' is protected from deletion".to_owned();
    assert_eq!(refused, Err(ChangeError::Refused(text)));
    broker.node().protect_vhost("v", false).expect("set");
    assert_eq!(broker.node().delete_vhost("v"), Ok(()));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_first_vhost_stays_deleted() {
    let broker = OwnBroker::start().await;
    broker.add_vhost("v");
    broker.node().delete_vhost("/").expect("deleted");
    broker.node().definitions_on_disk().await;
    let broker = broker.restart().await;
    let names: Vec<_> = broker.node().vhosts().iter().map(|v| v.name().to_string()).collect();
    assert_eq!(names, ["v"]);
    broker.stop_and_check().await;
}

// What is kept

#[tokio::test]
async fn all_of_it_is_there_after_a_restart_and_after_a_crash() {
    let broker = OwnBroker::start().await;
    let node = broker.node();
    assert_eq!(node.create_vhost("v", metadata(Some(QueueKind::Classic))), Ok(true));
    node.set_vhost_limit("v", VhostLimit::MaxQueues, 7).expect("set");
    node.protect_vhost("v", true).expect("set");
    let tags = vec![Tag::Monitoring, Tag::Other("team".into())];
    let password = NewPassword::Plain("ann".to_owned());
    let ann = UserUpdate { name: "ann".to_owned(), password, tags: Some(tags) };
    assert_eq!(node.set_user(ann), Ok(true));
    node.set_user_limit("ann", UserLimit::MaxChannels, 9).expect("set");
    broker.permit("v", "ann", ["^a", "", ".*"]);
    node.set_topic_permission("v", "ann", "amq.topic", "^{username}", "").expect("set");
    node.set_global_parameter("cluster_name", r#""mine""#).expect("set");
    node.set_global_parameter("gone", "{}").expect("set");
    node.clear_global_parameter("gone").expect("cleared");
    broker.add_free_user("bob", "v");
    node.delete_user("bob").expect("deleted");
    node.definitions_on_disk().await;
    let said = |broker: &OwnBroker| {
        let node = broker.node();
        let users = node.access.users();
        let permissions: Vec<_> = node.access.permissions().iter().map(show_permission).collect();
        let topics: Vec<_> = node.access.topic_permissions().iter().map(show_topic).collect();
        let vhosts: Vec<_> = node.vhosts().iter().map(|v| v.settings()).collect();
        (users, permissions, topics, vhosts, node.global_parameters(), node.cluster_name())
    };
    let before = said(&broker);
    assert_eq!(before.1, ["/ guest .* .* .*", "v ann ^a  .*"]);
    assert_eq!(before.2, ["v ann amq.topic ^{username} "]);
    assert_eq!(before.5.as_deref(), Some("mine"));
    let broker = broker.crash().await;
    assert_eq!(said(&broker), before);
    let broker = broker.restart().await;
    assert_eq!(said(&broker), before);
    broker.peer_with(Hello::of("ann", "v")).await.close().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_dump_shows_users_and_no_hashes() {
    let broker = OwnBroker::start().await;
    broker.add_free_user("ann", "/");
    let hashes: Vec<_> =
        broker.node().access.users().iter().filter_map(|u| u.password.clone()).collect();
    let data = broker.stop_and_keep().await;
    let options = DumpOptions { records: true, messages: true, queue: None };
    let mut out = Vec::new();
    dump(data.path(), &options, &mut out).expect("written");
    let shown = String::from_utf8(out).expect("text");
    assert!(shown.contains("user 'ann' value=(hidden)"), "{shown}");
    assert!(shown.contains("permission of user 'ann' in vhost '/'"), "{shown}");
    assert_eq!(hashes.len(), 2);
    for hash in hashes {
        assert!(!shown.contains(&hash.text()), "{shown}");
    }
}

fn show_permission(entry: &warren::access::Entry<warren::access::Permission>) -> String {
    let what = &entry.what;
    let (configure, write, read) = (what.configure.text(), what.write.text(), what.read.text());
    format!("{} {} {configure} {write} {read}", entry.vhost, entry.user)
}

fn show_topic(entry: &warren::access::Entry<warren::access::TopicPermission>) -> String {
    let what = &entry.what;
    let (write, read) = (what.write.text(), what.read.text());
    format!("{} {} {} {write} {read}", entry.vhost, entry.user, what.exchange)
}

/// What an older warren has left: queues, and no users.
#[tokio::test]
async fn a_directory_from_before_there_were_users_gets_the_first_one() {
    let broker = OwnBroker::start().await;
    let mut peer = broker.peer().await;
    peer.ask(queue_declare("jobs").durable(), queue_declare_ok("jobs", 0, 0)).await;
    peer.send(publish("", "jobs", b"one").persistent()).await;
    peer.expect_counts("jobs", 1, 0).await;
    broker.node().delete_vhost("nothing").expect_err("there is none");
    for definition in broker.broker.store().definitions() {
        let is_new = matches!(
            definition,
            Definition::User(_) | Definition::Permission(_) | Definition::VirtualHost(_)
        );
        if is_new {
            let wakes = &mut warren::outbox::Wakes::default();
            broker.broker.store().forget(definition.key(), None, wakes);
        }
    }
    let broker = broker.restart().await;
    let mut peer = broker.peer().await;
    peer.expect_counts("jobs", 1, 0).await;
    let broker = broker.restart().await;
    broker.peer().await.expect_counts("jobs", 1, 0).await;
    broker.stop_and_check().await;
}

// What makes no sense

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let broker = OwnBroker::start().await;
    let node = broker.node();
    let long = "x".repeat(256);
    let invalid = |result: Result<bool, ChangeError>| match result {
        Err(ChangeError::Invalid(text)) => text,
        other => panic!("{other:?}"),
    };
    for name in ["", &long] {
        let text = invalid(node.set_user(update(name, NewPassword::Keep)));
        assert!(text.starts_with("the name of a user "), "{text}");
        let text = invalid(node.create_vhost(name, VhostMetadata::default()));
        assert!(text.starts_with("the name of a vhost "), "{text}");
        let text = invalid(node.set_global_parameter(name, "1"));
        assert!(text.starts_with("the name of a global parameter "), "{text}");
    }
    let text = invalid(node.set_permission("/", "guest", "(", "", ""));
    assert!(text.starts_with("invalid regular expression '('"), "{text}");
    let text = invalid(node.set_topic_permission("/", "guest", "x", "", "["));
    assert!(text.starts_with("invalid regular expression '['"), "{text}");
    assert_eq!(invalid(node.set_global_parameter("p", "{")), "global parameter 'p' is not JSON");
    let large = format!("\"{}\"", "x".repeat(32 * 1024));
    let text = invalid(node.set_global_parameter("p", &large));
    assert_eq!(text, "global parameter 'p' has 32770 octets, more than 32768");
    let no_user = Err(ChangeError::NoUser("nobody".to_owned()));
    assert_eq!(node.set_permission("/", "nobody", "", "", ""), no_user);
    let no_vhost = Err(ChangeError::NoVhost("nowhere".to_owned()));
    assert_eq!(node.set_permission("nowhere", "guest", "", "", ""), no_vhost);
    assert!(matches!(node.delete_user("nobody"), Err(ChangeError::NoUser(_))));
    assert!(matches!(node.clear_permission("/", "nobody"), Err(ChangeError::NoUser(_))));
    assert!(matches!(
        node.clear_topic_permission("/", "guest", None),
        Err(ChangeError::NotFound(_))
    ));
    assert_eq!(node.access.user_count(), 1);
    assert_eq!(node.vhosts().len(), 1);
    assert!(node.global_parameters().is_empty());
    broker.stop_and_check().await;
}
