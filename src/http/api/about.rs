//! Who asks, and what the API is: `whoami`, `openapi.json`.

use serde_json::json;

use crate::access::Tag;
use crate::http::app::Call;
use crate::http::openapi;
use crate::http::reply::{Outcome, Reply};
use crate::http::route::{Access, Handler::Now, Route};
use crate::http::schema::{Shape, always};

static USER: Shape =
    Shape::Object(&[always("name", &Shape::Text), always("tags", &Shape::List(&Shape::Text))]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/whoami", Access::Management, Now(whoami), "Tells who asks.").gives(&USER),
    Route::get("/api/openapi.json", Access::Anyone, Now(document), "Describes this API."),
];

fn whoami(call: &Call) -> Outcome {
    let caller = call.caller()?;
    Reply::json(&json!({
        "name": &*caller.user.name,
        "tags": caller.user.tags.iter().map(Tag::name).collect::<Vec<_>>(),
        "is_internal_user": true,
    }))
}

fn document(_: &Call) -> Outcome {
    Reply::json(&*openapi::DOCUMENT)
}
