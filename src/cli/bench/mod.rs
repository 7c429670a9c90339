//! `warren bench`: a load generator that speaks AMQP, with RabbitMQ PerfTest's usual options.
//!
//! `options.rs` says what to do, `run.rs` does it, `report.rs` tells what came of it. Speaks AMQP
//! and nothing else: it needs no HTTP API, and any broker of AMQP 0-9-1 will do.

mod arguments;
mod client;
mod consumer;
mod meter;
mod options;
mod pace;
mod printer;
mod producer;
mod report;
mod run;
mod stamp;
mod topology;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, FromArgMatches};
use serde_json::{Map, Value};

use self::options::Plan;
use self::printer::Printer;
use self::report::Summary;
use super::failure::Failure;
use super::options::{Environment, OutputOptions};
use super::output::{Column, Format, Output};
use crate::signals::Signals;

/// The command.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    plan: Plan,
    output: OutputOptions,
}

/// Writes PerfTest's options of several letters as the command line here knows them.
pub(crate) fn with_long_names(arguments: &mut [OsString]) {
    options::with_long_names(arguments);
}

impl Args for Bench {
    fn augment_args(command: clap::Command) -> clap::Command {
        OutputOptions::augment_args(options::add_to(command))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Bench {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let plan = Plan::from_matches(matches);
        let refused = |text| clap::Error::raw(ErrorKind::ValueValidation, format!("{text}\n"));
        let output = OutputOptions::from_arg_matches(matches)?;
        Ok(Self { plan: plan.map_err(refused)?, output })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Bench {
    /// Runs it and tells what came of it.
    pub(crate) fn run(&self, environment: &Environment) -> Result<(), Failure> {
        let output = self.output.output(environment)?;
        let internal = |error| client::failed(format!("the runtime: {error}"));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(internal)?;
        let outcome = runtime.block_on(self.run_and_tell(&output));
        // Threads of connections that did not close in time must not hold the end up.
        runtime.shutdown_background();
        outcome
    }

    async fn run_and_tell(&self, output: &Output) -> Result<(), Failure> {
        let plan = &self.plan;
        let mut signals =
            Signals::to_end().map_err(|error| client::failed(format!("signals: {error}")))?;
        let is_for_programs = matches!(output.format(), Format::Json | Format::Csv);
        let mut printer = Printer::new(plan, is_for_programs)?;
        let outcome = run::run(plan, &mut signals, &mut printer).await?;
        printer.end();
        let error = outcome.failure.as_ref().map(ToString::to_string);
        let summary = Summary {
            id: &plan.id,
            elapsed: outcome.elapsed,
            figures: &outcome.figures,
            shown: printer.shown(),
            error: error.as_deref(),
        };
        let flat: Map<String, Value> = summary.flat().into_iter().collect();
        match output.format() {
            Format::Table if output.has_columns() => {
                let names = flat.keys().cloned().map(Column::of_path);
                output.fields(&names.collect::<Vec<_>>(), &Value::Object(flat), &[])?;
            }
            Format::Table => output.print(&format!("{}\n", summary.text()))?,
            Format::Json => output.fields(&[], &summary.json(), &[])?,
            Format::Csv | Format::Plain => output.done("", &Value::Object(flat))?,
        }
        outcome.failure.map_or(Ok(()), Err)
    }
}
