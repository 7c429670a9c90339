//! What the routes do, one file per kind of object.

pub(super) mod about;
pub(super) mod bindings;
pub(super) mod change;
pub(super) mod channels;
pub(super) mod connections;
pub(super) mod consumers;
pub(super) mod definitions;
pub(super) mod exchanges;
pub(super) mod features;
pub(super) mod health;
mod kinds;
pub(super) mod limits;
pub(super) mod messages;
pub(super) mod nodes;
pub(super) mod overview;
pub(super) mod parameters;
pub(super) mod permissions;
pub(super) mod policies;
mod properties;
mod queue_view;
pub(super) mod queues;
pub(super) mod scope;
pub(super) mod users;
pub(super) mod vhosts;
