//! Rows as text: aligned for people, separated for programs.

use comfy_table::presets::{NOTHING, UTF8_BORDERS_ONLY};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use ratatui::crossterm::terminal;
use serde_json::Value;

use super::cell;
use super::column::Column;
use super::escape::{escape, in_plain};
use crate::cli::failure::Failure;

/// A table with a header. On a terminal it has lines around it, if that fits.
pub(crate) fn aligned(columns: &[Column], rows: &[Value], is_terminal: bool) -> String {
    let mut table = Table::new();
    table.set_header(columns.iter().map(|column| Cell::new(escape(&column.name))));
    for row in rows {
        let text = |column: &Column| cell::for_people(column.value(row), column.kind);
        table.add_row(columns.iter().map(|column| Cell::new(text(column))));
    }
    for (at, column) in columns.iter().enumerate() {
        if let Some(shown) = table.column_mut(at)
            && column.is_right()
        {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    text_of(&mut table, is_terminal)
}

/// Names and values, one below the other. Fields that have no value are left out.
pub(crate) fn fields(fields: &[Column], object: &Value, is_terminal: bool) -> String {
    let mut table = Table::new();
    for field in fields {
        let text = cell::for_people(field.value(object), field.kind);
        if !text.is_empty() {
            table.add_row([Cell::new(escape(&field.name)), Cell::new(text)]);
        }
    }
    text_of(&mut table, is_terminal)
}

/// Cells are never broken: a table that is too wide for its lines goes without them.
fn text_of(table: &mut Table, is_terminal: bool) -> String {
    table.set_content_arrangement(ContentArrangement::Disabled);
    if is_terminal {
        table.load_style(UTF8_BORDERS_ONLY);
        let (text, width) = joined(table);
        let screen = terminal::size().map_or(0, |(columns, _)| usize::from(columns));
        if width <= screen {
            return text;
        }
    }
    table.load_style(NOTHING).force_no_tty();
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    joined(table).0
}

/// The lines of a table without what is empty at their ends, and how many characters the longest
/// of them has.
fn joined(table: &Table) -> (String, usize) {
    let (mut text, mut width) = (String::new(), 0);
    for line in table.lines() {
        let line = line.trim_end();
        width = width.max(line.chars().count());
        text.push_str(line);
        text.push('\n');
    }
    (text, width)
}

/// With a header, as in RFC 4180.
pub(crate) fn csv(
    columns: &[Column],
    rows: &[Value],
    is_terminal: bool,
) -> Result<Vec<u8>, Failure> {
    let failed = |error: csv::Error| Failure::protocol(format!("csv: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|column| column.name.as_ref())).map_err(failed)?;
    for row in rows {
        let cells = columns.iter().map(|column| {
            let text = cell::for_programs(column.value(row));
            // A program wants it as it is; a terminal would obey it.
            if is_terminal { escape(&text) } else { text }
        });
        writer.write_record(cells).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Failure::protocol(format!("csv: {error}")))
}

/// One line per row, one tab between two values.
pub(crate) fn plain(columns: &[Column], rows: &[Value]) -> String {
    let mut text = String::new();
    for row in rows {
        let value = |column: &Column| in_plain(&cell::for_programs(column.value(row)));
        let cells: Vec<_> = columns.iter().map(value).collect();
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    text
}
