//! Tells the service manager how far the process is, as systemd wants to be told (`sd_notify`).
//!
//! One datagram to the socket that the environment names; without one, nothing. Knows nothing of
//! what the process does.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where the service manager names its socket.
const VARIABLE: &str = "NOTIFY_SOCKET";
/// A service manager that is not to be reached in this time does not keep us from serving.
const SEND_WAIT: Duration = Duration::from_secs(1);

/// How far the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It serves.
    Ready,
    /// It is about to end.
    Stopping,
}

/// Tells it, if anybody wants to know.
pub fn tell(progress: Progress) {
    let Some(socket) = std::env::var_os(VARIABLE).filter(|socket| !socket.is_empty()) else {
        return;
    };
    let message = match progress {
        Progress::Ready => "READY=1",
        Progress::Stopping => "STOPPING=1",
    };
    if let Err(error) = send(&socket, message) {
        tracing::warn!(%error, ?socket, message, "cannot tell the service manager");
    }
}

fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    sender.set_write_timeout(Some(SEND_WAIT))?;
    sender.send_to_addr(message.as_bytes(), &address(socket)?)?;
    Ok(())
}

/// A path, or a name without one behind an @.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(socket),
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => {
            let rule = "NOTIFY_SOCKET must begin with / or @";
            Err(io::Error::new(io::ErrorKind::InvalidInput, rule))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_heard_at(receiver: &UnixDatagram, socket: &OsStr) {
        send(socket, "READY=1").expect("sent");
        let mut message = [0; 64];
        let bytes = receiver.recv(&mut message).expect("received");
        assert_eq!(&message[..bytes], b"READY=1");
    }

    #[test]
    fn paths_and_abstract_names_are_reached() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        is_heard_at(&UnixDatagram::bind(&path).expect("bound"), path.as_os_str());

        let name = format!("warren-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let receiver = UnixDatagram::bind_addr(&address).expect("bound");
        is_heard_at(&receiver, OsStr::new(&format!("@{name}")));
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        for socket in ["relative", "vsock:2:1234", "/nowhere/notify", "@nobody-is-there"] {
            send(OsStr::new(socket), "READY=1").expect_err(socket);
        }
    }
}
