//! `warren check-config`: whether a configuration is sound, and what it comes to.

use serde_json::{Value, json};

use crate::cli::failure::{Exit, Failure};
use crate::cli::options::{Environment, OutputOptions};
use crate::cli::output::Column;
use crate::config::{Effective, Options, Origin};

const COLUMNS: &[Column] = &[Column::text("key"), Column::text("value"), Column::text("from")];

/// Checks the broker's configuration and shows every setting, without starting anything.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Reads the file and the environment, as 'warren serve' does. Secrets are not shown.

Examples:
  warren check-config
  warren check-config --config /etc/warren/warren.toml
  WARREN_HEARTBEAT=30 warren check-config --format json")]
pub(crate) struct CheckConfig {
    /// The broker's configuration file, in TOML.
    ///
    /// [env: WARREN_CONFIG]
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    config: Option<String>,
    #[command(flatten)]
    output: OutputOptions,
}

impl CheckConfig {
    pub(crate) fn run(&self, environment: &Environment) -> Result<(), Failure> {
        let output = self.output.output(environment)?;
        let options = Options::configured(self.config.clone(), environment.all());
        let wrong =
            |error: crate::config::ConfigError| Failure::new(Exit::Config, error.to_string());
        options.check().map_err(wrong)?;
        let effective = options.effective().map_err(wrong)?;
        let rows: Vec<_> = effective.iter().map(row).collect();
        output.table(COLUMNS, &rows)?;
        let unknown: Vec<_> = options.unknown_variables().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let text = format!("{} in the environment: no such setting", unknown.join(", "));
        Err(Failure::new(Exit::Refused, text))
    }
}

fn row(setting: &Effective) -> Value {
    let from = match &setting.origin {
        None => "default".to_owned(),
        Some(Origin::Flag) => "flag".to_owned(),
        Some(Origin::Variable) => "environment".to_owned(),
        Some(Origin::File { path, line }) => format!("{}:{line}", path.display()),
    };
    json!({ "key": setting.key, "value": setting.value, "from": from })
}
