//! Deletes what a file of definitions does not name, never a message unless told to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::Section;
use super::plan::{Action, Step, name};
use crate::cli::client::Route;
use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::progress::Progress;

/// How many messages each queue has, by virtual host and name.
type Depths = BTreeMap<(String, String), u64>;

/// Keeps queues that have messages, and virtual hosts that have such queues.
pub(crate) fn keep_messages(context: &Context, steps: &mut [Step]) -> Result<(), Failure> {
    let depths = depths(context)?;
    for step in steps.iter_mut().filter(|step| step.action == Action::Delete) {
        let text = |key: &str| step.entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let messages = match step.section {
            Section::Queues => {
                let key = (text("vhost").to_owned(), text("name").to_owned());
                depths.get(&key).copied().unwrap_or_default()
            }
            Section::Vhosts => {
                let vhost = text("name");
                depths.iter().filter(|((of, _), _)| of == vhost).map(|(_, count)| count).sum()
            }
            _ => 0,
        };
        if messages > 0 {
            step.action = Action::Keep;
            step.detail = format!("has messages ({messages}); see --delete-non-empty");
        }
    }
    Ok(())
}

fn depths(context: &Context) -> Result<Depths, Failure> {
    let route = Route::new("queues", &["queues"]).query("columns", "vhost,name,messages");
    let queues = context.client.get(&route)?;
    let mut depths = Depths::new();
    for queue in queues.as_array().into_iter().flatten() {
        let text = |key: &str| Some(queue.get(key)?.as_str()?.to_owned());
        if let (Some(vhost), Some(name)) = (text("vhost"), text("name")) {
            let messages = queue.get("messages").and_then(Value::as_u64).unwrap_or_default();
            depths.insert((vhost, name), messages);
        }
    }
    Ok(depths)
}

/// Does it. A queue that got a message meanwhile is kept, and so is its virtual host; that is
/// told in the step.
pub(crate) fn delete(
    context: &Context,
    steps: &mut [Step],
    also_non_empty: bool,
) -> Result<(), Failure> {
    let is_to_go = |step: &Step| step.action == Action::Delete;
    let count = steps.iter().filter(|step| is_to_go(step)).count();
    let progress = Progress::new(count as u64, "prune");
    for step in steps.iter_mut().filter(|step| is_to_go(step)) {
        progress.step();
        match delete_one(context, step, also_non_empty) {
            Ok(()) => {}
            // It went with something else.
            Err(failure) if failure.exit == Exit::NotFound => {}
            Err(failure) if failure.exit == Exit::Refused => {
                step.action = Action::Keep;
                step.detail = failure.text;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

fn delete_one(context: &Context, step: &Step, also_non_empty: bool) -> Result<(), Failure> {
    let text = |key: &str| step.entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let subject = format!("{} '{}'", step.section.words().1, name(step.section, &step.entry));
    let (vhost, named) = (text("vhost"), text("name"));
    let route = |parts: &[&str]| Route::new(subject.clone(), parts);
    let route = match step.section {
        Section::Queues => {
            let route = route(&["queues", vhost, named]);
            // The broker knows best whether it is empty, and knows it at the right moment.
            if also_non_empty { route } else { route.query("if-empty", "true") }
        }
        Section::Vhosts => {
            if !also_non_empty {
                must_have_no_queue(context, named)?;
            }
            route(&["vhosts", named])
        }
        Section::Exchanges => route(&["exchanges", vhost, named]),
        Section::Users => route(&["users", named]),
        Section::Permissions => route(&["permissions", vhost, text("user")]),
        Section::TopicPermissions => {
            route(&["topic-permissions", vhost, text("user"), text("exchange")])
        }
        Section::GlobalParameters => route(&["global-parameters", named]),
        Section::Policies => route(&["policies", vhost, named]),
        Section::Parameters => match text("component") {
            "operator_policy" => route(&["operator-policies", vhost, named]),
            "vhost-limits" => return delete_limits(context, step, vhost),
            component => route(&["parameters", component, vhost, named]),
        },
        Section::Bindings => return delete_binding(context, &subject, step),
    };
    context.client.delete(&route)
}

fn must_have_no_queue(context: &Context, vhost: &str) -> Result<(), Failure> {
    let route = Route::new(format!("queues of vhost '{vhost}'"), &["queues", vhost]);
    match context.client.get(&route)?.as_array() {
        Some(queues) if queues.is_empty() => Ok(()),
        _ => Err(Failure::new(Exit::Refused, "has queues that were kept")),
    }
}

fn delete_limits(context: &Context, step: &Step, vhost: &str) -> Result<(), Failure> {
    let limits = step.entry.get("value").and_then(Value::as_object);
    for (limit, _) in limits.into_iter().flatten() {
        let subject = format!("limit '{limit}' of vhost '{vhost}'");
        context.client.delete(&Route::new(subject, &["vhost-limits", vhost, limit]))?;
    }
    Ok(())
}

fn delete_binding(context: &Context, subject: &str, step: &Step) -> Result<(), Failure> {
    let text = |key: &str| step.entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let to = if text("destination_type") == "exchange" { "e" } else { "q" };
    let ends = ["bindings", text("vhost"), "e", text("source"), to, text("destination")];
    let found = context.client.get(&Route::new(subject, &ends))?;
    let none = Value::Object(serde_json::Map::new());
    let is_it = |binding: &&Value| {
        let arguments = |of: &'_ Value| of.get("arguments").unwrap_or(&none).clone();
        binding.get("routing_key") == step.entry.get("routing_key")
            && arguments(binding) == arguments(&step.entry)
    };
    let found = found.as_array().into_iter().flatten().find(is_it).cloned();
    let properties = found.as_ref().and_then(|found| found.get("properties_key")?.as_str());
    let Some(properties) = properties else {
        return Err(Failure::new(Exit::NotFound, format!("{subject}: not found")));
    };
    let mut parts = ends.to_vec();
    parts.push(properties);
    context.client.delete(&Route::new(subject, &parts))
}
