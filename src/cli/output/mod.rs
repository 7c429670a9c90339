//! How results are shown: a table, fields of one thing, or one sentence, in each format.
//!
//! The same call serves all formats, so that every command has all of them. What comes from a
//! broker is data and may be hostile: nothing of it reaches a terminal unescaped.

mod cell;
mod column;
mod escape;
mod human;
mod table;

use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Write};

use clap::ValueEnum;
use serde_json::{Map, Value};

pub(crate) use cell::at_path;
pub(crate) use column::{Column, Kind};
pub(crate) use escape::escape;
pub(crate) use human::{bytes, duration_ms};

use super::failure::Failure;

/// How to show a result.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Format {
    /// Aligned, for people
    #[default]
    Table,
    /// What the API answers
    Json,
    /// With a header, as in RFC 4180
    Csv,
    /// Separated by tabs, without header
    Plain,
}

/// How a word looks on a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// A heading.
    Bold,
    /// All is well.
    Good,
    /// Somebody should look.
    Bad,
}

/// A table that belongs to something shown with `Output::fields`.
pub(crate) struct Section<'a> {
    pub(crate) name: &'static str,
    pub(crate) columns: &'a [Column],
    pub(crate) rows: &'a [Value],
}

/// Where and how results are shown.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    format: Format,
    /// What was asked for with `--columns`.
    columns: Vec<String>,
    is_terminal: bool,
    has_colour: bool,
}

impl Output {
    pub(crate) fn new(format: Format, columns: Vec<String>, may_colour: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self { format, columns, is_terminal, has_colour: is_terminal && may_colour }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether only some columns were asked for.
    pub(crate) fn has_columns(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Whether there are colours.
    pub(crate) fn has_colour(&self) -> bool {
        self.has_colour
    }

    /// The columns that will be shown out of those that a command has: all of them, or those that
    /// were asked for, which may also be paths.
    pub(crate) fn chosen(&self, known: &[Column]) -> Vec<Column> {
        if self.columns.is_empty() {
            return known.to_vec();
        }
        let named = |name: &String| {
            let column = known.iter().find(|column| column.name == *name).cloned();
            column.unwrap_or_else(|| Column::of_path(name.clone()))
        };
        self.columns.iter().map(named).collect()
    }

    /// The paths that have to be asked for, if a broker need not send more than them. JSON shows
    /// all there is, unless some of it was asked for.
    pub(crate) fn paths_wanted(&self, known: &[Column]) -> Option<Vec<String>> {
        if self.format == Format::Json && self.columns.is_empty() {
            return None;
        }
        let chosen = self.chosen(known);
        Some(chosen.into_iter().map(|column| column.path.into_owned()).collect())
    }

    /// Shows rows, each a JSON object.
    pub(crate) fn table(&self, known: &[Column], rows: &[Value]) -> Result<(), Failure> {
        let columns = self.chosen(known);
        match self.format {
            Format::Table => self.print(&table::aligned(&columns, rows, self.is_terminal)),
            Format::Csv => self.print_bytes(&table::csv(&columns, rows, self.is_terminal)?),
            Format::Plain => self.print(&table::plain(&columns, rows)),
            Format::Json if self.columns.is_empty() => self.json(&Value::Array(rows.to_vec())),
            Format::Json => {
                let only = rows.iter().map(|row| picked(&columns, row)).collect();
                self.json(&Value::Array(only))
            }
        }
    }

    /// Shows fields of one object, one below the other, and tables that belong to it.
    pub(crate) fn fields(
        &self,
        known: &[Column],
        object: &Value,
        sections: &[Section<'_>],
    ) -> Result<(), Failure> {
        let fields = self.chosen(known);
        let sections = if self.columns.is_empty() { sections } else { &[] };
        if self.format == Format::Json {
            let mut whole = match object {
                Value::Object(object) if self.columns.is_empty() => object.clone(),
                _ => match picked(&fields, object) {
                    Value::Object(object) => object,
                    _ => Map::new(),
                },
            };
            for section in sections {
                whole.insert(section.name.to_owned(), Value::Array(section.rows.to_vec()));
            }
            return self.json(&Value::Object(whole));
        }
        if self.format == Format::Table {
            let mut text = table::fields(&fields, object, self.is_terminal);
            for section in sections {
                let name = self.paint(Style::Bold, section.name);
                // Writing to a string does not fail.
                let _ = writeln!(text, "\n{name} ({})", section.rows.len());
                if !section.rows.is_empty() {
                    text += &table::aligned(section.columns, section.rows, self.is_terminal);
                }
            }
            return self.print(&text);
        }
        // One row per field; what has no row of its own is JSON.
        let pair = |name: &str, value: Value| {
            let mut row = Map::new();
            row.insert("field".to_owned(), name.into());
            row.insert("value".to_owned(), value);
            Value::Object(row)
        };
        let own = fields.iter().map(|field| pair(&field.name, field.value(object).clone()));
        let more = sections.iter();
        let more = more.map(|section| pair(section.name, Value::Array(section.rows.to_vec())));
        let rows: Vec<_> = own.chain(more).collect();
        let columns = [Column::text("field"), Column::text("value")];
        match self.format {
            Format::Csv => self.print_bytes(&table::csv(&columns, &rows, self.is_terminal)?),
            _ => self.print(&table::plain(&columns, &rows)),
        }
    }

    /// Says what was done: a sentence for people, the same as an object for programs.
    pub(crate) fn done(&self, sentence: &str, done: &Value) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.print(&format!("{}\n", escape(sentence))),
            Format::Json => self.json(done),
            Format::Csv | Format::Plain => {
                let object = done.as_object();
                let names = object.into_iter().flatten().map(|(name, _)| name.clone());
                let columns: Vec<_> = names.map(Column::of_path).collect();
                self.table(&columns, std::slice::from_ref(done))
            }
        }
    }

    /// Shows a value as JSON: in lines on a terminal, in one line for programs.
    pub(crate) fn json(&self, value: &Value) -> Result<(), Failure> {
        let text = if self.is_terminal {
            serde_json::to_string_pretty(value)
        } else {
            Ok(value.to_string())
        };
        let text = text.map_err(|error| Failure::protocol(format!("JSON: {error}")))?;
        self.print(&format!("{}\n", escape::in_json(&text)))
    }

    /// Writes what is safe to be shown already.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        self.print_bytes(text.as_bytes())
    }

    /// Writes octets as they are.
    #[allow(clippy::unused_self, reason = "where results go is an output's affair")]
    pub(crate) fn print_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// A word in a style, where there are colours.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Bold => "1",
            Style::Good => "32",
            Style::Bad => "1;31",
        };
        if self.has_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// An object with only these columns of another.
fn picked(columns: &[Column], row: &Value) -> Value {
    let pairs = columns.iter().map(|column| (column.name.to_string(), column.value(row).clone()));
    Value::Object(pairs.collect())
}
