//! `warren status`: how a broker is, on one screen.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::list::rows;
use crate::cli::client::Route;
use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{
    Column, Format, Kind, Output, Style, at_path, bytes, duration_ms, escape,
};

/// How many characters a bar has.
const BAR_CHARS: u8 = 20;
/// Where a bar is red: most of it is used.
const BAR_BAD: f64 = 0.9;

const FIELDS: &[Column] = &[
    Column::text("product"),
    Column::text("version"),
    Column::text("cluster"),
    Column::text("alarms"),
    Column::named("connections", "overview.object_totals.connections", Kind::Number),
    Column::named("channels", "overview.object_totals.channels", Kind::Number),
    Column::named("consumers", "overview.object_totals.consumers", Kind::Number),
    Column::named("exchanges", "overview.object_totals.exchanges", Kind::Number),
    Column::named("queues", "overview.object_totals.queues", Kind::Number),
    Column::named("ready", "overview.queue_totals.messages_ready", Kind::Number),
    Column::named("unacked", "overview.queue_totals.messages_unacknowledged", Kind::Number),
    Column::named("messages", "overview.queue_totals.messages", Kind::Number),
    Column::named("publish_rate", "overview.message_stats.publish_details.rate", Kind::Rate),
    Column::named("deliver_rate", "overview.message_stats.deliver_get_details.rate", Kind::Rate),
    Column::named("ack_rate", "overview.message_stats.ack_details.rate", Kind::Rate),
];

/// Shows how the broker is, on one screen.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Memory, disk and files are shown to users with the tag monitoring or administrator.

Examples:
  warren status
  warren status --format json | jq .alarms
  watch warren status")]
pub(crate) struct Status {}

/// Asks for all of it, and shows it.
pub(crate) fn run(context: &Context) -> Result<(), Failure> {
    let overview = context.client.get(&Route::new("overview", &["overview"]))?;
    let nodes = match context.client.get(&Route::new("nodes", &["nodes"])) {
        Ok(nodes) => Some(rows(nodes, "nodes")?),
        // Not everybody may see them.
        Err(failure) if failure.exit == Exit::NotPermitted => None,
        Err(failure) => return Err(failure),
    };
    let said = |key: &str| overview.get(key).cloned().unwrap_or_default();
    let status = json!({
        "product": said("product_name"),
        "version": said("product_version"),
        "cluster": said("cluster_name"),
        "alarms": nodes.as_deref().map(alarms),
        "overview": overview,
        "nodes": nodes,
    });
    match context.output.format() {
        Format::Table if !context.output.has_columns() => {
            context.output.print(&screen(&context.output, &status))
        }
        _ => context.output.fields(FIELDS, &status, &[]),
    }
}

/// Which alarms are on, and where.
fn alarms(nodes: &[Value]) -> Vec<Value> {
    let mut found = Vec::new();
    for node in nodes {
        for (key, resource) in [("mem_alarm", "memory"), ("disk_free_alarm", "disk")] {
            if node.get(key).is_some_and(|alarm| *alarm == true) {
                found.push(json!({ "node": node.get("name"), "resource": resource }));
            }
        }
    }
    found
}

fn screen(out: &Output, status: &Value) -> String {
    let text =
        |path: &str| at_path(status, path).and_then(Value::as_str).map(escape).unwrap_or_default();
    let number = |path: &str| at_path(status, path).and_then(Value::as_f64).unwrap_or_default();
    let title = format!("{} {}", text("product"), text("version"));
    let mut screen = format!("{}  cluster {}\n", out.paint(Style::Bold, &title), text("cluster"));

    // Writing to a string does not fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(screen, "{name:<13}{value}");
    };
    let alarms = list(status, "alarms").iter().map(|alarm| {
        let said = |key: &str| alarm.get(key).and_then(Value::as_str).map(escape);
        format!("{} on {}", said("resource").unwrap_or_default(), said("node").unwrap_or_default())
    });
    let alarms: Vec<_> = alarms.collect();
    match alarms.as_slice() {
        [] if at_path(status, "alarms").is_none_or(Value::is_null) => {
            line("Alarms", "not shown to this user");
        }
        [] => line("Alarms", &out.paint(Style::Good, "none")),
        some => line("Alarms", &out.paint(Style::Bad, &some.join(", "))),
    }
    for node in list(status, "nodes") {
        node_lines(out, node, &mut line);
    }
    let count =
        |name: &str| format!("{name} {}", number(&format!("overview.object_totals.{name}")));
    let objects = ["connections", "channels", "consumers", "exchanges", "queues"].map(count);
    line("Objects", &objects.join("  "));
    let depth = |path: &str| number(&format!("overview.queue_totals.{path}"));
    let (ready, unacked) = (depth("messages_ready"), depth("messages_unacknowledged"));
    line("Messages", &format!("ready {ready}  unacked {unacked}  total {}", depth("messages")));
    let rate = |name: &str, key: &str| {
        let rate = number(&format!("overview.message_stats.{key}_details.rate"));
        format!("{name} {rate:.1}/s")
    };
    let rates = [
        rate("publish", "publish"),
        rate("confirm", "confirm"),
        rate("deliver", "deliver_get"),
        rate("ack", "ack"),
    ];
    line("Rates", &rates.join("  "));
    let listeners = at_path(status, "overview.listeners").and_then(Value::as_array);
    for listener in listeners.into_iter().flatten() {
        let said = |key: &str| listener.get(key).and_then(Value::as_str).map(escape);
        let port = listener.get("port").and_then(Value::as_u64).unwrap_or_default();
        let (protocol, address) = (said("protocol"), said("ip_address").unwrap_or_default());
        let address = if address.contains(':') { format!("[{address}]") } else { address };
        line("Listener", &format!("{} {address}:{port}", protocol.unwrap_or_default()));
    }
    screen
}

fn node_lines(out: &Output, node: &Value, line: &mut impl FnMut(&str, &str)) {
    let number = |key: &str| node.get(key).and_then(Value::as_f64);
    let name = node.get("name").and_then(Value::as_str).map(escape).unwrap_or_default();
    match number("uptime") {
        Some(uptime) => line("Node", &format!("{name}  up {}", duration_ms(uptime))),
        None => line("Node", &format!("{name}  {}", out.paint(Style::Bad, "not running"))),
    }
    if let (Some(used), Some(limit)) = (number("mem_used"), number("mem_limit")) {
        let text = format!("{} of {}", bytes(used), bytes(limit));
        line("  Memory", &format!("{}  {text}", bar(out, used / limit)));
    }
    if let (Some(free), Some(limit)) = (number("disk_free"), number("disk_free_limit")) {
        let style = if free < limit { Style::Bad } else { Style::Good };
        let free = out.paint(style, &format!("{} free", bytes(free)));
        line("  Disk", &format!("{free}, alarm below {}", bytes(limit)));
    }
    for (label, used, total) in
        [("  Files", "fd_used", "fd_total"), ("  Sockets", "sockets_used", "sockets_total")]
    {
        if let (Some(used), Some(total)) = (number(used), number(total)) {
            line(label, &format!("{}  {used} of {total}", bar(out, used / total)));
        }
    }
}

/// How much of something is used.
fn bar(out: &Output, share: f64) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let full = share * f64::from(BAR_CHARS);
    let bar = (0..BAR_CHARS).map(|at| if full >= f64::from(at) + 0.5 { '#' } else { '.' });
    let bar: String = bar.collect();
    out.paint(if share >= BAR_BAD { Style::Bad } else { Style::Good }, &format!("[{bar}]"))
}

fn list<'a>(status: &'a Value, key: &str) -> &'a [Value] {
    status.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
