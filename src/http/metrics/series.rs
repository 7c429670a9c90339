//! Tables of series over objects, and the two ways to show them: summed up, or each for itself.

use super::text::{Kind, Name, Text};

/// What the objects' values become when they are shown as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fold {
    /// Their sum.
    Sum,
    /// The largest of them.
    Max,
    /// Nothing: together they mean nothing.
    Never,
}

/// A series over objects of one kind.
pub(super) struct Series<T> {
    /// The family that `/metrics/detailed` is asked for.
    pub(super) family: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) fold: Fold,
    pub(super) help: &'static str,
    /// `None` where there is nothing to tell.
    pub(super) value: fn(&T) -> Option<f64>,
}

/// An object, and its labels as they stand between the braces.
#[derive(Debug)]
pub(super) struct Labelled<T> {
    pub(super) labels: String,
    pub(super) object: T,
}

/// One sample a series.
pub(super) fn show_folded<T>(
    text: &mut Text,
    prefix: &str,
    table: &[Series<T>],
    objects: &[Labelled<T>],
) {
    for series in table.iter().filter(|series| series.fold != Fold::Never) {
        let values = objects.iter().filter_map(|one| (series.value)(&one.object));
        let value = match series.fold {
            Fold::Sum | Fold::Never => values.sum(),
            Fold::Max => values.fold(0.0, f64::max),
        };
        text.single(&Name { prefix, name: series.name }, series.kind, series.help, value);
    }
}

/// One sample an object and series, of the wanted families.
pub(super) fn show_each<T>(
    text: &mut Text,
    prefix: &str,
    table: &[Series<T>],
    objects: &[Labelled<T>],
    wants: &dyn Fn(&str) -> bool,
) {
    for series in table.iter().filter(|series| wants(series.family)) {
        let name = Name { prefix, name: series.name };
        text.family(&name, series.kind, series.help);
        for one in objects {
            if let Some(value) = (series.value)(&one.object) {
                text.sample(&name, &one.labels, value);
            }
        }
    }
}
