//! The last messages that an exchange of type `x-recent-history` has seen.
//!
//! In memory only, as long as the exchange is there. Knows nothing of who is told them.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::amqp::table::{TableView, Value};
use crate::message::Message;

/// How much the history of one exchange takes of memory. The length is the client's choice and
/// says nothing of sizes; with the default of 20 messages there is room for 800 KiB in each.
const HISTORY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A header that keeps a message out of histories.
const NO_STORE: &str = "x-recent-history-no-store";

/// The last messages, oldest first.
#[derive(Debug)]
pub(super) struct History {
    length: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl History {
    /// Of at most so many messages.
    pub(super) fn new(length: u64) -> Self {
        Self { length, kept: Mutex::default() }
    }

    /// Whether a message with these headers wants to be remembered.
    pub(super) fn wants(headers: Option<TableView<'_>>) -> bool {
        !matches!(headers.and_then(|h| h.get(NO_STORE)), Some(Value::Bool(true)))
    }

    /// Remembers a message, and forgets the oldest ones for it.
    pub(super) fn push(&self, message: Message) {
        let mut forgotten = Vec::new(); // dropped without the lock
        let mut kept = self.kept.lock();
        kept.bytes += message.memory_bytes();
        kept.messages.push_back(message);
        while kept.messages.len() as u64 > self.length || kept.bytes > HISTORY_BYTES_MAX {
            let Some(oldest) = kept.messages.pop_front() else { break };
            kept.bytes -= oldest.memory_bytes();
            forgotten.push(oldest);
        }
        drop(kept);
    }

    /// All of them, oldest first.
    pub(super) fn messages(&self) -> Vec<Message> {
        self.kept.lock().messages.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::table::TableBuilder;
    use crate::message::{Body, address};

    fn message(body: &[u8]) -> Message {
        Message::new(&address(b"x", b"k"), &[0, 0], Body::Inline(body), false)
    }

    fn bodies(history: &History) -> Vec<Vec<u8>> {
        history.messages().iter().map(|m| m.inline_body().to_vec()).collect()
    }

    #[test]
    fn the_last_ones_are_kept_oldest_first() {
        let history = History::new(2);
        assert!(bodies(&history).is_empty());
        for body in [b"1", b"2", b"3"] {
            history.push(message(body));
        }
        assert_eq!(bodies(&history), [b"2", b"3"]);
    }

    #[test]
    fn large_messages_are_kept_while_there_is_room() {
        let history = History::new(u64::MAX);
        let third = vec![0; HISTORY_BYTES_MAX / 3];
        for _ in 0..4 {
            history.push(message(&third));
        }
        assert_eq!(bodies(&history).len(), 2);
        history.push(message(b"small"));
        assert_eq!(bodies(&history).len(), 3);
        history.push(message(&vec![0; HISTORY_BYTES_MAX]));
        assert!(bodies(&history).is_empty(), "it alone would be too much");
        assert_eq!(history.kept.lock().bytes, 0);
    }

    #[test]
    fn a_header_says_no() {
        let header = |value: Value<'_>| TableBuilder::new().value(NO_STORE, &value).build();
        assert!(History::wants(None) && History::wants(Some(header(Value::Void).view())));
        assert!(History::wants(Some(header(Value::Bool(false)).view())));
        assert!(History::wants(Some(header(Value::I32(1)).view())));
        assert!(!History::wants(Some(header(Value::Bool(true)).view())));
    }
}
