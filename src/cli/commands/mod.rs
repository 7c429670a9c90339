//! The commands, one file each, and the lists of them.

mod check_config;
mod close;
mod details;
mod explain;
mod export;
mod get;
mod hash_password;
mod health;
mod import;
mod kinds;
mod limit;
mod list;
mod manual;
mod parameter;
mod permission;
mod policy;
mod publish;
mod show;
mod status;
mod thing;
mod topology;
mod typed;
mod user;
mod vhost;

use clap::Subcommand;

use self::manual::{Completions, Man};
use super::bench::Bench;
use super::context::Context;
use super::failure::Failure;
use super::options::Environment;
use super::top::Top;

// Commands that talk to a broker's HTTP API. All of them take the options that say which one, and
// how to show what it answers. (No doc comment: it would become the help of the program.)
#[derive(Subcommand, Debug)]
pub(crate) enum Online {
    Status(status::Status),
    Health(health::Health),
    List(list::List),
    Top(Top),
    Show(show::Show),
    Explain(explain::Explain),
    Declare(topology::Declare),
    Bind(topology::Bind),
    Unbind(topology::Unbind),
    Delete(topology::Delete),
    Purge(topology::Purge),
    Publish(publish::Publish),
    Get(get::Get),
    User(user::User),
    Permission(permission::Permission),
    Vhost(vhost::Vhost),
    Policy(policy::Policy),
    Limit(limit::Limit),
    Parameter(parameter::Parameter),
    Close(close::Close),
    Export(export::Export),
    Import(import::Import),
}

impl Online {
    /// Does what is asked of a broker.
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Status(_) => status::run(context),
            Self::Health(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Top(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::Explain(command) => command.run(context),
            Self::Declare(command) => command.run(context),
            Self::Bind(command) => command.run(context),
            Self::Unbind(command) => command.run(context),
            Self::Delete(command) => command.run(context),
            Self::Purge(command) => command.run(context),
            Self::Publish(command) => command.run(context),
            Self::Get(command) => command.run(context),
            Self::User(command) => command.run(context),
            Self::Permission(command) => command.run(context),
            Self::Vhost(command) => command.run(context),
            Self::Policy(command) => command.run(context),
            Self::Limit(command) => command.run(context),
            Self::Parameter(command) => command.run(context),
            Self::Close(command) => command.run(context),
            Self::Export(command) => command.run(context),
            Self::Import(command) => command.run(context),
        }
    }
}

// Commands that need no HTTP API. Those that show something flatten `OutputOptions` into their own
// arguments.
#[derive(Subcommand, Debug)]
pub(crate) enum Offline {
    Bench(Box<Bench>),
    Completions(Completions),
    Man(Man),
    HashPassword(hash_password::HashPassword),
    CheckConfig(check_config::CheckConfig),
}

impl Offline {
    /// Does it.
    pub(crate) fn run(&self, environment: &Environment) -> Result<(), Failure> {
        match self {
            Self::Bench(command) => command.run(environment),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(),
            Self::HashPassword(command) => command.run(environment),
            Self::CheckConfig(command) => command.run(environment),
        }
    }
}
