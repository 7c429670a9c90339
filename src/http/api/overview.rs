//! The broker as a whole.

use serde_json::json;

use crate::http::app::Call;
use crate::http::reply::{Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};

pub(in crate::http) static ROUTES: &[Route] = &[Route::get(
    "/api/overview",
    Access::Management,
    Now(overview),
    "Tells what the broker is and how busy it is.",
)];

fn overview(call: &Call) -> Outcome {
    let node = call.node().config.node_name();
    Reply::json(&json!({"node": node}))
}
