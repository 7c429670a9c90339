//! The settings as they are in force, for people: without what is secret.
//!
//! Knows nothing of where they came from.

use std::path::Path;
use std::time::Duration;

use super::{Config, LogFormat, LoginFrom, TlsVerify};

impl Config {
    /// Settings by the keys of the configuration file, as texts that it would take.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let log_format = match self.log_format {
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        };
        let tls = &self.tls;
        let proxies: Vec<_> = self.proxies.iter().map(ToString::to_string).collect();
        let timeout = self.consumer_timeout.map_or_else(|| "0".to_owned(), time);
        vec![
            ("listen", list(&self.listen)),
            ("http", list(&self.http)),
            ("metrics", list(&self.metrics)),
            ("http-max-body-size", self.http_max_body_bytes.to_string()),
            ("node-name", self.node_name()),
            ("listen-tls", list(&tls.listen)),
            ("http-tls", list(&tls.http_listen)),
            ("tls-cert", file(tls.certificate.as_deref())),
            ("tls-key", file(tls.key.as_deref())),
            ("tls-ca", file(tls.authorities.as_deref())),
            ("tls-crl", file(tls.revoked.as_deref())),
            ("tls-verify", verify(tls.verify).to_owned()),
            ("tls-login-from", login_from(tls.login_from).to_owned()),
            ("proxy-protocol", list(&proxies)),
            ("data-dir", self.data_dir.display().to_string()),
            ("load-definitions", file(self.load_definitions.as_deref())),
            ("default-user", self.default_user.clone()),
            ("loopback-users", list(&self.loopback_users)),
            ("log", self.log.clone()),
            ("log-format", log_format.to_owned()),
            ("max-message-size", self.max_message_size_bytes.to_string()),
            ("frame-max", self.frame_max_bytes.to_string()),
            ("channel-max", self.channel_max.to_string()),
            ("heartbeat", self.heartbeat.to_string()),
            ("handshake-timeout", time(self.handshake_timeout)),
            ("max-connections", self.max_connections.to_string()),
            ("max-consumers-per-channel", self.consumers_per_channel_max.to_string()),
            ("consumer-timeout", timeout),
            ("memory-limit", self.memory_limit_bytes.to_string()),
            ("disk-free-limit", self.disk_free_limit_bytes.to_string()),
        ]
    }
}

fn list(values: &[String]) -> String {
    if values.is_empty() { "none".to_owned() } else { values.join(",") }
}

fn file(path: Option<&Path>) -> String {
    path.map_or_else(|| "none".to_owned(), |path| path.display().to_string())
}

fn verify(verify: TlsVerify) -> &'static str {
    match verify {
        TlsVerify::None => "none",
        TlsVerify::Optional => "optional",
        TlsVerify::Required => "required",
    }
}

fn login_from(from: LoginFrom) -> &'static str {
    match from {
        LoginFrom::CommonName => "common-name",
        LoginFrom::DistinguishedName => "distinguished-name",
        LoginFrom::SubjectAlternativeName => "subject-alternative-name",
    }
}

fn time(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    /// What is never shown.
    const SECRETS: &[&str] = &["default-password"];

    #[test]
    fn all_settings_are_shown_but_secrets() {
        let config = Config::default();
        let mut shown: Vec<_> = config.effective().into_iter().map(|(key, _)| key).collect();
        shown.extend(SECRETS);
        shown.sort_unstable();
        let mut keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        keys.sort_unstable();
        assert_eq!(shown, keys);
    }

    #[test]
    fn what_is_shown_can_be_set_again() {
        let config = Config::default();
        let mut again = Config::default();
        for (key, value) in config.effective() {
            let setting = SETTINGS.iter().find(|setting| setting.key == key).expect("a setting");
            if !value.is_empty() {
                (setting.set)(&mut again, &value).expect(key);
            }
        }
        again.node_name = config.node_name.clone();
        assert_eq!(again, config);
    }
}
