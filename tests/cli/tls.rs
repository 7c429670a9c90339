//! `https://`: whom the commands trust.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::run::run;

/// A broker with no users behind TLS: its URL, and its certificate in PEM.
fn start() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream.expect("accepted"));
            let mut request = Vec::new();
            let mut octet = [0];
            // A client that does not trust us goes away.
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut octet).unwrap_or(0) == 1 {
                request.push(octet[0]);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]");
        }
    });
    (format!("https://localhost:{port}"), made.cert.pem())
}

#[test]
fn only_certificates_that_were_asked_for_are_trusted() {
    let (url, pem) = start();
    let dir = tempfile::tempdir().expect("a directory");
    let (good, empty) = (dir.path().join("good.pem"), dir.path().join("empty.pem"));
    fs::write(&good, pem).expect("written");
    fs::write(&empty, "nothing").expect("written");
    let list = |more: &[&str]| run(&[&["list", "users", "--url", &url], more].concat(), &[], b"");
    let said = list(&["--ca-file", good.to_str().expect("text")]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(list(&["--insecure"]).code, 0);
    let said = list(&[]);
    assert_eq!(said.code, 69, "{}", said.stderr);
    assert!(said.stderr.contains("certificate"), "{}", said.stderr);
    let said = list(&["--ca-file", empty.to_str().expect("text")]);
    assert_eq!(said.code, 78, "{}", said.stderr);
    assert!(said.stderr.contains("holds no certificate"), "{}", said.stderr);
    assert_eq!(list(&["--ca-file", "/nowhere/ca.pem"]).code, 78);
}
