//! The client: sends a request and waits for its answer.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::http::{Method, Request};
use ureq::{Agent, Error};

use super::answer::{Answer, Asked, Written};
use super::endpoint::Endpoint;
use super::route::Route;
use super::tls;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::escape;
use crate::config::Secret;

/// An answer may be so large: an export of a hundred thousand queues has some dozens of MiB.
const ANSWER_MAX_BYTES: u64 = 512 * 1024 * 1024;
/// An answer that takes longer to begin is told about by `Failure::TimedOut`; connecting to a
/// machine that is gone need not take as long as a large export.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// What a client is made of.
pub(crate) struct ClientOptions {
    pub(crate) endpoint: Endpoint,
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) timeout: Duration,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) insecure: bool,
    pub(crate) verbose: bool,
}

/// A client of one broker, as one user.
pub(crate) struct Client {
    agent: Agent,
    endpoint: Endpoint,
    user: String,
    authorization: Secret,
    verbose: bool,
}

impl Client {
    pub(crate) fn new(options: ClientOptions) -> Result<Self, Failure> {
        let ClientOptions { endpoint, user, password, timeout, ca_file, insecure, verbose } =
            options;
        let config = Agent::config_builder()
            .tls_config(tls::config(ca_file.as_deref(), insecure)?)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout.min(CONNECT_MAX)))
            // A status is an answer, and credentials must not follow a redirection or a proxy.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("warren/", env!("CARGO_PKG_VERSION")))
            .build();
        let credentials = format!("{user}:{}", password.reveal());
        let authorization = Secret::new(format!("Basic {}", STANDARD.encode(credentials)));
        Ok(Self { agent: Agent::new_with_config(config), endpoint, user, authorization, verbose })
    }

    /// As whom it asks.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// What is there.
    pub(crate) fn get(&self, route: &Route) -> Result<Value, Failure> {
        self.succeed(Method::GET, route, None)?.json(&self.asked(route))
    }

    /// What is there, or `None` if nothing is.
    pub(crate) fn get_if_any(&self, route: &Route) -> Result<Option<Value>, Failure> {
        match self.get(route) {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.exit == Exit::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A check's status and what it says: 503 is an answer too.
    pub(crate) fn check(&self, route: &Route) -> Result<(u16, Value), Failure> {
        let answer = self.send(Method::GET, route, None, None)?;
        match answer.status {
            200 | 503 => Ok((answer.status, answer.json(&self.asked(route))?)),
            _ => Err(answer.failure(&self.asked(route))),
        }
    }

    /// Makes it as the body says.
    pub(crate) fn put(&self, route: &Route, body: &Value) -> Result<Written, Failure> {
        let answer = self.succeed(Method::PUT, route, Some(body))?;
        Ok(if answer.status == 201 { Written::Created } else { Written::Changed })
    }

    /// Hands something over that gives nothing back.
    pub(crate) fn post(&self, route: &Route, body: &Value) -> Result<(), Failure> {
        self.succeed(Method::POST, route, Some(body)).map(drop)
    }

    /// Asks for something with a body.
    pub(crate) fn ask(&self, route: &Route, body: &Value) -> Result<Value, Failure> {
        self.succeed(Method::POST, route, Some(body))?.json(&self.asked(route))
    }

    /// Takes it away.
    pub(crate) fn delete(&self, route: &Route) -> Result<(), Failure> {
        self.succeed(Method::DELETE, route, None).map(drop)
    }

    /// Takes it away, and says why.
    pub(crate) fn delete_because(&self, route: &Route, reason: &str) -> Result<(), Failure> {
        let answer = self.send(Method::DELETE, route, None, Some(reason))?;
        if answer.is_success() { Ok(()) } else { Err(answer.failure(&self.asked(route))) }
    }

    fn succeed(
        &self,
        method: Method,
        route: &Route,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let answer = self.send(method, route, body, None)?;
        if answer.is_success() { Ok(answer) } else { Err(answer.failure(&self.asked(route))) }
    }

    fn send(
        &self,
        method: Method,
        route: &Route,
        body: Option<&Value>,
        reason: Option<&str>,
    ) -> Result<Answer, Failure> {
        let url = format!("{}{}", self.endpoint, route.path());
        self.show(&format!("> {method} {url}"));
        let started = Instant::now();
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", self.authorization.reveal())
            // Some routes of RabbitMQ have pages for browsers only, and are fine otherwise.
            .header("accept", "application/json, */*;q=0.1");
        if let Some(reason) = reason {
            request = request.header("x-reason", reason.as_bytes());
        }
        let answer = if let Some(body) = body {
            let request = request.header("content-type", "application/json");
            let request = request.body(body.to_string()).map_err(Error::Http);
            request.and_then(|request| self.agent.run(request))
        } else {
            let request = request.body(()).map_err(Error::Http);
            request.and_then(|request| self.agent.run(request))
        };
        let mut answer = answer.map_err(|error| self.unanswered(route, &error))?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_string();
        let body = body.map_err(|error| self.unanswered(route, &error))?;
        let took_ms = started.elapsed().as_millis();
        self.show(&format!("< {status}, {} bytes, {took_ms} ms", body.len()));
        Ok(Answer { status, body })
    }

    fn asked<'a>(&'a self, route: &'a Route) -> Asked<'a> {
        Asked { subject: route.subject(), user: &self.user, endpoint: self.endpoint.as_str() }
    }

    fn unanswered(&self, route: &Route, error: &Error) -> Failure {
        let (subject, endpoint) = (route.subject(), &self.endpoint);
        let (exit, why) = match error {
            Error::Timeout(_) => {
                let text = format!("{subject}: {endpoint} did not answer in time");
                return Failure::new(Exit::TimedOut, text);
            }
            Error::BodyExceedsLimit(_) => {
                let text = format!("{subject}: the answer has more than {ANSWER_MAX_BYTES} bytes");
                return Failure::protocol(text);
            }
            Error::Io(error) if is_of_tls(error) => (Exit::Unreachable, error.to_string()),
            Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Failure::protocol(format!("{subject}: {endpoint} does not talk HTTP"));
            }
            Error::Protocol(_) | Error::LargeResponseHeader(..) => {
                return Failure::protocol(format!("{subject}: {endpoint} does not talk HTTP"));
            }
            Error::Http(error) => (Exit::Usage, error.to_string()),
            Error::BadUri(why) => (Exit::Usage, why.clone()),
            Error::HostNotFound => (Exit::Unreachable, "the host has no address".to_owned()),
            Error::Io(error) => (Exit::Unreachable, error.to_string()),
            other => (Exit::Unreachable, other.to_string()),
        };
        let hint = match exit {
            Exit::Unreachable => "; is the broker running, and --url right?",
            _ => "",
        };
        Failure::new(exit, format!("{subject}: cannot ask {endpoint}: {why}{hint}"))
    }

    fn show(&self, line: &str) {
        if self.verbose {
            // It helps to see; not being able to show it is no reason to stop.
            let _ = writeln!(io::stderr().lock(), "{}", escape(line));
        }
    }
}

/// Whether the other side is not trusted, or talks no TLS.
fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
}
