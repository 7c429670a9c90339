//! `warren top`: what a broker is doing, live on a terminal, or one picture as text.
//!
//! `query.rs` asks, `app.rs` holds what is shown and knows the keys, `draw.rs` draws, `screen.rs`
//! has the terminal. Asks for the page and the columns that are on the screen, and nothing else.

mod app;
mod compact;
mod detail;
mod draw;
mod fetcher;
mod head;
mod help;
mod query;
mod screen;
mod tabs;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::text::Span;

use self::app::App;
use self::draw::Paint;
use self::tabs::Tab;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{Column, Format};

/// The size of a picture that no terminal asks for: that of the first terminals.
const SIZE_DEFAULT: (u16, u16) = (80, 24);
/// Smaller than this nothing can be read ...
const SIZE_MIN: (u16, u16) = (40, 8);
/// ... and more than this many rows no page has.
const SIZE_MAX: (u16, u16) = (1000, 508);
/// No faster than a broker's figures change.
const INTERVAL_MIN_SECONDS: f64 = 0.2;
const INTERVAL_MAX_SECONDS: f64 = 3600.0;

/// Watches a broker live: queues, connections, channels, exchanges, and their rates.
///
/// Shows the node, its resources and alarms, the totals, and a list that can be sorted, searched
/// and paged. A queue can be looked at closely. ? tells the keys.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  warren top
  warren top --vhost orders --filter invoices --sort unacked --reverse
  warren top --once --size 120x40
  warren top --once --format json")]
pub(crate) struct Top {
    /// The list to begin with.
    #[arg(value_enum, default_value_t)]
    list: Tab,
    /// Seconds between two questions to the broker.
    #[arg(long, short = 'i', value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    interval: Duration,
    /// Only names with this in them.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    filter: String,
    /// Sort by the column with this name.
    #[arg(long, value_name = "COLUMN")]
    sort: Option<String>,
    /// The largest or last first.
    #[arg(long, requires = "sort")]
    reverse: bool,
    /// Print one picture as text and end; with another format than a table, the rows of the list.
    #[arg(long)]
    once: bool,
    /// How large that picture is.
    ///
    /// Default: the terminal, or 80x24
    #[arg(long, value_name = "COLUMNSxROWS", requires = "once", value_parser = size)]
    size: Option<(u16, u16)>,
}

impl Top {
    /// Shows it.
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost_named().map(str::to_owned);
        let mut app = App::new(self.list, vhost);
        self.filter.clone_into(&mut app.filter);
        if let Some(sort) = &self.sort
            && !app.sort_by(sort, self.reverse)
        {
            let names = self.list.columns().iter().map(|shown| shown.column.name.as_ref());
            let names: Vec<&str> = names.collect();
            let known = names.join(", ");
            return Err(Failure::usage(format!("--sort {sort}: must be one of {known}")));
        }
        let is_picture = context.output.format() == Format::Table;
        // What is not for a terminal is printed once.
        if is_picture && context.output.has_columns() {
            return Err(Failure::usage("top: --columns is for --once with another --format"));
        }
        if self.once || !is_picture {
            return self.once(context, app);
        }
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(Failure::usage("top needs a terminal; --once prints one picture as text"));
        }
        let paint = Paint { has_colour: context.output.has_colour() };
        screen::run(&context.client, app, self.interval, paint)
    }

    fn once(&self, context: &Context, mut app: App) -> Result<(), Failure> {
        let of_terminal = || {
            let size = ratatui::crossterm::terminal::size().ok();
            size.filter(|_| io::stdout().is_terminal()).unwrap_or(SIZE_DEFAULT)
        };
        let (width, height) = self.size.unwrap_or_else(of_terminal);
        app.resize(draw::list_rows(height));
        let mut query = app.query();
        if context.output.format() != Format::Table {
            let columns = self.list.columns().iter();
            let columns: Vec<Column> = columns.map(|shown| shown.column.clone()).collect();
            query.columns = context.output.paths_wanted(&columns);
            let snapshot = query.ask(&context.client)?;
            return context.output.table(&columns, &snapshot.rows);
        }
        app.take(Ok(query.ask(&context.client)?));
        context.output.print(&picture(&app, (width, height))?)
    }
}

/// The picture as text.
fn picture(app: &App, (width, height): (u16, u16)) -> Result<String, Failure> {
    let failed = |error| Failure::new(Exit::BrokerFailed, format!("drawing: {error}"));
    let mut terminal = Terminal::new(TestBackend::new(width, height)).map_err(failed)?;
    let paint = Paint { has_colour: false };
    terminal.draw(|frame| draw::draw(frame, app, paint)).map_err(failed)?;
    Ok(text_of(terminal.backend().buffer()))
}

/// What stands in a buffer, without the spaces at the ends of its lines.
fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in 0..buffer.area.height {
        let mut line = String::new();
        let mut column = 0;
        while let Some(cell) = buffer.cell((column, row)) {
            line.push_str(cell.symbol());
            // What is wide covers the next cell too.
            column += Span::raw(cell.symbol()).width().max(1) as u16;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn seconds(text: &str) -> Result<Duration, String> {
    let range = INTERVAL_MIN_SECONDS..=INTERVAL_MAX_SECONDS;
    let seconds = text.parse::<f64>().ok().filter(|seconds| range.contains(seconds));
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| {
        format!("must be from {INTERVAL_MIN_SECONDS} to {INTERVAL_MAX_SECONDS} seconds")
    })
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let parsed = text.split_once('x').and_then(|(columns, rows)| {
        Some((columns.parse::<u16>().ok()?, rows.parse::<u16>().ok()?))
    });
    let fits = |(columns, rows): &(u16, u16)| {
        (SIZE_MIN.0..=SIZE_MAX.0).contains(columns) && (SIZE_MIN.1..=SIZE_MAX.1).contains(rows)
    };
    parsed.filter(fits).ok_or_else(|| {
        let ((c0, r0), (c1, r1)) = (SIZE_MIN, SIZE_MAX);
        format!("must be from {c0}x{r0} to {c1}x{r1}, such as 120x40")
    })
}
