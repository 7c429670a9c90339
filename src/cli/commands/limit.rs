//! `warren limit`: how much a virtual host or a user may have.

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::kinds::What;
use super::list::List;
use super::thing::Thing;
use super::typed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// Lists, sets and clears limits of virtual hosts and users.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Virtual hosts have max-connections and max-queues, users have max-connections and max-channels.

Examples:
  warren limit set vhost orders max-queues 500
  warren limit set user alice max-connections 10
  warren limit clear user alice max-connections
  warren limit list user")]
pub(crate) struct Limit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Shows the limits of all virtual hosts or users
    List {
        /// Whose.
        #[arg(value_enum)]
        of: Of,
    },
    /// Sets a limit
    Set {
        /// Whose.
        #[arg(value_enum)]
        of: Of,
        /// The name of the virtual host or user.
        #[arg(value_parser = typed::name)]
        name: String,
        /// Which one.
        #[arg(value_parser = typed::name)]
        limit: String,
        /// How many; -1 is no limit.
        #[arg(allow_negative_numbers = true)]
        value: i64,
    },
    /// Takes a limit away
    Clear {
        /// Whose.
        #[arg(value_enum)]
        of: Of,
        /// The name of the virtual host or user.
        #[arg(value_parser = typed::name)]
        name: String,
        /// Which one.
        #[arg(value_parser = typed::name)]
        limit: String,
    },
}

/// Who has limits.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Vhost,
    User,
}

impl Of {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Vhost => ("limits of vhost", "vhost-limits"),
            Self::User => ("limits of user", "user-limits"),
        }
    }
}

impl Limit {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        match &self.action {
            Action::List { of: Of::Vhost } => List::all(What::VhostLimits).run(context),
            Action::List { of: Of::User } => List::all(What::UserLimits).run(context),
            Action::Set { of, name, limit, value } => {
                let (kind, part) = of.words();
                let thing = Thing::new(kind, name);
                let route = thing.route(&[part, name, limit]);
                context.client.put(&route, &json!({ "value": value }))?;
                thing.done(context, "changed")
            }
            Action::Clear { of, name, limit } => {
                let (kind, part) = of.words();
                let thing = Thing::new(kind, name);
                context.client.delete(&thing.route(&[part, name, limit]))?;
                thing.done(context, "changed")
            }
        }
    }
}
