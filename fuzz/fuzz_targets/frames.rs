//! Whatever a peer sends, from the first octet to contents put together.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../targets.rs"]
mod targets;

fuzz_target!(|input: &[u8]| targets::frames(input));
