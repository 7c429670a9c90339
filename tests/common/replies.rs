//! What the broker answers, under short names.

use amq_protocol::protocol::{
    AMQPClass, access, basic, channel, confirm, connection, exchange, queue, tx,
};

use super::expected::{Expected, ExpectedContent};

pub fn queue_declare_ok(queue: &str, message_count: u32, consumer_count: u32) -> AMQPClass {
    let queue = queue.into();
    AMQPClass::Queue(queue::AMQPMethod::DeclareOk(queue::DeclareOk {
        queue,
        message_count,
        consumer_count,
    }))
}

pub fn queue_bind_ok() -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {}))
}

pub fn queue_unbind_ok() -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::UnbindOk(queue::UnbindOk {}))
}

pub fn queue_purge_ok(message_count: u32) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::PurgeOk(queue::PurgeOk { message_count }))
}

pub fn queue_delete_ok(message_count: u32) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::DeleteOk(queue::DeleteOk { message_count }))
}

pub fn exchange_declare_ok() -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {}))
}

pub fn exchange_delete_ok() -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::DeleteOk(exchange::DeleteOk {}))
}

pub fn exchange_bind_ok() -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::BindOk(exchange::BindOk {}))
}

pub fn exchange_unbind_ok() -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::UnbindOk(exchange::UnbindOk {}))
}

pub fn consume_ok(tag: &str) -> AMQPClass {
    let consumer_tag = tag.into();
    AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(basic::ConsumeOk { consumer_tag }))
}

pub fn cancel_ok(tag: &str) -> AMQPClass {
    let consumer_tag = tag.into();
    AMQPClass::Basic(basic::AMQPMethod::CancelOk(basic::CancelOk { consumer_tag }))
}

pub fn get_empty() -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {}))
}

pub fn qos_ok() -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {}))
}

pub fn recover_ok() -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::RecoverOk(basic::RecoverOk {}))
}

/// From any exchange and with any properties, unless `via` and `with` are added.
pub fn deliver(tag: &str, delivery_tag: u64, redelivered: bool, body: &[u8]) -> ExpectedContent {
    content(
        basic::AMQPMethod::Deliver(basic::Deliver {
            consumer_tag: tag.into(),
            delivery_tag,
            redelivered,
            exchange: "".into(),
            routing_key: "".into(),
        }),
        body,
    )
}

/// `message_count` is what is left behind this one.
pub fn get_ok(
    delivery_tag: u64,
    redelivered: bool,
    message_count: u32,
    body: &[u8],
) -> ExpectedContent {
    content(
        basic::AMQPMethod::GetOk(basic::GetOk {
            delivery_tag,
            redelivered,
            exchange: "".into(),
            routing_key: "".into(),
            message_count,
        }),
        body,
    )
}

/// An unroutable message on its way back; its exchange and key are always compared.
pub fn no_route(exchange: &str, key: &str, body: &[u8]) -> ExpectedContent {
    content(
        basic::AMQPMethod::Return(basic::Return {
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
            exchange: exchange.into(),
            routing_key: key.into(),
        }),
        body,
    )
    .via(exchange, key)
}

fn content(method: basic::AMQPMethod, body: &[u8]) -> ExpectedContent {
    ExpectedContent { method, source_is_named: false, properties: None, body: body.to_vec() }
}

pub fn confirm_select_ok() -> AMQPClass {
    AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}))
}

pub fn tx_select_ok() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::SelectOk(tx::SelectOk {}))
}

pub fn tx_commit_ok() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::CommitOk(tx::CommitOk {}))
}

pub fn tx_rollback_ok() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::RollbackOk(tx::RollbackOk {}))
}

pub fn channel_open_ok() -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))
}

pub fn channel_flow_ok(active: bool) -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::FlowOk(channel::FlowOk { active }))
}

pub fn channel_close_ok() -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}))
}

pub fn connection_open_ok() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}))
}

pub fn connection_close_ok() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))
}

/// Without agreeing to it, as `expect_connection_close` does.
pub fn close_of_connection(code: u16, text: &str, ids: (u16, u16)) -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::Close(connection::Close {
        reply_code: code,
        reply_text: text.into(),
        class_id: ids.0,
        method_id: ids.1,
    }))
}

/// Without agreeing to it, as `expect_channel_close` does.
pub fn close_of_channel(code: u16, text: &str, ids: (u16, u16)) -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::Close(channel::Close {
        reply_code: code,
        reply_text: text.into(),
        class_id: ids.0,
        method_id: ids.1,
    }))
}

pub fn update_secret_ok() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {}))
}

pub fn access_request_ok() -> AMQPClass {
    AMQPClass::Access(access::AMQPMethod::RequestOk(access::RequestOk {}))
}

pub fn heartbeat() -> Expected {
    Expected::Heartbeat
}
