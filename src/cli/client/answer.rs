//! What an answer means: a value, or one line about why there is none.

use serde_json::Value;

use crate::cli::failure::{Exit, Failure};

/// A reason longer than this is cut: it is an HTML page or a stack trace.
const REASON_MAX_CHARS: usize = 1000;

/// What a request that writes has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Written {
    /// There was nothing of this name.
    Created,
    /// There was, and it is now as asked.
    Changed,
}

impl Written {
    pub(crate) fn is_created(self) -> bool {
        self == Self::Created
    }
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// What the question was, for those who read about its refusal.
pub(crate) struct Asked<'a> {
    pub(crate) subject: &'a str,
    pub(crate) user: &'a str,
    pub(crate) endpoint: &'a str,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of an answer that must be JSON.
    pub(crate) fn json(&self, asked: &Asked<'_>) -> Result<Value, Failure> {
        serde_json::from_str(&self.body).map_err(|error| {
            let who = format!("{} gave no JSON for {}", asked.endpoint, asked.subject);
            Failure::protocol(format!("{who}: is this a management API? ({error})"))
        })
    }

    /// Why this is no success.
    pub(crate) fn failure(&self, asked: &Asked<'_>) -> Failure {
        let Asked { subject, user, endpoint } = asked;
        let reason = self.reason();
        let status = self.status;
        match status {
            401 | 403 => {
                let reason = reason.unwrap_or_else(|| "not authorised".to_owned());
                let text = format!("{subject}: user '{user}' at {endpoint}: {reason}");
                Failure::new(Exit::NotPermitted, text)
            }
            404 => {
                let said = reason.filter(|reason| !reason.eq_ignore_ascii_case("not found"));
                let said = said.map_or_else(String::new, |reason| format!(" ({reason})"));
                Failure::new(Exit::NotFound, format!("{subject}: not found{said}"))
            }
            300..=399 => {
                let text = format!("{endpoint} answers {status}, a redirection, to {subject}");
                Failure::protocol(format!("{text}: use its real URL"))
            }
            500.. => {
                let reason = reason.unwrap_or_default();
                Failure::new(Exit::BrokerFailed, format!("{subject}: HTTP {status} {reason}"))
            }
            405 => {
                let reason = reason.unwrap_or_else(|| "HTTP 405".to_owned());
                let text = format!("{subject}: this broker does not do that ({reason})");
                Failure::new(Exit::Refused, text)
            }
            _ => {
                let reason = reason.unwrap_or_else(|| format!("HTTP {status}"));
                Failure::new(Exit::Refused, format!("{subject}: {reason}"))
            }
        }
    }

    /// What the broker says of it, on one line.
    fn reason(&self) -> Option<String> {
        let said = match serde_json::from_str::<Value>(&self.body) {
            Ok(Value::Object(mut object)) => {
                object.remove("reason").or_else(|| object.remove("error"))
            }
            Ok(other) => Some(other),
            Err(_) => Some(Value::String(self.body.clone())),
        };
        let text = match said? {
            Value::String(text) => text,
            Value::Null => return None,
            other => other.to_string(),
        };
        let words: Vec<_> = text.split_whitespace().collect();
        let text: String = words.join(" ").chars().take(REASON_MAX_CHARS).collect();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked { subject: "queue 'q'", user: "u", endpoint: "http://h" };

    fn failure(status: u16, body: &str) -> (u8, String) {
        let failure = Answer { status, body: body.to_owned() }.failure(&ASKED);
        (failure.exit_code(), failure.text)
    }

    #[test]
    fn refusals_are_told_in_one_line() {
        for (status, body, code, text) in [
            (400, r#"{"error":"bad_request","reason":"no good"}"#, 1, "queue 'q': no good"),
            (400, r#"{"error":"bad_request","reason":["a",1]}"#, 1, r#"queue 'q': ["a",1]"#),
            (405, "", 1, "queue 'q': this broker does not do that (HTTP 405)"),
            (412, "", 1, "queue 'q': HTTP 412"),
            (404, r#"{"error":"x","reason":"Not Found"}"#, 4, "queue 'q': not found"),
            (404, r#"{"error":"x","reason":"no vhost"}"#, 4, "queue 'q': not found (no vhost)"),
            (401, "", 77, "queue 'q': user 'u' at http://h: not authorised"),
            (500, "<p>\nsorry\n</p>", 70, "queue 'q': HTTP 500 <p> sorry </p>"),
        ] {
            assert_eq!(failure(status, body), (code, text.to_owned()), "{status} {body}");
        }
        assert_eq!(failure(301, "").0, 76);
        assert!(failure(400, &"x".repeat(9999)).1.len() < 1100);
    }

    #[test]
    fn what_is_no_json_is_named() {
        let answer = Answer { status: 200, body: "<html>".to_owned() };
        let failure = answer.json(&ASKED).expect_err("no JSON");
        assert_eq!(failure.exit, Exit::Protocol);
        assert!(failure.text.starts_with("http://h gave no JSON for queue 'q'"));
    }
}
