//! `warren permission`: what a user may do in a virtual host.

use clap::Subcommand;
use serde_json::json;

use super::kinds::What;
use super::list::List;
use super::thing::Thing;
use super::typed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::prompt::Sure;

/// Lists, sets and clears permissions.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Each permission is a regular expression; '' permits nothing, '.*' everything.

Examples:
  warren permission set alice --vhost orders '' '^events$' '.*'
  warren permission set-topic alice events '^order\\.' '.*'
  warren permission clear alice --vhost orders
  warren permission list")]
pub(crate) struct Permission {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Shows all permissions
    List,
    /// Shows all topic permissions
    ListTopic,
    /// Says which names a user may configure, write to and read from
    Set {
        /// The user.
        #[arg(value_parser = typed::name)]
        name: String,
        /// What may be declared and deleted.
        configure: String,
        /// What may be published to.
        write: String,
        /// What may be consumed from.
        read: String,
    },
    /// Says which routing keys a user may use with a topic exchange
    SetTopic {
        /// The user.
        #[arg(value_parser = typed::name)]
        name: String,
        /// The exchange.
        #[arg(value_parser = typed::name)]
        exchange: String,
        /// Keys that may be published with.
        write: String,
        /// Keys that may be bound with.
        read: String,
    },
    /// Takes the permissions of a user in a virtual host away
    Clear {
        /// The user.
        #[arg(value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Takes topic permissions of a user away: of one exchange, or of all
    ClearTopic {
        /// The user.
        #[arg(value_parser = typed::name)]
        name: String,
        /// The exchange.
        #[arg(value_parser = typed::name)]
        exchange: Option<String>,
        #[command(flatten)]
        sure: Sure,
    },
}

impl Permission {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost();
        let plain = |name| Thing::within("permissions of user", name, vhost);
        let topic = |name| Thing::within("topic permissions of user", name, vhost);
        match &self.action {
            Action::List => List::all(What::Permissions).run(context),
            Action::ListTopic => List::all(What::TopicPermissions).run(context),
            Action::Set { name, configure, write, read } => {
                let thing = plain(name);
                let body = json!({ "configure": configure, "write": write, "read": read });
                let route = thing.route(&["permissions", vhost, name]);
                thing.written(context, context.client.put(&route, &body)?)
            }
            Action::SetTopic { name, exchange, write, read } => {
                let thing = topic(name);
                let body = json!({ "exchange": exchange, "write": write, "read": read });
                let route = thing.route(&["topic-permissions", vhost, name]);
                thing.written(context, context.client.put(&route, &body)?)
            }
            Action::Clear { name, sure } => {
                let thing = plain(name);
                sure.ask(&format!("Clear {thing}"))?;
                context.client.delete(&thing.route(&["permissions", vhost, name]))?;
                thing.done(context, "cleared")
            }
            Action::ClearTopic { name, exchange, sure } => {
                let thing = topic(name);
                sure.ask(&format!("Clear {thing}"))?;
                let mut parts = vec!["topic-permissions", vhost, name];
                parts.extend(exchange.as_deref());
                context.client.delete(&thing.route(&parts))?;
                thing.done(context, "cleared")
            }
        }
    }
}
