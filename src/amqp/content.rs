//! From frames to content: method, header, bodies (0-9-1, 4.2.6.1), on one channel.
//!
//! A state machine without sockets or exchanges. It owns every complaint about a frame that is
//! not the one expected next. The body's buffer grows with what arrives, never with what the
//! header announces: that is only the peer's word.

use bytes::{Bytes, BytesMut};

use super::frame::{FrameHead, FrameKind, FrameReader};
use super::method::{BASIC_PUBLISH, Publish};
use crate::error::{Error, MethodId, Result};
use crate::message::{Body, LINK_FROM_BYTES};

/// The class that content belongs to.
const BASIC_CLASS: u16 = 60;
/// Octets of a content header in front of the properties: class, weight, body size.
const HEADER_FIXED_BYTES: usize = 12;
/// Small body frames of a large body are gathered into slices of this size.
const GATHER_BYTES: usize = 128 * 1024;
/// A buffer up to this size is kept for the next message.
const KEEP_BUFFER_BYTES: usize = 64 * 1024;

/// The content of one publish, complete.
#[derive(Debug, Default)]
pub struct Content {
    /// Address, properties and, up to [`LINK_FROM_BYTES`], the body, behind each other.
    octets: Vec<u8>,
    slices: Vec<Bytes>,
    gathered: BytesMut,
    address_bytes: usize,
    properties_bytes: usize,
    body_bytes: u64,
    /// Return the message if it reaches no queue.
    pub mandatory: bool,
}

impl Content {
    /// Exchange and routing key as two short strings.
    #[inline]
    pub fn address(&self) -> &[u8] {
        self.octets.get(..self.address_bytes).unwrap_or_default()
    }

    /// Flags and values of the header.
    #[inline]
    pub fn properties(&self) -> &[u8] {
        let end = self.address_bytes + self.properties_bytes;
        self.octets.get(self.address_bytes..end).unwrap_or_default()
    }

    /// The body's size.
    #[inline]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Address, properties and body behind each other, and the sizes of the first two; `None`
    /// for a body that is linked.
    #[inline]
    pub fn inline(&self) -> Option<(&[u8], usize, usize)> {
        let inline = self.body_bytes < LINK_FROM_BYTES as u64;
        inline.then_some((&self.octets, self.address_bytes, self.properties_bytes))
    }

    /// Takes the body.
    pub fn take_body(&mut self) -> Body<'_> {
        if self.body_bytes < LINK_FROM_BYTES as u64 {
            let start = self.address_bytes + self.properties_bytes;
            return Body::Inline(self.octets.get(start..).unwrap_or_default());
        }
        self.flush_gathered();
        Body::Linked(std::mem::take(&mut self.slices))
    }

    fn push_body(&mut self, octets: &[u8]) {
        if self.body_bytes < LINK_FROM_BYTES as u64 {
            self.octets.extend_from_slice(octets);
            return;
        }
        self.gathered.extend_from_slice(octets);
        if self.gathered.len() >= GATHER_BYTES {
            self.flush_gathered();
        }
    }

    fn push_slice(&mut self, slice: Bytes) {
        self.flush_gathered();
        self.slices.push(slice);
    }

    fn flush_gathered(&mut self) {
        if !self.gathered.is_empty() {
            self.slices.push(std::mem::take(&mut self.gathered).freeze());
        }
    }

    /// Empties it, keeping the buffer for the next message if it is of a usual size.
    fn reset(&mut self) {
        let mut octets = std::mem::take(&mut self.octets);
        octets.clear();
        *self = Self::default();
        if octets.capacity() <= KEEP_BUFFER_BYTES {
            self.octets = octets;
        }
    }
}

/// What a channel expects next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Expected {
    #[default]
    Method,
    Header,
    Body {
        remaining_bytes: u64,
    },
}

/// Puts the content of one channel together.
#[derive(Debug, Default)]
pub struct Assembler {
    expected: Expected,
    content: Content,
}

impl Assembler {
    /// A method frame has come: is one expected?
    #[inline]
    pub fn expect_method(&self) -> Result<()> {
        match self.expected {
            Expected::Method => Ok(()),
            Expected::Header => Err(unexpected(
                "expected content header for class 60, got non content header frame instead",
            )),
            Expected::Body { .. } => {
                Err(unexpected("expected content body, got non content body frame instead"))
            }
        }
    }

    /// Begins with `basic.publish`. `spare` lends its buffer, if it has one.
    #[inline]
    pub fn begin(&mut self, publish: &Publish<'_>, spare: &mut Content) {
        std::mem::swap(&mut self.content, spare);
        self.content.octets.extend_from_slice(publish.address);
        self.content.address_bytes = publish.address.len();
        self.content.mandatory = publish.mandatory;
        self.expected = Expected::Header;
    }

    /// Takes the header or body frame at the front of the reader. True once the content is
    /// complete: then [`take`](Self::take) it. A header that announces more than `body_max_bytes`
    /// is refused before any of the body is kept.
    #[inline]
    pub fn push(
        &mut self,
        reader: &mut FrameReader,
        head: FrameHead,
        body_max_bytes: u64,
    ) -> Result<bool> {
        match (self.expected, head.kind) {
            (Expected::Method, _) => {
                let text = "expected method frame, got non method frame instead";
                return Err(Error::unexpected_frame(text).blame(MethodId::NONE));
            }
            (Expected::Header, FrameKind::Header) => {
                self.begin_body(reader.payload(head), body_max_bytes)?;
                reader.skip(head);
            }
            (Expected::Body { remaining_bytes }, FrameKind::Body) => {
                let Some(remaining_bytes) = remaining_bytes.checked_sub(head.size as u64) else {
                    let text = "content body frame exceeds remaining content size";
                    return Err(Error::frame_error(text).blame(BASIC_PUBLISH));
                };
                self.expected = Expected::Body { remaining_bytes };
                if head.size >= LINK_FROM_BYTES {
                    self.content.push_slice(reader.take_payload(head));
                } else {
                    self.content.push_body(reader.payload(head));
                    reader.skip(head);
                }
            }
            _ => self.expect_method()?,
        }
        let complete = self.expected == Expected::Body { remaining_bytes: 0 };
        if complete {
            self.expected = Expected::Method;
        }
        Ok(complete)
    }

    /// The content that is complete. Give it back with [`recycle`](Self::recycle).
    #[inline]
    pub fn take(&mut self) -> Content {
        std::mem::take(&mut self.content)
    }

    /// Gives a used content's buffer to the next one.
    #[inline]
    pub fn recycle(mut content: Content, spare: &mut Content) {
        content.reset();
        *spare = content;
    }

    fn begin_body(&mut self, header: &[u8], body_max_bytes: u64) -> Result<()> {
        let class = header.first_chunk().map(|c| u16::from_be_bytes(*c));
        let size = header.get(4..HEADER_FIXED_BYTES).and_then(<[u8]>::first_chunk);
        let (Some(class), Some(size)) = (class, size) else {
            let text = format!("cannot decode {}", super::frame::erlang_binary(header));
            return Err(Error::frame_error(text).blame(BASIC_PUBLISH));
        };
        if class != BASIC_CLASS {
            return Err(unexpected(&format!(
                "expected content header for class 60, got one for class {class} instead"
            )));
        }
        let body_bytes = u64::from_be_bytes(*size);
        if body_bytes > body_max_bytes {
            return Err(Error::precondition_failed(format!(
                "message size {body_bytes} is larger than configured max size {body_max_bytes}"
            ))
            .blame(BASIC_PUBLISH));
        }
        let properties = header.get(HEADER_FIXED_BYTES..).unwrap_or_default();
        self.content.octets.extend_from_slice(properties);
        self.content.properties_bytes = properties.len();
        self.content.body_bytes = body_bytes;
        self.expected = Expected::Body { remaining_bytes: body_bytes };
        Ok(())
    }
}

fn unexpected(text: &str) -> Error {
    Error::unexpected_frame(text).blame(BASIC_PUBLISH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::frame::FRAME_END;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let size = (payload.len() as u32).to_be_bytes();
        [&[kind, 0, 1][..], &size, payload, &[FRAME_END]].concat()
    }

    fn header(class: u16, size: u64) -> Vec<u8> {
        let payload = [&class.to_be_bytes()[..], &[0, 0], &size.to_be_bytes(), &[0, 0]].concat();
        frame(2, &payload)
    }

    fn begun() -> Assembler {
        let mut assembler = Assembler::default();
        let (exchange, routing_key) = (&b""[..], &b"q"[..]);
        let address = &[0, 1, b'q'];
        let publish = Publish { address, exchange, routing_key, mandatory: true, immediate: false };
        assembler.begin(&publish, &mut Content::default());
        assembler
    }

    /// Pushes every frame in `bytes`; what the last push said.
    fn push(assembler: &mut Assembler, bytes: &[u8]) -> Result<bool> {
        let mut reader = FrameReader::new();
        reader.set_frame_max(0);
        reader.buffer().extend_from_slice(bytes);
        let mut complete = false;
        while let Some(head) = reader.head()? {
            complete = assembler.push(&mut reader, head, 1 << 20)?;
        }
        Ok(complete)
    }

    #[test]
    fn content_is_complete_with_its_last_body_frame() {
        let mut assembler = begun();
        assert!(!push(&mut assembler, &header(60, 5)).unwrap());
        assert!(!push(&mut assembler, &frame(3, b"hel")).unwrap());
        assert!(assembler.expect_method().is_err());
        assert!(push(&mut assembler, &frame(3, b"lo")).unwrap());
        assembler.expect_method().unwrap();
        let content = assembler.take();
        assert_eq!(content.inline(), Some((&b"\0\x01q\0\0hello"[..], 3, 2)));
        assert!(content.mandatory);
    }

    #[test]
    fn an_empty_body_has_no_frame() {
        assert!(push(&mut begun(), &header(60, 0)).unwrap());
    }

    #[test]
    fn a_large_body_is_linked_in_order() {
        let body: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let mut assembler = begun();
        push(&mut assembler, &header(60, body.len() as u64)).unwrap();
        for (i, piece) in body.chunks(30_000).enumerate() {
            let last = push(&mut assembler, &frame(3, &piece[..piece.len() / 2])).unwrap();
            assert!(!last);
            let last = push(&mut assembler, &frame(3, &piece[piece.len() / 2..])).unwrap();
            assert_eq!(last, i == 3);
        }
        let Body::Linked(slices) = assembler.take().take_body() else { panic!("not linked") };
        assert_eq!(slices.concat(), body);
    }

    #[test]
    fn frames_out_of_order_are_complained_about() {
        let text = |r: Result<bool>| r.unwrap_err().to_string();
        let idle = push(&mut Assembler::default(), &frame(3, b""));
        assert_eq!(
            text(idle),
            "UNEXPECTED_FRAME - expected method frame, got non method frame instead"
        );
        assert!(
            text(push(&mut begun(), &frame(3, b""))).ends_with("non content header frame instead")
        );
        assert!(text(push(&mut begun(), &header(61, 1))).ends_with("got one for class 61 instead"));
        let two_headers = [header(60, 1), header(60, 1)].concat();
        assert!(text(push(&mut begun(), &two_headers)).contains("expected content body"));
        let too_much = [header(60, 1), frame(3, b"ab")].concat();
        assert!(text(push(&mut begun(), &too_much)).ends_with("exceeds remaining content size"));
        let huge = push(&mut begun(), &header(60, 1 << 63));
        let refused = "message size 9223372036854775808 is larger than configured max size 1048576";
        assert_eq!(text(huge), format!("PRECONDITION_FAILED - {refused}"));
    }
}
