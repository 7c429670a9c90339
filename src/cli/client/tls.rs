//! Whom to trust behind `https://`.

use std::fs;
use std::path::Path;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::cli::failure::Failure;

/// The settings of TLS: a file's certificates instead of the usual ones, or no check at all.
pub(crate) fn config(ca_file: Option<&Path>, insecure: bool) -> Result<TlsConfig, Failure> {
    let builder = TlsConfig::builder().disable_verification(insecure);
    let Some(path) = ca_file else { return Ok(builder.build()) };
    let failed = |why: String| Failure::config(format!("{}: {why}", path.display()));
    let pem = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| failed(e.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(failed("holds no certificate in PEM".to_owned()));
    }
    Ok(builder.root_certs(RootCerts::new_with_certs(&certificates)).build())
}
