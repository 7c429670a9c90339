//! Frames: seven octets of head, a payload, an end octet (0-9-1, 4.2.3).
//!
//! The reader gives complete frames or asks for more; it knows sizes, not meanings. Payloads are
//! lent, not copied; a large one can be taken out as a slice of the read buffer.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, MethodId, Result};

/// Octets of a frame in front of its payload.
pub const FRAME_HEAD_BYTES: usize = 7;
/// Octets of a frame that are not payload.
pub const FRAME_OVERHEAD_BYTES: usize = 8;
/// The last octet of every frame.
pub const FRAME_END: u8 = 0xCE;
/// The largest frame before tuning: a peer that has not logged in gets no more memory than this.
pub const FRAME_MAX_BEFORE_TUNE_BYTES: u32 = 8192;

/// The first read: enough for a handshake or a few methods.
const READ_MIN_BYTES: usize = 2 * 1024;
/// The largest read. One frame of the usual frame-max fits exactly, so that large bodies, read
/// one frame after the other, start at the buffer's start and are never moved.
const READ_MAX_BYTES: usize = 128 * 1024;
/// So many octets of an unreadable frame are shown in the error.
const SNIPPET_BYTES: usize = 16;

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameKind {
    /// A method and its arguments.
    Method,
    /// A content header: body size and properties.
    Header,
    /// A piece of a content body.
    Body,
    /// Nothing, to show life.
    Heartbeat,
}

impl FrameKind {
    /// The octet on the wire.
    pub fn octet(self) -> u8 {
        match self {
            Self::Method => 1,
            Self::Header => 2,
            Self::Body => 3,
            Self::Heartbeat => 8,
        }
    }

    fn from_octet(octet: u8) -> Option<Self> {
        Some(match octet {
            1 => Self::Method,
            2 => Self::Header,
            3 => Self::Body,
            8 => Self::Heartbeat,
            _ => return None,
        })
    }
}

/// The head of a frame that has arrived whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHead {
    /// What it carries.
    pub kind: FrameKind,
    /// The channel's number; 0 is the connection.
    pub channel: u16,
    /// Octets of payload.
    pub size: usize,
}

/// Cuts what is read from a peer into frames.
#[derive(Default)]
pub struct FrameReader {
    buffer: BytesMut,
    /// The largest frame, overhead included; 0 for no limit.
    frame_max_bytes: u32,
    /// How much the next read may bring; follows the traffic.
    read_bytes: usize,
}

impl FrameReader {
    /// A reader for a peer that has said nothing yet.
    pub fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            frame_max_bytes: FRAME_MAX_BEFORE_TUNE_BYTES,
            read_bytes: READ_MIN_BYTES,
        }
    }

    /// The limit agreed on by tuning; 0 for none.
    pub fn set_frame_max(&mut self, bytes: u32) {
        self.frame_max_bytes = bytes;
    }

    /// The head of the frame at the front, once all of it is here. `None` means: read more.
    #[inline]
    pub fn head(&self) -> Result<Option<FrameHead>> {
        let Some((&[octet, c0, c1, s0, s1, s2, s3], rest)) =
            self.buffer.split_first_chunk::<FRAME_HEAD_BYTES>()
        else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        if size > self.frame_max_bytes && self.frame_max_bytes > 0 {
            return Err(too_large(octet, size, self.frame_max_bytes));
        }
        let size = size as usize;
        let (Some(payload), Some(&end)) = (rest.get(..size), rest.get(size)) else {
            return Ok(None);
        };
        if end != FRAME_END {
            let what = format!("{{invalid_frame_end_marker,{end}}}");
            return Err(unreadable(octet, payload, &what));
        }
        let Some(kind) = FrameKind::from_octet(octet) else {
            return Err(unreadable(octet, payload, "unknown_frame"));
        };
        Ok(Some(FrameHead { kind, channel: u16::from_be_bytes([c0, c1]), size }))
    }

    /// The payload of the frame that [`head`](Self::head) described.
    #[inline]
    pub fn payload(&self, head: FrameHead) -> &[u8] {
        self.buffer.get(FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + head.size).unwrap_or_default()
    }

    /// Drops the frame that [`head`](Self::head) described.
    #[inline]
    pub fn skip(&mut self, head: FrameHead) {
        self.buffer.advance((head.size + FRAME_OVERHEAD_BYTES).min(self.buffer.len()));
    }

    /// Takes the payload out as a slice of the read buffer, which it keeps alive whole.
    pub fn take_payload(&mut self, head: FrameHead) -> Bytes {
        let whole = (head.size + FRAME_OVERHEAD_BYTES).min(self.buffer.len());
        let mut payload = self.buffer.split_to(whole).freeze();
        payload.advance(FRAME_HEAD_BYTES.min(whole));
        payload.truncate(head.size);
        payload
    }

    /// Takes the first eight octets, the protocol header, once they are here.
    pub fn take_protocol_header(&mut self) -> Option<[u8; 8]> {
        let header = *self.buffer.first_chunk()?;
        self.buffer.advance(header.len());
        Some(header)
    }

    /// Where the next read goes: room for the rest of the frame at the front, or for a read as
    /// large as the traffic suggests.
    pub fn buffer(&mut self) -> &mut BytesMut {
        let room = self.missing_bytes().max(self.read_bytes.saturating_sub(self.buffer.len()));
        let room = room.max(FRAME_OVERHEAD_BYTES);
        if self.buffer.capacity() - self.buffer.len() < room && !self.buffer.try_reclaim(room) {
            let mut larger = BytesMut::with_capacity(self.buffer.len() + room);
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
        &mut self.buffer
    }

    /// What the last read brought: the next one may be larger or smaller.
    pub fn note_read(&mut self, bytes: usize) {
        if bytes >= self.read_bytes {
            // Whoever has not logged in gets no large buffer, whatever it sends.
            let tuned = self.frame_max_bytes != FRAME_MAX_BEFORE_TUNE_BYTES;
            let max = if tuned { READ_MAX_BYTES } else { FRAME_MAX_BEFORE_TUNE_BYTES as usize };
            self.read_bytes = (self.read_bytes * 4).min(max);
        } else if bytes < self.read_bytes / 8 {
            self.read_bytes = (self.read_bytes / 2).max(READ_MIN_BYTES);
        }
    }

    /// Gives the buffer back if it is empty, so that an idle connection holds none. `read_bytes`
    /// tells how large the next one will be.
    pub fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// After a batch of frames: a small buffer that is empty is given back at once.
    pub fn settle(&mut self) {
        if self.read_bytes <= READ_MIN_BYTES {
            self.release();
        }
    }

    /// Drops what has been read.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// How many octets of the frame at the front have not arrived, as far as its head tells.
    fn missing_bytes(&self) -> usize {
        let Some(&[_, _, _, s0, s1, s2, s3]) = self.buffer.first_chunk() else { return 0 };
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        // `head` has refused what is over frame-max; without one, the buffer grows as data comes.
        let size = (size as usize).min(READ_MAX_BYTES.max(self.frame_max_bytes as usize));
        (size + FRAME_OVERHEAD_BYTES).saturating_sub(self.buffer.len())
    }
}

fn too_large(octet: u8, size: u32, frame_max: u32) -> Error {
    let max = frame_max.saturating_sub(FRAME_OVERHEAD_BYTES as u32);
    unreadable(octet, &[], &format!("{{frame_too_large,{size},{max}}}"))
}

fn unreadable(octet: u8, payload: &[u8], what: &str) -> Error {
    Error::frame_error(format!("{}: {what}", describe(octet, payload))).blame(MethodId::NONE)
}

/// `type T, all octets = <<..>>`, as RabbitMQ describes a frame in an error.
pub fn describe(octet: u8, payload: &[u8]) -> String {
    let (which, shown) = match payload.get(..SNIPPET_BYTES) {
        Some(first) if payload.len() > SNIPPET_BYTES => ("first 16", first),
        _ => ("all", payload),
    };
    format!("type {octet}, {which} octets = {}", erlang_binary(shown))
}

/// Octets as an Erlang term: a quoted string where all of them can be printed.
pub fn erlang_binary(octets: &[u8]) -> String {
    let plain = |o: &u8| (b' '..=b'~').contains(o) && *o != b'"' && *o != b'\\';
    if !octets.is_empty() && octets.iter().all(plain) {
        return format!("<<\"{}\">>", String::from_utf8_lossy(octets));
    }
    let numbers: Vec<String> = octets.iter().map(u8::to_string).collect();
    format!("<<{}>>", numbers.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> FrameReader {
        let mut reader = FrameReader::new();
        reader.buffer().extend_from_slice(bytes);
        reader
    }

    #[test]
    fn a_frame_is_given_when_its_last_octet_has_come() {
        let frame = [1, 0, 7, 0, 0, 0, 2, 0xAA, 0xBB, FRAME_END];
        for cut in 0..frame.len() {
            assert_eq!(reader(&frame[..cut]).head().unwrap(), None, "{cut} octets");
        }
        let mut whole = reader(&frame);
        let head = whole.head().unwrap().unwrap();
        assert_eq!(head, FrameHead { kind: FrameKind::Method, channel: 7, size: 2 });
        assert_eq!(whole.payload(head), [0xAA, 0xBB]);
        whole.skip(head);
        assert_eq!(whole.head().unwrap(), None);
    }

    #[test]
    fn a_large_payload_is_taken_without_its_frame() {
        let mut reader = reader(&[3, 0, 1, 0, 0, 0, 3, 1, 2, 3, FRAME_END, 8]);
        let head = reader.head().unwrap().unwrap();
        assert_eq!(reader.take_payload(head).as_ref(), [1, 2, 3]);
        assert_eq!(reader.buffer().as_ref(), [8]);
    }

    #[test]
    fn an_oversized_frame_is_refused_before_it_is_waited_for() {
        let error = reader(&[3, 0, 1, 0xFF, 0, 0, 0]).head().unwrap_err().to_string();
        assert_eq!(
            error,
            "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,4278190080,8184}"
        );
    }

    #[test]
    fn up_to_eight_octets_over_frame_max_are_tolerated() {
        let size = FRAME_MAX_BEFORE_TUNE_BYTES.to_be_bytes();
        let fits = [&[3, 0, 1][..], &size].concat();
        assert_eq!(reader(&fits).head().unwrap(), None);
    }

    #[test]
    fn bad_frames_are_described() {
        let bad_end = reader(&[1, 0, 0, 0, 0, 0, 1, b'x', 0]).head().unwrap_err().to_string();
        let text = "FRAME_ERROR - type 1, all octets = <<\"x\">>: {invalid_frame_end_marker,0}";
        assert_eq!(bad_end, text);
        let unknown = reader(&[5, 0, 0, 0, 0, 0, 1, 7, FRAME_END]).head().unwrap_err().to_string();
        assert_eq!(unknown, "FRAME_ERROR - type 5, all octets = <<7>>: unknown_frame");
    }

    #[test]
    fn reads_grow_with_the_traffic_and_shrink_with_it() {
        let mut reader = FrameReader::new();
        for _ in 0..8 {
            reader.note_read(READ_MAX_BYTES);
        }
        assert!(reader.buffer().capacity() <= 2 * FRAME_MAX_BEFORE_TUNE_BYTES as usize);
        reader.set_frame_max(READ_MAX_BYTES as u32);
        for _ in 0..8 {
            reader.note_read(READ_MAX_BYTES);
        }
        assert!(reader.buffer().capacity() >= READ_MAX_BYTES);
        for _ in 0..20 {
            reader.note_read(1);
        }
        reader.release();
        assert!(reader.buffer().capacity() < 2 * READ_MIN_BYTES);
    }
}
