//! One check's dealings with the broker: clients, names that are deleted, waits that end.

use std::cell::{Cell, RefCell};
use std::env;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use lapin::{Connection, ConnectionProperties};
use rabbitmq_http_client::blocking_api::{Client, ClientBuilder, HttpClientError};
use rabbitmq_http_client::password_hashing::{base64_encoded_salted_password_hash_sha256, salt};
use rabbitmq_http_client::requests::{
    ExchangeParams, Permissions, QueueParams, UserParams, VirtualHostParams,
};
use tokio::runtime::Runtime;

/// For one request, and for what the broker does by itself.
const WAIT: Duration = Duration::from_secs(10);
/// Between two looks at something that sends no event.
const POLL: Duration = Duration::from_millis(50);

/// The client as everything here uses it.
pub type Api = Client<String, String, String>;

/// Why a check did not pass.
#[derive(Debug)]
pub enum Failure {
    /// The broker has not what it is about.
    Skipped(String),
    /// The broker is wrong.
    Wrong(String),
}

/// What a check ends with.
pub type Result<T = ()> = std::result::Result<T, Failure>;

impl From<HttpClientError> for Failure {
    fn from(error: HttpClientError) -> Self {
        Self::Wrong(describe(&error))
    }
}

impl From<lapin::Error> for Failure {
    fn from(error: lapin::Error) -> Self {
        Self::Wrong(format!("over AMQP: {error}"))
    }
}

/// The error with what the broker said, and without the stack it was made on.
pub fn describe(error: &HttpClientError) -> String {
    match error {
        HttpClientError::ClientErrorResponse { status_code, body, url, .. }
        | HttpClientError::ServerErrorResponse { status_code, body, url, .. } => {
            let url = url.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{status_code} for {url}: {}", body.as_deref().unwrap_or_default())
        }
        HttpClientError::RequestError { error, .. } => format!("{error:?}"),
        other => format!("{other:?}"),
    }
}

/// Fails with both values unless they are equal.
pub fn equal<T: PartialEq<U> + Debug, U: Debug>(actual: T, expected: U) -> Result {
    if actual == expected {
        return Ok(());
    }
    wrong(format!("expected {expected:?}, got {actual:?}"))
}

/// Fails with this text unless it holds.
pub fn holds(it: bool, text: impl Into<String>) -> Result {
    if it { Ok(()) } else { wrong(text) }
}

/// Fails.
pub fn wrong<T>(text: impl Into<String>) -> Result<T> {
    Err(Failure::Wrong(text.into()))
}

/// The answer has to be an error with this status.
pub fn refused<T: Debug>(status: u16, answer: std::result::Result<T, HttpClientError>) -> Result {
    match answer {
        Ok(value) => wrong(format!("expected {status}, got {value:?}")),
        Err(HttpClientError::NotFound) if status == 404 => Ok(()),
        Err(HttpClientError::ClientErrorResponse { status_code, .. }) if status_code == status => {
            Ok(())
        }
        Err(other) => wrong(format!("expected {status}, got {}", describe(&other))),
    }
}

/// Looks until there is something.
#[expect(clippy::disallowed_methods, reason = "the broker says nothing when its lists change")]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > WAIT {
            return wrong(format!("timed out waiting for {what}"));
        }
        std::thread::sleep(POLL);
    }
}

/// One check's dealings with the broker.
pub struct Trial {
    /// The management API as guest.
    pub api: Api,
    runtime: Runtime,
    count: Cell<u32>,
    vhosts: RefCell<Vec<String>>,
    users: RefCell<Vec<String>>,
}

impl Trial {
    pub fn new() -> Self {
        Self {
            api: Self::as_user("guest", "guest"),
            runtime: Runtime::new().expect("tokio starts"),
            count: Cell::new(0),
            vhosts: RefCell::default(),
            users: RefCell::default(),
        }
    }

    /// The management API as this user.
    pub fn as_user(name: &str, password: &str) -> Api {
        ClientBuilder::new()
            .with_endpoint(format!("http://{}:{}/api", host(), port("HTTP_PORT", 15672)))
            .with_basic_auth_credentials(name.to_owned(), password.to_owned())
            .with_request_timeout(WAIT)
            .build()
            .expect("the endpoint is a URL")
    }

    /// Deletes what was made.
    pub fn close(self) -> Result {
        for name in self.vhosts.borrow().iter() {
            self.api.delete_vhost(name, true)?;
        }
        for name in self.users.borrow().iter() {
            self.api.delete_user(name, true)?;
        }
        Ok(())
    }

    /// A name that no other check uses.
    pub fn name(&self, what: &str) -> String {
        self.count.set(self.count.get() + 1);
        let salt = salt().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("interop.{what}.{salt}.{}", self.count.get())
    }

    /// The name of a virtual host that is deleted at the end.
    pub fn vhost_name(&self) -> String {
        let name = self.name("vhost");
        self.vhosts.borrow_mut().push(name.clone());
        name
    }

    /// A new virtual host in which guest may do everything.
    pub fn vhost(&self) -> Result<String> {
        let name = self.vhost_name();
        self.api.create_vhost(&VirtualHostParams::named(&name))?;
        Ok(name)
    }

    /// The name of a user who is deleted at the end.
    pub fn user_name(&self) -> String {
        let name = self.name("user");
        self.users.borrow_mut().push(name.clone());
        name
    }

    /// A new user with these tags and the password `secret`.
    pub fn user(&self, tags: &str) -> Result<String> {
        let name = self.user_name();
        let hash = base64_encoded_salted_password_hash_sha256(&salt(), "secret");
        self.api.create_user(&UserParams::new(&name, &hash, tags))?;
        Ok(name)
    }

    /// A new user with these tags who may do everything in this virtual host.
    pub fn user_of(&self, vhost: &str, tags: &str) -> Result<String> {
        let name = self.user(tags)?;
        self.api.grant_permissions(&Permissions::full_access(&name, vhost))?;
        Ok(name)
    }

    /// A durable classic queue.
    pub fn queue(&self, vhost: &str) -> Result<String> {
        let name = self.name("queue");
        self.api.declare_queue(vhost, &QueueParams::new_durable_classic_queue(&name, None))?;
        Ok(name)
    }

    /// A durable topic exchange.
    pub fn exchange(&self, vhost: &str) -> Result<String> {
        let name = self.name("exchange");
        self.api.declare_exchange(vhost, &ExchangeParams::durable_topic(&name, None))?;
        Ok(name)
    }

    /// Runs something of lapin to its end.
    pub fn wait<T>(&self, work: impl Future<Output = lapin::Result<T>>) -> Result<T> {
        let done = self.runtime.block_on(async { tokio::time::timeout(WAIT, work).await });
        Ok(done.map_err(|_| Failure::Wrong("timed out over AMQP".to_owned()))??)
    }

    /// An AMQP connection and its name in the management API.
    pub fn connect(&self, vhost: &str, user: &str, password: &str) -> Result<(Connection, String)> {
        let known = self.name("connection");
        let port = port("AMQP_PORT", 5672);
        let uri = format!("amqp://{user}:{password}@{}:{port}/{vhost}", host());
        let properties =
            ConnectionProperties::default().with_connection_name(known.as_str().into());
        let connection = self.wait(Connection::connect(&uri, properties))?;
        let name = eventually("the connection to be listed", || {
            let all = self.api.list_connections()?;
            let mine = all.into_iter().find(|each| each.client_properties.connection_name == known);
            Ok(mine.map(|each| each.name))
        })?;
        Ok((connection, name))
    }

    /// Skips the check on a RabbitMQ that has not got this yet.
    pub fn since(&self, version: (u32, u32), what: &str) -> Result {
        let text = self.api.overview()?.rabbitmq_version;
        let mut numbers = text.split(['.', '-', '+']).map_while(|part| part.parse::<u32>().ok());
        let actual = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if actual >= version {
            return Ok(());
        }
        let (major, minor) = version;
        Err(Failure::Skipped(format!("needs {what}, in RabbitMQ since {major}.{minor}")))
    }

    /// The name of the node.
    pub fn node(&self) -> Result<String> {
        Ok(self.api.overview()?.node)
    }
}

/// Where the broker is.
pub fn host() -> String {
    env::var("AMQP_HOST").unwrap_or_else(|_| "127.0.0.1".to_owned())
}

/// The port that this variable names.
pub fn port(variable: &str, default: u16) -> u16 {
    env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
