//! Why TLS cannot be offered: one message that names the setting, the file and what is wrong.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why TLS cannot be offered.
#[derive(Debug)]
pub enum TlsError {
    /// A setting is missing.
    NotSet {
        /// Which.
        setting: &'static str,
        /// The setting that is of no use without it.
        needed_by: &'static str,
    },
    /// A file cannot be read.
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file does not hold what it should.
    Wrong {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        rule: String,
    },
    /// Certificate and key cannot be used together.
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why not.
        why: String,
    },
}

impl TlsError {
    pub(super) fn not_set(setting: &'static str, needed_by: &'static str) -> Self {
        Self::NotSet { setting, needed_by }
    }

    pub(super) fn wrong(setting: &'static str, path: &Path, rule: &dyn fmt::Display) -> Self {
        Self::Wrong { setting, path: path.to_owned(), rule: rule.to_string() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSet { setting, needed_by } => {
                write!(f, "{needed_by} is set, but {setting} is not: one is of no use alone")
            }
            Self::Unreadable { setting, path, error } => {
                write!(f, "cannot read {} ({setting}): {error}", path.display())
            }
            Self::Wrong { setting, path, rule } => {
                write!(f, "{} ({setting}): {rule}", path.display())
            }
            Self::Pair { certificate, key, why } => {
                let (certificate, key) = (certificate.display(), key.display());
                write!(f, "{certificate} (tls-cert) and {key} (tls-key) do not go together: {why}")
            }
        }
    }
}

impl std::error::Error for TlsError {}
