//! The argument `x-match`: how many entries must match, and which count.

use crate::amqp::table::{Table, TableView, Value};

const X_MATCH: &str = "x-match";

/// What a binding asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    /// One matching entry is enough, and needed. Otherwise all must match, be they none.
    pub(super) any: bool,
    /// Entries whose names start with `x-` count like others.
    with_x: bool,
}

impl Rule {
    const ALL: Self = Self { any: false, with_x: false };

    pub(super) fn of(arguments: TableView<'_>) -> Self {
        match arguments.get(X_MATCH) {
            Some(Value::LongString(text)) => Self::parse(text).unwrap_or(Self::ALL),
            _ => Self::ALL,
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"all" => Self::ALL,
            b"any" => Self { any: true, with_x: false },
            b"all-with-x" => Self { any: false, with_x: true },
            b"any-with-x" => Self { any: true, with_x: true },
            _ => return None,
        })
    }

    /// The entries that are compared.
    pub(super) fn entries(
        self,
        arguments: TableView<'_>,
    ) -> impl Iterator<Item = (&[u8], Value<'_>)> {
        arguments.iter().filter(move |(name, _)| {
            if self.with_x { *name != X_MATCH.as_bytes() } else { !name.starts_with(b"x-") }
        })
    }
}

/// Whether a binding with these arguments may be made. If not, says why, in the words that
/// clients know.
pub(crate) fn validate(arguments: &Table) -> Result<(), String> {
    match arguments.view().get(X_MATCH) {
        None => Ok(()),
        Some(Value::LongString(text)) if Rule::parse(text).is_some() => Ok(()),
        Some(value @ Value::LongString(_)) => Err(format!(
            "Invalid x-match field value <<\"{value}\">>; \
             expected all, any, all-with-x, or any-with-x"
        )),
        Some(value) => Err(format!(
            "Invalid x-match field type {} (value {value}); expected longstr",
            value.type_name()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::table::TableBuilder;

    #[test]
    fn a_bad_rule_is_refused_in_known_words() {
        for text in ["all", "any", "all-with-x", "any-with-x"] {
            let arguments = TableBuilder::new().long_string(X_MATCH, text).build();
            assert_eq!(validate(&arguments), Ok(()));
        }
        assert_eq!(validate(&Table::default()), Ok(()));
        let text = TableBuilder::new().long_string(X_MATCH, "Any").build();
        assert_eq!(
            validate(&text).unwrap_err(),
            r#"Invalid x-match field value <<"Any">>; expected all, any, all-with-x, or any-with-x"#
        );
        let number = TableBuilder::new().int(X_MATCH, 5).build();
        assert_eq!(
            validate(&number).unwrap_err(),
            "Invalid x-match field type signedint (value 5); expected longstr"
        );
    }
}
