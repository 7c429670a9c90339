//! `warren user`: who may log in, with which tags.
//!
//! A new password has options of its own, since `--password` is that of who asks.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value};

use super::kinds::What;
use super::list::List;
use super::thing::Thing;
use super::typed;
use crate::cli::client::Route;
use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::prompt::{self, Sure};
use crate::cli::secret::{self, STDIN};
use crate::config::Secret;

/// Lists, adds, changes and deletes users.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  warren user add alice --tags monitoring,policymaker --new-password-file alice.txt
  warren user password alice
  warren user tags alice administrator
  warren user delete alice")]
pub(crate) struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Shows all users
    List,
    /// Adds a user
    Add {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        password: NewPassword,
        /// Tags such as administrator, monitoring, policymaker, management, separated by commas.
        #[arg(long, value_name = "TAGS", value_delimiter = ',')]
        tags: Vec<String>,
    },
    /// Gives a user another password
    Password {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Gives a user these tags and no others
    Tags {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        /// The tags; none takes all away.
        tags: Vec<String>,
    },
    /// Deletes a user with all permissions
    Delete {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(clap::Args, Debug)]
#[group(multiple = false)]
struct NewPassword {
    /// The new password; '-' reads it from standard input. Asked for on a terminal.
    #[arg(value_name = "NEW_PASSWORD")]
    text: Option<String>,
    /// A file with the new password in its first line; '-' is standard input.
    #[arg(long = "new-password-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// A hash of the new password, as 'warren hash-password' makes it.
    #[arg(long = "password-hash", value_name = "HASH")]
    hash: Option<String>,
    /// The user can log in with a certificate only.
    #[arg(long = "no-password")]
    none: bool,
}

impl User {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = &context.client;
        match &self.action {
            Action::List => List::all(What::Users).run(context),
            Action::Add { name, password, tags } => {
                let thing = Thing::new("user", name);
                if client.get_if_any(&route(name))?.is_some() {
                    let hint = "change it with 'warren user password' or 'warren user tags'";
                    return Err(Failure::new(Exit::Refused, format!("{thing} exists: {hint}")));
                }
                let mut body = password.body(name)?;
                body.insert("tags".to_owned(), tags.join(",").into());
                thing.written(context, client.put(&route(name), &Value::Object(body))?)
            }
            Action::Password { name, password } => {
                let user = client.get(&route(name))?;
                let mut body = password.body(name)?;
                body.insert("tags".to_owned(), tags_of(&user).into());
                client.put(&route(name), &Value::Object(body))?;
                Thing::new("user", name).done(context, "changed")
            }
            Action::Tags { name, tags } => {
                let user = client.get(&route(name))?;
                let kept = ["password_hash", "hashing_algorithm"].into_iter();
                let kept = kept.filter_map(|key| Some((key.to_owned(), user.get(key)?.clone())));
                let mut body: Map<String, Value> = kept.collect();
                body.insert("tags".to_owned(), tags.join(",").into());
                client.put(&route(name), &Value::Object(body))?;
                Thing::new("user", name).done(context, "changed")
            }
            Action::Delete { name, sure } => {
                let thing = Thing::new("user", name);
                sure.ask(&format!("Delete {thing}"))?;
                client.delete(&route(name))?;
                thing.done(context, "deleted")
            }
        }
    }
}

fn route(name: &str) -> Route {
    Thing::new("user", name).route(&["users", name])
}

/// A list since RabbitMQ 3.9, a text with commas before.
fn tags_of(user: &Value) -> String {
    match user.get("tags") {
        Some(Value::String(tags)) => tags.clone(),
        Some(Value::Array(tags)) => {
            tags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        }
        _ => String::new(),
    }
}

impl NewPassword {
    /// The part of a user's body that says which password it has.
    fn body(&self, name: &str) -> Result<Map<String, Value>, Failure> {
        let (key, value) = match self {
            Self { none: true, .. } => ("password_hash", String::new()),
            Self { hash: Some(hash), .. } => ("password_hash", hash.clone()),
            _ => ("password", self.secret(name)?.reveal().to_owned()),
        };
        Ok(Map::from_iter([(key.to_owned(), value.into())]))
    }

    fn secret(&self, name: &str) -> Result<Secret, Failure> {
        match (&self.text, &self.file) {
            (Some(text), _) if text == STDIN => return secret::from_stdin(),
            (Some(text), _) if text.is_empty() => {
                return Err(Failure::usage("NEW_PASSWORD: must not be empty"));
            }
            (Some(text), _) => return Ok(Secret::new(text)),
            (None, Some(file)) => return secret::from_file(file),
            (None, None) => {}
        }
        let first = prompt::password(&format!("New password of user '{name}'"))?;
        let Some(first) = first else {
            let ways = "give one, or --new-password-file, --password-hash or --no-password";
            return Err(Failure::usage(format!("no password for user '{name}': {ways}")));
        };
        if prompt::password("The same again")?.is_none_or(|second| second != first) {
            return Err(Failure::usage("the two passwords differ"));
        }
        Ok(first)
    }
}
