//! Prometheus's text format: families, samples, labels. Knows no metrics.

use std::fmt::Write as _;

use crate::stats::HistogramCounts;

/// What a series is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Untyped,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Untyped => "untyped",
        }
    }
}

/// An exposition in the making.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// Begins a family: all its samples have to follow.
    pub(super) fn family(&mut self, name: &Name, kind: Kind, help: &str) {
        let kind = kind.name();
        // To write to a string cannot fail.
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    /// A sample; the labels are as [`labels`] makes them.
    pub(super) fn sample(&mut self, name: &Name, labels: &str, value: f64) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// A family with one sample.
    pub(super) fn single(&mut self, name: &Name, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    /// The samples of a histogram. `bounds` are spelled as they are to be read; `unit` is how many
    /// of what was counted make one of what is shown.
    pub(super) fn histogram<const N: usize>(
        &mut self,
        name: &Name,
        labels: &str,
        bounds: &[&str; N],
        counts: &HistogramCounts<N>,
        unit: f64,
    ) {
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, count) in bounds.iter().zip(counts.cumulative()) {
            let _ = writeln!(self.0, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}");
        }
        let count = counts.count();
        let _ = writeln!(self.0, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
        let Name { prefix, name } = *name;
        let sum = number(counts.sum) / unit;
        for (suffix, value) in [("sum", sum), ("count", number(count))] {
            let _ = match labels {
                "" => writeln!(self.0, "{prefix}{name}_{suffix} {value}"),
                labels => writeln!(self.0, "{prefix}{name}_{suffix}{{{labels}}} {value}"),
            };
        }
    }
}

/// The name of a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub(super) prefix: &'a str,
    pub(super) name: &'a str,
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.prefix)?;
        f.write_str(self.name)
    }
}

/// Names and values as they stand between the braces.
pub(super) fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text
}

/// A count as a float.
#[allow(clippy::cast_precision_loss, reason = "the format has floats; below 2^53 nothing is lost")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        let text = labels(&[("queue", "a\"b\\c\nd"), ("vhost", "/")]);
        assert_eq!(text, "queue=\"a\\\"b\\\\c\\nd\",vhost=\"/\"");
        assert_eq!(labels(&[]), "");
    }

    #[test]
    fn a_histogram_counts_upwards() {
        let name = Name { prefix: "x_", name: "seconds" };
        let counts = HistogramCounts { within: [1, 2], above: 3, sum: 2500 };
        let mut text = Text::default();
        text.histogram(&name, "a=\"b\"", &["0.1", "1"], &counts, 1000.0);
        let expected = "x_seconds_bucket{a=\"b\",le=\"0.1\"} 1\n\
                        x_seconds_bucket{a=\"b\",le=\"1\"} 3\n\
                        x_seconds_bucket{a=\"b\",le=\"+Inf\"} 6\n\
                        x_seconds_sum{a=\"b\"} 2.5\nx_seconds_count{a=\"b\"} 6\n";
        assert_eq!(text.into_string(), expected);
    }
}
