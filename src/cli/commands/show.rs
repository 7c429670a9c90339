//! `warren show`: all about one thing.

use clap::ValueEnum;
use serde_json::Value;

use super::details;
use super::kinds::{BINDINGS, CHANNELS, CONSUMERS, PERMISSIONS};
use super::list::rows;
use super::thing::Thing;
use super::topology::DEFAULT_EXCHANGE;
use super::typed;
use crate::cli::client::Route;
use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Column, Section};

/// Shows all about one thing.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  warren show queue jobs
  warren show exchange amq.topic --vhost orders
  warren show queue jobs --columns messages,message_stats.publish_details.rate --format plain
  warren show overview --format json")]
pub(crate) struct Show {
    /// What it is.
    #[arg(value_enum)]
    what: What,
    /// Its name; an overview has none, and of nodes the only one is shown without.
    #[arg(value_parser = typed::name)]
    name: Option<String>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Overview,
    Node,
    Queue,
    Exchange,
    Connection,
    Channel,
    User,
    Vhost,
    Policy,
    OperatorPolicy,
}

impl Show {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost();
        match self.what {
            What::Overview => {
                if self.name.is_some() {
                    return Err(Failure::usage("an overview has no name"));
                }
                let overview = context.client.get(&Route::new("overview", &["overview"]))?;
                let listeners = list_in(&overview, "listeners");
                let sections = [section("listeners", details::LISTENERS, &listeners)];
                context.output.fields(details::OVERVIEW, &overview, &sections)
            }
            What::Node => {
                let node = self.node(context)?;
                context.output.fields(details::NODE, &node, &[])
            }
            What::Queue => self.queue(context, vhost),
            What::Exchange => self.exchange(context, vhost),
            What::Connection => {
                let name = self.name()?;
                let thing = Thing::new("connection", name);
                let connection = context.client.get(&thing.route(&["connections", name]))?;
                let channels = list(context, &["connections", name, "channels"])?;
                let sections = [section("channels", CHANNELS, &channels)];
                context.output.fields(details::CONNECTION, &connection, &sections)
            }
            What::Channel => {
                let name = self.name()?;
                let thing = Thing::new("channel", name);
                let channel = context.client.get(&thing.route(&["channels", name]))?;
                let consumers = list_in(&channel, "consumer_details");
                let sections = [section("consumer_details", CONSUMERS, &consumers)];
                context.output.fields(details::CHANNEL, &channel, &sections)
            }
            What::User => {
                let name = self.name()?;
                let user = context.client.get(&Thing::new("user", name).route(&["users", name]))?;
                let permissions = list(context, &["users", name, "permissions"])?;
                let sections = [section("permissions", PERMISSIONS, &permissions)];
                context.output.fields(details::USER, &user, &sections)
            }
            What::Vhost => {
                let name = self.name()?;
                let thing = Thing::new("vhost", name);
                let shown = context.client.get(&thing.route(&["vhosts", name]))?;
                let permissions = list(context, &["vhosts", name, "permissions"])?;
                let sections = [section("permissions", PERMISSIONS, &permissions)];
                context.output.fields(details::VHOST, &shown, &sections)
            }
            What::Policy => self.policy(context, "policy", "policies"),
            What::OperatorPolicy => self.policy(context, "operator policy", "operator-policies"),
        }
    }

    fn name(&self) -> Result<&str, Failure> {
        let missing = || Failure::usage("a name is needed, such as in 'warren show queue jobs'");
        self.name.as_deref().ok_or_else(missing)
    }

    fn node(&self, context: &Context) -> Result<Value, Failure> {
        if let Some(name) = &self.name {
            return context.client.get(&Thing::new("node", name).route(&["nodes", name]));
        }
        let nodes = list(context, &["nodes"])?;
        match <[Value; 1]>::try_from(nodes) {
            Ok([node]) => Ok(node),
            Err(nodes) if nodes.is_empty() => Err(Failure::new(Exit::NotFound, "no node")),
            Err(_) => Err(Failure::usage("there are several nodes: name one of them")),
        }
    }

    fn queue(&self, context: &Context, vhost: &str) -> Result<(), Failure> {
        let name = self.name()?;
        let thing = Thing::within("queue", name, vhost);
        let queue = context.client.get(&thing.route(&["queues", vhost, name]))?;
        let bindings = list(context, &["queues", vhost, name, "bindings"])?;
        let consumers = list_in(&queue, "consumer_details");
        let sections = [
            section("bindings", BINDINGS, &bindings),
            section("consumer_details", CONSUMERS, &consumers),
        ];
        context.output.fields(details::QUEUE, &queue, &sections)
    }

    fn exchange(&self, context: &Context, vhost: &str) -> Result<(), Failure> {
        let name = self.name.as_deref().unwrap_or(DEFAULT_EXCHANGE);
        let thing = Thing::within("exchange", name, vhost);
        let exchange = context.client.get(&thing.route(&["exchanges", vhost, name]))?;
        let of = |end| list(context, &["exchanges", vhost, name, "bindings", end]);
        let (source, destination) = (of("source")?, of("destination")?);
        let sections = [
            section("bindings_from", BINDINGS, &source),
            section("bindings_to", BINDINGS, &destination),
        ];
        context.output.fields(details::EXCHANGE, &exchange, &sections)
    }

    fn policy(&self, context: &Context, kind: &'static str, part: &str) -> Result<(), Failure> {
        let (name, vhost) = (self.name()?, context.vhost());
        let thing = Thing::within(kind, name, vhost);
        let policy = context.client.get(&thing.route(&[part, vhost, name]))?;
        context.output.fields(details::POLICY, &policy, &[])
    }
}

/// A list at a path of its own; older brokers do not have all of them.
fn list(context: &Context, parts: &[&str]) -> Result<Vec<Value>, Failure> {
    let subject = parts.last().copied().unwrap_or_default();
    match context.client.get_if_any(&Route::new(subject, parts))? {
        Some(answer) => rows(answer, subject),
        None => Ok(Vec::new()),
    }
}

fn section<'a>(name: &'static str, columns: &'a [Column], rows: &'a [Value]) -> Section<'a> {
    Section { name, columns, rows }
}

/// A list that is a part of an answer.
fn list_in(object: &Value, key: &str) -> Vec<Value> {
    object.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}
