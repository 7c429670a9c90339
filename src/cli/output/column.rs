//! A column of a table: its name, where its value is, and how people read it.

use std::borrow::Cow;

use serde_json::Value;

use super::cell::at_path;

/// How people read a value. Programs always get it as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// As it is.
    Text,
    /// A number, aligned to the right.
    Number,
    /// Shown in KiB, MiB and so on.
    Bytes,
    /// Per second.
    Rate,
    /// Milliseconds since 1970.
    Time,
    /// Milliseconds.
    Duration,
}

/// A column of a table, or a field of something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Column {
    pub(crate) name: Cow<'static, str>,
    /// The keys that lead to it, with dots in between.
    pub(crate) path: Cow<'static, str>,
    pub(crate) kind: Kind,
}

impl Column {
    /// A column that is named as the key of its value.
    pub(crate) const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name: Cow::Borrowed(name), path: Cow::Borrowed(name), kind }
    }

    /// A column of text.
    pub(crate) const fn text(name: &'static str) -> Self {
        Self::of(name, Kind::Text)
    }

    /// A column of numbers.
    pub(crate) const fn number(name: &'static str) -> Self {
        Self::of(name, Kind::Number)
    }

    /// A column with a shorter name than its path.
    pub(crate) const fn named(name: &'static str, path: &'static str, kind: Kind) -> Self {
        Self { name: Cow::Borrowed(name), path: Cow::Borrowed(path), kind }
    }

    /// A column that somebody asked for by its path.
    pub(crate) fn of_path(path: String) -> Self {
        Self { name: Cow::Owned(path.clone()), path: Cow::Owned(path), kind: Kind::Text }
    }

    /// Its value in a row; null if there is none.
    pub(crate) fn value<'a>(&self, row: &'a Value) -> &'a Value {
        at_path(row, &self.path).unwrap_or(&Value::Null)
    }

    /// Whether its values are aligned to the right.
    pub(crate) fn is_right(&self) -> bool {
        matches!(self.kind, Kind::Number | Kind::Bytes | Kind::Rate | Kind::Duration)
    }
}
