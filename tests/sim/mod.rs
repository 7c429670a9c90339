//! A disk in memory whose power can be cut anywhere, a driver that uses a store on it at random,
//! and a model that says what must be there afterwards.

#![allow(dead_code, reason = "every test file uses a part of this")]
#![allow(unreachable_pub, reason = "a module of several test crates, each private")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

pub mod cuts;
pub mod driver;
pub mod image;
pub mod machine;
pub mod model;
#[path = "../common/random.rs"]
pub mod random;
