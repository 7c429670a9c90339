//! `publish` and `get`.

use std::fs;

use insta::assert_snapshot;

use super::answers::BROKER;
use super::fake::Fake;
use super::run::{ask, in_all_formats, run, transcript};

#[test]
fn what_became_of_a_message_is_said_in_every_format() {
    let fake = Fake::start(BROKER);
    assert_snapshot!(in_all_formats(&fake, &["publish", "--key", "jobs", "hello"]));
}

#[test]
fn messages_have_properties_headers_and_a_count() {
    let fake = Fake::start(BROKER);
    let commands: &[&[&str]] = &[
        &[
            "publish",
            "--exchange",
            "events",
            "--key",
            "k",
            "--persistent",
            "--property",
            "content_type=text/plain",
            "--property",
            "priority=5",
            "--header",
            "n=1",
            "--header",
            "s=\"1\"",
            "x",
        ],
        &["publish", "-k", "jobs", "--count", "2", ""],
        &["publish", "-k", "jobs", "--property", "prority=1", "x"],
        &["publish", "-k", "jobs", "--persistent", "--property", "delivery_mode=1", "x"],
        &["publish", "-k", "jobs"],
    ];
    assert_snapshot!(transcript(&fake, commands));
}

#[test]
fn a_payload_may_be_any_octets() {
    let fake = Fake::start(BROKER);
    let url = fake.url();
    let environment = [("WARREN_URL", url.as_str())];
    let said = run(&["publish", "-k", "jobs", "-"], &environment, b"\xff\x00x");
    assert_eq!(said.code, 0, "{}", said.stderr);
    let request = fake.requests().concat();
    assert!(request.contains(r#""payload":"/wB4","payload_encoding":"base64""#), "{request}");

    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("in");
    fs::write(&file, "from a file").expect("written");
    let file = file.to_str().expect("text");
    assert_eq!(ask(&fake, &["publish", "-k", "jobs", "--file", file]).code, 0);
    let request = fake.requests().concat();
    assert!(request.contains(r#""payload":"from a file","payload_encoding":"string""#));
    assert_eq!(ask(&fake, &["publish", "--file", "/nowhere/file"]).code, 66);
}

#[test]
fn messages_are_looked_at_or_taken() {
    let fake = Fake::start(BROKER);
    assert_snapshot!("get", in_all_formats(&fake, &["get", "jobs", "--count", "2"]));
    let commands: &[&[&str]] = &[
        &["get", "jobs", "--ack", "--format", "plain", "--columns", "payload"],
        &["get", "jobs", "--reject", "--format", "plain", "--columns", "payload"],
        &["get", "jobs", "--requeue", "--format", "plain", "--columns", "payload"],
        &["get", "jobs", "--ack", "--reject"],
        &["get", "jobs", "--count", "0"],
        &["get", "nothing"],
    ];
    assert_snapshot!("get_modes", transcript(&fake, commands));
}

#[test]
fn payloads_are_written_as_they_were_published() {
    let fake = Fake::start(BROKER);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("out");
    let path = file.to_str().expect("text");
    let said = ask(&fake, &["get", "jobs", "--count", "2", "--output", path]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(fs::read(dir.path().join("out.1")).expect("written"), b"hello");
    assert_eq!(fs::read(dir.path().join("out.2")).expect("written"), b"\xff\x00x");
    // What was taken and cannot be written is shown.
    let said = ask(&fake, &["get", "jobs", "--ack", "--output", "/nowhere/file"]);
    assert_eq!(said.code, 73);
    assert!(said.stdout.contains("hello"), "{}", said.stdout);
}
