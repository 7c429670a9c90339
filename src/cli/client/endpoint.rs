//! Where the API is: the URL that was given, checked and brought into one form.

use std::fmt;

use crate::cli::failure::Failure;

/// An URL without its last slash and without `/api`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Endpoint(String);

impl Endpoint {
    /// Checks what was typed. Errors do not repeat an URL with a password in it.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
            Some((scheme, _)) => {
                let rule = "must begin with http:// or https://";
                return Err(Failure::usage(format!("the URL: '{scheme}://' {rule}")));
            }
            None => ("http", text),
        };
        let host = rest.split('/').next().unwrap_or_default();
        if host.contains('@') {
            let rule = "must not hold credentials; use --user and --password-file";
            return Err(Failure::usage(format!("the URL: {rule}")));
        }
        let is_bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
        if host.is_empty() || rest.contains(is_bad) {
            let rule = "must be such as http://HOST:PORT, without query or fragment";
            return Err(Failure::usage(format!("the URL {text}: {rule}")));
        }
        let rest = rest.trim_end_matches('/');
        let rest = rest.strip_suffix("/api").unwrap_or(rest);
        Ok(Self(format!("{scheme}://{rest}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_understood() {
        for (typed, meant) in [
            ("http://h:15672", "http://h:15672"),
            ("http://h:15672/", "http://h:15672"),
            ("http://h:15672/api/", "http://h:15672"),
            ("https://h/prefix/api", "https://h/prefix"),
            ("localhost:15672", "http://localhost:15672"),
            ("http://[::1]:15672", "http://[::1]:15672"),
        ] {
            assert_eq!(Endpoint::parse(typed).expect(typed).as_str(), meant);
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for typed in ["", "http://", "amqp://h:5672", "http://h/?a=b", "http://h /", "http://h#x"] {
            assert!(Endpoint::parse(typed).is_err(), "{typed}");
        }
        let error = Endpoint::parse("http://me:s3cret@h").expect_err("refused");
        assert!(!error.text.contains("s3cret"), "{}", error.text);
    }
}
