//! The options of `warren bench`: RabbitMQ PerfTest's usual ones, by the same names.
//!
//! What was typed becomes a checked `Plan`. Connects to nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use lapin::ExchangeKind;
use lapin::types::FieldTable;
use lapin::uri::{AMQPScheme, AMQPUri};

use super::arguments::{self, Properties};
use super::stamp::BODY_BYTES_MIN;

/// Connections, and channels on each, that one run opens: more is a slip of the finger.
const WORKERS_MAX: i64 = 10_000;
/// The largest body `RabbitMQ` takes.
const SIZE_MAX_BYTES: i64 = 512 * 1024 * 1024;
/// Queues of a pattern.
const QUEUES_MAX: i64 = 100_000;
/// Unconfirmed messages are kept in memory; PerfTest's users stay below a few thousand.
const UNCONFIRMED_MAX: i64 = 1_000_000;
/// Ten years, as for all times of the broker.
const SECONDS_MAX: u64 = 315_360_000;
/// Messages handed to a consumer ahead of its acknowledgements, unless `--qos` says otherwise. It
/// keeps a full queue from being read into memory, and is far above what throughput needs.
const PREFETCH_DEFAULT: &str = "5000";

const URI_DEFAULT: &str = "amqp://guest:guest@127.0.0.1:5672/%2f";

const EXAMPLES: &str = "\
Prints a line an interval, and a summary at the end: to standard output with --format table or
plain; with json and csv the lines go to standard error and only the summary to standard output.

Without --queue a queue is made for the run and deleted after it. Without --exchange the default
exchange is used, with the queue's name as the key. A run ends after --time, or when all producers
have published --pmessages and consumers have nothing more to receive, or when all consumers have
received --cmessages, or with Ctrl-C.

PerfTest's options of more than one letter work as well (-ad, -mp, -qa, -qp, -qpf, -qpt). Not here
are its JSON bodies, variable rates and sizes, polling consumers, and metrics servers.

The exit code is 1 also if a connection or channel was lost, or the messages asked for were not
sent or received before the end.

Examples:
  warren bench --time 10
  warren bench -x 2 -y 4 -u jobs -f persistent -c 200 -q 500 --time 30
  warren bench -x 1 -y 1 -r 1000 -s 1024 -C 60000 --format json";

/// What a run does: checked, and then never changed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) uri: AMQPUri,
    pub(super) id: String,
    pub(super) producers: u32,
    pub(super) consumers: u32,
    pub(super) producer_channels: u32,
    pub(super) consumer_channels: u32,
    pub(super) topology: Topology,
    pub(super) publish: Publish,
    pub(super) consume: Consume,
    pub(super) time: Option<Duration>,
    pub(super) interval: Duration,
    pub(super) output_file: Option<PathBuf>,
}

/// What is declared before a run.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    /// Named queues; none: one that is made for the run.
    pub(super) queues: Vec<String>,
    /// Empty for the default exchange.
    pub(super) exchange: String,
    pub(super) kind: ExchangeKind,
    pub(super) predeclared: bool,
    pub(super) auto_delete: bool,
    pub(super) durable: bool,
    pub(super) arguments: FieldTable,
    pub(super) routing_key: Option<String>,
}

/// How each producer channel publishes.
#[derive(Clone, Debug)]
pub(super) struct Publish {
    pub(super) size_bytes: usize,
    pub(super) rate: Option<f64>,
    /// Messages on their way to be confirmed; none: confirmations are not asked for.
    pub(super) unconfirmed_max: Option<u32>,
    pub(super) mandatory: bool,
    pub(super) properties: Properties,
    pub(super) messages: Option<u64>,
}

/// How each consumer channel consumes.
#[derive(Clone, Debug)]
pub(super) struct Consume {
    pub(super) prefetch: u16,
    pub(super) no_ack: bool,
    pub(super) ack_every: u32,
    pub(super) rate: Option<f64>,
    pub(super) messages: Option<u64>,
}

/// The command with its options.
pub(super) fn add_to(command: clap::Command) -> clap::Command {
    command
        .about("Puts load on a broker over AMQP, and measures throughput and latency")
        .after_help(EXAMPLES)
        .args(connection_arguments())
        .args(topology_arguments())
        .args(publish_arguments())
        .args(consume_arguments())
        .args(run_arguments())
}

/// PerfTest's options of several letters behind one dash, by their long names.
const PERF_TEST_NAMES: [(&str, &str); 7] = [
    ("-ad", "--auto-delete"),
    ("-mp", "--message-properties"),
    ("-qa", "--queue-args"),
    ("-qp", "--queue-pattern"),
    ("-qpf", "--queue-pattern-from"),
    ("-qpt", "--queue-pattern-to"),
    ("-qq", "--quorum-queue"),
];

fn connection_arguments() -> Vec<Arg> {
    let uri =
        option("uri", None, "URI", "Where the broker is, and as whom to connect; without TLS")
            .default_value(URI_DEFAULT);
    vec![
        // The password in it must not appear when clap complains of something.
        uri.value_parser(value_parser!(String)).hide_default_value(false),
        count("producers", 'x', 0, "Connections that publish").default_value("1"),
        count("consumers", 'y', 0, "Connections that consume").default_value("1"),
        count("producer-channel-count", 'X', 1, "Channels of each producer").default_value("1"),
        count("consumer-channel-count", 'Y', 1, "Channels of each consumer").default_value("1"),
    ]
}

fn topology_arguments() -> Vec<Arg> {
    let queue_number = |name: &'static str, help: &'static str| {
        option(name, None, "N", help).value_parser(value_parser!(i64).range(0..QUEUES_MAX))
    };
    let pattern = "Names of many queues, such as perf-%d; producers and consumers take turns";
    vec![
        option("queue", Some('u'), "NAME", "The queue; made for the run if not named"),
        option("queue-pattern", None, "PATTERN", pattern).conflicts_with("queue"),
        queue_number("queue-pattern-from", "First number of the pattern")
            .requires("queue-pattern")
            .default_value("1"),
        queue_number("queue-pattern-to", "Last number of the pattern").requires("queue-pattern"),
        option("exchange", Some('e'), "NAME", "The exchange; declared unless it is amq.*")
            .default_value(""),
        option("type", Some('t'), "TYPE", "Type of the exchange").default_value("direct"),
        option("routing-key", Some('k'), "KEY", "The key; by default the name of the queue"),
        switch("predeclared", Some('p'), "Declare and bind nothing: it is there already"),
        option("auto-delete", None, "BOOL", "Whether a declared queue goes with its last consumer")
            .value_parser(value_parser!(bool)),
        switch("quorum-queue", None, "Declare quorum queues"),
        option("queue-args", None, "K=V,...", "Arguments of declared queues")
            .action(ArgAction::Append),
    ]
}

fn publish_arguments() -> Vec<Arg> {
    let size = format!("Octets of a body; at least {BODY_BYTES_MIN}, for the time of sending");
    vec![
        option("size", Some('s'), "BYTES", "")
            .help(size)
            .default_value("0")
            .value_parser(value_parser!(i64).range(0..=SIZE_MAX_BYTES)),
        option("rate", Some('r'), "PER_SECOND", "Messages a second of each producer channel")
            .value_parser(rate),
        option("confirm", Some('c'), "N", "Ask for confirmations, N messages at most without one")
            .value_parser(value_parser!(i64).range(1..=UNCONFIRMED_MAX)),
        option("flag", Some('f'), "FLAG", "persistent: to disk; mandatory: unroutable ones return")
            .action(ArgAction::Append)
            .value_delimiter(',')
            .value_parser(["persistent", "mandatory"]),
        option("message-properties", None, "K=V,...", "Properties; unknown names become headers")
            .action(ArgAction::Append),
        option("pmessages", Some('C'), "N", "Messages that each producer channel publishes")
            .value_parser(value_parser!(u64).range(1..)),
    ]
}

fn consume_arguments() -> Vec<Arg> {
    vec![
        option("qos", Some('q'), "N", "Unacknowledged messages of a consumer; 0 for no limit")
            .value_parser(value_parser!(u16))
            .default_value(PREFETCH_DEFAULT),
        switch("autoack", Some('a'), "Take messages as acknowledged when they are sent"),
        option("multi-ack-every", Some('A'), "N", "Acknowledge N messages at once")
            .value_parser(value_parser!(u32).range(1..))
            .conflicts_with("autoack")
            .default_value("1"),
        option("consumer-rate", Some('R'), "PER_SECOND", "Messages a second of a consumer channel")
            .value_parser(rate)
            .conflicts_with("autoack"),
        option("cmessages", Some('D'), "N", "Messages that each consumer channel receives")
            .value_parser(value_parser!(u64).range(1..)),
    ]
}

fn run_arguments() -> Vec<Arg> {
    let seconds = || value_parser!(u64).range(1..=SECONDS_MAX);
    vec![
        option("time", Some('z'), "SECONDS", "End the run after this time").value_parser(seconds()),
        option("interval", Some('i'), "SECONDS", "Time between two lines")
            .value_parser(seconds())
            .default_value("1"),
        option("id", Some('d'), "ID", "What the run is called in its output"),
        option("output-file", Some('o'), "FILE", "Write the figures of each interval there as CSV"),
    ]
}

fn option(name: &'static str, short: Option<char>, value: &'static str, help: &'static str) -> Arg {
    let argument = Arg::new(name).long(name).value_name(value).help(help);
    match short {
        Some(short) => argument.short(short),
        None => argument,
    }
}

fn switch(name: &'static str, short: Option<char>, help: &'static str) -> Arg {
    let argument = Arg::new(name).long(name).help(help).action(ArgAction::SetTrue);
    match short {
        Some(short) => argument.short(short),
        None => argument,
    }
}

fn count(name: &'static str, short: char, least: i64, help: &'static str) -> Arg {
    option(name, Some(short), "N", help).value_parser(value_parser!(i64).range(least..=WORKERS_MAX))
}

/// A rate that is more than nothing and finite.
fn rate(text: &str) -> Result<f64, String> {
    match f64::from_str(text) {
        Ok(rate) if (0.01..=1e9).contains(&rate) => Ok(rate),
        _ => Err("must be a number from 0.01 to 1000000000".to_owned()),
    }
}

/// Writes PerfTest's options of several letters as the command line here knows them.
pub(super) fn with_long_names(arguments: &mut [OsString]) {
    for argument in arguments {
        let known = PERF_TEST_NAMES.iter().find(|(short, _)| *argument == **short);
        if let Some((_, long)) = known {
            *argument = (*long).into();
        }
    }
}

impl Plan {
    /// Checks what was typed; an `Err` names the option and the rule.
    pub(super) fn from_matches(matches: &ArgMatches) -> Result<Self, String> {
        let number = |name| u32::try_from(*matches.get_one::<i64>(name).unwrap_or(&0));
        let number = |name| number(name).unwrap_or(u32::MAX);
        let seconds = |name| matches.get_one::<u64>(name).map(|s| Duration::from_secs(*s));
        let uri = matches.get_one::<String>("uri").map_or(URI_DEFAULT, String::as_str);
        let plan = Self {
            uri: parse_uri(uri)?,
            id: match matches.get_one::<String>("id") {
                Some(id) => id.clone(),
                None => format!("bench-{}", std::process::id()),
            },
            producers: number("producers"),
            consumers: number("consumers"),
            producer_channels: number("producer-channel-count"),
            consumer_channels: number("consumer-channel-count"),
            topology: topology_of(matches)?,
            publish: publish_of(matches)?,
            consume: consume_of(matches),
            time: seconds("time"),
            interval: seconds("interval").unwrap_or(Duration::from_secs(1)),
            output_file: matches.get_one::<String>("output-file").map(PathBuf::from),
        };
        plan.check()
    }

    fn check(self) -> Result<Self, String> {
        if self.producers == 0 && self.consumers == 0 {
            return Err("--producers 0 --consumers 0: nothing would happen".to_owned());
        }
        if self.publish.messages.is_some() && self.producers == 0 {
            return Err("--pmessages needs a producer".to_owned());
        }
        if self.consume.messages.is_some() && self.consumers == 0 {
            return Err("--cmessages needs a consumer".to_owned());
        }
        let window = u32::from(self.consume.prefetch);
        if window > 0 && self.consume.ack_every > window {
            let every = self.consume.ack_every;
            return Err(format!("--multi-ack-every {every}: must not be above --qos, {window}"));
        }
        Ok(self)
    }

    /// Whether acknowledgements, not time or Ctrl-C, can end the run.
    pub(super) fn messages_expected(&self) -> Option<u64> {
        let channels = u64::from(self.producers) * u64::from(self.producer_channels);
        let consumers = u64::from(self.consumers) * u64::from(self.consumer_channels);
        let published = self.publish.messages.map(|each| each.saturating_mul(channels));
        let received = self.consume.messages.map(|each| each.saturating_mul(consumers));
        received.or(published)
    }
}

fn topology_of(matches: &ArgMatches) -> Result<Topology, String> {
    let text = |name| matches.get_one::<String>(name).cloned();
    let quorum = matches.get_flag("quorum-queue");
    let mut arguments = FieldTable::default();
    for pairs in matches.get_many::<String>("queue-args").unwrap_or_default() {
        arguments::add_to_table(pairs, &mut arguments)
            .map_err(|rule| format!("--queue-args {rule}"))?;
    }
    if quorum {
        arguments
            .insert("x-queue-type".into(), lapin::types::AMQPValue::LongString("quorum".into()));
    }
    Ok(Topology {
        queues: queues_of(matches)?,
        exchange: short("exchange", text("exchange").unwrap_or_default())?,
        kind: kind_of(&text("type").unwrap_or_default()),
        predeclared: matches.get_flag("predeclared"),
        auto_delete: matches.get_one::<bool>("auto-delete").copied().unwrap_or(!quorum),
        durable: quorum || has_flag(matches, "persistent"),
        arguments,
        routing_key: text("routing-key").map(|key| short("routing-key", key)).transpose()?,
    })
}

fn queues_of(matches: &ArgMatches) -> Result<Vec<String>, String> {
    let Some(pattern) = matches.get_one::<String>("queue-pattern") else {
        let queue = matches.get_one::<String>("queue").cloned();
        return queue.map(|queue| short("queue", queue)).into_iter().collect();
    };
    if !pattern.contains("%d") {
        return Err(format!("--queue-pattern {pattern}: must contain %d, for the number"));
    }
    let from = *matches.get_one::<i64>("queue-pattern-from").unwrap_or(&1);
    let Some(&to) = matches.get_one::<i64>("queue-pattern-to") else {
        return Err("--queue-pattern needs --queue-pattern-to".to_owned());
    };
    if to < from {
        return Err(format!("--queue-pattern-to {to}: must not be below the first, {from}"));
    }
    let names = (from..=to).map(|number| pattern.replace("%d", &number.to_string()));
    names.map(|name| short("queue-pattern", name)).collect()
}

fn publish_of(matches: &ArgMatches) -> Result<Publish, String> {
    let mut properties = Properties::default();
    for pairs in matches.get_many::<String>("message-properties").unwrap_or_default() {
        properties.add(pairs).map_err(|rule| format!("--message-properties {rule}"))?;
    }
    if has_flag(matches, "persistent") {
        properties.make_persistent();
    }
    let size = *matches.get_one::<i64>("size").unwrap_or(&0);
    let unconfirmed = matches.get_one::<i64>("confirm");
    Ok(Publish {
        size_bytes: usize::try_from(size).unwrap_or_default(),
        rate: matches.get_one::<f64>("rate").copied(),
        unconfirmed_max: unconfirmed.and_then(|count| u32::try_from(*count).ok()),
        mandatory: has_flag(matches, "mandatory"),
        properties,
        messages: matches.get_one::<u64>("pmessages").copied(),
    })
}

fn consume_of(matches: &ArgMatches) -> Consume {
    Consume {
        prefetch: *matches.get_one::<u16>("qos").unwrap_or(&0),
        no_ack: matches.get_flag("autoack"),
        ack_every: *matches.get_one::<u32>("multi-ack-every").unwrap_or(&1),
        rate: matches.get_one::<f64>("consumer-rate").copied(),
        messages: matches.get_one::<u64>("cmessages").copied(),
    }
}

fn has_flag(matches: &ArgMatches, flag: &str) -> bool {
    matches.get_many::<String>("flag").unwrap_or_default().any(|given| given == flag)
}

fn kind_of(name: &str) -> ExchangeKind {
    match name {
        "direct" => ExchangeKind::Direct,
        "fanout" => ExchangeKind::Fanout,
        "headers" => ExchangeKind::Headers,
        "topic" => ExchangeKind::Topic,
        other => ExchangeKind::Custom(other.to_owned()),
    }
}

/// Names are short strings on the wire (0-9-1, 4.2.5.3).
fn short(option: &str, name: String) -> Result<String, String> {
    if name.len() > 255 {
        return Err(format!("--{option}: a name has 255 octets at most, this one {}", name.len()));
    }
    Ok(name)
}

/// Says nothing of what was given: there is a password in it.
fn parse_uri(text: &str) -> Result<AMQPUri, String> {
    let rule = "--uri: must look like amqp://USER:PASSWORD@HOST:PORT/VHOST, \
                with %2f for the virtual host /";
    let mut uri = AMQPUri::from_str(text).map_err(|_| rule.to_owned())?;
    if uri.scheme == AMQPScheme::AMQPS {
        return Err("--uri: amqps is not spoken here, only amqp".to_owned());
    }
    // A URI that ends after the port means the default virtual host to most clients.
    if uri.vhost.is_empty() && !text.ends_with('/') {
        "/".clone_into(&mut uri.vhost);
    }
    // The parser takes an IPv6 address for no host at all.
    let after_user = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    if let Some((address, _)) = after_user.split_once('[').and_then(|(_, a)| a.split_once(']')) {
        address.clone_into(&mut uri.authority.host);
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> Result<Plan, String> {
        let command = add_to(clap::Command::new("bench"));
        let mut typed: Vec<OsString> = ["bench"].iter().chain(arguments).map(Into::into).collect();
        with_long_names(&mut typed);
        let matches = command.try_get_matches_from(typed).map_err(|error| error.to_string())?;
        Plan::from_matches(&matches)
    }

    #[test]
    fn perf_tests_own_names_are_understood() {
        let plan = plan(&["-ad", "false", "-mp", "priority=3", "-qp", "q-%d", "-qpt", "2", "-qq"]);
        let topology = plan.expect("good").topology;
        assert_eq!(topology.queues, ["q-1", "q-2"]);
        assert!(!topology.auto_delete && topology.durable);
        let kind = topology.arguments.inner().get("x-queue-type").expect("a type");
        assert_eq!(*kind, lapin::types::AMQPValue::LongString("quorum".into()));
    }

    #[test]
    fn queues_are_durable_where_messages_are() {
        let topology = |arguments: &[&str]| plan(arguments).expect("good").topology;
        assert!(topology(&["-f", "persistent"]).durable);
        let plain = topology(&[]);
        assert!(!plain.durable && plain.auto_delete && plain.queues.is_empty());
        assert!(!topology(&["--quorum-queue"]).auto_delete);
    }

    #[test]
    fn a_uri_is_read_as_clients_read_it() {
        let uri = |text| parse_uri(text).expect("good");
        assert_eq!(uri("amqp://h").vhost, "/");
        assert_eq!(uri("amqp://h/").vhost, "");
        assert_eq!(uri("amqp://h/%2f").vhost, "/");
        assert_eq!(uri("amqp://h/a").vhost, "a");
        let far = uri("amqp://a%40b:p%2Fw@[::1]:5673/v");
        assert_eq!((far.authority.host.as_str(), far.authority.port), ("::1", 5673));
        let user = &far.authority.userinfo;
        assert_eq!((user.username.as_str(), user.password.as_str()), ("a@b", "p/w"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_named() {
        for (arguments, words) in [
            (&["--uri", "amqps://h"][..], "amqps"),
            (&["--uri", "http://h"], "--uri"),
            (&["-C", "5", "-x", "0"], "--pmessages"),
            (&["-D", "5", "-y", "0"], "--cmessages"),
            (&["-qp", "q-%d"], "--queue-pattern-to"),
            (&["-qp", "q-%d", "-qpf", "5", "-qpt", "4"], "--queue-pattern-to 4"),
            (&["-qp", "q-%d", "-u", "q", "-qpt", "4"], "--queue"),
            (&["--queue-args", "x"], "--queue-args x: must be NAME=VALUE"),
            (&["-mp", "priority=x"], "--message-properties priority=x"),
            (&["-c", "0"], "--confirm"),
            (&["-x", "10001"], "--producers"),
            (&["-a", "-A", "3"], "--multi-ack-every"),
            (&["-f", "lazy"], "--flag"),
        ] {
            let refused = plan(arguments).expect_err("refused");
            assert!(refused.contains(words), "{arguments:?}: {refused}");
        }
        let long = "x".repeat(256);
        assert!(plan(&["-u", &long]).expect_err("refused").contains("255"));
    }
}
