//! The headers of one message, by name.
//!
//! The first of repeated names wins, and with many of them a look-up must still be cheap: sender
//! and binder may be two people who want the broker to be slow.

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::amqp::table::{TableView, Value};

/// Headers kept on the stack: as many as are found quicker by comparing than by hashing. Real
/// messages have fewer; those with more pay for a hash map.
const FEW_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Message<'a> {
    few: SmallVec<[(&'a [u8], Value<'a>); FEW_MAX]>,
    many: HashMap<&'a [u8], Value<'a>>,
}

impl<'a> Message<'a> {
    pub(super) fn new(headers: TableView<'a>) -> Self {
        let mut message = Self::default();
        for (name, value) in &headers {
            message.add(name, value);
        }
        message
    }

    fn add(&mut self, name: &'a [u8], value: Value<'a>) {
        if self.many.is_empty() {
            if self.few.iter().any(|(known, _)| *known == name) {
                return;
            }
            if self.few.len() < FEW_MAX {
                self.few.push((name, value));
                return;
            }
            self.many.extend(self.few.drain(..));
        }
        self.many.entry(name).or_insert(value);
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Value<'a>> {
        if self.many.is_empty() {
            return self.few.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        }
        self.many.get(name)
    }

    /// Every name once.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> {
        let many = self.many.iter().map(|(name, value)| (*name, *value));
        self.few.iter().copied().chain(many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::table::TableBuilder;

    #[test]
    fn the_first_of_repeated_names_wins_however_many_there_are() {
        for distinct in [1, 15, 16, 17, 80] {
            let table = (0..2 * distinct).fold(TableBuilder::new(), |table, number| {
                table.long(&(number % distinct).to_string(), number)
            });
            let table = table.build();
            let message = Message::new(table.view());
            for number in 0..distinct {
                let value = message.get(number.to_string().as_bytes()).unwrap();
                assert_eq!(value.as_int(), Some(number));
            }
            let mut all: Vec<_> = message.iter().map(|(_, value)| value.as_int()).collect();
            all.sort_unstable();
            assert_eq!(all, (0..distinct).map(Some).collect::<Vec<_>>());
            assert!(message.get(b"x").is_none());
        }
    }
}
