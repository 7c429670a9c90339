//! Publishing, getting and purging.

use rabbitmq_http_client::requests::MessageProperties;
use serde_json::{Map, json};

use super::Check;
use crate::trial::{Result, Trial, equal, eventually, refused};

pub const CHECKS: &[Check] = &[
    ("message is published and got", publish_and_get),
    ("unroutable message", unroutable),
    ("message that is requeued", requeued),
    ("getting with an unknown mode", unknown_ack_mode),
    ("getting and publishing where nothing is", missing),
    ("purging a queue", purge),
    ("messages are counted", counts),
];

fn publish(t: &Trial, vhost: &str, key: &str, payload: &str) -> Result<bool> {
    let none = MessageProperties::default();
    Ok(t.api.publish_message(vhost, "", key, payload, none)?.routed)
}

fn publish_and_get(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let queue = t.queue(&vhost)?;
    let properties = Map::from_iter([
        ("content_type".to_owned(), json!("text/plain")),
        ("delivery_mode".to_owned(), json!(2)),
        ("headers".to_owned(), json!({"n": 1, "s": "t", "a": [true]})),
    ]);
    let routed = t.api.publish_message(&vhost, "", &queue, "grün", properties.clone())?;
    equal(routed.routed, true)?;
    let got = t.api.get_messages(&vhost, &queue, 3, "ack_requeue_false")?;
    equal(got.len(), 1)?;
    equal((got[0].payload.as_str(), got[0].payload_bytes), ("grün", 5))?;
    equal((got[0].redelivered, got[0].message_count), (false, 0))?;
    equal((got[0].exchange.as_str(), got[0].routing_key.as_str()), ("", queue.as_str()))?;
    equal(got[0].properties.0.clone(), properties)
}

fn unroutable(t: &Trial) -> Result {
    equal(publish(t, &t.vhost()?, "nobody", "lost")?, false)
}

fn requeued(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let queue = t.queue(&vhost)?;
    publish(t, &vhost, &queue, "again")?;
    for redelivered in [false, true] {
        let got = t.api.get_messages(&vhost, &queue, 1, "ack_requeue_true")?;
        equal((got[0].redelivered, got[0].properties.0.len()), (redelivered, 0))?;
    }
    equal(t.api.get_messages(&vhost, &queue, 1, "reject_requeue_true")?.len(), 1)?;
    equal(t.api.get_messages(&vhost, &queue, 1, "reject_requeue_false")?.len(), 1)?;
    equal(t.api.get_messages(&vhost, &queue, 1, "ack_requeue_true")?.len(), 0)
}

fn unknown_ack_mode(t: &Trial) -> Result {
    t.since((4, 0), "an answer to it that is no internal error")?;
    let vhost = t.vhost()?;
    let queue = t.queue(&vhost)?;
    refused(400, t.api.get_messages(&vhost, &queue, 1, "nonsense"))
}

fn missing(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    refused(404, t.api.get_messages(&vhost, "missing", 1, "ack_requeue_true"))?;
    let none = MessageProperties::default();
    refused(400, t.api.publish_message(&vhost, "missing", "k", "m", none))
}

fn purge(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let queue = t.queue(&vhost)?;
    publish(t, &vhost, &queue, "gone")?;
    t.api.purge_queue(&vhost, &queue)?;
    equal(t.api.get_messages(&vhost, &queue, 1, "ack_requeue_true")?.len(), 0)?;
    refused(404, t.api.purge_queue(&vhost, "missing"))
}

fn counts(t: &Trial) -> Result {
    let vhost = t.vhost()?;
    let queue = t.queue(&vhost)?;
    for _ in 0..3 {
        publish(t, &vhost, &queue, "12345")?;
    }
    eventually("three messages to be counted", || {
        let info = t.api.get_queue_info(&vhost, &queue)?;
        let counted = (info.message_count, info.message_bytes, info.message_bytes_ready);
        let totals = t.api.overview()?.queue_totals;
        Ok((counted == (3, 15, 15) && totals.messages >= 3).then_some(()))
    })
}
