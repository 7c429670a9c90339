//! Why the configuration cannot be used: one message that names the place, the value and the rule.
//!
//! Knows where values come from, not what they mean.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::settings::SETTINGS;

/// Exit code for a bad command line; the one that clap uses.
const EXIT_USAGE: u8 = 2;
/// Exit code for bad configuration (`EX_CONFIG` of sysexits).
const EXIT_CONFIG: u8 = 78;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag,
    /// In the environment.
    Variable,
    /// In the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
}

/// Why the configuration cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// A value breaks a rule.
    Value {
        /// Where it was given.
        origin: Origin,
        /// The flag, variable or key.
        name: String,
        /// The value as typed.
        text: String,
        /// The rule.
        rule: String,
    },
    /// The file has a key that means nothing.
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// The file is not TOML.
    Syntax {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl ConfigError {
    /// What the process should exit with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Value { origin: Origin::Flag, .. } => EXIT_USAGE,
            _ => EXIT_CONFIG,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { origin, name, text, rule } => match origin {
                Origin::Flag => write!(f, "--{name} {text}: {rule}"),
                Origin::Variable => write!(f, "{name}={text} in the environment: {rule}"),
                Origin::File { path, line } => {
                    write!(f, "{}, line {line}: {name} = {text}: {rule}", path.display())
                }
            },
            Self::UnknownKey { path, line, key } => {
                let keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
                let (path, keys) = (path.display(), keys.join(", "));
                write!(f, "{path}, line {line}: unknown key {key}; the keys are {keys}")
            }
            Self::Syntax { path, line, message } => {
                write!(f, "{}, line {line}: {message}", path.display())
            }
            Self::Unreadable { path, error } => {
                write!(f, "cannot read the configuration file {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
