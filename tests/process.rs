//! The running program and what is around it: signals, the service manager, too few descriptors.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::program::Program;
use common::tls::{Authority, Connector, Files, shown};
use common::*;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

fn every_second() -> Hello {
    Hello { heartbeat_s: 1, ..Hello::default() }
}

fn with_tls(data: &Path, files: &Files) -> Program {
    Program::start_with(data, &["amqp", "amqps"], |command| {
        command.args(["--listen-tls", "127.0.0.1:0"]);
        command.arg("--tls-cert").arg(files.path("cert.pem"));
        command.arg("--tls-key").arg(files.path("key.pem"));
    })
}

#[tokio::test]
async fn a_hangup_has_certificates_read_again() {
    let data = tempfile::tempdir().expect("a directory");
    let (old, new) = (Authority::new("Old"), Authority::new("New"));
    let files = Files::of(&old);
    let program = with_tls(data.path(), &files);
    let mut before = program.tls_peer(&Connector::new(&old, None)).await;

    files.put(&new.server(), &new.pem());
    program.signal(Signal::HUP);
    program.until_logged("certificates read again");
    program.tls_peer(&Connector::new(&new, None)).await.pass_a_message().await;

    fs::write(files.path("key.pem"), "nothing").expect("written");
    program.signal(Signal::HUP);
    program.until_logged("certificates not read: the old ones stay");
    program.tls_peer(&Connector::new(&new, None)).await.pass_a_message().await;
    before.pass_a_message().await;

    program.signal(Signal::TERM);
    assert_eq!(program.finish(), 0);
}

#[test]
fn bad_files_are_an_exit_code_of_their_own() {
    let data = tempfile::tempdir().expect("a directory");
    let files = Files::of(&Authority::new("The Authority"));
    let missing = files.path("missing.pem");
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command.env_clear().current_dir(data.path());
    command.args(["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-cert"]);
    let output = command.arg(&missing).arg("--tls-key").arg(files.path("key.pem")).output();
    let output = output.expect("run");
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr);
    let expected = format!("warren: cannot read {} (tls-cert): No such file", shown(&missing));
    assert!(told.lines().any(|line| line.starts_with(&expected)), "{told}");
}

#[test]
fn the_service_manager_is_told_of_beginning_and_end() {
    let data = tempfile::tempdir().expect("a directory");
    let path = data.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("bound");
    manager.set_read_timeout(Some(Duration::from_mins(1))).expect("a timeout");
    let told = || {
        let mut message = [0; 256];
        let bytes = manager.recv(&mut message).expect("told in time");
        String::from_utf8_lossy(&message[..bytes]).into_owned()
    };
    let program = Program::start_with(data.path(), &["amqp"], |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    assert_eq!(told(), "READY=1");
    std::net::TcpStream::connect(program.address("amqp")).expect("it serves when it says so");
    program.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(program.finish(), 0);
}

#[test]
fn a_service_manager_that_is_gone_is_no_reason_not_to_serve() {
    let data = tempfile::tempdir().expect("a directory");
    let program = Program::start_with(data.path(), &["amqp"], |command| {
        command.env("NOTIFY_SOCKET", data.path().join("nobody"));
    });
    std::net::TcpStream::connect(program.address("amqp")).expect("accepted");
    program.until_logged("cannot tell the service manager");
    program.signal(Signal::TERM);
    assert_eq!(program.finish(), 0);
}

/// Time on the processors, in ticks of 10 ms.
fn cpu_ticks(pid: Pid) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).expect("stat");
    // The name, in brackets, may hold anything; 11 fields behind it follow user and system time.
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split(' ').collect();
    fields[12..14].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

/// The broker does not know of this limit, which is set behind its back: as when other programs
/// have used up the system's table of files.
#[tokio::test]
async fn without_descriptors_it_waits_and_serves_who_is_there() {
    let data = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let program = with_tls(data.path(), &files);
    let mut inside = program.peer_with(every_second()).await;
    let limit = |current| {
        let limit = Rlimit { current: Some(current), maximum: Some(20_000) };
        prlimit(Some(program.pid()), Resource::Nofile, limit).expect("a limit")
    };
    // Those that are open stay so. The first three always are.
    let before = limit(3);
    // Both are in the system's backlog, from which they cannot be taken.
    let connector = Connector::new(&authority, None);
    let mut waiting =
        Box::pin(async { tokio::join!(program.peer(), program.tls_peer(&connector)) });
    let ticks_before = cpu_ticks(program.pid());
    tokio::select! {
        _ = &mut waiting => panic!("accepted without a descriptor"),
        () = async {
            for _ in 0..2 {
                inside.expect_on(0, heartbeat()).await;
            }
        } => {}
    }
    let ticks = cpu_ticks(program.pid()) - ticks_before;
    assert!(ticks < 50, "{ticks} ticks of 10 ms in about two seconds");
    let refusals = program.log().matches("cannot accept a connection").count();
    assert!((1..=80).contains(&refusals), "{refusals} lines in about two seconds");
    limit(before.current.expect("a limit"));
    let (mut plain, mut secured) = waiting.await;
    plain.pass_a_message().await;
    secured.pass_a_message().await;
    program.kill();
}

/// There is room for 20 connections then. Each listener may hold one more that waits for its turn:
/// the descriptors are enough for that.
#[tokio::test]
async fn connections_of_all_listeners_leave_descriptors_for_files() {
    let data = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let program = Program::start_with(data.path(), &["amqp", "amqps"], |command| {
        let shell = Command::new("sh");
        let warren = std::mem::replace(command, shell);
        command.env_clear().current_dir(data.path()).stdout(std::process::Stdio::piped());
        command.stderr(fs::File::create(data.path().join("log.txt")).expect("a file"));
        command.args(["-c", "ulimit -n 96 && exec \"$@\"", "sh"]).arg(warren.get_program());
        command.args(warren.get_args()).args(["--listen-tls", "127.0.0.1:0"]);
        command.args(["--handshake-timeout", "2s"]);
        command.arg("--tls-cert").arg(files.path("cert.pem"));
        command.arg("--tls-key").arg(files.path("key.pem"));
    });
    let mut silent = Vec::new();
    for protocol in ["amqp", "amqps"].repeat(15) {
        silent.push(std::net::TcpStream::connect(program.address(protocol)).expect("connected"));
    }
    // Those who say nothing are let go of in turn; then it is the turn of who came last.
    let connector = Connector::new(&authority, None);
    let (mut plain, mut secured) = tokio::join!(program.peer(), program.tls_peer(&connector));
    plain.ask(queue_declare("q").durable(), queue_declare_ok("q", 0, 0)).await;
    secured.pass_a_message().await;
    assert!(!program.log().contains("cannot accept"), "{}", program.log());
    program.kill();
}
