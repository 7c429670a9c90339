//! Texts from outside made harmless: what a terminal would obey is written out instead.

use std::fmt::Write;

/// Writes out control characters, and those that change the direction or the lines of a text.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if is_obeyed(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// The same for a field between tabs: the backslash too, so that it can be undone.
pub(crate) fn in_plain(text: &str) -> String {
    escape(&text.replace('\\', "\\\\"))
}

/// The same for JSON, whose own escapes cover only some of them. The line feeds between its
/// values stay.
pub(crate) fn in_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push(c),
            c if is_obeyed(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    let _ = write!(safe, "\\u{unit:04x}");
                }
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Controls of ASCII and of Latin 1, line and paragraph separators, and what turns the direction
/// of writing, which can make a name look like another.
fn is_obeyed(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_obey() {
        assert_eq!(escape("a\u{1b}]0;x\u{7}b"), "a\\u{1b}]0;x\\u{7}b");
        assert_eq!(escape("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(escape("\u{9b}2J\u{7f}"), "\\u{9b}2J\\u{7f}");
        assert_eq!(escape("user\u{202e}nimda"), "user\\u{202e}nimda");
        assert_eq!(escape("é 東 <b>"), "é 東 <b>");
        assert_eq!(in_plain("a\\nb\n"), "a\\\\nb\\n");
        assert_eq!(in_json("\"\u{9b}\u{7f}é\"\n"), "\"\\u009b\\u007fé\"\n");
    }
}
