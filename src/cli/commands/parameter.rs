//! `warren parameter`: what parts of a broker keep for a virtual host, or for all of it.

use clap::Subcommand;
use serde_json::{Value, json};

use super::kinds::What;
use super::list::List;
use super::thing::Thing;
use super::typed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::prompt::Sure;

/// Lists, sets and clears parameters.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Values are JSON; what is not JSON is taken as text.

Examples:
  warren parameter set federation-upstream far '{\"uri\": \"amqp://far\"}'
  warren parameter set-global cluster_name shop
  warren parameter list-global")]
pub(crate) struct Parameter {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Shows the parameters of all components
    List,
    /// Shows the parameters of the whole broker
    ListGlobal,
    /// Sets a parameter of a component in a virtual host
    Set {
        /// The component.
        #[arg(value_parser = typed::name)]
        component: String,
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        /// The value.
        value: String,
    },
    /// Sets a parameter of the whole broker
    SetGlobal {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        /// The value.
        value: String,
    },
    /// Takes a parameter of a component away
    Clear {
        /// The component.
        #[arg(value_parser = typed::name)]
        component: String,
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Takes a parameter of the whole broker away
    ClearGlobal {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        sure: Sure,
    },
}

impl Parameter {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost();
        match &self.action {
            Action::List => List::all(What::Parameters).run(context),
            Action::ListGlobal => List::all(What::GlobalParameters).run(context),
            Action::Set { component, name, value } => {
                let thing = Thing::within("parameter", name, vhost);
                let body = json!({
                    "component": component,
                    "vhost": vhost,
                    "name": name,
                    "value": typed::value(value),
                });
                let parts = ["parameters", component, vhost, name];
                set(context, &thing, &parts, &body)
            }
            Action::SetGlobal { name, value } => {
                let thing = Thing::new("global parameter", name);
                let body = json!({ "name": name, "value": typed::value(value) });
                set(context, &thing, &["global-parameters", name], &body)
            }
            Action::Clear { component, name, sure } => {
                let thing = Thing::within("parameter", name, vhost);
                clear(context, &thing, &["parameters", component, vhost, name], sure)
            }
            Action::ClearGlobal { name, sure } => {
                let thing = Thing::new("global parameter", name);
                clear(context, &thing, &["global-parameters", name], sure)
            }
        }
    }
}

fn set(context: &Context, thing: &Thing<'_>, parts: &[&str], body: &Value) -> Result<(), Failure> {
    thing.written(context, context.client.put(&thing.route(parts), body)?)
}

fn clear(context: &Context, thing: &Thing<'_>, parts: &[&str], sure: &Sure) -> Result<(), Failure> {
    sure.ask(&format!("Clear {thing}"))?;
    context.client.delete(&thing.route(parts))?;
    thing.done(context, "cleared")
}
