//! `warren list`: rows of whatever a broker has.
//!
//! What the broker gives in pages it also searches and sorts; the rest is searched and sorted
//! here.

use std::cmp::Ordering;

use serde_json::Value;

use super::kinds::{Listing, What};
use crate::cli::client::Route;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, at_path};
use crate::pattern::{BadPattern, Pattern};

/// The largest page that a management API gives.
const PAGE_MAX: usize = 500;
/// What belongs to a name, by the kind of thing that has it.
const NAME_PATHS: [&str; 5] = ["name", "user", "destination", "queue.name", "vhost"];

/// Shows what a broker has: queues, exchanges, connections, users and so on.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  warren list queues
  warren list queues --vhost orders --name '^in\\.' --regex --sort messages --reverse --limit 20
  warren list connections --format json | jq -r '.[].name'
  warren list queues --columns name,messages,policy --format csv")]
pub(crate) struct List {
    /// What to show.
    #[arg(value_enum)]
    what: What,
    /// Only those with this in their name.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// The name is a regular expression.
    #[arg(long, requires = "name")]
    regex: bool,
    /// Sort by this column or path.
    #[arg(long, value_name = "COLUMN")]
    sort: Option<String>,
    /// The largest or last first.
    #[arg(long, requires = "sort")]
    reverse: bool,
    /// At most so many.
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Of all virtual hosts, even if one is named in the environment or a profile.
    #[arg(long)]
    all_vhosts: bool,
}

impl List {
    /// For commands that are a list and nothing else, such as `warren user list`.
    pub(crate) fn all(what: What) -> Self {
        let (name, sort, limit) = (None, None, None);
        Self { what, name, regex: false, sort, reverse: false, limit, all_vhosts: false }
    }

    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let listing = self.what.listing();
        let vhost = context.vhost_named().filter(|_| !self.all_vhosts);
        let rows = if listing.is_paged {
            self.pages(context, &listing, vhost)?
        } else {
            self.whole(context, &listing, vhost)?
        };
        context.output.table(listing.columns, &rows)
    }

    /// Pages until there are enough.
    fn pages(
        &self,
        context: &Context,
        listing: &Listing,
        vhost: Option<&str>,
    ) -> Result<Vec<Value>, Failure> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let size = limit.clamp(1, PAGE_MAX);
        let mut rows = Vec::new();
        for page in 1.. {
            let mut route = route(listing, vhost)
                .query("page", &page.to_string())
                .query("page_size", &size.to_string());
            if let Some(name) = &self.name {
                route = route.query("name", name);
                route = route.query("use_regex", if self.regex { "true" } else { "false" });
            }
            if let Some(path) = self.sort_path(listing.columns) {
                let reverse = if self.reverse { "true" } else { "false" };
                route = route.query("sort", &path).query("sort_reverse", reverse);
            }
            if let Some(paths) = context.output.paths_wanted(listing.columns) {
                route = route.query("columns", &paths.join(","));
            }
            let answer = context.client.get(&route)?;
            let (items, pages) = page_of(answer, route.subject())?;
            rows.extend(items);
            if page >= pages || rows.len() >= limit {
                break;
            }
        }
        rows.truncate(limit);
        Ok(of_vhost(rows, vhost))
    }

    /// All of it, searched and sorted here.
    fn whole(
        &self,
        context: &Context,
        listing: &Listing,
        vhost: Option<&str>,
    ) -> Result<Vec<Value>, Failure> {
        let has_name = self.name.as_ref().map(|name| matcher(name, self.regex)).transpose()?;
        let route = route(listing, vhost);
        let mut rows = of_vhost(rows(context.client.get(&route)?, route.subject())?, vhost);
        if let Some(has_name) = has_name {
            rows.retain(|row| {
                let mut named = NAME_PATHS.iter().filter_map(|path| at_path(row, path));
                named.next().and_then(Value::as_str).is_some_and(&has_name)
            });
        }
        if let Some(path) = self.sort_path(listing.columns) {
            rows.sort_by(|a, b| compare(at_path(a, &path), at_path(b, &path)));
            if self.reverse {
                rows.reverse();
            }
        }
        rows.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(rows)
    }

    /// The path behind the name of a column, or what was given as a path.
    fn sort_path(&self, columns: &[Column]) -> Option<String> {
        let sort = self.sort.as_ref()?;
        let column = columns.iter().find(|column| column.name == *sort);
        Some(column.map_or_else(|| sort.clone(), |column| column.path.to_string()))
    }
}

fn route(listing: &Listing, vhost: Option<&str>) -> Route {
    let part = listing.part;
    match vhost {
        Some(vhost) if listing.is_by_vhost => {
            Route::new(format!("{part} of vhost '{vhost}'"), &[part, vhost])
        }
        _ => Route::new(part, &[part]),
    }
}

/// Leaves out what belongs to another virtual host, where the broker has no path for one.
fn of_vhost(mut rows: Vec<Value>, vhost: Option<&str>) -> Vec<Value> {
    if let Some(vhost) = vhost {
        rows.retain(|row| row.get("vhost").is_none_or(|of_row| of_row == vhost));
    }
    rows
}

/// The rows of a page, and how many pages there are. Brokers that know no pages give all rows.
fn page_of(answer: Value, subject: &str) -> Result<(Vec<Value>, u64), Failure> {
    match answer {
        Value::Array(rows) => Ok((rows, 1)),
        Value::Object(mut page) => match page.remove("items") {
            Some(Value::Array(rows)) => {
                Ok((rows, page.get("page_count").and_then(Value::as_u64).unwrap_or(1)))
            }
            _ => Err(no_list(subject)),
        },
        _ => Err(no_list(subject)),
    }
}

/// The rows of an answer that must be a list.
pub(crate) fn rows(answer: Value, subject: &str) -> Result<Vec<Value>, Failure> {
    match answer {
        Value::Array(rows) => Ok(rows),
        _ => Err(no_list(subject)),
    }
}

fn no_list(subject: &str) -> Failure {
    Failure::protocol(format!("{subject}: the answer is no list"))
}

fn matcher(name: &str, regex: bool) -> Result<impl Fn(&str) -> bool, Failure> {
    let pattern = if regex {
        let pattern = Pattern::new(name).map_err(|error| match error {
            BadPattern::TooLong(max) => format!("must be at most {max} bytes"),
            BadPattern::Invalid { why, position } => format!("{why} at {position}"),
        });
        Some(pattern.map_err(|rule| Failure::usage(format!("--name {name}: {rule}")))?)
    } else {
        None
    };
    let name = name.to_owned();
    Ok(move |text: &str| match &pattern {
        Some(pattern) => pattern.is_found_in(text),
        None => text.contains(&name),
    })
}

/// Numbers by size, everything else as text.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    let (a, b) = (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => match (a.as_str(), b.as_str()) {
            (Some(a), Some(b)) => a.cmp(b),
            _ => a.to_string().cmp(&b.to_string()),
        },
    }
}
