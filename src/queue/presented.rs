//! A message as clients get to see it, where that is not as the broker keeps it.

use super::Queue;
use crate::amqp::properties::Properties;
use crate::amqp::table::TableBuilder;
use crate::message::{Attempts, Message, Traits};
use crate::outbox::Entry;

/// A header that nobody gets to see.
const BCC: &str = "BCC";
/// Headers that tell how often a message has come back.
const DELIVERY_COUNT: &str = "x-delivery-count";
const ACQUIRED_COUNT: &str = "x-acquired-count";

/// The message to show, if it is another one. `attempts`: how often it has come back, if its queue
/// counts that.
#[inline]
pub fn presented(message: &Message, attempts: Option<Attempts>) -> Option<Message> {
    let attempts = attempts.filter(|attempts| *attempts != Attempts::default());
    if attempts.is_none() && !message.traits().has(Traits::BLIND_COPIES) {
        return None;
    }
    Some(rewritten(message, attempts))
}

impl Queue {
    /// The message to show of what it has handed out, if it is another one.
    pub fn presented(&self, entry: &Entry) -> Option<Message> {
        let counts = entry.attempts != Attempts::default() && self.counts_attempts();
        presented(&entry.message, counts.then_some(entry.attempts))
    }
}

#[cold]
fn rewritten(message: &Message, attempts: Option<Attempts>) -> Message {
    let properties = Properties::check(message.properties()).unwrap_or_default();
    let headers = properties.headers.unwrap_or_default();
    let counts = attempts.is_some();
    let mut shown = headers.filtered(|name| {
        let is = |other: &str| name == other.as_bytes();
        !is(BCC) && !(counts && (is(DELIVERY_COUNT) || is(ACQUIRED_COUNT)))
    });
    if let Some(Attempts { failed, acquired }) = attempts {
        shown = with_counts(shown, failed, acquired);
    }
    let properties = properties.with_headers(&shown.build().sorted_by_name());
    message.readdressed(message.address(), &properties, message.traits())
}

fn with_counts(headers: TableBuilder, failed: u32, acquired: u16) -> TableBuilder {
    let headers = headers.long(ACQUIRED_COUNT, acquired.into());
    if failed > 0 { headers.long(DELIVERY_COUNT, failed.into()) } else { headers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Body, address};

    fn message(headers: TableBuilder, flags: u8) -> Message {
        let properties = Properties::default().with_headers(&headers.build());
        let traits = Traits::new(flags, 0);
        Message::new(&address(b"x", b"k"), &properties, Body::Inline(b"body"), traits)
    }

    fn headers(message: &Message) -> Vec<String> {
        let properties = Properties::check(message.properties()).expect("sound");
        let shown = |(name, value): (&[u8], _)| format!("{}={value}", name.escape_ascii());
        properties.headers.expect("headers").iter().map(shown).collect()
    }

    #[test]
    fn most_messages_are_shown_as_they_are() {
        let message = message(TableBuilder::new().long("a", 1), Traits::PERSISTENT);
        assert!(presented(&message, None).is_none());
        assert!(presented(&message, Some(Attempts::default())).is_none());
    }

    #[test]
    fn blind_copies_are_hidden_and_counts_are_the_brokers() {
        let sent = TableBuilder::new()
            .long("a", 1)
            .array_of_long_strings("BCC", ["q"])
            .long("x-delivery-count", 99);
        let message = message(sent, Traits::BLIND_COPIES);
        let shown = presented(&message, None).expect("another one");
        assert_eq!(headers(&shown), ["a=1", "x-delivery-count=99"]);
        assert_eq!((shown.address(), shown.inline_body()), (message.address(), &b"body"[..]));
        let attempts = Attempts { failed: 2, acquired: 3 };
        let shown = presented(&message, Some(attempts)).expect("another one");
        assert_eq!(headers(&shown), ["a=1", "x-acquired-count=3", "x-delivery-count=2"]);
    }
}
