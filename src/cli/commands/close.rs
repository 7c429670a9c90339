//! `warren close`: ends connections of others.

use clap::Subcommand;

use super::thing::Thing;
use super::typed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::prompt::Sure;

/// Closes a connection, or all those of a user.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The client is told the reason with its connection.close.

Examples:
  warren close connection '127.0.0.1:40000 -> 127.0.0.1:5672' --reason 'moving to another host'
  warren close user-connections alice --yes")]
pub(crate) struct Close {
    #[command(subcommand)]
    what: Closed,
}

#[derive(Subcommand, Debug)]
enum Closed {
    /// A connection
    Connection {
        /// Its name, as 'warren list connections' shows it.
        #[arg(value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// All connections of a user
    UserConnections {
        /// The user whose connections they are.
        #[arg(value_name = "USER", value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        how: How,
    },
}

#[derive(clap::Args, Debug)]
struct How {
    /// What the client is told.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    #[command(flatten)]
    sure: Sure,
}

impl Close {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let (thing, route, how) = match &self.what {
            Closed::Connection { name, how } => {
                let thing = Thing::new("connection", name);
                (thing, thing.route(&["connections", name]), how)
            }
            Closed::UserConnections { name, how } => {
                let thing = Thing::new("all connections of user", name);
                (thing, thing.route(&["connections", "username", name]), how)
            }
        };
        how.sure.ask(&format!("Close {thing}"))?;
        match &how.reason {
            Some(reason) => context.client.delete_because(&route, reason)?,
            None => context.client.delete(&route)?,
        }
        thing.done(context, "closed")
    }
}

/// It travels in a header, which is one line.
fn reason(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("must be one line without control characters".to_owned());
    }
    Ok(text.to_owned())
}
