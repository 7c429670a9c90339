//! A file of definitions, read and checked before anything is sent.

use serde_json::{Map, Value};

use crate::cli::failure::Failure;

/// What kind of thing a section holds. In the order in which they are made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Section {
    Users,
    Vhosts,
    Permissions,
    Exchanges,
    TopicPermissions,
    GlobalParameters,
    Policies,
    Parameters,
    Queues,
    Bindings,
}

impl Section {
    pub(crate) const ALL: [Self; 10] = [
        Self::Users,
        Self::Vhosts,
        Self::Permissions,
        Self::Exchanges,
        Self::TopicPermissions,
        Self::GlobalParameters,
        Self::Policies,
        Self::Parameters,
        Self::Queues,
        Self::Bindings,
    ];

    /// The key of the section, and the word for one of its entries.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Users => ("users", "user"),
            Self::Vhosts => ("vhosts", "vhost"),
            Self::Permissions => ("permissions", "permission"),
            Self::Exchanges => ("exchanges", "exchange"),
            Self::TopicPermissions => ("topic_permissions", "topic permission"),
            Self::GlobalParameters => ("global_parameters", "global parameter"),
            Self::Policies => ("policies", "policy"),
            Self::Parameters => ("parameters", "parameter"),
            Self::Queues => ("queues", "queue"),
            Self::Bindings => ("bindings", "binding"),
        }
    }

    /// The texts that every entry has, which together tell it apart. Bindings have arguments too.
    pub(crate) fn identity(self) -> &'static [&'static str] {
        match self {
            Self::Users | Self::Vhosts | Self::GlobalParameters => &["name"],
            Self::Permissions => &["vhost", "user"],
            Self::TopicPermissions => &["vhost", "user", "exchange"],
            Self::Parameters => &["vhost", "component", "name"],
            Self::Policies | Self::Queues | Self::Exchanges => &["vhost", "name"],
            Self::Bindings => {
                &["vhost", "source", "destination_type", "destination", "routing_key"]
            }
        }
    }

    /// Whether its entries belong to a virtual host.
    pub(crate) fn is_of_vhost(self) -> bool {
        self.identity().contains(&"vhost")
    }
}

/// Definitions, as a file or a broker has them.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Document(Map<String, Value>);

impl Document {
    /// Reads what a file holds. With a virtual host, entries that name none are its own, and what
    /// belongs to others or to the whole broker is left out.
    pub(crate) fn read(name: &str, bytes: &[u8], vhost: Option<&str>) -> Result<Self, Failure> {
        let refused = |rule: String| Failure::input(format!("{name}: {rule}"));
        let value = serde_json::from_slice(bytes).map_err(|e| refused(format!("no JSON: {e}")))?;
        Self::from_value(value, vhost).map_err(refused)
    }

    /// The same for what a broker exports.
    pub(crate) fn from_value(value: Value, vhost: Option<&str>) -> Result<Self, String> {
        let Value::Object(mut whole) = value else {
            return Err("definitions must be a JSON object".to_owned());
        };
        for section in Section::ALL {
            let (key, _) = section.words();
            let entries = match whole.get_mut(key) {
                None => continue,
                Some(Value::Array(entries)) => entries,
                Some(_) => return Err(format!("'{key}' must be a list")),
            };
            for (at, entry) in entries.iter_mut().enumerate() {
                prepare(section, entry, vhost).map_err(|rule| format!("{key}[{at}]: {rule}"))?;
            }
            if let Some(vhost) = vhost {
                entries.retain(|entry| entry.get("vhost").is_some_and(|of| of == vhost));
            }
        }
        Ok(Self(whole))
    }

    /// The entries of a section.
    pub(crate) fn entries(&self, section: Section) -> &[Value] {
        let entries = self.0.get(section.words().0).and_then(Value::as_array);
        entries.map_or(&[], Vec::as_slice)
    }

    /// What is sent to a broker. For one virtual host, entries do not name it.
    pub(crate) fn into_value(mut self, vhost: Option<&str>) -> Value {
        if vhost.is_some() {
            for section in Section::ALL {
                let (key, _) = section.words();
                if !section.is_of_vhost() {
                    self.0.remove(key);
                }
                let entries = self.0.get_mut(key).and_then(Value::as_array_mut);
                for entry in entries.into_iter().flatten() {
                    entry.as_object_mut().map(|entry| entry.remove("vhost"));
                }
            }
        }
        Value::Object(self.0)
    }
}

/// Checks an entry, and adds what older or smaller exports leave out.
fn prepare(section: Section, entry: &mut Value, vhost: Option<&str>) -> Result<(), String> {
    let Value::Object(entry) = entry else { return Err("must be an object".to_owned()) };
    if section.is_of_vhost() && !entry.contains_key("vhost") {
        let Some(vhost) = vhost else {
            let hint = "is this a file of one virtual host? then name it with --vhost";
            return Err(format!("'vhost' is missing ({hint})"));
        };
        entry.insert("vhost".to_owned(), vhost.into());
    }
    if section == Section::Bindings {
        // RabbitMQ leaves these out where they are usual.
        entry.entry("destination_type").or_insert_with(|| "queue".into());
        entry.entry("routing_key").or_insert_with(|| "".into());
    }
    let called = entry.get("name").and_then(Value::as_str).map(|name| format!("'{name}': "));
    let called = called.unwrap_or_default();
    for key in section.identity() {
        match entry.get(*key) {
            Some(Value::String(_)) => {}
            Some(_) => return Err(format!("{called}'{key}' must be a text")),
            None => return Err(format!("{called}'{key}' is missing")),
        }
    }
    for (key, rule, is_right) in rules(section) {
        if entry.get(*key).is_some_and(|value| !value.is_null() && !is_right(value)) {
            return Err(format!("{called}'{key}' must be {rule}"));
        }
    }
    for key in needed(section) {
        if !entry.contains_key(*key) {
            return Err(format!("{called}'{key}' is missing"));
        }
    }
    Ok(())
}

/// A key, what its value must be, and the check of that.
type Rule = (&'static str, &'static str, fn(&Value) -> bool);

fn rules(section: Section) -> &'static [Rule] {
    match section {
        Section::Queues => &[
            ("durable", "true or false", Value::is_boolean),
            ("auto_delete", "true or false", Value::is_boolean),
            ("arguments", "an object", is_table),
        ],
        Section::Exchanges => &[
            ("type", "a text", Value::is_string),
            ("durable", "true or false", Value::is_boolean),
            ("auto_delete", "true or false", Value::is_boolean),
            ("internal", "true or false", Value::is_boolean),
            ("arguments", "an object", is_table),
        ],
        Section::Bindings => &[
            ("destination_type", "'queue' or 'exchange'", |value| {
                matches!(value.as_str(), Some("queue" | "exchange"))
            }),
            ("arguments", "an object", is_table),
        ],
        Section::Permissions => &[
            ("configure", "a text", Value::is_string),
            ("write", "a text", Value::is_string),
            ("read", "a text", Value::is_string),
        ],
        Section::TopicPermissions => {
            &[("write", "a text", Value::is_string), ("read", "a text", Value::is_string)]
        }
        Section::Policies => &[
            ("pattern", "a text", Value::is_string),
            ("definition", "an object", is_table),
            ("priority", "a whole number", Value::is_i64),
        ],
        Section::Users => &[
            ("password_hash", "a text", Value::is_string),
            ("tags", "a text or a list", |value| value.is_string() || value.is_array()),
            ("limits", "an object", is_table),
        ],
        Section::Vhosts | Section::Parameters | Section::GlobalParameters => &[],
    }
}

/// An empty table is a list in what old brokers export.
fn is_table(value: &Value) -> bool {
    value.is_object() || value.as_array().is_some_and(Vec::is_empty)
}

fn needed(section: Section) -> &'static [&'static str] {
    match section {
        Section::Exchanges => &["type"],
        Section::Permissions => &["configure", "write", "read"],
        Section::TopicPermissions => &["write", "read"],
        Section::Policies => &["pattern", "definition"],
        Section::Parameters | Section::GlobalParameters => &["value"],
        Section::Users => &["tags"],
        Section::Queues | Section::Bindings | Section::Vhosts => &[],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_offending_entry_is_named() {
        for (value, why) in [
            (json!([]), "definitions must be a JSON object"),
            (json!({"queues": {}}), "'queues' must be a list"),
            (json!({"queues": [1]}), "queues[0]: must be an object"),
            (json!({"queues": [{"vhost": "/"}]}), "queues[0]: 'name' is missing"),
            (json!({"users": [{"name": 1}]}), "users[0]: 'name' must be a text"),
            (
                json!({"queues": [{"vhost": "/", "name": "q", "durable": "yes"}]}),
                "queues[0]: 'q': 'durable' must be true or false",
            ),
            (
                json!({"exchanges": [{"vhost": "/", "name": "x"}]}),
                "exchanges[0]: 'x': 'type' is missing",
            ),
        ] {
            assert_eq!(Document::from_value(value, None), Err(why.to_owned()));
        }
        let no_vhost = Document::from_value(json!({"queues": [{"name": "q"}]}), None);
        assert!(no_vhost.expect_err("no vhost").contains("--vhost"));
    }

    #[test]
    fn one_virtual_host_is_taken_out_of_many() {
        let whole = json!({
            "users": [{"name": "u", "tags": []}],
            "queues": [{"vhost": "a", "name": "q"}, {"vhost": "b", "name": "r"}, {"name": "s"}],
        });
        let document = Document::from_value(whole, Some("a")).expect("sound");
        assert_eq!(document.entries(Section::Queues).len(), 2);
        assert!(document.entries(Section::Users).is_empty());
        let sent = document.into_value(Some("a"));
        assert_eq!(sent, json!({"queues": [{"name": "q"}, {"name": "s"}]}));
    }
}
