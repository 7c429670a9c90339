//! The program with management commands, and everything it says as one text.

use std::io::Write;
use std::process::{Command, Stdio};

use super::fake::Fake;

/// What a command said, and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// As one text.
    pub(crate) fn text(&self) -> String {
        let Self { code, stdout, stderr } = self;
        let stderr = marked("! ", stderr.lines());
        let code = if *code == 0 { String::new() } else { format!("-> {code}\n") };
        format!("{stdout}{stderr}{code}")
    }
}

/// Lines with a mark in front of each.
fn marked<'a>(mark: &str, lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold(String::new(), |text, line| text + mark + line + "\n")
}

/// What was asked of a fake since the last time.
fn asked(fake: &Fake) -> String {
    marked("> ", fake.requests().iter().map(String::as_str))
}

/// Runs a command in an empty environment, apart from what is given.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)], stdin: &[u8]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    // Most commands do not read it and may be gone before it is written.
    let _ = child.stdin.take().expect("piped").write_all(stdin);
    let output = child.wait_with_output().expect("ended");
    Said {
        code: output.status.code().expect("no signal"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Runs a command against a fake; its address is left out of what is said.
pub(crate) fn ask(fake: &Fake, arguments: &[&str]) -> Said {
    let url = fake.url();
    let mut said = run(arguments, &[("WARREN_URL", &url)], b"");
    for text in [&mut said.stdout, &mut said.stderr] {
        *text = text.replace(&url, "http://broker");
    }
    said
}

/// What a command asks of a broker, and what it says in each format.
pub(crate) fn in_all_formats(fake: &Fake, arguments: &[&str]) -> String {
    let mut text = format!("$ warren {}\n", arguments.join(" "));
    for format in ["table", "json", "csv", "plain"] {
        let mut with_format = arguments.to_vec();
        with_format.extend(["--format", format]);
        let said = ask(fake, &with_format).text();
        text = format!("{text}\n--- {format}\n{}{said}", asked(fake));
    }
    text
}

/// What commands ask and say, one after the other.
pub(crate) fn transcript(fake: &Fake, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for arguments in commands {
        let said = ask(fake, arguments).text();
        text = format!("{text}$ warren {}\n{}{said}\n", arguments.join(" "), asked(fake));
    }
    text
}
