//! Field tables as JSON, and back.
//!
//! JSON has fewer types than AMQP: what is read from it are `long`, `double`, `longstr`, `bool`,
//! `table`, `array` and `void`, whatever it was before it was written. Knows nothing of what the
//! entries mean.

use std::fmt;

use serde_json::{Map, Number, Value as Json};

use crate::amqp::table::{ArrayBuilder, Table, TableBuilder, TableView, Value};

/// Names are short strings.
const NAME_MAX_BYTES: usize = 255;

/// Why JSON cannot be a field table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadTable {
    /// It is something else than an object.
    NoObject,
    /// A name has more than 255 octets.
    LongName,
    /// A number has more than 64 bits, or is none that AMQP knows.
    Number(String),
    /// It nests deeper than tables may.
    Depth,
}

/// The table that a JSON object says.
pub fn from_json(value: &Json) -> Result<Table, BadTable> {
    let Json::Object(fields) = value else { return Err(BadTable::NoObject) };
    let table = table(fields)?;
    // What is too deep for whoever reads it later is found here.
    TableView::check(table.view().as_bytes()).map_err(|_| BadTable::Depth)?;
    Ok(table)
}

/// The JSON object that says what a table says.
pub fn to_json(table: TableView<'_>) -> Json {
    let field = |(name, value): (&[u8], Value<'_>)| (text(name), value_to_json(&value));
    Json::Object(table.iter().map(field).collect())
}

fn table(fields: &Map<String, Json>) -> Result<Table, BadTable> {
    let mut builder = TableBuilder::new();
    for (name, value) in fields {
        if name.len() > NAME_MAX_BYTES {
            return Err(BadTable::LongName);
        }
        builder = with_value(value, |value| builder.value(name, value))?;
    }
    Ok(builder.build())
}

fn array(values: &[Json]) -> Result<ArrayBuilder, BadTable> {
    let mut builder = ArrayBuilder::default();
    for value in values {
        with_value(value, |value| builder.push(value))?;
    }
    Ok(builder)
}

/// Hands on the value that JSON says. The recursion ends where the JSON parser's own limit does.
fn with_value<T>(json: &Json, then: impl FnOnce(&Value<'_>) -> T) -> Result<T, BadTable> {
    Ok(match json {
        Json::Null => then(&Value::Void),
        Json::Bool(value) => then(&Value::Bool(*value)),
        Json::Number(value) => then(&number(value)?),
        Json::String(value) => then(&Value::LongString(value.as_bytes())),
        Json::Array(values) => then(&Value::Array(array(values)?.view())),
        Json::Object(fields) => then(&Value::Table(table(fields)?.view())),
    })
}

fn number(number: &Number) -> Result<Value<'static>, BadTable> {
    if let Some(value) = number.as_i64() {
        return Ok(Value::I64(value));
    }
    match number.as_f64() {
        Some(value) if number.is_f64() => Ok(Value::F64(value)),
        _ => Err(BadTable::Number(number.to_string())),
    }
}

fn value_to_json(value: &Value<'_>) -> Json {
    if let Some(value) = value.as_int() {
        return value.into();
    }
    match value {
        Value::Bool(value) => (*value).into(),
        // What JSON has no numbers for becomes null.
        Value::F32(value) => f64::from(*value).into(),
        Value::F64(value) => (*value).into(),
        Value::Decimal { scale, value } => {
            (f64::from(*value) / 10_f64.powi(i32::from(*scale))).into()
        }
        Value::Timestamp(value) => (*value).into(),
        Value::LongString(value) | Value::Bytes(value) => text(value).into(),
        Value::Array(values) => values.iter().map(|value| value_to_json(&value)).collect(),
        Value::Table(table) => to_json(*table),
        _ => Json::Null,
    }
}

/// Octets that are no text cannot be kept in JSON.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

impl fmt::Display for BadTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoObject => f.write_str("must be an object"),
            Self::LongName => write!(f, "has a name of more than {NAME_MAX_BYTES} octets"),
            Self::Number(number) => write!(f, "has the number {number}, which is out of range"),
            Self::Depth => f.write_str("nests too deeply"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Table, BadTable> {
        from_json(&serde_json::from_str(json).expect("JSON"))
    }

    #[test]
    fn what_is_read_is_written_again() {
        let json = r#"{"a":[1,"two",true,{"b":1.5},[],null],"n":-3,"t":{},"é":""}"#;
        let table = read(json).expect("a table");
        assert_eq!(to_json(table.view()).to_string(), json);
        assert!(matches!(table.view().get("n"), Some(Value::I64(-3))));
    }

    #[test]
    fn what_json_does_not_have_becomes_what_it_has() {
        let table = TableBuilder::new()
            .value("f", &Value::F64(f64::NAN))
            .value("d", &Value::Decimal { scale: 2, value: 150 })
            .timestamp("t", 7)
            .value("x", &Value::Bytes(b"\xff"))
            .build();
        let expected = serde_json::json!({"f": null, "d": 1.5, "t": 7, "x": "\u{fffd}"});
        assert_eq!(to_json(table.view()), expected);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert_eq!(read("[]"), Err(BadTable::NoObject));
        let long = format!(r#"{{"{}": 1}}"#, "n".repeat(256));
        assert_eq!(read(&long), Err(BadTable::LongName));
        assert!(matches!(read(r#"{"n": 9223372036854775808}"#), Err(BadTable::Number(_))));
        let deep =
            |levels: usize| read(&format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels)));
        assert!(deep(60).is_ok());
        assert_eq!(deep(100), Err(BadTable::Depth));
    }
}
