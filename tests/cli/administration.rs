//! `user`, `permission`, `vhost`, `policy`, `limit`, `parameter`, `close`; what needs no broker.

use insta::assert_snapshot;

use super::answers::BROKER;
use super::fake::Fake;
use super::run::{ask, in_all_formats, run, transcript};

#[test]
fn users_and_permissions_are_administered() {
    let fake = Fake::start(BROKER);
    let commands: &[&[&str]] = &[
        &["user", "list", "--format", "plain"],
        &["user", "add", "bob", "s3cret", "--tags", "monitoring,policymaker"],
        &["user", "add", "bob", "--password-hash", "HASH"],
        &["user", "add", "bob", "--no-password"],
        &["user", "add", "bob"],
        &["user", "add", "bob", "s3cret", "--no-password"],
        &["user", "add", "alice", "s3cret"],
        &["user", "password", "alice", "s3cret"],
        &["user", "tags", "alice", "administrator"],
        &["user", "tags", "alice"],
        &["user", "delete", "alice", "--yes"],
        &["user", "delete", "nobody", "--yes"],
        &["permission", "set", "alice", "", "^x", ".*", "-p", "orders"],
        &["permission", "clear", "alice"],
        &["permission", "set-topic", "alice", "events", "^a", ".*"],
        &["permission", "clear-topic", "alice"],
        &["permission", "list", "--format", "plain"],
    ];
    assert_snapshot!(transcript(&fake, commands));
}

#[test]
fn virtual_hosts_policies_limits_and_parameters_are_administered() {
    let fake = Fake::start(BROKER);
    let commands: &[&[&str]] = &[
        &["vhost", "list", "--format", "plain"],
        &["vhost", "add", "orders", "--description", "d", "--tags", "a,b", "--tracing", "true"],
        &["vhost", "delete", "orders"],
        &["vhost", "protect", "orders"],
        &["vhost", "unprotect", "orders"],
        &["policy", "list", "--format", "plain"],
        &["policy", "set", "short", "^tmp", "message-ttl=60000", "expires=1", "--priority", "-1"],
        &["policy", "set", "short", "^tmp", r#"{"max-length": 1}"#, "--apply-to", "queues"],
        &["policy", "set", "cap", ".*", "max-length=1", "--operator"],
        &["policy", "set", "short", "^tmp", "nonsense"],
        &["policy", "clear", "short"],
        &["limit", "list", "vhost", "--format", "plain"],
        &["limit", "list", "user", "--format", "plain"],
        &["limit", "set", "vhost", "orders", "max-queues", "-1"],
        &["limit", "clear", "user", "alice", "max-channels"],
        &["parameter", "list", "--format", "plain"],
        &["parameter", "set", "federation-upstream", "far", r#"{"uri":"amqp://far"}"#],
        &["parameter", "set-global", "cluster_name", "shop"],
        &["parameter", "clear-global", "cluster_name"],
        &["parameter", "list-global", "--format", "plain"],
        &["close", "connection", "c1", "--reason", "moving"],
        &["close", "user-connections", "alice"],
        &["close", "connection", "c1", "--reason", "two\nlines"],
    ];
    assert_snapshot!(transcript(&fake, commands));
}

#[test]
fn what_was_done_is_said_in_every_format() {
    let fake = Fake::start(BROKER);
    assert_snapshot!(in_all_formats(&fake, &["vhost", "protect", "orders"]));
}

#[test]
fn new_passwords_come_from_files_and_standard_input() {
    let fake = Fake::start(BROKER);
    let url = fake.url();
    let arguments = ["user", "add", "bob", "-"];
    let said = run(&arguments, &[("WARREN_URL", &url)], b"from stdin\n");
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(fake.requests().concat().contains(r#""password":"from stdin""#));
}

#[test]
fn a_password_is_hashed_without_a_broker() {
    let hash = |arguments: &[&str]| run(&[&["hash-password"], arguments].concat(), &[], b"pw\n");
    let (one, two) = (hash(&["pw"]), hash(&["pw"]));
    assert_eq!((one.code, one.stdout.trim_end().len()), (0, 48));
    assert_ne!(one.stdout, two.stdout);
    assert_eq!(hash(&["-", "--algorithm", "sha512"]).stdout.trim_end().len(), 92);
    let json = hash(&["pw", "--format", "json"]).stdout;
    assert!(json.contains(r#""hashing_algorithm":"rabbit_password_hashing_sha256""#), "{json}");
    for format in ["csv", "plain", "table"] {
        assert_eq!(hash(&["pw", "--format", format]).code, 0, "{format}");
    }
    assert_eq!(hash(&[]).code, 2);
    assert_eq!(hash(&["pw", "--algorithm", "md5"]).code, 2);
}

#[test]
fn a_configuration_is_checked_without_a_broker() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("warren.toml");
    std::fs::write(&file, "heartbeat = 7\ndefault-password = 's3cret'\n").expect("written");
    let path = file.to_str().expect("text");
    let arguments = ["check-config", "--config", path, "--format", "plain"];
    let said = run(&arguments, &[("WARREN_CHANNEL_MAX", "9")], b"");
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains(&format!("heartbeat\t7\t{path}:1\n")), "{}", said.stdout);
    assert!(said.stdout.contains("channel-max\t9\tenvironment\n"), "{}", said.stdout);
    assert!(said.stdout.contains("listen\t127.0.0.1:5672\tdefault\n"), "{}", said.stdout);
    assert!(!said.stdout.contains("s3cret"), "{}", said.stdout);

    let said = run(&arguments, &[("WARREN_CHANNEL_MXA", "9"), ("WARREN_URL", "x")], b"");
    assert_eq!(said.code, 1);
    assert_eq!(said.stderr, "warren: WARREN_CHANNEL_MXA in the environment: no such setting\n");
    let said = run(&arguments, &[("WARREN_HEARTBEAT", "often")], b"");
    assert_eq!(said.code, 78);
    assert!(said.stderr.contains("WARREN_HEARTBEAT=often"), "{}", said.stderr);
}

#[test]
fn names_are_encoded_on_their_way() {
    let fake = Fake::start(BROKER);
    for name in ["<script>", "%2f", "a/b?c#d", "é", "..", "a b+c"] {
        assert_eq!(ask(&fake, &["show", "queue", name, "-p", "/"]).code, 4, "{name}");
    }
    let expected = [
        "GET /api/queues/%2F/%3Cscript%3E",
        "GET /api/queues/%2F/%252f",
        "GET /api/queues/%2F/a%2Fb%3Fc%23d",
        "GET /api/queues/%2F/%C3%A9",
        "GET /api/queues/%2F/%2E%2E",
        "GET /api/queues/%2F/a%20b%2Bc",
    ];
    assert_eq!(fake.requests(), expected);
}
