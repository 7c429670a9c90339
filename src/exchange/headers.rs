//! Headers exchange: binding arguments are compared with the headers of the message.
//!
//! A message must not be compared with every binding. Each binding is filed under entries that a
//! matching message cannot do without, and a message looks under its own headers: an `all`
//! binding under one entry, the one with the fewest others there; an `any` binding under each.
//! What is found that way is then compared in full. Ignores routing keys.

mod message;
mod rule;

use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::{DefaultHashBuilder, HashMap};
use smallvec::SmallVec;

use self::message::Message;
use self::rule::Rule;
pub(crate) use self::rule::validate;
use super::bindings::{Binding, shrink};
use super::seen::Seen;
use crate::amqp::table::{Table, TableView, Value};

/// Destinations by header entries.
pub struct Headers<T> {
    /// Every binding, and its slot.
    bindings: HashMap<Identity<T>, usize>,
    /// What routing needs, in slots that the index can name in a word.
    slots: Vec<Option<Filed<T>>>,
    free: Vec<usize>,
    /// Bindings that match whatever the headers are.
    always: Slots,
    /// Slots by hash of name and value.
    by_entry: Index,
    /// Slots by hash of a name whose value does not matter.
    by_name: Index,
    hasher: DefaultHashBuilder,
}

type Slots = SmallVec<[usize; 2]>;
type Index = HashMap<u64, Slots>;

#[derive(PartialEq, Eq, Hash)]
struct Identity<T> {
    key: Box<[u8]>,
    arguments: Table,
    to: T,
}

struct Filed<T> {
    rule: Rule,
    arguments: Table,
    to: T,
    places: Places,
}

/// Where a binding is filed: in `by_entry` or `by_name`, at a hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Entry(u64),
    Name(u64),
    Always,
}

type Places = SmallVec<[Place; 1]>;

impl<T> Default for Headers<T> {
    fn default() -> Self {
        Self {
            bindings: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            always: Slots::new(),
            by_entry: Index::default(),
            by_name: Index::default(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<T: Clone + Eq + Hash> Headers<T> {
    /// Adds a binding, whose arguments should have passed [`validate`]; an `x-match` that nobody
    /// knows counts as `all`. `false`: it exists.
    pub fn bind(&mut self, key: &[u8], arguments: &Table, to: T) -> bool {
        let filed_to = to.clone();
        let identity = Identity { key: key.into(), arguments: arguments.clone(), to };
        if self.bindings.contains_key(&identity) {
            return false;
        }
        let slot = self.free.pop().unwrap_or(self.slots.len());
        let rule = Rule::of(arguments.view());
        let places = self.places_for(rule, arguments.view());
        for place in &places {
            self.slots_at(*place).push(slot);
        }
        let filed = Filed { rule, arguments: arguments.clone(), to: filed_to, places };
        match self.slots.get_mut(slot) {
            Some(empty) => *empty = Some(filed),
            None => self.slots.push(Some(filed)),
        }
        self.bindings.insert(identity, slot);
        true
    }

    /// Removes a binding. `false`: it does not exist.
    pub fn unbind(&mut self, key: &[u8], arguments: &Table, to: &T) -> bool {
        let identity = Identity { key: key.into(), arguments: arguments.clone(), to: to.clone() };
        let Some(slot) = self.bindings.remove(&identity) else { return false };
        if self.bindings.is_empty() {
            *self = Self::default(); // gives the memory back
            return true;
        }
        shrink(&mut self.bindings);
        if let Some(filed) = self.slots.get_mut(slot).and_then(Option::take) {
            for place in filed.places {
                self.leave(place, slot);
            }
        }
        self.free.push(slot);
        true
    }

    /// Reports the destinations of every matching binding, once per binding.
    pub fn route(&self, _: &[u8], headers: Option<TableView<'_>>, found: &mut impl FnMut(&T)) {
        for filed in self.always.iter().filter_map(|slot| self.filed(*slot)) {
            found(&filed.to);
        }
        let Some(headers) = headers else { return };
        if self.by_entry.is_empty() && self.by_name.is_empty() {
            return;
        }
        let message = Message::new(headers);
        let mut reported = Seen::default();
        for header in message.iter() {
            for slot in self.candidates(header) {
                let Some(filed) = self.filed(*slot) else { continue };
                let matches = if filed.rule.any {
                    !reported.contains(*slot)
                        && filed.has_entry_for(header)
                        && reported.insert(*slot)
                } else {
                    filed.has_all_in(&message)
                };
                if matches {
                    found(&filed.to);
                }
            }
        }
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// All bindings, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Binding<'_, T>> {
        self.bindings.keys().map(|Identity { key, arguments, to }| Binding { key, arguments, to })
    }

    fn filed(&self, slot: usize) -> Option<&Filed<T>> {
        self.slots.get(slot)?.as_ref()
    }

    /// Slots of bindings that may match because of this header.
    fn candidates<'s>(
        &'s self,
        (name, value): (&[u8], Value<'_>),
    ) -> impl Iterator<Item = &'s usize> + use<'s, T> {
        let look_up = |index: &'s Index, value| {
            // Few exchanges have bindings that ask for a name only.
            if index.is_empty() { None } else { index.get(&self.hash(name, value)) }
        };
        let by_entry = look_up(&self.by_entry, Some(value));
        let by_name = look_up(&self.by_name, None);
        by_entry.into_iter().chain(by_name).flatten()
    }

    fn places_for(&self, rule: Rule, arguments: TableView<'_>) -> Places {
        let places = rule.entries(arguments).map(|(name, value)| match value {
            Value::Void => Place::Name(self.hash(name, None)),
            value => Place::Entry(self.hash(name, Some(value))),
        });
        if rule.any {
            let mut all: Places = places.collect();
            all.sort_unstable();
            all.dedup();
            return all;
        }
        // A value tells messages apart better than a name does.
        let best = places.min_by_key(|place| match place {
            Place::Entry(hash) => (false, self.by_entry.get(hash).map_or(0, SmallVec::len)),
            Place::Name(hash) => (true, self.by_name.get(hash).map_or(0, SmallVec::len)),
            Place::Always => (true, usize::MAX),
        });
        std::iter::once(best.unwrap_or(Place::Always)).collect()
    }

    fn hash(&self, name: &[u8], value: Option<Value<'_>>) -> u64 {
        let mut state = self.hasher.build_hasher();
        name.hash(&mut state);
        if let Some(value) = value {
            value.hash_into(&mut state);
        }
        state.finish()
    }
}

impl<T> Headers<T> {
    fn slots_at(&mut self, place: Place) -> &mut Slots {
        match place {
            Place::Entry(hash) => self.by_entry.entry(hash).or_default(),
            Place::Name(hash) => self.by_name.entry(hash).or_default(),
            Place::Always => &mut self.always,
        }
    }

    fn leave(&mut self, place: Place, slot: usize) {
        let slots = self.slots_at(place);
        if let Some(at) = slots.iter().position(|filed| *filed == slot) {
            slots.swap_remove(at);
        }
        if !slots.is_empty() {
            return;
        }
        match place {
            Place::Entry(hash) => forget(&mut self.by_entry, hash),
            Place::Name(hash) => forget(&mut self.by_name, hash),
            Place::Always => {}
        }
    }
}

fn forget(index: &mut Index, hash: u64) {
    index.remove(&hash);
    shrink(index);
}

impl<T> Filed<T> {
    /// Whether this header is one of those asked for.
    fn has_entry_for(&self, (name, value): (&[u8], Value<'_>)) -> bool {
        let mut entries = self.rule.entries(self.arguments.view());
        entries.any(|(wanted, by)| wanted == name && satisfies(&value, &by))
    }

    fn has_all_in(&self, message: &Message<'_>) -> bool {
        let mut entries = self.rule.entries(self.arguments.view());
        entries.all(|(name, wanted)| message.get(name).is_some_and(|v| satisfies(v, &wanted)))
    }
}

/// An entry without a value asks for the name only.
fn satisfies(value: &Value<'_>, wanted: &Value<'_>) -> bool {
    matches!(wanted, Value::Void) || value.equals(wanted)
}

#[cfg(test)]
mod tests;
