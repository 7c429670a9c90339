//! A client of the HTTP API: one connection a request, answers read whole.

use std::fmt::Write;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::OwnBroker;

/// Somebody who asks.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    login: Option<String>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Api {
    /// The administrator that a broker begins with.
    pub fn of(broker: &OwnBroker) -> Self {
        let address = *broker.broker.http_addresses().first().expect("HTTP is on");
        Self::at(address).as_user("guest", "guest")
    }

    /// Nobody, at any broker.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, login: None }
    }

    /// Somebody else.
    pub fn as_user(&self, name: &str, password: &str) -> Self {
        let login = Some(STANDARD.encode(format!("{name}:{password}")));
        Self { address: self.address, login }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"").await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, &[], body.to_string().as_bytes()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &[], body.to_string().as_bytes()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], b"").await
    }

    /// Any request below `/api`.
    pub async fn ask(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        self.ask_announcing(body.len(), (method, path), headers, body).await
    }

    /// The same, with another length of the body announced than it has.
    pub async fn ask_announcing(
        &self,
        length: usize,
        (method, path): (&str, &str),
        headers: &[&str],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} /api{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        write!(head, "content-length: {length}\r\n").expect("written");
        if let Some(login) = &self.login {
            write!(head, "authorization: Basic {login}\r\n").expect("written");
        }
        for header in headers {
            write!(head, "{header}\r\n").expect("written");
        }
        let mut socket = TcpStream::connect(self.address).await.expect("connected");
        let request = [format!("{head}\r\n").as_bytes(), body].concat();
        socket.write_all(&request).await.expect("written");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("read");
        let text = String::from_utf8(answer).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let head = head.to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let is_chunked = head.contains("transfer-encoding: chunked");
        let body = if is_chunked { unchunked(body) } else { body.to_owned() };
        Answer { status: status.expect("a status"), head, body }
    }
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        body += &after[..size];
        rest = after[size..].trim_start_matches("\r\n");
    }
    body
}

impl Answer {
    /// The body, which is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The body of an answer with that status.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{} {}", self.head, self.body);
        self
    }

    /// An error with that reason.
    #[track_caller]
    pub fn refuses(&self, status: u16, reason: &str) {
        self.is(status);
        let found = self.json()["reason"].clone();
        let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        assert!(found.contains(reason), "{found} instead of {reason}");
    }
}

/// A name as a part of a path.
pub fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut encoded, octet| {
        write!(encoded, "%{octet:02X}").expect("written");
        encoded
    })
}
