//! Octets to values and back: frames, methods, contents, properties, tables.
//!
//! Knows no sockets, no locks and nothing of what a broker does with a method.

pub mod content;
pub mod frame;
pub mod method;
pub mod properties;
pub mod reply;
pub mod table;
pub mod write;
