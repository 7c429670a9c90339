//! warren: a message broker that speaks AMQP 0-9-1 exactly as RabbitMQ does.
//!
//! ```no_run
//! # async fn run() -> Result<(), warren::StartError> {
//! let broker = warren::Broker::builder().listen("127.0.0.1:0").data_dir("./data").start().await?;
//! println!("listening on {}", broker.amqp_addresses()[0]);
//! broker.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! The modules, from the wire inwards; each imports only what stands below it:
//!
//! - [`cli`]: the management commands, a client of the HTTP API
//! - [`server`]: sessions over sockets; [`http`]: requests over HTTP; [`config`], [`logging`],
//!   [`notify`], [`signals`]: the process around it
//! - [`broker`], [`vhost`], [`access`], [`alarm`]: what sessions share
//! - [`definitions`]: all that a broker is set up with, as one JSON document
//! - [`policy`]: rules for all names that match
//! - [`exchange`]: keys and headers to destinations; [`queue`]: who gets which message, when
//! - [`store`]: what survives; [`tls`]: sockets that nobody listens in on
//! - [`stats`]: what all of them count
//! - [`outbox`], [`message`], [`amqp`], [`error`]: values and octets

pub mod access;
pub mod alarm;
pub mod amqp;
pub mod bell;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod definitions;
pub mod descriptors;
pub mod disk;
pub mod error;
pub mod events;
pub mod exchange;
pub mod http;
pub mod listen;
pub mod log_limit;
pub mod logging;
pub mod memory;
pub mod message;
mod names;
pub mod notify;
pub mod outbox;
pub mod pattern;
pub mod policy;
pub mod queue;
pub mod server;
pub mod signals;
pub mod start_error;
pub mod stats;
pub mod store;
pub mod timers;
pub mod tls;
pub mod vhost;

pub use server::{Broker, Builder};
pub use start_error::StartError;
