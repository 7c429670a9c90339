//! A naive model of a queue with all its rules, and the world that plays everything around one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test")]

mod deaths;
mod host;
mod model;
mod promises;
mod restart;
pub(crate) mod steps;
pub(crate) mod world;
