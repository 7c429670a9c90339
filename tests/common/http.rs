//! A client of the HTTP API that sends exactly what it is told to, one request a connection.

use std::fmt::Write;
use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use warren::Broker;

/// A user at an address.
#[derive(Clone, Debug)]
pub struct Http {
    address: SocketAddr,
    authorization: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Http {
    /// guest, at the broker's first address.
    pub fn of(broker: &Broker) -> Self {
        let address = *broker.http_addresses().first().expect("it listens for HTTP");
        Self::at(address).as_user("guest", "guest")
    }

    /// Nobody.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, authorization: None }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn as_user(&self, name: &str, password: &str) -> Self {
        let encoded = BASE64_STANDARD.encode(format!("{name}:{password}"));
        Self { authorization: Some(format!("Basic {encoded}")), ..self.clone() }
    }

    pub fn as_nobody(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, &[], b"").await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request("PUT", path, &[], body.to_string().as_bytes()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &[], body.to_string().as_bytes()).await
    }

    /// Any request. The path is sent as it is.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: broker\r\nConnection: close\r\n");
        if let Some(authorization) = &self.authorization {
            write!(head, "Authorization: {authorization}\r\n").expect("written");
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").expect("written");
        }
        write!(head, "Content-Length: {}\r\n\r\n", body.len()).expect("written");
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        // A broker that refuses at the head may close before it has read all of the body.
        let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        parse(&answer).unwrap_or_else(|| panic!("no answer to {method} {path}: {answer:?}"))
    }
}

/// What is in front of the body, and the body.
pub fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Some(Answer { status, headers: headers.collect(), body: answer[end + 4..].to_vec() })
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The status, which has to be that one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{body}");
        self
    }

    /// `error` and `reason` of a refusal.
    #[track_caller]
    pub fn refusal(&self) -> (String, Value) {
        let body = self.json();
        (body["error"].as_str().expect("a text").to_owned(), body["reason"].clone())
    }
}

/// A part of a path, with everything encoded that could be something else.
pub fn part(name: &str) -> String {
    name.bytes().fold(String::new(), |mut part, octet| {
        write!(part, "%{octet:02X}").expect("written");
        part
    })
}
