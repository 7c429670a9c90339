//! What a command is about, in words for people and for programs.

use std::fmt;

use serde_json::json;

use crate::cli::client::{Route, Written};
use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// Something a broker has, or should have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thing<'a> {
    /// Such as `queue`.
    kind: &'static str,
    name: &'a str,
    vhost: Option<&'a str>,
}

impl<'a> Thing<'a> {
    /// Something of the whole broker.
    pub(crate) fn new(kind: &'static str, name: &'a str) -> Self {
        Self { kind, name, vhost: None }
    }

    /// Something in a virtual host.
    pub(crate) fn within(kind: &'static str, name: &'a str, vhost: &'a str) -> Self {
        Self { kind, name, vhost: Some(vhost) }
    }

    /// A request about it.
    pub(crate) fn route(&self, parts: &[&str]) -> Route {
        Route::new(self.to_string(), parts)
    }

    /// Says what was done with it: `action` is such as `deleted`.
    pub(crate) fn done(&self, context: &Context, action: &str) -> Result<(), Failure> {
        let done =
            json!({ "action": action, "kind": self.kind, "name": self.name, "vhost": self.vhost });
        context.output.done(&format!("{action} {self}"), &done)
    }

    /// The same after something was written.
    pub(crate) fn written(&self, context: &Context, written: Written) -> Result<(), Failure> {
        self.done(context, written.action())
    }
}

impl Written {
    /// The word for it.
    fn action(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
        }
    }
}

impl fmt::Display for Thing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.kind, self.name)?;
        match self.vhost {
            Some(vhost) => write!(f, " in vhost '{vhost}'"),
            None => Ok(()),
        }
    }
}
