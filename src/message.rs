//! A published message: immutable, cheap to clone, shared by every queue it went to.
//!
//! What a message is made of lies in one allocation, in the order and form in which it goes out
//! again: exchange and routing key as short strings, the properties as they came, then the body.
//! A large body is not copied in; it stays in the slices of the read buffers that brought it.

use std::sync::Arc;

use bytes::Bytes;

/// Bodies from this size on stay in slices instead of being copied behind their properties. A
/// slice keeps its read buffer (128 KiB) alive, so it must be a fair part of one.
pub const LINK_FROM_BYTES: usize = 32 * 1024;

/// What a message costs in memory beside its octets, roughly.
const OVERHEAD_BYTES: usize = 128;

/// Identifies a message in its queue and orders it there: a level in the upper 16 bits, and a
/// sequence that grows with every message taken in. Queues without levels have level 0 only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MessageId(pub u64);

/// The bits of an id that count; at a million messages a second they last for nine years.
const SEQUENCE_BITS: u32 = 48;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

impl MessageId {
    /// The id of that sequence in that level.
    pub fn in_level(level: u16, sequence: u64) -> Self {
        Self(u64::from(level) << SEQUENCE_BITS | (sequence & SEQUENCE_MASK))
    }

    /// Its level.
    #[inline]
    pub fn level(self) -> u16 {
        (self.0 >> SEQUENCE_BITS) as u16
    }

    /// Its place in the order in which the queue took messages in, whatever their levels.
    #[inline]
    pub fn sequence(self) -> u64 {
        self.0 & SEQUENCE_MASK
    }
}

/// How often a message was handed out and came back. Packed, so that with a flag beside it it takes
/// one word of each message in a queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(C, packed(2))]
pub struct Attempts {
    /// It came back in a way that counts as a failure.
    pub failed: u32,
    /// It came back at all; more than 65,535 are not counted.
    pub acquired: u16,
}

/// When something was handed to the store: numbers grow with everything that is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// Of what the store never had: there is nothing to wait for, and nothing to remove.
    pub const NONE: Self = Self(0);
    /// Of what has been on disk since before this process began, or for long: nothing to wait for.
    pub const ON_DISK: Self = Self(1);
}

/// A published message.
#[derive(Clone, Debug)]
pub struct Message {
    octets: Arc<[u8]>,
    linked: Option<Arc<LinkedBody>>,
    published_ms: u64,
    properties_bytes: u32,
    address_bytes: u16,
    traits: Traits,
}

/// What queues want to know of a message without reading its properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traits {
    flags: u8,
    priority: u8,
}

impl Traits {
    /// Its publisher wants it to survive a restart (delivery-mode 2).
    pub const PERSISTENT: u8 = 1;
    /// It has an expiration of its own.
    pub const EXPIRES: u8 = 2;
    /// It has a priority.
    pub const PRIORITY: u8 = 4;
    /// It was dead-lettered: its `x-death` headers are the broker's.
    pub const DIED: u8 = 8;
    /// It still has its header BCC, which nobody gets to see.
    pub const BLIND_COPIES: u8 = 16;
    /// Its routing key alone was its address when it was dead-lettered: CC and BCC are not.
    pub const KEY_ONLY: u8 = 32;
    /// Its queue keeps it on disk whatever its publisher wants.
    pub const KEPT: u8 = 64;

    /// Those flags, and the priority.
    pub fn new(flags: u8, priority: u8) -> Self {
        Self { flags, priority }
    }

    /// With that priority, or none.
    #[must_use]
    #[inline]
    pub fn with_priority(self, priority: Option<u8>) -> Self {
        let with = self.with(Self::PRIORITY, priority.is_some());
        Self { priority: priority.unwrap_or_default(), ..with }
    }

    /// All flags, as they are kept.
    pub fn flags(self) -> u8 {
        self.flags
    }

    /// Whether that flag is set, or one of those.
    #[inline]
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// With that flag set, or not.
    #[must_use]
    #[inline]
    pub fn with(self, flag: u8, on: bool) -> Self {
        let flags = if on { self.flags | flag } else { self.flags & !flag };
        Self { flags, ..self }
    }

    /// The priority, if there is one.
    #[inline]
    pub fn priority(self) -> Option<u8> {
        self.has(Self::PRIORITY).then_some(self.priority)
    }
}

impl From<bool> for Traits {
    /// Persistent or not, and nothing else.
    fn from(persistent: bool) -> Self {
        Self::default().with(Self::PERSISTENT, persistent)
    }
}

#[derive(Debug)]
struct LinkedBody {
    slices: Vec<Bytes>,
    bytes: usize,
}

/// Where the body of a new message is.
#[derive(Debug)]
pub enum Body<'a> {
    /// To be copied in.
    Inline(&'a [u8]),
    /// To be kept as it is.
    Linked(Vec<Bytes>),
}

impl Message {
    /// A message of its parts: the address (exchange and routing key as two short strings), the
    /// properties (flags and values, as in a content header), and the body.
    pub fn new(
        address: &[u8],
        properties: &[u8],
        body: Body<'_>,
        traits: impl Into<Traits>,
    ) -> Self {
        let (inline, linked) = match body {
            Body::Inline(octets) => (octets, None),
            Body::Linked(slices) => {
                let bytes = slices.iter().map(Bytes::len).sum();
                (&[][..], Some(Arc::new(LinkedBody { slices, bytes })))
            }
        };
        let octets = [address, properties, inline].concat();
        Self {
            octets: Arc::from(octets),
            linked,
            published_ms: 0,
            properties_bytes: properties.len() as u32,
            address_bytes: address.len() as u16,
            traits: traits.into(),
        }
    }

    /// A message whose address, properties and body already lie behind each other.
    #[inline]
    pub fn from_octets(
        octets: &[u8],
        address_bytes: usize,
        properties_bytes: usize,
        traits: impl Into<Traits>,
    ) -> Self {
        Self {
            octets: Arc::from(octets),
            linked: None,
            published_ms: 0,
            properties_bytes: properties_bytes as u32,
            address_bytes: address_bytes as u16,
            traits: traits.into(),
        }
    }

    /// The same message, taken in at that time.
    #[must_use]
    #[inline]
    pub fn published_at(self, published_ms: u64) -> Self {
        Self { published_ms, ..self }
    }

    /// When a queue, or several at once, took it in: milliseconds since 1970. 0 if nobody has said.
    #[inline]
    pub fn published_ms(&self) -> u64 {
        self.published_ms
    }

    /// What can be known of it without reading its properties.
    #[inline]
    pub fn traits(&self) -> Traits {
        self.traits
    }

    /// A message with another address, other properties and traits, and the body of this one.
    #[must_use]
    pub fn readdressed(&self, address: &[u8], properties: &[u8], traits: Traits) -> Self {
        let body = match &self.linked {
            Some(linked) => Body::Linked(linked.slices.clone()),
            None => Body::Inline(self.inline_body()),
        };
        Self::new(address, properties, body, traits)
    }

    /// Exchange and routing key as two short strings, the way `basic.deliver` carries them.
    #[inline]
    pub fn address(&self) -> &[u8] {
        self.octets.get(..usize::from(self.address_bytes)).unwrap_or_default()
    }

    /// The exchange that it was published to.
    pub fn exchange(&self) -> &[u8] {
        short_strings(self.address()).0
    }

    /// Its routing key.
    pub fn routing_key(&self) -> &[u8] {
        short_strings(self.address()).1
    }

    /// Flags and values of the content header.
    #[inline]
    pub fn properties(&self) -> &[u8] {
        self.octets.get(usize::from(self.address_bytes)..self.body_start()).unwrap_or_default()
    }

    /// The body, piece by piece.
    #[inline]
    pub fn body(&self) -> impl Iterator<Item = BodySlice<'_>> {
        let inline = self.inline_body();
        let linked = self.linked.iter().flat_map(|l| &l.slices).map(BodySlice::Linked);
        (!inline.is_empty()).then_some(BodySlice::Inline(inline)).into_iter().chain(linked)
    }

    /// The body, if it is in one piece with the rest.
    #[inline]
    pub fn inline_body(&self) -> &[u8] {
        self.octets.get(self.body_start()..).unwrap_or_default()
    }

    /// Address, properties, and the body unless it is linked, in one piece.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The slices of a body that is not in one piece with the rest.
    #[inline]
    pub fn linked_body(&self) -> &[Bytes] {
        self.linked.as_ref().map_or(&[], |linked| &linked.slices)
    }

    /// The body's size.
    #[inline]
    pub fn body_bytes(&self) -> usize {
        match &self.linked {
            Some(linked) => linked.bytes,
            None => self.octets.len() - self.body_start(),
        }
    }

    /// Whether its publisher wants it to survive a restart (delivery-mode 2).
    #[inline]
    pub fn persistent(&self) -> bool {
        self.traits.has(Traits::PERSISTENT)
    }

    /// Whether it is there again after a restart, in a queue that is.
    #[inline]
    pub fn survives(&self) -> bool {
        self.traits.has(Traits::PERSISTENT | Traits::KEPT)
    }

    /// The same message, which its queue keeps on disk whatever its publisher wants.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.traits = self.traits.with(Traits::KEPT, true);
        self
    }

    /// What it takes of memory, roughly.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        self.octets.len() + self.linked.as_ref().map_or(0, |l| l.bytes) + OVERHEAD_BYTES
    }

    #[inline]
    fn body_start(&self) -> usize {
        usize::from(self.address_bytes) + self.properties_bytes as usize
    }
}

/// A piece of a body.
#[derive(Clone, Copy, Debug)]
pub enum BodySlice<'a> {
    /// In one piece with the message: cheap to copy.
    Inline(&'a [u8]),
    /// Can be shared instead of copied.
    Linked(&'a Bytes),
}

impl BodySlice<'_> {
    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Inline(octets) => octets,
            Self::Linked(octets) => octets,
        }
    }

    /// Its size.
    pub fn len(&self) -> usize {
        match self {
            Self::Inline(octets) => octets.len(),
            Self::Linked(octets) => octets.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Exchange and routing key as two short strings.
pub fn address(exchange: &[u8], routing_key: &[u8]) -> Vec<u8> {
    let mut address = Vec::with_capacity(exchange.len() + routing_key.len() + 2);
    for part in [exchange, routing_key] {
        address.push(part.len() as u8);
        address.extend_from_slice(part);
    }
    address
}

/// The two short strings of an address.
pub fn short_strings(address: &[u8]) -> (&[u8], &[u8]) {
    let part = |octets: &[u8]| octets.first().map_or(0, |&size| 1 + usize::from(size));
    let (exchange, rest) = address.split_at(part(address).min(address.len()));
    let routing_key = rest.get(..part(rest)).unwrap_or_default();
    (exchange.get(1..).unwrap_or_default(), routing_key.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_gives_its_parts_back() {
        let address = address(b"logs", b"a.b");
        let message = Message::new(&address, &[0, 0], Body::Inline(b"hello"), true);
        assert_eq!(message.exchange(), b"logs");
        assert_eq!(message.routing_key(), b"a.b");
        assert_eq!(message.properties(), [0, 0]);
        assert_eq!((message.inline_body(), message.body_bytes()), (&b"hello"[..], 5));
        assert!(message.persistent());
    }

    #[test]
    fn a_linked_body_is_not_copied() {
        let slices = vec![Bytes::from_static(b"abc"), Bytes::from_static(b"de")];
        let message = Message::new(&address(b"", b"q"), &[0, 0], Body::Linked(slices), false);
        assert_eq!((message.body_bytes(), message.inline_body()), (5, &b""[..]));
        assert_eq!(message.body().map(|slice| slice.len()).collect::<Vec<_>>(), [3, 2]);
    }
}
