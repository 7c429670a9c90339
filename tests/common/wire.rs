//! Frames to bytes and back. Sending knows nothing of what is allowed, so that tests can say
//! what no client library would.

use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame},
    protocol::{AMQPClass, BasicProperties},
};

pub const METHOD: u8 = 1;
pub const HEADER: u8 = 2;
pub const BODY: u8 = 3;
pub const FRAME_END: u8 = 0xCE;

const HEAD_BYTES: usize = 7;

/// Any frame at all: type, channel, payload, and the end octet.
pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend(u32::try_from(payload.len()).expect("a frame").to_be_bytes());
    bytes.extend(payload);
    bytes.push(FRAME_END);
    bytes
}

/// A method frame from its ids and the bytes of its arguments.
pub fn method_frame(channel: u16, (class, method): (u16, u16), arguments: &[u8]) -> Vec<u8> {
    let mut payload = class.to_be_bytes().to_vec();
    payload.extend(method.to_be_bytes());
    payload.extend(arguments);
    frame(METHOD, channel, &payload)
}

/// A content header without properties, announcing a body of this size.
pub fn header_frame(channel: u16, class: u16, body_size: u64) -> Vec<u8> {
    let mut payload = class.to_be_bytes().to_vec();
    payload.extend([0, 0]);
    payload.extend(body_size.to_be_bytes());
    payload.extend([0, 0]);
    frame(HEADER, channel, &payload)
}

/// A piece of a body.
pub fn body_frame(channel: u16, body: &[u8]) -> Vec<u8> {
    frame(BODY, channel, body)
}

pub fn encode_method(channel: u16, method: AMQPClass) -> Vec<u8> {
    encode(&AMQPFrame::Method(channel, method))
}

pub fn encode_header(channel: u16, properties: BasicProperties, body_size: u64) -> Vec<u8> {
    encode(&AMQPFrame::Header(channel, AMQPContentHeader { class_id: 60, body_size, properties }))
}

fn encode(frame: &AMQPFrame) -> Vec<u8> {
    let context = WriteContext::from(Vec::new());
    gen_frame(frame)(context).expect("frames can be encoded").into_inner().0
}

/// The bytes of these properties as a content header carries them: flags, then values.
pub fn properties_of(properties: BasicProperties) -> Vec<u8> {
    let header = encode_header(1, properties, 0);
    let without_class_weight_and_size = HEAD_BYTES + 12;
    header[without_class_weight_and_size..header.len() - 1].to_vec()
}

/// Takes the next whole frame off the buffer, if there is one, and gives its bytes too.
pub fn take_frame(buffer: &mut Vec<u8>) -> Option<(AMQPFrame, Vec<u8>)> {
    let size: [u8; 4] = buffer.get(3..HEAD_BYTES)?.try_into().expect("four bytes");
    let whole = HEAD_BYTES + u32::from_be_bytes(size) as usize + 1;
    if buffer.len() < whole {
        return None;
    }
    let bytes: Vec<u8> = buffer.drain(..whole).collect();
    match parse_frame(&bytes[..]) {
        Ok((_, frame)) => Some((frame, bytes)),
        Err(e) => panic!("the broker sent what is not a frame: {} ({e:?})", readable(&bytes)),
    }
}

/// Bytes as text where they are text.
pub fn readable(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 120;
    let shown = bytes.get(..SHOWN_MAX).unwrap_or(bytes).escape_ascii();
    let rest = bytes.len().saturating_sub(SHOWN_MAX);
    if rest == 0 { format!("b\"{shown}\"") } else { format!("b\"{shown}\" and {rest} more") }
}
