//! `warren import`: makes a broker have what a file of definitions says.

mod document;
mod plan;
mod prune;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use self::document::Document;
use self::plan::{Action, Step};
use super::export;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::output::{Column, Format};
use crate::cli::prompt::Sure;

/// Definitions of a hundred thousand queues have some dozens of MiB.
const FILE_MAX_BYTES: u64 = 512 * 1024 * 1024;

const COLUMNS: &[Column] = &[
    Column::text("action"),
    Column::text("kind"),
    Column::text("vhost"),
    Column::text("name"),
    Column::text("detail"),
];

/// Makes what a file of definitions says: users, virtual hosts, queues, bindings and so on.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Users, permissions, policies and parameters that exist are changed; queues, exchanges and bindings
that exist are left as they are. Without --prune nothing is deleted.

Actions: create; change; same; differs (exists, is not as the file says, and is left so); skip
(what every broker has); delete; keep (would be deleted if it had no messages).

Examples:
  warren import definitions.json --plan
  warren import definitions.json
  warren import --vhost orders orders.json --prune
  curl -s http://old:15672/api/definitions -u guest:guest | warren import - --plan")]
pub(crate) struct Import {
    /// The file; '-' is standard input.
    file: PathBuf,
    /// Only show what would be done; fail with 1 if there is something to do.
    #[arg(long)]
    plan: bool,
    /// Delete what is not in the file, except queues with messages.
    #[arg(long)]
    prune: bool,
    /// Delete queues with messages too.
    #[arg(long, requires = "prune")]
    delete_non_empty: bool,
    /// The whole broker, even if a virtual host is named in the environment or a profile.
    #[arg(long)]
    all_vhosts: bool,
    #[command(flatten)]
    sure: Sure,
}

impl Import {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let vhost = context.vhost_named().filter(|_| !self.all_vhosts);
        let name = self.file.display().to_string();
        let file = Document::read(&name, &files::read(&self.file, FILE_MAX_BYTES)?, vhost)?;
        let broker = context.client.get(&export::route(vhost))?;
        let broker = Document::from_value(broker, vhost)
            .map_err(|rule| Failure::protocol(format!("definitions of the broker: {rule}")))?;

        let mut steps = plan::steps(&file, &broker);
        let mut surplus = Vec::new();
        if self.prune {
            surplus = plan::surplus(&file, &broker, context.client.user());
            if !self.delete_non_empty {
                prune::keep_messages(context, &mut surplus)?;
            }
        }
        if self.plan {
            steps.append(&mut surplus);
            tell(context, &steps, "to do")?;
            let has_changes = steps.iter().any(|step| step.action.is_change());
            return if has_changes { Err(Failure::told()) } else { Ok(()) };
        }
        let count = surplus.iter().filter(|step| step.action == Action::Delete).count();
        if count > 0 {
            self.sure.ask(&format!("Import {name}, and delete {count} things it does not name"))?;
        }
        context.client.post(&export::route(vhost), &file.into_value(vhost))?;
        prune::delete(context, &mut surplus, self.delete_non_empty)?;
        steps.append(&mut surplus);
        // What was not touched is no news after the fact.
        steps.retain(|step| !matches!(step.action, Action::Same | Action::Skip));
        tell(context, &steps, "done")
    }
}

/// Shows the steps, and for people how many there are of each.
fn tell(context: &Context, steps: &[Step], when: &str) -> Result<(), Failure> {
    let rows: Vec<_> = steps.iter().map(Step::row).collect();
    let mut counts: BTreeMap<Action, u64> = BTreeMap::new();
    for step in steps {
        *counts.entry(step.action).or_default() += 1;
    }
    match context.output.format() {
        Format::Json => {
            let counts = counts.iter().map(|(action, n)| (action.word().to_owned(), (*n).into()));
            let counts: Map<String, Value> = counts.collect();
            let whole = serde_json::json!({ "steps": rows, "summary": counts });
            context.output.json(&whole)
        }
        Format::Table => {
            if !rows.is_empty() {
                context.output.table(COLUMNS, &rows)?;
            }
            let counts = counts.iter().map(|(action, n)| format!("{n} {}", action.word()));
            let counts: Vec<_> = counts.collect();
            let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
            context.output.print(&format!("{when}: {counts}\n"))
        }
        Format::Csv | Format::Plain => context.output.table(COLUMNS, &rows),
    }
}
