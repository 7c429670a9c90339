//! Reads one entry's fields out of JSON, with complaints that name the entry and the rule.
//!
//! Knows nothing of what the fields mean.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::table::{self, BadTable};
use crate::amqp::table::Table;

/// Names and routing keys are short strings.
pub(super) const NAME_MAX_BYTES: usize = 255;
/// How much of a wrong value is repeated to whoever wrote it.
const SHOWN_MAX_BYTES: usize = 100;

/// Why definitions are refused: a text that names the entry and the rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// One entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    list: &'static str,
    at: usize,
    all: &'a Map<String, Json>,
}

impl<'a> Fields<'a> {
    /// The entry at that place of a list.
    pub(super) fn new(list: &'static str, at: usize, entry: &'a Json) -> Result<Self, Refused> {
        let Json::Object(fields) = entry else {
            return Err(Refused(format!("{list}[{at}] must be an object, not {}", shown(entry))));
        };
        Ok(Self { list, at, all: fields })
    }

    /// The object in one of its fields; complaints are about the entry.
    pub(super) fn inside(&self, key: &str) -> Result<Self, Refused> {
        match self.all.get(key) {
            Some(Json::Object(fields)) => Ok(Self { all: fields, ..*self }),
            _ => Err(self.wrong(key, "must be an object")),
        }
    }

    /// All of it.
    pub(super) fn all(&self) -> &'a Map<String, Json> {
        self.all
    }

    /// A complaint about this entry.
    pub(super) fn refuse(&self, why: impl fmt::Display) -> Refused {
        let Self { list, at, .. } = self;
        let mut known = Vec::new();
        for (key, prefix) in [
            ("name", ""),
            ("source", "from "),
            ("destination", "to "),
            ("user", "user "),
            ("vhost", "in vhost "),
        ] {
            if let Some(Json::String(text)) = self.all.get(key) {
                known.push(format!("{prefix}'{}'", cut(text)));
            }
        }
        if known.is_empty() {
            Refused(format!("{list}[{at}]: {why}"))
        } else {
            Refused(format!("{list}[{at}] ({}): {why}", known.join(" ")))
        }
    }

    /// A complaint about one of its fields.
    pub(super) fn wrong(&self, key: &str, must: &str) -> Refused {
        match self.all.get(key) {
            None => self.refuse(format!("\"{key}\" is missing; it {must}")),
            Some(value) => self.refuse(format!("\"{key}\" {must}, not {}", shown(value))),
        }
    }

    /// What stands there; nothing if that is null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Json> {
        self.all.get(key).filter(|value| !value.is_null())
    }

    /// A text that has to be there.
    pub(super) fn text(&self, key: &str) -> Result<String, Refused> {
        let text = self.get(key).and_then(Json::as_str).map(str::to_owned);
        text.ok_or_else(|| self.wrong(key, "must be a string"))
    }

    /// A text that need not be there.
    pub(super) fn text_or_none(&self, key: &str) -> Result<Option<String>, Refused> {
        if self.get(key).is_some() { self.text(key).map(Some) } else { Ok(None) }
    }

    /// A text that fits into a short string.
    pub(super) fn short(&self, key: &str) -> Result<String, Refused> {
        let text = self.text(key)?;
        if text.len() > NAME_MAX_BYTES {
            return Err(self.refuse(format!("\"{key}\" has more than {NAME_MAX_BYTES} octets")));
        }
        Ok(text)
    }

    /// A name: a short string, and not an empty one.
    pub(super) fn name(&self, key: &str) -> Result<String, Refused> {
        let name = self.short(key)?;
        if name.is_empty() { Err(self.wrong(key, "must not be empty")) } else { Ok(name) }
    }

    /// Whether something is so; nothing if it is not said. RabbitMQ knows it in words too.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Refused> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(Json::String(word)) if word == "true" => Ok(Some(true)),
            Some(Json::String(word)) if word == "false" => Ok(Some(false)),
            Some(_) => Err(self.wrong(key, "must be a boolean")),
        }
    }

    /// The same for what has to be said.
    pub(super) fn flag_that_is_said(&self, key: &str) -> Result<bool, Refused> {
        self.flag(key)?.ok_or_else(|| self.wrong(key, "must be a boolean"))
    }

    /// Arguments; none if they are not there.
    pub(super) fn arguments(&self) -> Result<Table, Refused> {
        let key = "arguments";
        match self.get(key) {
            None => Ok(Table::default()),
            // How Erlang has written an object without fields.
            Some(Json::Array(values)) if values.is_empty() => Ok(Table::default()),
            Some(value) => table::from_json(value).map_err(|bad| match bad {
                BadTable::NoObject => self.wrong(key, "must be an object"),
                bad => self.refuse(format!("\"{key}\" {bad}")),
            }),
        }
    }

    /// Tags: a list of words, or words with commas between them, as before RabbitMQ 3.9.
    pub(super) fn tags(&self) -> Result<Option<Vec<String>>, Refused> {
        let words = match self.get("tags") {
            None => return Ok(None),
            Some(Json::String(words)) => words.split(',').map(str::trim).collect(),
            Some(Json::Array(words)) => words
                .iter()
                .map(|word| word.as_str().map(str::trim))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| self.wrong("tags", "must be a list of strings"))?,
            Some(_) => return Err(self.wrong("tags", "must be a list of strings")),
        };
        Ok(Some(words.into_iter().filter(|word| !word.is_empty()).map(str::to_owned).collect()))
    }

    /// Limits by their names; none if they are not there.
    pub(super) fn limits(&self, key: &str) -> Result<Vec<(String, i64)>, Refused> {
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Json::Array(values)) if values.is_empty() => Ok(Vec::new()),
            Some(Json::Object(limits)) => {
                let limit = |(name, value): (&String, &Json)| {
                    value.as_i64().map(|value| (name.clone(), value))
                };
                let limits: Option<_> = limits.iter().map(limit).collect();
                limits.ok_or_else(|| self.wrong(key, "must hold whole numbers"))
            }
            Some(_) => Err(self.wrong(key, "must be an object")),
        }
    }
}

fn shown(value: &Json) -> String {
    cut(&value.to_string()).to_owned()
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(SHOWN_MAX_BYTES)).unwrap_or_default()
}
