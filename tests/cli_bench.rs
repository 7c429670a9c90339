//! `warren bench` as a user runs it: what it counts, what it prints, how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic")]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::task::spawn_blocking;

use common::{OwnBroker, queue_declare, queue_declare_ok, unique};

fn bench(address: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.args(["bench", "--uri", &format!("amqp://guest:guest@{address}/%2f")]).args(arguments);
    command
}

/// Runs it to its end.
async fn run(broker: &OwnBroker, arguments: &[&str]) -> Output {
    let mut command = bench(broker.address(), arguments);
    spawn_blocking(move || command.output().expect("it runs")).await.expect("joined")
}

async fn run_for_json(broker: &OwnBroker, arguments: &[&str]) -> (i32, Value) {
    let output = run(broker, &[arguments, &["--format", "json"]].concat()).await;
    let summary = serde_json::from_slice(&output.stdout);
    let summary = summary.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().expect("an exit code"), summary)
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn count(summary: &Value, name: &str) -> u64 {
    summary.get(name).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {name}: {summary}"))
}

/// The messages of a queue that must exist.
async fn assert_messages(broker: &OwnBroker, queue: &str, messages: u32) {
    let mut peer = broker.peer().await;
    peer.send(queue_declare(queue).passive()).await;
    peer.expect(queue_declare_ok(queue, messages, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_messages_are_counted() {
    let broker = OwnBroker::start().await;
    let arguments = ["-C", "500", "-D", "1000", "-x", "2", "-c", "50", "-s", "100", "-q", "20"];
    let (code, summary) = run_for_json(&broker, &arguments).await;
    assert_eq!(code, 0, "{summary}");
    for name in ["sent", "confirmed", "received"] {
        assert_eq!(count(&summary, name), 1000, "{name}: {summary}");
    }
    assert_eq!((count(&summary, "nacked"), count(&summary, "returned")), (0, 0));
    assert_eq!(summary["complete"], true);
    assert_eq!(summary["error"], Value::Null);
    for latencies in ["latency_us", "confirm_latency_us"] {
        let latency = |name: &str| count(&summary[latencies], name);
        let told = ["min", "median", "p75", "p95", "p99", "max"].map(latency);
        assert!(told.is_sorted(), "{told:?}");
        assert!(told[5] > 0 && told[5] < 60_000_000, "{told:?}");
    }
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_number_for_consumers_a_run_ends_when_nothing_comes_any_more() {
    let broker = OwnBroker::start().await;
    for more in [&["-a"][..], &["-A", "7"], &["-X", "2", "-Y", "3"]] {
        let (code, summary) = run_for_json(&broker, &[&["-C", "300"], more].concat()).await;
        assert_eq!(code, 0, "{summary}");
        let sent = if more.contains(&"-X") { 600 } else { 300 };
        assert_eq!(
            (count(&summary, "sent"), count(&summary, "received")),
            (sent, sent),
            "{more:?}"
        );
        assert_eq!(summary["confirm_latency_us"]["max"], Value::Null);
    }
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_queue_keeps_what_one_run_publishes_for_the_next() {
    let broker = OwnBroker::start().await;
    let queue = unique("kept");
    let (code, summary) =
        run_for_json(&broker, &["-u", &queue, "-y", "0", "-C", "100", "-f", "persistent"]).await;
    assert_eq!((code, count(&summary, "sent")), (0, 100));
    assert_messages(&broker, &queue, 100).await;
    let consume = ["-u", &queue, "-x", "0", "-y", "2", "-D", "40", "-p"];
    let (code, summary) = run_for_json(&broker, &[&consume[..], &["-A", "7"]].concat()).await;
    assert_eq!((code, count(&summary, "received")), (0, 80), "{summary}");
    // The time of the other process is understood too.
    assert!(count(&summary["latency_us"], "min") > 0, "{summary}");
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn producers_take_turns_among_the_queues_of_a_pattern() {
    let broker = OwnBroker::start().await;
    let stem = unique("turns");
    let pattern = format!("{stem}-%d");
    let exchange = unique("exchange");
    let arguments =
        ["-qp", &pattern, "-qpt", "3", "-x", "3", "-y", "0", "-C", "5", "-e", &exchange, "-c", "2"];
    let (code, summary) = run_for_json(&broker, &arguments).await;
    assert_eq!((code, count(&summary, "confirmed")), (0, 15), "{summary}");
    for number in 1..=3 {
        assert_messages(&broker, &format!("{stem}-{number}"), 5).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_messages_are_counted_with_and_without_confirmations() {
    let broker = OwnBroker::start().await;
    let nowhere = ["-e", "amq.direct", "-k", "nowhere", "-p", "-y", "0", "-f", "mandatory"];
    for more in [&["-C", "20"][..], &["-C", "20", "-c", "5"]] {
        let (code, summary) = run_for_json(&broker, &[&nowhere[..], more].concat()).await;
        assert_eq!((code, count(&summary, "returned")), (0, 20), "{summary}");
    }
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept() {
    let broker = OwnBroker::start().await;
    let (code, summary) = run_for_json(&broker, &["-r", "50", "-C", "20"]).await;
    assert_eq!((code, count(&summary, "received")), (0, 20), "{summary}");
    // The last of twenty at fifty a second comes after 400 ms, and the quiet after it counts too.
    assert!(summary["time_s"].as_f64().expect("a number") >= 0.4, "{summary}");
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_tells_the_same() {
    let broker = OwnBroker::start().await;
    let of_format = |format: &'static str| {
        let broker = &broker;
        async move {
            let output =
                run(broker, &["-C", "10", "-D", "10", "-d", "x", "--format", format]).await;
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            text(&output.stdout)
        }
    };
    let table = of_format("table").await;
    assert!(table.contains("id: x, sent 10, confirmed 0, nacked 0, returned 0, received 10 in"));
    assert!(table.contains("id: x, sending rate avg: "), "{table}");
    assert!(table.contains("consumer latency: "), "{table}");
    let csv = of_format("csv").await;
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let [header, row] = &lines[..] else { panic!("not two lines: {csv}") };
    let field = |name: &str| row[header.iter().position(|column| *column == name).expect(name)];
    assert_eq!((field("id"), field("sent"), field("received")), ("x", "10", "10"));
    assert!(field("latency_median_us").parse::<u64>().is_ok(), "{csv}");
    let plain = of_format("plain").await;
    assert_eq!(plain.trim_end_matches('\n').split('\t').count(), header.len(), "{plain}");
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_arrive_in_time_fails_the_run() {
    let broker = OwnBroker::start().await;
    let (code, summary) = run_for_json(&broker, &["-x", "0", "-D", "10", "-z", "1"]).await;
    assert_eq!(code, 1);
    assert_eq!(summary["complete"], false);
    assert_eq!(summary["error"], "only 0 of 10 messages were received");
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn intervals_are_written_to_a_file() {
    let broker = OwnBroker::start().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("utf-8");
    let output = run(&broker, &["-r", "100", "-z", "2", "-o", path, "--format", "json"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = std::fs::read_to_string(path).expect("read");
    let mut lines = written.lines();
    let header = lines.next().expect("a header");
    assert!(header.starts_with("id,time_s,sent_rate,"), "{header}");
    let row = lines.next().expect("a row");
    assert_eq!(row.split(',').count(), header.split(',').count(), "{row}");
    // The lines for people are on the other stream.
    assert!(text(&output.stderr).contains("time: 1."), "{output:?}");
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_begin_says_why() {
    let broker = OwnBroker::start().await;
    let address = broker.address();
    for (arguments, code, words) in [
        (vec!["--uri", "amqp://127.0.0.1:1"], 69, "127.0.0.1:1: Connection refused"),
        (vec!["--uri", "nonsense-hunter2"], 2, "--uri: must look like amqp://"),
        (vec!["-x", "0", "-y", "0"], 2, "nothing would happen"),
        (vec!["-r", "0"], 2, "--rate"),
        (vec!["-q", "5", "-A", "6"], 2, "--multi-ack-every 6: must not be above --qos, 5"),
        (vec!["-a", "-R", "5"], 2, "--consumer-rate"),
        (vec!["-qp", "no-number", "-qpt", "3"], 2, "must contain %d"),
        (vec!["-p", "-u", "no-such-queue"], 1, "404 NOT_FOUND"),
        (vec!["-e", "no-such-exchange", "-k", "x", "-p", "-y", "0"], 1, "404 NOT_FOUND"),
        (vec!["-t", "no-such-type", "-e", "x"], 1, "no-such-type"),
        (vec!["-o", "/no/such/directory/x"], 1, "--output-file /no/such/directory/x"),
    ] {
        let mut command = bench(address, &[]);
        if arguments.first() == Some(&"--uri") {
            command = Command::new(env!("CARGO_BIN_EXE_warren"));
            command.arg("bench");
        }
        command.env_clear().args(["-C", "5"]).args(&arguments);
        let output = spawn_blocking(move || command.output().expect("it runs")).await;
        let output = output.expect("joined");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("hunter2"), "{arguments:?}: {stderr}");
    }
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_as_such_and_not_repeated() {
    let broker = OwnBroker::start().await;
    let uri = format!("amqp://guest:hunter2@{}", broker.address());
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command.env_clear().args(["bench", "-z", "1", "--uri", &uri]);
    let output = spawn_blocking(move || command.output().expect("it runs")).await.expect("joined");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{stderr}");
    assert!(stderr.contains("403 ACCESS_REFUSED") && !stderr.contains("hunter2"), "{stderr}");
    broker.stop_and_check().await;
}

/// A run without an end that has told its first interval, and the rest of what it prints.
async fn endless(address: SocketAddr) -> (Child, BufReader<impl Read + Send + 'static>) {
    let mut command = bench(address, &["-r", "200"]);
    let started = spawn_blocking(move || {
        let mut child = command.spawn().expect("spawned");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        assert!(line.contains("received: "), "{line}");
        (child, stdout)
    });
    started.await.expect("joined")
}

async fn end(
    child: Child,
    mut stdout: BufReader<impl Read + Send + 'static>,
) -> (i32, String, String) {
    let ended = spawn_blocking(move || {
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("the rest");
        let output = child.wait_with_output().expect("ended");
        (output.status.code().expect("no signal"), rest, text(&output.stderr))
    });
    ended.await.expect("joined")
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_run_with_its_summary() {
    let broker = OwnBroker::start().await;
    let (child, stdout) = endless(broker.address()).await;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("an id");
    kill_process(id, Signal::INT).expect("sent");
    let (code, rest, stderr) = end(child, stdout).await;
    assert_eq!((code, stderr.as_str()), (0, ""), "{rest}");
    assert!(rest.contains("receiving rate avg: "), "{rest}");
    broker.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_ends_a_run_with_its_summary() {
    let broker = OwnBroker::start().await;
    let (child, stdout) = endless(broker.address()).await;
    broker.stop().await;
    let (code, rest, stderr) = end(child, stdout).await;
    assert_eq!(code, 1, "{rest} {stderr}");
    assert!(rest.contains("receiving rate avg: "), "{rest}");
    assert!(stderr.contains("320 CONNECTION_FORCED"), "{stderr}");
}
