//! `warren publish`: a message from the command line, a file or standard input.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::thing::Thing;
use super::topology::DEFAULT_EXCHANGE;
use super::typed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::progress::Progress;

/// No broker takes a larger message (the largest of RabbitMQ), whatever its HTTP side allows.
const PAYLOAD_MAX_BYTES: u64 = 512 * 1024 * 1024;
/// The delivery mode of a message that is kept on disk.
const PERSISTENT: u8 = 2;
/// The properties of a message that are texts; headers have an option of their own.
const TEXTS: [&str; 10] = [
    "app_id",
    "cluster_id",
    "content_encoding",
    "content_type",
    "correlation_id",
    "expiration",
    "message_id",
    "reply_to",
    "type",
    "user_id",
];
/// Those that are numbers.
const NUMBERS: [&str; 3] = ["delivery_mode", "priority", "timestamp"];

/// Publishes a message.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Fails if a message reached no queue.

Examples:
  warren publish --key jobs 'hello'
  warren publish --exchange events --key order.new --file order.json \\
      --property content_type=application/json --header attempt=1 --persistent
  date | warren publish --key jobs -")]
pub(crate) struct Publish {
    /// The payload; '-' reads standard input.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    payload: Option<String>,
    /// A file with the payload; '-' is standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The exchange; the default exchange unless given, whose keys are names of queues.
    #[arg(long, short = 'x', value_name = "NAME", default_value = "")]
    exchange: String,
    /// The routing key.
    #[arg(long, short = 'k', value_name = "KEY", default_value = "")]
    key: String,
    /// A property such as content_type=text/plain. Can be given often.
    #[arg(long, value_name = "NAME=VALUE", value_parser = property)]
    property: Vec<(String, Value)>,
    /// A header; JSON is taken as such, everything else as text. Can be given often.
    #[arg(long, value_name = "NAME=VALUE", value_parser = typed::pair)]
    header: Vec<(String, Value)>,
    /// Keep it on disk in durable queues.
    #[arg(long)]
    persistent: bool,
    /// Publish it so many times.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    count: u64,
}

impl Publish {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let exchange = match self.exchange.as_str() {
            "" => DEFAULT_EXCHANGE,
            named => named,
        };
        let thing = Thing::within("exchange", exchange, context.vhost());
        let route = thing.route(&["exchanges", context.vhost(), exchange, "publish"]);
        let (payload, encoding) = match String::from_utf8(self.payload()?) {
            Ok(text) => (text, "string"),
            Err(error) => (STANDARD.encode(error.as_bytes()), "base64"),
        };
        let body = json!({
            "properties": self.properties()?,
            "routing_key": self.key,
            "payload": payload,
            "payload_encoding": encoding,
        });
        let mut routed = 0;
        let progress =
            if self.count > 1 { Progress::new(self.count, "publish") } else { Progress::hidden() };
        for _ in 0..self.count {
            let answer = context.client.ask(&route, &body)?;
            let is_routed = answer.get("routed").and_then(Value::as_bool).ok_or_else(|| {
                Failure::protocol(format!("{thing}: the answer does not say 'routed'"))
            })?;
            routed += u64::from(is_routed);
            progress.step();
        }
        progress.finish();
        self.tell(context, routed)
    }

    fn tell(&self, context: &Context, routed: u64) -> Result<(), Failure> {
        let unrouted = self.count.saturating_sub(routed);
        let done = json!({ "published": self.count, "routed": routed, "unrouted": unrouted });
        let sentence = match (self.count, unrouted) {
            (1, 0) => "published and routed".to_owned(),
            (1, _) => "published, but no queue got it".to_owned(),
            (count, 0) => format!("published {count} messages, all routed"),
            (count, _) => format!("published {count} messages, no queue got {unrouted} of them"),
        };
        context.output.done(&sentence, &done)?;
        if unrouted == 0 { Ok(()) } else { Err(Failure::told()) }
    }

    fn payload(&self) -> Result<Vec<u8>, Failure> {
        match (&self.payload, &self.file) {
            (_, Some(file)) => files::read(file, PAYLOAD_MAX_BYTES),
            (Some(payload), _) if payload == "-" => files::read("-".as_ref(), PAYLOAD_MAX_BYTES),
            (Some(payload), None) => Ok(payload.clone().into_bytes()),
            (None, None) => Err(Failure::usage("no payload")),
        }
    }

    fn properties(&self) -> Result<Value, Failure> {
        let mut properties = typed::merged("--property", None, &self.property)?;
        let headers = typed::merged("--header", None, &self.header)?;
        if !headers.is_empty() {
            properties.insert("headers".to_owned(), Value::Object(headers));
        }
        if self.persistent {
            let mode = properties.insert("delivery_mode".to_owned(), PERSISTENT.into());
            if mode.is_some_and(|mode| mode != PERSISTENT) {
                let rule = "contradicts --property delivery_mode";
                return Err(Failure::usage(format!("--persistent: {rule}")));
            }
        }
        Ok(Value::Object(Map::from_iter(properties)))
    }
}

/// Reads a property, whose name says of which type it is.
fn property(text: &str) -> Result<(String, Value), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("must be NAME=VALUE".to_owned());
    };
    if TEXTS.contains(&name) {
        return Ok((name.to_owned(), value.into()));
    }
    if NUMBERS.contains(&name) {
        let number: u64 = value.parse().map_err(|_| format!("{name} must be a number"))?;
        return Ok((name.to_owned(), number.into()));
    }
    let known = TEXTS.iter().chain(&NUMBERS).copied().collect::<Vec<_>>().join(", ");
    Err(format!("a property is one of {known}; headers are given with --header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_have_the_type_of_their_name() {
        let read = |text| property(text).map(|(_, value)| value);
        assert_eq!(read("correlation_id=12"), Ok(json!("12")));
        assert_eq!(read("priority=12"), Ok(json!(12)));
        assert!(read("priority=high").is_err());
        assert!(read("prority=1").is_err_and(|error| error.contains("priority")));
        assert!(read("priority").is_err());
    }
}
