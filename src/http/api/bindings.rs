//! Bindings.

use serde_json::Value;

use super::scope::{Scoped, scoped};
use crate::amqp::table::Table;
use crate::broker::Bound;
use crate::exchange::{Destination, Exchange};
use crate::http::app::Call;
use crate::http::json;
use crate::http::list::{self, Object, Wanted};
use crate::http::reply::{Failure, Outcome, Reply};
use crate::http::route::{
    Access,
    Handler::{Later, Now},
    Route,
};
use crate::http::schema::{OPEN, Shape, always, maybe};
use crate::outbox::Wakes;
use crate::store::DestinationName;
use crate::vhost::{Binding, VirtualHost};

/// What stands for the default exchange in a path.
pub(in crate::http) const DEFAULT_EXCHANGE: &str = "amq.default";
/// What stands for an empty routing key in a path.
const NO_KEY: &str = "~";

static BINDING: Shape = Shape::Object(&[
    always("source", &Shape::Text),
    always("vhost", &Shape::Text),
    always("destination", &Shape::Text),
    always("destination_type", &Shape::OneOf(&["queue", "exchange"])),
    always("routing_key", &Shape::Text),
    always("arguments", &OPEN),
    always("properties_key", &Shape::Text),
]);
static PARTIAL: Shape = Shape::Page(&OPEN);
static BODY: Shape =
    Shape::Object(&[maybe("routing_key", &Shape::Text), maybe("arguments", &OPEN)]);

pub(in crate::http) static ROUTES: &[Route] = &[
    Route::get("/api/bindings", Access::Management, Now(all), "Lists all bindings.")
        .query(list::QUERY)
        .gives(&PARTIAL),
    Route::get(
        "/api/bindings/{vhost}",
        Access::Visible,
        Now(all),
        "Lists the bindings of a virtual host.",
    )
    .query(list::QUERY)
    .gives(&PARTIAL),
    Route::get(
        "/api/bindings/{vhost}/e/{source}/q/{destination}",
        Access::Visible,
        Now(between),
        "Lists the bindings from an exchange to a queue.",
    )
    .query(list::QUERY)
    .gives(&PARTIAL),
    Route::get(
        "/api/bindings/{vhost}/e/{source}/e/{destination}",
        Access::Visible,
        Now(between),
        "Lists the bindings from an exchange to an exchange.",
    )
    .query(list::QUERY)
    .gives(&PARTIAL),
    Route::post(
        "/api/bindings/{vhost}/e/{source}/q/{destination}",
        Access::Member,
        Later(|call| Box::pin(bind(call))),
        "Binds a queue to an exchange.",
    )
    .takes(&BODY)
    .done(&[201]),
    Route::post(
        "/api/bindings/{vhost}/e/{source}/e/{destination}",
        Access::Member,
        Later(|call| Box::pin(bind(call))),
        "Binds an exchange to an exchange.",
    )
    .takes(&BODY)
    .done(&[201]),
    Route::get(
        "/api/bindings/{vhost}/e/{source}/q/{destination}/{properties}",
        Access::Visible,
        Now(get),
        "Tells of one binding of a queue.",
    )
    .query(list::COLUMNS)
    .gives(&BINDING),
    Route::get(
        "/api/bindings/{vhost}/e/{source}/e/{destination}/{properties}",
        Access::Visible,
        Now(get),
        "Tells of one binding of an exchange.",
    )
    .query(list::COLUMNS)
    .gives(&BINDING),
    Route::delete(
        "/api/bindings/{vhost}/e/{source}/q/{destination}/{properties}",
        Access::Member,
        Later(|call| Box::pin(unbind(call))),
        "Removes a binding of a queue.",
    ),
    Route::delete(
        "/api/bindings/{vhost}/e/{source}/e/{destination}/{properties}",
        Access::Member,
        Later(|call| Box::pin(unbind(call))),
        "Removes a binding of an exchange.",
    ),
    Route::get(
        "/api/queues/{vhost}/{queue}/bindings",
        Access::Visible,
        Now(of_queue),
        "Lists the bindings of a queue.",
    )
    .query(list::QUERY)
    .gives(&PARTIAL),
    Route::get(
        "/api/exchanges/{vhost}/{exchange}/bindings/source",
        Access::Visible,
        Now(of_source),
        "Lists the bindings that lead from an exchange.",
    )
    .query(list::QUERY)
    .gives(&PARTIAL),
    Route::get(
        "/api/exchanges/{vhost}/{exchange}/bindings/destination",
        Access::Visible,
        Now(of_destination),
        "Lists the bindings that lead to an exchange.",
    )
    .query(list::QUERY)
    .gives(&PARTIAL),
];

/// A binding as it is told of.
pub(in crate::http) struct Shown {
    vhost: String,
    source: String,
    destination: String,
    is_queue: bool,
    key: Box<[u8]>,
    arguments: Table,
}

impl Shown {
    fn of(vhost: &VirtualHost, binding: Binding) -> Self {
        let Binding { source, to, key, arguments } = binding;
        let (destination, is_queue) = match &to {
            Destination::Queue(queue) => (queue.name().to_string(), true),
            Destination::Exchange(exchange) => (exchange.name().to_string(), false),
        };
        let (vhost, source) = (vhost.name().to_string(), source.name().to_string());
        Self { vhost, source, destination, is_queue, key, arguments }
    }

    /// Every queue is bound to the default exchange under its name.
    fn default(vhost: &VirtualHost, queue: &str) -> Self {
        Self {
            vhost: vhost.name().to_string(),
            source: String::new(),
            destination: queue.to_owned(),
            is_queue: true,
            key: queue.as_bytes().into(),
            arguments: Table::default(),
        }
    }

    fn properties_key(&self) -> String {
        properties_key(&self.key, &self.arguments)
    }

    fn render(&self, wanted: &Wanted) -> Value {
        let mut object = Object::new(wanted);
        object.put("source", self.source.as_str());
        object.put("vhost", self.vhost.as_str());
        object.put("destination", self.destination.as_str());
        object.put("destination_type", if self.is_queue { "queue" } else { "exchange" });
        object.put_with("routing_key", || json::text(&self.key).into());
        object.put_with("arguments", || json::from_table(self.arguments.view()));
        object.put_with("properties_key", || self.properties_key().into());
        object.build()
    }
}

/// What tells bindings between the same two ends apart, in a form that a path can hold.
fn properties_key(key: &[u8], arguments: &Table) -> String {
    let quoted = quoted(key);
    if arguments.view().is_empty() {
        return if quoted.is_empty() { NO_KEY.to_owned() } else { quoted };
    }
    let sum = crc32fast::hash(arguments.sorted_by_name().view().as_bytes());
    let hash = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, sum.to_be_bytes());
    format!("{quoted}{NO_KEY}{hash}")
}

/// As in a form: a space is a plus.
fn quoted(key: &[u8]) -> String {
    let mut quoted = String::with_capacity(key.len());
    for octet in key {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                quoted.push(char::from(*octet));
            }
            b' ' => quoted.push('+'),
            _ => quoted.extend(['%', hex(octet >> 4), hex(octet & 15)]),
        }
    }
    quoted
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or_default().to_ascii_uppercase()
}

fn reply(call: &Call, bindings: Vec<Shown>) -> Outcome {
    list::list(call, bindings, |shown| (&shown.vhost, &shown.source), Shown::render)
}

fn all(call: &Call) -> Outcome {
    let mut found = Vec::new();
    for vhost in super::scope::vhosts(call)? {
        for queue in vhost.queues() {
            found.push(Shown::default(&vhost, queue.name()));
        }
        for exchange in vhost.exchanges() {
            let bindings = vhost.bindings_from(&exchange).into_iter();
            found.extend(bindings.map(|binding| Shown::of(&vhost, binding)));
        }
    }
    reply(call, found)
}

/// Between the two ends in the path, which have to exist.
fn found_between(call: &Call) -> Result<Vec<Shown>, Failure> {
    let vhost = call.vhost()?;
    let source = exchange_of(&vhost, call.parameter("source"))?;
    let Ends { to, .. } = ends(call);
    let to = match &to {
        DestinationName::Queue(name) => vhost.queue(name).ok().map(Destination::Queue),
        DestinationName::Exchange(name) => {
            exchange_of(&vhost, name).ok().map(Destination::Exchange)
        }
    };
    let to = to.ok_or_else(Failure::not_found)?;
    if let (true, Destination::Queue(queue)) = (source.name().is_empty(), &to) {
        return Ok(vec![Shown::default(&vhost, queue.name())]);
    }
    let bindings = vhost.bindings_to(&to).into_iter();
    let bindings = bindings.filter(|binding| std::sync::Arc::ptr_eq(&binding.source, &source));
    Ok(bindings.map(|binding| Shown::of(&vhost, binding)).collect())
}

fn between(call: &Call) -> Outcome {
    reply(call, found_between(call)?)
}

fn found_one(call: &Call) -> Result<Shown, Failure> {
    let properties = call.parameter("properties");
    let found = found_between(call)?.into_iter();
    let mut found = found.filter(|shown| shown.properties_key() == properties);
    found.next().ok_or_else(Failure::not_found)
}

fn get(call: &Call) -> Outcome {
    let shown = found_one(call)?;
    list::one(call, |wanted| shown.render(wanted))
}

fn of_queue(call: &Call) -> Outcome {
    let vhost = call.vhost()?;
    let queue = vhost.queue(call.parameter("queue")).map_err(|_| Failure::not_found())?;
    let mut shown = vec![Shown::default(&vhost, queue.name())];
    let bindings = vhost.bindings_to(&Destination::Queue(queue)).into_iter();
    shown.extend(bindings.map(|binding| Shown::of(&vhost, binding)));
    reply(call, shown)
}

fn of_source(call: &Call) -> Outcome {
    let vhost = call.vhost()?;
    let exchange = exchange_of(&vhost, call.parameter("exchange"))?;
    if exchange.name().is_empty() {
        let queues = vhost.queues().into_iter();
        return reply(call, queues.map(|queue| Shown::default(&vhost, queue.name())).collect());
    }
    let bindings = vhost.bindings_from(&exchange).into_iter();
    reply(call, bindings.map(|binding| Shown::of(&vhost, binding)).collect())
}

fn of_destination(call: &Call) -> Outcome {
    let vhost = call.vhost()?;
    let exchange = exchange_of(&vhost, call.parameter("exchange"))?;
    let bindings = vhost.bindings_to(&Destination::Exchange(exchange)).into_iter();
    reply(call, bindings.map(|binding| Shown::of(&vhost, binding)).collect())
}

/// An exchange as a path names it.
pub(in crate::http) fn exchange_of(
    vhost: &VirtualHost,
    name: &str,
) -> Result<std::sync::Arc<Exchange>, Failure> {
    let name = exchange_name(name);
    vhost.exchange(name).map_err(|_| Failure::not_found())
}

/// The name of an exchange that a path names.
pub(in crate::http) fn exchange_name(name: &str) -> &str {
    if name == DEFAULT_EXCHANGE { "" } else { name }
}

/// The two ends that the path names.
struct Ends {
    source: String,
    to: DestinationName,
}

fn ends(call: &Call) -> Ends {
    let source = exchange_name(call.parameter("source")).to_owned();
    let name = call.parameter("destination");
    let to = if call.route.path.contains("/q/") {
        DestinationName::Queue(name.into())
    } else {
        DestinationName::Exchange(exchange_name(name).into())
    };
    Ends { source, to }
}

async fn bind(call: &Call) -> Outcome {
    let fields = call.fields()?;
    let key = fields.text("routing_key")?.unwrap_or_default();
    super::scope::check_name("routing_key", key)?;
    let arguments = json::to_table(&fields.object("arguments")?)?;
    let Scoped { actor, .. } = scoped(call)?;
    let Ends { source, to } = ends(call);
    let bound = Bound { source: &source, to: &to, key: key.as_bytes(), arguments: &arguments };
    actor.bind(bound, &mut Wakes::default())?;
    call.node().definitions_on_disk().await;
    let destination = quoted(call.parameter("destination").as_bytes());
    let properties = properties_key(key.as_bytes(), &arguments);
    Ok(Reply::created().at(&format!("{destination}/{}", quoted(properties.as_bytes()))))
}

async fn unbind(call: &Call) -> Outcome {
    let Scoped { actor, .. } = scoped(call)?;
    let shown = found_one(call)?;
    let Ends { source, to } = ends(call);
    let bound = Bound { source: &source, to: &to, key: &shown.key, arguments: &shown.arguments };
    actor.unbind(bound, &mut Wakes::default())?;
    call.node().definitions_on_disk().await;
    Ok(Reply::done())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::table::TableBuilder;

    #[test]
    fn keys_fit_into_paths_and_differ() {
        let none = Table::default();
        assert_eq!(properties_key(b"", &none), "~");
        assert_eq!(properties_key(b"a.b", &none), "a.b");
        assert_eq!(properties_key(b"a b~/c", &none), "a+b%7E%2Fc");
        let one = TableBuilder::new().long("x", 1).build();
        let other = TableBuilder::new().long("x", 2).build();
        let keyed = properties_key(b"k", &one);
        assert!(keyed.starts_with("k~") && keyed.len() == 8, "{keyed}");
        assert_ne!(keyed, properties_key(b"k", &other));
        assert_eq!(keyed, properties_key(b"k", &one));
        assert!(properties_key(b"", &one).starts_with('~'));
    }
}
