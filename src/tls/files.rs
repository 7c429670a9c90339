//! Certificates, keys and lists of revoked certificates out of PEM files.
//!
//! Knows nothing of what they are used for.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::TlsError;

/// All the authorities of a browser are a quarter of this; anything larger is some other file.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// Revocation lists of large authorities have tens of thousands of entries of some 40 octets.
const REVOKED_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// One certificate or more.
pub(super) fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    all(setting, path, FILE_MAX_BYTES, "certificate (BEGIN CERTIFICATE)")
}

/// One list or more.
pub(super) fn revocation_lists(
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    all("tls-crl", path, REVOKED_MAX_BYTES, "revocation list (BEGIN X509 CRL)")
}

/// The first private key.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    const SETTING: &str = "tls-key";
    let text = read(SETTING, path, FILE_MAX_BYTES)?;
    if text.windows(ENCRYPTED.len()).any(|piece| piece == ENCRYPTED) {
        return Err(TlsError::wrong(SETTING, path, &"the key is protected by a passphrase"));
    }
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| TlsError::wrong(SETTING, path, &no(&error, "private key")))
}

/// How PEM names a key that needs a passphrase.
const ENCRYPTED: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";

/// When the first certificate ends, in seconds since 1970. One that has ended or not begun is
/// worth a warning: clients will refuse it.
pub(super) fn ends_at(path: &Path, chain: &[CertificateDer<'_>]) -> Result<i64, TlsError> {
    let parsed = chain.first().and_then(|first| X509Certificate::from_der(first).ok());
    let Some((_, certificate)) = parsed else {
        return Err(TlsError::wrong("tls-cert", path, &"the certificate cannot be read"));
    };
    let validity = certificate.validity();
    if !validity.is_valid() {
        let (from, until) = (validity.not_before, validity.not_after);
        tracing::warn!(path = %path.display(), %from, %until, "the certificate is not valid now");
    }
    Ok(validity.not_after.timestamp())
}

fn all<T: PemObject>(
    setting: &'static str,
    path: &Path,
    max_bytes: u64,
    what: &str,
) -> Result<Vec<T>, TlsError> {
    let text = read(setting, path, max_bytes)?;
    let found: Result<Vec<T>, _> = T::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| TlsError::wrong(setting, path, &no(&error, what)))?;
    if found.is_empty() {
        return Err(TlsError::wrong(setting, path, &no(&pem::Error::NoItemsFound, what)));
    }
    Ok(found)
}

/// The parser's own words repeat what is in the file, which may be a key.
fn no(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("there is no {what} in it"),
        pem::Error::MissingSectionEnd { .. } => "an END line is missing".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is broken".to_owned(),
        pem::Error::Base64Decode(_) => "it is not base64 between BEGIN and END".to_owned(),
        _ => "it is not PEM".to_owned(),
    }
}

fn read(setting: &'static str, path: &Path, max_bytes: u64) -> Result<Vec<u8>, TlsError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max_bytes {
            return Err(io::Error::other(format!("it is larger than {max_bytes} bytes")));
        }
        Ok(bytes)
    };
    read().map_err(|error| TlsError::Unreadable { setting, path: path.to_owned(), error })
}
