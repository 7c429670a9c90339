//! The whole command line of the program: the broker's own commands and those of management.
//!
//! The configuration knows the broker's commands, this module adds the others, and whoever wants
//! all of them (completions, manual pages) gets them here.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::builder::Styles;
use clap::{Args, FromArgMatches, Subcommand};

use super::bench;
use super::commands::{Offline, Online};
use super::failure::EXIT_CODES;
use super::options::{ConnectOptions, Environment, OutputOptions};
use super::output::escape;
use crate::config::{self, Options};

/// All commands, as `warren --help` shows them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Broker", &["serve", "check", "dump"]),
    ("See into it", &["status", "health", "list", "show", "explain", "top"]),
    ("Queues, exchanges, bindings", &["declare", "bind", "unbind", "delete", "purge"]),
    ("Messages", &["publish", "get"]),
    ("Administration", &["user", "permission", "vhost", "policy", "limit", "parameter", "close"]),
    ("Definitions", &["export", "import"]),
    ("Tools", &["bench", "hash-password", "check-config", "completions", "man"]),
];

/// What `warren --help` says of management commands.
const OF_MANAGEMENT: &str = "\
Commands that ask a broker take --url, --user, --password-file, --vhost, --format and more, in
front of the command or behind it, from the environment (WARREN_URL and so on) or from a profile:
see 'warren status --help', which also tells their exit codes.";

/// What was typed.
pub enum Line {
    /// Something that the broker itself does.
    Broker(Box<Options>),
    /// Something that is asked of a broker, or done without one.
    Management(Box<Management>),
}

/// A management command, and the environment it was typed in.
pub struct Management {
    task: Task,
    environment: Environment,
}

enum Task {
    /// With the options that say which broker to talk to and how to show what it says.
    Online(Box<(Online, ConnectOptions, OutputOptions)>),
    Offline(Offline),
}

impl Line {
    /// Reads the command line and the environment of this process. Answers `--help`, `--version`
    /// and mistakes itself, by ending the process.
    pub fn parse() -> Self {
        match Self::try_parse_from(std::env::args_os(), std::env::vars_os()) {
            Ok(line) => line,
            Err(error) => error.exit(),
        }
    }

    /// The same for any command line, the name of the program first, and any environment. An
    /// `Err` is also what `--help` and `--version` print.
    pub fn try_parse_from(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, clap::Error> {
        let mut arguments = config::with_command(command_first(arguments.into_iter().collect()));
        if arguments.get(1).is_some_and(|command| command == "bench") {
            bench::with_long_names(&mut arguments);
        }
        let matches = command_line().try_get_matches_from(arguments)?;
        let task = match matches.subcommand() {
            Some((name, inner)) if Online::has_subcommand(name) => Task::Online(Box::new((
                Online::from_arg_matches(&matches)?,
                ConnectOptions::from_arg_matches(inner)?,
                OutputOptions::from_arg_matches(inner)?,
            ))),
            Some((name, _)) if Offline::has_subcommand(name) => {
                Task::Offline(Offline::from_arg_matches(&matches)?)
            }
            _ => return Ok(Self::Broker(Box::new(Options::from_matches(&matches, environment)))),
        };
        let environment = Environment::new(environment);
        Ok(Self::Management(Box::new(Management { task, environment })))
    }
}

impl Management {
    /// Does it, tells what went wrong on standard error, and gives the exit code.
    pub fn run(&self) -> u8 {
        let outcome = match &self.task {
            Task::Online(online) => {
                let (command, connect, output) = &**online;
                let context = connect.context(output, &self.environment);
                context.and_then(|context| command.run(&context))
            }
            Task::Offline(command) => command.run(&self.environment),
        };
        let Err(failure) = outcome else { return 0 };
        if !failure.text.is_empty() {
            // If that cannot be told, the exit code still can.
            let _ = writeln!(io::stderr().lock(), "warren: {}", escape(&failure.text));
        }
        failure.exit_code()
    }
}

/// All commands and options of the program.
pub fn command_line() -> clap::Command {
    let root = Offline::augment_subcommands(Online::augment_subcommands(config::command_line()));
    let root = root.mut_subcommands(|command| match command.get_name() {
        name if Online::has_subcommand(name) => {
            with_exit_codes(OutputOptions::augment_args(ConnectOptions::augment_args(command)))
        }
        name if Offline::has_subcommand(name) => with_exit_codes(command),
        _ => command,
    });
    let groups = groups(&root);
    let heading = heading("Options");
    let begin = format!("{{about}}\n\n{{usage-heading}} {{usage}}\n{groups}");
    let after = root.get_after_help().map(ToString::to_string).unwrap_or_default();
    root.help_template(format!("{begin}\n{heading}\n{{options}}{{after-help}}"))
        .after_help(format!("{after}\n\n{OF_MANAGEMENT}"))
}

/// `--help` of a command ends with its examples and the exit codes, `-h` with the examples.
fn with_exit_codes(command: clap::Command) -> clap::Command {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.after_long_help(format!("{examples}\n\n{EXIT_CODES}"))
}

/// As clap writes its own headings; it takes the style away where there are no colours.
fn heading(text: &str) -> String {
    let styles = Styles::styled();
    let style = styles.get_header();
    format!("{style}{text}:{style:#}")
}

/// The commands with what they are for, by group.
fn groups(root: &clap::Command) -> String {
    let all = || GROUPS.iter().flat_map(|(_, names)| names.iter());
    let width = all().map(|name| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (group, names) in GROUPS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n{}", heading(group));
        for name in *names {
            let about = root.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {name:width$}  {about}");
        }
    }
    text
}

/// Moves options of management that stand in front of a command behind it, where they belong:
/// `warren --url http://far:15672 list queues`.
fn command_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let known = OutputOptions::augment_args(ConnectOptions::augment_args(clap::Command::new("")));
    let takes_value = |text: &str| {
        let found = known.get_arguments().find(|arg| {
            let long = text.strip_prefix("--").is_some_and(|long| arg.get_long() == Some(long));
            let mut short = text.chars().skip(1);
            long || (arg.get_short() == short.next() && short.next().is_none())
        });
        found.map(|arg| arg.get_action().takes_values())
    };
    let mut at = 1;
    while let Some(text) = arguments.get(at).and_then(|argument| argument.to_str()) {
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        match takes_value(name) {
            Some(true) if name.len() == text.len() => at += 2,
            Some(_) => at += 1,
            None => break,
        }
    }
    let command = arguments.get(at).and_then(|argument| argument.to_str());
    if at > 1 && command.is_some_and(is_management) {
        arguments.get_mut(1..=at).into_iter().for_each(|moved| moved.rotate_right(1));
    }
    arguments
}

fn is_management(name: &str) -> bool {
    Online::has_subcommand(name) || Offline::has_subcommand(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_command_line_is_sound() {
        command_line().debug_assert();
    }

    #[test]
    fn every_command_has_its_group() {
        let root = command_line();
        let mut known: Vec<_> = root.get_subcommands().map(clap::Command::get_name).collect();
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter()).collect();
        known.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped.into_iter().copied().collect::<Vec<_>>(), known);
    }

    #[test]
    fn options_may_stand_in_front_of_a_command() {
        for (typed, meant) in [
            (
                &["w", "--url", "u", "-v", "list", "x"][..],
                &["w", "list", "--url", "u", "-v", "x"][..],
            ),
            (&["w", "--url=u", "list"], &["w", "list", "--url=u"]),
            (&["w", "-p", "v", "list"], &["w", "list", "-p", "v"]),
            // These are the broker's.
            (&["w", "--config", "f"], &["w", "--config", "f"]),
            (&["w", "--config", "f", "serve"], &["w", "--config", "f", "serve"]),
            (&["w", "--listen", "a:1"], &["w", "--listen", "a:1"]),
            (&["w"], &["w"]),
            (&["w", "list"], &["w", "list"]),
        ] {
            assert_eq!(command_first(os(typed)), os(meant));
        }
    }

    #[test]
    fn the_broker_knows_our_variables() {
        for variable in config::CLIENT_VARIABLES {
            assert!(variable.starts_with("WARREN_"), "{variable}");
        }
        let mut shown = Vec::new();
        let known =
            OutputOptions::augment_args(ConnectOptions::augment_args(clap::Command::new("")));
        for arg in known.get_arguments() {
            let help = arg.get_long_help().map(ToString::to_string).unwrap_or_default();
            let named = help.split("[env: ").nth(1).and_then(|rest| rest.split([']', '=']).next());
            shown.extend(named.map(str::to_owned));
        }
        shown.sort_unstable();
        assert_eq!(shown, config::CLIENT_VARIABLES);
    }
}
