//! `declare`, `bind`, `unbind`, `delete`, `purge`.

use insta::assert_snapshot;

use super::answers::BROKER;
use super::fake::Fake;
use super::run::{ask, in_all_formats, transcript};

#[test]
fn what_is_declared_is_said_in_every_format() {
    let fake = Fake::start(BROKER);
    assert_snapshot!(in_all_formats(&fake, &["declare", "queue", "new"]));
}

#[test]
fn queues_exchanges_and_bindings_come_and_go() {
    let fake = Fake::start(BROKER);
    let commands: &[&[&str]] = &[
        &["declare", "queue", "jobs", "--type", "quorum", "-a", "x-delivery-limit=5"],
        &["declare", "queue", "new", "--durable", "false", "--auto-delete"],
        &["declare", "queue", "new", "--arguments", r#"{"x-expires": 1}"#, "-a", "a=b"],
        &["declare", "exchange", "events", "--type", "topic", "--internal"],
        &["bind", "events", "jobs", "--key", "order.*", "--argument", "x=1"],
        &["bind", "events", "archive", "--to", "exchange"],
        &["unbind", "events", "jobs", "--key", "order.*", "--argument", "x=1", "--yes"],
        &["unbind", "events", "jobs", "--key", "order.*", "--yes"],
        &["delete", "queue", "jobs", "--if-empty", "--if-unused", "--yes"],
        &["delete", "exchange", "events", "-p", "orders"],
        &["purge", "jobs"],
        &["purge", "nothing"],
    ];
    assert_snapshot!(transcript(&fake, commands));
}

#[test]
fn what_makes_no_sense_is_not_asked() {
    let fake = Fake::start(BROKER);
    for arguments in [
        &["declare", "queue", ""][..],
        &["declare", "queue", "q", "-a", "x"],
        &["declare", "queue", "q", "--arguments", "[]"],
        &["declare", "queue", "q", "-a", "x=1", "-a", "x=2"],
        &["declare", "queue", "q", "--type", "quorum", "-a", "x-queue-type=classic"],
        &["declare", "queue", "q", "--durable", "maybe"],
        &["bind", "x"],
        &["bind", "x", "q", "--to", "moon"],
        &["delete", "queue"],
        &["purge", ""],
    ] {
        assert_eq!(ask(&fake, arguments).code, 2, "{arguments:?}");
    }
    assert!(fake.requests().is_empty());
}
