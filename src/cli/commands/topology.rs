//! `warren declare`, `bind`, `unbind`, `delete` and `purge`: queues, exchanges, bindings.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::thing::Thing;
use super::typed;
use crate::cli::client::Route;
use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::prompt::Sure;

/// The name of the default exchange in paths, where it cannot be empty.
pub(crate) const DEFAULT_EXCHANGE: &str = "amq.default";

/// Declares a queue or an exchange.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  warren declare queue jobs --type quorum --argument x-delivery-limit=5
  warren declare queue short --durable false --arguments '{\"x-message-ttl\": 60000}'
  warren declare exchange events --type topic --vhost orders")]
pub(crate) struct Declare {
    #[command(subcommand)]
    what: Declared,
}

#[derive(Subcommand, Debug)]
enum Declared {
    /// A queue
    Queue {
        /// Its name.
        #[arg(value_parser = typed::name)]
        name: String,
        /// Its type: classic or quorum; the virtual host's default unless given.
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        #[command(flatten)]
        options: Options,
    },
    /// An exchange
    Exchange {
        /// Its name.
        #[arg(value_parser = typed::name)]
        name: String,
        /// Its type: direct, fanout, topic, headers or another that the broker has.
        #[arg(long = "type", value_name = "TYPE", default_value = "direct")]
        kind: String,
        /// Only other exchanges may publish to it.
        #[arg(long)]
        internal: bool,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(clap::Args, Debug)]
struct Options {
    /// Whether it outlives a restart of the broker.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    durable: bool,
    /// Delete it when its last consumer or binding is gone.
    #[arg(long)]
    auto_delete: bool,
    #[command(flatten)]
    arguments: Arguments,
}

#[derive(clap::Args, Debug)]
struct Arguments {
    /// An argument; JSON is taken as such, everything else as text. Can be given often.
    #[arg(long = "argument", short = 'a', value_name = "NAME=VALUE", value_parser = typed::pair)]
    pairs: Vec<(String, Value)>,
    /// All arguments, as a JSON object.
    #[arg(long = "arguments", value_name = "JSON", value_parser = typed::object)]
    object: Option<Map<String, Value>>,
}

impl Arguments {
    fn merged(&self) -> Result<Map<String, Value>, Failure> {
        typed::merged("--argument", self.object.as_ref(), &self.pairs)
    }
}

impl Declare {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost();
        let (thing, part, name, options) = match &self.what {
            Declared::Queue { name, options, .. } => {
                (Thing::within("queue", name, vhost), "queues", name, options)
            }
            Declared::Exchange { name, options, .. } => {
                (Thing::within("exchange", name, vhost), "exchanges", name, options)
            }
        };
        let mut arguments = options.arguments.merged()?;
        let mut body = json!({ "durable": options.durable, "auto_delete": options.auto_delete });
        match &self.what {
            Declared::Queue { kind: Some(kind), .. } => {
                let before = arguments.insert("x-queue-type".to_owned(), kind.as_str().into());
                if before.is_some_and(|before| before != kind.as_str()) {
                    let rule = "is something else than the argument x-queue-type";
                    return Err(Failure::usage(format!("--type {kind}: {rule}")));
                }
            }
            Declared::Queue { .. } => {}
            Declared::Exchange { kind, internal, .. } => {
                set(&mut body, "type", kind.as_str().into());
                set(&mut body, "internal", (*internal).into());
            }
        }
        set(&mut body, "arguments", Value::Object(arguments));
        let written = context.client.put(&thing.route(&[part, vhost, name]), &body)?;
        // Changing something by declaring it is refused, so it was as asked already.
        thing.done(context, if written.is_created() { "created" } else { "found" })
    }
}

fn set(body: &mut Value, name: &str, value: Value) {
    if let Some(object) = body.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// Binds a queue or an exchange to an exchange.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  warren bind events jobs --key 'order.*'
  warren bind events archive --to exchange --key '#'
  warren bind headers jobs --argument x-match=all --argument colour=red")]
pub(crate) struct Bind {
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    arguments: Arguments,
}

/// Takes a binding away.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The binding with this key and exactly these arguments is taken away.

Examples:
  warren unbind events jobs --key 'order.*'
  warren unbind events archive --to exchange --key '#'")]
pub(crate) struct Unbind {
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    sure: Sure,
}

#[derive(clap::Args, Debug)]
struct Ends {
    /// The exchange that messages come from.
    #[arg(value_parser = typed::name)]
    source: String,
    /// The queue or exchange that they go to.
    #[arg(value_parser = typed::name)]
    destination: String,
    /// What the destination is.
    #[arg(long, value_name = "KIND", default_value = "queue",
          value_parser = ["queue", "exchange"])]
    to: String,
    /// The routing key.
    #[arg(long, short = 'k', value_name = "KEY", default_value = "")]
    key: String,
}

impl Ends {
    fn words(&self) -> String {
        let Self { source, destination, to, key } = self;
        format!("{source} to {to} {destination} with key '{key}'")
    }

    fn route(&self, thing: &Thing<'_>, vhost: &str) -> Route {
        thing.route(&self.parts(vhost))
    }

    fn parts<'a>(&'a self, vhost: &'a str) -> [&'a str; 6] {
        let to = if self.to == "exchange" { "e" } else { "q" };
        ["bindings", vhost, "e", &self.source, to, &self.destination]
    }
}

impl Bind {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let (vhost, words) = (context.vhost(), self.ends.words());
        let thing = Thing::within("binding", &words, vhost);
        let body = json!({ "routing_key": self.ends.key, "arguments": self.arguments.merged()? });
        context.client.post(&self.ends.route(&thing, vhost), &body)?;
        thing.done(context, "created")
    }
}

impl Unbind {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let (vhost, words) = (context.vhost(), self.ends.words());
        let thing = Thing::within("binding", &words, vhost);
        let wanted = Value::Object(self.arguments.merged()?);
        let found = context.client.get(&self.ends.route(&thing, vhost))?;
        let mut bindings = found.as_array().into_iter().flatten();
        let is_it = |binding: &&Value| {
            let none = json!({});
            let arguments = binding.get("arguments").unwrap_or(&none);
            binding.get("routing_key").is_some_and(|key| *key == *self.ends.key)
                && *arguments == wanted
        };
        // How arguments become a part of the path is the broker's affair.
        let found = bindings.find(is_it).and_then(|binding| binding.get("properties_key"));
        let Some(properties) = found.and_then(Value::as_str) else {
            return Err(Failure::new(Exit::NotFound, format!("{thing}: not found")));
        };
        self.sure.ask(&format!("Delete {thing}"))?;
        let mut parts = self.ends.parts(vhost).to_vec();
        parts.push(properties);
        context.client.delete(&thing.route(&parts))?;
        thing.done(context, "deleted")
    }
}

/// Deletes a queue or an exchange.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Users, virtual hosts, policies and so on are deleted by their own commands.

Examples:
  warren delete queue jobs --if-empty --if-unused
  warren delete exchange events --if-unused --yes")]
pub(crate) struct Delete {
    #[command(subcommand)]
    what: Deleted,
}

#[derive(Subcommand, Debug)]
enum Deleted {
    /// A queue, with the messages in it
    Queue {
        /// Its name.
        #[arg(value_parser = typed::name)]
        name: String,
        /// Only if there is no message in it.
        #[arg(long)]
        if_empty: bool,
        /// Only if it has no consumer.
        #[arg(long)]
        if_unused: bool,
        #[command(flatten)]
        sure: Sure,
    },
    /// An exchange, with its bindings
    Exchange {
        /// Its name.
        #[arg(value_parser = typed::name)]
        name: String,
        /// Only if nothing is bound to it.
        #[arg(long)]
        if_unused: bool,
        #[command(flatten)]
        sure: Sure,
    },
}

impl Delete {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost();
        let (thing, mut route, if_empty, if_unused, sure) = match &self.what {
            Deleted::Queue { name, if_empty, if_unused, sure } => {
                let thing = Thing::within("queue", name, vhost);
                (thing, thing.route(&["queues", vhost, name]), *if_empty, *if_unused, sure)
            }
            Deleted::Exchange { name, if_unused, sure } => {
                let thing = Thing::within("exchange", name, vhost);
                (thing, thing.route(&["exchanges", vhost, name]), false, *if_unused, sure)
            }
        };
        if if_empty {
            route = route.query("if-empty", "true");
        }
        if if_unused {
            route = route.query("if-unused", "true");
        }
        sure.ask(&format!("Delete {thing}"))?;
        context.client.delete(&route)?;
        thing.done(context, "deleted")
    }
}

/// Deletes all messages of a queue that nobody has taken.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Messages that consumers have and have not acknowledged stay.

Examples:
  warren purge jobs
  warren purge jobs --vhost orders --yes")]
pub(crate) struct Purge {
    /// The queue.
    #[arg(value_parser = typed::name)]
    queue: String,
    #[command(flatten)]
    sure: Sure,
}

impl Purge {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost();
        let thing = Thing::within("queue", &self.queue, vhost);
        self.sure.ask(&format!("Delete all messages of {thing}"))?;
        context.client.delete(&thing.route(&["queues", vhost, &self.queue, "contents"]))?;
        thing.done(context, "purged")
    }
}
