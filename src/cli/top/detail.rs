//! One queue closely: its figures, the rates since it was opened, consumers and bindings.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};
use serde_json::Value;

use super::app::App;
use super::compact::{self, cell};
use super::draw::{Paint, told};
use super::query::{Detail, Snapshot};
use crate::cli::output::{Kind, at_path, escape};

/// Rows of a curve.
const CURVE_HEIGHT: u16 = 3;
/// Rows of the figures above the curves.
const FIGURES_HEIGHT: u16 = 4;

/// Draws it.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, paint: Paint) {
    let detail = app.shown.as_ref().and_then(|shown| shown.detail.as_ref());
    let Some(detail) = detail else {
        frame.render_widget(Paragraph::new("asking ..."), area);
        return;
    };
    if detail.queue.is_null() {
        frame.render_widget(Paragraph::new("The queue is gone. esc: back"), area);
        return;
    }
    let [figures, curves, lists] = Layout::vertical([
        Constraint::Length(FIGURES_HEIGHT),
        Constraint::Length(CURVE_HEIGHT + 1),
        Constraint::Min(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(figures_of(&detail.queue, paint)), figures);
    draw_curves(frame, curves, app, paint);
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1).areas(lists);
    let consumers = consumers_of(&detail.queue);
    draw_lines(frame, left, "Consumers", &consumers);
    draw_lines(frame, right, "Bindings", &bindings_of(detail));
}

fn figures_of(queue: &Value, paint: Paint) -> Vec<Line<'static>> {
    let text = |path| cell(at_path(queue, path).unwrap_or(&Value::Null), Kind::Text);
    let of = |path, kind| cell(at_path(queue, path).unwrap_or(&Value::Null), kind);
    let is = |name: &str| queue.get(name).and_then(Value::as_bool).unwrap_or_default();
    let flags = ["durable", "auto_delete", "exclusive"].into_iter().filter(|name| is(name));
    vec![
        Line::from(vec![
            Span::styled(text("name"), paint.name()),
            Span::raw(format!(
                "  in vhost {}  {} {}  {}  policy {}",
                text("vhost"),
                text("type"),
                flags.collect::<Vec<_>>().join(" "),
                text("state"),
                text("policy"),
            )),
        ]),
        Line::from(format!(
            "ready {}  unacked {}  total {}  oldest {}  consumers {}",
            told(queue, "messages_ready"),
            told(queue, "messages_unacknowledged"),
            told(queue, "messages"),
            of("oldest_message_age_ms", Kind::Duration),
            told(queue, "consumers"),
        )),
        Line::from(format!(
            "memory {}  bodies {}  rates/s: ack {}  redeliver {}",
            of("memory", Kind::Bytes),
            of("message_bytes", Kind::Bytes),
            of("message_stats.ack_details.rate", Kind::Rate),
            of("message_stats.redeliver_details.rate", Kind::Rate),
        )),
        Line::from(format!("arguments {}", text("arguments"))),
    ]
}

fn draw_curves(frame: &mut Frame<'_>, area: Rect, app: &App, paint: Paint) {
    let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1);
    let [left, right] = halves.areas(area);
    let incoming: Vec<f64> = app.rates.iter().map(|(incoming, _)| *incoming).collect();
    let outgoing: Vec<f64> = app.rates.iter().map(|(_, outgoing)| *outgoing).collect();
    draw_curve(frame, left, ("in/s", &incoming), paint);
    draw_curve(frame, right, ("out/s", &outgoing), paint);
}

#[expect(clippy::cast_sign_loss, reason = "a rate is not negative")]
fn draw_curve(frame: &mut Frame<'_>, area: Rect, (name, rates): (&str, &[f64]), paint: Paint) {
    let [title, curve] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let now = rates.last().copied().unwrap_or_default();
    let most = rates.iter().copied().fold(0.0, f64::max);
    let told = format!("{name} {} (most {})", compact::rate(now), compact::rate(most));
    frame.render_widget(Paragraph::new(Line::styled(told, Paint::bold())), title);
    // The newest stand on the right; tenths, so that slow queues have a curve too.
    let skipped = rates.len().saturating_sub(usize::from(curve.width));
    let tenths = rates.iter().skip(skipped).map(|rate| (rate * 10.0) as u64);
    frame.render_widget(
        Sparkline::default().data(tenths.collect::<Vec<_>>()).style(paint.name()),
        curve,
    );
}

fn draw_lines(frame: &mut Frame<'_>, area: Rect, title: &str, texts: &[String]) {
    let mut lines = vec![Line::styled(format!("{title} ({})", texts.len()), Paint::bold())];
    let room = usize::from(area.height).saturating_sub(1);
    let shown = if texts.len() > room { room.saturating_sub(1) } else { texts.len() };
    lines.extend(texts.iter().take(shown).map(|text| Line::from(text.clone())));
    if shown < texts.len() {
        lines.push(Line::from(format!("... and {} more", texts.len() - shown)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn consumers_of(queue: &Value) -> Vec<String> {
    let details = queue.get("consumer_details").and_then(Value::as_array);
    let consumers = details.map(Vec::as_slice).unwrap_or_default().iter().map(|consumer| {
        let text = |path| cell(at_path(consumer, path).unwrap_or(&Value::Null), Kind::Text);
        let acks = Snapshot::flag(consumer, "ack_required");
        format!(
            "{}  {}  prefetch {}{}",
            text("consumer_tag"),
            text("channel_details.name"),
            text("prefetch_count"),
            if acks { "" } else { "  no ack" },
        )
    });
    consumers.collect()
}

fn bindings_of(detail: &Detail) -> Vec<String> {
    let bindings = detail.bindings.iter().map(|binding| {
        let text = |name: &str| escape(binding.get(name).and_then(Value::as_str).unwrap_or(""));
        let source = text("source");
        let arguments = match binding.get("arguments").and_then(Value::as_object) {
            Some(arguments) if !arguments.is_empty() => {
                format!("  {}", cell(&Value::Object(arguments.clone()), Kind::Text))
            }
            _ => String::new(),
        };
        let source = if source.is_empty() { "(default)" } else { &source };
        format!("{source}  key {}{arguments}", text("routing_key"))
    });
    bindings.collect()
}
