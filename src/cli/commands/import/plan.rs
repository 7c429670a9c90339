//! What an import would do: each entry of a file against what the broker has.
//!
//! Pure: two documents in, a list out. A broker changes users, permissions, policies and
//! parameters that exist, and leaves queues, exchanges and bindings as they are.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::{Document, Section};

/// What happens to one thing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Action {
    /// The broker does not have it.
    Create,
    /// The broker has it, not as the file says.
    Change,
    /// The broker has it as the file says.
    Same,
    /// The broker has it, not as the file says, and does not change such things.
    Differs,
    /// The broker makes such things itself and skips them in files.
    Skip,
    /// The broker has it and the file does not.
    Delete,
    /// It would be deleted if it were empty.
    Keep,
}

impl Action {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Skip => "skip",
            Self::Delete => "delete",
            Self::Keep => "keep",
        }
    }

    /// Whether something is done.
    pub(crate) fn is_change(self) -> bool {
        matches!(self, Self::Create | Self::Change | Self::Delete)
    }
}

/// What happens to one thing, and why.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) section: Section,
    /// The entry of the file, or that of the broker if the file has none.
    pub(crate) entry: Value,
    pub(crate) detail: String,
}

impl Step {
    /// As a row of a table.
    pub(crate) fn row(&self) -> Value {
        json!({
            "action": self.action.word(),
            "kind": self.section.words().1,
            "vhost": self.entry.get("vhost"),
            "name": name(self.section, &self.entry),
            "detail": self.detail,
        })
    }
}

/// What tells an entry apart from the others of its section.
type Identity = Vec<String>;

fn identity(section: Section, entry: &Value) -> Identity {
    let text = |key: &&str| entry.get(*key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut identity: Identity = section.identity().iter().map(text).collect();
    if section == Section::Bindings {
        identity.push(table(entry.get("arguments")).to_string());
    }
    identity
}

/// What people call it.
pub(crate) fn name(section: Section, entry: &Value) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    match section {
        Section::Permissions => text("user").to_owned(),
        Section::TopicPermissions => format!("{} {}", text("user"), text("exchange")),
        Section::Parameters => format!("{} {}", text("component"), text("name")),
        Section::Bindings => {
            let (source, to, key) = (text("source"), text("destination"), text("routing_key"));
            format!("{source} -> {to} ({key})")
        }
        _ => text("name").to_owned(),
    }
}

/// What an import would do with each entry of the file.
pub(crate) fn steps(file: &Document, broker: &Document) -> Vec<Step> {
    let mut steps = Vec::new();
    for section in Section::ALL {
        let has = by_identity(broker, section);
        for entry in file.entries(section) {
            let detail = String::new();
            let (action, detail) = match has.get(&identity(section, entry)) {
                _ if is_brokers_own(section, entry) => (Action::Skip, detail),
                None => (Action::Create, detail),
                Some(current) => match differences(section, entry, current).as_slice() {
                    [] => (Action::Same, detail),
                    found if is_changed_by_import(section) => (Action::Change, found.join("; ")),
                    found => (Action::Differs, found.join("; ")),
                },
            };
            steps.push(Step { action, section, entry: entry.clone(), detail });
        }
    }
    steps
}

/// What the broker has and the file does not, last made first. `me` is who asks.
pub(crate) fn surplus(file: &Document, broker: &Document, me: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for section in Section::ALL.into_iter().rev() {
        let wanted = by_identity(file, section);
        for entry in broker.entries(section) {
            // Whoever asks must still be let in for what comes next.
            let is_me = match section {
                Section::Users => entry.get("name").is_some_and(|name| name == me),
                Section::Permissions => entry.get("user").is_some_and(|user| user == me),
                _ => false,
            };
            if wanted.contains_key(&identity(section, entry)) || is_brokers_own(section, entry) {
                continue;
            }
            let (action, detail) = if is_me {
                (Action::Keep, "of who asks".to_owned())
            } else {
                (Action::Delete, String::new())
            };
            steps.push(Step { action, section, entry: entry.clone(), detail });
        }
    }
    // Virtual hosts go when nothing needs them any more.
    steps.sort_by_key(|step| step.section == Section::Vhosts);
    steps
}

fn by_identity(document: &Document, section: Section) -> BTreeMap<Identity, &Value> {
    let entries = document.entries(section).iter();
    entries.map(|entry| (identity(section, entry), entry)).collect()
}

/// Exchanges that every virtual host has, and parameters that tell brokers apart.
fn is_brokers_own(section: Section, entry: &Value) -> bool {
    let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
    match section {
        Section::Exchanges => name.is_empty() || name.starts_with("amq."),
        Section::Queues => name.starts_with("amq."),
        Section::GlobalParameters => name.starts_with("internal"),
        Section::Bindings => entry.get("source").is_some_and(|source| source == ""),
        _ => false,
    }
}

fn is_changed_by_import(section: Section) -> bool {
    !matches!(section, Section::Queues | Section::Exchanges | Section::Bindings)
}

/// What differs, in words. Hashes of passwords are compared and not shown.
fn differences(section: Section, file: &Value, broker: &Value) -> Vec<String> {
    let (file, broker) = (comparable(section, file), comparable(section, broker));
    let mut found = Vec::new();
    for (key, wanted) in &file {
        let current = broker.get(key).unwrap_or(&Value::Null);
        if current == wanted {
            continue;
        }
        if key == "password_hash" {
            found.push("another password".to_owned());
        } else {
            found.push(format!("{key}: {current} -> {wanted}"));
        }
    }
    found
}

/// The parts of an entry that count, each in one form whatever the age of the file.
fn comparable(section: Section, entry: &Value) -> Map<String, Value> {
    let get = |key: &str| entry.get(key).cloned();
    let or = |key: &str, default: Value| get(key).filter(|v| !v.is_null()).unwrap_or(default);
    let pairs: Vec<(&str, Value)> = match section {
        Section::Users => vec![
            ("password_hash", or("password_hash", "".into())),
            ("tags", tags(entry.get("tags"))),
            ("limits", table(entry.get("limits"))),
        ],
        Section::Vhosts => {
            let metadata = entry.get("metadata");
            let said = |key: &str| metadata.and_then(|m| m.get(key)).or_else(|| entry.get(key));
            let text = |key: &str| said(key).cloned().filter(|value| *value != "undefined");
            let mut pairs = Vec::new();
            // A file that says nothing of them leaves them as they are.
            pairs.extend(text("description").map(|value| ("description", value)));
            pairs.extend(said("tags").map(|value| ("tags", tags(Some(value)))));
            pairs.extend(text("default_queue_type").map(|value| ("default_queue_type", value)));
            pairs
        }
        Section::Permissions => {
            vec![
                ("configure", or("configure", "".into())),
                ("write", or("write", "".into())),
                ("read", or("read", "".into())),
            ]
        }
        Section::TopicPermissions => {
            vec![("write", or("write", "".into())), ("read", or("read", "".into()))]
        }
        Section::Parameters | Section::GlobalParameters => {
            vec![("value", or("value", json!(null)))]
        }
        Section::Policies => vec![
            ("pattern", or("pattern", "".into())),
            ("apply-to", or("apply-to", "all".into())),
            ("priority", or("priority", 0.into())),
            ("definition", table(entry.get("definition"))),
        ],
        Section::Exchanges => vec![
            ("type", or("type", "direct".into())),
            ("durable", or("durable", true.into())),
            ("auto_delete", or("auto_delete", false.into())),
            ("internal", or("internal", false.into())),
            ("arguments", table(entry.get("arguments"))),
        ],
        Section::Queues => queue(entry),
        Section::Bindings => Vec::new(),
    };
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The type of a queue may be an argument, a key, or not be said where it is the usual one.
fn queue(entry: &Value) -> Vec<(&'static str, Value)> {
    let flag =
        |key: &str, default: bool| entry.get(key).and_then(Value::as_bool).unwrap_or(default);
    let mut arguments = table(entry.get("arguments"));
    let argument = arguments.as_object_mut().and_then(|table| table.remove("x-queue-type"));
    let kind = argument.or_else(|| entry.get("type").cloned());
    vec![
        ("type", kind.unwrap_or_else(|| "classic".into())),
        ("durable", flag("durable", true).into()),
        ("auto_delete", flag("auto_delete", false).into()),
        ("arguments", arguments),
    ]
}

/// A table; an empty one is a list in what old brokers export.
fn table(value: Option<&Value>) -> Value {
    match value {
        Some(value @ Value::Object(_)) => value.clone(),
        _ => json!({}),
    }
}

/// Tags as a sorted list, whether they were one or a text with commas.
fn tags(value: Option<&Value>) -> Value {
    let mut tags: Vec<String> = match value {
        Some(Value::String(tags)) => {
            tags.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
        }
        Some(Value::Array(tags)) => {
            tags.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    tags.sort_unstable();
    tags.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(value: Value) -> Document {
        Document::from_value(value, None).expect("sound")
    }

    fn planned(file: Value, broker: Value) -> Vec<(Action, String, String)> {
        let steps = steps(&document(file), &document(broker));
        let told = |step: Step| (step.action, name(step.section, &step.entry), step.detail);
        steps.into_iter().map(told).collect()
    }

    #[test]
    fn every_entry_has_its_step() {
        let queue = |name: &str, durable| json!({"vhost": "/", "name": name, "durable": durable});
        let file =
            json!({ "queues": [queue("new", true), queue("old", true), queue("hot", false)] });
        let broker = json!({ "queues": [queue("old", true), queue("hot", true)] });
        let expected = [
            (Action::Create, "new".to_owned(), String::new()),
            (Action::Same, "old".to_owned(), String::new()),
            (Action::Differs, "hot".to_owned(), "durable: true -> false".to_owned()),
        ];
        assert_eq!(planned(file, broker), expected);
    }

    #[test]
    fn the_same_in_another_form_is_the_same() {
        let file = json!({
            "users": [{"name": "u", "tags": "b,a", "password_hash": "h"}],
            "queues": [{"vhost": "/", "name": "q", "arguments": {"x-queue-type": "quorum"}}],
            "vhosts": [{"name": "/"}],
            "policies": [{"vhost": "/", "name": "p", "pattern": "", "definition": {}}],
            "bindings": [{"vhost": "/", "source": "x", "destination": "q"}],
        });
        let broker = json!({
            "users": [{"name": "u", "tags": ["a", "b"], "password_hash": "h", "limits": {}}],
            "queues": [{"vhost": "/", "name": "q", "type": "quorum", "arguments": {}}],
            "vhosts": [{"name": "/", "description": "d", "tags": []}],
            "policies": [{"vhost": "/", "name": "p", "pattern": "", "definition": {},
                "priority": 0, "apply-to": "all"}],
            "bindings": [{"vhost": "/", "source": "x", "destination": "q", "arguments": {},
                "destination_type": "queue", "routing_key": ""}],
        });
        let steps = planned(file, broker);
        assert!(steps.iter().all(|(action, ..)| *action == Action::Same), "{steps:?}");
    }

    #[test]
    fn hashes_are_not_shown() {
        let user =
            |hash: &str| json!({"users": [{"name": "u", "tags": "", "password_hash": hash}]});
        let steps = planned(user("one"), user("two"));
        let expected = (Action::Change, "u".to_owned(), "another password".to_owned());
        assert_eq!(steps, [expected]);
    }

    #[test]
    fn what_the_file_lacks_goes_last_made_first() {
        let broker = json!({
            "vhosts": [{"name": "v"}],
            "permissions": [{"vhost": "v", "user": "me", "configure": "", "write": "", "read": ""}],
            "users": [{"name": "me", "tags": ""}, {"name": "other", "tags": ""}],
            "exchanges": [{"vhost": "v", "name": "amq.x", "type": "topic"}],
            "queues": [{"vhost": "v", "name": "q"}],
            "bindings": [{"vhost": "v", "source": "x", "destination": "q"}],
        });
        let steps = surplus(&document(json!({})), &document(broker), "me");
        let told: Vec<_> = steps.iter().map(|s| (s.action, name(s.section, &s.entry))).collect();
        let expected = [
            (Action::Delete, "x -> q ()"),
            (Action::Delete, "q"),
            (Action::Keep, "me"),
            (Action::Keep, "me"),
            (Action::Delete, "other"),
            (Action::Delete, "v"),
        ];
        assert_eq!(told, expected.map(|(action, name)| (action, name.to_owned())));
    }
}
