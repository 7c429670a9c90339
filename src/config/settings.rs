//! The table of everything that can be set: the one place that names it.
//!
//! Flags, environment variables, keys of the file, `--help` and the checks are all made from these
//! rows, so they cannot drift apart. Knows nothing of where a value was given.

use std::path::PathBuf;

use super::{
    AMQP_PORT, AMQPS_PORT, CONNECTIONS_MAX, CONSUMER_TIMEOUT_MAX, CONSUMER_TIMEOUT_MIN,
    CONSUMERS_PER_CHANNEL_MAX, FRAME_MAX_MAX_BYTES, FRAME_MAX_MIN_BYTES, HANDSHAKE_TIMEOUT_MAX,
    HANDSHAKE_TIMEOUT_MIN, HTTP_BODY_MAX_BYTES, HTTP_BODY_MIN_BYTES, HTTP_PORT, HTTPS_PORT,
    MESSAGE_SIZE_MAX_BYTES, METRICS_PORT,
};
use super::{Config, LogFormat, Secret};
use super::{network, node_name, shown, tls, value};

/// One thing that can be set.
#[derive(Debug)]
pub(super) struct Setting {
    /// What it belongs to.
    pub(super) group: Group,
    /// Its key in the file; the flag is `--` and the key.
    pub(super) key: &'static str,
    /// Its variable in the environment.
    pub(super) variable: &'static str,
    /// What stands for the value in `--help`.
    pub(super) placeholder: &'static str,
    /// What it is when nobody sets it, as one would type it.
    pub(super) default: &'static str,
    /// One sentence for `--help`.
    pub(super) help: &'static str,
    /// What the file may hold.
    pub(super) kind: Kind,
    /// Checks a value and puts it in its place; the error is the rule that was broken.
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
    /// Its value in a configuration, as a text that `set` would take; never a secret.
    pub(super) show: fn(&Config) -> String,
}

/// What a setting belongs to: a chapter of `--help` and of docs/configuration.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Listeners, connections and what a client may ask of them.
    Amqp,
    /// Who may log in at first.
    Users,
    /// What is kept, and what is loaded.
    Data,
    /// When publishers are stopped.
    Alarms,
    /// The HTTP API and metrics.
    Management,
    /// Certificates, and the listeners that need them.
    Tls,
    /// What is logged, and how.
    Log,
}

impl Group {
    /// The heading of its chapter.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Amqp => "AMQP",
            Self::Users => "Users",
            Self::Data => "Data",
            Self::Alarms => "Alarms",
            Self::Management => "HTTP API and metrics",
            Self::Tls => "TLS",
            Self::Log => "Log",
        }
    }
}

/// What kind of value the file may hold for a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A whole number, or a string with a unit.
    Number,
    /// A list of strings, or one string.
    List,
    /// A string that is never shown.
    Secret,
}

/// What stands for a secret in errors.
pub(super) const HIDDEN: &str = "(hidden)";

/// The row of a key.
pub(super) fn by_key(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The row of an environment variable.
pub(super) fn by_variable(variable: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.variable == variable)
}

pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        group: Group::Amqp,
        key: "listen",
        variable: "WARREN_LISTEN",
        placeholder: "HOST:PORT",
        default: "127.0.0.1:5672",
        help: "Address to listen on for AMQP; repeat it or separate several by commas. \
               Port 0 takes any free port",
        kind: Kind::List,
        set: |config, text| value::addresses(text, AMQP_PORT).map(|v| config.listen = v),
        show: |config| shown::list(&config.listen),
    },
    Setting {
        group: Group::Management,
        key: "http",
        variable: "WARREN_HTTP",
        placeholder: "HOST:PORT",
        default: "127.0.0.1:15672",
        help: "Address to listen on for the HTTP API; repeat it or separate several by commas, \
               or none",
        kind: Kind::List,
        set: |config, text| {
            config.http = value::addresses_or_none(text, HTTP_PORT)?;
            Ok(())
        },
        show: |config| shown::list(&config.http),
    },
    Setting {
        group: Group::Management,
        key: "metrics",
        variable: "WARREN_METRICS",
        placeholder: "HOST:PORT",
        default: "127.0.0.1:15692",
        help: "Address to serve metrics on without a login, or none",
        kind: Kind::List,
        set: |config, text| {
            config.metrics = value::addresses_or_none(text, METRICS_PORT)?;
            Ok(())
        },
        show: |config| shown::list(&config.metrics),
    },
    Setting {
        group: Group::Management,
        key: "http-max-body-size",
        variable: "WARREN_HTTP_MAX_BODY_SIZE",
        placeholder: "BYTES",
        default: "1MiB",
        help: "Largest body of a request over HTTP, from 4KiB to 512MiB; definitions may have \
               20MiB in any case",
        kind: Kind::Number,
        set: |config, text| {
            let bytes = value::bytes_within(text, HTTP_BODY_MIN_BYTES, HTTP_BODY_MAX_BYTES)?;
            config.http_max_body_bytes = bytes;
            Ok(())
        },
        show: |config| config.http_max_body_bytes.to_string(),
    },
    Setting {
        group: Group::Management,
        key: "node-name",
        variable: "WARREN_NODE_NAME",
        placeholder: "NAME@HOST",
        default: "warren@HOSTNAME",
        help: "What the node is called in the HTTP API and in metrics; HOSTNAME stands for the \
               name of this machine",
        kind: Kind::Text,
        set: |config, text| node_name::check(text).map(|v| config.node_name = v),
        show: Config::node_name,
    },
    Setting {
        group: Group::Tls,
        key: "listen-tls",
        variable: "WARREN_LISTEN_TLS",
        placeholder: "HOST:PORT",
        default: "none",
        help: "Address to listen on for AMQP over TLS; as --listen. Needs --tls-cert and --tls-key",
        kind: Kind::List,
        set: |config, text| {
            value::addresses_or_none(text, AMQPS_PORT).map(|v| config.tls.listen = v)
        },
        show: |config| shown::list(&config.tls.listen),
    },
    Setting {
        group: Group::Tls,
        key: "http-tls",
        variable: "WARREN_HTTP_TLS",
        placeholder: "HOST:PORT",
        default: "none",
        help: "Address to listen on for the HTTP API over TLS; as --listen-tls",
        kind: Kind::List,
        set: |config, text| {
            config.tls.http_listen = value::addresses_or_none(text, HTTPS_PORT)?;
            Ok(())
        },
        show: |config| shown::list(&config.tls.http_listen),
    },
    Setting {
        group: Group::Tls,
        key: "tls-cert",
        variable: "WARREN_TLS_CERT",
        placeholder: "FILE",
        default: "none",
        help: "Certificate of the broker, and those up to its authority, in PEM. This and the \
               other TLS files are read again on SIGHUP",
        kind: Kind::Text,
        set: |config, text| tls::file(text).map(|v| config.tls.certificate = v),
        show: |config| shown::file(config.tls.certificate.as_deref()),
    },
    Setting {
        group: Group::Tls,
        key: "tls-key",
        variable: "WARREN_TLS_KEY",
        placeholder: "FILE",
        default: "none",
        help: "Private key of the certificate, in PEM and without a passphrase",
        kind: Kind::Text,
        set: |config, text| tls::file(text).map(|v| config.tls.key = v),
        show: |config| shown::file(config.tls.key.as_deref()),
    },
    Setting {
        group: Group::Tls,
        key: "tls-ca",
        variable: "WARREN_TLS_CA",
        placeholder: "FILE",
        default: "none",
        help: "Authorities that client certificates may come from, in PEM",
        kind: Kind::Text,
        set: |config, text| tls::file(text).map(|v| config.tls.authorities = v),
        show: |config| shown::file(config.tls.authorities.as_deref()),
    },
    Setting {
        group: Group::Tls,
        key: "tls-crl",
        variable: "WARREN_TLS_CRL",
        placeholder: "FILE",
        default: "none",
        help: "Lists of revoked client certificates, in PEM: one of every authority in --tls-ca",
        kind: Kind::Text,
        set: |config, text| tls::file(text).map(|v| config.tls.revoked = v),
        show: |config| shown::file(config.tls.revoked.as_deref()),
    },
    Setting {
        group: Group::Tls,
        key: "tls-verify",
        variable: "WARREN_TLS_VERIFY",
        placeholder: "WHEN",
        default: "none",
        help: "Whether clients have to show a certificate: none, optional or required",
        kind: Kind::Text,
        set: |config, text| tls::verify(text).map(|v| config.tls.verify = v),
        show: |config| shown::verify(config.tls.verify),
    },
    Setting {
        group: Group::Tls,
        key: "tls-login-from",
        variable: "WARREN_TLS_LOGIN_FROM",
        placeholder: "NAME",
        default: "common-name",
        help: "Name in a client's certificate that it logs in as with EXTERNAL: common-name, \
               distinguished-name or subject-alternative-name (its first DNS name)",
        kind: Kind::Text,
        set: |config, text| tls::login_from(text).map(|v| config.tls.login_from = v),
        show: |config| shown::login_from(config.tls.login_from),
    },
    Setting {
        group: Group::Amqp,
        key: "proxy-protocol",
        variable: "WARREN_PROXY_PROTOCOL",
        placeholder: "NETWORK",
        default: "none",
        help: "Addresses or networks of proxies in front of the AMQP listeners, which have to send \
               a header of the PROXY protocol (version 1 or 2)",
        kind: Kind::List,
        set: |config, text| network::networks(text).map(|v| config.proxies = v),
        show: |config| shown::list(&config.proxies),
    },
    Setting {
        group: Group::Data,
        key: "data-dir",
        variable: "WARREN_DATA_DIR",
        placeholder: "DIR",
        default: "./warren-data",
        help: "Directory of everything durable; made if missing, used by one broker at a time",
        kind: Kind::Text,
        set: |config, text| value::not_empty(text).map(|v| config.data_dir = PathBuf::from(v)),
        show: |config| config.data_dir.display().to_string(),
    },
    Setting {
        group: Group::Data,
        key: "load-definitions",
        variable: "WARREN_LOAD_DEFINITIONS",
        placeholder: "FILE",
        default: "none",
        help: "Definitions, as RabbitMQ exports them, that are imported at every start; if they \
               name users, the default user is not made",
        kind: Kind::Text,
        set: |config, text| {
            let file = value::not_empty(text)?;
            config.load_definitions = (file != "none").then(|| PathBuf::from(file));
            Ok(())
        },
        show: |config| shown::file(config.load_definitions.as_deref()),
    },
    Setting {
        group: Group::Users,
        key: "default-user",
        variable: "WARREN_DEFAULT_USER",
        placeholder: "NAME",
        default: "guest",
        help: "Name of the first user, an administrator; made when there are no users",
        kind: Kind::Text,
        set: |config, text| value::user_name(text).map(|v| config.default_user = v),
        show: |config| config.default_user.clone(),
    },
    Setting {
        group: Group::Users,
        key: "default-password",
        variable: "WARREN_DEFAULT_PASSWORD",
        placeholder: "PASSWORD",
        default: "guest",
        help: "Password of the first user. Others on the machine can see flags: better in the \
               environment",
        kind: Kind::Secret,
        set: |config, text| {
            config.default_password = Secret::new(value::not_empty(text)?);
            Ok(())
        },
        show: |_| HIDDEN.to_owned(),
    },
    Setting {
        group: Group::Users,
        key: "loopback-users",
        variable: "WARREN_LOOPBACK_USERS",
        placeholder: "NAME",
        default: "guest",
        help: "User who may log in from this machine only; repeat it or separate several by \
               commas, or none",
        kind: Kind::List,
        set: |config, text| value::user_names(text).map(|v| config.loopback_users = v),
        show: |config| shown::list(&config.loopback_users),
    },
    Setting {
        group: Group::Log,
        key: "log",
        variable: "WARREN_LOG",
        placeholder: "FILTER",
        default: "info",
        help: "What to log to standard error: off, error, warn, info, debug or trace, \
               or by part such as `info,warren::server=debug`",
        kind: Kind::Text,
        set: |config, text| value::log_filter(text).map(|v| config.log = v),
        show: |config| config.log.clone(),
    },
    Setting {
        group: Group::Log,
        key: "log-format",
        variable: "WARREN_LOG_FORMAT",
        placeholder: "FORMAT",
        default: "human",
        help: "How to log: human (coloured on a terminal) or json (one object a line)",
        kind: Kind::Text,
        set: |config, text| log_format(text).map(|v| config.log_format = v),
        show: |config| shown::log_format(config.log_format),
    },
    Setting {
        group: Group::Amqp,
        key: "max-message-size",
        variable: "WARREN_MAX_MESSAGE_SIZE",
        placeholder: "BYTES",
        default: "128MiB",
        help: "Largest message body, at most 512MiB",
        kind: Kind::Number,
        set: |config, text| {
            let bytes = value::bytes_within(text, 1, MESSAGE_SIZE_MAX_BYTES)?;
            config.max_message_size_bytes = bytes;
            Ok(())
        },
        show: |config| config.max_message_size_bytes.to_string(),
    },
    Setting {
        group: Group::Amqp,
        key: "frame-max",
        variable: "WARREN_FRAME_MAX",
        placeholder: "BYTES",
        default: "128KiB",
        help: "Largest frame offered to clients, from 4KiB to 16MiB",
        kind: Kind::Number,
        set: |config, text| {
            let (min, max) = (FRAME_MAX_MIN_BYTES.into(), FRAME_MAX_MAX_BYTES.into());
            config.frame_max_bytes = value::bytes_within(text, min, max)? as u32;
            Ok(())
        },
        show: |config| config.frame_max_bytes.to_string(),
    },
    Setting {
        group: Group::Amqp,
        key: "channel-max",
        variable: "WARREN_CHANNEL_MAX",
        placeholder: "COUNT",
        default: "2047",
        help: "Most channels of a connection, from 1 to 65535",
        kind: Kind::Number,
        set: |config, text| {
            config.channel_max = value::count_within(text, 1, u16::MAX.into())? as u16;
            Ok(())
        },
        show: |config| config.channel_max.to_string(),
    },
    Setting {
        group: Group::Amqp,
        key: "heartbeat",
        variable: "WARREN_HEARTBEAT",
        placeholder: "SECONDS",
        default: "60",
        help: "Time between heartbeats offered to clients; 0 offers none",
        kind: Kind::Number,
        set: |config, text| value::heartbeat_seconds(text).map(|v| config.heartbeat = v),
        show: |config| config.heartbeat.to_string(),
    },
    Setting {
        group: Group::Amqp,
        key: "handshake-timeout",
        variable: "WARREN_HANDSHAKE_TIMEOUT",
        placeholder: "TIME",
        default: "10s",
        help: "Time a client has to log in, such as 10s, 500ms or 2m, at most 10m",
        kind: Kind::Number,
        set: |config, text| {
            let time = value::time_within(text, HANDSHAKE_TIMEOUT_MIN, HANDSHAKE_TIMEOUT_MAX)?;
            config.handshake_timeout = time;
            Ok(())
        },
        show: |config| shown::time(config.handshake_timeout),
    },
    Setting {
        group: Group::Amqp,
        key: "max-connections",
        variable: "WARREN_MAX_CONNECTIONS",
        placeholder: "COUNT",
        default: "0",
        help: "Most connections at a time; 0 for as many as the limit of open files allows",
        kind: Kind::Number,
        set: |config, text| {
            config.max_connections = value::count_within(text, 0, CONNECTIONS_MAX)?;
            Ok(())
        },
        show: |config| config.max_connections.to_string(),
    },
    Setting {
        group: Group::Amqp,
        key: "max-consumers-per-channel",
        variable: "WARREN_MAX_CONSUMERS_PER_CHANNEL",
        placeholder: "COUNT",
        default: "10000",
        help: "Most consumers of a channel; 0 for no limit",
        kind: Kind::Number,
        set: |config, text| {
            let count = value::count_within(text, 0, CONSUMERS_PER_CHANNEL_MAX)?;
            config.consumers_per_channel_max = count;
            Ok(())
        },
        show: |config| config.consumers_per_channel_max.to_string(),
    },
    Setting {
        group: Group::Amqp,
        key: "consumer-timeout",
        variable: "WARREN_CONSUMER_TIMEOUT",
        placeholder: "TIME",
        default: "0",
        help: "Time after which a consumer that has not acknowledged a delivery is cancelled, \
               such as 30m or 2h; 0 for never. Consumers, queues and policies may say \
               another one",
        kind: Kind::Number,
        set: |config, text| {
            config.consumer_timeout = match text {
                "0" => None,
                _ => Some(value::time_within(text, CONSUMER_TIMEOUT_MIN, CONSUMER_TIMEOUT_MAX)?),
            };
            Ok(())
        },
        show: |config| config.consumer_timeout.map_or_else(|| "0".to_owned(), shown::time),
    },
    Setting {
        group: Group::Alarms,
        key: "memory-limit",
        variable: "WARREN_MEMORY_LIMIT",
        placeholder: "BYTES|PERCENT",
        default: "60%",
        help: "Memory use above which publishers are stopped, in bytes or as a share of the memory \
               of the machine or container",
        kind: Kind::Number,
        set: |config, text| value::memory_limit_bytes(text).map(|v| config.memory_limit_bytes = v),
        show: |config| config.memory_limit_bytes.to_string(),
    },
    Setting {
        group: Group::Alarms,
        key: "disk-free-limit",
        variable: "WARREN_DISK_FREE_LIMIT",
        placeholder: "BYTES",
        default: "50MB",
        help: "Free space on the disk of the data directory below which publishers are stopped; \
               0 for never",
        kind: Kind::Number,
        set: |config, text| value::size_bytes(text).map(|v| config.disk_free_limit_bytes = v),
        show: |config| config.disk_free_limit_bytes.to_string(),
    },
];

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be human or json".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoginFrom, TlsConfig, TlsVerify};

    /// Differs from the default in every field.
    fn nothing_like_the_default() -> Config {
        Config {
            listen: Vec::new(),
            http: Vec::new(),
            metrics: Vec::new(),
            http_max_body_bytes: 0,
            node_name: String::new(),
            tls: TlsConfig {
                listen: vec![String::new()],
                http_listen: vec![String::new()],
                certificate: Some(PathBuf::new()),
                key: Some(PathBuf::new()),
                authorities: Some(PathBuf::new()),
                revoked: Some(PathBuf::new()),
                verify: TlsVerify::Required,
                login_from: LoginFrom::DistinguishedName,
            },
            proxies: network::networks("::/0").expect("a network"),
            data_dir: PathBuf::new(),
            load_definitions: Some(PathBuf::new()),
            default_user: String::new(),
            default_password: Secret::new(""),
            loopback_users: Vec::new(),
            log: String::new(),
            log_format: LogFormat::Json,
            max_message_size_bytes: 0,
            frame_max_bytes: 0,
            channel_max: 0,
            heartbeat: 0,
            handshake_timeout: std::time::Duration::ZERO,
            max_connections: usize::MAX,
            consumers_per_channel_max: 0,
            consumer_timeout: Some(std::time::Duration::ZERO),
            memory_limit_bytes: 0,
            disk_free_limit_bytes: 0,
        }
    }

    #[test]
    fn the_defaults_shown_are_the_defaults_used() {
        let mut config = nothing_like_the_default();
        for setting in SETTINGS {
            (setting.set)(&mut config, setting.default).expect(setting.key);
        }
        assert_eq!(config, Config::default());
    }

    #[test]
    fn variables_are_the_keys_in_capitals_and_all_names_differ() {
        for (at, setting) in SETTINGS.iter().enumerate() {
            let variable = format!("WARREN_{}", setting.key.to_uppercase().replace('-', "_"));
            assert_eq!(setting.variable, variable);
            assert!(SETTINGS[..at].iter().all(|earlier| earlier.key != setting.key));
        }
    }

    #[test]
    fn limits_hold_at_their_edges() {
        let accepts = |key, text| {
            let setting = by_key(key).expect("a known key");
            (setting.set)(&mut Config::default(), text).is_ok()
        };
        for (key, good, bad) in [
            ("max-message-size", "512MiB", "536870913"),
            ("max-message-size", "1", "0"),
            ("http", "none", "none,127.0.0.1:1"),
            ("http-max-body-size", "4KiB", "4095"),
            ("node-name", "a@b", "a"),
            ("frame-max", "4096", "4095"),
            ("frame-max", "16MiB", "16777217"),
            ("channel-max", "1", "0"),
            ("channel-max", "65535", "65536"),
            ("heartbeat", "65535", "65536"),
            ("heartbeat", "0", "-1"),
            ("handshake-timeout", "10m", "601"),
            ("handshake-timeout", "1ms", "0"),
            ("max-connections", "0", "1e3"),
            ("max-consumers-per-channel", "10000000", "10000001"),
            ("consumer-timeout", "0", "-1"),
            ("consumer-timeout", "87600h", "87601h"),
            ("memory-limit", "1MiB", "1048575"),
            ("memory-limit", "100%", "101%"),
            ("disk-free-limit", "0", "-1"),
            ("disk-free-limit", "1TB", "50%"),
            ("log-format", "json", "JSON"),
            ("listen-tls", "none", "5671"),
            ("listen-tls", "localhost", "5671"),
            ("http-tls", "127.0.0.1:0", ""),
            ("tls-cert", "none", ""),
            ("tls-verify", "required", "yes"),
            ("tls-login-from", "distinguished-name", "dn"),
            ("proxy-protocol", "10.0.0.0/8,::1", "10.0.0.0/99"),
            ("data-dir", "x", ""),
            ("load-definitions", "none", ""),
            ("default-user", "x", ""),
            ("default-password", "x", ""),
            ("loopback-users", "none", ""),
            ("loopback-users", "a, b", "a,,b"),
        ] {
            assert!(accepts(key, good), "{key} = {good}");
            assert!(!accepts(key, bad), "{key} = {bad}");
        }
    }
}
