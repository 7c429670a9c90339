//! How the text of a setting is read: sizes, times, counts, addresses, log filters.
//!
//! Every function gives the value or the rule that the text breaks, as the end of a sentence. Knows
//! nothing of the settings themselves, nor of where a text came from.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::{MEMORY_LIMIT_MIN_BYTES, USER_NAME_MAX_BYTES};
use crate::memory;

/// Longest name of a host (RFC 1035, 2.3.4).
const HOST_LENGTH_MAX: usize = 253;

/// Where there may be no address at all.
const NONE: &str = "none";

const SIZE_RULE: &str = "must be a number of bytes such as 131072, 64KiB or 128MiB";
const TIME_RULE: &str = "must be a time such as 10s, 500ms, 2m or a number of seconds";

/// Any text but the empty one.
pub(super) fn not_empty(text: &str) -> Result<&str, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text) }
}

/// The name of a user.
pub(super) fn user_name(text: &str) -> Result<String, String> {
    if text.len() > USER_NAME_MAX_BYTES {
        return Err(format!("must have at most {USER_NAME_MAX_BYTES} octets"));
    }
    not_empty(text).map(str::to_owned)
}

/// Names of users, or `none`.
pub(super) fn user_names(text: &str) -> Result<Vec<String>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    text.split(',').map(|name| user_name(name.trim())).collect()
}

/// A count between two others.
pub(super) fn count_within(text: &str, min: usize, max: usize) -> Result<usize, String> {
    digits(text)
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| (min..=max).contains(count))
        .ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}

/// Any size in bytes.
pub(super) fn size_bytes(text: &str) -> Result<u64, String> {
    bytes(text).ok_or_else(|| SIZE_RULE.to_owned())
}

/// A size in bytes between two others.
pub(super) fn bytes_within(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let bytes = size_bytes(text)?;
    if (min..=max).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("must be from {} to {}", shown_bytes(min), shown_bytes(max)))
}

/// A time between two others.
pub(super) fn time_within(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let time = time(text).ok_or(TIME_RULE)?;
    if (min..=max).contains(&time) {
        return Ok(time);
    }
    Err(format!("must be from {min:?} to {max:?}"))
}

/// Whole seconds, as many as two octets of `connection.tune` can say.
pub(super) fn heartbeat_seconds(text: &str) -> Result<u16, String> {
    time(text)
        .filter(|time| time.subsec_nanos() == 0)
        .and_then(|time| u16::try_from(time.as_secs()).ok())
        .ok_or_else(|| "must be a whole number of seconds from 0 to 65535".to_owned())
}

/// A size in bytes, or a share of the memory there is.
pub(super) fn memory_limit_bytes(text: &str) -> Result<u64, String> {
    let Some(percent) = text.strip_suffix('%') else {
        let bytes = bytes(text).ok_or("must be a size such as 4GiB or a share such as 60%")?;
        if bytes < MEMORY_LIMIT_MIN_BYTES {
            return Err(format!("must be at least {}", shown_bytes(MEMORY_LIMIT_MIN_BYTES)));
        }
        return Ok(bytes);
    };
    let percent = digits(percent.trim_end()).filter(|percent| (1..=100).contains(percent));
    let percent = percent.ok_or("must be a whole number of percent from 1% to 100%")?;
    Ok(memory::share_of_total_bytes(percent))
}

/// A filter of the log that does what its writer meant.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    for directive in text.split(',').map(str::trim) {
        // A lone word that is no level would be the name of a part, with everything else silent:
        // a misspelt level must not switch the log off.
        let is_level = !directive.is_empty() && directive.parse::<LevelFilter>().is_ok();
        if !is_level && !directive.contains(['=', '[']) {
            return Err(format!(
                "`{directive}` is no level: must be off, error, warn, info, debug or trace; \
                 for one part of the program write PART=LEVEL"
            ));
        }
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("is no log filter: {error}")),
    }
}

/// Addresses separated by commas, each completed to `HOST:PORT`. `port`: where none is given.
pub(super) fn addresses(text: &str, port: u16) -> Result<Vec<String>, String> {
    let mut addresses = Vec::new();
    for part in text.split(',').map(str::trim) {
        let address = address(part, port)?;
        if addresses.contains(&address) && !address.ends_with(":0") {
            return Err(format!("names {address} twice"));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// The same, or `none` alone.
pub(super) fn addresses_or_none(text: &str, port: u16) -> Result<Vec<String>, String> {
    if text == NONE {
        return Ok(Vec::new());
    }
    if text.split(',').any(|part| part.trim() == NONE) {
        return Err(format!("has `{NONE}` among addresses: it must stand alone"));
    }
    addresses(text, port)
}

fn address(text: &str, default_port: u16) -> Result<String, String> {
    let rule = |why: &str| {
        Err(format!(
            "`{text}` {why}: must be HOST:PORT such as 127.0.0.1:{default_port}, \
             [::1]:{default_port} or localhost:{default_port}"
        ))
    };
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{text}]:{default_port}"));
    }
    let (host, port) = match text.rsplit_once(':') {
        // The colon belongs to an IPv6 address that no port follows.
        Some(_) if text.ends_with(']') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if host.is_empty() {
        return rule("has no host (0.0.0.0 is every address)");
    }
    if !is_host(host) {
        return rule("is not an address");
    }
    let Some(port) = port else { return Ok(format!("{host}:{default_port}")) };
    match digits(port).and_then(|port| u16::try_from(port).ok()) {
        Some(port) => Ok(format!("{host}:{port}")),
        None => rule("has no port from 0 to 65535"),
    }
}

/// An IPv4 address, an IPv6 address in brackets, or a name that could be resolved.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or(name);
    // No top-level name is a number: `300.1.1.1` and a lone port are mistakes, not names.
    let is_numeric = last.bytes().all(|b| b.is_ascii_digit());
    host.parse::<Ipv4Addr>().is_ok()
        || (name.len() <= HOST_LENGTH_MAX && !is_numeric && name.split('.').all(label))
}

fn time(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let number = digits(number)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" | "min" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "ki" | "kib" => 1 << 10,
        "m" | "mi" | "mib" => 1 << 20,
        "g" | "gi" | "gib" => 1 << 30,
        "t" | "ti" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    digits(number)?.checked_mul(factor)
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

/// Digits and nothing else: `u64::from_str` would take a plus sign too.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn shown_bytes(bytes: u64) -> String {
    let in_unit = |shift: u32| {
        let unit = 1 << shift;
        (bytes >= unit && bytes.is_multiple_of(unit)).then(|| bytes >> shift)
    };
    match (in_unit(20), in_unit(10)) {
        (Some(mebibytes), _) => format!("{mebibytes}MiB"),
        (None, Some(kibibytes)) => format!("{kibibytes}KiB"),
        (None, None) => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_and_decimal_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("131072", Some(131_072)),
            ("64KiB", Some(65_536)),
            ("64 kib", Some(65_536)),
            ("1k", Some(1024)),
            ("1kB", Some(1000)),
            ("128MiB", Some(134_217_728)),
            ("2GB", Some(2_000_000_000)),
            ("1T", Some(1 << 40)),
            ("16777215T", Some(16_777_215 << 40)),
            ("16777216T", None),
            ("18446744073709551616", None),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("+1", None),
            ("1.5MiB", None),
            ("1QiB", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn times_take_units_and_are_seconds_without() {
        let ms = |ms| Some(Duration::from_millis(ms));
        for (text, expected) in [
            ("10", ms(10_000)),
            ("10s", ms(10_000)),
            ("500ms", ms(500)),
            ("2 m", ms(120_000)),
            ("2min", ms(120_000)),
            ("1h", ms(3_600_000)),
            ("18446744073709551615h", None),
            ("1.5s", None),
            ("s", None),
            ("10x", None),
            ("", None),
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
        assert_eq!(heartbeat_seconds("60s"), Ok(60));
        assert!(heartbeat_seconds("1500ms").is_err());
    }

    #[test]
    fn addresses_are_completed_and_checked() {
        for (text, expected) in [
            ("127.0.0.1:5672", "127.0.0.1:5672"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:5673", "[::1]:5673"),
            ("[::1]", "[::1]:5672"),
            ("::1", "[::1]:5672"),
            ("::", "[::]:5672"),
            ("localhost", "localhost:5672"),
            ("localhost:5672", "localhost:5672"),
            ("mq-1.example.org.:1", "mq-1.example.org.:1"),
        ] {
            assert_eq!(addresses(text, 5672), Ok(vec![expected.to_owned()]));
        }
        for text in [
            "",
            ":5672",
            "5672",
            "localhost:",
            "localhost:65536",
            "localhost:+1",
            "localhost:amqp",
            "300.1.1.1:5672",
            "[::g]:5672",
            "[::1]x:5672",
            "::1]",
            "a..b:1",
            "amqp://localhost:5672",
            "a b:1",
            "a:1,",
            "a:1,a:1",
        ] {
            assert!(addresses(text, 5672).is_err(), "{text}");
        }
        let two = addresses("127.0.0.1:0, 127.0.0.1:0", 5672).map(|a| a.len());
        assert_eq!(two, Ok(2), "any free port may be asked for twice");
    }

    #[test]
    fn log_filters_are_levels_or_directives() {
        for text in ["info", "OFF", "warn,warren::server=debug", "info,[{peer}]=trace"] {
            assert_eq!(log_filter(text), Ok(text.to_owned()));
        }
        for text in ["", "inof", "warren=loud", "info,,debug", "debug warren"] {
            assert!(log_filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_of_memory_grows_with_the_percent() {
        let half = memory_limit_bytes("50%").expect("a share");
        let all = memory_limit_bytes("100 %").expect("a share");
        assert!(half > 0 && half < all && half * 2 <= all, "{half} of {all}");
        for text in ["0%", "101%", "%", "60.5%", "x", "60 percent", "5000"] {
            assert!(memory_limit_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_are_shown_in_the_unit_that_fits() {
        assert_eq!(bytes_within("1", 4096, 16 << 20), Err("must be from 4KiB to 16MiB".to_owned()));
        assert_eq!(
            bytes_within("0", 1, 1025),
            Err("must be from 1 bytes to 1025 bytes".to_owned())
        );
    }
}
