//! Connections, channels and consumers.

use lapin::options::{BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use rabbitmq_http_client::commons::PaginationParams;

use super::Check;
use crate::trial::{Result, Trial, equal, eventually, holds, refused, wrong};

pub const CHECKS: &[Check] = &[
    ("connection is listed", listed),
    ("connections of a user", of_user),
    ("connection is closed", closed),
    ("connections of a user are closed", closed_of_user),
    ("channel is listed", channel),
    ("consumer is listed", consumer),
];

fn listed(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let (_open, name) = t.connect(&vhost, "guest", "guest")?;
    let info = t.api.get_connection_info(&name)?;
    equal((info.protocol.as_str(), info.username.as_str()), ("AMQP 0-9-1", "guest"))?;
    equal(info.node, t.node()?)?;
    equal(info.state.as_deref(), Some("running"))?;
    holds(info.connected_at > 1_600_000_000_000, format!("{}", info.connected_at))?;
    holds(info.client_port.is_some_and(|port| name.contains(&port.to_string())), "no port")?;
    let Some(capabilities) = info.client_properties.capabilities else {
        return wrong("no capabilities");
    };
    holds(capabilities.basic_nack && capabilities.publisher_confirms, "not told")?;
    equal(t.api.list_connections_in(&vhost)?.len(), 1)?;
    let page = t.api.list_connections_paged(&PaginationParams::first_page_default())?;
    holds(page.iter().any(|each| each.name == name), "not on the first page")
}

fn of_user(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let user = t.user_of(&vhost, "")?;
    let (_open, name) = t.connect(&vhost, &user, "secret")?;
    let mine = t.api.list_user_connections(&user)?;
    equal(mine.len(), 1)?;
    equal((&mine[0].name, &mine[0].username, &mine[0].vhost), (&name, &user, &vhost))
}

fn closed(t: &Trial) -> Result {
    let (open, name) = t.connect(&t.vhost()?, "guest", "guest")?;
    t.api.close_connection(&name, Some("for a check"), false)?;
    eventually("the connection to end", || Ok((!open.status().connected()).then_some(())))?;
    eventually("the connection to be gone", || {
        Ok(t.api.get_connection_info(&name).is_err_and(|error| error.is_not_found()).then_some(()))
    })?;
    refused(404, t.api.close_connection(&name, None, false))?;
    Ok(t.api.close_connection(&name, None, true)?)
}

fn closed_of_user(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let user = t.user_of(&vhost, "")?;
    let (open, _) = t.connect(&vhost, &user, "secret")?;
    t.api.close_user_connections(&user, Some("for a check"), false)?;
    eventually("the connection to end", || Ok((!open.status().connected()).then_some(())))
}

fn channel(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let (open, name) = t.connect(&vhost, "guest", "guest")?;
    let channel = t.wait(open.create_channel())?;
    t.wait(channel.basic_qos(7, BasicQosOptions::default()))?;
    t.wait(channel.confirm_select(ConfirmSelectOptions::default()))?;
    let info = eventually("the channel to be listed", || {
        let all = t.api.list_channels_on(&name).unwrap_or_default();
        Ok(all.into_iter().find(|each| each.has_publisher_confirms_enabled))
    })?;
    equal((info.id, info.consumer_count), (1, 0))?;
    equal(info.name.as_str(), format!("{name} (1)").as_str())?;
    equal((info.vhost.as_str(), info.connection_details.name), (vhost.as_str(), name))?;
    equal(t.api.get_channel_info(&info.name)?.id, 1)?;
    equal(t.api.list_channels_in(&vhost)?.len(), 1)?;
    holds(t.api.list_channels()?.iter().any(|each| each.name == info.name), "not in that of all")?;
    let first = PaginationParams::first_page_default();
    holds(!t.api.list_channels_paged(&first)?.is_empty(), "no channel on the first page")?;
    if t.since((4, 0), "pages of a virtual host's channels").is_ok() {
        equal(t.api.list_channels_in_paged(&vhost, &first)?.len(), 1)?;
    }
    Ok(())
}

fn consumer(t: &Trial) -> Result {
    t.since((4, 0), "the field consumer_timeout of consumers")?;
    let vhost = t.vhost()?;
    let queue = t.queue(&vhost)?;
    let (open, name) = t.connect(&vhost, "guest", "guest")?;
    let channel = t.wait(open.create_channel())?;
    t.wait(channel.basic_qos(3, BasicQosOptions::default()))?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-priority".into(), AMQPValue::LongInt(2));
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(queue.as_str().into(), "tag".into(), options, arguments);
    let _consumer = t.wait(consuming)?;
    let mine = eventually("the consumer to be listed", || {
        Ok(t.api.list_consumers_in(&vhost)?.into_iter().next())
    })?;
    equal((mine.consumer_tag.as_str(), mine.active, mine.manual_ack), ("tag", true, true))?;
    equal((mine.prefetch_count, mine.exclusive), (3, false))?;
    equal((mine.queue.name.as_str(), mine.queue.vhost.as_str()), (queue.as_str(), vhost.as_str()))?;
    equal(mine.arguments["x-priority"].as_i64(), Some(2))?;
    let Some(details) = mine.channel_details else { return wrong("no details of the channel") };
    equal((details.id, details.connection_name, details.username.as_str()), (1, name, "guest"))?;
    holds(!t.api.list_consumers()?.is_empty(), "not in that of all")
}
