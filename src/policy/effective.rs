//! What is shown of the policies in force: their names, and their definitions merged.
//!
//! What is done is decided by `queue::Rules` from the typed settings; this is the same in JSON, for
//! people. Knows nothing of arguments, which are not part of it.

use serde_json::{Map, Value};

use super::{Policy, keys, parse};
use crate::queue::EffectivePolicy;

/// What is in force where these two apply; nothing if there are none.
pub fn effective(policy: Option<&Policy>, operator: Option<&Policy>) -> Option<EffectivePolicy> {
    if policy.is_none() && operator.is_none() {
        return None;
    }
    let mut definition = policy.map_or_else(Map::new, |policy| policy.definition.clone());
    for (key, value) in operator.iter().flat_map(|operator| &operator.definition) {
        let merged = match definition.get(key) {
            Some(other) => merge(key, other, value),
            None => value,
        };
        let merged = merged.clone();
        definition.insert(key.clone(), merged);
    }
    Some(EffectivePolicy {
        policy: policy.map(|policy| policy.name.clone()),
        operator_policy: operator.map(|policy| policy.name.clone()),
        definition: parse::text(&definition).into(),
    })
}

/// The smaller number, else what the operator says. No limit gives way to any.
fn merge<'a>(key: &str, user: &'a Value, operator: &'a Value) -> &'a Value {
    let (Some(a), Some(b)) = (keys::integer(user), keys::integer(operator)) else {
        return operator;
    };
    let user_counts = match key {
        "queue-version" => false,
        "delivery-limit" if a < 0 || b < 0 => a > b,
        _ => a < b,
    };
    if user_counts { user } else { operator }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Scope;

    fn merged(user: &str, operator: &str) -> String {
        let make = |scope, definition: &str| {
            Policy::new(scope, "p", ("", "all", 0), definition).expect("a sound policy")
        };
        let (user, operator) = (make(Scope::User, user), make(Scope::Operator, operator));
        let effective = effective(Some(&user), Some(&operator)).expect("there are two");
        effective.definition.to_string()
    }

    #[test]
    fn the_smaller_number_counts() {
        for key in ["message-ttl", "expires", "max-length", "max-length-bytes", "delivery-limit"] {
            let with = |n: i64| format!(r#"{{"{key}":{n}}}"#);
            assert_eq!(merged(&with(5), &with(7)), with(5), "{key}");
            assert_eq!(merged(&with(7), &with(5)), with(5), "{key}");
        }
        let limit = |n: i64| format!(r#"{{"delivery-limit":{n}}}"#);
        assert_eq!(merged(&limit(-1), &limit(5)), limit(5));
        assert_eq!(merged(&limit(5), &limit(-1)), limit(5));
    }

    #[test]
    fn otherwise_the_operators_word_counts() {
        let (user, operator) = (r#"{"overflow":"drop-head"}"#, r#"{"overflow":"reject-publish"}"#);
        assert_eq!(merged(user, operator), operator);
        let (one, two) = (r#"{"queue-version":1}"#, r#"{"queue-version":2}"#);
        assert_eq!(merged(one, two), two);
    }

    #[test]
    fn what_one_alone_says_counts() {
        let both = merged(r#"{"dead-letter-exchange":"x"}"#, r#"{"max-length":1}"#);
        assert_eq!(both, r#"{"dead-letter-exchange":"x","max-length":1}"#);
    }

    #[test]
    fn names_are_told() {
        assert_eq!(effective(None, None), None);
        let operator = Policy::new(Scope::Operator, "o", ("", "all", 0), r#"{"expires":1}"#);
        let alone = effective(None, Some(&operator.expect("sound"))).expect("there is one");
        assert_eq!((alone.policy, alone.operator_policy.as_deref()), (None, Some("o")));
    }
}
