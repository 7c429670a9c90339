//! Virtual hosts and their limits.

use rabbitmq_http_client::commons::{PaginationParams, QueueType, VirtualHostLimitTarget};
use rabbitmq_http_client::requests::{EnforcedLimitParams, QueueParams, VirtualHostParams};

use super::Check;
use crate::trial::{Result, Trial, equal, holds, refused, wrong};

pub const CHECKS: &[Check] = &[
    ("vhost is created, listed, updated, deleted", lifecycle),
    ("vhosts are listed by pages", pages),
    ("default queue type of a vhost", default_queue_type),
    ("protection of a vhost from deletion", protection),
    ("limits of a vhost", limits),
];

fn lifecycle(t: &Trial) -> Result {
    let name = t.vhost_name();
    refused(404, t.api.get_vhost(&name))?;
    let mut params = VirtualHostParams::named(&name);
    params.description = Some("for a check");
    params.tags = Some(vec!["a", "b"]);
    t.api.create_vhost(&params)?;
    let vhost = t.api.get_vhost(&name)?;
    equal(vhost.description.as_deref(), Some("for a check"))?;
    equal(vhost.tags.map(|tags| tags.0), Some(vec!["a".to_owned(), "b".to_owned()]))?;
    params.description = Some("changed");
    t.api.update_vhost(&params)?;
    let listed = t.api.list_vhosts()?.into_iter().find(|each| each.name == name);
    let Some(listed) = listed else { return wrong("the virtual host is not listed") };
    equal(listed.description.as_deref(), Some("changed"))?;
    let metadata = listed.metadata.and_then(|metadata| metadata.description);
    equal(metadata.as_deref(), Some("changed"))?;
    t.api.delete_vhost(&name, false)?;
    refused(404, t.api.delete_vhost(&name, false))?;
    t.api.delete_vhost(&name, true)?;
    refused(404, t.api.get_vhost(&name))
}

fn pages(t: &Trial) -> Result {
    t.since((4, 0), "pages of virtual hosts")?;
    let name = t.vhost()?;
    let mut params = PaginationParams::first_page(1);
    loop {
        let page = t.api.list_vhosts_paged(&params)?;
        equal(page.len(), 1)?;
        if page.iter().any(|each| each.name == name) {
            return Ok(());
        }
        let Some(next) = params.next_page() else { return wrong("no next page") };
        params = next;
    }
}

fn default_queue_type(t: &Trial) -> Result {
    t.since((3, 11), "default queue types")?;
    let name = t.vhost_name();
    let mut params = VirtualHostParams::named(&name);
    params.default_queue_type = Some(QueueType::Quorum);
    t.api.create_vhost(&params)?;
    equal(t.api.get_vhost(&name)?.default_queue_type.as_deref(), Some("quorum"))
}

fn protection(t: &Trial) -> Result {
    t.since((4, 0), "protection from deletion")?;
    let name = t.vhost()?;
    t.api.enable_vhost_deletion_protection(&name)?;
    let protected = t.api.get_vhost(&name)?.protected_from_deletion;
    let deletion = t.api.delete_vhost(&name, false);
    t.api.disable_vhost_deletion_protection(&name)?;
    equal(protected, Some(true))?;
    refused(412, deletion)?;
    equal(t.api.get_vhost(&name)?.protected_from_deletion, Some(false))?;
    Ok(t.api.delete_vhost(&name, false)?)
}

fn limits(t: &Trial) -> Result {
    let name = t.vhost()?;
    let queues = EnforcedLimitParams::new(VirtualHostLimitTarget::MaxQueues, 1);
    t.api.set_vhost_limit(&name, queues)?;
    let connections = EnforcedLimitParams::new(VirtualHostLimitTarget::MaxConnections, 5);
    t.api.set_vhost_limit(&name, connections)?;
    let of_one = t.api.list_vhost_limits(&name)?;
    equal(of_one.len(), 1)?;
    let limits = &of_one[0].limits;
    equal((limits["max-queues"].as_i64(), limits["max-connections"].as_i64()), (Some(1), Some(5)))?;
    let all = t.api.list_all_vhost_limits()?;
    holds(all.iter().any(|each| each.vhost == name), "not in the list of all")?;
    t.queue(&name)?;
    let more = QueueParams::new_durable_classic_queue("more", None);
    refused(400, t.api.declare_queue(&name, &more))?;
    t.api.clear_vhost_limit(&name, VirtualHostLimitTarget::MaxQueues)?;
    t.api.declare_queue(&name, &more)?;
    t.api.clear_vhost_limit(&name, VirtualHostLimitTarget::MaxConnections)?;
    let left = t.api.list_vhost_limits(&name)?;
    holds(left.iter().all(|each| each.limits.is_empty()), format!("{left:?}"))
}
