//! Lists: which of them, in which order, which page, which columns.
//!
//! An object is turned into JSON as late as possible: a page of ten thousand queues costs a look at
//! each name and the rendering of one page. Whoever sorts by something else pays for that column of
//! all. Knows nothing of what is listed.

use std::cmp::Ordering;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::app::Call;
use super::reply::{Failure, Outcome, Reply};
use super::schema::{Field, Shape, maybe};
use crate::pattern::Pattern;

/// Items of a page unless the query says.
const PAGE_SIZE_DEFAULT: usize = 100;
/// The most items of a page, as RabbitMQ has it.
const PAGE_SIZE_MAX: usize = 500;
/// Columns that one query may ask for; no object has more fields.
const COLUMNS_MAX: usize = 128;

/// What every list takes.
pub(super) static QUERY: &[Field] = &[
    maybe("columns", &Shape::Text),
    maybe("sort", &Shape::Text),
    maybe("sort_reverse", &Shape::Flag),
    maybe("page", &Shape::Integer),
    maybe("page_size", &Shape::Integer),
    maybe("name", &Shape::Text),
    maybe("use_regex", &Shape::Flag),
    maybe("pagination", &Shape::Flag),
    maybe("disable_stats", &Shape::Flag),
    maybe("enable_queue_totals", &Shape::Flag),
];

/// What single objects take.
pub(super) static COLUMNS: &[Field] =
    &[maybe("columns", &Shape::Text), maybe("disable_stats", &Shape::Flag)];

/// The fields that are asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Wanted {
    /// Empty for all of them.
    paths: Vec<String>,
}

/// An object being rendered, with the wanted fields only.
#[derive(Debug)]
pub(super) struct Object<'w> {
    wanted: &'w Wanted,
    fields: Map<String, Value>,
}

impl Wanted {
    /// What the query asks for in `columns`.
    pub(super) fn of(call: &Call) -> Result<Self, Failure> {
        let columns = call.query("columns").unwrap_or_default();
        let paths = columns.split(',').filter(|path| !path.is_empty()).map(str::to_owned);
        let paths: Vec<_> = paths.collect();
        if paths.len() > COLUMNS_MAX {
            return Err(Failure::bad_request(format!("columns: {COLUMNS_MAX} at most")));
        }
        Ok(Self { paths })
    }

    fn only(path: &str) -> Self {
        Self { paths: vec![path.to_owned()] }
    }

    /// Whether nothing was asked for in particular.
    pub(super) fn everything(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether a field, or something inside it, is asked for.
    pub(super) fn wants(&self, field: &str) -> bool {
        let first = |path: &String| path.split('.').next() == Some(field);
        self.everything() || self.paths.iter().any(first)
    }

    /// Leaves out what is inside a field and not asked for.
    fn prune(&self, fields: Map<String, Value>) -> Value {
        if !self.paths.iter().any(|path| path.contains('.')) {
            return Value::Object(fields);
        }
        let all = Value::Object(fields);
        let mut pruned = json!({});
        for path in &self.paths {
            copy(&all, &mut pruned, path);
        }
        pruned
    }
}

/// Copies what is at a dotted path to the same place.
fn copy(from: &Value, to: &mut Value, path: &str) {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let (Some(from), Some(to)) = (from.get(first), to.as_object_mut()) else { return };
    match rest {
        None => {
            to.insert(first.to_owned(), from.clone());
        }
        Some(rest) if from.is_object() => {
            copy(from, to.entry(first).or_insert_with(|| json!({})), rest);
        }
        Some(_) => {}
    }
}

impl<'w> Object<'w> {
    /// No fields yet.
    pub(super) fn new(wanted: &'w Wanted) -> Self {
        Self { wanted, fields: Map::new() }
    }

    /// Whether to bother.
    pub(super) fn wants(&self, field: &str) -> bool {
        self.wanted.wants(field)
    }

    /// Adds a field, if it is wanted.
    pub(super) fn put(&mut self, field: &str, value: impl Into<Value>) {
        if self.wants(field) {
            self.fields.insert(field.to_owned(), value.into());
        }
    }

    /// Adds a field that takes some work, if it is wanted.
    pub(super) fn put_with(&mut self, field: &str, value: impl FnOnce() -> Value) {
        if self.wants(field) {
            self.fields.insert(field.to_owned(), value());
        }
    }

    /// Ends it.
    pub(super) fn build(self) -> Value {
        self.wanted.prune(self.fields)
    }
}

/// One thing, with the columns that are asked for.
pub(super) fn one(call: &Call, render: impl FnOnce(&Wanted) -> Value) -> Outcome {
    Reply::json(&render(&Wanted::of(call)?))
}

/// Things, as the query wants them. `key`: the virtual host and the name, in whose order they come
/// unless the query says otherwise.
pub(super) fn list<T>(
    call: &Call,
    mut items: Vec<T>,
    key: impl Fn(&T) -> (&str, &str),
    render: impl Fn(&T, &Wanted) -> Value,
) -> Outcome {
    let wanted = Wanted::of(call)?;
    let page = Page::of(call)?;
    let total = items.len();
    if let Some(filter) = Filter::of(call)? {
        let mut kept = Vec::with_capacity(items.len());
        for item in items {
            if filter.keeps(key(&item).1)? {
                kept.push(item);
            }
        }
        items = kept;
    }
    let filtered = items.len();
    sort(call, &mut items, &key, &render);
    let Some(page) = page else {
        let rendered: Vec<_> = items.iter().map(|item| render(item, &wanted)).collect();
        return Reply::json(&rendered);
    };
    let first = (page.number - 1).saturating_mul(page.size);
    if first >= filtered && page.number > 1 {
        return Err(page.out_of_range(filtered));
    }
    let items = items.iter().skip(first).take(page.size);
    let items: Vec<_> = items.map(|item| render(item, &wanted)).collect();
    Reply::json(&json!({
        "total_count": total,
        "filtered_count": filtered,
        "item_count": items.len(),
        "page": page.number,
        "page_size": page.size,
        "page_count": filtered.div_ceil(page.size),
        "items": items,
    }))
}

fn sort<T>(
    call: &Call,
    items: &mut Vec<T>,
    key: &impl Fn(&T) -> (&str, &str),
    render: &impl Fn(&T, &Wanted) -> Value,
) {
    items.sort_by(|a, b| key(a).cmp(&key(b)));
    match call.query("sort").filter(|path| !path.is_empty()) {
        None => {}
        Some("name") => items.sort_by(|a, b| key(a).1.cmp(key(b).1)),
        Some(path) => {
            let only = Wanted::only(path);
            let pointer = format!("/{}", path.replace('.', "/"));
            let taken = std::mem::take(items).into_iter();
            let mut keyed: Vec<_> = taken
                .map(|item| {
                    let value = render(&item, &only).pointer_mut(&pointer).map(Value::take);
                    (value.unwrap_or_default(), item)
                })
                .collect();
            keyed.sort_by(|(a, _), (b, _)| compare(a, b));
            items.extend(keyed.into_iter().map(|(_, item)| item));
        }
    }
    if call.has_flag("sort_reverse") {
        items.reverse();
    }
}

/// What is missing comes first, then by kind of value.
fn compare(a: &Value, b: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Number(_) => 2,
            Value::String(_) => 3,
            Value::Array(_) => 4,
            Value::Object(_) => 5,
        }
    }
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
        },
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Which names stay.
enum Filter {
    Part(String),
    Pattern(Pattern),
}

impl Filter {
    fn of(call: &Call) -> Result<Option<Self>, Failure> {
        let Some(name) = call.query("name").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        if !call.has_flag("use_regex") {
            return Ok(Some(Self::Part(name.to_lowercase())));
        }
        match Pattern::for_many(name) {
            Ok(pattern) => Ok(Some(Self::Pattern(pattern))),
            Err(_) => Err(bad_pagination()),
        }
    }

    fn keeps(&self, name: &str) -> Result<bool, Failure> {
        match self {
            Self::Part(part) => Ok(name.to_lowercase().contains(part)),
            // One name is enough to tell: the others are not tried.
            Self::Pattern(pattern) => pattern.find_in(name).ok_or_else(too_much_trying),
        }
    }
}

/// Which page, if pages are asked for.
struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn of(call: &Call) -> Result<Option<Self>, Failure> {
        let number = |name| match call.query(name) {
            None => Ok(None),
            Some(text) => text.parse::<i64>().map(Some).map_err(|_| bad_pagination()),
        };
        let (page, size) = (number("page")?, number("page_size")?);
        let Some(page) = page else { return Ok(None) };
        let sized = size.map_or(Ok(PAGE_SIZE_DEFAULT), usize::try_from);
        if let (Ok(number @ 1..), Ok(size @ 1..=PAGE_SIZE_MAX)) = (usize::try_from(page), sized) {
            return Ok(Some(Self { number, size }));
        }
        let size = size.map_or_else(|| "undefined".to_owned(), |size| size.to_string());
        let reason = format!("Invalid pagination parameters: page number {page}, page size {size}");
        let status = StatusCode::BAD_REQUEST;
        Err(Failure::new(status, "invalid_pagination_parameters", reason))
    }

    fn out_of_range(&self, items: usize) -> Failure {
        let Self { number, size } = self;
        let reason = format!("Page out of range, page: {number} page size: {size}, len: {items}");
        Failure::new(StatusCode::BAD_REQUEST, "page_out_of_range", reason)
    }
}

fn too_much_trying() -> Failure {
    Failure::bad_request("the regular expression takes too many steps on one of the names")
}

fn bad_pagination() -> Failure {
    Failure::bad_request("Pagination parameters are invalid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_reach_into_objects() {
        let paths = ["a", "b.c", "x.y"].map(str::to_owned).to_vec();
        let wanted = Wanted { paths };
        assert!(wanted.wants("a") && wanted.wants("b") && !wanted.wants("c"));
        let mut object = Object::new(&wanted);
        object.put("a", 1);
        object.put("b", json!({"c": 2, "d": 3}));
        object.put("e", 4);
        object.put_with("f", || panic!("not wanted"));
        assert_eq!(object.build(), json!({"a": 1, "b": {"c": 2}}));
    }

    #[test]
    fn values_have_an_order() {
        let ordered = [json!(null), json!(false), json!(-1), json!(1.5), json!(2), json!("a")];
        for pair in ordered.windows(2) {
            assert_eq!(compare(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
        }
    }
}
