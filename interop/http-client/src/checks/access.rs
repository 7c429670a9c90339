//! Users, their limits, permissions and topic permissions.

use rabbitmq_http_client::commons::{PaginationParams, UserLimitTarget};
use rabbitmq_http_client::requests::{EnforcedLimitParams, Permissions, TopicPermissions};
use rabbitmq_http_client::requests::{PolicyParams, UserParams};
use serde_json::{Map, json};

use super::Check;
use crate::trial::{Result, Trial, equal, holds, refused, wrong};

pub const CHECKS: &[Check] = &[
    ("user is created, listed, deleted", lifecycle),
    ("users are listed by pages", pages),
    ("users are deleted in bulk", bulk),
    ("users without permissions", without_permissions),
    ("current user", current_user),
    ("tags of a user count", tags),
    ("limits of a user", limits),
    ("permissions", permissions),
    ("topic permissions", topic_permissions),
];

fn lifecycle(t: &Trial) -> Result {
    let name = t.user("management,mine")?;
    let user = t.api.get_user(&name)?;
    equal(user.tags.0, ["management", "mine"])?;
    equal(user.password_hash.map(|hash| hash.as_str().len()), Some(48))?;
    holds(t.api.list_users()?.iter().any(|each| each.name == name), "not listed")?;
    Trial::as_user(&name, "secret").overview()?;
    refused(401, Trial::as_user(&name, "wrong").overview())?;
    t.api.create_user(&UserParams::without_tags(&name, ""))?;
    equal(t.api.get_user(&name)?.tags.0.len(), 0)?;
    refused(401, Trial::as_user(&name, "secret").overview())?;
    t.api.delete_user(&name, false)?;
    refused(404, t.api.get_user(&name))?;
    refused(404, t.api.delete_user(&name, false))?;
    Ok(t.api.delete_user(&name, true)?)
}

fn pages(t: &Trial) -> Result {
    t.since((4, 0), "pages of users")?;
    let name = t.user("")?;
    let mut params = PaginationParams::first_page(1);
    loop {
        let page = t.api.list_users_paged(&params)?;
        equal(page.len(), 1)?;
        if page.iter().any(|each| each.name == name) {
            return Ok(());
        }
        let Some(next) = params.next_page() else { return wrong("no next page") };
        params = next;
    }
}

fn bulk(t: &Trial) -> Result {
    let names = [t.user("")?, t.user("")?];
    t.api.delete_users(names.iter().map(String::as_str).collect())?;
    let left = t.api.list_users()?;
    holds(!left.iter().any(|each| names.contains(&each.name)), "not deleted")
}

fn without_permissions(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let (with, without) = (t.user_of(&vhost, "")?, t.user("")?);
    let listed = t.api.list_users_without_permissions()?;
    let has = |name: &str| listed.iter().any(|each| each.name == name);
    equal((has(&with), has(&without)), (false, true))
}

fn current_user(t: &Trial) -> Result {
    let name = t.user("monitoring")?;
    let user = Trial::as_user(&name, "secret").current_user()?;
    equal(user.name, name)?;
    equal(user.tags.0, ["monitoring"])
}

fn tags(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let of = |tags: &str| -> Result<_> { Ok(Trial::as_user(&t.user_of(&vhost, tags)?, "secret")) };
    refused(401, of("")?.overview())?;
    let key = ("max-length".to_owned(), json!(1));
    let management = of("management")?;
    management.overview()?;
    equal(management.list_vhosts()?.len(), 1)?;
    refused(401, management.list_nodes())?;
    let policy = PolicyParams::new(&vhost, "p", ".", Map::from_iter([key]));
    refused(401, management.declare_policy(&policy))?;
    of("policymaker")?.declare_policy(&policy)?;
    let monitoring = of("monitoring")?;
    refused(401, monitoring.list_users())?;
    refused(401, monitoring.export_cluster_wide_definitions())?;
    holds(monitoring.list_vhosts()?.len() > 1, "monitoring sees all virtual hosts")?;
    holds(!of("administrator")?.list_users()?.is_empty(), "no users")
}

fn limits(t: &Trial) -> Result {
    let name = t.user("")?;
    let channels = EnforcedLimitParams::new(UserLimitTarget::MaxChannels, 3);
    t.api.set_user_limit(&name, channels)?;
    let connections = EnforcedLimitParams::new(UserLimitTarget::MaxConnections, 2);
    t.api.set_user_limit(&name, connections)?;
    let of_one = t.api.list_user_limits(&name)?;
    equal(of_one.len(), 1)?;
    let limits = &of_one[0].limits;
    equal(
        (limits["max-channels"].as_i64(), limits["max-connections"].as_i64()),
        (Some(3), Some(2)),
    )?;
    let all = t.api.list_all_user_limits()?;
    holds(all.iter().any(|each| each.username == name), "not in the list of all")?;
    t.api.clear_user_limit(&name, UserLimitTarget::MaxChannels)?;
    t.api.clear_user_limit(&name, UserLimitTarget::MaxConnections)?;
    let left = t.api.list_user_limits(&name)?;
    holds(left.iter().all(|each| each.limits.is_empty()), format!("{left:?}"))
}

fn permissions(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let user = t.user("")?;
    let wanted = Permissions { user: &user, vhost: &vhost, configure: "^a", write: "", read: ".*" };
    t.api.declare_permissions(&wanted)?;
    let got = t.api.get_permissions(&vhost, &user)?;
    equal((got.configure.as_str(), got.write.as_str(), got.read.as_str()), ("^a", "", ".*"))?;
    holds(t.api.list_permissions()?.contains(&got), "not in the list of all")?;
    holds(t.api.list_permissions_in(&vhost)?.contains(&got), "not in that of the vhost")?;
    equal(t.api.list_permissions_of(&user)?, [got])?;
    t.api.grant_full_permissions(&user, &vhost)?;
    equal(t.api.get_permissions(&vhost, &user)?.configure.as_str(), ".*")?;
    t.api.clear_permissions(&vhost, &user, false)?;
    refused(404, t.api.get_permissions(&vhost, &user))?;
    refused(404, t.api.clear_permissions(&vhost, &user, false))?;
    t.api.clear_permissions(&vhost, &user, true)?;
    let bad = Permissions { user: &user, vhost: &vhost, configure: "(", write: "", read: "" };
    refused(400, t.api.declare_permissions(&bad))?;
    refused(400, t.api.declare_permissions(&Permissions::full_access("no such user", &vhost)))
}

fn topic_permissions(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let user = t.user_of(&vhost, "")?;
    let exchange = t.exchange(&vhost)?;
    let wanted = TopicPermissions {
        user: &user,
        vhost: &vhost,
        exchange: &exchange,
        write: "^{username}",
        read: ".*",
    };
    t.api.declare_topic_permissions(&wanted)?;
    let in_vhost = t.api.list_topic_permissions_in(&vhost)?;
    equal(in_vhost.len(), 1)?;
    equal(in_vhost[0].write.as_str(), "^{username}")?;
    equal(in_vhost[0].exchange.as_str(), exchange.as_str())?;
    holds(t.api.list_topic_permissions()?.contains(&in_vhost[0]), "not in the list of all")?;
    equal(t.api.list_topic_permissions_of(&user)?, in_vhost)?;
    t.api.clear_topic_permissions(&vhost, &user, false)?;
    equal(t.api.list_topic_permissions_of(&user)?.len(), 0)
}
