//! What a request is answered with, well or not, in RabbitMQ's forms.
//!
//! Knows no routes and no broker; only what errors of AMQP become.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::{Error, ReplyCode};

/// What a handler gives.
pub(super) type Outcome = Result<Reply, Failure>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Asks browsers and clients for a name and a password.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");

/// An answer to a request that went well.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    header: Option<(HeaderName, HeaderValue)>,
    body: Option<Value>,
}

impl Reply {
    /// 200 with a JSON value.
    pub(super) fn json(value: &impl serde::Serialize) -> Outcome {
        match serde_json::to_vec(value) {
            Ok(body) => {
                Ok(Self { status: StatusCode::OK, headers: vec![(CONTENT_TYPE, JSON)], body })
            }
            Err(error) => Err(Failure::internal(&error)),
        }
    }

    /// 200 with text of a media type.
    pub(super) fn text(media: &'static str, text: String) -> Self {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(media))];
        Self { status: StatusCode::OK, headers, body: text.into_bytes() }
    }

    /// 201: it is new.
    pub(super) fn created() -> Self {
        Self { status: StatusCode::CREATED, headers: Vec::new(), body: Vec::new() }
    }

    /// 204: done, and there is nothing to say.
    pub(super) fn done() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Vec::new() }
    }

    /// 201 if it is new, else 204.
    pub(super) fn created_or_done(created: bool) -> Self {
        if created { Self::created() } else { Self::done() }
    }

    /// Says where it is. Left out where a header could not hold it.
    pub(super) fn at(mut self, location: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(location) {
            self.headers.push((LOCATION, value));
        }
        self
    }

    /// Asks the client to keep it as a file. Left out where a header could not hold the name.
    pub(super) fn download(mut self, file: &str) -> Self {
        let name: String = file.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
            self.headers.push((CONTENT_DISPOSITION, value));
        }
        self
    }
}

impl Failure {
    /// Any status with `{"error": …, "reason": …}`.
    pub(super) fn new(status: StatusCode, error: &str, reason: impl Into<Value>) -> Self {
        Self::with_body(status, json!({"error": error, "reason": reason.into()}))
    }

    /// Any status with any body.
    pub(super) fn with_body(status: StatusCode, body: Value) -> Self {
        Self { status, header: None, body: Some(body) }
    }

    /// With one more header.
    pub(super) fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// 400.
    pub(super) fn bad_request(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    /// 400 for what AMQP refuses: the code stands in front of the text.
    pub(super) fn bad_amqp_request(error: Error) -> Self {
        match error {
            Error::Channel(reason) | Error::Connection(reason) => {
                let (number, name) = (reason.code.number(), reason.code.name());
                Self::bad_request(format!("{number} {name} - {}", reason.text))
            }
            Error::Io(error) => Self::internal(&error),
        }
    }

    /// 404 for what the path names.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Object Not Found", "Not Found")
    }

    /// 404 that says what is missing, as `vhost_not_found`.
    pub(super) fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", what)
    }

    /// 401 for a user who is known but may not do this.
    pub(super) fn not_authorised(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorised", reason)
    }

    /// 401 for a name or a password that is wrong.
    pub(super) fn login_failed() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorized", "Login failed")
    }

    /// 401 for a request without a name and a password.
    pub(super) fn login_missing() -> Self {
        Self { status: StatusCode::UNAUTHORIZED, header: None, body: None }
    }

    /// 500. What went wrong is for the log only.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request over HTTP failed");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "internal_error", "the broker failed; its log says more")
    }
}

/// What a declaration, a binding or a deletion is refused with.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Channel(reason) | Error::Connection(reason) => match reason.code {
                ReplyCode::AccessRefused => Self::not_authorised(reason.text),
                ReplyCode::NotFound => Self::missing(&reason.text),
                _ => Self::bad_request(reason.text),
            },
            Error::Io(error) => Self::internal(&error),
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = self.body.map(|body| body.to_string()).unwrap_or_default();
        let is_empty = body.is_empty();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if !is_empty {
            headers.insert(CONTENT_TYPE, JSON);
        }
        headers.extend(self.header);
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        response
    }
}
