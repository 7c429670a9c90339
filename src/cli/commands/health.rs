//! `warren health`: the checks a broker makes of itself.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::cli::client::Route;
use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Column;

const COLUMNS: &[Column] = &[Column::text("check"), Column::text("status"), Column::text("reason")];

/// What can be checked.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Check {
    /// No node has an alarm
    Alarms,
    /// The node asked has no alarm
    LocalAlarms,
    /// All virtual hosts run
    VirtualHosts,
    /// Nothing is lost if the node stops
    NodeIsQuorumCritical,
    /// The node takes part
    IsInService,
    /// The node has started
    ReadyToServeClients,
    /// The node takes more connections
    BelowNodeConnectionLimit,
    /// PORT: somebody listens there
    PortListener,
    /// PROTOCOL: somebody speaks it
    ProtocolListener,
    /// COUNT UNIT: no certificate ends in so many days, weeks, months or years
    CertificateExpiration,
}

/// Those that need to be told nothing.
const USUAL: [Check; 7] = [
    Check::Alarms,
    Check::LocalAlarms,
    Check::VirtualHosts,
    Check::NodeIsQuorumCritical,
    Check::IsInService,
    Check::ReadyToServeClients,
    Check::BelowNodeConnectionLimit,
];

/// Makes the broker check itself; fails with 1 if a check does.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Without a check, all those are made that need no argument and that the broker knows.

Examples:
  warren health
  warren health port-listener 5672
  warren health certificate-expiration 4 weeks")]
pub(crate) struct Health {
    /// Which one.
    #[arg(value_enum)]
    check: Option<Check>,
    /// What it is about, where it needs to be told.
    arguments: Vec<String>,
}

impl Check {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::PortListener => &["PORT"],
            Self::ProtocolListener => &["PROTOCOL"],
            Self::CertificateExpiration => &["COUNT", "UNIT"],
            _ => &[],
        }
    }

    fn route(self, arguments: &[String]) -> Route {
        let name = self.name();
        let mut parts = vec!["health", "checks", &name];
        parts.extend(arguments.iter().map(String::as_str));
        Route::new(format!("check '{name}'"), &parts)
    }
}

impl Health {
    /// What was given, if it is as much as the check has to be told.
    fn arguments_of(&self, check: Check) -> Result<&[String], Failure> {
        let expected = check.arguments();
        if expected.len() == self.arguments.len() {
            return Ok(&self.arguments);
        }
        let takes = match expected {
            [] => "takes no argument".to_owned(),
            expected => format!("takes {}", expected.join(" ")),
        };
        Err(Failure::usage(format!("{} {takes}", check.name())))
    }

    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let rows = match self.check {
            Some(check) => vec![made(context, check, self.arguments_of(check)?)?],
            None => all(context)?,
        };
        context.output.table(COLUMNS, &rows)?;
        let is_well = rows.iter().all(|row| row.get("status").is_some_and(|s| s == "ok"));
        if is_well { Ok(()) } else { Err(Failure::told()) }
    }
}

/// Rows about all checks that the broker knows.
fn all(context: &Context) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    for check in USUAL {
        match made(context, check, &[]) {
            // Older and other brokers do not have all of them.
            Err(failure) if failure.exit == Exit::NotFound => {}
            row => rows.push(row?),
        }
    }
    Ok(rows)
}

/// A row about a check that was made.
fn made(context: &Context, check: Check, arguments: &[String]) -> Result<Value, Failure> {
    let (status, said) = context.client.check(&check.route(arguments))?;
    let name = check.name();
    let is_ok = status == 200 && said.get("status").is_none_or(|status| status != "failed");
    if is_ok {
        return Ok(json!({ "check": name, "status": "ok", "reason": null }));
    }
    let reason = said.get("reason").cloned().unwrap_or(Value::Null);
    Ok(json!({ "check": name, "status": "failed", "reason": reason, "answer": said }))
}
