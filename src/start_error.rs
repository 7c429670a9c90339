//! Why the broker does not start, in words for whoever started it, and the exit code for scripts.
//!
//! Knows nothing of AMQP.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::config::ConfigError;
use crate::store::{DataDirectoryError, EXIT_DISK_FAILED, StoreError};
use crate::tls::TlsError;

/// Exit code when a file to be read at the start is wrong (`EX_DATAERR` of sysexits).
const EXIT_DATA: u8 = 65;
/// Exit code when an address cannot be listened on (`EX_UNAVAILABLE` of sysexits).
const EXIT_UNAVAILABLE: u8 = 69;
/// Exit code when something inside failed (`EX_SOFTWARE`).
const EXIT_INTERNAL: u8 = 70;
/// Exit code when the data directory cannot be used (`EX_CANTCREAT`).
const EXIT_DATA_DIRECTORY: u8 = 73;

/// Exit code when TLS cannot be offered as configured (`EX_CONFIG`).
const EXIT_TLS: u8 = 78;

/// Why the broker does not start.
#[derive(Debug)]
pub enum StartError {
    /// A value of the configuration is wrong.
    Config(ConfigError),
    /// A certificate, a key or what belongs to them is missing or wrong.
    Tls(TlsError),
    /// A host has no address.
    CannotResolve {
        /// The address as configured.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// An address has a listener already.
    AddressInUse(SocketAddr),
    /// Only the system may listen there.
    AddressNotPermitted(SocketAddr),
    /// An address cannot be listened on for another reason.
    CannotListen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The data directory cannot be used.
    DataDirectory(DataDirectoryError),
    /// What is stored there cannot be used.
    Store(StoreError),
    /// The definitions to be loaded are wrong.
    Definitions(String),
    /// Something inside the broker failed.
    Internal(String),
}

impl StartError {
    /// For a listener that could not be made.
    pub fn listen(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse(address),
            io::ErrorKind::PermissionDenied => Self::AddressNotPermitted(address),
            _ => Self::CannotListen { address, error },
        }
    }

    /// For a failure that the one who starts the broker cannot help.
    pub fn internal(error: impl fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }

    /// What the process should exit with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit_code(),
            Self::Tls(_) => EXIT_TLS,
            Self::CannotResolve { .. }
            | Self::AddressInUse(_)
            | Self::AddressNotPermitted(_)
            | Self::CannotListen { .. } => EXIT_UNAVAILABLE,
            Self::DataDirectory(_) => EXIT_DATA_DIRECTORY,
            Self::Store(_) => EXIT_DISK_FAILED,
            Self::Definitions(_) => EXIT_DATA,
            Self::Internal(_) => EXIT_INTERNAL,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::CannotResolve { address, error } => {
                write!(f, "cannot listen on {address}: the host has no address ({error})")
            }
            Self::AddressInUse(address) => write!(
                f,
                "cannot listen on {address}: address already in use \
                 (is another broker running there?)"
            ),
            Self::AddressNotPermitted(address) => write!(
                f,
                "cannot listen on {address}: permission denied \
                 (ports below 1024 are for root or CAP_NET_BIND_SERVICE)"
            ),
            Self::CannotListen { address, error } => {
                write!(f, "cannot listen on {address}: {error}")
            }
            Self::DataDirectory(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Definitions(why) => write!(f, "cannot load definitions: {why}"),
            Self::Internal(what) => write!(f, "cannot start: {what}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<DataDirectoryError> for StartError {
    fn from(error: DataDirectoryError) -> Self {
        Self::DataDirectory(error)
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_that_cannot_be_made_say_why() {
        let address = SocketAddr::from(([127, 0, 0, 1], 5672));
        let message = |kind: io::ErrorKind| StartError::listen(address, kind.into()).to_string();
        assert_eq!(
            message(io::ErrorKind::AddrInUse),
            "cannot listen on 127.0.0.1:5672: address already in use \
             (is another broker running there?)"
        );
        assert!(message(io::ErrorKind::PermissionDenied).contains("permission denied"));
        assert_eq!(
            message(io::ErrorKind::AddrNotAvailable),
            "cannot listen on 127.0.0.1:5672: address not available"
        );
    }

    #[test]
    fn every_kind_has_its_exit_code() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let in_use = StartError::listen(address, io::ErrorKind::AddrInUse.into());
        assert_eq!(in_use.exit_code(), 69);
        let locked = DataDirectoryError::InUse("d".into(), None);
        assert_eq!(StartError::from(locked).exit_code(), 73);
        let damaged = StoreError::Damaged { path: "d/log".into(), what: "no end".to_owned() };
        let damaged = StartError::from(damaged);
        let expected =
            "what is stored in d/log is damaged: no end (`warren check` tells all of it)";
        assert_eq!((damaged.to_string().as_str(), damaged.exit_code()), (expected, 74));
        assert_eq!(StartError::internal("x").exit_code(), 70);
    }
}
