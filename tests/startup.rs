//! Start and end of the program as its users see them: command line, environment, file, output,
//! signals, exit codes. Drives the built binary and knows nothing of what it speaks.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Ends a test that would hang. Far longer than a start takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);
/// Makes free ports on an address of its own, so that it shows which source was listened to.
const BY_FLAG: &str = "127.0.0.2:0";
const BY_VARIABLE: &str = "127.0.0.3:0";
const BY_FILE: &str = "127.0.0.4:0";

/// The program with an empty environment and a directory of its own.
struct Warren {
    command: Command,
    dir: TempDir,
}

/// The program once it has told where it listens.
struct Running {
    child: Child,
    addresses: Vec<SocketAddr>,
    dir: TempDir,
}

fn warren(arguments: &[&str]) -> Warren {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command.env_clear().current_dir(dir.path()).args(arguments);
    // What these tests are not about must not meet another broker on its usual ports.
    command.env("WARREN_HTTP", "none").env("WARREN_METRICS", "none");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Warren { command, dir }
}

impl Warren {
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Writes `warren.toml` into the directory that the program runs in.
    fn file(self, text: &str) -> Self {
        fs::write(self.dir.path().join("warren.toml"), text).expect("written");
        self
    }

    /// Starts it and waits until it has told of so many listeners.
    fn start(mut self, listeners: usize) -> Running {
        let mut child = self.command.spawn().expect("spawned");
        let stdout = child.stdout.take().expect("piped");
        let mut running = Running { child, addresses: Vec::new(), dir: self.dir };
        let lines = begin(move || {
            BufReader::new(stdout).lines().take(listeners).collect::<Result<Vec<_>, _>>()
        });
        let lines = lines.recv_timeout(DEADLINE).expect("told in time").expect("lines");
        let address = |line: &String| {
            let address = line.strip_prefix("listening amqp ").expect("the line of a listener");
            address.parse().expect("an address")
        };
        running.addresses = lines.iter().map(address).collect();
        if running.addresses.len() < listeners {
            let output = running.finish();
            panic!("ended instead: {}", String::from_utf8_lossy(&output.stderr));
        }
        running
    }

    /// Runs it to its end, which comes by itself.
    fn output(mut self) -> Output {
        let child = self.command.spawn().expect("spawned");
        Running { child, addresses: Vec::new(), dir: self.dir }.finish()
    }

    /// The exit code and the message of a start that is refused in one line.
    fn refused(self) -> (i32, String) {
        let output = self.output();
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.stdout, b"", "{stderr}");
        // Further lines, if any, are the log's.
        let told: Vec<_> = stderr.lines().filter(|line| line.starts_with("warren: ")).collect();
        let [message] = told[..] else { panic!("not one message: {stderr}") };
        (output.status.code().expect("no signal"), message.to_owned())
    }
}

impl Running {
    fn address(&self) -> SocketAddr {
        *self.addresses.first().expect("a listener")
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal and waits for the end.
    fn signal(self, signal: Signal) -> Output {
        kill_process(self.pid(), signal).expect("sent");
        self.finish()
    }

    /// Waits for the end.
    fn finish(mut self) -> Output {
        // Both are read at the same time, lest the program waits for a full pipe to empty.
        let stdout = self.child.stdout.take().map(|from| begin(move || all(from)));
        let stderr = self.child.stderr.take().map(|from| begin(move || all(from)));
        let [stdout, stderr] = [stdout, stderr].map(|pipe| match pipe {
            Some(bytes) => bytes.recv_timeout(DEADLINE).expect("the program ends"),
            None => Vec::new(),
        });
        let status = self.child.wait().expect("ended");
        Output { status, stdout, stderr }
    }
}

/// A program that a failed test leaves behind would hold its port and its directory.
impl Drop for Running {
    fn drop(&mut self) {
        // It has usually ended, which is an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does `work` elsewhere, so that waiting for it can have a deadline.
fn begin<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    // Nobody receives after the deadline.
    thread::spawn(move || drop(sender.send(work())));
    receiver
}

fn all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("read");
    bytes
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn it_listens_where_it_says_and_keeps_its_data_where_told() {
    let running = warren(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"]).start(1);
    assert!(running.address().ip().is_loopback() && running.address().port() != 0);
    TcpStream::connect(running.address()).expect("accepted");
    assert!(running.dir.path().join("data/warren.lock").is_file());
}

#[test]
fn every_listener_has_its_line() {
    let running = warren(&["--listen", BY_FLAG, "--listen", "127.0.0.9:0,127.0.0.9:0"]).start(3);
    let hosts: Vec<_> = running.addresses.iter().map(|a| a.ip().to_string()).collect();
    assert_eq!(hosts, ["127.0.0.2", "127.0.0.9", "127.0.0.9"]);
    for address in &running.addresses {
        TcpStream::connect(address).expect("accepted");
    }
}

#[test]
fn serve_is_the_default_command_and_its_data_is_beside_it() {
    let running = warren(&[]).variable("WARREN_LISTEN", "localhost:0").start(1);
    assert!(running.dir.path().join("warren-data/warren.lock").is_file());
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = format!("listen = '{BY_FILE}'\ndata-dir = 'by-file'");
    let running = warren(&["--config", "warren.toml"]).file(&file).start(1);
    assert_eq!(running.address().ip().to_string(), "127.0.0.4");
    assert!(running.dir.path().join("by-file").is_dir());

    let running = warren(&[])
        .file(&file)
        .variable("WARREN_CONFIG", "warren.toml")
        .variable("WARREN_LISTEN", BY_VARIABLE)
        .start(1);
    assert_eq!(running.address().ip().to_string(), "127.0.0.3");
    assert!(running.dir.path().join("by-file").is_dir());

    let running = warren(&["serve", "--config", "warren.toml", "--listen", BY_FLAG])
        .file(&file)
        .variable("WARREN_LISTEN", BY_VARIABLE)
        .variable("WARREN_DATA_DIR", "by-variable")
        .start(1);
    assert_eq!(running.address().ip().to_string(), "127.0.0.2");
    assert!(running.dir.path().join("by-variable").is_dir());
    assert!(!running.dir.path().join("by-file").exists());
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let running = warren(&["--config", "warren.toml"])
        .file(&format!("listen = ['{BY_FILE}']"))
        .variable("WARREN_LISTEN", "")
        .variable("WARREN_LOG", "")
        .start(1);
    assert_eq!(running.address().ip().to_string(), "127.0.0.4");
}

#[test]
fn an_unknown_key_stops_the_start() {
    let (code, message) =
        warren(&["--config", "warren.toml"]).file("log = 'info'\nlitsen = 'a:1'\n").refused();
    assert_eq!(code, 78);
    assert!(message.starts_with("warren: warren.toml, line 2: unknown key litsen;"), "{message}");
}

#[test]
fn a_bad_value_stops_the_start_wherever_it_stands() {
    let (code, message) = warren(&["--max-message-size", "1GiB"]).refused();
    assert_eq!(code, 2);
    assert!(message.starts_with("warren: --max-message-size 1GiB: must be"), "{message}");
    assert!(message.ends_with("to 512MiB"), "{message}");

    let (code, message) = warren(&[]).variable("WARREN_HEARTBEAT", "often").refused();
    assert_eq!(code, 78);
    assert!(message.starts_with("warren: WARREN_HEARTBEAT=often in the environment: must be"));

    let (code, message) = warren(&["--config", "warren.toml"]).file("\nchannel-max = 0").refused();
    assert_eq!(code, 78);
    assert!(message.starts_with("warren: warren.toml, line 2: channel-max = 0: must be"));
}

#[test]
fn a_wrong_type_or_no_toml_at_all_stops_the_start() {
    for (file, expected) in [
        ("log = true", "warren.toml, line 1: log = true: must be a string"),
        ("\nlisten = [1]", "warren.toml, line 2: listen = [1]: must be a list of strings"),
        ("log = 'a'\n=", "warren.toml, line 2: "),
    ] {
        let (code, message) = warren(&["--config", "warren.toml"]).file(file).refused();
        assert_eq!(code, 78);
        assert!(message.starts_with(&format!("warren: {expected}")), "{message}");
    }
}

#[test]
fn a_file_that_is_not_there_stops_the_start() {
    let (code, message) = warren(&["--config", "warren.toml"]).refused();
    assert_eq!(code, 78);
    assert!(message.contains("cannot read the configuration file warren.toml: No such file"));
}

#[test]
fn a_bad_log_filter_is_named() {
    for filter in ["inof", "warren=loud"] {
        let (code, message) = warren(&["--log", filter]).refused();
        assert_eq!(code, 2);
        assert!(message.starts_with(&format!("warren: --log {filter}: ")), "{message}");
    }
}

#[test]
fn a_wrong_command_line_stops_the_start() {
    for arguments in [&["--nonsense"][..], &["sevre"], &["serve", "more"], &["--log"]] {
        let output = warren(arguments).output();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{arguments:?}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_to_is_named() {
    let below_a_file = ["--listen", BY_FLAG, "--data-dir", "warren.toml/data"];
    let (code, message) = warren(&below_a_file).file("").refused();
    assert_eq!(code, 73);
    let expected = "warren: cannot write to the data directory warren.toml/data: Not a directory";
    assert!(message.starts_with(expected), "{message}");

    let a_file = ["--listen", BY_FLAG, "--data-dir", "warren.toml"];
    let (code, message) = warren(&a_file).file("").refused();
    assert_eq!(code, 73);
    assert_eq!(message, "warren: the data directory warren.toml is not a directory");
}

#[cfg(target_os = "linux")]
#[test]
fn a_data_directory_the_system_refuses_is_named() {
    // Nobody can make a directory there, not even root.
    let (code, message) = warren(&["--listen", BY_FLAG, "--data-dir", "/proc/warren"]).refused();
    assert_eq!(code, 73);
    assert!(message.starts_with("warren: cannot write to the data directory /proc/warren: "));
}

#[test]
fn a_data_directory_in_use_is_named_with_its_user() {
    let first = warren(&["--listen", BY_FLAG, "--data-dir", "data"]).start(1);
    let data = first.dir.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let second = ["--listen", BY_FLAG, "--data-dir", data];
    let (code, message) = warren(&second).refused();
    assert_eq!(code, 73);
    let pid = first.child.id();
    let expected = format!("{data} is in use by another warren (process {pid})");
    assert!(message.ends_with(&expected), "{message}");
    TcpStream::connect(first.address()).expect("the first is not disturbed");
}

#[test]
fn a_killed_broker_leaves_its_data_directory_free() {
    let mut first = warren(&["--listen", BY_FLAG, "--data-dir", "data"]).start(1);
    first.child.kill().expect("killed");
    first.child.wait().expect("ended");
    let data = first.dir.path().join("data");
    warren(&["--listen", BY_FLAG, "--data-dir", data.to_str().expect("UTF-8")]).start(1);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("bound").to_string();
    let (code, message) = warren(&["--listen", BY_FLAG, "--listen", &address]).refused();
    assert_eq!(code, 69);
    let expected = format!("warren: cannot listen on {address}: address already in use");
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn a_host_without_address_is_named() {
    // A top-level name that never exists (RFC 2606).
    let (code, message) = warren(&["--listen", "nowhere.invalid"]).refused();
    assert_eq!(code, 69);
    assert!(message.starts_with("warren: cannot listen on nowhere.invalid:5672: "), "{message}");
}

#[test]
fn it_stops_gracefully_when_asked() {
    for signal in [Signal::TERM, Signal::INT] {
        // No other test listens there, so the port is not given away again.
        let running = warren(&["--listen", "127.0.0.5:0"]).start(1);
        let address = running.address();
        let output = running.signal(signal);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        TcpStream::connect(address).expect_err("nobody listens any more");
    }
}

#[test]
fn it_starts_again_on_the_data_it_left() {
    let kept = tempfile::tempdir().expect("a directory");
    let data = kept.path().join("data");
    let data = data.to_str().expect("UTF-8");
    for _ in 0..3 {
        let running = warren(&["--listen", BY_FLAG, "--data-dir", data]).start(1);
        assert_eq!(running.signal(Signal::TERM).status.code(), Some(0));
    }
    assert!(Path::new(data).join("warren.lock").is_file());
}

#[test]
fn the_log_is_lines_without_colours_when_nobody_looks() {
    let running = warren(&["--listen", BY_FLAG]).variable("WARREN_LITSEN", "127.0.0.1:1").start(1);
    let log = text(&running.signal(Signal::TERM).stderr);
    let warning = log.lines().find(|line| line.contains("WARREN_LITSEN")).expect("a warning");
    assert!(warning.contains(" WARN "), "{warning}");
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[test]
fn the_log_is_json_when_asked() {
    let running = warren(&["--listen", BY_FLAG, "--log-format", "json"]).start(1);
    let log = text(&running.signal(Signal::TERM).stderr);
    assert!(log.contains(r#""level":"INFO""#), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{log}");
}

#[test]
fn the_log_can_be_silent() {
    let running = warren(&["--listen", BY_FLAG, "--log", "off"]).start(1);
    assert_eq!(text(&running.signal(Signal::TERM).stderr), "");
}

#[test]
fn what_is_stored_can_be_looked_at_without_a_broker() {
    for command in ["check", "dump"] {
        let output = warren(&[command, "nowhere"]).output();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("nowhere"));
    }
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("UTF-8");
    let running = warren(&["--listen", BY_FLAG, "--data-dir", data]).start(1);
    assert_eq!(running.signal(Signal::TERM).status.code(), Some(0));
    for command in ["check", "dump"] {
        let named = warren(&[command, data]).output();
        let configured = warren(&[command]).variable("WARREN_DATA_DIR", data).output();
        assert_eq!(named.status.code(), Some(0), "{}", text(&named.stdout));
        assert_eq!(named.stdout, configured.stdout);
    }
}

#[test]
fn version_and_help_are_told_on_standard_output() {
    let told = |arguments: &[&str]| {
        let output = warren(arguments).output();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
        text(&output.stdout)
    };
    assert_eq!(told(&["--version"]), format!("warren {}\n", env!("CARGO_PKG_VERSION")));
    let help = told(&["--help"]);
    for expected in ["serve", "Examples:", "Exit codes:", "--version"] {
        assert!(help.contains(expected), "{expected}: {help}");
    }
    for command in ["check", "dump"] {
        let help = told(&[command, "--help"]);
        for expected in [&format!("warren {command} [OPTIONS] [DATA_DIR]"), "Exit codes:"] {
            assert!(help.contains(expected), "{expected}: {help}");
        }
    }
    let help = told(&["serve", "--help"]);
    for name in [
        "listen",
        "data-dir",
        "default-user",
        "default-password",
        "loopback-users",
        "log",
        "log-format",
        "max-message-size",
        "frame-max",
        "channel-max",
        "heartbeat",
        "handshake-timeout",
        "max-connections",
        "max-consumers-per-channel",
        "consumer-timeout",
        "memory-limit",
        "disk-free-limit",
        "config",
    ] {
        let variable = format!("WARREN_{}", name.to_uppercase().replace('-', "_"));
        assert!(help.contains(&format!("--{name} <")), "{name}: {help}");
        assert!(help.contains(&format!("[env: {variable}]")), "{variable}: {help}");
    }
    assert!(help.contains("[default: 127.0.0.1:5672]") && help.contains("78  "), "{help}");
}
