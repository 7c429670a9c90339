//! Shell completions and manual pages, as a user gets them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic")]

use std::process::{Command, Output};

use tempfile::TempDir;

fn warren(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command.env_clear().args(arguments).output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn every_shell_gets_a_script_that_knows_all_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&warren(&["completions", shell]));
        for command in ["serve", "check", "dump", "list", "top", "bench", "completions", "man"] {
            assert!(script.contains(command), "{shell}: no {command}");
        }
        assert!(script.contains("queue-pattern"), "{shell}: no options of bench");
    }
    let refused = warren(&["completions", "tcsh"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("tcsh"), "{refused:?}");
}

/// What bash offers behind `words`, of which the last is being typed.
fn offered(words: &[&str]) -> Vec<String> {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("warren.bash");
    std::fs::write(&path, stdout(&warren(&["completions", "bash"]))).expect("written");
    let ask = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _warren warren "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", ask, "bash"]).arg(&path).args(words);
    let output = bash.output().expect("bash runs");
    assert!(output.stderr.is_empty(), "{output:?}");
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offered(&["warren", "comp"]), ["completions"]);
    assert_eq!(offered(&["warren", "bench", "--queue-pattern-t"]), ["--queue-pattern-to"]);
    assert_eq!(offered(&["warren", "top", "conn"]), ["connections"]);
    assert_eq!(offered(&["warren", "completions", "po"]), ["powershell"]);
    assert!(offered(&["warren", "serve", "--"]).contains(&"--listen".to_owned()));
    // PerfTest's own flags take these.
    assert_eq!(offered(&["warren", "bench", "--flag", "pers"]), ["persistent"]);
}

#[test]
fn there_is_a_page_for_every_command() {
    let directory = TempDir::new().expect("a directory");
    let pages = directory.path().join("man/man1");
    let path = pages.to_str().expect("utf-8");
    assert_eq!(stdout(&warren(&["man", "--dir", path])), "");
    for name in ["warren", "warren-serve", "warren-dump", "warren-list", "warren-bench"] {
        let page = std::fs::read_to_string(pages.join(format!("{name}.1"))).expect(name);
        assert!(page.contains(&format!(".TH {name} 1")), "{name}: {page}");
    }
    let bench = stdout(&warren(&["man", "bench"]));
    assert_eq!(std::fs::read_to_string(pages.join("warren-bench.1")).expect("read"), bench);
    assert!(bench.contains("pmessages") && bench.contains("warren bench \\-\\-time 10"), "{bench}");
    let refused = warren(&["man", "no-such-command"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no-such-command"), "{refused:?}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let refused = warren(&["man", "--dir", file.path().to_str().expect("utf-8")]);
    assert_eq!(refused.status.code(), Some(73));
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(stderr.contains(file.path().to_str().expect("utf-8")), "{stderr}");
}

#[test]
fn top_says_what_it_needs() {
    for (arguments, code, words) in [
        (&["top"][..], 2, "needs a terminal"),
        (&["top", "--once", "--url", "http://127.0.0.1:1"], 69, "127.0.0.1:1"),
        (&["top", "--sort", "nonsense"], 2, "must be one of name, vhost, ready"),
        (&["top", "--interval", "0"], 2, "0.2"),
        (&["top", "--once", "--size", "5x5"], 2, "40x8"),
        (&["top", "--once", "--columns", "name"], 2, "--columns"),
    ] {
        let output = warren(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
}
