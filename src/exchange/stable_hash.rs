//! A hash that is the same on every machine, in every version and after every restart.
//!
//! The standard library promises neither for its hashers nor for what its types feed them, so both
//! are spelled out: FNV-1a over octets of 64 bits, big-endian numbers, and a finalizer that spreads
//! what FNV leaves in the low bits. Whoever changes a line here sends keys to other queues.
//! It does not resist collisions on purpose: a publisher chooses its queue by its keys anyway.

use crate::amqp::table::Value;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Takes octets in.
#[derive(Clone, Copy, Debug)]
pub(super) struct StableHasher(u64);

impl StableHasher {
    pub(super) fn new() -> Self {
        Self(OFFSET)
    }

    fn octets(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(PRIME);
        }
    }

    /// Octets whose end is told too, so that `ab` and `c` are not `a` and `bc`.
    pub(super) fn text(&mut self, octets: &[u8]) {
        self.octets(octets);
        self.number(octets.len() as u64);
    }

    pub(super) fn number(&mut self, number: u64) {
        self.octets(&number.to_be_bytes());
    }

    /// A value of a table: integers, floats and strings by what they say and not by their width.
    pub(super) fn value(&mut self, value: &Value<'_>) {
        if let Some(number) = value.as_int() {
            self.octets(b"i");
            self.octets(&number.to_be_bytes());
            return;
        }
        if let Some(text) = value.as_bytes() {
            self.octets(b"S");
            self.text(text);
            return;
        }
        match value {
            Value::F32(v) => self.float(f64::from(*v)),
            Value::F64(v) => self.float(*v),
            Value::Bool(v) => self.octets(&[b't', u8::from(*v)]),
            Value::Decimal { scale, value } => {
                self.octets(&[b'D', *scale]);
                self.octets(&value.to_be_bytes());
            }
            Value::Timestamp(v) => {
                self.octets(b"T");
                self.number(*v);
            }
            Value::Array(v) => {
                self.octets(b"A");
                self.text(v.as_bytes());
            }
            Value::Table(v) => {
                self.octets(b"F");
                self.text(v.as_bytes());
            }
            _ => self.octets(b"V"),
        }
    }

    fn float(&mut self, value: f64) {
        self.octets(b"d");
        self.number(value.to_bits());
    }

    pub(super) fn finish(self) -> u64 {
        mix(self.0)
    }
}

/// Spreads each bit over all others (the finalizer of `SplitMix64`).
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(feed: impl FnOnce(&mut StableHasher)) -> u64 {
        let mut hasher = StableHasher::new();
        feed(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn the_numbers_stay_what_they_are() {
        assert_eq!(mix(0), 0);
        assert_eq!(mix(1), 0x5692_161d_100b_05e5);
        assert_eq!(of(|h| h.octets(b"a")), mix(0xaf63_dc4c_8601_ec8c), "FNV-1a's own example");
    }

    #[test]
    fn values_count_by_what_they_say() {
        let value = |value: Value<'_>| of(|h| h.value(&value));
        assert_eq!(value(Value::I8(5)), value(Value::I64(5)));
        assert_eq!(value(Value::LongString(b"5")), value(Value::Bytes(b"5")));
        assert_eq!(value(Value::F32(0.5)), value(Value::F64(0.5)));
        let different = [
            value(Value::I32(5)),
            value(Value::LongString(b"5")),
            value(Value::F64(5.0)),
            value(Value::Timestamp(5)),
            value(Value::Bool(true)),
            value(Value::Void),
        ];
        for (at, hash) in different.iter().enumerate() {
            assert!(!different[..at].contains(hash), "number {at}");
        }
    }

    #[test]
    fn the_ends_of_texts_count() {
        let texts = |a: &[u8], b: &[u8]| {
            of(|h| {
                h.text(a);
                h.text(b);
            })
        };
        assert_ne!(texts(b"ab", b"c"), texts(b"a", b"bc"));
    }
}
