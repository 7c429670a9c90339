//! The picture: head, tabs, list, foot. Draws what `App` holds and changes nothing.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Clear, Paragraph, Row, Table};
use serde_json::Value;

use super::app::App;
use super::compact::{self, cell};
use super::head;
use super::tabs::{Shown, TABS, Width};
use super::{detail, help};
use crate::cli::output::escape;

/// Rows of the screen that the list does not get: head, tabs, names of columns, foot.
const AROUND: u16 = head::HEIGHT + 3;

/// Colours, or none of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) has_colour: bool,
}

impl Paint {
    pub(super) fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    pub(super) fn name(self) -> Style {
        self.coloured(Color::Cyan)
    }

    pub(super) fn bold() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.has_colour { Style::new().fg(colour) } else { Style::new() }
    }
}

/// How many rows of a list fit a screen of this height.
pub(super) fn list_rows(height: u16) -> usize {
    usize::from(height.saturating_sub(AROUND)).max(1)
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, paint: Paint) {
    let areas = Layout::vertical([
        Constraint::Length(head::HEIGHT),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ]);
    let [top, tabs, middle, foot] = areas.areas(frame.area());
    head::draw(frame, top, app, paint);
    draw_tabs(frame, tabs, app, paint);
    if app.detail.is_some() {
        detail::draw(frame, middle, app, paint);
    } else {
        draw_list(frame, middle, app);
    }
    draw_foot(frame, foot, app, paint);
    if app.is_help {
        help::draw(frame);
    }
}

fn draw_tabs(frame: &mut Frame<'_>, area: Rect, app: &App, paint: Paint) {
    let mut spans = Vec::new();
    for (number, tab) in (1..).zip(TABS) {
        let style = if tab == app.tab { Paint::chosen() } else { Style::new() };
        spans.push(Span::styled(format!(" {number} {} ", tab.title()), style));
    }
    if let Some(vhost) = &app.vhost {
        spans.push(Span::raw(format!("  vhost {}", escape(vhost))));
    }
    if !app.filter.is_empty() || app.is_typing {
        let cursor = if app.is_typing { "_" } else { "" };
        spans.push(Span::styled(format!("  /{}{cursor}", escape(&app.filter)), paint.name()));
    }
    if app.is_paused {
        spans.push(Span::styled("  PAUSED", paint.bad()));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
    if let Some(shown) = &app.shown {
        let count = format!("{} on page {} of {} ", shown.count, shown.query.page, shown.pages);
        frame.render_widget(Paragraph::new(count).alignment(Alignment::Right), area);
    }
}

fn draw_list(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let columns = app.tab.columns();
    let (sorted, reverse) = app.sort();
    let names = columns.iter().enumerate().map(|(at, shown)| {
        let arrow = match (at == sorted, reverse) {
            (false, _) => "",
            (true, true) => "▼",
            (true, false) => "▲",
        };
        aligned(format!("{}{arrow}", shown.column.name), shown)
    });
    let rows = app.shown.as_ref().map(|shown| shown.rows.as_slice()).unwrap_or_default();
    let lines = rows.iter().enumerate().map(|(at, row)| {
        let cells = columns
            .iter()
            .map(|shown| aligned(cell(shown.column.value(row), shown.column.kind), shown));
        let style = if at == app.selected { Paint::chosen() } else { Style::new() };
        Row::new(cells).style(style)
    });
    let widths = columns.iter().map(|shown| match shown.width {
        Width::Fixed(width) => Constraint::Length(width),
        Width::Share(share) => Constraint::Fill(share),
    });
    let table = Table::new(lines, widths).header(Row::new(names).style(Paint::bold()));
    frame.render_widget(table, area);
}

fn aligned(text: String, shown: &Shown) -> Cell<'static> {
    let line = Line::from(text);
    Cell::from(if shown.column.is_right() { line.right_aligned() } else { line })
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, app: &App, paint: Paint) {
    frame.render_widget(Clear, area);
    if let Some(trouble) = &app.trouble {
        let line = Line::styled(escape(trouble), paint.bad());
        frame.render_widget(Paragraph::new(line), area);
        return;
    }
    let keys = if app.is_typing {
        "type a part of the name   enter: keep   esc: no filter"
    } else if app.detail.is_some() {
        "esc: back   p: pause   ?: help   q: quit"
    } else {
        "q: quit  ?: help  tab: list  s/r: sort  /: filter  enter: queue  p: pause"
    };
    frame.render_widget(Paragraph::new(keys), area);
}

/// A number of an answer, told in few characters.
pub(super) fn told(of: &Value, path: &str) -> String {
    compact::count(super::query::Snapshot::number(of, path))
}
