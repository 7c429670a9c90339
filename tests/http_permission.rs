//! Through the HTTP API a user may do what the same user may do over AMQP, and no more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use common::http::{Answer, Http};
use common::routes::{self, Row, Rule, Standing};
use common::specimen::Specimen;
use common::{Hello, OwnBroker, consume, consume_ok};
use serde_json::{Value, json};
use warren::access::Tag;
use warren::broker::{NewPassword, UserUpdate};

/// Makes a user with these tags, and permissions in `/` if there are any.
fn user(
    broker: &OwnBroker,
    http: &Http,
    name: &str,
    tags: &[Tag],
    rights: Option<[&str; 3]>,
) -> Http {
    let node = broker.broker.node();
    let update = UserUpdate {
        name: name.to_owned(),
        password: NewPassword::Plain("secret".to_owned()),
        tags: Some(tags.to_vec()),
    };
    node.set_user(update).expect("made");
    if let Some([configure, write, read]) = rights {
        node.set_permission("/", name, configure, write, read).expect("permitted");
    }
    http.as_user(name, "secret")
}

#[tokio::test]
async fn tags_open_doors() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/q", &json!({})).await.expect(201);
    let all = Some([".*", ".*", ".*"]);
    let nobody = user(&broker, &http, "plain", &[], all);
    let refused = nobody.get("/api/whoami").await.expect(401);
    assert_eq!(refused.refusal(), ("not_authorised".to_owned(), json!("Not management user")));
    let member = user(&broker, &http, "member", &[Tag::Management], all);
    let stranger = user(&broker, &http, "stranger", &[Tag::Management], None);
    let monitor = user(&broker, &http, "monitor", &[Tag::Monitoring], None);
    for (path, member_may, stranger_may, monitor_may) in [
        ("/api/overview", 200, 200, 200),
        ("/api/queues", 200, 200, 200),
        ("/api/queues/%2F", 200, 401, 200),
        ("/api/queues/%2F/q", 200, 401, 200),
        ("/api/queues/nowhere", 401, 401, 404),
        ("/api/nodes", 401, 401, 200),
        ("/api/auth/hash_password/x", 401, 401, 401),
        ("/api/aliveness-test/%2F", 200, 401, 401),
    ] {
        assert_eq!(member.get(path).await.status, member_may, "member {path}");
        assert_eq!(stranger.get(path).await.status, stranger_may, "stranger {path}");
        assert_eq!(monitor.get(path).await.status, monitor_may, "monitor {path}");
    }
    // What may not be seen is left out of lists.
    assert_eq!(stranger.get("/api/queues").await.json(), json!([]));
    let overview = stranger.get("/api/overview").await.json();
    for kind in ["queues", "exchanges"] {
        assert_eq!(overview["object_totals"][kind], json!(0), "{kind}");
    }
    let seen = monitor.get("/api/queues?columns=name").await.json();
    assert!(seen.as_array().expect("a list").contains(&json!({"name": "q"})));
    monitor.put("/api/queues/%2F/mine", &json!({})).await.expect(401);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn connections_belong_to_their_users() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/q", &json!({})).await.expect(201);
    let mut peer = broker.peer().await;
    peer.send(consume("q", "c")).await;
    peer.expect(consume_ok("c")).await;
    let all = Some([".*", ".*", ".*"]);
    let other = user(&broker, &http, "other", &[Tag::Management], all);
    let monitor = user(&broker, &http, "monitor", &[Tag::Monitoring], all);
    let name = http.get("/api/connections").await.json()[0]["name"].clone();
    let path = format!("/api/connections/{}", common::http::part(name.as_str().expect("a name")));
    for list in ["/api/connections", "/api/channels", "/api/consumers"] {
        assert_eq!(other.get(list).await.expect(200).json(), json!([]), "{list}");
        let seen = monitor.get(list).await.expect(200).json();
        assert_eq!(seen.as_array().expect("a list").len(), 1, "{list}");
    }
    let counted = |overview: &Answer| overview.json()["object_totals"].clone();
    let (few, all) = (other.get("/api/overview").await, monitor.get("/api/overview").await);
    for kind in ["connections", "channels", "consumers"] {
        assert_eq!((&counted(&few)[kind], &counted(&all)[kind]), (&json!(0), &json!(1)), "{kind}");
    }
    other.get(&path).await.expect(401);
    monitor.get(&path).await.expect(200);
    for somebody in [other, monitor] {
        somebody.delete(&path).await.expect(401);
        somebody.delete("/api/connections/username/guest").await.expect(401);
    }
    http.delete("/api/connections/username/guest").await.expect(204);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_change_of_a_user_ends_what_is_remembered() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let all = Some([".*", ".*", ".*"]);
    let changed = user(&broker, &http, "changed", &[Tag::Administrator], all);
    changed.get("/api/nodes").await.expect(200);
    let node = broker.broker.node();
    let update = UserUpdate {
        name: "changed".to_owned(),
        password: NewPassword::Plain("other".to_owned()),
        tags: Some(vec![Tag::Management]),
    };
    node.set_user(update).expect("changed");
    changed.get("/api/whoami").await.expect(401);
    let now = http.as_user("changed", "other");
    now.get("/api/whoami").await.expect(200);
    now.get("/api/nodes").await.expect(401);
    node.delete_user("changed").expect("deleted");
    now.get("/api/whoami").await.expect(401);
    broker.stop_and_check().await;
}

/// Sets of tags; what is no tag of management opens nothing, and no tag is a part of another.
const TAGS: [&[&str]; 8] = [
    &[],
    &["impersonator"],
    &["Administrator", "manage", "monitoring administrator"],
    &["management"],
    &["policymaker"],
    &["monitoring"],
    &["monitoring", "policymaker"],
    &["administrator"],
];
/// Of configure, write and read.
const RIGHTS: [Option<&str>; 7] =
    [None, Some(""), Some("c"), Some("w"), Some("r"), Some("wr"), Some("cwr")];
/// Where the users of the matrix have permissions, and where none has.
const OWN: &str = "own";
const OTHER: &str = "hidden";

/// Somebody with tags, and rights in `OWN`.
struct Persona {
    standing: Standing<'static>,
    http: Http,
}

impl Persona {
    fn name(standing: &Standing<'_>) -> String {
        format!("{}/{}", standing.tags.join("+"), standing.rights.unwrap_or("-"))
    }

    fn all(http: &Http) -> Vec<Self> {
        let standings = TAGS
            .into_iter()
            .flat_map(|tags| RIGHTS.into_iter().map(move |rights| Standing { tags, rights }));
        let persona = |standing| {
            let name = Self::name(&standing);
            Self { standing, http: http.as_user(&name, &name) }
        };
        standings.map(persona).collect()
    }

    /// Definitions that make them.
    fn definitions(personas: &[Self]) -> Value {
        let user = |it: &Self| {
            let name = Self::name(&it.standing);
            json!({"name": name, "password": name, "tags": it.standing.tags})
        };
        let permission = |it: &Self| {
            let rights = it.standing.rights?;
            let rule = |letter| if rights.contains(letter) { ".*" } else { "" };
            Some(json!({
                "user": Self::name(&it.standing), "vhost": OWN,
                "configure": rule('c'), "write": rule('w'), "read": rule('r'),
            }))
        };
        json!({
            "vhosts": [{"name": OWN}],
            "users": personas.iter().map(user).collect::<Vec<_>>(),
            "permissions": personas.iter().filter_map(permission).collect::<Vec<_>>(),
        })
    }
}

/// Whether a request was refused for want of a tag or a permission.
fn is_refused(row: &Row, answer: &Answer) -> bool {
    if answer.status == 401 {
        assert!(answer.header("www-authenticate").is_some(), "{} {}", row.verb, row.path);
        return true;
    }
    // A publish is answered as its channel was, which is not a matter of HTTP.
    let text = "403 ACCESS_REFUSED - ";
    row.path.ends_with("/publish")
        && answer.status == 400
        && answer.refusal().1.as_str().is_some_and(|reason| reason.starts_with(text))
}

#[tokio::test]
async fn every_route_has_a_row_and_every_row_a_route() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let told: BTreeSet<_> = routes::told(&http).await.into_keys().collect();
    let rows: BTreeSet<_> = routes::all().map(Row::key).collect();
    let without_row: Vec<_> = told.difference(&rows).collect();
    assert!(without_row.is_empty(), "these need rows in common/routes.rs: {without_row:?}");
    let without_route: Vec<_> = rows.difference(&told).collect();
    assert!(without_route.is_empty(), "nobody serves these: {without_route:?}");
    broker.stop_and_check().await;
}

/// S1: every route, for every set of tags, with every set of rights in the virtual host that the
/// route is about, and without any.
#[tokio::test]
async fn every_route_lets_in_whom_it_is_for() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let told = routes::told(&http).await;
    let personas = Persona::all(&http);
    let mut own = Specimen::new(&broker, &http, OWN, Persona::definitions(&personas)).await;
    let mut other = Specimen::new(&broker, &http, OTHER, json!({})).await;
    for row in routes::all() {
        let statuses = &told[&row.key()];
        let nobody = own.send(row, &http.as_nobody(), &own.path(row)).await;
        assert_eq!(nobody.status != 401, row.rule == Rule::Anyone, "{} {}", row.verb, row.path);
        for persona in &personas {
            let has_all = persona.standing.rights == Some("cwr");
            if row.is_placed() || has_all || persona.standing.rights.is_none() {
                check(row, &mut own, persona, persona.standing, statuses).await;
            }
            if row.is_placed() && has_all {
                let standing = Standing { rights: None, ..persona.standing };
                check(row, &mut other, persona, standing, statuses).await;
            }
        }
    }
    // What is kept from others is there to be kept.
    let seen = lists_that_tell_of_other(&http).await;
    assert!(seen.len() >= 18, "{seen:?}");
    drop((own, other));
    broker.stop_and_check().await;
}

/// The lists in which an administrator sees what is in `OTHER`.
async fn lists_that_tell_of_other(http: &Http) -> Vec<&'static str> {
    let mut seen = Vec::new();
    for row in routes::all().filter(|row| row.verb == "GET" && row.parameters().count() == 0) {
        let answer = http.get(row.path).await.expect(200);
        if String::from_utf8_lossy(&answer.body).contains(OTHER) {
            seen.push(row.path);
        }
    }
    seen
}

async fn check(
    row: &Row,
    about: &mut Specimen<'_>,
    persona: &Persona,
    standing: Standing<'_>,
    statuses: &[u16],
) {
    let path = about.path(row);
    let answer = about.send(row, &persona.http, &path).await;
    let what = || {
        let body = String::from_utf8_lossy(&answer.body);
        format!("{} {} about {}: {standing:?}: {body}", row.verb, row.path, about.name)
    };
    assert!(statuses.contains(&answer.status), "{} is not told of: {}", answer.status, what());
    let allowed = row.rule.allows(&standing);
    assert_eq!(is_refused(row, &answer), !allowed, "{}: {}", answer.status, what());
    // What is allowed is done: nothing else stands in the way of these requests.
    assert_eq!((200..300).contains(&answer.status), allowed, "{}: {}", answer.status, what());
    // Nobody is told anything of places that are not theirs to see.
    let shared = row.path.starts_with("/api/global-parameters");
    if !persona.standing.monitors() && !shared {
        let body = String::from_utf8_lossy(&answer.body);
        assert!(!body.contains(OTHER), "{}", what());
    }
    if row.verb == "GET" {
        let head = persona.http.request("HEAD", &path, &[], b"").await;
        assert_eq!(head.status, answer.status, "HEAD: {}", what());
    } else if allowed {
        about.put_back(row).await;
    }
}

/// Whoever may not see a virtual host cannot find out whether there is one.
#[tokio::test]
async fn what_may_not_be_seen_is_as_if_it_were_not_there() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let personas: Vec<_> = Persona::all(&http)
        .into_iter()
        .filter(|it| it.standing.rights == Some("cwr") && !it.standing.monitors())
        .collect();
    let _own = Specimen::new(&broker, &http, OWN, Persona::definitions(&personas)).await;
    let other = Specimen::new(&broker, &http, OTHER, json!({})).await;
    for row in routes::all().filter(|row| row.is_placed()) {
        for persona in &personas {
            let there = other.send(row, &persona.http, &other.path(row)).await;
            let missing = other.send(row, &persona.http, &other.path_in(row, "nowhere")).await;
            let text = |it: Answer| (it.status, String::from_utf8(it.body).expect("UTF-8"));
            let [there, missing] = [there, missing].map(text);
            assert_eq!(there, missing, "{} {} {:?}", row.verb, row.path, persona.standing);
        }
    }
    drop(other);
    broker.stop_and_check().await;
}

/// What belongs to a user is that user's to see and to end, whatever the tag.
#[tokio::test]
async fn everybody_sees_and_ends_what_is_theirs() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let all = Some([".*", ".*", ".*"]);
    let mine = user(&broker, &http, "secret", &[Tag::Management], all);
    http.put("/api/queues/%2F/q", &json!({})).await.expect(201);
    let mut ended = 0;
    for row in routes::all() {
        if ![Rule::Sees, Rule::Controls, Rule::ControlsHere].contains(&row.rule) {
            continue;
        }
        let mut peer = broker.peer_with(Hello::of("secret", "/")).await;
        peer.send(consume("q", "tag")).await;
        peer.expect(consume_ok("tag")).await;
        let name = format!("{} -> {}", peer.local_address, broker.address());
        let parts = row.path.split('/').map(|part| match part {
            "{vhost}" => "%2F".to_owned(),
            "{user}" => "secret".to_owned(),
            "{connection}" => common::http::part(&name),
            "{channel}" if row.is_rough() => "1".to_owned(),
            "{channel}" => common::http::part(&format!("{name} (1)")),
            "{tag}" => "tag".to_owned(),
            part => part.to_owned(),
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let answer = mine.request(row.verb, &path, &[], b"").await;
        assert!((200..300).contains(&answer.status), "{} {}", row.verb, row.path);
        ended += usize::from(row.is_rough());
        if row.path.starts_with("/api/consumers") {
            peer.expect(common::cancel_nowait("tag")).await;
        } else if row.is_rough() {
            let text = "CONNECTION_FORCED - Closed via management plugin";
            peer.expect_connection_close(320, text, (0, 0)).await;
        }
    }
    assert_eq!(ended, 3);
    broker.stop_and_check().await;
}
