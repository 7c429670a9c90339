//! How long a message wants to be held back, by its own word.
//!
//! Read as RabbitMQ's plugin does: whole numbers of any type, texts of digits, floats cut off.
//! Knows nothing of clocks, nor of who holds it.

use crate::amqp::table::{TableView, Value};

/// The header that says it, in milliseconds.
const DELAY: &str = "x-delay";

/// The longest delay, 49 days, as with the plugin: a message that asks for more is not delayed.
const DELAY_MAX_MS: u64 = u32::MAX as u64;

/// The delay that headers ask for. `None`: none, or nothing that can be kept.
pub(super) fn delay_ms(headers: Option<TableView<'_>>) -> Option<u64> {
    let value = headers?.get(DELAY)?;
    let asked = match value {
        Value::LongString(_) => value.as_str()?.parse().ok()?,
        Value::F32(v) => whole(v.into()),
        Value::F64(v) => whole(v),
        Value::Decimal { scale, value } => whole(f64::from(value) / 10_f64.powi(scale.into())),
        _ => value.as_int()?,
    };
    u64::try_from(asked).ok().filter(|asked| (1..=DELAY_MAX_MS).contains(asked))
}

/// Without what is behind the point. A cast saturates, and the ends of the range are far out of
/// what is allowed.
fn whole(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::table::TableBuilder;

    #[test]
    fn a_delay_is_a_positive_number_of_milliseconds() {
        let asked = |value: Value<'_>| {
            let headers = TableBuilder::new().value(DELAY, &value).build();
            delay_ms(Some(headers.view()))
        };
        for value in [Value::I8(5), Value::U16(5), Value::I32(5), Value::I64(5), Value::F64(5.9)] {
            assert_eq!(asked(value), Some(5), "{value:?}");
        }
        assert_eq!(asked(Value::LongString(b"5")), Some(5));
        assert_eq!(asked(Value::U32(u32::MAX)), Some(4_294_967_295));
        assert_eq!(asked(Value::Decimal { scale: 1, value: 59 }), Some(5));
        for value in [
            Value::I32(0),
            Value::I32(-5),
            Value::I64(4_294_967_296),
            Value::F64(0.5),
            Value::F64(f64::NAN),
            Value::LongString(b"five"),
            Value::LongString(b""),
            Value::Bool(true),
            Value::Void,
        ] {
            assert_eq!(asked(value), None, "{value:?}");
        }
        assert_eq!(delay_ms(None), None);
        assert_eq!(delay_ms(Some(TableView::default())), None);
    }
}
