//! Passwords stay where they belong: no log line, however detailed, and no answer shows one.

mod common;

use common::http::Http;
use common::program::Program;
use common::*;
use serde_json::json;

/// Each way of handing a password over has its own, so that a failure says which.
const PASSWORDS: [&str; 6] = [
    "canary-of-plain",
    "canary-of-amqplain",
    "canary-of-http-login",
    "canary-of-put-user",
    "canary-of-definitions",
    "canary-of-configuration",
];

#[tokio::test]
async fn no_password_is_shown_anywhere() {
    let data = tempfile::tempdir().expect("a directory");
    let program = Program::start_with(data.path(), &["amqp", "http"], |command| {
        command.args(["--log", "trace"]);
        command.env("WARREN_DEFAULT_PASSWORD", PASSWORDS[5]);
    });
    let http = Http::at(program.address("http")).as_user("guest", PASSWORDS[5]);
    let mut answers = Vec::new();
    for (mechanism, response) in [
        ("PLAIN", format!("\0guest\0{}", PASSWORDS[0]).into_bytes()),
        ("PLAIN", format!("guest {}", PASSWORDS[0]).into_bytes()),
        ("AMQPLAIN", amqplain("guest", PASSWORDS[1])),
    ] {
        let mut peer = program.raw().await;
        peer.greet().await;
        peer.send_on(0, start_ok(mechanism, &response)).await;
        let refused = peer.next_method_on(0, "connection.close").await;
        answers.push(format!("{refused:?}"));
    }
    let stranger = http.as_user("guest", PASSWORDS[2]);
    let user = json!({"password": PASSWORDS[3], "tags": "management"});
    let definitions = json!({"users": [
        {"name": "bob", "password": PASSWORDS[4], "tags": "monitoring"}
    ]});
    let bad = json!({"users": [{"name": 7, "password": PASSWORDS[4]}]});
    for answer in [
        stranger.get("/api/whoami").await,
        http.put("/api/users/ann", &user).await,
        http.put("/api/users/ann", &json!({"password": [PASSWORDS[3]], "tags": ""})).await,
        http.post("/api/definitions", &definitions).await,
        http.post("/api/definitions", &bad).await,
    ] {
        answers.push(format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body)));
    }
    for path in ["overview", "users", "users/ann", "definitions", "connections", "nodes", "vhosts"]
    {
        let answer = http.get(&format!("/api/{path}")).await.expect(200);
        answers.push(format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body)));
    }
    http.as_user("ann", PASSWORDS[3]).get("/api/whoami").await.expect(200);
    program.signal(rustix::process::Signal::TERM);
    program.until_logged("broker stopped");
    let log = program.log();
    assert!(log.contains("login refused") && log.contains("user set"), "{log}");
    for password in PASSWORDS {
        assert!(!log.contains(password), "{password} is in the log");
        let shown = answers.iter().find(|answer| answer.contains(password));
        assert_eq!(shown, None, "{password} is in an answer");
    }
}

fn amqplain(name: &str, password: &str) -> Vec<u8> {
    let mut response = Vec::new();
    for (key, value) in [("LOGIN", name), ("PASSWORD", password)] {
        response.push(key.len() as u8);
        response.extend_from_slice(key.as_bytes());
        response.push(b'S');
        response.extend_from_slice(&(value.len() as u32).to_be_bytes());
        response.extend_from_slice(value.as_bytes());
    }
    response
}
