//! What a command works with: the broker to ask, the place to answer, the virtual host meant.

use super::client::Client;
use super::output::Output;

/// The virtual host that every new broker has.
const VHOST_DEFAULT: &str = "/";

/// What a command works with.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) output: Output,
    vhost: Option<String>,
}

impl Context {
    pub(crate) fn new(client: Client, output: Output, vhost: Option<String>) -> Self {
        Self { client, output, vhost }
    }

    /// The virtual host, `/` unless another was named.
    pub(crate) fn vhost(&self) -> &str {
        self.vhost.as_deref().unwrap_or(VHOST_DEFAULT)
    }

    /// The virtual host that was named, for commands that otherwise mean all of them.
    pub(crate) fn vhost_named(&self) -> Option<&str> {
        self.vhost.as_deref()
    }
}
