//! `name=value` lists of the command line as AMQP values and message properties.

use std::str::FromStr;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

/// Delivery mode of messages that go to disk (0-9-1, 1.8.1).
const PERSISTENT: u8 = 2;

/// Properties of all messages of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties {
    known: BasicProperties,
    headers: FieldTable,
}

impl Properties {
    /// Adds what a list names; an `Err` names the entry and the rule.
    pub(super) fn add(&mut self, list: &str) -> Result<(), String> {
        for (name, value) in pairs(list)? {
            self.set(name, value)?;
        }
        Ok(())
    }

    pub(super) fn make_persistent(&mut self) {
        self.known = std::mem::take(&mut self.known).with_delivery_mode(PERSISTENT);
    }

    /// As a message carries them.
    pub(super) fn to_basic(&self) -> BasicProperties {
        let known = self.known.clone();
        if self.headers.inner().is_empty() {
            return known;
        }
        known.with_headers(self.headers.clone())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let known = std::mem::take(&mut self.known);
        self.known = match name.replace('_', "-").as_str() {
            "content-type" => known.with_content_type(short(name, value)?),
            "content-encoding" => known.with_content_encoding(short(name, value)?),
            "delivery-mode" => known.with_delivery_mode(number(name, value)?),
            "priority" => known.with_priority(number(name, value)?),
            "correlation-id" => known.with_correlation_id(short(name, value)?),
            "reply-to" => known.with_reply_to(short(name, value)?),
            "expiration" => known.with_expiration(short(name, value)?),
            "message-id" => known.with_message_id(short(name, value)?),
            "timestamp" => known.with_timestamp(number(name, value)?),
            "type" => known.with_type(short(name, value)?),
            "user-id" => known.with_user_id(short(name, value)?),
            "app-id" => known.with_app_id(short(name, value)?),
            _ => {
                self.headers.insert(short("name of a header", name)?, typed(value));
                known
            }
        };
        Ok(())
    }
}

/// Adds what a list names to a table; an `Err` names the entry and the rule.
pub(super) fn add_to_table(list: &str, table: &mut FieldTable) -> Result<(), String> {
    for (name, value) in pairs(list)? {
        table.insert(short("name of an argument", name)?, typed(value));
    }
    Ok(())
}

fn pairs(list: &str) -> Result<Vec<(&str, &str)>, String> {
    let pairs = list.split(',').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(format!("{pair}: must be NAME=VALUE")),
    });
    pairs.collect()
}

/// Whole numbers and booleans are taken as such, anything else as text.
fn typed(value: &str) -> AMQPValue {
    if let Ok(number) = i64::from_str(value) {
        return AMQPValue::LongLongInt(number);
    }
    match bool::from_str(value) {
        Ok(boolean) => AMQPValue::Boolean(boolean),
        Err(_) => AMQPValue::LongString(value.into()),
    }
}

fn number<N: FromStr>(name: &str, value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("{name}={value}: must be a whole number in its range"))
}

fn short(name: &str, value: &str) -> Result<ShortString, String> {
    if value.len() > 255 {
        return Err(format!("{name}: has 255 octets at most, not {}", value.len()));
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_properties_and_others_headers() {
        let mut properties = Properties::default();
        properties
            .add("priority=5,content_type=text/plain,x-tries=3,late=true,who=me")
            .expect("ok");
        properties.make_persistent();
        let basic = properties.to_basic();
        assert_eq!(basic.priority(), &Some(5));
        assert_eq!(basic.delivery_mode(), &Some(2));
        assert_eq!(basic.content_type().as_ref().map(ShortString::as_str), Some("text/plain"));
        let headers = basic.headers().as_ref().expect("headers").inner();
        assert_eq!(headers.get("x-tries"), Some(&AMQPValue::LongLongInt(3)));
        assert_eq!(headers.get("late"), Some(&AMQPValue::Boolean(true)));
        assert_eq!(headers.get("who"), Some(&AMQPValue::LongString("me".into())));
        assert!(Properties::default().to_basic().headers().is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |list| Properties::default().add(list).expect_err("refused");
        assert_eq!(refused("priority"), "priority: must be NAME=VALUE");
        assert_eq!(refused("a=1,=x"), "=x: must be NAME=VALUE");
        assert_eq!(refused("priority=300"), "priority=300: must be a whole number in its range");
        assert!(refused(&format!("type={}", "x".repeat(256))).contains("255"));
    }
}
