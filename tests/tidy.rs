//! Rules about the tree itself that no compiler checks: who may import whom, where a dependency
//! may appear, sizes, headers, and words that must not stay.
//!
//! Reads the sources as text. A rule that is in the way is changed here, with a reason.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate, and what it may import from its own crate. No arrow goes up: a
/// module only names modules that stand above it in this list.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("memory", &[]),
    ("names", &[]),
    ("signals", &[]),
    ("notify", &[]),
    ("descriptors", &[]),
    ("disk", &[]),
    ("alarm", &[]),
    ("bell", &[]),
    ("clock", &[]),
    ("message", &[]),
    ("pattern", &[]),
    ("stats", &["clock", "message"]),
    ("amqp", &["error", "message"]),
    ("config", &["memory"]),
    ("logging", &["config"]),
    ("log_limit", &["clock"]),
    ("tls", &["config"]),
    ("outbox", &["bell", "clock", "error", "message"]),
    ("timers", &["outbox"]),
    ("store", &["amqp", "bell", "disk", "error", "message", "outbox", "stats"]),
    ("start_error", &["config", "store", "tls"]),
    ("listen", &["start_error"]),
    ("access", &["amqp", "error", "pattern", "store"]),
    ("queue", &["amqp", "error", "message", "outbox", "stats", "store", "timers"]),
    ("exchange", &["amqp", "error", "message", "outbox", "queue", "stats"]),
    ("policy", &["pattern", "queue"]),
    ("events", &["amqp", "clock", "message"]),
    (
        "vhost",
        &[
            "access", "amqp", "error", "events", "exchange", "message", "names", "outbox",
            "policy", "queue", "stats", "store", "timers",
        ],
    ),
    (
        "broker",
        &[
            "access",
            "alarm",
            "amqp",
            "clock",
            "config",
            "error",
            "events",
            "exchange",
            "log_limit",
            "message",
            "names",
            "outbox",
            "policy",
            "queue",
            "stats",
            "store",
            "timers",
            "tls",
            "vhost",
        ],
    ),
    (
        "definitions",
        &[
            "access", "amqp", "broker", "error", "exchange", "outbox", "policy", "queue", "store",
            "vhost",
        ],
    ),
    (
        "http",
        &[
            "access",
            "alarm",
            "amqp",
            "broker",
            "clock",
            "config",
            "definitions",
            "descriptors",
            "disk",
            "error",
            "events",
            "exchange",
            "listen",
            "log_limit",
            "memory",
            "message",
            "names",
            "outbox",
            "pattern",
            "policy",
            "queue",
            "start_error",
            "stats",
            "store",
            "tls",
            "vhost",
        ],
    ),
    (
        "server",
        &[
            "access",
            "alarm",
            "amqp",
            "broker",
            "clock",
            "config",
            "definitions",
            "descriptors",
            "disk",
            "error",
            "events",
            "exchange",
            "http",
            "listen",
            "log_limit",
            "memory",
            "message",
            "names",
            "outbox",
            "policy",
            "queue",
            "start_error",
            "stats",
            "store",
            "tls",
            "vhost",
        ],
    ),
    // It asks over HTTP and sees no broker from inside. The pattern is for `--name --regex` where
    // the broker does not search itself; the hashes of access are for `hash-password`.
    ("cli", &["access", "config", "pattern", "signals"]),
];

/// Files that are no modules of their own: they may name all of them.
const ROOTS: &[&str] = &["lib", "main"];

/// Dependencies that stay where they are, by the start of the paths that may name them.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("amq_protocol", &["amqp/"]),
    ("axum", &["http/"]),
    ("bcrypt", &["access/"]),
    ("clap", &["cli/", "config/"]),
    ("dashmap", &["access/", "broker.rs", "broker/", "vhost/"]),
    ("fancy_regex", &["pattern.rs"]),
    ("hyper", &["http/"]),
    ("lapin", &["cli/"]),
    ("md5", &["access/"]),
    ("ratatui", &["cli/"]),
    ("rustls", &["cli/", "tls.rs", "tls/"]),
    // Values of global parameters are kept as JSON.
    ("serde_json", &["broker/", "cli/", "definitions/", "http/", "policy/"]),
    ("sha2", &["access/", "store/"]),
    ("sled", &["store/"]),
    (
        "tokio",
        &[
            // A password that takes long to check does not hold up who waits for others.
            "access/",
            "cli/",
            "http/",
            "listen.rs",
            "main.rs",
            // Whoever publishes events waits for them.
            "events.rs",
            "outbox.rs",
            "server/",
            "signals.rs",
            "timers.rs",
            // Reading ahead below TLS is a socket of its own.
            "tls/",
        ],
    ),
    ("ureq", &["cli/"]),
];

/// A file is talked about at 400 lines and refused here; tests at its end are not counted.
const FILE_LINES_MAX: usize = 600;
/// In characters, as rustfmt.toml has it; rustfmt leaves lines in macros as they are.
const LINE_WIDTH_MAX: usize = 100;
/// Nothing in the tree is nested deeper; a link that leads in circles would be.
const TREE_DEPTH_MAX: usize = 16;

// In two pieces each, so that this file keeps to what it asks for.
const NEVER: &[&str] = &[
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("db", "g!"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];
const NEVER_IN_TESTS: &[&str] = &[concat!("thread::", "sleep"), concat!("time::", "sleep(")];
const HOME_DIRECTORIES: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
/// What is not part of the tree.
const NOT_OURS: &[&str] = &[".git", "artifacts", "corpus", "coverage", "target"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below, without what is not ours.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![(directory.to_owned(), TREE_DEPTH_MAX)];
    while let Some((directory, depth_left)) = left.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the tree") {
            let entry = entry.expect("an entry");
            let name = entry.file_name();
            if NOT_OURS.iter().any(|not_ours| name == *not_ours) {
                continue;
            }
            match entry.file_type().expect("a type") {
                kind if kind.is_dir() => {
                    assert!(depth_left > 0, "too deep: {}", entry.path().display());
                    left.push((entry.path(), depth_left - 1));
                }
                kind if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Rust sources below a folder of the tree: the path inside it, and the text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let folder = root().join(folder);
    let files = files_below(&folder).into_iter();
    let rust = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let read = rust.map(|path| {
        let inside = path.strip_prefix(&folder).expect("inside").display().to_string();
        (inside, fs::read_to_string(&path).expect("text"))
    });
    let all: Vec<_> = read.collect();
    assert!(!all.is_empty(), "nothing in {}", folder.display());
    all
}

/// Fails with the whole list, so that one run shows all there is to do.
fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// The part of a file in front of its unit tests.
fn without_tests(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]\nmod ").map_or(text, |(code, _)| code)
}

/// Code without comments, near enough: nothing here keeps `//` in a string next to a path.
fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.collect::<Vec<_>>().join("\n")
}

fn module_of(path: &str) -> &str {
    path.split(['/', '.']).next().expect("a first part")
}

/// The modules named behind `crate::`, those in braces too.
fn crate_imports(text: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for used in text.split("crate::").skip(1) {
        let list = match used.strip_prefix('{') {
            Some(inside) => top_level(inside.split_once(';').map_or(inside, |(list, _)| list)),
            None => vec![used],
        };
        for item in list {
            let item = item.trim_start();
            names.push(item.split(|c| !is_name(c)).next().unwrap_or_default());
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The items of a list in braces, whose own braces are not looked into.
fn top_level(inside: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0_usize, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&inside[start..at]);
                return items;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items
}

#[test]
fn imports_in_braces_are_seen() {
    let text = "use crate::{a, b::{c, d},\n    e};\nuse crate::f::G; crate::h::i();";
    assert_eq!(crate_imports(text), ["a", "b", "e", "f", "h"]);
}

#[test]
fn imports_point_downwards() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        if ROOTS.contains(&module) {
            continue;
        }
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == module);
        let Some((_, allowed)) = allowed else {
            wrong.push(format!("{path}: the module {module} has no rule"));
            continue;
        };
        // Unit tests may use more: what they build their values with.
        let code = without_comments(without_tests(&text));
        let is_test = path.ends_with("/tests.rs");
        for used in crate_imports(&code) {
            if used != module && !allowed.contains(&used) && !is_test {
                wrong.push(format!("{path}: crate::{used}"));
            }
        }
    }
    assert_none("imports against the order", &wrong);
}

#[test]
fn the_import_rules_have_no_cycle() {
    for (at, (module, allowed)) in MAY_IMPORT.iter().enumerate() {
        for used in *allowed {
            let below = MAY_IMPORT.iter().position(|(name, _)| name == used);
            assert!(below.is_some_and(|below| below < at), "{module} may import {used}");
        }
    }
}

#[test]
fn dependencies_stay_where_they_are() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let code = without_comments(without_tests(&text));
        for (dependency, places) in ONLY_IN {
            let named = [format!("{dependency}::"), format!("use {dependency};")];
            let is_test = path.ends_with("/tests.rs");
            let here = places.iter().any(|place| path.starts_with(place)) || is_test;
            if !here && named.iter().any(|name| code.contains(name.as_str())) {
                wrong.push(format!("{path}: {dependency}"));
            }
        }
    }
    assert_none("dependencies out of their place", &wrong);
}

#[test]
fn files_are_short() {
    let lines = sources("src").into_iter().map(|(path, text)| {
        let lines = without_tests(&text).lines().count();
        (path, lines)
    });
    let long = lines.filter(|(_, lines)| *lines > FILE_LINES_MAX);
    let long: Vec<_> = long.map(|(path, lines)| format!("{path}: {lines} lines")).collect();
    assert_none("files too long", &long);
}

#[test]
fn lines_are_short() {
    let mut long = Vec::new();
    for folder in ["src", "tests"] {
        for (path, text) in sources(folder) {
            for (number, line) in (1..).zip(text.lines()) {
                if line.chars().count() > LINE_WIDTH_MAX {
                    long.push(format!("{folder}/{path}:{number}"));
                }
            }
        }
    }
    assert_none("lines too long", &long);
}

#[test]
fn nothing_is_left_for_later() {
    let mut found = Vec::new();
    for folder in ["src", "tests"] {
        for (path, text) in sources(folder) {
            for word in NEVER.iter().filter(|word| text.contains(**word)) {
                found.push(format!("{folder}/{path}: {word}"));
            }
        }
    }
    assert_none("left for later", &found);
}

#[test]
fn tests_wait_for_events() {
    let mut found = Vec::new();
    for (path, text) in sources("tests") {
        for word in NEVER_IN_TESTS.iter().filter(|word| text.contains(**word)) {
            found.push(format!("{path}: {word}"));
        }
    }
    assert_none("fixed sleeps", &found);
}

#[test]
fn every_file_says_what_it_is_for() {
    let without = sources("src").into_iter().filter(|(_, text)| !text.starts_with("//!"));
    let without: Vec<_> = without.map(|(path, _)| path).collect();
    assert_none("files without a header", &without);
}

#[test]
fn no_file_knows_anybodys_home() {
    let mut found = Vec::new();
    for path in files_below(&root()) {
        let bytes = fs::read(&path).expect("a file of the tree");
        let text = String::from_utf8_lossy(&bytes);
        for home in HOME_DIRECTORIES.iter().filter(|home| text.contains(**home)) {
            found.push(format!("{}: {home}", path.display()));
        }
    }
    assert_none("paths of home directories", &found);
}
