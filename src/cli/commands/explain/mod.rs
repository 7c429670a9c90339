//! `warren explain`: where a message would go, and why a queue does not move.

mod queue;
mod route;

use std::collections::BTreeMap;

use clap::Subcommand;
use serde_json::{Map, Value};

use self::route::{Message, Topology};
use super::list::rows;
use super::thing::Thing;
use super::topology::DEFAULT_EXCHANGE;
use super::typed;
use crate::cli::client::Route;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Format};

const COLUMNS: &[Column] = &[
    Column::text("queue"),
    Column::text("certain"),
    Column::text("through"),
    Column::text("binding"),
    Column::text("arguments"),
];

/// Tells where a message would go, or why a queue does not move.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
A route is worked out from exchanges and bindings, and nothing is published; it fails with 1 if no
queue would get the message. Of exchanges that choose in a way of their own, such as
x-consistent-hash, every queue is shown that may get it, as not certain.

Examples:
  warren explain route --exchange events --key order.new
  warren explain route --exchange by-colour --header colour=red
  warren explain queue jobs")]
pub(crate) struct Explain {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Which queues would get a message
    Route {
        /// The exchange; the default exchange unless given.
        #[arg(long, short = 'x', value_name = "NAME", default_value = "")]
        exchange: String,
        /// The routing key.
        #[arg(long, short = 'k', value_name = "KEY", default_value = "")]
        key: String,
        /// A header; JSON is taken as such, everything else as text. Can be given often.
        #[arg(long, value_name = "NAME=VALUE", value_parser = typed::pair)]
        header: Vec<(String, Value)>,
    },
    /// What holds the messages of a queue up
    Queue {
        /// Its name.
        #[arg(value_parser = typed::name)]
        name: String,
    },
}

impl Explain {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        match &self.what {
            What::Queue { name } => queue::explain(context, name),
            What::Route { exchange, key, header } => {
                let headers = typed::merged("--header", None, header)?;
                explain_route(context, exchange, &Message { key, headers: &headers })
            }
        }
    }
}

fn explain_route(context: &Context, exchange: &str, message: &Message<'_>) -> Result<(), Failure> {
    let vhost = context.vhost();
    let exchange = if exchange == DEFAULT_EXCHANGE { "" } else { exchange };
    if !exchange.is_empty() {
        let thing = Thing::within("exchange", exchange, vhost);
        context.client.get(&thing.route(&["exchanges", vhost, exchange]))?;
    }
    let of_vhost = |part: &str| {
        let route = Route::new(format!("{part} of vhost '{vhost}'"), &[part, vhost]);
        rows(context.client.get(&route)?, part)
    };
    let (exchanges, bindings) = (of_vhost("exchanges")?, of_vhost("bindings")?);
    // Not everybody may see policies, and few exchanges have one.
    let has_policy = |exchange: &Value| exchange.get("policy").is_some_and(Value::is_string);
    let policies =
        if exchanges.iter().any(has_policy) { of_vhost("policies")? } else { Vec::new() };
    let alternates = alternates(&policies);
    let topology = Topology { exchanges: &exchanges, bindings: &bindings, alternates: &alternates };
    let found = topology.route(exchange, message);
    if found.is_empty() && context.output.format() == Format::Table {
        context.output.print("no queue would get it\n")?;
    } else {
        context.output.table(COLUMNS, &found)?;
    }
    if found.is_empty() { Err(Failure::told()) } else { Ok(()) }
}

/// The alternate exchanges that policies give, by the name of the policy.
fn alternates(policies: &[Value]) -> BTreeMap<String, String> {
    let alternate = |policy: &Value| {
        let definition: &Map<_, _> = policy.get("definition")?.as_object()?;
        let exchange = definition.get("alternate-exchange")?.as_str()?;
        Some((policy.get("name")?.as_str()?.to_owned(), exchange.to_owned()))
    };
    policies.iter().filter_map(alternate).collect()
}
