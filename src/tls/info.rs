//! What is to be known about a connection over TLS, for lists of connections and for EXTERNAL.
//!
//! Names in certificates are chosen by whoever asked for them: they are cut here and have to be
//! escaped wherever they are shown.

use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::name;
use crate::config::LoginFrom;

/// As much of a name as is kept. Real ones have about a hundred octets; a certificate may have
/// tens of thousands, and every connection would hold them.
const SHOWN_MAX_BYTES: usize = 1024;

/// What a connection speaks, and who the client is. The words are RabbitMQ's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// Such as `tlsv1.3`.
    pub protocol: &'static str,
    /// Such as `ecdhe_rsa`; `any` from version 1.3 on.
    pub key_exchange: String,
    /// Such as `aes_256_gcm`.
    pub cipher: String,
    /// Always `aead`: no other suites are offered.
    pub hash: &'static str,
    /// The client's certificate, which has been verified.
    pub peer: Option<PeerCertificate>,
}

/// A client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Whose it is, such as `CN=app,O=Example`.
    pub subject: String,
    /// Whose signature it has.
    pub issuer: String,
    /// From when until when it is valid, such as `2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z`.
    pub validity: String,
    /// The user whom EXTERNAL logs in; none if the certificate does not name exactly one.
    pub user: Option<String>,
}

impl TlsInfo {
    pub(super) fn of(session: &ServerConnection, login_from: LoginFrom) -> Self {
        let protocol = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "tlsv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "tlsv1.2",
            _ => "unknown",
        };
        let suite = session.negotiated_cipher_suite().map(|suite| suite.suite());
        let (key_exchange, cipher) = parts(suite.and_then(|suite| suite.as_str()).unwrap_or(""));
        let first = session.peer_certificates().and_then(|chain| chain.first());
        let peer = first.and_then(|first| PeerCertificate::of(first, login_from));
        Self { protocol, key_exchange, cipher, hash: "aead", peer }
    }
}

impl PeerCertificate {
    fn of(der: &CertificateDer<'_>, login_from: LoginFrom) -> Option<Self> {
        // Whatever rustls has verified can be parsed.
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            subject: shortened(name::distinguished(certificate.subject())),
            issuer: shortened(name::distinguished(certificate.issuer())),
            validity: format!(
                "{} - {}",
                time(validity.not_before.timestamp()),
                time(validity.not_after.timestamp())
            ),
            user: name::user(&certificate, login_from),
        })
    }
}

/// Key exchange and cipher out of a name such as `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384` or
/// `TLS13_AES_256_GCM_SHA384`.
fn parts(suite: &str) -> (String, String) {
    let (exchange, rest) = match suite.strip_prefix("TLS13_") {
        Some(rest) => ("any", rest),
        None => {
            suite.strip_prefix("TLS_").unwrap_or(suite).split_once("_WITH_").unwrap_or_default()
        }
    };
    let cipher = rest.rsplit_once('_').map_or(rest, |(cipher, _)| cipher);
    (exchange.to_ascii_lowercase(), cipher.to_ascii_lowercase())
}

/// Seconds since 1970 in the form of RFC 3339.
fn time(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    // The calendar repeats every 400 years of 146,097 days; years begin in March here, so that
    // the day that comes and goes is their last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn shortened(mut text: String) -> String {
    if text.len() > SHOWN_MAX_BYTES {
        text.truncate(text.floor_char_boundary(SHOWN_MAX_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_taken_apart() {
        let parts = |suite| {
            let (exchange, cipher) = parts(suite);
            format!("{exchange} {cipher}")
        };
        assert_eq!(parts("TLS13_AES_256_GCM_SHA384"), "any aes_256_gcm");
        assert_eq!(parts("TLS13_CHACHA20_POLY1305_SHA256"), "any chacha20_poly1305");
        assert_eq!(parts("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), "ecdhe_rsa aes_128_gcm");
        assert_eq!(parts(""), " ");
    }

    #[test]
    fn times_are_dates() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(time(seconds), shown);
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shortened("é".repeat(10_000)), format!("{}…", "é".repeat(512)));
        assert_eq!(shortened("CN=a".to_owned()), "CN=a");
    }
}
