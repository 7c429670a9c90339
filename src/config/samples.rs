//! Values for tests: one for each setting that is not its default.

/// A value that a setting takes and that is not its default.
pub(super) fn no_default(key: &str) -> &'static str {
    match key {
        "listen" | "http" | "metrics" => "127.0.0.1:0",
        "node-name" => "a@b",
        "data-dir" => "/elsewhere",
        "log" => "trace",
        "log-format" => "json",
        "listen-tls" | "http-tls" | "tls-cert" | "tls-key" => "elsewhere:0",
        "tls-ca" | "tls-crl" => "elsewhere",
        "tls-verify" => "optional",
        "tls-login-from" => "distinguished-name",
        "proxy-protocol" => "10.0.0.0/8",
        "channel-max" | "heartbeat" | "handshake-timeout" => "7",
        _ => "5000000",
    }
}
