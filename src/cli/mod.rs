//! The management commands: a client of the HTTP API on the command line.
//!
//! Everything here talks to a broker over HTTP as any other client does, to this one or to a
//! RabbitMQ; nothing here sees a broker from inside. To add a command: write a struct with its
//! arguments in `commands/`, name it in `commands::Command` and in one of `line::GROUPS`.

#![allow(clippy::doc_markdown, reason = "the comments of arguments are the help people read")]
#![allow(clippy::struct_excessive_bools, reason = "switches on the command line are that")]

mod bench;
mod client;
mod commands;
mod context;
mod failure;
mod files;
mod line;
mod options;
mod output;
mod profile;
mod progress;
mod prompt;
mod secret;
mod top;

pub use line::{Line, command_line};
