//! What goes wrong, in one line and one number; where options come from; `--help`.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use super::answers::{BROKER, REFUSING};
use super::fake::Fake;
use super::run::{ask, run, transcript};

#[test]
fn refusals_have_words_and_numbers() {
    let fake = Fake::start(REFUSING);
    let commands: &[&[&str]] = &[
        &["list", "users"],
        &["declare", "queue", "jobs", "--durable", "false"],
        &["vhost", "protect", "orders"],
        &["vhost", "delete", "orders", "--yes"],
        &["show", "overview"],
        &["show", "node"],
        &["list", "bindings"],
        &["list", "consumers"],
        &["list", "exchanges", "-p", "nowhere"],
        &["show", "queue"],
        &["show", "overview", "x"],
        &["list", "nothing"],
        &["--url", "amqp://h", "list", "queues"],
        &["list", "queues", "--url", "http://u:s3cret@h"],
        &["list", "queues", "--timeout", "0"],
        &["list", "queues", "--user", "bob"],
        &["list", "users", "--name", "(", "--regex"],
    ];
    assert_snapshot!(transcript(&fake, commands));
}

#[test]
fn names_that_were_typed_do_not_drive_a_terminal_either() {
    let fake = Fake::start(REFUSING);
    let said = ask(&fake, &["list", "exchanges", "-p", "a\u{1b}b"]);
    assert_eq!(said.stderr, "warren: exchanges of vhost 'a\\u{1b}b': not found\n");
}

#[test]
fn a_broker_that_is_not_there_is_unreachable() {
    // The port is free again, and nobody takes it so soon.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let said = run(&["list", "queues", "--url", &format!("http://{address}")], &[], b"");
    assert_eq!(said.code, 69, "{}", said.stderr);
    assert!(said.stderr.contains("is the broker running"), "{}", said.stderr);
}

#[test]
fn a_broker_that_says_nothing_is_waited_for_as_long_as_wanted() {
    // Connections are taken by the system and never served.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let said = run(&["list", "queues", "--timeout", "1", "--url", &url], &[], b"");
    assert_eq!(said.code, 75, "{}", said.stderr);
    assert!(said.stderr.contains("did not answer in time"), "{}", said.stderr);
}

#[test]
fn what_speaks_no_http_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = stream.write_all(b"AMQP\x00\x00\x09\x01");
    });
    let said = run(&["list", "queues", "--timeout", "5", "--url", &url], &[], b"");
    assert!(matches!(said.code, 69 | 76), "{} {}", said.code, said.stderr);
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
}

#[test]
fn flags_win_over_the_environment_and_that_over_profiles() {
    let fake = Fake::start(BROKER);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("cli.toml");
    let url = fake.url();
    let text = format!(
        "[default]\nurl = '{url}'\nuser = 'p'\npassword = 'pp'\nformat = 'plain'\n\
         [other]\nurl = '{url}'\nvhost = 'v'\n"
    );
    std::fs::write(&file, text).expect("written");
    let path = file.to_str().expect("text");
    let config = ("WARREN_CLI_CONFIG", path);
    let users = ["list", "users"];
    // Credentials are base64 of p:pp, e:ee, f:ff and f:pp.
    let said = run(&users, &[config], b"");
    assert!(said.stdout.starts_with("guest\t"), "{}{}", said.stdout, said.stderr);
    assert_eq!(fake.requests(), ["GET /api/users (Basic cDpwcA==)"]);
    let environment = [config, ("WARREN_USER", "e"), ("WARREN_PASSWORD", "ee")];
    run(&users, &environment, b"");
    assert_eq!(fake.requests(), ["GET /api/users (Basic ZTplZQ==)"]);
    run(&["--user", "f", "--password", "ff", "list", "users"], &environment, b"");
    assert_eq!(fake.requests(), ["GET /api/users (Basic ZjpmZg==)"]);
    run(&["list", "users", "--user", "f", "--password-file", "-"], &[config], b"ff\n");
    assert_eq!(fake.requests(), ["GET /api/users (Basic ZjpmZg==)"]);
    // The password of the profile is that of its user.
    assert_eq!(run(&["list", "users", "--user", "f"], &[config], b"").code, 2);
    assert!(fake.requests().is_empty());
    // XDG_CONFIG_HOME and HOME have the file too.
    let below = dir.path().join("warren");
    std::fs::create_dir(&below).expect("made");
    std::fs::copy(&file, below.join("cli.toml")).expect("copied");
    let home = ("XDG_CONFIG_HOME", dir.path().to_str().expect("text"));
    run(&["list", "bindings", "--profile", "other"], &[home], b"");
    assert_eq!(fake.requests(), ["GET /api/bindings/v"]);
    let said = run(&["list", "users", "--profile", "none"], &[config], b"");
    assert_eq!(said.code, 78);
    assert!(said.stderr.contains("has: default, other"), "{}", said.stderr);
    let said = run(&users, &[config, ("WARREN_FORMAT", "xml")], b"");
    assert_eq!((said.code, said.stderr.lines().count()), (78, 1), "{}", said.stderr);
}

#[test]
fn requests_are_shown_without_credentials() {
    let fake = Fake::start(BROKER);
    let said = ask(&fake, &["-v", "list", "users", "--user", "bob", "--password", "s3cret"]);
    assert!(said.stderr.contains("> GET http://broker/api/users\n"), "{}", said.stderr);
    assert!(said.stderr.contains("< 200, "), "{}", said.stderr);
    for secret in ["s3cret", "Basic", "Ym9i"] {
        assert!(!said.stderr.contains(secret), "{}", said.stderr);
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let fake = Fake::start(BROKER);
    let mut child = Command::new(env!("CARGO_BIN_EXE_warren"))
        .args(["list", "queues", "-p", "/", "--url", &fake.url()])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("text");
    assert_eq!(child.wait().expect("ended").code(), Some(0));
    assert_eq!(stderr, "");
}

#[test]
fn every_command_has_help_with_examples() {
    assert_snapshot!("help", run(&["--help"], &[], b"").text());
    assert_snapshot!("help_list", run(&["list", "--help"], &[], b"").text());
    let root = warren::cli::command_line();
    for command in root.get_subcommands() {
        let said = run(&[command.get_name(), "--help"], &[], b"");
        assert_eq!(said.code, 0);
        for part in ["Examples:\n  ", "Exit codes:", "Usage: warren"] {
            assert!(said.stdout.contains(part), "{}: {part}", command.get_name());
        }
        let long = said.stdout.lines().find(|line| line.contains("WARREN_") && line.len() > 110);
        assert_eq!(long, None);
    }
}
