//! Who makes a request: HTTP Basic authentication (RFC 7617) against the broker's users.
//!
//! What was right a moment ago is remembered under a keyed hash, so that a program that asks every
//! second costs one check of a password a minute, and never waits because others guess. Knows no
//! routes.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::time::sleep_until;

use super::caller::Caller;
use super::reply::Failure;
use super::throttle::Throttle;
use crate::access::User;
use crate::broker::Node;

/// The longest header that may hold a login: 255 octets of name, a password, and base64.
const HEADER_MAX_BYTES: usize = 4096;
/// Failed logins of one address are logged one by one up to this, then each time they double.
const FAILURES_LOGGED: u32 = 10;
/// A login is remembered for this long. A change of the user ends that at once.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Logins remembered; when there are more, all are forgotten.
const REMEMBERED_MAX: usize = 1024;

/// The logins of one broker.
#[derive(Debug, Default)]
pub(super) struct Logins {
    throttle: Throttle,
    recent: Recent,
}

/// Logins that were right a moment ago, under 128 bits that nobody else can compute.
#[derive(Debug, Default)]
struct Recent {
    keys: [RandomState; 2],
    logins: Mutex<HashMap<[u64; 2], Login>>,
}

#[derive(Clone, Debug)]
struct Login {
    user: Arc<User>,
    at: Instant,
}

/// A name and a password, as they came. Deliberately without `Debug`.
#[derive(Hash)]
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
    /// From this machine.
    local: bool,
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
        let local = peer.to_canonical().is_loopback();
        let credentials = credentials(header.as_bytes(), local);
        let credentials = credentials.ok_or_else(Failure::login_failed)?;
        let key = self.recent.key(&credentials);
        if let Some(user) = self.recent.find(key, node) {
            node.ledger.http_logins.succeeded.add(1);
            return Ok(Caller { user });
        }
        let turn = self.throttle.turn(peer, Instant::now());
        let turn = turn.map_err(|too_many| come_back(too_many.retry_after))?;
        if !turn.wait.is_zero() {
            sleep_until(tokio::time::Instant::now() + turn.wait).await;
        }
        let Credentials { user, password, local } = &credentials;
        match node.access.log_in(user, password, *local).await {
            Ok(user) => {
                node.ledger.http_logins.succeeded.add(1);
                self.recent.note(key, user.clone());
                Ok(Caller { user })
            }
            Err(refusal) => {
                node.ledger.http_logins.failed.add(1);
                let failures = self.throttle.note_failure(peer, Instant::now());
                if failures <= FAILURES_LOGGED || failures.is_power_of_two() {
                    let user = refusal.user().unwrap_or_default();
                    tracing::warn!(%peer, user, reason = %refusal, failures, "HTTP login refused");
                }
                Err(Failure::login_failed())
            }
        }
    }
}

impl Recent {
    fn key(&self, credentials: &Credentials) -> [u64; 2] {
        self.keys.each_ref().map(|key| key.hash_one(credentials))
    }

    fn find(&self, key: [u64; 2], node: &Node) -> Option<Arc<User>> {
        let Login { user, at } = self.logins.lock().get(&key).cloned()?;
        // Whoever changes a user makes another one.
        let current = node.access.user(&user.name)?;
        (Arc::ptr_eq(&current, &user) && at.elapsed() < REMEMBERED).then_some(user)
    }

    fn note(&self, key: [u64; 2], user: Arc<User>) {
        let mut logins = self.logins.lock();
        if logins.len() >= REMEMBERED_MAX {
            logins.clear();
        }
        logins.insert(key, Login { user, at: Instant::now() });
    }
}

/// `Basic` and base64 of `NAME:PASSWORD`.
fn credentials(header: &[u8], local: bool) -> Option<Credentials> {
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
    Some(Credentials { user: user.to_vec(), password: password.to_vec(), local })
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
        credentials(header.as_bytes(), true).map(|read| (read.user, read.password))
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
