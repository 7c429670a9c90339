//! From the protocol header to `connection.open-ok` (0-9-1, 2.2.4); gives a session.
//!
//! A peer that has not logged in gets one small buffer and a limited time. Knows nothing of
//! channels above 0.

use std::sync::{Arc, LazyLock};

use super::origin::Origin;
use super::properties::SERVER_PROPERTIES;
use super::session::{Admitted, Capabilities, Session, Tuning};
use super::socket::Socket;
use crate::access::{EXTERNAL, MECHANISMS, Refusal, User, Whence};
use crate::amqp::frame::{FrameKind, FrameReader, describe, erlang_binary};
use crate::amqp::method::{ConnectionStartOk, ConnectionTuneOk, DecodeError, Method, method_id};
use crate::amqp::reply::{Reply, connection_start};
use crate::amqp::table::{Table, Value};
use crate::amqp::write::WriteQueue;
use crate::broker::{Attempt, Identity, Node, Presence};
use crate::clock;
use crate::config::FRAME_MAX_MIN_BYTES;
use crate::error::{Error, MethodId, Reason, ReplyCode, Result};
use crate::log_limit::Line;
use crate::names;
use crate::queue::ConnectionId;
use crate::tls::PeerCertificate;

/// What this broker speaks, and what it answers to any other protocol header.
const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\0\0\x09\x01";
/// The same protocol under its old number.
const PROTOCOL_HEADER_0_9: [u8; 8] = *b"AMQP\x01\x01\0\x09";
/// What tune-ok errors blame: `connection.tune`.
const TUNE: MethodId = MethodId::new(10, 30);

/// How a handshake fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// The peer speaks something else: what, if that can be told. It has been told what is spoken
    /// here.
    WrongProtocol(&'static str),
    /// The peer has gone.
    Io(std::io::Error),
    /// Close with that reason, blaming that method.
    Close(Reason, MethodId),
    /// The login is refused, and the client infers that from a close without a word.
    RefusedInSilence,
}

/// A connection being opened.
pub(super) struct Handshake<'a> {
    pub(super) socket: &'a mut Socket,
    pub(super) reader: &'a mut FrameReader,
    pub(super) node: Arc<Node>,
    pub(super) origin: Origin,
    pub(super) out: WriteQueue,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
}

/// So much of a method's arguments is shown in an error.
const SHOWN_MAX_BYTES: usize = 64;

/// Somebody who has logged in.
struct Login {
    user: Arc<User>,
    mechanism: Arc<str>,
    properties: Table,
}

type Step<T> = std::result::Result<T, Failure>;

/// `connection.start` for those without a certificate.
static START: LazyLock<Vec<u8>> = LazyLock::new(|| start(MECHANISMS));
/// The same for those who have shown one.
static START_EXTERNAL: LazyLock<Vec<u8>> =
    LazyLock::new(|| start(&format!("{MECHANISMS} {EXTERNAL}")));

fn start(mechanisms: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    connection_start(&SERVER_PROPERTIES, mechanisms, &mut frame);
    frame
}

impl Handshake<'_> {
    /// Goes through all of it.
    pub(super) async fn run(mut self) -> Step<Session> {
        self.protocol_header().await?;
        let start = if self.certificate().is_some() { &START_EXTERNAL } else { &START };
        self.out.tail().extend_from_slice(start);
        let Login { user, mechanism, properties } = self.log_in().await?;
        let capabilities = capabilities(&properties);
        let config = &self.node.config;
        let tune =
            Reply::connection_tune(config.channel_max, config.frame_max_bytes, config.heartbeat);
        tune.encode(0, self.out.tail());
        let tuning = self.tune().await?;
        let admitted = self.open(user).await?;
        // From here to the connection nothing is waited for, so that what was let in is removed.
        Reply::connection_open_ok().encode(0, self.out.tail());
        self.out.set_frame_max(tuning.frame_max_bytes);
        let node = self.node.clone();
        let identity = Identity {
            id: admitted.id,
            peer: self.origin.peer,
            local: self.origin.host,
            user: admitted.user.name.clone(),
            vhost: admitted.vhost.name().clone(),
            mechanism,
            tls: self.origin.tls.clone(),
            client_properties: properties,
            channel_max: tuning.channel_max,
            frame_max_bytes: tuning.frame_max_bytes,
            heartbeat: tuning.heartbeat,
            connected_ms: clock::now_ms(),
        };
        let presence = Arc::new(Presence::new(identity, admitted.outbox.clone()));
        presence.traffic.received_bytes.set(self.received_bytes);
        presence.traffic.sent_bytes.set(self.sent_bytes);
        Ok(Session::new(node, admitted, presence, tuning, capabilities, self.out))
    }

    /// What the client has shown, and nobody but it could.
    fn certificate(&self) -> Option<&PeerCertificate> {
        self.origin.tls.as_deref()?.peer.as_ref()
    }

    async fn protocol_header(&mut self) -> Step<()> {
        let header = loop {
            if let Some(header) = self.reader.take_protocol_header() {
                break header;
            }
            self.read().await?;
        };
        if header == PROTOCOL_HEADER || header == PROTOCOL_HEADER_0_9 {
            return Ok(());
        }
        self.out.tail().extend_from_slice(&PROTOCOL_HEADER);
        self.flush().await?;
        Err(Failure::WrongProtocol(guess(header)))
    }

    async fn log_in(&mut self) -> Step<Login> {
        let (start_ok, properties) = self
            .expect("starting", |method| match method {
                Method::ConnectionStartOk(start_ok, properties) => Some((start_ok, properties)),
                _ => None,
            })
            .await?;
        let capabilities = capabilities(&properties);
        let ConnectionStartOk { mechanism, response, .. } = &start_ok;
        let local = self.origin.is_local;
        let logged_in = match (mechanism.as_str(), self.certificate()) {
            (EXTERNAL, Some(certificate)) => {
                // Nobody has the empty name.
                let name = certificate.user.as_deref().unwrap_or_default();
                tracing::debug!(subject = ?certificate.subject, user = ?name, "login by name");
                self.node.access.external(name, local)
            }
            (mechanism, _) => {
                let response = response.as_bytes();
                let whence = Whence { peer: self.origin.peer.ip(), local };
                self.node.access.authenticate(mechanism, response, whence).await
            }
        };
        match logged_in {
            Ok(user) => {
                self.node.ledger.amqp_logins.succeeded.add(1);
                self.note_attempt(mechanism.as_str(), &user.name, None);
                Ok(Login { user, mechanism: mechanism.as_str().into(), properties })
            }
            Err(refusal) => {
                self.node.ledger.amqp_logins.failed.add(1);
                let user = refusal.user().unwrap_or_default();
                if let Some(Line { left_out }) = self.node.log_limits.logins.line() {
                    tracing::warn!(user, ?mechanism, reason = %refusal, left_out, "login refused");
                }
                self.note_attempt(mechanism.as_str(), user, Some(&refusal));
                Err(refused(&refusal, mechanism.as_str(), capabilities))
            }
        }
    }

    fn note_attempt(&self, mechanism: &str, user: &str, refusal: Option<&Refusal>) {
        self.node.note_attempt(&Attempt {
            peer: self.origin.peer,
            local: self.origin.host,
            is_tls: self.origin.tls.is_some(),
            mechanism,
            user,
            refused: refusal.map(|why| format!("user '{user}' - {why}")),
        });
    }

    async fn tune(&mut self) -> Step<Tuning> {
        let tune_ok = self
            .expect("tuning", |method| match method {
                Method::ConnectionTuneOk(tune_ok) => Some(tune_ok),
                _ => None,
            })
            .await?;
        let ConnectionTuneOk { channel_max, frame_max, heartbeat } = tune_ok;
        let config = &self.node.config;
        check_channel_max(channel_max, config.channel_max).map_err(blaming(TUNE))?;
        check_frame_max(frame_max, config.frame_max_bytes).map_err(blaming(TUNE))?;
        self.reader.set_frame_max(frame_max);
        Ok(Tuning { channel_max, frame_max_bytes: frame_max, heartbeat })
    }

    async fn open(&mut self, user: Arc<User>) -> Step<Admitted> {
        let open = self
            .expect("opening", |method| match method {
                Method::ConnectionOpen(open) => Some(open),
                _ => None,
            })
            .await?;
        let (id, outbox) = (ConnectionId(names::next_number()), Arc::default());
        let vhost = self.node.admit(id, &outbox, &user, open.virtual_host.as_str());
        let vhost = vhost.map_err(blaming(MethodId::new(10, 40)))?;
        Ok(Admitted { id, outbox, user, vhost })
    }

    /// The next method, which has to be that one. A client may close at any time.
    async fn expect<T>(
        &mut self,
        state: &str,
        wanted: impl Fn(Method<'_>) -> Option<T>,
    ) -> Step<T> {
        self.flush().await?;
        loop {
            let Some(head) = self.reader.head().map_err(blaming(MethodId::NONE))? else {
                self.read().await?;
                continue;
            };
            let payload = self.reader.payload(head);
            if head.kind == FrameKind::Heartbeat && head.channel == 0 {
                self.reader.skip(head);
                continue;
            }
            if head.kind != FrameKind::Method || head.channel != 0 {
                let error = Error::unexpected_frame(describe(head.kind.octet(), payload));
                return Err(blaming(MethodId::NONE)(error));
            }
            let id = method_id(payload);
            let method =
                Method::decode(payload).map_err(|e| blaming(id)(undecodable(e, payload)))?;
            let closed = matches!(method, Method::ConnectionClose(_));
            let found = wanted(method);
            self.reader.skip(head);
            return match found {
                Some(found) => Ok(found),
                None if closed => self.closed_by_client().await,
                None => {
                    let text = format!("unexpected method in connection state {state}");
                    Err(blaming(id)(Error::channel_error(text)))
                }
            };
        }
    }

    async fn closed_by_client<T>(&mut self) -> Step<T> {
        Reply::connection_close_ok().encode(0, self.out.tail());
        self.flush().await?;
        Err(Failure::Io(std::io::ErrorKind::ConnectionAborted.into()))
    }

    async fn read(&mut self) -> Step<()> {
        match self.socket.read(self.reader).await.map_err(Failure::Io)? {
            0 => Err(Failure::Io(std::io::ErrorKind::UnexpectedEof.into())),
            bytes => {
                self.received_bytes += bytes as u64;
                Ok(())
            }
        }
    }

    async fn flush(&mut self) -> Step<()> {
        self.sent_bytes += self.out.len() as u64;
        self.socket.write_all(&mut self.out).await.map_err(Failure::Io)
    }
}

/// What somebody speaks who begins like that, for the log.
fn guess(header: [u8; 8]) -> &'static str {
    match &header {
        [0x16, 0x03, ..] => "TLS, which is for another port",
        b"AMQP\x00\x01\x00\x00" | b"AMQP\x03\x01\x00\x00" => "AMQP 1.0",
        [b'A', b'M', b'Q', b'P', ..] => "another version of AMQP",
        b"PROXY TC" | b"PROXY UN" | b"\r\n\r\n\0\r\nQ" => {
            "the PROXY protocol, from an address that is not a trusted proxy's"
        }
        [b'G', b'E', b'T', b' ', ..] | b"POST / H" | b"OPTIONS " => "HTTP",
        _ => "unknown",
    }
}

/// What a payload that is no method is answered with.
pub(super) fn undecodable(error: DecodeError, payload: &[u8]) -> Error {
    match error {
        DecodeError::Unknown(id) => {
            let text = format!("unknown method {} of class {}", id.method, id.class);
            Error::not_implemented(text).blame(id)
        }
        DecodeError::Malformed(id) => {
            let arguments = payload.get(4..).unwrap_or_default();
            let shown = match id.class {
                // These may hold a password.
                10 => "<<...>>".to_owned(),
                _ => erlang_binary(arguments.get(..SHOWN_MAX_BYTES).unwrap_or(arguments)),
            };
            Error::frame_error(format!("cannot decode {shown}")).blame(id)
        }
    }
}

/// On channel 0 every error closes the connection.
fn blaming(id: MethodId) -> impl Fn(Error) -> Failure {
    move |error| match error {
        Error::Channel(reason) | Error::Connection(reason) => {
            let blamed = reason.method.unwrap_or(id);
            Failure::Close(reason, blamed)
        }
        Error::Io(error) => Failure::Io(error),
    }
}

fn refused(refusal: &Refusal, mechanism: &str, capabilities: Capabilities) -> Failure {
    let close = |code, text| Failure::Close(Reason::new(code, text), MethodId::NONE);
    match refusal {
        Refusal::Denied { .. } if !capabilities.authentication_failure_close => {
            Failure::RefusedInSilence
        }
        Refusal::Denied { .. } => close(
            ReplyCode::AccessRefused,
            format!(
                "Login was refused using authentication mechanism {mechanism}. For details see \
                 the broker logfile."
            ),
        ),
        Refusal::Malformed => {
            // The response may hold a password: it is not shown.
            close(ReplyCode::SyntaxError, "response <<...>> invalid".to_owned())
        }
        Refusal::UnknownMechanism => {
            let text = format!("unknown authentication mechanism '{mechanism}'");
            close(ReplyCode::CommandInvalid, text)
        }
    }
}

fn check_channel_max(asked: u16, max: u16) -> Result<()> {
    let too_high = |shown: String| {
        Err(Error::not_allowed(format!(
            "negotiated channel_max = {shown} is higher than the maximum allowed value ({max})"
        )))
    };
    match asked {
        0 => too_high("0 (no limit)".to_owned()),
        asked if asked > max => too_high(asked.to_string()),
        _ => Ok(()),
    }
}

fn check_frame_max(asked: u32, max: u32) -> Result<()> {
    if asked == 0 || asked > max {
        return Err(Error::not_allowed(format!(
            "negotiated frame_max = {asked} is higher than the maximum allowed value ({max})"
        )));
    }
    if asked < FRAME_MAX_MIN_BYTES {
        return Err(Error::not_allowed(format!(
            "negotiated frame_max = {asked} is lower than the minimum allowed value \
             ({FRAME_MAX_MIN_BYTES})"
        )));
    }
    Ok(())
}

fn capabilities(properties: &Table) -> Capabilities {
    let Some(Value::Table(table)) = properties.view().get("capabilities") else {
        return Capabilities::default();
    };
    let has = |name| matches!(table.get(name), Some(Value::Bool(true)));
    Capabilities {
        consumer_cancel_notify: has("consumer_cancel_notify"),
        connection_blocked: has("connection.blocked"),
        authentication_failure_close: has("authentication_failure_close"),
    }
}
