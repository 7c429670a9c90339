//! What the listeners with TLS are told: where they listen, which files they use, whom they ask.
//!
//! Knows nothing of what is in the files.

use std::path::PathBuf;

use super::value;

/// Everything about TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// `HOST:PORT` of each listener for AMQP over TLS.
    pub listen: Vec<String>,
    /// `HOST:PORT` of each listener for the HTTP API over TLS.
    pub http_listen: Vec<String>,
    /// The certificate of the broker and those that lead to its authority, in PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    pub key: Option<PathBuf>,
    /// The authorities that client certificates may come from, in PEM.
    pub authorities: Option<PathBuf>,
    /// Certificates that their authority has revoked, in PEM.
    pub revoked: Option<PathBuf>,
    /// Whether clients have to show a certificate.
    pub verify: TlsVerify,
    /// Which name in a client's certificate is its user.
    pub login_from: LoginFrom,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVerify {
    /// They are not asked.
    #[default]
    None,
    /// They are asked; what they show has to be good.
    Optional,
    /// Without one they are refused.
    Required,
}

/// Which name in a client's certificate is its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginFrom {
    /// The common name of the subject.
    #[default]
    CommonName,
    /// The whole subject, such as `CN=app,O=Example`.
    DistinguishedName,
    /// The first DNS name among the alternative names.
    SubjectAlternativeName,
}

/// The path of a file, or none.
pub(super) fn file(text: &str) -> Result<Option<PathBuf>, String> {
    match value::not_empty(text)? {
        "none" => Ok(None),
        path => Ok(Some(PathBuf::from(path))),
    }
}

pub(super) fn verify(text: &str) -> Result<TlsVerify, String> {
    match text {
        "none" => Ok(TlsVerify::None),
        "optional" => Ok(TlsVerify::Optional),
        "required" => Ok(TlsVerify::Required),
        _ => Err("must be none, optional or required".to_owned()),
    }
}

pub(super) fn login_from(text: &str) -> Result<LoginFrom, String> {
    match text {
        "common-name" => Ok(LoginFrom::CommonName),
        "distinguished-name" => Ok(LoginFrom::DistinguishedName),
        "subject-alternative-name" => Ok(LoginFrom::SubjectAlternativeName),
        _ => {
            let rule = "must be common-name, distinguished-name or subject-alternative-name";
            Err(rule.to_owned())
        }
    }
}
