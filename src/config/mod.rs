//! What the broker is told at start: checked once, then plain data that nobody changes.
//!
//! `Options` (as typed) become a `Config` (checked) in `options.rs`; `settings.rs` is the one table
//! that flags, environment variables and file keys come from. Nothing else in the crate reads the
//! command line or the environment. Whoever embeds the broker starts from `Config::default()`.

mod error;
mod file;
mod network;
mod node_name;
mod options;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod samples;
mod secret;
mod settings;
mod shown;
mod tls;
mod value;

use std::path::PathBuf;
use std::time::Duration;

pub use error::{ConfigError, Origin};
pub use network::Network;
pub use options::{CLIENT_VARIABLES, Command, Dump, Effective, Options};
pub use options::{command_line, with_command};
pub use secret::Secret;
pub use tls::{LoginFrom, TlsConfig, TlsVerify};

use crate::memory;

/// Where AMQP clients are expected: the loopback address only, since the first user has a password
/// that everybody knows.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:5672";
/// Name and password of the first user: those of `RabbitMQ`, which clients try first.
pub const DEFAULT_USER: &str = "guest";
/// Names longer than a short string could never log in (0-9-1, 4.2.5.3).
pub const USER_NAME_MAX_BYTES: usize = 255;
/// The port of AMQP without TLS, for an address that names none.
pub const AMQP_PORT: u16 = 5672;
/// Where the HTTP API is expected: this machine only, like AMQP.
pub const HTTP_DEFAULT: &str = "127.0.0.1:15672";
/// The port of the HTTP API, for an address that names none.
pub const HTTP_PORT: u16 = 15672;
/// Where metrics are read without a login.
pub const METRICS_DEFAULT: &str = "127.0.0.1:15692";
/// The port of the metrics, for an address that names none.
pub const METRICS_PORT: u16 = 15692;
/// Bodies of requests are small JSON objects; definitions have a limit of their own.
pub const HTTP_BODY_DEFAULT_BYTES: u64 = 1024 * 1024;
/// Enough for a declaration with a name of 255 octets and a policy.
pub const HTTP_BODY_MIN_BYTES: u64 = 4096;
/// A body is held in memory whole, and grows when it is parsed.
pub const HTTP_BODY_MAX_BYTES: u64 = 512 * 1024 * 1024;
/// What a node is called unless it is told; `HOSTNAME` stands for the machine's name.
pub const NODE_NAME_DEFAULT: &str = "warren@HOSTNAME";
/// The same with TLS.
pub const AMQPS_PORT: u16 = 5671;
/// The port of the HTTP API with TLS.
pub const HTTPS_PORT: u16 = 15671;
/// Larger message bodies are refused unless the limit is raised.
pub const MESSAGE_SIZE_DEFAULT_BYTES: u64 = 128 * 1024 * 1024;
/// The limit for messages cannot be raised above this: the body of one message is held in memory,
/// and `RabbitMQ` draws its line at the same place.
pub const MESSAGE_SIZE_MAX_BYTES: u64 = 512 * 1024 * 1024;
/// The frame size offered to clients; the one `RabbitMQ` offers.
pub const FRAME_MAX_DEFAULT_BYTES: u32 = 128 * 1024;
/// No peer may be held to smaller frames (0-9-1, `frame-min-size`).
pub const FRAME_MAX_MIN_BYTES: u32 = 4096;
/// A frame is buffered whole for every connection, so this times the connections must be bearable.
pub const FRAME_MAX_MAX_BYTES: u32 = 16 * 1024 * 1024;
/// Channels of one connection; the number `RabbitMQ` offers.
pub const CHANNEL_MAX_DEFAULT: u16 = 2047;
/// Seconds between heartbeats offered to clients.
pub const HEARTBEAT_DEFAULT_SECONDS: u16 = 60;
/// A client must have opened its connection within this time.
pub const HANDSHAKE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// No time at all would shut every client out.
pub const HANDSHAKE_TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// A connection that has not logged in holds a file descriptor; nobody needs ten minutes.
pub const HANDSHAKE_TIMEOUT_MAX: Duration = Duration::from_mins(10);
/// A consumer is at work when it has a message for longer than this.
pub const CONSUMER_TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// Ten years, as for all times that queues know.
pub const CONSUMER_TIMEOUT_MAX: Duration = Duration::from_hours(87_600);
/// More than any system has descriptors for, so a larger number is a slip.
pub const CONNECTIONS_MAX: usize = 1 << 30;
/// Far above any client seen, low enough that one channel cannot fill the memory with consumers.
pub const CONSUMERS_PER_CHANNEL_DEFAULT: usize = 10_000;
/// Ten million consumers are gigabytes: more is a mistake or an attack.
pub const CONSUMERS_PER_CHANNEL_MAX: usize = 10_000_000;
/// Share of the machine's memory at which publishers are stopped: what lies above is room for the
/// page cache and for messages already on their way.
pub const MEMORY_LIMIT_DEFAULT_PERCENT: u64 = 60;
/// An empty broker already uses more; a smaller limit stops every publisher for ever.
pub const MEMORY_LIMIT_MIN_BYTES: u64 = 1024 * 1024;
/// Free disk space below which publishers are stopped; the limit of `RabbitMQ`.
pub const DISK_FREE_LIMIT_DEFAULT_BYTES: u64 = 50_000_000;

/// What the broker runs with. Immutable once it is given to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `HOST:PORT` of each listener; names are resolved when the broker starts. Port 0 takes any
    /// free port.
    pub listen: Vec<String>,
    /// `HOST:PORT` of each listener for the HTTP API; none of them switches it off.
    pub http: Vec<String>,
    /// `HOST:PORT` of each listener that serves metrics to everybody.
    pub metrics: Vec<String>,
    /// Largest body of a request over HTTP, definitions excepted.
    pub http_max_body_bytes: u64,
    /// What the node is called, as `NAME@HOST`; see [`Config::node_name`].
    pub node_name: String,
    /// Listeners with TLS, and what they use.
    pub tls: TlsConfig,
    /// Proxies in front of the AMQP listeners: each says in its first octets for whom it comes.
    pub proxies: Vec<Network>,
    /// Where everything durable is kept.
    pub data_dir: PathBuf,
    /// Definitions that are imported at the start.
    pub load_definitions: Option<PathBuf>,
    /// The user that is made when there is none.
    pub default_user: String,
    /// The password of that user.
    pub default_password: Secret,
    /// Users who may log in from this machine only.
    pub loopback_users: Vec<String>,
    /// Filter of the log, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// How a line of the log looks.
    pub log_format: LogFormat,
    /// Largest body of a message.
    pub max_message_size_bytes: u64,
    /// Largest frame, offered to clients and enforced.
    pub frame_max_bytes: u32,
    /// Highest channel number of a connection, offered to clients and enforced.
    pub channel_max: u16,
    /// Seconds between heartbeats offered to clients; 0 offers none.
    pub heartbeat: u16,
    /// Time from accepting a socket to `connection.open`.
    pub handshake_timeout: Duration,
    /// Connections at the same time; 0 for as many as file descriptors allow
    /// (see `descriptors::connections_max`).
    pub max_connections: usize,
    /// Consumers of one channel; 0 for no limit.
    pub consumers_per_channel_max: usize,
    /// How long a delivery may stay unsettled before its consumer is cancelled; none: for ever.
    pub consumer_timeout: Option<Duration>,
    /// Resident memory above which publishers are stopped.
    pub memory_limit_bytes: u64,
    /// Free space on the disk of the data directory below which publishers are stopped.
    pub disk_free_limit_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![LISTEN_DEFAULT.to_owned()],
            http: vec![HTTP_DEFAULT.to_owned()],
            metrics: vec![METRICS_DEFAULT.to_owned()],
            http_max_body_bytes: HTTP_BODY_DEFAULT_BYTES,
            node_name: NODE_NAME_DEFAULT.to_owned(),
            tls: TlsConfig::default(),
            proxies: Vec::new(),
            data_dir: PathBuf::from("./warren-data"),
            load_definitions: None,
            default_user: DEFAULT_USER.to_owned(),
            default_password: Secret::new(DEFAULT_USER),
            loopback_users: vec![DEFAULT_USER.to_owned()],
            log: "info".to_owned(),
            log_format: LogFormat::Human,
            max_message_size_bytes: MESSAGE_SIZE_DEFAULT_BYTES,
            frame_max_bytes: FRAME_MAX_DEFAULT_BYTES,
            channel_max: CHANNEL_MAX_DEFAULT,
            heartbeat: HEARTBEAT_DEFAULT_SECONDS,
            handshake_timeout: HANDSHAKE_TIMEOUT_DEFAULT,
            max_connections: 0,
            consumers_per_channel_max: CONSUMERS_PER_CHANNEL_DEFAULT,
            consumer_timeout: None,
            memory_limit_bytes: memory::share_of_total_bytes(MEMORY_LIMIT_DEFAULT_PERCENT),
            disk_free_limit_bytes: DISK_FREE_LIMIT_DEFAULT_BYTES,
        }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people, coloured when standard error is a terminal.
    Human,
    /// One JSON object a line.
    Json,
}
