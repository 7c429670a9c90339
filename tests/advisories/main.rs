//! Published holes of brokers, each tried here: the CVE stands with its test. Others are tried
//! where the rest of their subject is: frames and limits (CVE-2026-67235, 66079, 67419), memory
//! (67238, 66072), tls (39304), PROXY protocol (67411), users (CVE-2016-9877).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod doors;
mod logins;
mod names;
mod patience;
mod patterns;
mod requests;
mod rights;
mod secrets;

use amq_protocol::protocol::channel::AMQPMethod as ChannelMethod;
use common::http::Http;
use common::*;
use serde_json::{Value, json};
use warren::access::Tag;
use warren::broker::{NewPassword, UserUpdate};

/// A user whose password is the name.
fn tagged(broker: &OwnBroker, http: &Http, name: &str, tags: &[Tag]) -> Http {
    let update = UserUpdate {
        name: name.to_owned(),
        password: NewPassword::Plain(name.to_owned()),
        tags: Some(tags.to_vec()),
    };
    broker.node().set_user(update).expect("set");
    http.as_user(name, name)
}

/// What the document of the API says is served: verb, path and the operation.
async fn operations(http: &Http) -> Vec<(String, String, Value)> {
    let document = http.get("/api/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().expect("paths").clone();
    let all = paths.into_iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().expect("operations").clone();
        operations.into_iter().map(move |(verb, operation)| (verb, path.clone(), operation))
    });
    let verbs = ["get", "put", "post", "delete"];
    all.filter(|(verb, ..)| verbs.contains(&verb.as_str()))
        .map(|(verb, path, operation)| (verb.to_uppercase(), path, operation))
        .collect()
}

/// The path with these in the place of the virtual host and of everything else.
fn concrete(path: &str, vhost: &str, other: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{vhost}" => vhost,
        part if part.starts_with('{') => other,
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn message(key: &str, payload: &str) -> Value {
    json!({
        "properties": {}, "routing_key": key, "payload": payload, "payload_encoding": "string",
    })
}

/// The broker closes channel 1 with that code, blaming that method; opens it again.
async fn is_refused(peer: &mut Peer, code: u16, ids: (u16, u16)) {
    match peer.next_method_on(1, "channel.close").await {
        AMQPClass::Channel(ChannelMethod::Close(close))
            if (close.reply_code, close.class_id, close.method_id) == (code, ids.0, ids.1) => {}
        other => peer.fail(&format!("channel.close with {code}"), &format!("{other:?}")),
    }
    peer.send(channel_close_ok()).await;
    peer.open_channel(1).await;
}
