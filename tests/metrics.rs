//! `/metrics`: the text format, the names that dashboards read, and that the numbers are right.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;

/// A family, as a strict reader of the format sees it.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<Sample>,
}

#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

type Families = BTreeMap<String, Family>;

fn is_name(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// Reads an exposition, and fails over anything that the format does not allow.
fn parse(text: &str) -> Families {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut families = Families::new();
    let (mut current, mut seen) = (String::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(is_name(name), "{line}");
            assert!(["counter", "gauge", "histogram", "untyped"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            let family = Family { kind: kind.to_owned(), samples: Vec::new() };
            assert!(families.insert(name.to_owned(), family).is_none(), "twice: {line}");
            name.clone_into(&mut current);
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a text");
            assert!(name == current && !help.is_empty(), "{line}");
        } else {
            let sample = parse_sample(line);
            let family = families.get_mut(&current).expect("a type comes first");
            let suffix = sample.name.strip_prefix(&current).unwrap_or("another family");
            let is_histogram = family.kind == "histogram";
            let allowed: &[&str] =
                if is_histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(allowed.contains(&suffix), "{line} in {current}");
            let key = format!("{} {:?}", sample.name, sample.labels);
            assert!(seen.insert(key), "twice: {line}");
            family.samples.push(sample);
        }
    }
    for (name, family) in families.iter().filter(|(_, family)| family.kind == "histogram") {
        check_histogram(name, family);
    }
    families
}

fn parse_sample(line: &str) -> Sample {
    let name_end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(name_end);
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, behind) = rest.split_once("=\"").expect("a label");
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let (value, behind) = parse_value(behind);
            labels.push((label.to_owned(), value));
            let Some(more) = behind.strip_prefix(',') else {
                rest = behind.strip_prefix('}').expect("the end of the labels");
                break;
            };
            rest = more;
        }
    }
    let value = rest.strip_prefix(' ').expect("one space");
    assert!(!value.contains(' '), "{line}");
    Sample { name: name.to_owned(), labels, value: value.parse().expect("a number") }
}

/// The value of a label, and what stands behind it.
fn parse_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                other => panic!("no escape: {other:?}"),
            },
            '\n' => panic!("a line break in a label"),
            c => value.push(c),
        }
    }
    panic!("no end of a label")
}

fn check_histogram(name: &str, family: &Family) {
    let mut last: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for sample in &family.samples {
        let others: Vec<_> = sample.labels.iter().filter(|(key, _)| key != "le").collect();
        let key = format!("{others:?}");
        if sample.name.ends_with("_bucket") {
            let bound: f64 = sample.label("le").expect("le").parse().expect("a bound");
            if let Some((before, count)) = last.get(&key) {
                assert!(bound > *before && sample.value >= *count, "{name}: {sample:?}");
            }
            last.insert(key, (bound, sample.value));
        } else if sample.name.ends_with("_count") {
            assert_eq!(last.get(&key), Some(&(f64::INFINITY, sample.value)), "{name}");
        }
    }
}

/// The value of a sample with these labels.
fn value(families: &Families, name: &str, labels: &[(&str, &str)]) -> f64 {
    let family = families.get(name).unwrap_or_else(|| panic!("no {name}"));
    let has = |sample: &&Sample| labels.iter().all(|(k, v)| sample.label(k) == Some(v));
    let mut found = family.samples.iter().filter(has);
    let sample = found.next().unwrap_or_else(|| panic!("no {name} with {labels:?}"));
    assert!(found.next().is_none(), "several of {name} with {labels:?}");
    sample.value
}

async fn scraped() -> OwnBroker {
    OwnBroker::start_with(|config| config.metrics = vec!["127.0.0.1:0".to_owned()]).await
}

/// What is answered: the status, and the text.
async fn fetch(broker: &OwnBroker, path: &str) -> (u16, String) {
    let address = broker.broker.metrics_addresses().first().expect("it listens");
    let url = format!("http://{address}{path}");
    let asked = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
        let mut answer = ureq::Agent::from(agent).get(&url).call().expect("an answer");
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_string();
        (answer.status().as_u16(), body.expect("text"))
    });
    asked.await.expect("asked")
}

async fn scrape(broker: &OwnBroker, path: &str) -> Families {
    let (status, text) = fetch(broker, path).await;
    assert_eq!(status, 200, "{text}");
    parse(&text)
}

/// What the dashboard RabbitMQ-Overview reads (behaviour 38.4), and its types.
const OF_THE_DASHBOARD: &[(&str, &str)] = &[
    ("rabbitmq_alarms_free_disk_space_watermark", "untyped"),
    ("rabbitmq_alarms_memory_used_watermark", "untyped"),
    ("rabbitmq_build_info", "untyped"),
    ("rabbitmq_channels", "gauge"),
    ("rabbitmq_channels_closed_total", "counter"),
    ("rabbitmq_channels_opened_total", "counter"),
    ("rabbitmq_connections", "gauge"),
    ("rabbitmq_connections_closed_total", "counter"),
    ("rabbitmq_connections_opened_total", "counter"),
    ("rabbitmq_consumers", "gauge"),
    ("rabbitmq_disk_space_available_bytes", "gauge"),
    ("rabbitmq_disk_space_available_limit_bytes", "gauge"),
    ("rabbitmq_erlang_uptime_seconds", "gauge"),
    ("rabbitmq_global_consumers", "gauge"),
    ("rabbitmq_global_messages_acknowledged_total", "counter"),
    ("rabbitmq_global_messages_confirmed_total", "counter"),
    ("rabbitmq_global_messages_delivered_consume_auto_ack_total", "counter"),
    ("rabbitmq_global_messages_delivered_consume_manual_ack_total", "counter"),
    ("rabbitmq_global_messages_delivered_get_auto_ack_total", "counter"),
    ("rabbitmq_global_messages_delivered_get_manual_ack_total", "counter"),
    ("rabbitmq_global_messages_delivered_total", "counter"),
    ("rabbitmq_global_messages_get_empty_total", "counter"),
    ("rabbitmq_global_messages_received_confirm_total", "counter"),
    ("rabbitmq_global_messages_received_total", "counter"),
    ("rabbitmq_global_messages_redelivered_total", "counter"),
    ("rabbitmq_global_messages_routed_total", "counter"),
    ("rabbitmq_global_messages_unroutable_dropped_total", "counter"),
    ("rabbitmq_global_messages_unroutable_returned_total", "counter"),
    ("rabbitmq_global_publishers", "gauge"),
    ("rabbitmq_identity_info", "untyped"),
    ("rabbitmq_message_size_bytes", "histogram"),
    ("rabbitmq_process_max_fds", "gauge"),
    ("rabbitmq_process_open_fds", "gauge"),
    ("rabbitmq_process_resident_memory_bytes", "gauge"),
    ("rabbitmq_queue_messages_ready", "gauge"),
    ("rabbitmq_queue_messages_unacked", "gauge"),
    ("rabbitmq_queues", "gauge"),
    ("rabbitmq_queues_created_total", "counter"),
    ("rabbitmq_queues_declared_total", "counter"),
    ("rabbitmq_queues_deleted_total", "counter"),
    ("rabbitmq_resident_memory_limit_bytes", "gauge"),
];

const NASTY: &str = "<\"quoted\"> \\back\\ \u{fc}\u{4e2d}";

async fn publish_a_few(peer: &mut Peer) {
    peer.declare(NASTY).await;
    peer.declare("jobs").await;
    for size in [10, 200, 3000] {
        peer.send(publish("", "jobs", &vec![1; size])).await;
    }
    peer.send(publish("amq.direct", "nowhere", b"lost")).await;
    peer.ask(get_no_ack("jobs"), get_ok(1, false, 2, &[1; 10])).await;
}

#[tokio::test]
async fn the_dashboard_finds_all_that_it_reads() {
    let broker = scraped().await;
    let mut peer = broker.peer().await;
    publish_a_few(&mut peer).await;
    let families = scrape(&broker, "/metrics").await;
    for (name, kind) in OF_THE_DASHBOARD {
        let family = families.get(*name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!((family.kind.as_str(), family.samples.is_empty()), (*kind, false), "{name}");
    }
    let plain = |name| value(&families, name, &[]);
    assert!((plain("rabbitmq_queue_messages_ready") - 2.0).abs() < f64::EPSILON);
    assert!((plain("rabbitmq_queue_messages_bytes") - 3200.0).abs() < f64::EPSILON);
    assert!((plain("rabbitmq_queues") - 2.0).abs() < f64::EPSILON);
    assert!(plain("warren_queue_oldest_message_age_seconds") < 60.0);
    let received =
        value(&families, "rabbitmq_global_messages_received_total", &[("protocol", "amqp091")]);
    assert!((received - 4.0).abs() < f64::EPSILON);
    let sizes = families.get("rabbitmq_message_size_bytes").expect("sizes");
    let bounds = sizes.samples.iter().filter_map(|sample| sample.label("le"));
    let expected =
        ["100.0", "1000.0", "10000.0", "100000.0", "1e+06", "1e+07", "5e+07", "1e+08", "+Inf"];
    assert_eq!(bounds.collect::<Vec<_>>(), expected);
    let identity = families.get("rabbitmq_identity_info").expect("who it is");
    assert_eq!(identity.samples[0].label("rabbitmq_endpoint"), Some("aggregated"));
    for label in ["rabbitmq_node", "rabbitmq_cluster", "rabbitmq_cluster_permanent_id"] {
        assert!(identity.samples[0].label(label).is_some_and(|v| !v.is_empty()), "{label}");
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn each_object_has_its_own_samples() {
    let broker = scraped().await;
    let mut peer = broker.peer().await;
    publish_a_few(&mut peer).await;
    let families = scrape(&broker, "/metrics/per-object").await;
    let of = |name, labels| value(&families, name, labels);
    let jobs = [("vhost", "/"), ("queue", "jobs")];
    assert!((of("rabbitmq_queue_messages_ready", &jobs) - 2.0).abs() < f64::EPSILON);
    assert!((of("rabbitmq_queue_get_total", &jobs) - 1.0).abs() < f64::EPSILON);
    let nasty = [("vhost", "/"), ("queue", NASTY)];
    assert!(of("rabbitmq_queue_messages", &nasty).abs() < f64::EPSILON);
    let direct = [("vhost", "/"), ("exchange", "amq.direct")];
    let dropped = "rabbitmq_exchange_messages_unroutable_dropped_total";
    assert!((of(dropped, &direct) - 1.0).abs() < f64::EPSILON);
    assert_eq!(families["warren_queue_oldest_message_age_seconds"].samples.len(), 1);
    let waits = &families["warren_queue_wait_seconds"];
    assert!(waits.samples.iter().all(|sample| sample.label("queue") == Some("jobs")));
    assert_eq!(families["rabbitmq_channel_messages_published_total"].samples.len(), 1);
    assert_eq!(families["rabbitmq_connection_channels"].samples.len(), 1);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn details_are_what_was_asked_for() {
    let broker = scraped().await;
    let mut peer = broker.peer().await;
    publish_a_few(&mut peer).await;
    let nothing = scrape(&broker, "/metrics/detailed").await;
    assert_eq!(nothing.keys().count(), 2, "who answers, and nothing else: {nothing:?}");
    let path = "/metrics/detailed?family=queue_coarse_metrics&family=exchange_names&queue=jobs";
    let families = scrape(&broker, path).await;
    let names: Vec<_> = families.keys().map(String::as_str).collect();
    let expected = [
        "rabbitmq_build_info",
        "rabbitmq_cluster_exchange_name",
        "rabbitmq_detailed_queue_messages",
        "rabbitmq_detailed_queue_messages_ready",
        "rabbitmq_detailed_queue_messages_unacked",
        "rabbitmq_identity_info",
    ];
    assert_eq!(names, expected);
    assert_eq!(families["rabbitmq_detailed_queue_messages"].samples.len(), 1);
    let elsewhere = "/metrics/detailed?family=queue_metrics&family=queue_consumer_count&vhost=x";
    let families = scrape(&broker, elsewhere).await;
    assert!(families["rabbitmq_detailed_queue_consumers"].samples.is_empty());
    for family in ["vhost_status", "node_persister_metrics", "auth_attempt_metrics"] {
        let families = scrape(&broker, &format!("/metrics/detailed?family={family}")).await;
        assert!(families.len() > 2, "{family}");
    }
    let (status, text) = fetch(&broker, "/metrics/detailed?family=quue_metrics").await;
    assert_eq!(status, 400);
    assert!(text.contains("quue_metrics"), "{text}");
    broker.stop_and_check().await;
}

/// What a scrape costs is a matter of the release build.
#[tokio::test]
#[cfg_attr(debug_assertions, ignore = "measures time: cargo test --release")]
async fn ten_thousand_queues_are_scraped_at_once() {
    use std::time::{Duration, Instant};
    let broker = scraped().await;
    let mut peer = broker.peer().await;
    for number in 0..10_000 {
        peer.send(queue_declare(&format!("q{number}")).nowait()).await;
    }
    peer.expect_counts("q9999", 0, 0).await;
    let node = broker.broker.node();
    let began = Instant::now();
    let all = node.all_queues();
    let ready: u64 = all.iter().map(|queue| queue.statistics(1).ready.count).sum();
    let took = began.elapsed();
    assert_eq!((all.len(), ready), (10_000, 0));
    assert!(took < Duration::from_millis(20), "statistics of all queues took {took:?}");
    scrape(&broker, "/metrics").await;
    let began = Instant::now();
    scrape(&broker, "/metrics").await;
    let took = began.elapsed();
    assert!(took < Duration::from_millis(50), "a scrape took {took:?}");
    broker.stop_and_check().await;
}
