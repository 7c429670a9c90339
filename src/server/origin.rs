//! Where a connection comes from: the socket's own word, or that of a trusted proxy.
//!
//! Knows nothing of what is spoken behind the header.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::proxy_protocol::{Header, Step, parse};
use crate::config::Network;
use crate::tls::TlsInfo;

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The client.
    pub(super) peer: SocketAddr,
    /// Where it has connected to.
    pub(super) host: SocketAddr,
    /// Whether the client is on this machine, beyond doubt.
    pub(super) is_local: bool,
    /// What is spoken below AMQP, if it is TLS.
    pub(super) tls: Option<Arc<TlsInfo>>,
}

impl Origin {
    /// Reads what the proxy says, if the peer is one.
    pub(super) async fn find(
        stream: &mut TcpStream,
        peer: SocketAddr,
        proxies: &[Network],
    ) -> io::Result<Self> {
        let host = stream.local_addr()?;
        let is_local = is_loopback(peer);
        if !proxies.iter().any(|network| network.contains(peer.ip())) {
            return Ok(Self { peer, host, is_local, tls: None });
        }
        match read_header(stream).await? {
            // Local is who is so by both accounts: a proxy on this machine brings clients from
            // anywhere, and a proxy elsewhere has its own idea of what is local.
            Header::For { source, destination } => {
                let is_local = is_local && is_loopback(source);
                Ok(Self { peer: source, host: destination, is_local, tls: None })
            }
            Header::Unknown => Ok(Self { peer, host, is_local: false, tls: None }),
        }
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

async fn read_header(stream: &mut TcpStream) -> io::Result<Header> {
    let mut read = Vec::new();
    loop {
        match parse(&read) {
            Step::Done(header) => return Ok(header),
            Step::Wrong(why) => {
                let text = format!("no header of the PROXY protocol: {why}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            Step::Needs(more) => {
                // Whatever comes is looked at at once: somebody else's first words may be shorter.
                if (&mut *stream).take(more as u64).read_buf(&mut read).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }
}
