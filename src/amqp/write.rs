//! What goes out to a client, encoded and waiting for the socket.
//!
//! Small things are copied behind each other into one buffer, so that one system call takes many
//! of them; large pieces of bodies are linked in between and never copied. Knows no sockets: it
//! is a [`Buf`] that somebody else writes.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use super::frame::{FRAME_END, FRAME_OVERHEAD_BYTES, FrameKind};
use crate::message::{BodySlice, Message};

/// An empty buffer above this size is given back to the allocator.
const KEEP_BUFFER_BYTES: usize = 16 * 1024;
/// A tail that is never written to its end is moved forward once so much of it, and at least half,
/// is written.
const MOVE_FROM_BYTES: usize = 64 * 1024;
/// Octets of a content header's payload in front of the properties.
const HEADER_FIXED_BYTES: usize = 12;

/// Octets on their way out, in order.
#[derive(Debug, Default)]
pub struct WriteQueue {
    /// Full pieces, first out.
    segments: VecDeque<Bytes>,
    segments_bytes: usize,
    /// The piece being appended to, last out; octets before `tail_start` are written.
    tail: Vec<u8>,
    tail_start: usize,
    /// The largest payload of a body frame.
    body_frame_max_bytes: usize,
}

impl WriteQueue {
    /// A queue for a peer that has not agreed on a frame-max yet.
    pub fn new() -> Self {
        Self { body_frame_max_bytes: usize::MAX, ..Self::default() }
    }

    /// Cuts bodies so that frames keep to the limit; 0 for none.
    pub fn set_frame_max(&mut self, bytes: u32) {
        self.body_frame_max_bytes = match bytes as usize {
            0 => u32::MAX as usize,
            max => max.saturating_sub(FRAME_OVERHEAD_BYTES).max(1),
        };
    }

    /// How much waits.
    #[inline]
    pub fn len(&self) -> usize {
        self.segments_bytes + self.tail.len() - self.tail_start
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where encoded frames are appended.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends `basic.ack` (60, 80), a publisher confirm.
    pub fn confirm(&mut self, channel: u16, delivery_tag: u64, multiple: bool) {
        self.method_head(channel, 60, 80, 9);
        self.tail.extend_from_slice(&delivery_tag.to_be_bytes());
        self.tail.extend_from_slice(&[u8::from(multiple), FRAME_END]);
    }

    /// Appends `basic.nack` (60, 120) to a publisher.
    pub fn refuse(&mut self, channel: u16, delivery_tag: u64, multiple: bool) {
        self.method_head(channel, 60, 120, 9);
        self.tail.extend_from_slice(&delivery_tag.to_be_bytes());
        self.tail.extend_from_slice(&[u8::from(multiple), FRAME_END]);
    }

    /// Appends a heartbeat.
    pub fn heartbeat(&mut self) {
        self.tail.extend_from_slice(&[FrameKind::Heartbeat.octet(), 0, 0, 0, 0, 0, 0, FRAME_END]);
    }

    /// Appends `basic.deliver` (60, 60) and its content.
    #[inline]
    pub fn deliver(&mut self, channel: u16, consumer_tag: &str, tag: u64, delivery: &Outbound<'_>) {
        let message = delivery.message;
        let consumer_tag = consumer_tag.as_bytes();
        let size = 1 + consumer_tag.len() + 9 + message.address().len();
        self.tail.reserve(size + message.properties().len() + message.inline_body().len() + 64);
        self.method_head(channel, 60, 60, size);
        self.tail.push(consumer_tag.len() as u8);
        self.tail.extend_from_slice(consumer_tag);
        self.tail.extend_from_slice(&tag.to_be_bytes());
        self.tail.push(u8::from(delivery.redelivered));
        self.tail.extend_from_slice(message.address());
        self.tail.push(FRAME_END);
        self.content(channel, message);
    }

    /// Appends `basic.get-ok` (60, 71) and its content.
    pub fn get_ok(&mut self, channel: u16, tag: u64, remaining: u32, delivery: &Outbound<'_>) {
        let address = delivery.message.address();
        self.method_head(channel, 60, 71, 9 + address.len() + 4);
        self.tail.extend_from_slice(&tag.to_be_bytes());
        self.tail.push(u8::from(delivery.redelivered));
        self.tail.extend_from_slice(address);
        self.tail.extend_from_slice(&remaining.to_be_bytes());
        self.tail.push(FRAME_END);
        self.content(channel, delivery.message);
    }

    /// Appends `basic.return` (60, 50) and its content.
    pub fn basic_return(&mut self, channel: u16, code: u16, text: &str, message: &Message) {
        let text = text.as_bytes();
        self.method_head(channel, 60, 50, 2 + 1 + text.len() + message.address().len());
        self.tail.extend_from_slice(&code.to_be_bytes());
        self.tail.push(text.len() as u8);
        self.tail.extend_from_slice(text);
        self.tail.extend_from_slice(message.address());
        self.tail.push(FRAME_END);
        self.content(channel, message);
    }

    #[inline]
    fn frame_head(&mut self, kind: FrameKind, channel: u16, size: usize) {
        let [c0, c1] = channel.to_be_bytes();
        let [s0, s1, s2, s3] = (size as u32).to_be_bytes();
        self.tail.extend_from_slice(&[kind.octet(), c0, c1, s0, s1, s2, s3]);
    }

    #[inline]
    fn method_head(&mut self, channel: u16, class: u8, method: u8, arguments_bytes: usize) {
        self.frame_head(FrameKind::Method, channel, 4 + arguments_bytes);
        self.tail.extend_from_slice(&[0, class, 0, method]);
    }

    /// Appends header and body frames.
    #[inline]
    fn content(&mut self, channel: u16, message: &Message) {
        let properties = message.properties();
        let body_bytes = message.body_bytes();
        self.frame_head(FrameKind::Header, channel, HEADER_FIXED_BYTES + properties.len());
        self.tail.extend_from_slice(&[0, 60, 0, 0]);
        self.tail.extend_from_slice(&(body_bytes as u64).to_be_bytes());
        self.tail.extend_from_slice(properties);
        self.tail.push(FRAME_END);
        let inline = message.inline_body();
        if inline.len() == body_bytes && body_bytes <= self.body_frame_max_bytes {
            if body_bytes > 0 {
                self.frame_head(FrameKind::Body, channel, body_bytes);
                self.tail.extend_from_slice(inline);
                self.tail.push(FRAME_END);
            }
        } else {
            self.body_in_pieces(channel, message);
        }
    }

    /// Appends body frames cut at the frame-max, whatever pieces the body is kept in.
    fn body_in_pieces(&mut self, channel: u16, message: &Message) {
        let mut remaining = message.body_bytes();
        let mut frame_left = 0;
        for piece in message.body() {
            let mut at = 0;
            while at < piece.len() {
                if frame_left == 0 {
                    frame_left = remaining.min(self.body_frame_max_bytes);
                    self.frame_head(FrameKind::Body, channel, frame_left);
                }
                let size = frame_left.min(piece.len() - at);
                self.piece(piece, at, size);
                at += size;
                remaining -= size;
                frame_left -= size;
                if frame_left == 0 {
                    self.tail.push(FRAME_END);
                }
            }
        }
    }

    fn piece(&mut self, piece: BodySlice<'_>, at: usize, size: usize) {
        match piece {
            BodySlice::Inline(octets) => {
                self.tail.extend_from_slice(octets.get(at..at + size).unwrap_or_default());
            }
            BodySlice::Linked(octets) => self.link(octets.slice(at..at + size)),
        }
    }

    fn link(&mut self, octets: Bytes) {
        let mut tail = Bytes::from(std::mem::take(&mut self.tail));
        tail.advance(std::mem::take(&mut self.tail_start));
        for segment in [tail, octets] {
            if !segment.is_empty() {
                self.segments_bytes += segment.len();
                self.segments.push_back(segment);
            }
        }
    }
}

impl Buf for WriteQueue {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        match self.segments.front() {
            Some(segment) => segment,
            None => self.tail.get(self.tail_start..).unwrap_or_default(),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = self.tail.get(self.tail_start..).filter(|tail| !tail.is_empty());
        let chunks = self.segments.iter().map(Bytes::as_ref).chain(tail);
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.segments.front_mut() {
            let step = written.min(first.len());
            first.advance(step);
            self.segments_bytes -= step;
            written -= step;
            if !first.is_empty() {
                return;
            }
            self.segments.pop_front();
        }
        self.tail_start = (self.tail_start + written).min(self.tail.len());
        if self.tail_start == self.tail.len() {
            self.tail.clear();
            self.tail_start = 0;
        } else if self.tail_start >= MOVE_FROM_BYTES && self.tail_start * 2 >= self.tail.len() {
            self.tail.drain(..self.tail_start);
            self.tail_start = 0;
        }
    }
}

impl WriteQueue {
    /// Gives an empty buffer that has grown large back, so that an idle connection holds none.
    pub fn release(&mut self) {
        if self.is_empty() && self.tail.capacity() > KEEP_BUFFER_BYTES {
            self.tail = Vec::new();
        }
    }
}

/// A message about to be delivered.
#[derive(Debug)]
pub struct Outbound<'a> {
    /// The message.
    pub message: &'a Message,
    /// Whether its queue has handed it out before.
    pub redelivered: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Body, address};
    use amq_protocol::frame::{AMQPFrame, parse_frame};
    use amq_protocol::protocol::{AMQPClass, basic};
    use proptest::prelude::*;

    fn drain(queue: &mut WriteQueue, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while queue.has_remaining() {
            let chunk = &queue.chunk()[..step.min(queue.chunk().len())];
            all.extend_from_slice(chunk);
            let written = chunk.len();
            queue.advance(written);
        }
        all
    }

    fn frames(mut bytes: &[u8]) -> Vec<AMQPFrame> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let (rest, frame) = parse_frame(bytes).unwrap();
            frames.push(frame);
            bytes = rest;
        }
        frames
    }

    proptest! {
        #[test]
        fn a_delivery_is_read_back_by_amq_protocol(
            tag in "[a-z]{0,20}", exchange in "[a-z]{0,20}", key in "[a-z.]{0,40}",
            body in prop::collection::vec(any::<u8>(), 0..20_000), cut in 1usize..9_000,
            linked: bool, frame_max in 4096u32..9000, step in 1usize..5000, redelivered: bool,
        ) {
            let address = address(exchange.as_bytes(), key.as_bytes());
            let kept = if linked {
                Body::Linked(body.chunks(cut).map(Bytes::copy_from_slice).collect())
            } else {
                Body::Inline(&body)
            };
            let message = Message::new(&address, &[0x10, 0, 2], kept, true);
            let mut queue = WriteQueue::new();
            queue.set_frame_max(frame_max);
            queue.deliver(3, &tag, 77, &Outbound { message: &message, redelivered });
            prop_assert_eq!(queue.chunks_vectored(&mut [IoSlice::new(&[]); 64]) > 0, true);
            let frames = frames(&drain(&mut queue, step));
            let expected = basic::Deliver {
                consumer_tag: tag.as_str().into(), delivery_tag: 77, redelivered,
                exchange: exchange.as_str().into(), routing_key: key.as_str().into(),
            };
            let deliver = AMQPClass::Basic(basic::AMQPMethod::Deliver(expected));
            prop_assert_eq!(&frames[0], &AMQPFrame::Method(3, deliver));
            let AMQPFrame::Header(3, header) = &frames[1] else {
                return Err(TestCaseError::fail("no header"));
            };
            prop_assert_eq!(header.body_size, body.len() as u64);
            prop_assert_eq!(header.properties.delivery_mode(), &Some(2));
            let mut read = Vec::new();
            for frame in &frames[2..] {
                let AMQPFrame::Body(3, piece) = frame else {
                    return Err(TestCaseError::fail("no body"));
                };
                prop_assert!(piece.len() + 8 <= frame_max as usize && !piece.is_empty());
                read.extend_from_slice(piece);
            }
            prop_assert_eq!(read, body);
        }
    }

    #[test]
    fn a_queue_that_is_never_quite_empty_does_not_grow() {
        let mut queue = WriteQueue::new();
        for _ in 0..100_000 {
            queue.tail().extend_from_slice(&[0; 100]);
            let written = queue.len().saturating_sub(1000);
            queue.advance(written);
        }
        assert!(queue.tail.capacity() < 4 * MOVE_FROM_BYTES, "{}", queue.tail.capacity());
    }

    #[test]
    fn a_confirm_is_read_back_by_amq_protocol() {
        let mut queue = WriteQueue::new();
        queue.confirm(9, 12, true);
        let ack = basic::Ack { delivery_tag: 12, multiple: true };
        let ack = AMQPClass::Basic(basic::AMQPMethod::Ack(ack));
        assert_eq!(frames(&drain(&mut queue, 4)), [AMQPFrame::Method(9, ack)]);
    }
}
