//! What can go wrong for a client, and how far it reaches.
//!
//! Handlers raise an [`Error`] with `?`; only the connection's loop turns it into `channel.close`
//! or `connection.close`. Knows nothing of frames or sockets.

use std::fmt;

/// The result of anything a client asked for.
pub type Result<T> = std::result::Result<T, Error>;

/// The longest reply-text, a short string (0-9-1, 4.2.5.3).
const REPLY_TEXT_MAX_BYTES: usize = 255;
/// What marks a reply-text that had to be cut.
const CUT_MARK: &str = "...";

/// Reply codes (0-9-1, 1.2) as RabbitMQ uses them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyCode {
    /// 312, in `basic.return` only.
    NoRoute,
    /// 320: an operator or the end of the broker closes the connection.
    ConnectionForced,
    /// 403: not allowed to this user, or to anybody.
    AccessRefused,
    /// 404: no such exchange, queue or virtual host.
    NotFound,
    /// 405: exclusive to somebody else.
    ResourceLocked,
    /// 406: the request contradicts what exists or what was asked before.
    PreconditionFailed,
    /// 501: a frame that cannot be read.
    FrameError,
    /// 502: a field with an impossible value.
    SyntaxError,
    /// 503: a method that this side never accepts.
    CommandInvalid,
    /// 504: a method out of its order.
    ChannelError,
    /// 505: a frame out of its order.
    UnexpectedFrame,
    /// 506: out of some resource.
    ResourceError,
    /// 530: refused whatever the state.
    NotAllowed,
    /// 540: no such method or option here.
    NotImplemented,
    /// 541: the broker's own fault.
    InternalError,
}

impl ReplyCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::NoRoute => 312,
            Self::ConnectionForced => 320,
            Self::AccessRefused => 403,
            Self::NotFound => 404,
            Self::ResourceLocked => 405,
            Self::PreconditionFailed => 406,
            Self::FrameError => 501,
            Self::SyntaxError => 502,
            Self::CommandInvalid => 503,
            Self::ChannelError => 504,
            Self::UnexpectedFrame => 505,
            Self::ResourceError => 506,
            Self::NotAllowed => 530,
            Self::NotImplemented => 540,
            Self::InternalError => 541,
        }
    }

    /// The name that every reply-text starts with.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoRoute => "NO_ROUTE",
            Self::ConnectionForced => "CONNECTION_FORCED",
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceLocked => "RESOURCE_LOCKED",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FrameError => "FRAME_ERROR",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::CommandInvalid => "COMMAND_INVALID",
            Self::ChannelError => "CHANNEL_ERROR",
            Self::UnexpectedFrame => "UNEXPECTED_FRAME",
            Self::ResourceError => "RESOURCE_ERROR",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    fn closes_the_channel_only(self) -> bool {
        matches!(
            self,
            Self::NoRoute
                | Self::AccessRefused
                | Self::NotFound
                | Self::ResourceLocked
                | Self::PreconditionFailed
        )
    }
}

/// Class and method number of a method.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MethodId {
    /// For instance 60 for basic.
    pub class: u16,
    /// For instance 40 for publish.
    pub method: u16,
}

impl MethodId {
    /// What a close names when no method is to blame.
    pub const NONE: Self = Self::new(0, 0);

    /// A method by its numbers.
    pub const fn new(class: u16, method: u16) -> Self {
        Self { class, method }
    }
}

/// Why a channel or connection is closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The reply code.
    pub code: ReplyCode,
    /// The explanation, without the code's name in front.
    pub text: String,
    /// The method to blame, where it is not the one being handled.
    pub method: Option<MethodId>,
}

impl Reason {
    /// A reason that blames the method being handled.
    pub fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), method: None }
    }

    /// `NAME - explanation`, cut at a character boundary to what a short string holds.
    pub fn reply_text(&self) -> String {
        let mut text = format!("{} - {}", self.code.name(), self.text);
        if text.len() > REPLY_TEXT_MAX_BYTES {
            let end = text.floor_char_boundary(REPLY_TEXT_MAX_BYTES - CUT_MARK.len());
            text.truncate(end);
            text.push_str(CUT_MARK);
        }
        text
    }
}

/// An error and its reach.
#[derive(Debug)]
pub enum Error {
    /// Closes the channel that it happened on.
    Channel(Reason),
    /// Closes the connection.
    Connection(Reason),
    /// The connection is gone.
    Io(std::io::Error),
}

impl Error {
    /// An error whose reach follows from its code.
    pub fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        let reason = Reason::new(code, text);
        if code.closes_the_channel_only() {
            Self::Channel(reason)
        } else {
            Self::Connection(reason)
        }
    }

    /// The explanation, without the code's name in front.
    pub fn text(&self) -> String {
        match self {
            Self::Channel(reason) | Self::Connection(reason) => reason.text.clone(),
            Self::Io(error) => error.to_string(),
        }
    }

    /// 403.
    pub fn access_refused(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::AccessRefused, text)
    }

    /// 404.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::NotFound, text)
    }

    /// 405.
    pub fn resource_locked(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::ResourceLocked, text)
    }

    /// 406.
    pub fn precondition_failed(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::PreconditionFailed, text)
    }

    /// 501.
    pub fn frame_error(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::FrameError, text)
    }

    /// 503.
    pub fn command_invalid(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::CommandInvalid, text)
    }

    /// 504.
    pub fn channel_error(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::ChannelError, text)
    }

    /// 505.
    pub fn unexpected_frame(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::UnexpectedFrame, text)
    }

    /// 530.
    pub fn not_allowed(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::NotAllowed, text)
    }

    /// 540.
    pub fn not_implemented(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::NotImplemented, text)
    }

    /// The same error, blamed on that method instead of the one being handled.
    #[must_use]
    pub fn blame(mut self, id: MethodId) -> Self {
        if let Self::Channel(reason) | Self::Connection(reason) = &mut self {
            reason.method = Some(id);
        }
        self
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(reason) | Self::Connection(reason) => f.write_str(&reason.reply_text()),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reply_text_is_cut_at_a_character() {
        let reason = Reason::new(ReplyCode::NotFound, "ä".repeat(300));
        let text = reason.reply_text();
        assert!(text.len() <= REPLY_TEXT_MAX_BYTES);
        assert!(text.starts_with("NOT_FOUND - ää") && text.ends_with("ä..."));
    }

    #[test]
    fn the_reach_follows_from_the_code() {
        assert!(matches!(Error::not_found("x"), Error::Channel(_)));
        assert!(matches!(Error::not_allowed("x"), Error::Connection(_)));
    }
}
