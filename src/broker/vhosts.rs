//! Virtual hosts come and go, and what is said about them changes.
//!
//! Each change is checked, logged, told to the store and in force at once; it is on disk when
//! [`Node::definitions_on_disk`] returns. Knows nothing of where the wish comes from.

use std::sync::Arc;

use super::change_error::{Change, ChangeError};
use super::users::check_tags;
use super::{Node, check_name};
use crate::outbox::Wakes;
use crate::queue::QueueKind;
use crate::vhost::{VhostLimit, VhostMetadata, VhostSettings, VirtualHost};

/// Each has its own exchanges and policies; some hundreds are many.
const VHOSTS_MAX: usize = 10_000;
/// What it is for fits in a line.
const DESCRIPTION_MAX_BYTES: usize = 4096;

impl Node {
    /// Whether a virtual host could have that name and that said about it.
    pub fn check_vhost(name: &str, metadata: &VhostMetadata) -> Change<()> {
        check_name("vhost", name)?;
        check_tags(metadata.tags.iter().map(|tag| &**tag))?;
        if metadata.description.len() > DESCRIPTION_MAX_BYTES {
            let text = format!("a description has at most {DESCRIPTION_MAX_BYTES} octets");
            return Err(ChangeError::Invalid(text));
        }
        Ok(())
    }

    /// Makes a virtual host, or changes what is said about one. True if there was none.
    pub fn create_vhost(&self, name: &str, metadata: VhostMetadata) -> Change<bool> {
        Self::check_vhost(name, &metadata)?;
        let _one_at_a_time = self.administration.lock();
        if let Ok(vhost) = self.existing_vhost(name) {
            tracing::info!(vhost = name, ?metadata, "vhost changed");
            let settings = VhostSettings { metadata, ..VhostSettings::clone(&vhost.settings()) };
            vhost.set_settings(settings, &mut Wakes::default());
            self.note_vhost("vhost.updated", &vhost);
            return Ok(false);
        }
        if self.vhosts.len() >= VHOSTS_MAX {
            return Err(ChangeError::Refused(format!("there are {VHOSTS_MAX} vhosts already")));
        }
        tracing::info!(vhost = name, ?metadata, "vhost created");
        let settings = VhostSettings { metadata, ..VhostSettings::default() };
        let definition = settings.definition(&name.into());
        // First, so that the store knows it before anything in it.
        self.define(&definition);
        self.add_vhost(name, settings).map_err(|error| ChangeError::Invalid(error.to_string()))?;
        if let Ok(vhost) = self.existing_vhost(name) {
            vhost.announce_exchanges();
            self.note_vhost("vhost.created", &vhost);
        }
        Ok(true)
    }

    /// Deletes a virtual host with everything in it, and closes the connections to it.
    pub fn delete_vhost(&self, name: &str) -> Change<()> {
        let _one_at_a_time = self.administration.lock();
        let vhost = self.existing_vhost(name)?;
        if vhost.settings().protected {
            let text = format!("vhost '{name}' is protected from deletion");
            return Err(ChangeError::Refused(text));
        }
        self.vhosts.remove(name);
        let text = format!("vhost '{name}' is deleted");
        self.close_connections_to(name, &text);
        vhost.close(&mut Wakes::default());
        self.forget_permissions(&self.access.remove_vhost(name));
        // Last, so that nothing in it is ever left without it.
        self.forget(&vhost.settings().definition(vhost.name()));
        tracing::info!(vhost = name, "vhost deleted");
        self.note_user("vhost.deleted", name);
        Ok(())
    }

    /// All virtual hosts, by name.
    pub fn vhosts(&self) -> Vec<Arc<VirtualHost>> {
        let mut all: Vec<_> = self.vhosts.iter().map(|vhost| vhost.value().clone()).collect();
        all.sort_by(|one, other| one.name().cmp(other.name()));
        all
    }

    /// What is said about a virtual host.
    pub fn vhost_settings(&self, name: &str) -> Change<Arc<VhostSettings>> {
        Ok(self.existing_vhost(name)?.settings())
    }

    /// Limits how much of something there may be in a virtual host; negative for any number.
    pub fn set_vhost_limit(&self, name: &str, limit: VhostLimit, value: i64) -> Change<()> {
        self.change_vhost_limit(name, limit, Some(value))?;
        tracing::info!(vhost = name, limit = limit.name(), value, "vhost limit set");
        Ok(())
    }

    /// Lifts a limit of a virtual host; one that there is not is lifted already.
    pub fn clear_vhost_limit(&self, name: &str, limit: VhostLimit) -> Change<()> {
        self.change_vhost_limit(name, limit, None)?;
        tracing::info!(vhost = name, limit = limit.name(), "vhost limit cleared");
        Ok(())
    }

    /// Says whether a virtual host may be deleted.
    pub fn protect_vhost(&self, name: &str, protected: bool) -> Change<()> {
        self.change_vhost(name, |settings| settings.protected = protected)?;
        tracing::info!(vhost = name, protected, "vhost protection set");
        Ok(())
    }

    /// The type of queue of that name, as a virtual host's default.
    pub fn default_queue_type(name: &str) -> Change<QueueKind> {
        QueueKind::from_name(name).ok_or_else(|| {
            let text = format!("unsupported queue type '{name}': it must be classic or quorum");
            ChangeError::Invalid(text)
        })
    }

    fn change_vhost_limit(&self, name: &str, limit: VhostLimit, value: Option<i64>) -> Change<()> {
        self.change_vhost(name, |settings| {
            settings.limits = settings.limits.with(limit, value);
            self.note_vhost_limits(name, settings.limits);
        })
    }

    fn change_vhost(&self, name: &str, change: impl FnOnce(&mut VhostSettings)) -> Change<()> {
        let _one_at_a_time = self.administration.lock();
        let vhost = self.existing_vhost(name)?;
        let mut settings = VhostSettings::clone(&vhost.settings());
        change(&mut settings);
        vhost.set_settings(settings, &mut Wakes::default());
        Ok(())
    }

    fn existing_vhost(&self, name: &str) -> Change<Arc<VirtualHost>> {
        let found = self.vhosts.get(name).map(|vhost| vhost.value().clone());
        found.ok_or_else(|| ChangeError::NoVhost(name.to_owned()))
    }
}
