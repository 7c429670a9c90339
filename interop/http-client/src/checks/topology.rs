//! Queues, exchanges and bindings.

use rabbitmq_http_client::commons::QueueType;
use rabbitmq_http_client::commons::{BindingDestinationType, ExchangeType, PaginationParams};
use rabbitmq_http_client::requests::{BindingDeletionParams, ExchangeParams, QueueParams};
use rabbitmq_http_client::responses::XArguments;
use serde_json::{Map, json};

use super::Check;
use crate::trial::{Result, Trial, equal, holds, refused, wrong};

pub const CHECKS: &[Check] = &[
    ("queue is declared, listed, deleted", queue_lifecycle),
    ("quorum queue", quorum_queue),
    ("queues by their type", queues_by_type),
    ("queues are listed by pages", queue_pages),
    ("queues with details", queues_with_details),
    ("queues are deleted several at once", queues_deleted),
    ("exchange is declared, listed, deleted", exchange_lifecycle),
    ("exchanges of all types", exchange_types),
    ("exchanges are listed by pages", exchange_pages),
    ("exchanges are deleted several at once", exchanges_deleted),
    ("bindings of a queue", queue_bindings),
    ("bindings of an exchange", exchange_bindings),
    ("binding with arguments is found and deleted", binding_with_arguments),
    ("names that have to be escaped", strange_names),
];

fn queue_lifecycle(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let name = t.name("queue");
    refused(404, t.api.get_queue_info(&vhost, &name))?;
    let params = QueueParams::new_durable_classic_queue(&name, None).with_max_length(5);
    t.api.declare_queue(&vhost, &params)?;
    t.api.declare_queue(&vhost, &params)?;
    let queue = t.api.get_queue_info(&vhost, &name)?;
    equal((queue.durable, queue.auto_delete, queue.exclusive), (true, false, false))?;
    equal(
        (queue.queue_type.as_str(), queue.arguments["x-max-length"].as_u64()),
        ("classic", Some(5)),
    )?;
    equal(queue.node, t.node()?)?;
    holds(t.api.list_queues()?.iter().any(|each| each.name == name), "not in the list of all")?;
    equal(t.api.list_queues_in(&vhost)?.len(), 1)?;
    let other = QueueParams::new(&name, QueueType::Classic, false, false, None);
    refused(400, t.api.declare_queue(&vhost, &other))?;
    t.api.delete_queue(&vhost, &name, false)?;
    refused(404, t.api.delete_queue(&vhost, &name, false))?;
    t.api.delete_queue(&vhost, &name, true)?;
    refused(404, t.api.get_queue_info(&vhost, &name))
}

fn quorum_queue(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    t.api.declare_quorum_queue(&vhost, "quorum")?;
    let queue = t.api.get_queue_info(&vhost, "quorum")?;
    let node = t.node()?;
    equal((queue.queue_type.as_str(), queue.leader.as_deref()), ("quorum", Some(node.as_str())))?;
    equal(queue.members.map(|members| members.contains(&node)), Some(true))?;
    equal(queue.online.map(|online| online.contains(&node)), Some(true))
}

fn queues_by_type(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    t.api.declare_quorum_queue(&vhost, "quorum")?;
    t.api.declare_classic_queue(&vhost, "classic")?;
    equal(t.api.list_quorum_queues_in(&vhost)?[0].name.as_str(), "quorum")?;
    equal(t.api.list_classic_queues_in(&vhost)?[0].name.as_str(), "classic")?;
    holds(!t.api.list_quorum_queues()?.is_empty(), "no quorum queue anywhere")?;
    holds(!t.api.list_classic_queues()?.is_empty(), "no classic queue anywhere")?;
    equal(t.api.list_streams_in(&vhost)?.len(), 0)
}

fn queue_pages(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let mut names: Vec<_> = (0..5).map(|_| t.queue(&vhost)).collect::<Result<_>>()?;
    names.sort();
    let mut seen = Vec::new();
    for page in 1..=3 {
        let params = PaginationParams::new(page, 2);
        seen.extend(t.api.list_queues_in_paged(&vhost, &params)?.into_iter().map(|q| q.name));
    }
    equal(seen, names)?;
    equal(t.api.list_queues_paged(&PaginationParams::first_page(1))?.len(), 1)?;
    refused(400, t.api.list_queues_in_paged(&vhost, &PaginationParams::new(4, 2)))
}

fn queues_with_details(t: &Trial) -> Result {
    t.since((3, 13), "the list with details")?;
    let vhost = t.vhost()?;
    let name = t.queue(&vhost)?;
    let all = t.api.list_queues_with_details()?;
    let Some(queue) = all.iter().find(|each| each.name == name) else { return wrong("not listed") };
    equal((queue.vhost.as_str(), queue.durable, queue.message_count), (vhost.as_str(), true, 0))
}

fn queues_deleted(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let names = [t.queue(&vhost)?, t.queue(&vhost)?];
    t.api.delete_queues(&vhost, &[&names[0], &names[1]], false)?;
    equal(t.api.list_queues_in(&vhost)?.len(), 0)?;
    t.api.delete_queues(&vhost, &[&names[0]], true)?;
    refused(404, t.api.delete_queues(&vhost, &[&names[0]], false))
}

fn exchange_lifecycle(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let arguments = Map::from_iter([("alternate-exchange".to_owned(), json!("amq.fanout"))]);
    let params = ExchangeParams::direct("x", true, false, Some(arguments.clone()));
    t.api.declare_exchange(&vhost, &params)?;
    let exchange = t.api.get_exchange_info(&vhost, "x")?;
    equal((exchange.exchange_type.as_str(), exchange.durable), ("direct", true))?;
    equal(exchange.arguments.0, arguments)?;
    holds(t.api.list_exchanges()?.iter().any(|each| each.vhost == vhost), "not in that of all")?;
    holds(t.api.list_exchanges_in(&vhost)?.iter().any(|each| each.name == "x"), "not listed")?;
    refused(400, t.api.declare_exchange(&vhost, &ExchangeParams::durable_fanout("x", None)))?;
    t.api.delete_exchange(&vhost, "x", false)?;
    refused(404, t.api.delete_exchange(&vhost, "x", false))?;
    t.api.delete_exchange(&vhost, "x", true)?;
    refused(404, t.api.get_exchange_info(&vhost, "x"))
}

fn exchange_types(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    for (name, kind) in [
        ("d", ExchangeType::Direct),
        ("f", ExchangeType::Fanout),
        ("t", ExchangeType::Topic),
        ("h", ExchangeType::Headers),
    ] {
        t.api.declare_exchange(&vhost, &ExchangeParams::durable(name, kind.clone(), None))?;
        let exchange = t.api.get_exchange_info(&vhost, name)?;
        equal(ExchangeType::from(exchange.exchange_type), kind)?;
    }
    let strange = ExchangeType::Plugin("x-strange".to_owned());
    refused(400, t.api.declare_exchange(&vhost, &ExchangeParams::durable("s", strange, None)))
}

fn exchange_pages(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let first = t.api.list_exchanges_in_paged(&vhost, &PaginationParams::first_page(3))?;
    equal(first.len(), 3)?;
    equal(first[0].name.as_str(), "")?;
    equal(t.api.list_exchanges_paged(&PaginationParams::first_page(2))?.len(), 2)
}

fn exchanges_deleted(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let names = [t.exchange(&vhost)?, t.exchange(&vhost)?];
    t.api.delete_exchanges(&vhost, &[&names[0], &names[1]], false)?;
    refused(404, t.api.get_exchange_info(&vhost, &names[0]))
}

fn queue_bindings(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let (queue, exchange) = (t.queue(&vhost)?, t.exchange(&vhost)?);
    t.api.bind_queue(&vhost, &queue, &exchange, Some("a.#"), None)?;
    let of_queue = t.api.list_queue_bindings(&vhost, &queue)?;
    equal(of_queue.len(), 2)?; // with the one to the default exchange
    let Some(binding) = of_queue.iter().find(|each| each.source == exchange) else {
        return wrong(format!("{of_queue:?}"));
    };
    equal(binding.routing_key.as_str(), "a.#")?;
    equal(binding.destination_type.clone(), BindingDestinationType::Queue)?;
    equal(t.api.list_bindings_in(&vhost)?.len(), 2)?;
    holds(t.api.list_bindings()?.iter().any(|each| each.vhost == vhost), "not in that of all")?;
    t.api.delete_binding(&BindingDeletionParams::from_binding_info(binding), false)?;
    refused(404, t.api.delete_binding(&BindingDeletionParams::from_binding_info(binding), false))?;
    t.api.recreate_binding(binding)?;
    equal(t.api.list_exchange_bindings_with_source(&vhost, &exchange)?.len(), 1)
}

fn exchange_bindings(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let (from, to) = (t.exchange(&vhost)?, t.exchange(&vhost)?);
    t.api.bind_exchange(&vhost, &to, &from, None, None)?;
    let out = t.api.list_exchange_bindings_with_source(&vhost, &from)?;
    equal(out.len(), 1)?;
    equal(out[0].properties_key.as_deref(), Some("~"))?;
    let incoming = t.api.list_exchange_bindings_with_destination(&vhost, &to)?;
    equal(incoming.len(), 1)?;
    equal(incoming[0].source.as_str(), from.as_str())?;
    t.api.delete_binding(&BindingDeletionParams::from_binding_info(&out[0]), false)?;
    equal(t.api.list_exchange_bindings_with_source(&vhost, &from)?.len(), 0)
}

fn binding_with_arguments(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let queue = t.queue(&vhost)?;
    let arguments = Map::from_iter([
        ("x-match".to_owned(), json!("any")),
        ("size".to_owned(), json!(3)),
        ("whole".to_owned(), json!(true)),
    ]);
    t.api.bind_queue(&vhost, &queue, "amq.headers", Some(""), Some(arguments.clone()))?;
    t.api.bind_queue(&vhost, &queue, "amq.headers", Some(""), None)?;
    let bindings = t.api.list_exchange_bindings_with_source(&vhost, "amq.headers")?;
    equal(bindings.len(), 2)?;
    let with = bindings.iter().find(|each| each.arguments == XArguments(arguments.clone()));
    let Some(with) = with else { return wrong(format!("{bindings:?}")) };
    t.api.delete_binding(&BindingDeletionParams::from_binding_info(with), false)?;
    let left = t.api.list_exchange_bindings_with_source(&vhost, "amq.headers")?;
    equal(left.len(), 1)?;
    holds(left[0].arguments.is_empty(), "the wrong one was deleted")
}

fn strange_names(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let long = "x".repeat(255);
    for name in ["<script>", "a/b", "%2f", "%", "grün 兎", "a+b c", "?q=1&r=2#f", "'\"\\", &long]
    {
        t.api.declare_classic_queue(&vhost, name)?;
        equal(t.api.get_queue_info(&vhost, name)?.name.as_str(), name)?;
        t.api.declare_exchange(&vhost, &ExchangeParams::durable_fanout(name, None))?;
        equal(t.api.get_exchange_info(&vhost, name)?.name.as_str(), name)?;
        t.api.bind_queue(&vhost, name, name, Some(name), None)?;
        let bindings = t.api.list_exchange_bindings_with_source(&vhost, name)?;
        equal(bindings.len(), 1)?;
        equal(bindings[0].routing_key.as_str(), name)?;
        t.api.delete_binding(&BindingDeletionParams::from_binding_info(&bindings[0]), false)?;
        t.api.delete_exchange(&vhost, name, false)?;
        t.api.delete_queue(&vhost, name, false)?;
    }
    Ok(())
}
