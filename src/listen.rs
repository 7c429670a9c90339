//! The listeners: names resolved, sockets bound, all or none.
//!
//! Knows nothing of what is spoken on them.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::start_error::StartError;

/// Connections that the system holds while none is accepted.
const BACKLOG: u32 = 1024;

/// Listens on every address of every `HOST:PORT`.
pub async fn bind(listen: &[String]) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::with_capacity(listen.len());
    for name in listen {
        bind_name(name, &mut listeners).await?;
    }
    Ok(listeners)
}

/// A name may have addresses of a family that this machine does not use (`localhost` often has
/// `::1` where IPv6 is off): one that can be listened on is enough.
async fn bind_name(name: &str, listeners: &mut Vec<TcpListener>) -> Result<(), StartError> {
    let unresolved = |error| StartError::CannotResolve { address: name.to_owned(), error };
    let mut addresses: Vec<SocketAddr> = lookup_host(name).await.map_err(unresolved)?.collect();
    addresses.dedup();
    let (mut bound, mut missing) = (0, None);
    for address in addresses {
        match listen_on(address) {
            Ok(listener) => {
                listeners.push(listener);
                bound += 1;
            }
            Err(error) if is_absent(&error) => missing = Some(StartError::listen(address, error)),
            Err(error) => return Err(StartError::listen(address, error)),
        }
    }
    match missing {
        Some(error) if bound == 0 => Err(error),
        None if bound == 0 => Err(unresolved(io::ErrorKind::NotFound.into())),
        _ => Ok(()),
    }
}

/// Accepted sockets inherit that small writes are not held back, and that a peer which vanished
/// without heartbeats is noticed in the end.
fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn is_absent(error: &io::Error) -> bool {
    let no_family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(no_family)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(listen: &str) -> StartError {
        bind(&[listen.to_owned()]).await.expect_err("cannot be bound")
    }

    #[tokio::test]
    async fn names_and_free_ports_are_bound() {
        let listen = ["127.0.0.1:0".to_owned(), "localhost:0".to_owned()];
        let listeners = bind(&listen).await.expect("bound");
        assert!(listeners.len() >= 2);
        for listener in listeners {
            let address = listener.local_addr().expect("bound");
            assert!(address.ip().is_loopback() && address.port() != 0, "{address}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = taken.local_addr().expect("bound");
        let error = refused(&address.to_string()).await;
        assert!(matches!(error, StartError::AddressInUse(a) if a == address), "{error}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_told() {
        // From the block kept for documentation (RFC 5737): no machine has it.
        let error = refused("192.0.2.1:0").await;
        assert!(matches!(error, StartError::CannotListen { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_name_without_address_is_told() {
        // A top-level name that never exists (RFC 2606).
        let error = refused("nowhere.invalid:5672").await;
        assert!(error.to_string().starts_with("cannot listen on nowhere.invalid:5672:"), "{error}");
        assert_eq!(error.exit_code(), 69);
    }
}
