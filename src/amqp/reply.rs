//! The methods that a server sends, encoded.
//!
//! Those without content, through `amq_protocol`; what carries content is in `write.rs`.

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame};
use amq_protocol::protocol::{
    AMQPClass, access, basic, channel, confirm, connection, exchange, queue, tx,
};
use amq_protocol::types::ShortString;

use super::frame::{FRAME_END, FrameKind};
use super::table::Table;
use crate::error::{MethodId, Reason};

/// The longest short string (0-9-1, 4.2.5.3).
const SHORT_STRING_MAX_BYTES: usize = 255;

/// A method on its way to a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply(AMQPClass);

/// A short string of any text: what is too long is cut at a character, where `ShortString::from`
/// would panic.
fn short(text: &str) -> ShortString {
    let end = text.floor_char_boundary(SHORT_STRING_MAX_BYTES);
    ShortString::from(text.get(..end).unwrap_or_default())
}

#[allow(missing_docs, reason = "the names are the specification's")]
impl Reply {
    pub fn connection_tune(channel_max: u16, frame_max: u32, heartbeat: u16) -> Self {
        let tune = connection::Tune { channel_max, frame_max, heartbeat };
        Self::connection(connection::AMQPMethod::Tune(tune))
    }

    pub fn connection_open_ok() -> Self {
        Self::connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}))
    }

    pub fn connection_close(reason: &Reason, blamed: MethodId) -> Self {
        Self::connection(connection::AMQPMethod::Close(connection::Close {
            reply_code: reason.code.number(),
            reply_text: short(&reason.reply_text()),
            class_id: blamed.class,
            method_id: blamed.method,
        }))
    }

    pub fn connection_close_ok() -> Self {
        Self::connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))
    }

    pub fn connection_blocked(reason: &str) -> Self {
        let reason = short(reason);
        Self::connection(connection::AMQPMethod::Blocked(connection::Blocked { reason }))
    }

    pub fn connection_unblocked() -> Self {
        Self::connection(connection::AMQPMethod::Unblocked(connection::Unblocked {}))
    }

    pub fn connection_update_secret_ok() -> Self {
        Self::connection(connection::AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {}))
    }

    pub fn channel_open_ok() -> Self {
        Self::channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))
    }

    pub fn channel_flow_ok(active: bool) -> Self {
        Self::channel(channel::AMQPMethod::FlowOk(channel::FlowOk { active }))
    }

    pub fn channel_close(reason: &Reason, blamed: MethodId) -> Self {
        Self::channel(channel::AMQPMethod::Close(channel::Close {
            reply_code: reason.code.number(),
            reply_text: short(&reason.reply_text()),
            class_id: blamed.class,
            method_id: blamed.method,
        }))
    }

    pub fn channel_close_ok() -> Self {
        Self::channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}))
    }

    pub fn access_request_ok() -> Self {
        Self(AMQPClass::Access(access::AMQPMethod::RequestOk(access::RequestOk {})))
    }

    pub fn exchange_declare_ok() -> Self {
        Self::exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {}))
    }

    pub fn exchange_delete_ok() -> Self {
        Self::exchange(exchange::AMQPMethod::DeleteOk(exchange::DeleteOk {}))
    }

    pub fn exchange_bind_ok() -> Self {
        Self::exchange(exchange::AMQPMethod::BindOk(exchange::BindOk {}))
    }

    pub fn exchange_unbind_ok() -> Self {
        Self::exchange(exchange::AMQPMethod::UnbindOk(exchange::UnbindOk {}))
    }

    pub fn queue_declare_ok(name: &str, message_count: u32, consumer_count: u32) -> Self {
        let queue = short(name);
        let declare_ok = queue::DeclareOk { queue, message_count, consumer_count };
        Self::queue(queue::AMQPMethod::DeclareOk(declare_ok))
    }

    pub fn queue_bind_ok() -> Self {
        Self::queue(queue::AMQPMethod::BindOk(queue::BindOk {}))
    }

    pub fn queue_unbind_ok() -> Self {
        Self::queue(queue::AMQPMethod::UnbindOk(queue::UnbindOk {}))
    }

    pub fn queue_purge_ok(message_count: u32) -> Self {
        Self::queue(queue::AMQPMethod::PurgeOk(queue::PurgeOk { message_count }))
    }

    pub fn queue_delete_ok(message_count: u32) -> Self {
        Self::queue(queue::AMQPMethod::DeleteOk(queue::DeleteOk { message_count }))
    }

    pub fn basic_qos_ok() -> Self {
        Self::basic(basic::AMQPMethod::QosOk(basic::QosOk {}))
    }

    pub fn basic_consume_ok(consumer_tag: &str) -> Self {
        let consumer_tag = short(consumer_tag);
        Self::basic(basic::AMQPMethod::ConsumeOk(basic::ConsumeOk { consumer_tag }))
    }

    pub fn basic_cancel(consumer_tag: &str) -> Self {
        let consumer_tag = short(consumer_tag);
        Self::basic(basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag, nowait: true }))
    }

    pub fn basic_cancel_ok(consumer_tag: &str) -> Self {
        let consumer_tag = short(consumer_tag);
        Self::basic(basic::AMQPMethod::CancelOk(basic::CancelOk { consumer_tag }))
    }

    pub fn basic_get_empty() -> Self {
        Self::basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {}))
    }

    pub fn basic_recover_ok() -> Self {
        Self::basic(basic::AMQPMethod::RecoverOk(basic::RecoverOk {}))
    }

    pub fn confirm_select_ok() -> Self {
        Self(AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {})))
    }

    pub fn tx_select_ok() -> Self {
        Self(AMQPClass::Tx(tx::AMQPMethod::SelectOk(tx::SelectOk {})))
    }

    pub fn tx_commit_ok() -> Self {
        Self(AMQPClass::Tx(tx::AMQPMethod::CommitOk(tx::CommitOk {})))
    }

    pub fn tx_rollback_ok() -> Self {
        Self(AMQPClass::Tx(tx::AMQPMethod::RollbackOk(tx::RollbackOk {})))
    }

    /// Appends the method frame.
    pub fn encode(self, channel: u16, out: &mut Vec<u8>) {
        let frame = AMQPFrame::Method(channel, self.0);
        let context = WriteContext::from(Vec::new());
        match gen_frame(&frame)(context) {
            Ok(context) => out.extend_from_slice(&context.into_inner().0),
            Err(error) => tracing::error!(%error, "a reply could not be encoded"),
        }
    }

    fn connection(method: connection::AMQPMethod) -> Self {
        Self(AMQPClass::Connection(method))
    }

    fn channel(method: channel::AMQPMethod) -> Self {
        Self(AMQPClass::Channel(method))
    }

    fn exchange(method: exchange::AMQPMethod) -> Self {
        Self(AMQPClass::Exchange(method))
    }

    fn queue(method: queue::AMQPMethod) -> Self {
        Self(AMQPClass::Queue(method))
    }

    fn basic(method: basic::AMQPMethod) -> Self {
        Self(AMQPClass::Basic(method))
    }
}

/// Appends `connection.start` (10, 10) for version 0-9; its table is ours, so it is written here.
pub fn connection_start(server_properties: &Table, mechanisms: &str, out: &mut Vec<u8>) {
    let mut payload = vec![0, 10, 0, 10, 0, 9];
    server_properties.write_prefixed(&mut payload);
    for long_string in [mechanisms, "en_US"] {
        payload.extend_from_slice(&(long_string.len() as u32).to_be_bytes());
        payload.extend_from_slice(long_string.as_bytes());
    }
    out.extend_from_slice(&[FrameKind::Method.octet(), 0, 0]);
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(&payload);
    out.push(FRAME_END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use amq_protocol::frame::parse_frame;

    #[test]
    fn a_reply_is_appended_as_one_frame() {
        let mut out = vec![0xAA];
        Reply::queue_declare_ok("q", 3, 1).encode(7, &mut out);
        let (rest, frame) = parse_frame(&out[1..]).unwrap();
        assert!(rest.is_empty());
        let expected = Reply::queue_declare_ok("q", 3, 1).0;
        assert_eq!(frame, AMQPFrame::Method(7, expected));
    }

    #[test]
    fn a_name_that_is_too_long_does_not_panic() {
        let mut out = Vec::new();
        Reply::basic_cancel(&"ü".repeat(200)).encode(1, &mut out);
        assert!(out.len() < 300);
    }

    #[test]
    fn start_is_read_back() {
        let mut out = Vec::new();
        connection_start(&Table::default(), "PLAIN AMQPLAIN", &mut out);
        let (_, frame) = parse_frame(out.as_slice()).unwrap();
        let AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Start(start))) =
            frame
        else {
            panic!("not read as connection.start");
        };
        assert_eq!((start.version_major, start.version_minor), (0, 9));
        assert_eq!(start.mechanisms.as_bytes(), b"PLAIN AMQPLAIN");
    }
}
