//! The terminal: takes it, gives it back whatever happens, and turns keys and time into questions.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use super::app::{App, Step};
use super::draw::{self, Paint};
use super::fetcher::Fetcher;
use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure};
use crate::signals::{Signals, Wish};

/// How long a key may wait while an answer is outstanding: what people still take for at once.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Gives the terminal back, also when a panic unwinds.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows the broker until somebody has seen enough.
pub(super) fn run(
    client: &Client,
    mut app: App,
    interval: Duration,
    paint: Paint,
) -> Result<(), Failure> {
    let rows = ratatui::crossterm::terminal::size().map_or(1, |(_, rows)| draw::list_rows(rows));
    app.resize(rows);
    // A broker that cannot be asked is told about as by any other command.
    app.take(Ok(app.query().ask(client)?));
    let terminal = |error| Failure::new(Exit::Stdout, format!("the terminal: {error}"));
    thread::scope(|scope| {
        let mut fetcher = Fetcher::start(scope, client);
        let mut screen = ratatui::try_init().map_err(terminal)?;
        let _restore = Restore;
        restore_on_signal().map_err(terminal)?;
        watch(&mut screen, &mut app, (&mut fetcher, interval), paint).map_err(terminal)
    })
}

/// Gives the terminal back when the process is asked to end: nothing is unwound then. (Ctrl-C is a
/// key here, and no signal.)
fn restore_on_signal() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let wish = runtime.block_on(async { Some(Signals::to_end().ok()?.next().await) });
        if let Some(Wish::End(signal)) = wish {
            ratatui::restore();
            std::process::exit(signal.exit_code().into());
        }
    })?;
    Ok(())
}

fn watch(
    screen: &mut DefaultTerminal,
    app: &mut App,
    (fetcher, interval): (&mut Fetcher, Duration),
    paint: Paint,
) -> io::Result<()> {
    let mut next = Instant::now() + interval;
    let mut is_stale = true;
    loop {
        if is_stale {
            screen.draw(|frame| draw::draw(frame, app, paint))?;
            is_stale = false;
        }
        let until_next = next.saturating_duration_since(Instant::now());
        let wait = if fetcher.is_asking() { until_next.min(LOOK_AGAIN) } else { until_next };
        if event::poll(wait)? {
            is_stale = true;
            match on_event(app, &event::read()?) {
                Step::Quit => return Ok(()),
                Step::Ask => fetcher.ask(app.query()),
                Step::Draw => {}
            }
        }
        if let Some(answer) = fetcher.answer() {
            is_stale = true;
            app.take(answer);
        }
        if next <= Instant::now() {
            next = Instant::now() + interval;
            if !app.is_paused {
                fetcher.ask(app.query());
            }
        }
    }
}

fn on_event(app: &mut App, event: &Event) -> Step {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => app.key(*key),
        Event::Resize(_, rows) if app.resize(draw::list_rows(*rows)) => Step::Ask,
        _ => Step::Draw,
    }
}
