//! What there is of each kind in this broker: exchange types, mechanisms, the program itself.

use serde_json::{Value, json};

use crate::access::MECHANISMS;
use crate::exchange::ExchangeKind;

/// The exchange types.
pub(super) fn exchange_types() -> Vec<Value> {
    let kinds = ExchangeKind::ALL.into_iter();
    let shown = |kind: ExchangeKind| {
        let (name, description) = (kind.name(), description(kind));
        json!({"name": name, "description": description, "enabled": true})
    };
    kinds.map(shown).collect()
}

/// How clients may log in.
pub(super) fn mechanisms() -> Vec<Value> {
    let shown =
        |name: &str| json!({"name": name, "description": format!("SASL {name}"), "enabled": true});
    MECHANISMS.split(' ').map(shown).collect()
}

/// The one program that runs here.
pub(super) fn applications() -> Value {
    json!([{
        "name": "warren",
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "version": env!("CARGO_PKG_VERSION"),
    }])
}

fn description(kind: ExchangeKind) -> &'static str {
    match kind {
        ExchangeKind::Direct => "to the bindings with the same key",
        ExchangeKind::Fanout => "to every binding",
        ExchangeKind::Topic => "to the bindings whose pattern of words matches the key",
        ExchangeKind::Headers => "to the bindings whose arguments match the headers",
        ExchangeKind::ConsistentHash => "to one binding, by hash and in proportion to weights",
        ExchangeKind::ModulusHash => "to one binding, by hash",
        ExchangeKind::Random => "to one binding, by chance",
        ExchangeKind::LocalRandom => "to one queue, by chance",
        ExchangeKind::RecentHistory => "to every binding; new ones get the last messages",
        ExchangeKind::Delayed => "as another type does, after the delay that a header asks for",
    }
}
