//! Questions to whoever sits at the terminal: yes or no, and passwords without echo.
//!
//! Asks on standard error, so that standard output stays what scripts expect. Asks nobody when
//! standard input is no terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal;

use super::failure::{Exit, Failure};
use super::output::escape;
use crate::config::Secret;

// For commands that delete. (No doc comment: it would become the help of the command.)
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Sure {
    /// Do not ask whether to go on.
    ///
    /// Nobody is asked when standard input is no terminal.
    #[arg(long, short = 'y')]
    yes: bool,
}

impl Sure {
    /// Asks, where there is somebody to be asked; a `no` is a failure.
    pub(crate) fn ask(&self, question: &str) -> Result<(), Failure> {
        if self.yes || !io::stdin().is_terminal() {
            return Ok(());
        }
        let mut err = io::stderr().lock();
        let asked = write!(err, "{}? [y/N] ", escape(question)).and_then(|()| err.flush());
        let mut answer = String::new();
        let read = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
        let is_yes = matches!(answer.trim(), "y" | "Y" | "yes");
        match read {
            Ok(_) if is_yes => Ok(()),
            _ => Err(Failure::new(Exit::Refused, "nothing was changed")),
        }
    }
}

/// A password, typed without being shown. `None` if nobody can be asked.
pub(crate) fn password(question: &str) -> Result<Option<Secret>, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let mut err = io::stderr().lock();
    let failed = |error: io::Error| Failure::input(format!("the terminal: {error}"));
    write!(err, "{}: ", escape(question)).and_then(|()| err.flush()).map_err(failed)?;
    terminal::enable_raw_mode().map_err(failed)?;
    let typed = typed_line();
    terminal::disable_raw_mode().map_err(failed)?;
    writeln!(err).map_err(failed)?;
    match typed.map_err(failed)? {
        Some(line) if !line.is_empty() => Ok(Some(Secret::new(line))),
        _ => Err(Failure::usage("no password was typed")),
    }
}

/// The line that is typed until Enter; `None` after Ctrl-C or Ctrl-D.
fn typed_line() -> io::Result<Option<String>> {
    let mut line = String::new();
    loop {
        let key = match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => key,
            Event::Paste(text) => {
                line.push_str(&text);
                continue;
            }
            _ => continue,
        };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Ok(Some(line)),
            KeyCode::Char('c' | 'd') if control => return Ok(None),
            KeyCode::Char('u') if control => line.clear(),
            KeyCode::Backspace => drop(line.pop()),
            KeyCode::Char(c) if !control => line.push(c),
            _ => {}
        }
    }
}
