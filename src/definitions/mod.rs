//! Definitions: all that a broker is set up with, in one file that RabbitMQ reads and writes too.
//!
//! A [`Document`] is read from JSON (`read.rs`) or collected from what there is (`collect.rs`),
//! written as JSON (`write.rs`), or put in force: all of it is checked first (`check.rs`), so that
//! a bad file changes nothing (`apply.rs`). Knows no HTTP and no files but the one that is loaded
//! at the start.

mod apply;
mod check;
mod collect;
mod entry;
mod fields;
mod load;
mod read;
pub mod table;
mod write;

pub use apply::Imported;
pub use check::Checked;
pub use entry::{
    BindingEntry, Document, ExchangeEntry, Limits, ParameterEntry, PermissionEntry, PolicyEntry,
    QueueEntry, Secret, TopicPermissionEntry, UserEntry, VhostEntry,
};
pub use fields::Refused;
pub use load::{DEFINITIONS_MAX_BYTES, load};
pub use read::{OPERATOR_POLICY, Target, VHOST_LIMITS};
pub use write::{About, policy_to_json, rule};

#[cfg(test)]
mod tests;
