//! What a run prints: a line an interval, and the summary in the format that was asked for.
//!
//! Knows nothing of how the figures came about.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::meter::{Figures, Latencies, rate};

/// The percentiles that are told, with the names they go by.
const PERCENTILES: [(&str, f64); 6] =
    [("min", 0.0), ("median", 50.0), ("p75", 75.0), ("p95", 95.0), ("p99", 99.0), ("max", 100.0)];
/// Those of a line: all but the largest.
const ON_A_LINE: usize = 5;

/// What to tell beside the figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) producers: bool,
    pub(super) consumers: bool,
    pub(super) confirms: bool,
    pub(super) returns: bool,
}

/// A run that is over.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) id: &'a str,
    pub(super) elapsed: Duration,
    pub(super) figures: &'a Figures,
    pub(super) shown: Shown,
    /// Why the run is not as it was asked for.
    pub(super) error: Option<&'a str>,
}

/// One line of a run: what happened in `elapsed`, which ended at `time`.
pub(super) fn line(
    id: &str,
    (time, elapsed): (Duration, Duration),
    figures: &Figures,
    shown: Shown,
) -> String {
    let mut line = format!("id: {id}, time: {:.3} s", time.as_secs_f64());
    let mut tell = |what: &str, count| {
        // Writing to a string cannot fail.
        let _ = write!(line, ", {what}: {} msg/s", rate(count, elapsed));
    };
    if shown.producers {
        tell("sent", figures.sent);
    }
    if shown.returns {
        tell("returned", figures.returned);
    }
    if shown.confirms {
        tell("confirmed", figures.confirmed);
        if figures.nacked > 0 {
            tell("nacked", figures.nacked);
        }
    }
    if shown.consumers {
        tell("received", figures.received);
        line.push_str(&latencies_text("consumer", &figures.latency));
    }
    if shown.confirms {
        line.push_str(&latencies_text("confirm", &figures.confirm_latency));
    }
    line
}

fn latencies_text(what: &str, latencies: &Latencies) -> String {
    if latencies.is_empty() {
        return String::new();
    }
    let told = PERCENTILES.iter().take(ON_A_LINE);
    let told = told.map(|(_, percent)| latencies.value_at_percentile(*percent).to_string());
    let told: Vec<_> = told.collect();
    format!(", min/median/75th/95th/99th {what} latency: {} µs", told.join("/"))
}

/// The columns of the file that `--output-file` names.
pub(super) fn csv_header() -> Vec<String> {
    let mut columns: Vec<String> =
        ["id", "time_s", "sent_rate", "returned_rate", "confirmed_rate", "nacked_rate"]
            .map(str::to_owned)
            .into();
    columns.push("received_rate".to_owned());
    for of in ["latency", "confirm_latency"] {
        columns.extend(PERCENTILES.iter().map(|(name, _)| format!("{of}_{name}_us")));
    }
    columns
}

/// One row of it.
pub(super) fn csv_row(
    id: &str,
    (time, elapsed): (Duration, Duration),
    figures: &Figures,
) -> Vec<String> {
    let mut row = vec![id.to_owned(), format!("{:.3}", time.as_secs_f64())];
    let counts =
        [figures.sent, figures.returned, figures.confirmed, figures.nacked, figures.received];
    row.extend(counts.map(|count| rate(count, elapsed).to_string()));
    for latencies in [&figures.latency, &figures.confirm_latency] {
        let told = PERCENTILES.map(|(_, percent)| at(latencies, percent));
        row.extend(told.map(|us| us.map(|us| us.to_string()).unwrap_or_default()));
    }
    row
}

impl Summary<'_> {
    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { id, elapsed, figures, shown, .. } = self;
        let mut lines = Vec::new();
        if shown.producers {
            let average = rate(figures.sent, *elapsed);
            lines.push(format!("id: {id}, sending rate avg: {average} msg/s"));
        }
        if shown.consumers {
            let average = rate(figures.received, *elapsed);
            lines.push(format!("id: {id}, receiving rate avg: {average} msg/s"));
        }
        for (what, of) in [("consumer", &figures.latency), ("confirm", &figures.confirm_latency)] {
            if !of.is_empty() {
                lines.push(format!("id: {id}{}", latencies_text(what, of)));
            }
        }
        lines.push(format!(
            "id: {id}, sent {}, confirmed {}, nacked {}, returned {}, received {} in {:.3} s",
            figures.sent,
            figures.confirmed,
            figures.nacked,
            figures.returned,
            figures.received,
            elapsed.as_secs_f64()
        ));
        lines.join("\n")
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let figures = self.figures;
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("id", self.id.into());
        put("time_s", seconds(self.elapsed).into());
        for (name, count) in [("sent", figures.sent), ("received", figures.received)] {
            put(name, count.into());
            put(&format!("{name}_rate"), rate(count, self.elapsed).into());
        }
        put("confirmed", figures.confirmed.into());
        put("nacked", figures.nacked.into());
        put("returned", figures.returned.into());
        put("latency_us", percentiles(&figures.latency));
        put("confirm_latency_us", percentiles(&figures.confirm_latency));
        put("complete", self.error.is_none().into());
        put("error", self.error.map_or(Value::Null, Value::from));
        Value::Object(fields)
    }

    /// The same as names and texts, for formats that are flat.
    pub(super) fn flat(&self) -> Vec<(String, Value)> {
        let mut flat = Vec::new();
        let Value::Object(fields) = self.json() else { return flat };
        for (name, value) in fields {
            match value {
                Value::Object(inner) => {
                    let of = name.trim_end_matches("_us");
                    let inner = inner.into_iter();
                    flat.extend(inner.map(|(n, v)| (format!("{of}_{n}_us"), v)));
                }
                other => flat.push((name, other)),
            }
        }
        flat
    }
}

fn percentiles(latencies: &Latencies) -> Value {
    PERCENTILES
        .iter()
        .map(|(name, percent)| ((*name).to_owned(), json!(at(latencies, *percent))))
        .collect()
}

/// None if there is nothing to take it from.
fn at(latencies: &Latencies, percent: f64) -> Option<u64> {
    (!latencies.is_empty()).then(|| latencies.value_at_percentile(percent))
}

/// With three digits.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
