//! The configuration file: TOML, one key per setting, nothing nested.
//!
//! Gives each value as text with its line, so that all sources are checked by the same rules. Knows
//! which kind of value a setting takes, not which values are good.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use super::options::Given;
use super::settings::{self, HIDDEN, Kind};

/// A configuration of a dozen keys is a few KiB; anything larger is some other file.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// As much of a value as an error message repeats.
const SHOWN_MAX_CHARS: usize = 60;

/// Every value of the file, in no particular order.
pub(super) fn read(path: &Path) -> Result<Vec<Given>, ConfigError> {
    let text = read_text(path)
        .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    parse(path, &text)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > FILE_MAX_BYTES {
        return Err(io::Error::other(format!("it is larger than {FILE_MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// The values of a file that was read already; `path` only names it in errors.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Given>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, &span)),
        message: error.message().replace('\n', "; "),
    })?;
    table.get_ref().iter().map(|(key, value)| given(path, text, key, value)).collect()
}

fn given<K: AsRef<str>>(
    path: &Path,
    text: &str,
    key: &Spanned<K>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Given, ConfigError> {
    let line = line_of(text, &key.span());
    let key = key.get_ref().as_ref();
    let Some(setting) = settings::by_key(key) else {
        return Err(ConfigError::UnknownKey { path: path.to_owned(), line, key: key.to_owned() });
    };
    let origin = Origin::File { path: path.to_owned(), line };
    match value_text(setting.kind, value.get_ref()) {
        Ok(text) => Ok(Given { setting, text, origin }),
        Err(rule) => Err(ConfigError::Value {
            origin,
            name: key.to_owned(),
            text: match setting.kind {
                Kind::Secret => HIDDEN.to_owned(),
                _ => shown(text, &value.span()),
            },
            rule,
        }),
    }
}

fn value_text(kind: Kind, value: &DeValue<'_>) -> Result<String, String> {
    match (kind, value) {
        (_, DeValue::String(text)) => Ok(text.as_ref().to_owned()),
        (Kind::Number, DeValue::Integer(number)) if number.radix() == 10 => {
            Ok(number.as_str().to_owned())
        }
        (Kind::List, DeValue::Array(items)) => {
            let texts: Option<Vec<_>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            let texts = texts.ok_or("must be a list of strings, or one string")?;
            if texts.is_empty() {
                return Err("must not be empty".to_owned());
            }
            Ok(texts.join(","))
        }
        (Kind::Text | Kind::Secret, _) => Err("must be a string in quotes".to_owned()),
        (Kind::Number, _) => {
            Err("must be a whole number, or a string with a number and its unit".to_owned())
        }
        (Kind::List, _) => Err("must be a list of strings, or one string".to_owned()),
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.get(..span.start).unwrap_or(text).split('\n').count()
}

/// The beginning of a value as it stands in the file.
fn shown(text: &str, span: &Range<usize>) -> String {
    let value = text.get(span.clone()).unwrap_or_default();
    let first_line = value.lines().next().unwrap_or_default();
    first_line.chars().take(SHOWN_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(&'static str, String)> {
        let given = parse(Path::new("w.toml"), text).expect("a good file");
        given.into_iter().map(|g| (g.setting.key, g.text)).collect()
    }

    fn refused(text: &str) -> String {
        parse(Path::new("w.toml"), text).expect_err("a bad file").to_string()
    }

    #[test]
    fn a_secret_is_not_repeated() {
        let refused = refused("default-password = 31337");
        assert_eq!(
            refused,
            "w.toml, line 1: default-password = (hidden): must be a string in quotes"
        );
    }

    #[test]
    fn values_are_strings_numbers_or_lists() {
        assert_eq!(parsed("frame-max = 131_072"), [("frame-max", "131072".to_owned())]);
        assert_eq!(parsed("frame-max = '64KiB'"), [("frame-max", "64KiB".to_owned())]);
        assert_eq!(parsed("listen = 'a:1'"), [("listen", "a:1".to_owned())]);
        assert_eq!(parsed("listen = ['a:1', 'b:2']"), [("listen", "a:1,b:2".to_owned())]);
        assert_eq!(parsed("# nothing but this\n"), []);
    }

    #[test]
    fn wrong_types_are_refused_with_line_key_value_and_rule() {
        let message = refused("\n\nlog = 5\n");
        assert_eq!(message, "w.toml, line 3: log = 5: must be a string in quotes");
        for text in [
            "data-dir = true",
            "heartbeat = 1.5",
            "heartbeat = 0x10",
            "heartbeat = [1]",
            "heartbeat = 2026-01-01",
            "listen = 5672",
            "listen = []",
            "listen = ['a:1', 2]",
            "[log]\nlevel = 'info'",
        ] {
            assert!(refused(text).starts_with("w.toml, line 1: "), "{text}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_with_the_known_ones() {
        let message = refused("log = 'info'\n# next\nframe_max = 5\n");
        assert!(message.starts_with("w.toml, line 3: unknown key frame_max;"), "{message}");
        assert!(message.contains("frame-max"), "{message}");
        assert!(refused("config = 'other.toml'").contains("unknown key config"));
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_line() {
        let message = refused("log = 'info'\nheartbeat = \n");
        assert!(message.starts_with("w.toml, line 2: "), "{message}");
        assert!(refused("log = 'a'\nlog = 'b'").contains("duplicate key"));
        assert!(!refused("[[[").contains('\n'));
    }

    #[test]
    fn a_file_that_is_no_configuration_is_not_read_for_ever() {
        let error = read(Path::new("/dev/zero")).expect_err("endless").to_string();
        assert!(error.contains("/dev/zero: it is larger than 1048576 bytes"), "{error}");
    }
}
