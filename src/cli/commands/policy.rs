//! `warren policy`: rules for all queues or exchanges whose names match.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::kinds::What;
use super::list::List;
use super::thing::Thing;
use super::typed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::prompt::Sure;

/// Lists, sets and clears policies.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  warren policy set short '^tmp\\.' message-ttl=60000 expires=3600000 --apply-to queues
  warren policy set dlx '.*' '{\"dead-letter-exchange\": \"dead\"}' --priority 1
  warren policy set cap '.*' max-length=100000 --operator
  warren policy clear short")]
pub(crate) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Shows all policies
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Sets a policy
    Set {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        /// A regular expression that is found in the names it is for.
        pattern: String,
        /// What is set: a JSON object, or keys and values such as max-length=10.
        #[arg(required = true, value_name = "DEFINITION", value_parser = definition)]
        definition: Vec<Map<String, Value>>,
        /// The policy with the highest one counts.
        #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_negative_numbers = true)]
        priority: i64,
        /// What it is for: all, queues, classic_queues, quorum_queues, streams or exchanges.
        #[arg(long, value_name = "KIND")]
        apply_to: Option<String>,
        #[command(flatten)]
        whose: Whose,
    },
    /// Takes a policy away
    Clear {
        /// The name.
        #[arg(value_parser = typed::name)]
        name: String,
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(clap::Args, Debug)]
struct Whose {
    /// An operator's policy, which goes together with the others and limits them.
    #[arg(long)]
    operator: bool,
}

impl Whose {
    fn words(&self) -> (&'static str, &'static str) {
        if self.operator {
            ("operator policy", "operator-policies")
        } else {
            ("policy", "policies")
        }
    }
}

impl Policy {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost();
        match &self.action {
            Action::List { whose: Whose { operator: true } } => {
                List::all(What::OperatorPolicies).run(context)
            }
            Action::List { .. } => List::all(What::Policies).run(context),
            Action::Set { name, pattern, definition, priority, apply_to, whose } => {
                let (kind, part) = whose.words();
                let pairs = definition.iter().flatten();
                let pairs: Vec<_> =
                    pairs.map(|(key, value)| (key.clone(), value.clone())).collect();
                let definition = typed::merged("DEFINITION", None, &pairs)?;
                // An operator's policy can only be for queues, which brokers say for themselves.
                let default = if whose.operator { "queues" } else { "all" };
                let body = json!({
                    "pattern": pattern,
                    "definition": definition,
                    "priority": priority,
                    "apply-to": apply_to.as_deref().unwrap_or(default),
                });
                let thing = Thing::within(kind, name, vhost);
                let route = thing.route(&[part, vhost, name]);
                thing.written(context, context.client.put(&route, &body)?)
            }
            Action::Clear { name, whose, sure } => {
                let (kind, part) = whose.words();
                let thing = Thing::within(kind, name, vhost);
                sure.ask(&format!("Clear {thing}"))?;
                context.client.delete(&thing.route(&[part, vhost, name]))?;
                thing.done(context, "cleared")
            }
        }
    }
}

/// Reads a JSON object, or one key with its value.
fn definition(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim_start().starts_with('{') {
        return typed::object(text);
    }
    typed::pair(text).map(|pair| Map::from_iter([pair]))
}
