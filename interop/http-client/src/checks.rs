//! All checks, by the part of the management API that they are about.

mod access;
mod connections;
mod definitions;
mod messages;
mod node;
mod parameters;
mod policies;
mod topology;
mod vhosts;

use crate::trial::{Result, Trial};

/// What a check is called, and what it does.
pub type Check = (&'static str, fn(&Trial) -> Result);

/// All of them.
pub fn all() -> impl Iterator<Item = Check> {
    [
        node::CHECKS,
        vhosts::CHECKS,
        access::CHECKS,
        topology::CHECKS,
        policies::CHECKS,
        parameters::CHECKS,
        messages::CHECKS,
        connections::CHECKS,
        definitions::CHECKS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
