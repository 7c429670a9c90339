//! How `warren check` and `warren dump` write things down: one line each, whatever names clients
//! have chosen.

use std::collections::HashMap;
use std::fmt::{self, Display, Write};

use super::QueueId;
use super::contents::Contents;
use super::definition::Definition;
use super::record::{
    Counted, Kind, Place, Published, Raw, decode_count, decode_definition, decode_mark,
    decode_queue, decode_remove,
};
use crate::amqp::properties::Properties;
use crate::message::{Attempts, MessageId, short_strings};

/// So many octets of a body are shown.
const BODY_SHOWN_BYTES: usize = 64;
/// So many runs of ids, or queues of a message, are shown: a line stays a line.
const RUNS_SHOWN_MAX: usize = 64;

/// Text without control characters, which names may have: so that one thing is one line, and no
/// name can do anything to a terminal.
pub(super) fn plain(text: impl Display) -> String {
    let mut out = String::new();
    for c in text.to_string().chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// What queues are called.
pub(super) struct Names(HashMap<QueueId, (String, String)>);

impl Names {
    /// Of all that are defined.
    pub(super) fn of(contents: &Contents) -> Self {
        let definitions = contents.definitions.lock();
        let name = |(key, defined): (&Vec<u8>, &super::contents::Defined)| match Definition::decode(
            key,
            &defined.value,
        ) {
            Ok(Definition::Queue(q)) => Some((q.id, (q.vhost.to_string(), q.name.to_string()))),
            _ => None,
        };
        Self(definitions.all.iter().filter_map(name).collect())
    }

    /// A queue, so that it can be found.
    pub(super) fn show(&self, queue: QueueId) -> String {
        match self.0.get(&queue) {
            Some((vhost, name)) => plain(format!("queue {} '{name}' in vhost '{vhost}'", queue.0)),
            None => format!("queue {} without a definition", queue.0),
        }
    }

    /// Whether a queue has that name or number.
    pub(super) fn is(&self, queue: QueueId, wanted: &str) -> bool {
        wanted.parse() == Ok(queue.0) || self.0.get(&queue).is_some_and(|(_, name)| name == wanted)
    }

    /// All of them, in order of their numbers.
    pub(super) fn queues(&self) -> Vec<QueueId> {
        let mut queues: Vec<_> = self.0.keys().copied().collect();
        queues.sort_unstable();
        queues
    }
}

/// Ids in order, written as runs; of many only the first.
#[derive(Default)]
pub(super) struct Runs {
    text: String,
    count: usize,
    current: Option<(u64, u64)>,
}

impl Runs {
    /// The next id.
    pub(super) fn push(&mut self, id: MessageId) {
        match &mut self.current {
            Some((_, last)) if *last + 1 == id.0 => *last = id.0,
            current => {
                let done = current.replace((id.0, id.0));
                self.write(done);
            }
        }
    }

    /// The text.
    pub(super) fn end(mut self) -> String {
        let done = self.current.take();
        self.write(done);
        self.text
    }

    fn write(&mut self, run: Option<(u64, u64)>) {
        let Some((first, last)) = run else { return };
        self.count += 1;
        let text = &mut self.text;
        // Writing to a string does not fail.
        let _ = match self.count {
            1 if first == last => write!(text, "{first}"),
            1 => write!(text, "{first}-{last}"),
            n if n > RUNS_SHOWN_MAX + 1 => Ok(()),
            n if n > RUNS_SHOWN_MAX => text.write_str(",..."),
            _ if first == last => write!(text, ",{first}"),
            _ => write!(text, ",{first}-{last}"),
        };
    }
}

/// A record in one line, behind its place.
pub(super) fn record(place: Place, raw: Raw<'_>) -> String {
    let head = format!("record {}:{} bytes={}", place.segment, place.offset, raw.bytes);
    let payload = raw.payload;
    let rest = match raw.kind {
        None => "kind=unknown".to_owned(),
        Some(Kind::Mark) => decode_mark(payload).map_or("kind=mark bad".to_owned(), |mark| {
            format!(
                "kind=mark number={} synced-to={} batch-bytes={} time-ms={}",
                mark.number, mark.synced_to, mark.batch_bytes, mark.time_ms
            )
        }),
        Some(kind @ (Kind::Publish | Kind::Move)) => {
            let kind = if kind == Kind::Move { "move" } else { "publish" };
            match Published::decode(payload) {
                Some(published) => {
                    format!("kind={kind} {} {}", refs(&published), message(&published))
                }
                None => format!("kind={kind} bad"),
            }
        }
        Some(Kind::Remove) => {
            let runs = decode_remove(payload)
                .map(|run| format!("{}:{}-{}", run.queue.0, run.first.0, run.last.0));
            format!("kind=remove runs={}", listed(runs))
        }
        Some(Kind::Count) => {
            let counted = decode_count(payload).map(|Counted { at, attempts }| {
                let Attempts { failed, acquired } = attempts;
                format!("{}:{}={failed}/{acquired}", at.queue.0, at.id.0)
            });
            format!("kind=count failed/acquired={}", listed(counted))
        }
        Some(Kind::Define) => format!("kind=define {}", defined(payload)),
        Some(Kind::Forget) => {
            let (key, rest) = decode_definition(payload).unwrap_or_default();
            let queue = decode_queue(rest).unwrap_or_default().0;
            format!("kind=forget key={} queue={queue}", key.escape_ascii())
        }
        Some(Kind::Drop) => {
            format!("kind=drop queue={}", decode_queue(payload).unwrap_or_default().0)
        }
        Some(Kind::Start) => "kind=start".to_owned(),
    };
    format!("{head} {rest}")
}

fn defined(payload: &[u8]) -> String {
    let Some((key, value)) = decode_definition(payload) else { return "bad".to_owned() };
    definition(key, value)
}

/// A definition in one line.
pub(super) fn definition(key: &[u8], value: &[u8]) -> String {
    match Definition::decode(key, value) {
        Ok(definition) => {
            let number = match &definition {
                Definition::Queue(queue) => format!(" number={}", queue.id.0),
                _ => String::new(),
            };
            let shown = plain(&definition);
            if definition.is_secret() {
                return format!("{shown} value=(hidden)");
            }
            format!("{shown}{number} value={}", value.escape_ascii())
        }
        Err(error) => format!("unreadable ({error}) key={}", key.escape_ascii()),
    }
}

fn refs(published: &Published<'_>) -> String {
    format!("refs={}", listed(published.refs().map(|r| format!("{}:{}", r.queue.0, r.id.0))))
}

fn listed(mut items: impl Iterator<Item = String>) -> String {
    let shown: Vec<_> = items.by_ref().take(RUNS_SHOWN_MAX).collect();
    let more = if items.next().is_some() { ",..." } else { "" };
    shown.join(",") + more
}

/// A message: what it is addressed to, a few of its properties, the first octets of its body.
pub(super) fn message(published: &Published<'_>) -> String {
    let (exchange, key) = short_strings(published.address());
    let body = published.body();
    let shown = body.get(..body.len().min(BODY_SHOWN_BYTES)).unwrap_or(body);
    let more = if shown.len() < body.len() { "..." } else { "" };
    format!(
        "{} time-ms={} exchange='{}' key='{}' properties={} body-bytes={} body='{}'{more}",
        if published.is_transient() { "transient" } else { "persistent" },
        published.time_ms,
        exchange.escape_ascii(),
        key.escape_ascii(),
        properties(published.properties()),
        body.len(),
        shown.escape_ascii(),
    )
}

fn properties(raw: &[u8]) -> String {
    let Ok(properties) = Properties::check(raw) else { return "bad".to_owned() };
    let mut out = Listed(String::from("{"));
    let texts = [
        ("content-type", properties.content_type),
        ("content-encoding", properties.content_encoding),
        ("correlation-id", properties.correlation_id),
        ("reply-to", properties.reply_to),
        ("expiration", properties.expiration),
        ("message-id", properties.message_id),
        ("type", properties.kind),
        ("user-id", properties.user_id),
        ("app-id", properties.app_id),
    ];
    for (name, value) in texts {
        out.add(name, value.map(|value| format!("'{}'", value.escape_ascii())));
    }
    out.add("delivery-mode", properties.delivery_mode);
    out.add("priority", properties.priority);
    out.add("timestamp", properties.timestamp);
    out.add("headers", properties.headers.map(|headers| headers.iter().count()));
    out.0 + "}"
}

struct Listed(String);

impl Listed {
    fn add(&mut self, name: &str, value: Option<impl fmt::Display>) {
        let Some(value) = value else { return };
        let between = if self.0.len() > 1 { " " } else { "" };
        // Writing to a string does not fail.
        let _ = write!(self.0, "{between}{name}={value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_in_runs_and_not_all_of_very_many() {
        let mut runs = Runs::default();
        for id in [1, 2, 3, 5, 7, 8] {
            runs.push(MessageId(id));
        }
        assert_eq!(runs.end(), "1-3,5,7-8");
        let mut runs = Runs::default();
        (0..1000).for_each(|id| runs.push(MessageId(id * 2)));
        let text = runs.end();
        assert!(text.ends_with(",124,126,..."), "{text}");
        assert_eq!(Runs::default().end(), "");
    }

    #[test]
    fn a_name_cannot_begin_a_line_or_speak_to_a_terminal() {
        assert_eq!(plain("a\nqueue 'b' \u{1b}[2J"), "a\\nqueue 'b' \\u{1b}[2J");
        assert_eq!(plain("grüße"), "grüße");
    }
}
