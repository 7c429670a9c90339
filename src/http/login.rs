//! Who makes a request: HTTP Basic authentication (RFC 7617) against the broker's users.
//!
//! Passwords are checked on threads that may work. Knows no routes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::caller::Caller;
use super::reply::Failure;
use super::throttle::Throttle;
use crate::access::Refusal;
use crate::broker::Node;

/// The longest header that may hold a login: 255 octets of name, a password, and base64.
const HEADER_MAX_BYTES: usize = 4096;
/// Failed logins of one address are logged one by one up to this, then each time they double.
const FAILURES_LOGGED: u32 = 10;

/// The logins of one broker.
#[derive(Debug, Default)]
pub(super) struct Logins {
    throttle: Throttle,
}

/// A name and a password, as they came. Deliberately without `Debug`.
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Logins {
    /// The user that a request's headers name, or why there is none.
    pub(super) async fn log_in(
        &self,
        node: &Arc<Node>,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Caller, Failure> {
        let header = headers.get(AUTHORIZATION).ok_or_else(Failure::login_missing)?;
        let credentials = credentials(header.as_bytes()).ok_or_else(Failure::login_failed)?;
        match self.throttle.turn(peer, Instant::now()) {
            Ok(wait) if wait.is_zero() => {}
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(too_many) => return Err(come_back(too_many.retry_after)),
        }
        let name = String::from_utf8_lossy(&credentials.user).into_owned();
        match check(node, credentials, peer).await? {
            Ok(caller) => Ok(caller),
            Err(refusal) => {
                let failures = self.throttle.note_failure(peer, Instant::now());
                if failures <= FAILURES_LOGGED || failures.is_power_of_two() {
                    tracing::warn!(%peer, user = name, ?refusal, failures, "login over HTTP refused");
                }
                Err(Failure::login_failed())
            }
        }
    }
}

/// Off the threads that move messages: some hashes take a tenth of a second by design.
async fn check(
    node: &Arc<Node>,
    credentials: Credentials,
    peer: IpAddr,
) -> Result<Result<Caller, Refusal>, Failure> {
    let node = node.clone();
    let local = peer.to_canonical().is_loopback();
    let checked = tokio::task::spawn_blocking(move || {
        let Credentials { user, password } = credentials;
        let response = [&[0][..], &user, &[0], &password].concat();
        node.users.authenticate("PLAIN", &response, local).map(|user| Caller { user })
    });
    checked.await.map_err(|error| Failure::internal(&error))
}

/// `Basic` and base64 of `NAME:PASSWORD`.
fn credentials(header: &[u8]) -> Option<Credentials> {
    if header.len() > HEADER_MAX_BYTES {
        return None;
    }
    let (scheme, rest) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|octet| *octet == b':')?;
    let (user, password) = decoded.split_at(colon);
    let password = password.get(1..)?;
    Some(Credentials { user: user.to_vec(), password: password.to_vec() })
}

fn come_back(after: Duration) -> Failure {
    let reason = "too many failed logins from this address";
    let seconds = after.as_secs().saturating_add(1);
    Failure::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", reason)
        .with_header(RETRY_AFTER, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        credentials(header.as_bytes()).map(|read| (read.user, read.password))
    }

    #[test]
    fn the_first_colon_ends_the_name() {
        let expected = Some((b"guest".to_vec(), b"a:b".to_vec()));
        assert_eq!(read("Basic Z3Vlc3Q6YTpi"), expected);
        assert_eq!(read("basic  Z3Vlc3Q6YTpi "), expected);
        for header in ["", "Basic", "Basic ", "Basic Z3Vlc3Q=", "Bearer Z3Vlc3Q6YTpi", "Basic %%"] {
            assert_eq!(read(header), None, "{header}");
        }
        assert_eq!(read(&format!("Basic {}", "Z3Vl".repeat(2000))), None);
    }
}
