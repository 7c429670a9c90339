//! Where the lines of a run go: standard output or standard error, the file of intervals, and a
//! progress bar on a terminal.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use super::client;
use super::meter::Figures;
use super::options::Plan;
use super::report::{self, Shown};
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;

/// Prints what happens during a run.
pub(super) struct Printer {
    id: String,
    shown: Shown,
    /// Standard output is for the summary alone: a program reads it.
    lines_to_stderr: bool,
    file: Option<csv::Writer<File>>,
    progress: Progress,
    /// What the bar measures: seconds if there are, messages otherwise.
    by_time: bool,
}

impl Printer {
    /// Creates the file that the plan names.
    pub(super) fn new(plan: &Plan, lines_to_stderr: bool) -> Result<Self, Failure> {
        let file = match &plan.output_file {
            None => None,
            Some(path) => {
                let failed = |error: io::Error| {
                    client::failed(format!("--output-file {}: {error}", path.display()))
                };
                let mut writer = csv::Writer::from_writer(File::create(path).map_err(failed)?);
                writer.write_record(report::csv_header()).map_err(|e| failed(e.into()))?;
                Some(writer)
            }
        };
        let shown = Shown {
            producers: plan.producers > 0,
            consumers: plan.consumers > 0,
            confirms: plan.producers > 0 && plan.publish.unconfirmed_max.is_some(),
            returns: plan.producers > 0 && plan.publish.mandatory,
        };
        let total = match plan.time {
            Some(time) => Some(time.as_secs()),
            None => plan.messages_expected(),
        };
        let progress = total.map_or_else(Progress::hidden, |total| Progress::new(total, "bench"));
        let by_time = plan.time.is_some();
        Ok(Self { id: plan.id.clone(), shown, lines_to_stderr, file, progress, by_time })
    }

    pub(super) fn shown(&self) -> Shown {
        self.shown
    }

    /// Tells an interval; `false` if nobody reads it any more.
    pub(super) fn interval(&mut self, times: (Duration, Duration), figures: &Figures) -> bool {
        if let Some(file) = &mut self.file {
            let row = report::csv_row(&self.id, times, figures);
            let written = file.write_record(row).map_err(io::Error::from);
            if let Err(error) = written.and_then(|()| file.flush()) {
                Self::note(&format!("the output file cannot be written: {error}"));
                self.file = None;
            }
        }
        let line = report::line(&self.id, times, figures, self.shown);
        self.progress.aside(|| {
            if self.lines_to_stderr {
                Self::note(&line);
                return true;
            }
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
        })
    }

    /// Moves the bar.
    pub(super) fn progress(&self, time: Duration, (sent, received): (u64, u64)) {
        let messages = if self.shown.consumers { received } else { sent };
        self.progress.set(if self.by_time { time.as_secs() } else { messages });
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.progress.finish();
    }

    /// Something for people, beside the figures.
    pub(super) fn note(line: &str) {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}
