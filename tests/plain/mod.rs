//! A naive model of a queue without rules, and what may happen to one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test")]

pub(crate) mod model;
pub(crate) mod steps;
