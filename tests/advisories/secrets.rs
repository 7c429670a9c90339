//! Passwords go in by every way that there is and come out by none: CVE-2025-50200 (the header of a
//! login in the log), 66068, 67221, 57219 (a secret in an answer), 2022-31008.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::common::http::Http;
use super::common::program::Program;
use super::common::*;
use super::{concrete, operations};

const CANARY: &str = "canary-5e1b9d40";
const ADMINISTRATOR: &str = "boss";

/// The canary in every form in which something might keep it.
fn forms() -> Vec<String> {
    let mut forms = vec![CANARY.to_owned()];
    for before in ["", "x", "xx"] {
        // Without the ends, which depend on what stands beside it.
        let encoded = BASE64_STANDARD.encode(format!("{before}{CANARY}"));
        forms.push(encoded[4..encoded.len() - 4].to_owned());
    }
    // As debugging shows octets.
    forms.push(CANARY.bytes().map(|octet| octet.to_string()).collect::<Vec<_>>().join(", "));
    forms.push(CANARY.bytes().fold(String::new(), |hex, octet| format!("{hex}{octet:02x}")));
    forms
}

#[track_caller]
fn is_clean(what: &str, text: &str) {
    for form in forms() {
        if let Some(at) = text.find(&form) {
            let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
            panic!("{what} tells the password: {}", &text[from..(at + 100).min(text.len())]);
        }
    }
}

fn amqplain(password: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for (key, value) in [("LOGIN", ADMINISTRATOR), ("PASSWORD", password)] {
        octets.extend([&[key.len() as u8], key.as_bytes(), b"S"].concat());
        octets.extend((value.len() as u32).to_be_bytes());
        octets.extend(value.as_bytes());
    }
    octets
}

/// Logins over AMQP, good ones and others.
async fn log_in(program: &Program) {
    let wrong = format!("{CANARY}-wrong");
    let user = (ADMINISTRATOR.to_owned(), CANARY.to_owned());
    let mut peer = program.peer_with(Hello { user, ..Hello::default() }).await;
    peer.send_on(0, update_secret(CANARY)).await;
    peer.expect_on(0, update_secret_ok()).await;
    peer.close().await;
    let responses = [
        ("PLAIN", format!("\0{ADMINISTRATOR}\0{wrong}").into_bytes()),
        ("PLAIN", format!("\0nobody\0{CANARY}").into_bytes()),
        ("PLAIN", format!("{ADMINISTRATOR}:{CANARY}").into_bytes()),
        ("PLAIN", CANARY.as_bytes().to_vec()),
        ("AMQPLAIN", amqplain(CANARY)),
        ("AMQPLAIN", amqplain(&wrong)),
        ("AMQPLAIN", amqplain(CANARY)[..30].to_vec()),
        ("EXTERNAL", CANARY.as_bytes().to_vec()),
        ("UNKNOWN", CANARY.as_bytes().to_vec()),
    ];
    for (mechanism, response) in responses {
        let made = std::sync::Arc::default();
        let mut peer = Peer::connect(program.address("amqp"), made).await;
        peer.greet().await;
        peer.send_on(0, start_ok(mechanism, &response)).await;
        let came = format!("{:?}", peer.next_method_on(0, "tune or close").await);
        is_clean("AMQP", &came);
    }
    // A start-ok that cannot be read.
    let mut peer = Peer::connect(program.address("amqp"), std::sync::Arc::default()).await;
    peer.greet().await;
    let cut = [&[0, 0, 0, 0, 5][..], b"PLAIN\0\0\xff\xff", CANARY.as_bytes()].concat();
    peer.send_bytes(&method_frame(0, (10, 11), &cut)).await;
    let came = format!("{:?}", peer.next_method_on(0, "close").await);
    is_clean("AMQP", &came);
}

/// Requests that hold it, good ones and others.
async fn ask(http: &Http) {
    let boss = http.as_user(ADMINISTRATOR, CANARY);
    boss.get("/api/whoami").await.expect(200);
    let mut asked = vec![
        http.as_user(ADMINISTRATOR, &format!("{CANARY}-wrong")).get("/api/whoami").await,
        http.as_user("nobody", CANARY).get("/api/whoami").await,
        http.get(&format!("/api/whoami?password={CANARY}")).await,
        boss.put("/api/users/u", &json!({"password": CANARY, "tags": ""})).await,
        boss.put("/api/users/v", &json!({"password": CANARY, "tags": 7})).await,
        boss.put("/api/users/v", &json!({"password": [CANARY]})).await,
        boss.put("/api/users/v", &json!({"password_hash": CANARY, "tags": ""})).await,
        boss.request("PUT", "/api/users/v", &[], format!("{{\"password\":\"{CANARY}").as_bytes())
            .await,
        boss.post("/api/definitions", &json!({"users": [{"name": "u", "password": [CANARY]}]}))
            .await,
        boss.post(
            "/api/definitions",
            &json!({"users": [{"name": "w", "tags": "", "password": CANARY}]}),
        )
        .await,
    ];
    for header in [format!("Bearer {CANARY}"), format!("Basic {CANARY}"), CANARY.to_owned()] {
        let headers = [("Authorization", header.as_str()), ("Cookie", CANARY)];
        asked.push(http.as_nobody().request("GET", "/api/whoami", &headers, b"").await);
    }
    for answer in asked {
        assert!(answer.status < 500);
        is_clean("HTTP", &String::from_utf8_lossy(&answer.body));
    }
    boss.get(&format!("/api/auth/hash_password/{CANARY}")).await.expect(200);
}

/// The broker's own password for its first user is the canary; its log tells everything.
#[tokio::test]
async fn a_password_comes_out_nowhere() {
    let data = tempfile::tempdir().expect("a directory");
    let file = data.path().join("warren.toml");
    let config = format!("default-user = \"{ADMINISTRATOR}\"\ndefault-password = \"{CANARY}\"\n");
    std::fs::write(&file, config).expect("written");
    let program = Program::start_with(data.path(), &["amqp", "http"], |command| {
        command.args(["--log", "trace", "--config"]).arg(&file);
    });
    log_in(&program).await;
    let http = Http::at(program.address("http")).as_user(ADMINISTRATOR, CANARY);
    ask(&http).await;
    let mut answered = 0;
    for (verb, path, _) in operations(&http).await {
        if verb != "GET" || path.contains("hash_password") {
            continue;
        }
        for (vhost, other) in [("%2F", "u"), ("%2F", ADMINISTRATOR)] {
            let asked = concrete(&path, vhost, other);
            let answer = http.get(&asked).await;
            answered += usize::from(answer.status == 200);
            is_clean(&asked, &String::from_utf8_lossy(&answer.body));
        }
    }
    assert!(answered > 60, "{answered}");
    let hash = http.get("/api/users/u").await.expect(200).json()["password_hash"].clone();
    let hash = hash.as_str().expect("a hash").to_owned();
    program.until_logged("user set");
    let log = program.log();
    assert!(log.contains("TRACE") && log.contains("login refused"), "it tells of much");
    is_clean("the log", &log);
    assert!(hash.len() > 20 && !log.contains(&hash), "the log tells a hash");
    program.kill();
}
