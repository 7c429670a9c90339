//! Every route of the HTTP API, with a request that succeeds and whom it is for.
//!
//! Written down a second time on purpose: the broker's own table says who may use a route, and a
//! mistake there would otherwise be a mistake here. A route without a row fails the tests.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::Rule::*;
use super::http::Http;

/// Whom a request succeeds for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// Everybody.
    Anyone,
    /// Users with one of the four tags of management.
    Manages,
    /// Users who monitor, and administrators.
    Monitors,
    Administrates,
    /// Who manages, and either monitors or has permissions in the virtual host.
    Visible,
    /// Who manages, has permissions in the virtual host, and these rights (of `c`, `w`, `r`).
    Rights(&'static str),
    /// Who manages, and either administrates or has permissions in the virtual host.
    MemberOrAdministrates,
    /// Policymakers and administrators.
    MakesPolicies,
    /// Policymakers with permissions in the virtual host, and administrators.
    MakesPoliciesHere,
    /// Whoever it belongs to, and who monitors.
    Sees,
    /// Whoever it belongs to, and administrators.
    Controls,
    /// The same, with permissions in the virtual host.
    ControlsHere,
}

/// What a rule asks of a user.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub tags: &'a [&'a str],
    /// Of `c`, `w`, `r`; `None` for somebody without any permission in the virtual host.
    pub rights: Option<&'a str>,
}

impl Standing<'_> {
    fn has(&self, tags: &[&str]) -> bool {
        self.tags.iter().any(|tag| tags.contains(tag))
    }

    pub fn monitors(&self) -> bool {
        self.has(&["monitoring", "administrator"])
    }
}

impl Rule {
    /// Whether it lets in somebody to whom nothing belongs.
    pub fn allows(self, who: &Standing<'_>) -> bool {
        let manages = who.has(&["management", "policymaker", "monitoring", "administrator"]);
        let administrates = who.has(&["administrator"]);
        let is_member = who.rights.is_some();
        match self {
            Anyone => true,
            Manages => manages,
            Monitors | Sees => who.monitors(),
            Administrates | Controls => administrates,
            Visible => manages && (is_member || who.monitors()),
            Rights(needed) => {
                manages
                    && who.rights.is_some_and(|has| needed.chars().all(|right| has.contains(right)))
            }
            MemberOrAdministrates => administrates || (manages && is_member),
            MakesPolicies => administrates || who.has(&["policymaker"]),
            MakesPoliciesHere => administrates || (who.has(&["policymaker"]) && is_member),
            ControlsHere => administrates && is_member,
        }
    }
}

/// A request that succeeds, given that there is one of everything under one name.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub verb: &'static str,
    pub path: &'static str,
    pub rule: Rule,
    /// Parameters of the path that are not that name.
    pub fills: &'static [(&'static str, &'static str)],
    /// What it is sent with, made of that name.
    pub body: Option<fn(&str) -> Value>,
}

impl Row {
    const fn with(self, fills: &'static [(&'static str, &'static str)]) -> Self {
        Self { fills, ..self }
    }

    const fn sends(self, body: fn(&str) -> Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// What tells its route from others.
    pub fn key(&self) -> (String, String) {
        (self.verb.to_owned(), self.path.to_owned())
    }

    /// The names of the parameters in the path.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Whether the path names a virtual host.
    pub fn is_placed(&self) -> bool {
        self.path.starts_with("/api/vhosts/{name}")
            || self.parameters().any(|name| ["vhost", "in"].contains(&name))
    }

    /// Whether it can end connections or consumers.
    pub fn is_rough(&self) -> bool {
        self.verb == "DELETE" || self.path.ends_with("/bulk-delete")
    }
}

const fn row(verb: &'static str, path: &'static str, rule: Rule) -> Row {
    Row { verb, path, rule, fills: &[], body: None }
}

const fn get(path: &'static str, rule: Rule) -> Row {
    row("GET", path, rule)
}

const fn put(path: &'static str, rule: Rule) -> Row {
    row("PUT", path, rule)
}

const fn post(path: &'static str, rule: Rule) -> Row {
    row("POST", path, rule)
}

const fn delete(path: &'static str, rule: Rule) -> Row {
    row("DELETE", path, rule)
}

/// All of them, by kind of object.
pub fn all() -> impl Iterator<Item = &'static Row> {
    [ABOUT, TOPOLOGY, CLIENTS, PLACES, USERS, RULES, HEALTH].into_iter().flatten()
}

/// The routes that the broker tells of, with every status that each may answer.
pub async fn told(http: &Http) -> BTreeMap<(String, String), Vec<u16>> {
    let document = http.get("/api/openapi.json").await.expect(200).json();
    let mut told = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (verb, operation) in operations.as_object().expect("operations") {
            let statuses = operation["responses"].as_object().expect("responses").keys();
            let statuses = statuses.map(|status| status.parse().expect("a status")).collect();
            told.insert((verb.to_uppercase(), path.clone()), statuses);
        }
    }
    told
}

/// An object that is not there yet.
pub const NEW: &str = "new";

static ABOUT: &[Row] = &[
    get("/api/openapi.json", Anyone),
    get("/api/auth", Anyone),
    get("/api/whoami", Manages),
    get("/api/version", Manages),
    get("/api/extensions", Manages),
    get("/api/overview", Manages),
    get("/api/cluster-name", Manages),
    put("/api/cluster-name", Administrates).sends(|name| json!({"name": name})),
    get("/api/auth/hash_password/{password}", Administrates),
    get("/api/auth/attempts/{node}", Monitors),
    get("/api/nodes", Monitors),
    get("/api/nodes/{node}", Monitors),
    get("/api/nodes/{node}/memory", Monitors),
    get("/api/feature-flags", Administrates),
    put("/api/feature-flags/{name}/enable", Administrates).with(&[("name", "user_limits")]),
    get("/api/deprecated-features", Administrates),
    get("/api/deprecated-features/used", Administrates),
    get("/api/config/effective", Administrates),
    get("/api/federation-links", Monitors),
    get("/api/federation-links/{vhost}", Monitors),
    get("/api/shovels", Monitors),
    get("/api/shovels/{vhost}", Monitors),
    get("/metrics", Monitors),
    get("/metrics/per-object", Monitors),
    get("/metrics/detailed", Monitors),
];

static TOPOLOGY: &[Row] = &[
    get("/api/queues", Manages),
    get("/api/queues/detailed", Manages),
    get("/api/queues/{vhost}", Visible),
    get("/api/queues/{vhost}/{queue}", Visible),
    get("/api/queues/{vhost}/{queue}/bindings", Visible),
    put("/api/queues/{vhost}/{queue}", Rights("c")).sends(|_| json!({"durable": true})),
    put("/api/queues/{vhost}/{queue}", Rights("cwr"))
        .with(&[("queue", NEW)])
        .sends(|name| json!({"arguments": {"x-dead-letter-exchange": name}})),
    post("/api/queues/{vhost}/{queue}/get", Rights("r"))
        .sends(|_| json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"})),
    delete("/api/queues/{vhost}/{queue}/contents", Rights("r")),
    delete("/api/queues/{vhost}/{queue}", Rights("c")),
    post("/api/rebalance/queues", Administrates),
    get("/api/exchanges", Manages),
    get("/api/exchanges/{vhost}", Visible),
    get("/api/exchanges/{vhost}/{exchange}", Visible),
    get("/api/exchanges/{vhost}/{exchange}/bindings/source", Visible),
    get("/api/exchanges/{vhost}/{exchange}/bindings/destination", Visible),
    put("/api/exchanges/{vhost}/{exchange}", Rights("c"))
        .sends(|_| json!({"type": "topic", "durable": true})),
    put("/api/exchanges/{vhost}/{exchange}", Rights("cwr"))
        .with(&[("exchange", NEW)])
        .sends(|name| json!({"arguments": {"alternate-exchange": name}})),
    post("/api/exchanges/{vhost}/{exchange}/publish", Rights("w")).sends(|name| {
        json!({
            "properties": {}, "routing_key": name, "payload": name, "payload_encoding": "string",
        })
    }),
    delete("/api/exchanges/{vhost}/{exchange}", Rights("c")),
    get("/api/bindings", Manages),
    get("/api/bindings/{vhost}", Visible),
    get("/api/bindings/{vhost}/e/{source}/q/{destination}", Visible),
    get("/api/bindings/{vhost}/e/{source}/e/{destination}", Visible),
    get("/api/bindings/{vhost}/e/{source}/q/{destination}/{properties}", Visible),
    get("/api/bindings/{vhost}/e/{source}/e/{destination}/{properties}", Visible),
    post("/api/bindings/{vhost}/e/{source}/q/{destination}", Rights("wr"))
        .sends(|name| json!({"routing_key": name})),
    post("/api/bindings/{vhost}/e/{source}/e/{destination}", Rights("wr"))
        .sends(|name| json!({"routing_key": name})),
    delete("/api/bindings/{vhost}/e/{source}/q/{destination}/{properties}", Rights("wr")),
    delete("/api/bindings/{vhost}/e/{source}/e/{destination}/{properties}", Rights("wr")),
];

static CLIENTS: &[Row] = &[
    get("/api/connections", Manages),
    get("/api/vhosts/{vhost}/connections", Visible),
    get("/api/connections/username/{user}", Manages),
    get("/api/connections/{connection}", Sees),
    get("/api/connections/{connection}/channels", Sees),
    get("/api/channels", Manages),
    get("/api/vhosts/{vhost}/channels", Visible),
    get("/api/channels/{channel}", Sees),
    get("/api/consumers", Manages),
    get("/api/consumers/{vhost}", Visible),
    delete("/api/consumers/{vhost}/{connection}/{channel}/{tag}", ControlsHere)
        .with(&[("channel", "1")]),
    delete("/api/connections/{connection}", Controls),
    delete("/api/connections/username/{user}", Controls),
];

static PLACES: &[Row] = &[
    get("/api/vhosts", Manages),
    get("/api/vhosts/{name}", Visible),
    put("/api/vhosts/{name}", Administrates).sends(|name| json!({"description": name})),
    get("/api/vhosts/{name}/permissions", Administrates),
    get("/api/vhosts/{name}/topic-permissions", Administrates),
    post("/api/vhosts/{name}/start/{node}", Administrates),
    get("/api/vhost-limits", Manages),
    get("/api/vhost-limits/{vhost}", Visible),
    put("/api/vhost-limits/{vhost}/{name}", Administrates)
        .with(&[("name", "max-queues")])
        .sends(|_| json!({"value": 1000})),
    delete("/api/vhost-limits/{vhost}/{name}", Administrates).with(&[("name", "max-queues")]),
    get("/api/aliveness-test/{vhost}", Rights("cwr")),
    get("/api/definitions", Administrates),
    get("/api/definitions/{vhost}", Administrates),
    get("/api/all-configuration", Administrates),
    post("/api/definitions", Administrates).sends(|name| json!({"vhosts": [{"name": name}]})),
    post("/api/definitions/{vhost}", Administrates)
        .sends(|name| json!({"queues": [{"name": name, "durable": true}]})),
    post("/api/all-configuration", Administrates).sends(|name| json!({"vhosts": [{"name": name}]})),
    post("/api/vhosts/{name}/deletion/protection", Administrates),
    delete("/api/vhosts/{name}/deletion/protection", Administrates),
    delete("/api/vhosts/{name}", Administrates),
];

static USERS: &[Row] = &[
    get("/api/users", Administrates),
    get("/api/users/without-permissions", Administrates),
    get("/api/users/{user}", Administrates),
    get("/api/users/{user}/permissions", Administrates),
    get("/api/users/{user}/topic-permissions", Administrates),
    put("/api/users/{user}", Administrates).sends(|name| json!({"tags": "", "password": name})),
    get("/api/user-limits", Manages),
    get("/api/user-limits/{user}", Controls),
    put("/api/user-limits/{user}/{name}", Administrates)
        .with(&[("name", "max-channels")])
        .sends(|_| json!({"value": 1000})),
    delete("/api/user-limits/{user}/{name}", Administrates).with(&[("name", "max-channels")]),
    get("/api/permissions", Administrates),
    get("/api/permissions/{in}/{user}", Administrates),
    put("/api/permissions/{in}/{user}", Administrates)
        .sends(|_| json!({"configure": ".*", "write": ".*", "read": ".*"})),
    delete("/api/permissions/{in}/{user}", Administrates),
    get("/api/topic-permissions", Administrates),
    get("/api/topic-permissions/{in}/{user}", Administrates),
    put("/api/topic-permissions/{in}/{user}", Administrates)
        .sends(|name| json!({"exchange": name, "write": ".*", "read": ".*"})),
    delete("/api/topic-permissions/{in}/{user}/{exchange}", Administrates),
    delete("/api/topic-permissions/{in}/{user}", Administrates),
    post("/api/users/bulk-delete", Administrates).sends(|name| json!({"users": [name]})),
    delete("/api/users/{user}", Administrates),
];

static RULES: &[Row] = &[
    get("/api/policies", Manages),
    get("/api/policies/{vhost}", MemberOrAdministrates),
    get("/api/policies/{vhost}/{name}", MakesPoliciesHere),
    put("/api/policies/{vhost}/{name}", MakesPoliciesHere)
        .sends(|_| json!({"pattern": "^none$", "definition": {"max-length": 9}})),
    delete("/api/policies/{vhost}/{name}", MakesPoliciesHere),
    get("/api/operator-policies", Manages),
    get("/api/operator-policies/{vhost}", MemberOrAdministrates),
    get("/api/operator-policies/{vhost}/{name}", Administrates),
    put("/api/operator-policies/{vhost}/{name}", Administrates)
        .sends(|_| json!({"pattern": "^none$", "definition": {"max-length": 9}})),
    delete("/api/operator-policies/{vhost}/{name}", Administrates),
    get("/api/parameters", MakesPolicies),
    get("/api/parameters/{component}", MakesPolicies).with(&[LIMITS]),
    get("/api/parameters/{component}/{vhost}", MakesPoliciesHere).with(&[LIMITS]),
    get("/api/parameters/{component}/{vhost}/{name}", MakesPoliciesHere).with(&[OPERATOR]),
    // What has components here is the administrators': policymakers set policies by their own
    // route.
    put("/api/parameters/{component}/{vhost}/{name}", Administrates)
        .with(&[LIMITS, ("name", "limits")])
        .sends(|_| json!({"value": {"max-queues": 1000}})),
    put("/api/parameters/{component}/{vhost}/{name}", Administrates)
        .with(&[OPERATOR])
        .sends(|_| json!({"value": {"pattern": "^none$", "definition": {"max-length": 9}}})),
    delete("/api/parameters/{component}/{vhost}/{name}", Administrates)
        .with(&[LIMITS, ("name", "limits")]),
    delete("/api/parameters/{component}/{vhost}/{name}", Administrates).with(&[OPERATOR]),
    get("/api/global-parameters", MakesPolicies),
    get("/api/global-parameters/{name}", MakesPolicies),
    put("/api/global-parameters/{name}", MakesPolicies).sends(|name| json!({"value": name})),
    delete("/api/global-parameters/{name}", MakesPolicies),
];

const LIMITS: (&str, &str) = ("component", "vhost-limits");
const OPERATOR: (&str, &str) = ("component", "operator_policy");

const WITHOUT_LEADERS: &str =
    "/api/health/checks/quorum-queues-without-elected-leaders/all-vhosts/pattern/{pattern}";
const WITHOUT_LEADERS_HERE: &str =
    "/api/health/checks/quorum-queues-without-elected-leaders/vhost/{vhost}/pattern/{pattern}";

static HEALTH: &[Row] = &[
    get("/api/health/checks/alarms", Manages),
    get("/api/health/checks/local-alarms", Manages),
    get("/api/health/checks/virtual-hosts", Manages),
    get("/api/health/checks/port-listener/{port}", Manages),
    get("/api/health/checks/protocol-listener/{protocols}", Manages).with(&[("protocols", "amqp")]),
    get("/api/health/checks/certificate-expiration/{within}/{unit}", Manages)
        .with(&[("within", "1"), ("unit", "days")]),
    get("/api/health/checks/node-is-quorum-critical", Manages),
    get("/api/health/checks/node-is-mirror-sync-critical", Manages),
    get(WITHOUT_LEADERS, Manages).with(&[("pattern", ".*")]),
    get(WITHOUT_LEADERS_HERE, Visible).with(&[("pattern", ".*")]),
    get("/api/health/checks/is-in-service", Manages),
    get("/api/health/checks/ready-to-serve-clients", Manages),
    get("/api/health/checks/below-node-connection-limit", Manages),
    get("/api/health/checks/reached-target-cluster-size", Manages),
    get("/api/health/checks/metadata-store/initialized", Manages),
    get("/api/health/checks/metadata-store/initialized/with-data", Manages),
    get("/api/healthchecks/node", Manages),
    get("/api/healthchecks/node/{node}", Manages),
];
