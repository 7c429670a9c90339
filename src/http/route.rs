//! A route: a method and a path, who may use it, what it takes and gives, and who answers.
//!
//! The rows of `routes.rs` are made of these. The router, the document of the API and the tests
//! that walk all routes read nothing else.

use std::future::Future;
use std::pin::Pin;

use axum::http::{Method, StatusCode};

use super::app::Call;
use super::reply::Outcome;
use super::schema::{self, Field, Shape};

/// Who may use a route. Each includes that the caller has logged in, but for the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Everybody, without a login.
    Anyone,
    /// Users with a tag that gives access to the API.
    Management,
    /// The same, and permissions in the virtual host of the path.
    Member,
    /// The same, or administrators.
    MemberOrAdministrator,
    /// The same, or who may monitor.
    Visible,
    /// Users who may make policies, with permissions in the virtual host of the path, if there is
    /// one.
    Policymaker,
    /// Users who may monitor.
    Monitoring,
    /// Administrators.
    Administrator,
}

/// What an answer that takes its time is.
pub(super) type Answer<'c> = Pin<Box<dyn Future<Output = Outcome> + Send + 'c>>;

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Handler {
    /// A function that works through and waits for nothing but locks. It has a thread for that.
    Now(fn(&Call) -> Outcome),
    /// A function that waits for the disk or for other tasks, and never works for long.
    Later(for<'c> fn(&'c Call) -> Answer<'c>),
}

/// One method of one path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// `GET`, `PUT`, `POST` or `DELETE`.
    pub(super) method: Verb,
    /// Its parts in braces are parameters, each one part of a path.
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) handler: Handler,
    /// One sentence.
    pub(super) summary: &'static str,
    /// Parameters behind the question mark.
    pub(super) query: &'static [Field],
    /// What the body may hold, if there may be one.
    pub(super) body: Option<&'static Shape>,
    /// What it answers when all is well.
    pub(super) gives: Option<&'static Shape>,
    /// The media type of that.
    pub(super) media: &'static str,
    /// With which status; the first is the one with the answer.
    pub(super) successes: &'static [u16],
    /// What else it may answer, beyond what its access, parameters and body imply.
    pub(super) failures: &'static [u16],
    /// The largest body, where it is another than that of most routes.
    pub(super) body_max_bytes: Option<usize>,
}

/// The methods that are routed; HEAD and OPTIONS are answered for all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verb {
    Get,
    Put,
    Post,
    Delete,
}

impl Verb {
    pub(super) fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Put => Method::PUT,
            Self::Post => Method::POST,
            Self::Delete => Method::DELETE,
        }
    }
}

impl Route {
    /// Tells something. 200.
    pub(super) const fn get(
        path: &'static str,
        access: Access,
        handler: Handler,
        summary: &'static str,
    ) -> Self {
        Self {
            method: Verb::Get,
            path,
            access,
            handler,
            summary,
            query: &[],
            body: None,
            gives: Some(&Shape::Any),
            media: "application/json",
            successes: &[200],
            failures: &[],
            body_max_bytes: None,
        }
    }

    /// Makes or changes something. 201 or 204.
    pub(super) const fn put(
        path: &'static str,
        access: Access,
        handler: Handler,
        summary: &'static str,
    ) -> Self {
        let get = Self::get(path, access, handler, summary);
        let (body, gives) = (Some(&schema::OPEN), None);
        Self { method: Verb::Put, body, gives, successes: &[201, 204], ..get }
    }

    /// Does something. 200.
    pub(super) const fn post(
        path: &'static str,
        access: Access,
        handler: Handler,
        summary: &'static str,
    ) -> Self {
        let get = Self::get(path, access, handler, summary);
        Self { method: Verb::Post, body: Some(&schema::OPEN), ..get }
    }

    /// Removes something. 204.
    pub(super) const fn delete(
        path: &'static str,
        access: Access,
        handler: Handler,
        summary: &'static str,
    ) -> Self {
        let get = Self::get(path, access, handler, summary);
        Self { method: Verb::Delete, gives: None, successes: &[204], ..get }
    }

    /// Takes these parameters behind the question mark.
    pub(super) const fn query(self, query: &'static [Field]) -> Self {
        Self { query, ..self }
    }

    /// Takes a body of this shape.
    pub(super) const fn takes(self, shape: &'static Shape) -> Self {
        Self { body: Some(shape), ..self }
    }

    /// Takes no body, where most of its method do.
    pub(super) const fn takes_nothing(self) -> Self {
        Self { body: None, ..self }
    }

    /// Answers with a value of this shape.
    pub(super) const fn gives(self, shape: &'static Shape) -> Self {
        Self { gives: Some(shape), ..self }
    }

    /// Answers with text of this media type.
    pub(super) const fn gives_text(self, media: &'static str) -> Self {
        Self { gives: Some(&Shape::Text), media, ..self }
    }

    /// Succeeds with one of these and no body.
    pub(super) const fn done(self, successes: &'static [u16]) -> Self {
        Self { successes, gives: None, ..self }
    }

    /// May also fail with one of these.
    pub(super) const fn fails(self, failures: &'static [u16]) -> Self {
        Self { failures, ..self }
    }

    /// Takes bodies up to that size.
    pub(super) const fn body_max(self, bytes: usize) -> Self {
        Self { body_max_bytes: Some(bytes), ..self }
    }

    /// The names of the parameters in the path, in order.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Whether the path names a virtual host.
    pub(super) fn has_vhost(&self) -> bool {
        self.parameters().any(|name| name == "vhost")
    }

    /// Every status that it may answer.
    pub(super) fn statuses(&self) -> Vec<StatusCode> {
        let mut numbers = self.successes.to_vec();
        numbers.extend(self.failures);
        if self.access != Access::Anyone {
            numbers.extend([401, 429]);
        }
        if self.parameters().next().is_some() {
            numbers.extend([400, 404]);
        }
        if !self.query.is_empty() {
            numbers.push(400);
        }
        if self.body.is_some() {
            numbers.extend([400, 408, 413]);
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().filter_map(|number| StatusCode::from_u16(number).ok()).collect()
    }
}
