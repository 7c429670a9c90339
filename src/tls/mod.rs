//! TLS: certificates from files, and sockets that speak it.
//!
//! Versions 1.2 and 1.3 with the suites of rustls: forward secrecy and authenticated ciphers only.
//! Nothing outside of this folder names rustls. Knows neither AMQP nor HTTP.

mod error;
mod files;
mod info;
mod name;
mod read_ahead;

use std::io;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::{RootCertStore, ServerConfig, crypto, version};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

pub use error::TlsError;
pub use info::{PeerCertificate, TlsInfo};
pub use read_ahead::ReadAhead;

use crate::config::{TlsConfig, TlsVerify};

/// A socket that speaks TLS, its handshake done. Reads ahead, so that a flood of small records
/// costs few system calls; holds no buffer for that while there is nothing to read.
pub type TlsSocket = tokio_rustls::server::TlsStream<ReadAhead>;

/// What all listeners with TLS use. The files can be read again at any time.
#[derive(Debug)]
pub struct Tls {
    told: TlsConfig,
    in_force: RwLock<InForce>,
}

#[derive(Debug, Clone)]
struct InForce {
    server: Arc<ServerConfig>,
    /// When the broker's own certificate ends, in seconds since 1970.
    ends_at: i64,
}

impl Tls {
    /// Reads the files. None if no certificate is configured.
    pub fn load(told: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let listens = !told.listen.is_empty() || !told.http_listen.is_empty();
        if !listens && told.certificate.is_none() && told.key.is_none() {
            return match (&told.authorities, &told.revoked) {
                (None, None) => Ok(None),
                (Some(_), _) => Err(TlsError::not_set("tls-cert", "tls-ca")),
                (None, Some(_)) => Err(TlsError::not_set("tls-cert", "tls-crl")),
            };
        }
        if !listens {
            tracing::warn!("there is a certificate, but no listener with TLS");
        }
        let in_force = RwLock::new(read(told)?);
        Ok(Some(Self { told: told.clone(), in_force }))
    }

    /// Reads the files again. What is wrong with them leaves everything as it was; connections
    /// that are open go on in any case.
    pub fn reload(&self) -> Result<(), TlsError> {
        let in_force = read(&self.told)?;
        *self.in_force.write() = in_force;
        Ok(())
    }

    /// Does the handshake. The caller limits its time.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsSocket> {
        let server = self.in_force.read().server.clone();
        let mut socket = TlsAcceptor::from(server).accept(ReadAhead::new(stream)).await?;
        socket.get_mut().0.trust();
        Ok(socket)
    }

    /// What is to be known about a connection.
    pub fn info(&self, socket: &TlsSocket) -> TlsInfo {
        TlsInfo::of(socket.get_ref().1, self.told.login_from)
    }

    /// When the broker's certificate ends, in seconds since 1970.
    pub fn certificate_ends_at(&self) -> i64 {
        self.in_force.read().ends_at
    }
}

/// Whether something is encrypted that the socket has not taken yet.
pub fn has_unsent(socket: &TlsSocket) -> bool {
    socket.get_ref().1.wants_write()
}

/// Why a handshake failed, in words for the log.
pub fn failure(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
            "the client does not speak TLS".to_owned()
        }
        Some(inner) => inner.to_string(),
        None => error.to_string(),
    }
}

fn read(told: &TlsConfig) -> Result<InForce, TlsError> {
    let needed_by = match (&told.certificate, &told.key) {
        (Some(_), None) => "tls-cert",
        (None, Some(_)) => "tls-key",
        _ if told.listen.is_empty() => "http-tls",
        _ => "listen-tls",
    };
    let certificate = told.certificate.as_deref();
    let certificate = certificate.ok_or_else(|| TlsError::not_set("tls-cert", needed_by))?;
    let key = told.key.as_deref().ok_or_else(|| TlsError::not_set("tls-key", needed_by))?;
    let chain = files::certificates("tls-cert", certificate)?;
    let ends_at = files::ends_at(certificate, &chain)?;
    let private = files::private_key(key)?;
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = client_verifier(told, provider.clone())?;
    let pair = |error: rustls::Error| TlsError::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        why: error.to_string(),
    };
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(pair)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private)
        .map_err(pair)?;
    // No resumption: connections last, and a resumed one would be let in by what a certificate
    // was worth earlier.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok(InForce { server: Arc::new(server), ends_at })
}

fn client_verifier(
    told: &TlsConfig,
    provider: Arc<crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let path = match (told.verify, &told.authorities) {
        (TlsVerify::None, None) => {
            return match told.revoked {
                Some(_) => Err(TlsError::not_set("tls-ca", "tls-crl")),
                None => Ok(WebPkiClientVerifier::no_client_auth()),
            };
        }
        // Whoever names authorities believes that clients are checked.
        (TlsVerify::None, Some(_)) => return Err(TlsError::not_set("tls-verify", "tls-ca")),
        (TlsVerify::Optional | TlsVerify::Required, None) => {
            return Err(TlsError::not_set("tls-ca", "tls-verify"));
        }
        (TlsVerify::Optional | TlsVerify::Required, Some(path)) => path,
    };
    let wrong = |error: &dyn std::fmt::Display| TlsError::wrong("tls-ca", path, error);
    let mut roots = RootCertStore::empty();
    for certificate in files::certificates("tls-ca", path)? {
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if let Some(revoked) = &told.revoked {
        verifier = verifier.with_crls(files::revocation_lists(revoked)?);
    }
    if told.verify == TlsVerify::Optional {
        verifier = verifier.allow_unauthenticated();
    }
    verifier.build().map_err(|error| match &told.revoked {
        Some(revoked) => TlsError::wrong("tls-crl", revoked, &error),
        None => wrong(&error),
    })
}
