//! Properties of messages as JSON, and back. Knows no routes.

use serde_json::{Map, Value, json};

use super::scope::check_name;
use crate::amqp::properties::Properties;
use crate::amqp::table::Table;
use crate::http::json;
use crate::http::reply::Failure;

/// The properties that are strings.
const TEXTS: [&str; 9] = [
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "type",
    "user_id",
    "app_id",
];

/// An object as flags and values. Unknown keys are passed over.
pub(super) fn encode(object: &Map<String, Value>) -> Result<Vec<u8>, Failure> {
    let mut texts: [Option<&[u8]>; 9] = [None; 9];
    for (name, text) in TEXTS.iter().zip(&mut texts) {
        *text = match object.get(*name) {
            None | Some(Value::Null) => None,
            Some(Value::String(value)) => {
                check_name(name, value)?;
                Some(value.as_bytes())
            }
            Some(_) => return Err(Failure::bad_request(json!(["not_string", name]))),
        };
    }
    let headers: Option<Table> = match object.get("headers") {
        None | Some(Value::Null) => None,
        Some(Value::Object(headers)) => Some(json::to_table(headers)?),
        Some(Value::Array(list)) if list.is_empty() => None,
        Some(_) => return Err(Failure::bad_request(json!(["not_object", "headers"]))),
    };
    let mut properties = Properties::default();
    properties.headers = headers.as_ref().map(Table::view);
    properties.delivery_mode = integer(object, "delivery_mode")?;
    properties.priority = integer(object, "priority")?;
    properties.timestamp = integer(object, "timestamp")?;
    [
        properties.content_type,
        properties.content_encoding,
        properties.correlation_id,
        properties.reply_to,
        properties.expiration,
        properties.message_id,
        properties.kind,
        properties.user_id,
        properties.app_id,
    ] = texts;
    Ok(properties.encoded())
}

fn integer<T: TryFrom<u64>>(object: &Map<String, Value>, name: &str) -> Result<Option<T>, Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().and_then(|number| T::try_from(number).ok());
            number.map(Some).ok_or_else(|| Failure::bad_request(json!(["not_int", name])))
        }
    }
}

/// Flags and values as an object; RabbitMQ has an empty list where there are none.
pub(super) fn decode(encoded: &[u8]) -> Value {
    let Ok(properties) = Properties::check(encoded) else { return json!([]) };
    let texts = [
        properties.content_type,
        properties.content_encoding,
        properties.correlation_id,
        properties.reply_to,
        properties.expiration,
        properties.message_id,
        properties.kind,
        properties.user_id,
        properties.app_id,
    ];
    let mut object = Map::new();
    for (name, text) in TEXTS.iter().zip(texts) {
        if let Some(text) = text {
            object.insert((*name).to_owned(), json::text(text).into());
        }
    }
    let numbers = [
        ("delivery_mode", properties.delivery_mode.map(u64::from)),
        ("priority", properties.priority.map(u64::from)),
        ("timestamp", properties.timestamp),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            object.insert(name.to_owned(), number.into());
        }
    }
    if let Some(headers) = properties.headers {
        object.insert("headers".to_owned(), json::from_table(headers));
    }
    if object.is_empty() { json!([]) } else { Value::Object(object) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let all = json!({
            "content_type": "a", "content_encoding": "b", "correlation_id": "c", "reply_to": "d",
            "expiration": "5", "message_id": "f", "type": "g", "user_id": "h", "app_id": "i",
            "delivery_mode": 2, "priority": 9, "timestamp": 12, "headers": {"x": [1, "y"]},
        });
        let object = all.as_object().expect("an object");
        assert_eq!(decode(&encode(object).expect("encoded")), all);
        assert_eq!(decode(&encode(&Map::new()).expect("encoded")), json!([]));
    }

    #[test]
    fn values_of_another_kind_are_refused() {
        for bad in [
            json!({"delivery_mode": "x"}),
            json!({"delivery_mode": 256}),
            json!({"priority": -1}),
            json!({"content_type": 1}),
            json!({"content_type": "x".repeat(256)}),
            json!({"headers": 1}),
            json!({"headers": {"a": null}}),
        ] {
            assert!(encode(bad.as_object().expect("an object")).is_err(), "{bad}");
        }
    }
}
