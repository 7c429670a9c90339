//! Consistent hash exchange: one destination per message, chosen by a hash, in proportion to the
//! weights that are the binding keys.
//!
//! Each destination draws a number from the hash and its own name, and the best draw wins, weighted
//! (rendezvous hashing). So a change moves no message but those that the changed destination wins
//! or loses, in whatever order the bindings were made: a restart brings them back in another one.
//! Buckets under a jump hash would keep their places only when the last of them goes. A weight
//! costs neither memory nor time; a choice takes a few nanoseconds per destination, and is
//! remembered per key by those who publish.

use std::hash::Hash;

use hashbrown::HashMap;
use smallvec::{SmallVec, smallvec};

use super::Lasting;
use super::bindings::{Binding, Keyed, shrink};
use super::hash_on::HashOn;
use super::route::Subject;
use super::stable_hash::mix;
use crate::amqp::frame::erlang_binary;
use crate::amqp::table::Table;

/// The largest weight. Weights say how many times as much, and this is more than anybody has
/// queues; RabbitMQ makes as many buckets, so that larger ones would not come from there.
pub const WEIGHT_MAX: u32 = 1_000_000;

/// Destinations by weight.
pub struct ConsistentHash<T> {
    on: HashOn,
    bindings: Keyed<T>,
    /// What takes part, once each.
    members: HashMap<T, Member>,
}

struct Member {
    number: u64,
    /// Of all bindings in the order in which they were made. The first one counts.
    weights: SmallVec<[u32; 1]>,
}

impl<T: Clone + Eq + Hash + Lasting> ConsistentHash<T> {
    /// No bindings.
    pub fn new(on: HashOn) -> Self {
        Self { on, bindings: Keyed::default(), members: HashMap::default() }
    }

    /// Adds a binding, whose key should have passed [`weight`]; another one counts as 1. `false`:
    /// it exists.
    pub fn bind(&mut self, key: &[u8], arguments: &Table, to: T) -> bool {
        let added = self.bindings.insert(key, arguments, to.clone());
        if added {
            let (number, weight) = (to.lasting_number(), weight(key).unwrap_or(1));
            let member = self.members.entry(to);
            let joined = || Member { number, weights: smallvec![] };
            member.or_insert_with(joined).weights.push(weight);
        }
        added
    }

    /// Removes a binding. `false`: it does not exist.
    pub fn unbind(&mut self, key: &[u8], arguments: &Table, to: &T) -> bool {
        let removed = self.bindings.remove(key, arguments, to);
        if removed && let Some(member) = self.members.get_mut(to) {
            let weight = weight(key).unwrap_or(1);
            if let Some(at) = member.weights.iter().position(|w| *w == weight) {
                member.weights.remove(at);
            }
            if member.weights.is_empty() {
                self.members.remove(to);
                shrink(&mut self.members);
            }
        }
        removed
    }

    /// Reports the destination of a message.
    pub(super) fn route(&self, subject: &Subject<'_>, found: &mut impl FnMut(&T)) {
        if let Some(to) = self.choose(self.on.hash(subject)) {
            found(to);
        }
    }

    fn choose(&self, hash: u64) -> Option<&T> {
        let draw = |member: &Member| {
            let weight = member.weights.first().copied().unwrap_or(1);
            waiting_time(mix(hash ^ member.number)) / f64::from(weight)
        };
        let draws = self.members.iter().map(|(to, member)| (draw(member), member.number, to));
        let best = draws.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        best.map(|(_, _, to)| to)
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bindings, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Binding<'_, T>> {
        self.bindings.iter()
    }
}

/// Minus the logarithm of a number taken as one between 0 and 1. Divided by weights, the smallest
/// of several belongs to each in proportion to its weight, as waiting times at several doors do.
///
/// A series instead of `f64::ln`, whose last bits differ from one platform to the other: sums,
/// products and quotients do not.
fn waiting_time(hash: u64) -> f64 {
    const MANTISSA_BITS: u32 = 52;
    const ONE: u64 = 1023 << MANTISSA_BITS;
    // As 1.fraction / 2^shift, and never 0.
    let hash = hash | 1;
    let shift = hash.leading_zeros() + 1;
    let fraction = hash.checked_shl(shift).unwrap_or(0) >> (u64::BITS - MANTISSA_BITS);
    let s = f64::from_bits(ONE | fraction);
    // ln x = 2 artanh((x - 1) / (x + 1)); with x below 2, ten terms leave an error below 1e-10.
    let z = (s - 1.0) / (s + 1.0);
    let square = z * z;
    let series = (0..10_u32).rev().fold(0.0, |sum, n| sum * square + 1.0 / f64::from(2 * n + 1));
    let logarithm = f64::from(shift) * std::f64::consts::LN_2 - 2.0 * z * series;
    logarithm.max(f64::MIN_POSITIVE) // the error may be more than what is left next to 1
}

/// The weight that a binding key says. If it says none, why, in the words that clients know.
pub(crate) fn weight(key: &[u8]) -> Result<u32, String> {
    let digits = key.strip_prefix(b"-").or_else(|| key.strip_prefix(b"+")).unwrap_or(key);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        let shown = erlang_binary(key);
        return Err(format!("The binding key must be an integer: {shown}"));
    }
    let zero = digits.iter().all(|digit| *digit == b'0');
    if zero || key.starts_with(b"-") {
        return Err("The binding key must be greater than 0".to_owned());
    }
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    match number {
        Some(weight) if weight <= WEIGHT_MAX => Ok(weight),
        _ => Err(format!("The binding key must not exceed {WEIGHT_MAX}")),
    }
}

#[cfg(test)]
mod tests;
