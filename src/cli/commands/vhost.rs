//! `warren vhost`: the parts of a broker that know nothing of each other.

use clap::Subcommand;
use serde_json::{Map, Value};

use super::kinds::What;
use super::list::List;
use super::thing::Thing;
use super::typed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::prompt::Sure;

/// Lists, adds, protects and deletes virtual hosts.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Whoever adds a virtual host gets all permissions in it.

Examples:
  warren vhost add orders --description 'Orders of the shop' --default-queue-type quorum
  warren vhost protect orders
  warren vhost delete orders --yes")]
pub(crate) struct Vhost {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Shows all virtual hosts
    List,
    /// Adds a virtual host, or changes what is said of it
    Add {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        /// What it is for.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Words about it, separated by commas.
        #[arg(long, value_name = "TAGS", value_delimiter = ',')]
        tags: Option<Vec<String>>,
        /// The type of queues that are declared without one.
        #[arg(long, value_name = "TYPE")]
        default_queue_type: Option<String>,
        /// Copy all messages to the exchange amq.rabbitmq.trace.
        #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
        tracing: Option<bool>,
    },
    /// Deletes a virtual host with everything in it
    Delete {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Refuses the deletion of a virtual host from now on
    Protect {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
    },
    /// Permits the deletion of a virtual host again
    Unprotect {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
    },
}

impl Vhost {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = &context.client;
        match &self.action {
            Action::List => List::all(What::Vhosts).run(context),
            Action::Add { name, description, tags, default_queue_type, tracing } => {
                let mut body = Map::new();
                let given = [
                    ("description", description.clone().map(Value::from)),
                    ("tags", tags.as_ref().map(|tags| tags.join(",").into())),
                    ("default_queue_type", default_queue_type.clone().map(Value::from)),
                    ("tracing", tracing.map(Value::from)),
                ];
                for (key, value) in given {
                    body.extend(value.map(|value| (key.to_owned(), value)));
                }
                let thing = Thing::new("vhost", name);
                let route = thing.route(&["vhosts", name]);
                thing.written(context, client.put(&route, &Value::Object(body))?)
            }
            Action::Delete { name, sure } => {
                let thing = Thing::new("vhost", name);
                sure.ask(&format!("Delete {thing} with everything in it"))?;
                client.delete(&thing.route(&["vhosts", name]))?;
                thing.done(context, "deleted")
            }
            Action::Protect { name } => {
                let thing = Thing::new("vhost", name);
                let route = thing.route(&["vhosts", name, "deletion", "protection"]);
                client.post(&route, &Value::Object(Map::new()))?;
                thing.done(context, "protected")
            }
            Action::Unprotect { name } => {
                let thing = Thing::new("vhost", name);
                client.delete(&thing.route(&["vhosts", name, "deletion", "protection"]))?;
                thing.done(context, "unprotected")
            }
        }
    }
}
