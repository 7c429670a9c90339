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

/// Identifies a message in its queue and orders it there: ids grow with every message taken in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MessageId(pub u64);

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
    address_bytes: u16,
    properties_bytes: u32,
    persistent: bool,
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
    pub fn new(address: &[u8], properties: &[u8], body: Body<'_>, persistent: bool) -> Self {
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
            address_bytes: address.len() as u16,
            properties_bytes: properties.len() as u32,
            persistent,
        }
    }

    /// A message whose address, properties and body already lie behind each other.
    #[inline]
    pub fn from_octets(
        octets: &[u8],
        address_bytes: usize,
        properties_bytes: usize,
        persistent: bool,
    ) -> Self {
        Self {
            octets: Arc::from(octets),
            linked: None,
            address_bytes: address_bytes as u16,
            properties_bytes: properties_bytes as u32,
            persistent,
        }
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
        self.persistent
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
