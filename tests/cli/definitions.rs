//! `export` and `import`.

use std::fs;

use insta::assert_snapshot;

use super::answers::BROKER;
use super::fake::Fake;
use super::run::{ask, in_all_formats, run};

/// One of everything: new, the same, changed, different, skipped.
const FILE: &str = r#"{
    "users":[{"name":"guest","password_hash":"HASH1","tags":"administrator"},
        {"name":"new","password_hash":"HASH3","tags":"monitoring"}],
    "vhosts":[{"name":"/"}],
    "permissions":[{"user":"guest","vhost":"/","configure":".*","write":"^a","read":".*"}],
    "policies":[{"vhost":"/","name":"short","pattern":"^tmp","apply-to":"queues",
        "definition":{"message-ttl":60000}}],
    "exchanges":[{"name":"amq.topic","vhost":"/","type":"topic"},
        {"name":"events","vhost":"/","type":"topic","durable":true}],
    "queues":[{"name":"jobs","vhost":"/","durable":false}],
    "bindings":[{"source":"events","vhost":"/","destination":"jobs",
        "destination_type":"queue","routing_key":"order.*","arguments":{"x":1}}]}"#;

struct File {
    _dir: tempfile::TempDir,
    path: String,
}

fn file(text: &str) -> File {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("definitions.json");
    fs::write(&path, text).expect("written");
    File { path: path.to_str().expect("text").to_owned(), _dir: dir }
}

fn snapshot(fake: &Fake, name: &str, arguments: &[&str], path: &str) {
    let text = in_all_formats(fake, arguments).replace(path, "FILE");
    assert_snapshot!(name, text);
}

#[test]
fn a_plan_shows_what_would_be_done_and_does_nothing() {
    let (fake, file) = (Fake::start(BROKER), file(FILE));
    snapshot(&fake, "plan", &["import", &file.path, "--plan"], &file.path);
    let pruning = ["import", &file.path, "--plan", "--prune"];
    snapshot(&fake, "plan_prune", &pruning, &file.path);
}

#[test]
fn a_plan_without_work_is_success() {
    let fake = Fake::start(BROKER);
    let export = ask(&fake, &["export"]);
    let file = file(&export.stdout);
    let said = ask(&fake, &["import", &file.path, "--plan", "--prune"]);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.ends_with("to do: 9 same\n"), "{}", said.stdout);
}

#[test]
fn an_import_says_what_it_did() {
    let (fake, file) = (Fake::start(BROKER), file(FILE));
    snapshot(&fake, "import", &["import", &file.path], &file.path);
}

#[test]
fn pruning_spares_messages_unless_told_otherwise() {
    let (fake, file) = (Fake::start(BROKER), file("{}"));
    let said = ask(&fake, &["import", &file.path, "--prune"]);
    let requests = fake.requests();
    // The fake has twelve messages in 'jobs', and none in 'spare'.
    assert!(said.stdout.contains("jobs"), "{}", said.stdout);
    assert!(said.stdout.contains("has messages (12); see --delete-non-empty"), "{}", said.stdout);
    assert!(!requests.contains(&"DELETE /api/queues/%2F/jobs?if-empty=true".to_owned()));
    assert!(requests.contains(&"DELETE /api/queues/%2F/spare?if-empty=true".to_owned()));
    assert!(requests.contains(&"DELETE /api/users/old".to_owned()));
    assert!(!requests.contains(&"DELETE /api/users/guest".to_owned()));
    assert!(!requests.contains(&"DELETE /api/vhosts/%2F".to_owned()), "{requests:?}");

    ask(&fake, &["import", &file.path, "--prune", "--delete-non-empty"]);
    assert!(fake.requests().contains(&"DELETE /api/queues/%2F/jobs".to_owned()));
    assert_eq!(ask(&fake, &["import", &file.path, "--delete-non-empty"]).code, 2);
}

#[test]
fn a_bad_file_is_named_and_not_sent() {
    let fake = Fake::start(BROKER);
    for (text, why) in [
        ("{", "no JSON: "),
        ("[]", "definitions must be a JSON object"),
        (r#"{"queues":[{"name":"q","vhost":"/"},{"name":"r"}]}"#, "queues[1]: 'vhost' is missing"),
        (r#"{"policies":[{"name":"p","vhost":"/"}]}"#, "policies[0]: 'p': 'pattern' is missing"),
    ] {
        let file = file(text);
        let said = ask(&fake, &["import", &file.path]);
        assert_eq!(said.code, 66, "{}", said.stderr);
        assert!(said.stderr.starts_with(&format!("warren: {}: {why}", file.path)));
    }
    assert_eq!(ask(&fake, &["import", "/nowhere/file"]).code, 66);
    assert!(fake.requests().is_empty());
}

#[test]
fn an_export_goes_where_it_is_wanted() {
    let fake = Fake::start(BROKER);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("out.json");
    let said = ask(&fake, &["export", path.to_str().expect("text")]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(fs::read_to_string(&path).expect("written").contains("\"HASH1\""));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "others may read hashes");
    }
    assert_eq!(ask(&fake, &["export", "/nowhere/file"]).code, 73);

    let url = fake.url();
    let piped = ask(&fake, &["export"]).stdout;
    fake.requests();
    let said = run(&["import", "-"], &[("WARREN_URL", &url)], piped.as_bytes());
    assert_eq!((said.code, said.stdout.as_str()), (0, "done: nothing\n"), "{}", said.stderr);
}
