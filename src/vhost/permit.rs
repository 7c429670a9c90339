//! Whether somebody may declare something, asked where it is certain what that would be.
//!
//! Some of it depends on whether the thing is there already, or on the name that it gets, and both
//! are known only under the topology lock. Knows nothing of who asks.

use crate::amqp::table::Table;
use crate::error::Result;

/// What whoever declares something is asked.
pub trait Permit {
    /// May a queue of that name be declared?
    fn queue(&self, name: &str) -> Result<()>;
    /// And if it is new, with these arguments?
    fn new_queue(&self, name: &str, arguments: &Table) -> Result<()>;
    /// May an exchange of that name be declared?
    fn exchange(&self, name: &str) -> Result<()>;
    /// And if it is new, with these arguments?
    fn new_exchange(&self, name: &str, arguments: &Table) -> Result<()>;
}

/// The broker itself may do everything.
#[derive(Clone, Copy, Debug)]
pub struct Unchecked;

impl Permit for Unchecked {
    fn queue(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn new_queue(&self, _: &str, _: &Table) -> Result<()> {
        Ok(())
    }

    fn exchange(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn new_exchange(&self, _: &str, _: &Table) -> Result<()> {
        Ok(())
    }
}
