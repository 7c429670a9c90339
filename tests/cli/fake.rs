//! A management API that always says the same: answers are given in advance, requests are kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

/// What it answers: method and path without query, status, body.
pub(crate) type Answer = (&'static str, u16, &'static str);

/// A running fake. It answers until the process of the tests ends.
pub(crate) struct Fake {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(crate) fn start(answers: &'static [Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let kept = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&stream.expect("a connection"), answers, &kept);
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests since the last call: method, path with query, what is special, body.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock())
    }
}

fn serve(mut stream: &TcpStream, answers: &[Answer], kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).expect("a request") == 0 {
        return;
    }
    let asked = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let (mut length, mut told) = (0, asked.clone());
    let mut user = String::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        match header.trim_end().split_once(": ") {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().expect("a length");
            }
            Some((name, value)) if name.eq_ignore_ascii_case("x-reason") => {
                told = format!("{told} (reason: {value})");
            }
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.clone_into(&mut user);
            }
            Some(_) => {}
        }
    }
    // guest:guest is what everybody is unless a test says otherwise.
    if user != "Basic Z3Vlc3Q6Z3Vlc3Q=" {
        told = format!("{told} ({user})");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    if !body.is_empty() {
        told = format!("{told} {}", String::from_utf8(body).expect("text"));
    }
    kept.lock().push(told);
    let path = asked.split('?').next().unwrap_or_default();
    let known = answers.iter().find(|(known, ..)| *known == path);
    let (status, body) = known.map_or(
        (404, r#"{"error":"Object Not Found","reason":"Not Found"}"#),
        |(_, status, body)| (*status, *body),
    );
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    // A client that has seen enough may be gone.
    let _ =
        write!(stream, "{head}content-type: application/json\r\nconnection: close\r\n\r\n{body}");
}
