//! What is asked of the broker for one picture: the columns and the page that are shown, no more.

use serde_json::Value;

use super::tabs::Tab;
use crate::cli::client::{Client, Route};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::at_path;

/// What the head of the screen needs of a node.
const NODE_COLUMNS: &str = "name,uptime,mem_used,mem_limit,mem_alarm,disk_free,disk_free_limit,\
    disk_free_alarm,fd_used,fd_total,running";
/// The largest page a management API gives.
pub(super) const PAGE_SIZE_MAX: usize = 500;

/// One question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Query {
    pub(super) tab: Tab,
    /// Only of this virtual host.
    pub(super) vhost: Option<String>,
    /// Only with this in its name.
    pub(super) filter: String,
    /// The path to sort by.
    pub(super) sort: &'static str,
    pub(super) reverse: bool,
    /// From 1.
    pub(super) page: usize,
    pub(super) page_size: usize,
    /// The paths to ask for; none: everything.
    pub(super) columns: Option<Vec<String>>,
    /// A queue to look at closely: its virtual host and its name.
    pub(super) detail: Option<(String, String)>,
}

/// The answer.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) query: Query,
    pub(super) overview: Value,
    /// Null for users who may not see it.
    pub(super) node: Value,
    pub(super) rows: Vec<Value>,
    /// How many there are with that name.
    pub(super) count: u64,
    pub(super) pages: usize,
    pub(super) detail: Option<Detail>,
}

/// One queue, closely.
#[derive(Clone, Debug)]
pub(super) struct Detail {
    /// Null if it is gone.
    pub(super) queue: Value,
    pub(super) bindings: Vec<Value>,
}

impl Query {
    /// Asks for all of it.
    pub(super) fn ask(&self, client: &Client) -> Result<Snapshot, Failure> {
        let overview = client.get(&Route::new("the overview", &["overview"]))?;
        let node = node(client, &overview)?;
        let (rows, count, pages) = self.page(client.get(&self.route())?)?;
        let detail = self.detail(client)?;
        Ok(Snapshot { query: self.clone(), overview, node, rows, count, pages, detail })
    }

    /// The rows of an answer, how many there are in all, and on how many pages.
    fn page(&self, mut answer: Value) -> Result<(Vec<Value>, u64, usize), Failure> {
        if let Value::Array(all) = answer {
            // Some lists of RabbitMQ know no pages; they are made here.
            let size = self.page_size.clamp(1, PAGE_SIZE_MAX);
            let (count, pages) = (all.len() as u64, all.len().div_ceil(size).max(1));
            let before = size.saturating_mul(self.page.saturating_sub(1));
            return Ok((all.into_iter().skip(before).take(size).collect(), count, pages));
        }
        let number = |path| answer.get(path).and_then(Value::as_u64);
        let count = number("filtered_count").unwrap_or_default();
        let pages = usize::try_from(number("page_count").unwrap_or(1)).unwrap_or(usize::MAX);
        if let Some(Value::Array(rows)) = answer.get_mut("items").map(Value::take) {
            return Ok((rows, count, pages.max(1)));
        }
        let what = self.tab.part();
        Err(Failure::protocol(format!("{what}: the answer is no page of a list")))
    }

    fn route(&self) -> Route {
        let part = self.tab.part();
        let route = match (&self.vhost, self.tab) {
            (None, _) => Route::new(part, &[part]),
            (Some(vhost), Tab::Queues | Tab::Exchanges) => Route::new(part, &[part, vhost]),
            (Some(vhost), Tab::Connections | Tab::Channels) => {
                Route::new(part, &["vhosts", vhost, part])
            }
        };
        let reverse = if self.reverse { "true" } else { "false" };
        let route = match &self.columns {
            Some(columns) => route.query("columns", &columns.join(",")),
            None => route,
        };
        let route = route
            .query("page", &self.page.to_string())
            .query("page_size", &self.page_size.clamp(1, PAGE_SIZE_MAX).to_string())
            .query("sort", self.sort)
            .query("sort_reverse", reverse);
        if self.filter.is_empty() {
            return route;
        }
        route.query("name", &self.filter).query("use_regex", "false")
    }

    fn detail(&self, client: &Client) -> Result<Option<Detail>, Failure> {
        let Some((vhost, name)) = &self.detail else { return Ok(None) };
        let subject = format!("queue '{name}' in vhost '{vhost}'");
        let route = |more: &[&str]| {
            let parts: Vec<&str> =
                ["queues", vhost, name].into_iter().chain(more.iter().copied()).collect();
            Route::new(subject.clone(), &parts)
        };
        let queue = client.get_if_any(&route(&[]))?.unwrap_or_default();
        let bindings = match client.get_if_any(&route(&["bindings"]))? {
            Some(Value::Array(bindings)) => bindings,
            _ => Vec::new(),
        };
        Ok(Some(Detail { queue, bindings }))
    }
}

/// The node that answers; none if this user may not see nodes.
fn node(client: &Client, overview: &Value) -> Result<Value, Failure> {
    let route = Route::new("nodes", &["nodes"]).query("columns", NODE_COLUMNS);
    let nodes = match client.get(&route) {
        Ok(Value::Array(nodes)) => nodes,
        Ok(_) => Vec::new(),
        Err(failure) if failure.exit == Exit::NotPermitted => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let answering = overview.get("node");
    let ours = nodes.iter().find(|node| node.get("name") == answering);
    Ok(ours.or(nodes.first()).cloned().unwrap_or_default())
}

impl Snapshot {
    /// Whether something is said to be so.
    pub(super) fn flag(of: &Value, path: &str) -> bool {
        at_path(of, path).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A number of the overview or the node.
    pub(super) fn number(of: &Value, path: &str) -> f64 {
        at_path(of, path).and_then(Value::as_f64).unwrap_or_default()
    }
}
