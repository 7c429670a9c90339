//! The management commands against a broker that always says the same.
//!
//! What they ask and say is kept in `snapshots/`; after a change that is meant, run
//! `INSTA_UPDATE=always cargo test --test cli` and look at the difference.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod administration;
mod answers;
mod definitions;
mod errors;
mod fake;
mod messages;
mod run;
mod see;
mod tls;
mod topology;
