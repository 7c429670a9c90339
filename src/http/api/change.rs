//! Changes of users, virtual hosts, policies and the like: answered once they are on disk.
//!
//! Knows none of the objects.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::broker::ChangeError;
use crate::http::app::Call;
use crate::http::fields::Fields;
use crate::http::reply::{Failure, Reply};
use crate::policy::PolicyError;

/// Waits until what has been changed is on disk, then answers. Only for handlers that have a
/// thread of their own.
pub(in crate::http) fn kept(call: &Call, reply: Reply) -> Reply {
    Handle::current().block_on(call.node().definitions_on_disk());
    reply
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NoVhost(_) => Self::missing("vhost_not_found"),
            ChangeError::NoUser(_) | ChangeError::NotFound(_) => Self::not_found(),
            ChangeError::Invalid(text) | ChangeError::Refused(text) => Self::bad_request(text),
        }
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::NoVhost(_) => Self::missing("vhost_not_found"),
            PolicyError::NoPolicy(_) => Self::not_found(),
            PolicyError::NotJson | PolicyError::KeyMissing(_) => {
                Self::bad_request(error.to_string())
            }
            PolicyError::Invalid(text) => invalid(&text),
        }
    }
}

/// What somebody wants to set makes no sense.
pub(in crate::http) fn invalid(text: &str) -> Failure {
    Failure::bad_request(format!("Validation failed\n\n{text}\n"))
}

/// 401 for somebody who may use the API, but not for this.
pub(in crate::http) fn not_his_vhost() -> Failure {
    Failure::not_authorised("User not authorised to access virtual host")
}

/// 412.
pub(in crate::http) fn protected(text: String) -> Failure {
    Failure::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", text)
}

/// Tags: a list of words, or words with commas between them.
pub(in crate::http) fn tags(fields: &Fields) -> Result<Option<Vec<String>>, Failure> {
    let wrong = |value: &Value| Failure::bad_request(json!(["not_a_list_of_strings", value]));
    let words: Vec<&str> = match fields.get("tags") {
        None => return Ok(None),
        Some(Value::String(words)) => words.split(',').collect(),
        Some(Value::Array(words)) => {
            let texts = words.iter().map(|word| word.as_str().ok_or_else(|| wrong(word)));
            texts.collect::<Result<_, _>>()?
        }
        Some(other) => return Err(wrong(other)),
    };
    let words = words.into_iter().map(str::trim).filter(|word| !word.is_empty());
    Ok(Some(words.map(str::to_owned).collect()))
}

/// The value of a limit.
pub(in crate::http) fn limit(fields: &Fields, name: &str) -> Result<i64, String> {
    match fields.get("value") {
        Some(Value::Number(number)) if number.is_i64() => Ok(number.as_i64().unwrap_or(-1)),
        other => {
            let shown = other.map(Value::to_string).unwrap_or_default();
            Err(format!("{name} should be a number, actually was {shown}"))
        }
    }
}
