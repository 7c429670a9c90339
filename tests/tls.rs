//! AMQP over TLS: versions, certificates of both sides, EXTERNAL, reading files again, and what
//! hostile or confused clients do to such a port.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use common::log::Log;
use common::tls::{Authority, Connector, Files, Identity, named, no_pem, shown};
use common::*;
use rcgen::{DnType, ExtendedKeyUsagePurpose, SanType, SerialNumber, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use warren::Broker;
use warren::broker::{NewPassword, UserUpdate};
use warren::config::{Config, LoginFrom, TlsVerify};

const LOGIN_REFUSED: &str = "ACCESS_REFUSED - Login was refused using authentication mechanism \
                             EXTERNAL. For details see the broker logfile.";
/// What a client says whom nobody understands gets an answer, if any, far sooner.
const SOON: Duration = Duration::from_secs(5);

async fn start(files: &Files, verify: TlsVerify) -> OwnBroker {
    OwnBroker::start_with(|config| files.configure(config, verify)).await
}

/// A broker that demands certificates of this authority.
async fn demanding() -> (OwnBroker, Authority, Files) {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = start(&files, TlsVerify::Required).await;
    (broker, authority, files)
}

/// Nobody gets in like that: the handshake fails, for TLS 1.3 perhaps only when its answer is read.
async fn expect_refused(broker: &OwnBroker, connector: &Connector, why: &str) {
    let Ok(mut stream) = connector.connect(broker.tls_address()).await else { return };
    // It may be gone already.
    let _ = stream.write_all(PROTOCOL_HEADER).await;
    let mut came = Vec::new();
    let end = timeout(WAIT_MAX, stream.read_to_end(&mut came)).await.expect("an end");
    assert!(end.is_err() && came.is_empty(), "{why}: {came:?}");
}

/// All that comes on a plain socket until its end, which comes soon.
async fn all_that_comes(stream: &mut TcpStream) -> Vec<u8> {
    let mut came = Vec::new();
    match timeout(SOON, stream.read_to_end(&mut came)).await.expect("an end, soon") {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    came
}

#[tokio::test]
async fn both_versions_carry_messages() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = start(&files, TlsVerify::None).await;
    for version in [&TLS12, &TLS13] {
        let connector = Connector::with_versions(&authority, None, &[version]);
        let mut peer = broker.tls_peer(&connector).await;
        let queue = &unique("large");
        peer.declare(queue).await;
        let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 7) as u8).collect();
        peer.send(publish("", queue, &body)).await;
        peer.ask(get_no_ack(queue), get_ok(1, false, 0, &body)).await;
        peer.ask(queue_delete(queue), queue_delete_ok(0)).await;
        peer.close().await;
    }
    let mut plain = broker.peer().await;
    plain.pass_a_message().await;
    broker.stop_and_check().await;
}

/// More than all buffers on the way hold, in both directions at once.
#[tokio::test]
async fn a_flood_of_messages_comes_whole_and_in_order() {
    const MESSAGES: usize = 5000;
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = start(&files, TlsVerify::None).await;
    let connector = Connector::new(&authority, None);
    let mut consumer = broker.tls_peer(&connector).await;
    consumer.declare("flood").await;
    consumer.ask(consume("flood", "c").no_ack(), consume_ok("c")).await;
    let mut publisher = broker.tls_peer(&connector).await;
    let body = |number: usize| format!("{number:08}").repeat(1 + number % 400).into_bytes();
    let send = async {
        let mut frames = Vec::new();
        for number in 0..MESSAGES {
            frames.extend(publisher.encode(1, publish("", "flood", &body(number)).into()));
        }
        publisher.send_bytes(&frames).await;
    };
    let receive = async {
        for number in 0..MESSAGES {
            let tag = number as u64 + 1;
            consumer.expect(deliver("c", tag, false, &body(number))).await;
        }
    };
    tokio::join!(send, receive);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_end_is_told_in_tls_too() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = start(&files, TlsVerify::None).await;
    let connector = Connector::new(&authority, None);
    for goodbye in [method_frame(0, (10, 50), &[0; 7]), b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let mut stream = connector.connect(broker.tls_address()).await.expect("connected");
        if goodbye[0] == 1 {
            stream.write_all(&opening().concat()).await.expect("taken");
        }
        stream.write_all(&goodbye).await.expect("taken");
        // An end without close_notify would be an error: it could be an attacker's doing.
        let mut came = Vec::new();
        let end = timeout(WAIT_MAX, stream.read_to_end(&mut came)).await.expect("an end");
        end.expect("a clean end");
        assert!(!came.is_empty());
    }
    broker.stop_and_check().await;
}

/// A client hello of that version with one suite of its time and no extensions.
fn old_hello(version: [u8; 2]) -> Vec<u8> {
    let hello = [&version[..], &[7; 32], &[0], &[0, 2, 0xc0, 0x14], &[1, 0]].concat();
    let hello = [&[1, 0, 0, hello.len() as u8][..], &hello].concat();
    [&[0x16, 3, 1, 0, hello.len() as u8][..], &hello].concat()
}

#[tokio::test]
async fn older_versions_are_refused() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = start(&files, TlsVerify::None).await;
    for version in [[3, 0], [3, 1], [3, 2]] {
        let mut stream = TcpStream::connect(broker.tls_address()).await.expect("connected");
        stream.write_all(&old_hello(version)).await.expect("taken");
        let came = all_that_comes(&mut stream).await;
        assert_eq!((came[0], came[5]), (0x15, 2), "a fatal alert: {came:?}");
        assert_eq!(came.len(), 7, "and nothing else: {came:?}");
    }
    broker.stop_and_check().await;
}

// Certificates of clients

#[tokio::test]
async fn a_demanded_certificate_has_to_be_good() {
    let (broker, authority, _files) = demanding().await;
    let stranger = Authority::new("The Authority");
    let expired = authority.client_with("guest", |params| {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    let early = authority.client_with("guest", |params| {
        params.not_before = date_time_ymd(2998, 1, 1);
        params.not_after = date_time_ymd(2999, 1, 1);
    });
    let misused = authority.client_with("guest", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let bad: [(&str, Option<Identity>); 5] = [
        ("none", None),
        ("of another authority", Some(stranger.client("guest"))),
        ("expired", Some(expired)),
        ("not valid yet", Some(early)),
        ("for servers", Some(misused)),
    ];
    for (why, identity) in bad {
        for version in [&TLS12, &TLS13] {
            let connector = Connector::with_versions(&authority, identity.as_ref(), &[version]);
            expect_refused(&broker, &connector, why).await;
        }
    }
    let good = authority.client("guest");
    let mut peer = broker.tls_peer(&Connector::new(&authority, Some(&good))).await;
    peer.pass_a_message().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let list = files.write("crl.pem", &authority.revoke(666));
    let broker = OwnBroker::start_with(|config| {
        files.configure(config, TlsVerify::Required);
        config.tls.revoked = Some(list);
    })
    .await;
    let with_serial = |serial: u64| {
        let identity = authority.client_with("guest", |params| {
            params.serial_number = Some(SerialNumber::from(serial));
        });
        Connector::new(&authority, Some(&identity))
    };
    expect_refused(&broker, &with_serial(666), "revoked").await;
    broker.tls_peer(&with_serial(665)).await.pass_a_message().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn an_optional_certificate_has_to_be_good_if_it_is_there() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = start(&files, TlsVerify::Optional).await;
    broker.tls_peer(&Connector::new(&authority, None)).await.pass_a_message().await;
    let strange = Authority::new("Another").client("guest");
    expect_refused(&broker, &Connector::new(&authority, Some(&strange)), "strange").await;
    broker.stop_and_check().await;
}

// EXTERNAL

fn mechanisms(start: &amq_protocol::protocol::connection::Start) -> Vec<String> {
    start.mechanisms.to_string().split(' ').map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn external_is_offered_to_those_with_a_certificate_alone() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = start(&files, TlsVerify::Optional).await;
    let guest = authority.client("guest");
    let mut with = broker.raw_tls(&Connector::new(&authority, Some(&guest))).await;
    assert!(mechanisms(&with.greet().await).contains(&"EXTERNAL".to_owned()));
    let mut without = broker.raw_tls(&Connector::new(&authority, None)).await;
    let mut plain = broker.raw().await;
    for peer in [&mut without, &mut plain] {
        assert!(!mechanisms(&peer.greet().await).contains(&"EXTERNAL".to_owned()));
        peer.send_on(0, start_ok("EXTERNAL", b"guest")).await;
        let text = "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'";
        peer.expect_connection_close(503, text, (0, 0)).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn external_logs_in_whom_the_certificate_names() {
    let (broker, authority, _files) = demanding().await;
    for (name, goes_in) in [("guest", true), ("nobody", false), ("guest ", false), ("", false)] {
        let identity = authority.client(name);
        let mut peer = broker.raw_tls(&Connector::new(&authority, Some(&identity))).await;
        peer.greet().await;
        // What the client calls itself means nothing.
        peer.send_on(0, start_ok("EXTERNAL", b"guest")).await;
        if goes_in {
            peer.expect_tune().await;
        } else {
            peer.expect_connection_close(403, LOGIN_REFUSED, (0, 0)).await;
        }
    }
    broker.stop_and_check().await;
}

/// A user without a password, who can come by certificate alone.
#[tokio::test]
async fn a_user_needs_no_password_for_external() {
    let (broker, authority, _files) = demanding().await;
    let node = broker.broker.node();
    let user = UserUpdate { name: "app".to_owned(), password: NewPassword::Remove, tags: None };
    node.set_user(user).expect("a user");
    node.set_permission("/", "app", ".*", ".*", ".*").expect("permissions");
    let identity = authority.client("app");
    let connector = Connector::new(&authority, Some(&identity));
    let mut peer = broker.raw_tls(&connector).await;
    peer.greet().await;
    peer.send_on(0, start_ok("EXTERNAL", b"")).await;
    peer.expect_tune().await;
    peer.send_on(0, tune_ok(2047, FRAME_MAX, 0)).await;
    peer.send_on(0, connection_open("/")).await;
    peer.expect_on(0, connection_open_ok()).await;
    peer.open_channel(1).await;
    peer.pass_a_message().await;
    let open = node.presences();
    let seen = &open.first().expect("a connection").identity;
    let tls = seen.tls.as_deref().expect("TLS");
    let certificate = tls.peer.as_ref().expect("a certificate");
    assert_eq!((&*seen.user, &*seen.mechanism), ("app", "EXTERNAL"));
    assert_eq!((tls.protocol, &*tls.key_exchange, tls.hash), ("tlsv1.3", "any", "aead"));
    assert_eq!(certificate.subject, "CN=app");
    assert_eq!(certificate.issuer, "CN=The Authority");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_http_api_is_served_over_tls() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = OwnBroker::start_with(|config| {
        files.configure(config, TlsVerify::None);
        config.tls.http_listen = vec!["127.0.0.1:0".to_owned()];
    })
    .await;
    let address = *broker.broker.https_addresses().first().expect("a listener");
    let mut stream = Connector::new(&authority, None).connect(address).await.expect("connected");
    let request = "GET /api/whoami HTTP/1.1\r\nHost: broker\r\nConnection: close\r\n\
                   Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("taken");
    let mut came = Vec::new();
    timeout(WAIT_MAX, stream.read_to_end(&mut came)).await.expect("in time").expect("a clean end");
    let came = String::from_utf8_lossy(&came);
    assert!(came.starts_with("HTTP/1.1 200 ") && came.contains("guest"), "{came}");
    let mut plain = TcpStream::connect(address).await.expect("connected");
    plain.write_all(request.as_bytes()).await.expect("taken");
    assert!(all_that_comes(&mut plain).await.len() <= 7, "an alert at most");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_name_is_looked_for_where_it_is_told() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let by_alternative = authority.client_with("nobody", |params| {
        let dns = "guest".try_into().expect("a name");
        params.subject_alt_names = vec![SanType::DnsName(dns)];
    });
    let by_common_name = authority.client("guest");
    for (from, identity, goes_in) in [
        (LoginFrom::SubjectAlternativeName, &by_alternative, true),
        (LoginFrom::SubjectAlternativeName, &by_common_name, false),
        (LoginFrom::CommonName, &by_alternative, false),
        // The whole subject is `CN=guest`.
        (LoginFrom::DistinguishedName, &by_common_name, false),
    ] {
        let broker = OwnBroker::start_with(|config| {
            files.configure(config, TlsVerify::Required);
            config.tls.login_from = from;
        })
        .await;
        let mut peer = broker.raw_tls(&Connector::new(&authority, Some(identity))).await;
        peer.greet().await;
        peer.send_on(0, start_ok("EXTERNAL", b"")).await;
        if goes_in {
            peer.expect_tune().await;
        } else {
            peer.expect_connection_close(403, LOGIN_REFUSED, (0, 0)).await;
        }
        broker.stop_and_check().await;
    }
}

#[tokio::test]
async fn hostile_names_log_nobody_in_and_are_harmless_in_the_log() {
    let (log, _logging) = Log::start();
    let (broker, authority, _files) = demanding().await;
    let endless = "guest".repeat(2_000);
    for name in ["guest\nINFO forged", "\u{1b}[2J\u{1b}[31m", "<script>alert(1)</script>", &endless]
    {
        let identity = authority.client_with(name, |params| {
            params.distinguished_name = named(name);
            params.distinguished_name.push(DnType::OrganizationName, name);
        });
        let mut peer = broker.raw_tls(&Connector::new(&authority, Some(&identity))).await;
        peer.greet().await;
        peer.send_on(0, start_ok("EXTERNAL", b"")).await;
        peer.expect_connection_close(403, LOGIN_REFUSED, (0, 0)).await;
    }
    let text = log.text();
    assert!(text.contains("forged"), "it was logged, escaped");
    assert!(!text.contains("\nINFO forged") && !text.contains('\u{1b}'), "{text}");
    assert!(text.lines().all(|line| line.len() < 4_000), "nobody fills the log with one name");
    broker.stop_and_check().await;
}

// Files

#[tokio::test]
async fn files_are_read_again_and_open_connections_go_on() {
    let (broker, old, files) = demanding().await;
    let old_client = Connector::new(&old, Some(&old.client("guest")));
    let mut before = broker.tls_peer(&old_client).await;

    let new = Authority::new("The New Authority");
    let new_client = Connector::new(&new, Some(&new.client("guest")));
    files.put(&new.server(), &new.pem());
    broker.broker.reload_tls().expect("good files");
    before.declare("after").await;
    broker.tls_peer(&new_client).await.pass_a_message().await;
    expect_refused(&broker, &old_client, "the old authority").await;
    // Neither does the new certificate help if the client is known to the old authority alone.
    let half = Connector::new(&new, Some(&old.client("guest")));
    expect_refused(&broker, &half, "the old authority").await;

    files.write("key.pem", &old.server().key);
    let error = broker.broker.reload_tls().expect_err("two that do not go together").to_string();
    assert!(error.contains("do not go together"), "{error}");
    std::fs::remove_file(files.path("ca.pem")).expect("removed");
    broker.broker.reload_tls().expect_err("a file is missing");
    broker.tls_peer(&new_client).await.pass_a_message().await;
    before.pass_a_message().await;
    broker.stop_and_check().await;
}

/// Why a broker with such a configuration does not start.
async fn refused_start(files: &Files, change: impl FnOnce(&mut Config)) -> String {
    let data = tempfile::tempdir().expect("a directory");
    let mut config = Config {
        listen: vec!["127.0.0.1:0".to_owned()],
        data_dir: data.path().to_owned(),
        http: Vec::new(),
        metrics: Vec::new(),
        ..Config::default()
    };
    files.configure(&mut config, TlsVerify::Required);
    change(&mut config);
    let error = Broker::builder().config(config).start().await.expect_err("bad files");
    assert_eq!(error.exit_code(), 78);
    error.to_string()
}

#[tokio::test]
async fn bad_files_stop_the_start_with_their_name() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let (missing, no_pem) = (files.path("missing.pem"), no_pem(&files));
    let other_key = files.write("other.pem", &authority.server().key);
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
    let locked = files.write("locked.pem", locked);
    let cut = files.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let nonsense = files.write("nonsense.pem", nonsense);
    let refused = async |change: &dyn Fn(&mut Config)| refused_start(&files, change).await;

    let told = refused(&|c| c.tls.certificate = Some(missing.clone())).await;
    assert_eq!(
        told,
        format!(
            "cannot read {} (tls-cert): No such file or directory (os error 2)",
            shown(&missing)
        )
    );
    for (path, rule) in [
        (&no_pem, "there is no certificate (BEGIN CERTIFICATE) in it"),
        (&key, "there is no certificate (BEGIN CERTIFICATE) in it"),
        (&cut, "an END line is missing"),
        (&nonsense, "the certificate cannot be read"),
    ] {
        let told = refused(&|c| c.tls.certificate = Some(path.clone())).await;
        assert_eq!(told, format!("{} (tls-cert): {rule}", shown(path)));
    }
    for (path, rule) in [
        (&certificate, "there is no private key in it"),
        (&locked, "the key is protected by a passphrase"),
    ] {
        let told = refused(&|c| c.tls.key = Some(path.clone())).await;
        assert_eq!(told, format!("{} (tls-key): {rule}", shown(path)));
    }
    let told = refused(&|c| c.tls.key = Some(other_key.clone())).await;
    assert!(told.contains("cert.pem (tls-cert) and ") && told.contains("do not go together"));
    let told = refused(&|c| c.tls.authorities = Some(no_pem.clone())).await;
    assert!(told.starts_with(&format!("{} (tls-ca): ", shown(&no_pem))), "{told}");
    let told = refused(&|c| c.tls.revoked = Some(no_pem.clone())).await;
    assert!(told.starts_with(&format!("{} (tls-crl): ", shown(&no_pem))), "{told}");
}

#[tokio::test]
async fn settings_that_are_of_no_use_alone_stop_the_start() {
    let files = Files::of(&Authority::new("The Authority"));
    let refused = async |change: &dyn Fn(&mut Config)| refused_start(&files, change).await;
    for (told, expected) in [
        (refused(&|c| c.tls.key = None).await, "tls-cert is set, but tls-key is not"),
        (refused(&|c| c.tls.certificate = None).await, "tls-key is set, but tls-cert is not"),
        (refused(&|c| c.tls.authorities = None).await, "tls-verify is set, but tls-ca is not"),
        (refused(&|c| c.tls.verify = TlsVerify::None).await, "tls-ca is set, but tls-verify is"),
        (
            refused(&|c| (c.tls.certificate, c.tls.key) = (None, None)).await,
            "listen-tls is set, but tls-cert is not",
        ),
    ] {
        assert!(told.starts_with(expected), "{told}");
    }
}

// Those who speak something else, or nothing

#[tokio::test]
async fn a_slow_handshake_ends_with_its_time() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let limit = Duration::from_millis(300);
    let broker = OwnBroker::start_with(|config| {
        files.configure(config, TlsVerify::None);
        config.handshake_timeout = limit;
    })
    .await;
    let hello = old_hello([3, 3]);
    for said in [&[][..], &hello[..3], &hello[..20]] {
        let since = Instant::now();
        let mut stream = TcpStream::connect(broker.tls_address()).await.expect("connected");
        stream.write_all(said).await.expect("taken");
        assert_eq!(all_that_comes(&mut stream).await, b"");
        assert!(since.elapsed() >= limit, "{:?}", since.elapsed());
    }
    // The time runs from the beginning and not again after TLS.
    let since = Instant::now();
    let connector = Connector::new(&authority, None);
    let mut peer = broker.raw_tls(&connector).await;
    peer.greet().await;
    peer.expect_end().await;
    assert!(since.elapsed() < SOON);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_no_tls_is_ended_soon_and_told() {
    let (log, _logging) = Log::start();
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = start(&files, TlsVerify::None).await;
    let garbage = random::Random::new(5).octets(2_000);
    for said in [&PROTOCOL_HEADER[..], b"GET / HTTP/1.1\r\n\r\n", &garbage, &[0x16, 3, 3, 0xff]] {
        let mut stream = TcpStream::connect(broker.tls_address()).await.expect("connected");
        stream.write_all(said).await.expect("taken");
        if said.len() < 5 {
            stream.shutdown().await.expect("half closed");
        }
        let came = all_that_comes(&mut stream).await;
        assert!(came.len() <= 7, "an alert at most: {came:?}");
    }
    let text = log.text();
    assert!(text.contains("the client does not speak TLS"), "{text}");
    broker.tls_peer(&Connector::new(&authority, None)).await.pass_a_message().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn tls_to_the_plain_port_is_ended_soon_and_told() {
    let (log, _logging) = Log::start();
    let broker = OwnBroker::start().await;
    let connector = Connector::new(&Authority::new("The Authority"), None);
    let connected = timeout(SOON, connector.connect(broker.address())).await.expect("soon");
    connected.expect_err("no TLS is spoken there");
    let mut peer = broker.peer().await;
    peer.pass_a_message().await;
    let text = log.text();
    assert!(text.contains("TLS, which is for another port"), "{text}");
    broker.stop_and_check().await;
}

/// Each would have the broker make new keys and answer.
/// CVE-2026-39304.
#[tokio::test]
async fn a_flood_of_key_updates_ends_the_connection() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = start(&files, TlsVerify::None).await;
    let connector = Connector::with_versions(&authority, None, &[&TLS13]);
    let mut stream = connector.connect(broker.tls_address()).await.expect("connected");
    let mut sent = 0;
    while sent < 10_000 {
        stream.get_mut().1.refresh_traffic_keys().expect("an open connection");
        if stream.flush().await.is_err() {
            break;
        }
        sent += 1;
    }
    let mut came = Vec::new();
    let end = timeout(SOON, stream.read_to_end(&mut came)).await.expect("an end, soon");
    assert!(end.is_err() && came.is_empty(), "{sent} updates: {came:?}");
    broker.tls_peer(&connector).await.pass_a_message().await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn all_listeners_share_the_limit_of_connections() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = OwnBroker::start_with(|config| {
        files.configure(config, TlsVerify::None);
        config.max_connections = 2;
    })
    .await;
    let connector = Connector::new(&authority, None);
    let plain = broker.peer().await;
    let mut secured = broker.tls_peer(&connector).await;
    // Both listeners may hold one that is accepted and waits for its slot, but serve nobody.
    let mut waiting = Box::pin(broker.tls_peer(&connector));
    let served = tokio::select! {
        _ = &mut waiting => true,
        () = secured.pass_a_message() => false,
    };
    assert!(!served);
    plain.close().await;
    waiting.await.pass_a_message().await;
    broker.stop_and_check().await;
}
