//! The table of all routes: one list a kind of object, each beside what answers it.
//!
//! The router, `/api/openapi.json` and the tests that walk all routes are made from it.

use super::route::Route;
use super::{api, metrics};

/// The routes of the API.
static API: &[&[Route]] = &[
    api::about::ROUTES,
    api::bindings::ROUTES,
    api::channels::ROUTES,
    api::connections::ROUTES,
    api::consumers::ROUTES,
    api::exchanges::ROUTES,
    api::messages::ROUTES,
    api::nodes::ROUTES,
    api::overview::ROUTES,
    api::queues::ROUTES,
    api::definitions::ROUTES,
    api::features::ROUTES,
    api::health::ROUTES,
    api::limits::ROUTES,
    api::parameters::ROUTES,
    api::permissions::ROUTES,
    api::policies::ROUTES,
    api::users::ROUTES,
    api::vhosts::ROUTES,
];

/// Every route.
pub(super) fn all() -> impl Iterator<Item = &'static Route> {
    API.iter().copied().flatten().chain(metrics())
}

/// Those that the listener for metrics serves, to everybody.
pub(super) fn metrics() -> impl Iterator<Item = &'static Route> {
    metrics::ROUTES.iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_is_there_twice() {
        let mut seen: Vec<_> = all().map(|route| (route.path, route.method)).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn paths_are_those_of_the_api_and_summaries_are_sentences() {
        for route in all() {
            let path = route.path;
            assert!(path.starts_with("/api/") || path.starts_with("/metrics"), "{path}");
            let summary = route.summary;
            assert!(summary.ends_with('.') && summary.starts_with(char::is_uppercase), "{path}");
        }
    }
}
