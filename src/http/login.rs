//! Who makes a request: HTTP Basic authentication (RFC 7617) against the broker's users.
//!
//! A program that asks every second costs one check of a password a minute (`access/guard.rs`).
//! Knows no routes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::caller::Caller;
use super::reply::Failure;
use crate::access::{Attempt, Denial, Denied, Guard, Refusal};
use crate::broker::Node;

/// The longest header that may hold a login: 255 octets of name, a password, and base64.
const HEADER_MAX_BYTES: usize = 4096;
/// Failed logins of one address are logged one by one up to this, then each time they double.
const FAILURES_LOGGED: u32 = 10;

/// The logins of one broker.
#[derive(Debug)]
pub(super) struct Logins {
    guard: Guard,
}

/// A name and a password, as they came. Deliberately without `Debug`.
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Default for Logins {
    fn default() -> Self {
        Self { guard: Guard::of_addresses() }
    }
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
        let local = peer.to_canonical().is_loopback();
        let Credentials { user: name, password } = &credentials;
        let attempt = Attempt { name, password, peer, local };
        match self.guard.log_in(&node.access, &attempt).await {
            Ok(user) => {
                node.ledger.http_logins.succeeded.add(1);
                Ok(Caller { user })
            }
            Err(Denied {
                refusal: Refusal::Denied { why: Denial::TooMany { retry_after }, .. },
                ..
            }) => Err(come_back(retry_after)),
            Err(Denied { refusal, failures }) => {
                node.ledger.http_logins.failed.add(1);
                if failures <= FAILURES_LOGGED || failures.is_power_of_two() {
                    let user = refusal.user().unwrap_or_default();
                    tracing::warn!(%peer, user, reason = %refusal, failures, "HTTP login refused");
                }
                Err(Failure::login_failed())
            }
        }
    }
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
