//! What the routes do, one file per kind of object.

pub(super) mod about;
pub(super) mod bindings;
pub(super) mod channels;
pub(super) mod connections;
pub(super) mod consumers;
pub(super) mod exchanges;
mod kinds;
pub(super) mod messages;
pub(super) mod nodes;
pub(super) mod overview;
mod properties;
mod queue_view;
pub(super) mod queues;
pub(super) mod scope;
