//! Values that operators and tools note for the whole broker, and parameters of components.
//!
//! A global parameter is JSON under any name; its meaning is the business of who wrote it, but for
//! `cluster_name`. Parameters of components would configure features that do not exist here, so
//! that they are refused rather than kept without effect.

use std::sync::Arc;

use serde::de::IgnoredAny;

use super::change_error::{Change, ChangeError};
use super::{Node, check_name};
use crate::store::{Definition, GlobalParameterDefinition};

/// So many are kept; tools have one each.
const GLOBAL_PARAMETERS_MAX: usize = 1_000;
/// The store counts a text's octets in sixteen bits, and nobody notes more than a page.
const GLOBAL_PARAMETER_MAX_BYTES: usize = 32 * 1024;
/// What shows itself as the name of the broker.
const CLUSTER_NAME: &str = "cluster_name";

/// Components that have parameters in `RabbitMQ`, and what they would be.
const MISSING_COMPONENTS: [(&str, &str); 3] = [
    ("shovel", "shovel"),
    ("federation-upstream", "federation"),
    ("federation-upstream-set", "federation"),
];

impl Node {
    /// Notes a value, which is JSON, under a name. True if there was none.
    pub fn set_global_parameter(&self, name: &str, value: &str) -> Change<bool> {
        check_name("global parameter", name)?;
        if value.len() > GLOBAL_PARAMETER_MAX_BYTES {
            return Err(ChangeError::Invalid(format!(
                "global parameter '{name}' has {} octets, more than {GLOBAL_PARAMETER_MAX_BYTES}",
                value.len()
            )));
        }
        if serde_json::from_str::<IgnoredAny>(value).is_err() {
            return Err(ChangeError::Invalid(format!("global parameter '{name}' is not JSON")));
        }
        let _one_at_a_time = self.administration.lock();
        let mut all = self.global_parameters.write();
        if all.len() >= GLOBAL_PARAMETERS_MAX && !all.contains_key(name) {
            let text = format!("there are {GLOBAL_PARAMETERS_MAX} global parameters already");
            return Err(ChangeError::Refused(text));
        }
        let (name, value): (Arc<str>, Arc<str>) = (name.into(), value.into());
        let parameter = GlobalParameterDefinition { name: name.clone(), value: value.clone() };
        self.define(&Definition::GlobalParameter(parameter));
        tracing::info!(%name, "global parameter set");
        self.note_global_parameter(&name, Some(&value));
        Ok(all.insert(name, value).is_none())
    }

    /// Forgets a value.
    pub fn clear_global_parameter(&self, name: &str) -> Change<()> {
        let _one_at_a_time = self.administration.lock();
        let Some((name, value)) = self.global_parameters.write().remove_entry(name) else {
            return Err(ChangeError::NotFound(format!("no global parameter '{name}'")));
        };
        tracing::info!(%name, "global parameter cleared");
        self.note_global_parameter(&name, None);
        self.forget(&Definition::GlobalParameter(GlobalParameterDefinition { name, value }));
        Ok(())
    }

    /// All values, as JSON, by name.
    pub fn global_parameters(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let all = self.global_parameters.read();
        all.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The value under a name, as JSON.
    pub fn global_parameter(&self, name: &str) -> Option<Arc<str>> {
        self.global_parameters.read().get(name).cloned()
    }

    /// What the broker was named, if somebody has named it.
    pub fn cluster_name(&self) -> Option<String> {
        serde_json::from_str(&self.global_parameter(CLUSTER_NAME)?).ok()
    }

    /// A parameter of a component: always refused, and here is why. (Limits and operator policies
    /// have functions of their own.)
    pub fn refuse_parameter(component: &str) -> ChangeError {
        let missing = MISSING_COMPONENTS.iter().find(|(name, _)| *name == component);
        ChangeError::Invalid(match missing {
            Some((_, what)) => format!("component {component} not found: there is no {what} here"),
            None => format!("component {component} not found"),
        })
    }
}
