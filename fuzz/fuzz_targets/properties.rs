//! The properties of a content header.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../targets.rs"]
mod targets;

fuzz_target!(|input: &[u8]| targets::properties(input));
