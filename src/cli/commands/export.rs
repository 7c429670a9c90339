//! `warren export`: everything that was defined, as the JSON that `warren import` and a RabbitMQ
//! read.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::client::Route;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::files;

/// Writes all definitions: users, virtual hosts, queues, exchanges, bindings, policies and so on.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The definitions of the whole broker hold hashes of passwords; a file that is made is readable by
its owner only. No message is in it. Definitions are JSON in every format.

Examples:
  warren export definitions.json
  warren export --vhost orders orders.json
  warren export | jq '.queues | length'")]
pub(crate) struct Export {
    /// The file; '-' is standard output.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The whole broker, even if a virtual host is named in the environment or a profile.
    #[arg(long)]
    all_vhosts: bool,
}

impl Export {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost_named().filter(|_| !self.all_vhosts);
        let definitions = context.client.get(&route(vhost))?;
        if files::is_stdio(&self.file) {
            return context.output.json(&definitions);
        }
        let mut text = serde_json::to_string_pretty(&definitions)
            .map_err(|error| Failure::protocol(format!("definitions: {error}")))?;
        text.push('\n');
        files::write(&self.file, text.as_bytes())?;
        let name = self.file.display().to_string();
        context.output.done(&format!("wrote {name}"), &json!({ "written": name }))
    }
}

/// The definitions of a virtual host, or of the whole broker.
pub(crate) fn route(vhost: Option<&str>) -> Route {
    match vhost {
        Some(vhost) => {
            Route::new(format!("definitions of vhost '{vhost}'"), &["definitions", vhost])
        }
        None => Route::new("definitions", &["definitions"]),
    }
}
