//! Where the log goes: standard error, for people or as JSON.
//!
//! Standard output is left to what scripts wait for. Knows nothing of what is logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Config, LogFormat};

/// Sends the log of this process to standard error. Fails if the log goes somewhere already. The
/// filter was checked with the rest of the configuration; bad directives in it are left out here.
pub fn init(config: &Config) -> Result<(), TryInitError> {
    let filter = EnvFilter::builder().parse_lossy(&config.log);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Json => log.json().finish().try_init(),
        LogFormat::Human => log.with_ansi(wants_colours()).finish().try_init(),
    }
}

/// Colours only where somebody looks, and not if they said no (`NO_COLOR`, see no-color.org).
fn wants_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !refused
}
