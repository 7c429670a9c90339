//! What somebody may do with which names (permissions), and with which routing keys (topic
//! permissions).
//!
//! Patterns are found anywhere in a name, but for the empty one, which is only the empty name.
//! Knows neither users nor the things that bear the names.

use std::fmt;
use std::sync::Arc;

use crate::pattern::{self, BadPattern, Pattern};
use crate::store::{PermissionDefinition, TopicPermissionDefinition};

/// What somebody wants to do with something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Right {
    /// Declare and delete.
    Configure,
    /// Publish to, and bind as a destination.
    Write,
    /// Get and consume from, purge, and bind as a source.
    Read,
}

/// Something with a name that a right is needed for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Resource<'a> {
    /// The queue of that name.
    Queue(&'a str),
    /// The exchange of that name.
    Exchange(&'a str),
}

/// The name under which the default exchange is looked for in patterns.
const DEFAULT_EXCHANGE: &str = "amq.default";

impl<'a> Resource<'a> {
    /// The name as patterns see it.
    pub fn name(self) -> &'a str {
        match self {
            Self::Exchange("") => DEFAULT_EXCHANGE,
            Self::Queue(name) | Self::Exchange(name) => name,
        }
    }
}

/// A pattern for names, and the text that somebody wrote.
#[derive(Clone, Debug)]
pub struct NameRule {
    text: Box<str>,
    matches: Matches,
}

/// The two commonest need no pattern.
#[derive(Clone, Debug)]
enum Matches {
    OnlyEmpty,
    All,
    Found(Pattern),
}

/// Why a permission cannot be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadRule {
    text: String,
    why: BadPattern,
}

impl NameRule {
    /// A rule from its text.
    pub fn new(text: &str) -> Result<Self, BadRule> {
        Self::with_variables(text, &[])
    }

    /// The same; each variable stands for a text as it is.
    fn with_variables(text: &str, variables: &[(&str, &str)]) -> Result<Self, BadRule> {
        let matches = match text {
            "" => Matches::OnlyEmpty,
            ".*" => Matches::All,
            text => {
                let expanded = expand(text, variables);
                let bad = |why| BadRule { text: text.to_owned(), why };
                Matches::Found(Pattern::new(&expanded).map_err(bad)?)
            }
        };
        Ok(Self { text: text.into(), matches })
    }

    /// What somebody wrote.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is about that name.
    pub fn matches(&self, name: &str) -> bool {
        match &self.matches {
            Matches::OnlyEmpty => name.is_empty(),
            Matches::All => true,
            Matches::Found(pattern) => pattern.is_found_in(name),
        }
    }

    /// Whether the answer takes looking for a pattern, and is worth remembering.
    pub(super) fn is_costly(&self) -> bool {
        matches!(self.matches, Matches::Found(_))
    }
}

/// Puts the values of variables in their places, in one pass: a value is never expanded again.
fn expand(text: &str, variables: &[(&str, &str)]) -> String {
    let (mut expanded, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        expanded.push_str(before);
        let found = variables.iter().find(|(name, _)| from.starts_with(name));
        let taken = if let Some((name, value)) = found {
            expanded.push_str(&pattern::escape(value));
            name.len()
        } else {
            expanded.push('{');
            1
        };
        rest = from.get(taken..).unwrap_or_default();
    }
    expanded.push_str(rest);
    expanded
}

/// What somebody may do in a virtual host.
#[derive(Clone, Debug)]
pub struct Permission {
    /// What may be declared and deleted.
    pub configure: NameRule,
    /// What may be written to.
    pub write: NameRule,
    /// What may be read from.
    pub read: NameRule,
}

impl Permission {
    /// A permission from its three texts.
    pub fn new(configure: &str, write: &str, read: &str) -> Result<Self, BadRule> {
        let (configure, write) = (NameRule::new(configure)?, NameRule::new(write)?);
        Ok(Self { configure, write, read: NameRule::new(read)? })
    }

    /// The rule for a right.
    pub fn rule(&self, right: Right) -> &NameRule {
        match right {
            Right::Configure => &self.configure,
            Right::Write => &self.write,
            Right::Read => &self.read,
        }
    }

    /// What is kept of it.
    pub fn definition(&self, vhost: &Arc<str>, user: &Arc<str>) -> PermissionDefinition {
        PermissionDefinition {
            vhost: vhost.clone(),
            user: user.clone(),
            configure: self.configure.text().into(),
            write: self.write.text().into(),
            read: self.read.text().into(),
        }
    }
}

/// What somebody may do with the routing keys of a topic exchange.
#[derive(Clone, Debug)]
pub struct TopicPermission {
    /// The exchange's name.
    pub exchange: Arc<str>,
    /// Keys that may be published.
    pub write: NameRule,
    /// Keys that may be bound.
    pub read: NameRule,
}

impl TopicPermission {
    /// A permission from its two texts, in which `{username}` and `{vhost}` stand for these names.
    pub fn new(
        vhost: &str,
        user: &str,
        exchange: &str,
        write: &str,
        read: &str,
    ) -> Result<Self, BadRule> {
        let variables = [("{username}", user), ("{vhost}", vhost)];
        Ok(Self {
            exchange: exchange.into(),
            write: NameRule::with_variables(write, &variables)?,
            read: NameRule::with_variables(read, &variables)?,
        })
    }

    /// The rule for a right. Nobody configures a key.
    pub fn rule(&self, right: Right) -> &NameRule {
        match right {
            Right::Read => &self.read,
            Right::Write | Right::Configure => &self.write,
        }
    }

    /// What is kept of it.
    pub fn definition(&self, vhost: &Arc<str>, user: &Arc<str>) -> TopicPermissionDefinition {
        TopicPermissionDefinition {
            vhost: vhost.clone(),
            user: user.clone(),
            exchange: self.exchange.clone(),
            write: self.write.text().into(),
            read: self.read.text().into(),
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Queue(_) => "queue",
            Self::Exchange(_) => "exchange",
        };
        write!(f, "{kind} '{}'", self.name())
    }
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid regular expression '{}': {}", self.text, self.why)
    }
}

impl std::error::Error for BadRule {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(rule: &str, name: &str) -> bool {
        NameRule::new(rule).expect("sound").matches(name)
    }

    #[test]
    fn a_rule_is_found_anywhere_and_the_empty_one_nowhere_else() {
        assert!(matches("", "") && !matches("", "a"));
        assert!(matches("^$", "") && !matches("^$", "a"));
        assert!(matches(".*", "") && matches(".*", "anything\nat all"));
        assert!(matches("log", "my-logs") && !matches("^log", "my-logs"));
        assert!(matches("^(?!amq\\.)", "mine") && !matches("^(?!amq\\.)", "amq.gen-1"));
    }

    #[test]
    fn a_wrong_pattern_is_named() {
        let error = Permission::new(".*", "(", ".*").expect_err("no pattern").to_string();
        assert!(error.starts_with("invalid regular expression '(': "), "{error}");
    }

    #[test]
    fn the_default_exchange_has_a_name_of_its_own() {
        assert_eq!(Resource::Exchange("").name(), "amq.default");
        assert_eq!(Resource::Queue("").name(), "");
        assert_eq!(Resource::Exchange("").to_string(), "exchange 'amq.default'");
    }

    #[test]
    fn variables_stand_for_names_as_they_are() {
        let rule = |text| TopicPermission::new("v.1", "{vhost}|.*", "x", text, "").expect("sound");
        let user = rule("^{username}\\.");
        assert!(user.write.matches("{vhost}|.*.key") && !user.write.matches("anything.key"));
        assert_eq!(user.write.text(), "^{username}\\.");
        let vhost = rule("^{vhost}$");
        assert!(vhost.write.matches("v.1") && !vhost.write.matches("vx1"));
        assert!(rule("^a{2}$").write.matches("aa"));
    }
}
