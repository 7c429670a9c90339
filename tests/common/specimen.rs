//! One of everything under one name, to be walked over by the routes of the HTTP API.

use serde_json::{Value, json};

use super::OwnBroker;
use super::handshake::Hello;
use super::http::{Answer, Http, part};
use super::methods::consume;
use super::peer::Peer;
use super::replies::consume_ok;
use super::routes::{NEW, Row};

/// A virtual host with its user, and in it an exchange, a queue, bindings, policies, a connection,
/// a channel and a consumer, all of that name; a global parameter too.
pub struct Specimen<'b> {
    broker: &'b OwnBroker,
    /// The administrator.
    http: Http,
    pub name: String,
    /// Goes with it: users and what they may do, in the form of definitions.
    beside: Value,
    node: String,
    port: String,
    connection: String,
    /// What the path of a binding ends with.
    properties: String,
    peer: Option<Peer>,
}

impl<'b> Specimen<'b> {
    pub async fn new(broker: &'b OwnBroker, http: &Http, name: &str, beside: Value) -> Self {
        let node = http.get("/api/overview").await.expect(200).json()["node"].clone();
        let mut new = Self {
            broker,
            http: http.clone(),
            name: name.to_owned(),
            beside,
            node: node.as_str().expect("a name").to_owned(),
            port: http.address().port().to_string(),
            connection: String::new(),
            properties: String::new(),
            peer: None,
        };
        new.restore().await;
        new.restore_beside().await;
        new.connect().await;
        new
    }

    fn definitions(&self) -> Value {
        let name = &self.name;
        let policy = json!({"pattern": "^none$", "definition": {"max-length": 9}});
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        let with = |more: Value, base: &Value| {
            let mut both = base.clone();
            let more = more.as_object().expect("an object").clone();
            both.as_object_mut().expect("an object").extend(more);
            both
        };
        let binding = json!({
            "source": name, "vhost": name, "destination": name, "routing_key": name,
            "arguments": {},
        });
        let operator = json!({
            "component": "operator_policy", "vhost": name, "name": name,
            "value": with(json!({"apply-to": "queues", "priority": 0}), &policy),
        });
        let limits = json!({
            "component": "vhost-limits", "vhost": name, "name": "limits",
            "value": {"max-queues": 1000},
        });
        let kept = json!({"name": name, "vhost": name, "durable": true, "auto_delete": false});
        let exchange = json!({"type": "topic", "internal": false, "arguments": {}});
        json!({
            "vhosts": [{"name": name}],
            "users": [{"name": name, "password": name, "tags": []}],
            "permissions": [
                with(json!({"user": name, "vhost": name}), &all),
                with(json!({"user": "guest", "vhost": name}), &all),
            ],
            "topic_permissions": [
                {"user": name, "vhost": name, "exchange": name, "write": ".*", "read": ".*"},
            ],
            "queues": [with(json!({"arguments": {}}), &kept)],
            "exchanges": [with(exchange, &kept)],
            "bindings": [
                with(json!({"destination_type": "queue"}), &binding),
                with(json!({"destination_type": "exchange"}), &binding),
            ],
            "policies": [with(json!({"vhost": name, "name": name}), &policy)],
            "parameters": [operator, limits],
            "global_parameters": [{"name": name, "value": name}],
        })
    }

    /// Puts back what is missing, and takes away what is too much.
    async fn restore(&mut self) {
        self.http.post("/api/definitions", &self.definitions()).await.expect(204);
        let vhost = part(&self.name);
        let protection = format!("/api/vhosts/{vhost}/deletion/protection");
        self.http.delete(&protection).await.expect(204);
        let bindings = format!("/api/bindings/{vhost}/e/{vhost}/q/{vhost}");
        let bindings = self.http.get(&bindings).await.expect(200).json();
        let properties = bindings[0]["properties_key"].as_str().expect("a text");
        properties.clone_into(&mut self.properties);
    }

    /// What goes with it is gone when its virtual host is.
    async fn restore_beside(&self) {
        self.http.post("/api/definitions", &self.beside).await.expect(204);
    }

    /// Opens its connection, and ends the one before.
    async fn connect(&mut self) {
        self.peer = None;
        let mut peer = self.broker.peer_with(Hello::of(&self.name, &self.name)).await;
        peer.send(consume(&self.name, &self.name)).await;
        peer.expect(consume_ok(&self.name)).await;
        self.connection = format!("{} -> {}", peer.local_address, self.broker.address());
        self.peer = Some(peer);
    }

    /// As it was before that request succeeded.
    pub async fn put_back(&mut self, row: &Row) {
        for path in ["queues", "exchanges"] {
            if row.verb == "PUT" && row.fills.iter().any(|(_, fill)| *fill == NEW) {
                self.http.delete(&format!("/api/{path}/{}/{NEW}", part(&self.name))).await;
            }
        }
        self.restore().await;
        if row.verb == "DELETE" && row.path == "/api/vhosts/{name}" {
            self.restore_beside().await;
        }
        if row.is_rough() {
            self.connect().await;
        }
    }

    /// The path of a row, with what it names being this.
    pub fn path(&self, row: &Row) -> String {
        self.path_with(row, |_| None)
    }

    /// The same in another virtual host.
    pub fn path_in(&self, row: &Row, vhost: &str) -> String {
        let is_vhost = |parameter: &str| {
            ["vhost", "in"].contains(&parameter)
                || (parameter == "name" && row.path.starts_with("/api/vhosts/"))
        };
        self.path_with(row, |parameter| is_vhost(parameter).then(|| part(vhost)))
    }

    /// The same with other parameters, which are put in as they are.
    pub fn path_with(&self, row: &Row, other: impl Fn(&str) -> Option<String>) -> String {
        let parts = row.path.split('/').map(|piece| {
            let parameter = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}'));
            let Some(parameter) = parameter else { return piece.to_owned() };
            other(parameter).unwrap_or_else(|| part(&self.fill(row, parameter)))
        });
        parts.collect::<Vec<_>>().join("/")
    }

    fn fill(&self, row: &Row, parameter: &str) -> String {
        if let Some((_, fill)) = row.fills.iter().find(|(name, _)| *name == parameter) {
            return (*fill).to_owned();
        }
        match parameter {
            "node" => self.node.clone(),
            "port" => self.port.clone(),
            "connection" => self.connection.clone(),
            "channel" => format!("{} (1)", self.connection),
            "properties" => self.properties.clone(),
            "vhost" | "in" | "queue" | "exchange" | "source" | "destination" | "user" | "name"
            | "tag" | "password" => self.name.clone(),
            other => panic!("{}: what is {{{other}}}?", row.path),
        }
    }

    /// Sends the request of a row to a path.
    pub async fn send(&self, row: &Row, who: &Http, path: &str) -> Answer {
        let body = row.body.map(|body| body(&self.name).to_string()).unwrap_or_default();
        who.request(row.verb, path, &[], body.as_bytes()).await
    }
}
