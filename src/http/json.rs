//! Field tables of AMQP as JSON, and back, as RabbitMQ's API does it.
//!
//! Strings, integers, floats, booleans, objects and lists have a counterpart on both sides; `null`
//! has none in a request. Knows no routes.

use serde_json::{Map, Number, Value as Json};

use super::reply::Failure;
use crate::amqp::table::{
    ArrayBuilder, ArrayView, TABLE_DEPTH_MAX, Table, TableBuilder, TableView, Value,
};

/// A name in a table has one octet for its length.
const NAME_MAX_BYTES: usize = 255;

/// A table as an object. What is no UTF-8 is replaced.
pub(super) fn from_table(table: TableView<'_>) -> Json {
    let fields = table.iter().map(|(name, value)| (text(name), from_value(&value)));
    Json::Object(fields.collect())
}

/// One value.
pub(super) fn from_value(value: &Value<'_>) -> Json {
    if let Some(number) = value.as_int() {
        return number.into();
    }
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::F32(number) => float((*number).into()),
        Value::F64(number) => float(*number),
        Value::Decimal { scale, value } => {
            float(f64::from(*value) / 10_f64.powi(i32::from(*scale)))
        }
        Value::Timestamp(seconds) => (*seconds).into(),
        Value::LongString(bytes) | Value::Bytes(bytes) => text(bytes).into(),
        Value::Array(array) => from_array(*array),
        Value::Table(table) => from_table(*table),
        _ => Json::Null,
    }
}

/// Octets as text.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn from_array(array: ArrayView<'_>) -> Json {
    Json::Array(array.iter().map(|value| from_value(&value)).collect())
}

/// JSON has no infinities.
fn float(number: f64) -> Json {
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

/// An object as a table.
pub(super) fn to_table(object: &Map<String, Json>) -> Result<Table, Failure> {
    table(object, TABLE_DEPTH_MAX)
}

fn table(object: &Map<String, Json>, depth_left: u8) -> Result<Table, Failure> {
    let deeper = depth_left.checked_sub(1).ok_or_else(too_deep)?;
    let mut built = TableBuilder::new();
    for (name, value) in object {
        if name.len() > NAME_MAX_BYTES {
            return Err(Failure::bad_request("a name in a table may have 255 octets"));
        }
        built = match value {
            Json::Object(object) => built.table(name, &table(object, deeper)?),
            Json::Array(list) => built.value(name, &Value::Array(array(list, deeper)?.view())),
            other => built.value(name, &simple(other)?),
        };
    }
    Ok(built.build())
}

fn array(list: &[Json], depth_left: u8) -> Result<ArrayBuilder, Failure> {
    let deeper = depth_left.checked_sub(1).ok_or_else(too_deep)?;
    let mut built = ArrayBuilder::default();
    for value in list {
        match value {
            Json::Object(object) => {
                built.push(&Value::Table(table(object, deeper)?.view()));
            }
            Json::Array(list) => built.push(&Value::Array(array(list, deeper)?.view())),
            other => built.push(&simple(other)?),
        }
    }
    Ok(built)
}

fn simple(value: &Json) -> Result<Value<'_>, Failure> {
    match value {
        Json::Bool(flag) => Ok(Value::Bool(*flag)),
        Json::String(text) => Ok(Value::LongString(text.as_bytes())),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Value::I64(whole)),
            (None, Some(float)) => Ok(Value::F64(float)),
            (None, None) => Err(Failure::bad_request("a number is out of range")),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => {
            Err(Failure::bad_request("null has no counterpart in a table of AMQP"))
        }
    }
}

fn too_deep() -> Failure {
    Failure::bad_request(format!("tables nest {TABLE_DEPTH_MAX} levels at most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Map<String, Json> {
        match serde_json::from_str(text) {
            Ok(Json::Object(object)) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let text = r#"{"a":1,"b":"x","c":1.5,"d":true,"e":{"f":[1,"y",{"g":[]}]},"h":-1}"#;
        let object = parsed(text);
        let table = to_table(&object).expect("a table");
        TableView::check(table.view().as_bytes()).expect("sound");
        assert_eq!(from_table(table.view()), Json::Object(object));
        assert!(matches!(table.view().get("a"), Some(Value::I64(1))));
        assert!(matches!(table.view().get("b"), Some(Value::LongString(b"x"))));
    }

    #[test]
    fn what_has_no_counterpart_is_refused() {
        assert!(to_table(&parsed(r#"{"a":null}"#)).is_err());
        assert!(to_table(&parsed(r#"{"a":[null]}"#)).is_err());
        let long = format!(r#"{{"{}":1}}"#, "n".repeat(256));
        assert!(to_table(&parsed(&long)).is_err());
        let nested = |levels: usize| {
            parsed(&format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)))
        };
        let most = usize::from(TABLE_DEPTH_MAX) - 1;
        let deepest = to_table(&nested(most)).expect("as deep as may be");
        assert!(TableView::check(deepest.view().as_bytes()).is_ok());
        assert!(to_table(&nested(most + 1)).is_err());
    }
}
