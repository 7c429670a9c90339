//! `warren get`: looks at messages of a queue, or takes them.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::list::rows;
use super::thing::Thing;
use super::typed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::output::{Column, Format, Kind};

/// More messages than this are not looked at by hand, and all of them are in memory at once.
const COUNT_MAX: u64 = 100_000;
/// So much of a payload fits a table.
const SHOWN_BYTES: u64 = 200;

const COLUMNS: &[Column] = &[
    Column::text("exchange"),
    Column::text("routing_key"),
    Column::text("redelivered"),
    Column::named("left", "message_count", Kind::Number),
    Column::text("properties"),
    Column::named("bytes", "payload_bytes", Kind::Number),
    Column::named("encoding", "payload_encoding", Kind::Text),
    Column::text("payload"),
];

/// Shows messages of a queue, and puts them back unless told otherwise.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Messages that are put back keep their place and are marked as redelivered. In a table, payloads
that are put back are shown as far as 200 bytes.

Examples:
  warren get jobs
  warren get jobs --count 10 --format json
  warren get jobs --ack --output message.bin")]
pub(crate) struct Get {
    /// The queue.
    #[arg(value_parser = typed::name)]
    queue: String,
    /// At most so many messages.
    #[arg(long, value_name = "COUNT", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=COUNT_MAX))]
    count: u64,
    /// Take them out of the queue.
    #[arg(long, conflicts_with_all = ["reject", "requeue"])]
    ack: bool,
    /// Reject them: they are dead-lettered where the queue does so, and gone otherwise.
    #[arg(long, conflicts_with = "requeue")]
    reject: bool,
    /// Put them back; that is what is done without --ack and --reject.
    #[arg(long)]
    requeue: bool,
    /// Write the payload to this file as it is; of several messages to FILE.1, FILE.2 and so on.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Get {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let thing = Thing::within("queue", &self.queue, context.vhost());
        let is_taken = self.ack || self.reject;
        let mode = match (self.ack, self.reject) {
            (true, _) => "ack_requeue_false",
            (_, true) => "reject_requeue_false",
            _ => "ack_requeue_true",
        };
        let mut body = json!({ "count": self.count, "ackmode": mode, "encoding": "auto" });
        let is_table = context.output.format() == Format::Table && self.output.is_none();
        if is_table
            && !is_taken
            && let Some(body) = body.as_object_mut()
        {
            body.insert("truncate".to_owned(), SHOWN_BYTES.into());
        }
        let route = thing.route(&["queues", context.vhost(), &self.queue, "get"]);
        let messages = rows(context.client.ask(&route, &body)?, route.subject())?;
        match &self.output {
            // A message that was taken must not be lost because it could not be written, so it
            // is shown too.
            Some(path) => self.write(context, path, &messages),
            None if messages.is_empty() && is_table => context.output.print("no message\n"),
            None => context.output.table(COLUMNS, &messages),
        }
    }

    fn write(
        &self,
        context: &Context,
        path: &std::path::Path,
        messages: &[Value],
    ) -> Result<(), Failure> {
        let mut names = Vec::new();
        for (number, message) in (1..).zip(messages) {
            let payload = payload(message)?;
            if files::is_stdio(path) {
                context.output.print_bytes(&payload)?;
                continue;
            }
            let mut name = path.as_os_str().to_owned();
            if self.count > 1 {
                name.push(format!(".{number}"));
            }
            if let Err(failure) = files::write(name.as_ref(), &payload) {
                if self.ack || self.reject {
                    let rest = messages.get(number - 1..).unwrap_or_default();
                    context.output.table(COLUMNS, rest)?;
                }
                return Err(failure);
            }
            names.push(PathBuf::from(name).display().to_string());
        }
        if files::is_stdio(path) {
            return Ok(());
        }
        let sentence = match names.as_slice() {
            [] => "no message".to_owned(),
            names => format!("wrote {}", names.join(", ")),
        };
        context.output.done(&sentence, &json!({ "written": names }))
    }
}

/// The payload of a message as it was published.
fn payload(message: &Value) -> Result<Vec<u8>, Failure> {
    let text = message.get("payload").and_then(Value::as_str);
    let text = text.ok_or_else(|| Failure::protocol("a message without a payload"))?;
    if message.get("payload_encoding").is_some_and(|encoding| encoding == "base64") {
        let decoded = STANDARD.decode(text);
        return decoded.map_err(|error| Failure::protocol(format!("a payload: {error}")));
    }
    Ok(text.as_bytes().to_vec())
}
