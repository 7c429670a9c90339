//! What the broker says of itself in `connection.start`.

use std::sync::LazyLock;

use crate::amqp::table::{Table, TableBuilder};
use crate::names::COMPATIBLE_VERSION;

/// What clients may rely on; some refuse to use what is not listed.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

/// The server-properties (0-9-1, 1.4.2.1.3).
pub(super) static SERVER_PROPERTIES: LazyLock<Table> = LazyLock::new(|| {
    let capabilities = CAPABILITIES
        .into_iter()
        .fold(TableBuilder::new(), |table, name| table.bool(name, true))
        .build();
    TableBuilder::new()
        .table("capabilities", &capabilities)
        .long_string("cluster_name", "warren")
        .long_string("copyright", "The warren authors")
        .long_string("information", "Licensed under the Apache License 2.0")
        .long_string("platform", concat!("Rust, warren ", env!("CARGO_PKG_VERSION")))
        .long_string("product", "warren")
        .long_string("version", COMPATIBLE_VERSION)
        .build()
});
