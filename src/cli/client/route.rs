//! What is asked for: the path of a request with its names encoded, and words for it.

use std::fmt::Write;

/// A request's path and query, and what they are about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    subject: String,
    path: String,
    has_query: bool,
}

impl Route {
    /// A path from its parts, below `/api`. The subject is what a refusal will name, such as
    /// `queue 'jobs' in vhost '/'`.
    pub(crate) fn new(subject: impl Into<String>, parts: &[&str]) -> Self {
        let mut path = String::from("/api");
        for part in parts {
            path.push('/');
            encode(part, &mut path);
        }
        Self { subject: subject.into(), path, has_query: false }
    }

    /// The same path with one parameter more.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        encode(name, &mut self.path);
        self.path.push('=');
        encode(value, &mut self.path);
        self
    }

    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// Leaves alone what RFC 3986 calls unreserved. Parts of dots alone are encoded too, since what
/// stands between may take them for directories.
fn encode(text: &str, path: &mut String) {
    let only_dots = text.bytes().all(|byte| byte == b'.');
    for byte in text.bytes() {
        match byte {
            b'.' if only_dots => path.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => {
                path.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_whatever_they_are() {
        let path = |parts: &[&str]| Route::new("it", parts).path;
        assert_eq!(path(&["overview"]), "/api/overview");
        assert_eq!(path(&["queues", "/", "a b"]), "/api/queues/%2F/a%20b");
        assert_eq!(path(&["queues", "%2f", "<script>"]), "/api/queues/%252f/%3Cscript%3E");
        assert_eq!(path(&["queues", "é", "a?b#c&d"]), "/api/queues/%C3%A9/a%3Fb%23c%26d");
        assert_eq!(path(&["queues", "..", "a.b~c"]), "/api/queues/%2E%2E/a.b~c");
    }

    #[test]
    fn parameters_follow_the_path() {
        let route = Route::new("it", &["queues"]).query("page", "1").query("name", "^a&b+");
        assert_eq!(route.path(), "/api/queues?page=1&name=%5Ea%26b%2B");
    }
}
