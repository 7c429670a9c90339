//! Why what is stored cannot be used.
//!
//! Errors while the broker runs are not here: the store ends the process then.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::catalogue::CatalogueError;

/// Why what is stored cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// A file cannot be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file holds what no warren has written there.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl StoreError {
    /// The start has failed.
    pub(super) fn start(error: io::Error) -> Self {
        Self::File { path: PathBuf::from("the log"), error }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error } => {
                write!(f, "cannot use what is stored in {}: {error}", path.display())
            }
            Self::Damaged { path, what } => write!(
                f,
                "what is stored in {} is damaged: {what} (`warren check` tells all of it)",
                path.display()
            ),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::start(error)
    }
}

impl From<CatalogueError> for StoreError {
    fn from(error: CatalogueError) -> Self {
        Self::Damaged { path: PathBuf::from("the catalogue"), what: error.to_string() }
    }
}
