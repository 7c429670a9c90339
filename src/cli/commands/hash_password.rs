//! `warren hash-password`: a password as definitions and the API want it, without a broker.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use crate::access::{Algorithm, PasswordHash};
use crate::cli::failure::{Exit, Failure};
use crate::cli::options::{Environment, OutputOptions};
use crate::cli::output::Format;
use crate::cli::prompt;
use crate::cli::secret::{self, STDIN};
use crate::config::Secret;

/// How a password can be hashed here. MD5 and bcrypt are only understood where they come from
/// others.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Sha256,
    Sha512,
}

/// Makes the hash of a password, for definitions and 'warren user add --password-hash'.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Every call gives another hash, since each has its own salt.

Examples:
  warren hash-password
  warren hash-password --password-file secret.txt --format json
  echo 's3cret' | warren hash-password -")]
pub(crate) struct HashPassword {
    /// The password; '-' reads it from standard input. Asked for on a terminal.
    #[arg(conflicts_with = "password_file")]
    password: Option<String>,
    /// A file with the password in its first line; '-' is standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The algorithm.
    #[arg(long, value_enum, value_name = "NAME", default_value = "sha256")]
    algorithm: By,
    #[command(flatten)]
    output: OutputOptions,
}

impl HashPassword {
    pub(crate) fn run(&self, environment: &Environment) -> Result<(), Failure> {
        let output = self.output.output(environment)?;
        let password = self.secret()?;
        let algorithm = match self.algorithm {
            By::Sha256 => Algorithm::Sha256,
            By::Sha512 => Algorithm::Sha512,
        };
        let hash = PasswordHash::by(algorithm, password.reveal().as_bytes())
            .map_err(|error| Failure::new(Exit::BrokerFailed, error.to_string()))?;
        let (text, name) = (hash.text(), algorithm.name());
        match output.format() {
            Format::Table | Format::Plain if !output.has_columns() => {
                output.print(&format!("{text}\n"))
            }
            _ => {
                let made = json!({ "password_hash": text, "hashing_algorithm": name });
                output.done(&text, &made)
            }
        }
    }

    fn secret(&self) -> Result<Secret, Failure> {
        match (&self.password, &self.password_file) {
            (Some(password), _) if password == STDIN => secret::from_stdin(),
            (Some(password), _) if password.is_empty() => {
                Err(Failure::usage("PASSWORD: must not be empty"))
            }
            (Some(password), _) => Ok(Secret::new(password)),
            (None, Some(file)) => secret::from_file(file),
            (None, None) => match prompt::password("Password")? {
                Some(typed) => Ok(typed),
                None => Err(Failure::usage("no password: give one, or --password-file")),
            },
        }
    }
}
