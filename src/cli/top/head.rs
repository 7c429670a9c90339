//! The head of the screen: the node, its resources and alarms, and the totals.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use serde_json::Value;

use super::app::App;
use super::compact;
use super::draw::{Paint, told};
use super::query::Snapshot;
use crate::cli::output::{Kind, duration_ms, escape};

/// Rows it takes.
pub(super) const HEIGHT: u16 = 4;

/// Draws it; empty until the first answer.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, paint: Paint) {
    let Some(shown) = &app.shown else {
        frame.render_widget(Paragraph::new("asking ..."), area);
        return;
    };
    let lines = vec![
        who(shown, paint),
        resources(&shown.node, paint),
        counts(&shown.overview),
        rates(&shown.overview, paint),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

fn who(shown: &Snapshot, paint: Paint) -> Line<'static> {
    let text = |name: &str| {
        let found = shown.overview.get(name).and_then(Value::as_str);
        escape(found.unwrap_or_default())
    };
    let mut spans = vec![
        Span::styled(text("node"), paint.name()),
        Span::raw(format!("  {} {}", text("product_name"), text("product_version"))),
    ];
    let uptime_ms = Snapshot::number(&shown.node, "uptime");
    if uptime_ms > 0.0 {
        spans.push(Span::raw(format!("  up {}", duration_ms(uptime_ms))));
    }
    let alarms = ["mem_alarm", "disk_free_alarm"]
        .into_iter()
        .filter(|alarm| shown.node.get(*alarm).and_then(Value::as_bool).unwrap_or_default());
    let alarms: Vec<_> = alarms.map(|alarm| alarm.split('_').next().unwrap_or_default()).collect();
    spans.push(if shown.node.is_null() {
        Span::raw("")
    } else if alarms.is_empty() {
        Span::styled("  no alarms", paint.good())
    } else {
        Span::styled(format!("  ALARM: {}", alarms.join(", ")), paint.bad())
    });
    Line::from(spans)
}

fn resources(node: &Value, paint: Paint) -> Line<'static> {
    if node.is_null() {
        return Line::from("memory, disk and files: only for users with the tag monitoring");
    }
    let size = |path| compact::cell(&Snapshot::number(node, path).into(), Kind::Bytes);
    let style = |path| if Snapshot::flag(node, path) { paint.bad() } else { Style::new() };
    Line::from(vec![
        Span::styled(
            format!("memory {} of {}", size("mem_used"), size("mem_limit")),
            style("mem_alarm"),
        ),
        Span::styled(
            format!("   disk free {} (limit {})", size("disk_free"), size("disk_free_limit")),
            style("disk_free_alarm"),
        ),
        Span::raw(format!("   files {}/{}", told(node, "fd_used"), told(node, "fd_total"))),
    ])
}

fn counts(overview: &Value) -> Line<'static> {
    let of = |name: &str| told(overview, &format!("object_totals.{name}"));
    let messages = |name: &str| told(overview, &format!("queue_totals.{name}"));
    Line::from(format!(
        "connections {}  channels {}  queues {}  consumers {}  ready {}  unacked {}",
        of("connections"),
        of("channels"),
        of("queues"),
        of("consumers"),
        messages("messages_ready"),
        messages("messages_unacknowledged"),
    ))
}

fn rates(overview: &Value, paint: Paint) -> Line<'static> {
    let mut spans = vec![Span::raw("rates/s: ")];
    let shown = [
        ("publish", "publish"),
        ("confirm", "confirm"),
        ("deliver", "deliver_get"),
        ("ack", "ack"),
        ("unroutable", "drop_unroutable"),
    ];
    for (name, key) in shown {
        let rate = Snapshot::number(overview, &format!("message_stats.{key}_details.rate"));
        let style =
            if key == "drop_unroutable" && rate > 0.0 { paint.bad() } else { Paint::bold() };
        spans.push(Span::raw(format!("{name} ")));
        spans.push(Span::styled(compact::cell(&rate.into(), Kind::Rate), style));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}
