//! The commands, one file each, and the lists of them.

mod kinds;
mod list;
mod manual;

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
    List(list::List),
    Top(Top),
}

impl Online {
    /// Does what is asked of a broker.
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List(command) => command.run(context),
            Self::Top(command) => command.run(context),
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
}

impl Offline {
    /// Does it.
    pub(crate) fn run(&self, environment: &Environment) -> Result<(), Failure> {
        match self {
            Self::Bench(command) => command.run(environment),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(),
        }
    }
}
