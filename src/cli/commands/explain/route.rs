//! Which queues a message would reach, worked out from exchanges and bindings.
//!
//! Pure: lists of the API in, hits out. What exchanges of other types than RabbitMQ's four do
//! with a message is theirs to know: what is bound to them may get it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value, json};

/// A message goes through at most so many exchanges here, so that a broker with many of them is
/// not looked at for ever.
const EXCHANGES_MAX: usize = 10_000;

/// What a message says of where it goes.
pub(crate) struct Message<'a> {
    pub(crate) key: &'a str,
    pub(crate) headers: &'a Map<String, Value>,
}

/// What is known of a virtual host.
pub(crate) struct Topology<'a> {
    pub(crate) exchanges: &'a [Value],
    pub(crate) bindings: &'a [Value],
    /// The alternate exchanges that policies give, by the name of the policy.
    pub(crate) alternates: &'a BTreeMap<String, String>,
}

/// Whether a binding takes a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Taken {
    Yes,
    No,
    /// The type of the exchange decides in its own way.
    Perhaps,
}

impl Topology<'_> {
    /// Rows about every queue that gets the message, or may get it.
    pub(crate) fn route(&self, exchange: &str, message: &Message<'_>) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut seen = BTreeSet::from([exchange.to_owned()]);
        let mut next = VecDeque::from([(exchange.to_owned(), Vec::<String>::new(), true)]);
        while let Some((name, path, is_sure)) = next.pop_front() {
            let mut path = path;
            path.push(if name.is_empty() { "(default)".to_owned() } else { name.clone() });
            let mut is_taken = false;
            for (binding, taken) in self.bindings_of(&name, message) {
                let text = |key: &str| binding.get(key).and_then(Value::as_str).unwrap_or_default();
                let is_sure = is_sure && taken == Taken::Yes;
                is_taken = true;
                if text("destination_type") == "queue" {
                    rows.push(json!({
                        "queue": text("destination"),
                        "certain": is_sure,
                        "through": path.join(" -> "),
                        "binding": text("routing_key"),
                        "arguments": binding.get("arguments"),
                    }));
                } else if seen.len() < EXCHANGES_MAX && seen.insert(text("destination").to_owned())
                {
                    next.push_back((text("destination").to_owned(), path.clone(), is_sure));
                }
            }
            // What nobody takes goes on to the alternate exchange.
            if let Some(alternate) = self.alternate(&name).filter(|_| !is_taken)
                && seen.insert(alternate.clone())
            {
                next.push_back((alternate, path, is_sure));
            }
        }
        rows
    }

    fn bindings_of<'a>(
        &'a self,
        exchange: &'a str,
        message: &'a Message<'a>,
    ) -> impl Iterator<Item = (&'a Value, Taken)> {
        let kind = self.exchange(exchange).and_then(|found| found.get("type")?.as_str());
        let kind = kind.unwrap_or("direct");
        let of = self.bindings.iter().filter(move |binding| {
            binding.get("source").and_then(Value::as_str).unwrap_or_default() == exchange
        });
        let judged = of.map(move |binding| (binding, taken(kind, binding, message)));
        judged.filter(|(_, taken)| *taken != Taken::No)
    }

    fn exchange(&self, name: &str) -> Option<&Value> {
        self.exchanges.iter().find(|exchange| exchange.get("name").is_some_and(|n| n == name))
    }

    fn alternate(&self, name: &str) -> Option<String> {
        let exchange = self.exchange(name)?;
        let argument = exchange.get("arguments").and_then(|table| table.get("alternate-exchange"));
        let policy = || self.alternates.get(exchange.get("policy")?.as_str()?).cloned();
        argument.and_then(Value::as_str).map(str::to_owned).or_else(policy)
    }
}

fn taken(kind: &str, binding: &Value, message: &Message<'_>) -> Taken {
    let key = binding.get("routing_key").and_then(Value::as_str).unwrap_or_default();
    let is_taken = match kind {
        "fanout" | "x-recent-history" => true,
        "direct" => key == message.key,
        "topic" => topic(key, message.key),
        "headers" => headers(binding.get("arguments"), message.headers),
        _ => return Taken::Perhaps,
    };
    if is_taken { Taken::Yes } else { Taken::No }
}

/// `*` is one word, `#` any number of them.
fn topic(pattern: &str, key: &str) -> bool {
    let pattern: Vec<_> = pattern.split('.').collect();
    // Whether the patterns so far take the words so far: one row of the usual table at a time.
    let words: Vec<_> = if key.is_empty() { Vec::new() } else { key.split('.').collect() };
    let mut row = vec![false; words.len() + 1];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    for part in pattern.into_iter().filter(|part| !part.is_empty() || !words.is_empty()) {
        let mut next = vec![false; row.len()];
        let mut before = false;
        for (at, cell) in next.iter_mut().enumerate() {
            let one_less = at.checked_sub(1).and_then(|at| row.get(at)).copied().unwrap_or(false);
            let word = at.checked_sub(1).and_then(|at| words.get(at));
            *cell = match part {
                "#" => row.get(at).copied().unwrap_or(false) || before,
                "*" => one_less,
                part => one_less && word.is_some_and(|word| *word == part),
            };
            before = *cell;
        }
        row = next;
    }
    row.last().copied().unwrap_or(false)
}

/// All headers of the binding, or one of them, as `x-match` says. Those that begin with `x-` count
/// with `all-with-x` and `any-with-x` only. A header without a value only has to be there.
fn headers(arguments: Option<&Value>, headers: &Map<String, Value>) -> bool {
    let none = Map::new();
    let arguments = arguments.and_then(Value::as_object).unwrap_or(&none);
    let rule = arguments.get("x-match").and_then(Value::as_str).unwrap_or("all");
    let with_x = rule.ends_with("-with-x");
    let mut counted = arguments
        .iter()
        .filter(|(name, _)| *name != "x-match" && (with_x || !name.starts_with("x-")));
    let is_met = |(name, wanted): (&String, &Value)| {
        headers.get(name).is_some_and(|value| wanted.is_null() || value == wanted)
    };
    if rule.starts_with("any") { counted.any(is_met) } else { counted.all(is_met) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_match_word_by_word() {
        for (pattern, key, is_match) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.#", "a", true),
            ("a.#", "a.b.c", true),
            ("#", "", true),
            ("#.c", "a.b.c", true),
            ("#.b.#", "a.b.c", true),
            ("#.x.#", "a.b.c", false),
            ("*", "", false),
            ("", "", true),
            ("", "a", false),
            ("a..b", "a..b", true),
            ("a.*.b", "a..b", true),
        ] {
            assert_eq!(topic(pattern, key), is_match, "{pattern} {key}");
        }
    }

    #[test]
    fn headers_match_all_or_any() {
        let given = json!({"a": 1, "b": "x", "x-c": 1});
        let given = given.as_object().expect("an object");
        for (arguments, is_match) in [
            (json!({"a": 1}), true),
            (json!({"a": 1, "b": "y"}), false),
            (json!({"x-match": "any", "a": 2, "b": "x"}), true),
            (json!({"x-match": "any", "a": 2}), false),
            (json!({"a": null}), true),
            (json!({"x-c": 2}), true),
            (json!({"x-match": "all-with-x", "x-c": 2}), false),
            (json!({}), true),
            (json!({"x-match": "any"}), false),
        ] {
            assert_eq!(headers(Some(&arguments), given), is_match, "{arguments}");
        }
    }

    fn routed(exchange: &str, key: &str) -> Vec<(String, bool, String)> {
        let exchanges = [
            json!({"name": "in", "type": "topic", "arguments": {"alternate-exchange": "lost"}}),
            json!({"name": "all", "type": "fanout", "policy": "p"}),
            json!({"name": "hash", "type": "x-consistent-hash"}),
            json!({"name": "lost", "type": "fanout"}),
        ];
        let bind = |source: &str, kind: &str, destination: &str, key: &str| {
            json!({"source": source, "destination_type": kind, "destination": destination,
                "routing_key": key, "arguments": {}})
        };
        let bindings = [
            bind("in", "queue", "q1", "a.*"),
            bind("in", "exchange", "all", "a.b"),
            bind("in", "exchange", "hash", "a.c"),
            bind("all", "queue", "q2", ""),
            // In a circle.
            bind("all", "exchange", "in", ""),
            bind("hash", "queue", "q3", "1"),
            bind("lost", "queue", "dead", ""),
            bind("", "queue", "q1", "q1"),
        ];
        let alternates = BTreeMap::from([("p".to_owned(), "lost".to_owned())]);
        let topology =
            Topology { exchanges: &exchanges, bindings: &bindings, alternates: &alternates };
        let rows = topology.route(exchange, &Message { key, headers: &Map::new() });
        let text = |row: &Value, key: &str| row[key].as_str().expect("text").to_owned();
        let told = |row: &Value| (text(row, "queue"), row["certain"] == true, text(row, "through"));
        rows.iter().map(told).collect()
    }

    #[test]
    fn messages_go_from_exchange_to_exchange_and_to_the_alternate_one() {
        let row =
            |queue: &str, certain, through: &str| (queue.to_owned(), certain, through.to_owned());
        let expected = [row("q1", true, "in"), row("q2", true, "in -> all")];
        assert_eq!(routed("in", "a.b"), expected);
        let expected = [row("q1", true, "in"), row("q3", false, "in -> hash")];
        assert_eq!(routed("in", "a.c"), expected);
        assert_eq!(routed("in", "z"), [row("dead", true, "in -> lost")]);
        assert_eq!(routed("", "q1"), [row("q1", true, "(default)")]);
        assert_eq!(routed("", "q9"), []);
    }
}
