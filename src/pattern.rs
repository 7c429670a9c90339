//! Names that operators describe: a regular expression that is found anywhere in them.
//!
//! Operators write these for PCRE, `^(?!amq\.)` above all, so look-around has to work. Its price is
//! going back and trying again, which is limited here. Knows nothing of what is named.

use std::fmt;

use fancy_regex::{Regex, RegexBuilder};

/// Longer patterns are refused: real ones have some dozens of octets.
const PATTERN_MAX_BYTES: usize = 4096;
/// A compiled pattern may take so much memory; a few octets such as `(a{99}){99}` ask for more.
const COMPILED_MAX_BYTES: usize = 1024 * 1024;
/// The same for what goes beyond regular expressions, in steps.
const STEPS_MAX: usize = 10_000;
/// So often is something else tried for one name. Honest patterns need some dozens; hostile ones
/// stop every declare for as long as this takes, some milliseconds.
const BACKTRACK_MAX: usize = 10_000;
/// The same where one pattern is tried on all names there are, so that ten thousand of them are
/// looked through in less than a second whatever the pattern is.
const BACKTRACK_MAX_OF_MANY: usize = 1_000;

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// Why a text is no pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadPattern {
    /// It is longer than this many octets.
    TooLong(usize),
    /// It is not what it should be.
    Invalid {
        /// What is wrong.
        why: String,
        /// Where, as an octet of the text.
        position: usize,
    },
}

impl Pattern {
    /// Compiles a text.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        Self::with_limit(text, BACKTRACK_MAX)
    }

    /// The same, for looking through a long list of names.
    pub fn for_many(text: &str) -> Result<Self, BadPattern> {
        Self::with_limit(text, BACKTRACK_MAX_OF_MANY)
    }

    fn with_limit(text: &str, backtrack_max: usize) -> Result<Self, BadPattern> {
        if text.len() > PATTERN_MAX_BYTES {
            return Err(BadPattern::TooLong(PATTERN_MAX_BYTES));
        }
        let compiled = RegexBuilder::new(text)
            .backtrack_limit(backtrack_max)
            .delegate_size_limit(COMPILED_MAX_BYTES)
            .delegate_dfa_size_limit(COMPILED_MAX_BYTES)
            .max_prog_size(STEPS_MAX)
            .build();
        compiled.map(Self).map_err(|error| {
            let (position, why) = match &error {
                fancy_regex::Error::ParseError(position, why) => (*position, why.to_string()),
                other => (0, other.to_string()),
            };
            BadPattern::Invalid { why, position }
        })
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        self.0.as_str()
    }

    /// A name that takes more trying than is allowed does not match.
    pub fn is_found_in(&self, name: &str) -> bool {
        self.find_in(name).unwrap_or(false)
    }

    /// Whether it matches; none if that takes more trying than is allowed.
    pub fn find_in(&self, name: &str) -> Option<bool> {
        self.0.is_match(name).ok()
    }
}

/// That text as a pattern that is found where it stands as it is.
pub fn escape(text: &str) -> String {
    fancy_regex::escape(text).into_owned()
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(max) => write!(f, "it is longer than {max} octets"),
            Self::Invalid { why, position } => write!(f, "{why} at position {position}"),
        }
    }
}

impl std::error::Error for BadPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).expect("sound").is_found_in(name)
    }

    #[test]
    fn a_pattern_is_found_anywhere_unless_it_says_where() {
        assert!(found("job", "my-jobs") && found("", "anything") && found("", ""));
        assert!(!found("^job", "my-jobs") && found("^my", "my-jobs"));
        assert!(found("^(?!amq\\.).*", "mine") && !found("^(?!amq\\.).*", "amq.gen-1"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let refused = |text: &str| Pattern::new(text).expect_err("no pattern");
        let is_invalid = |text: &str| matches!(refused(text), BadPattern::Invalid { .. });
        for text in ["(", "[", "*", "(?<=", "\\"] {
            assert!(is_invalid(text), "{text}: {:?}", refused(text));
        }
        let long = "a".repeat(PATTERN_MAX_BYTES + 1);
        assert_eq!(refused(&long), BadPattern::TooLong(PATTERN_MAX_BYTES));
        assert!(is_invalid("((a{100}){100}){100}"));
        assert!(is_invalid(&"(".repeat(1000)));
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!found("^(a|aa)+(?=b)$", &"a".repeat(255)));
        assert!(!found("(x+x+)+(?!x)y", &"x".repeat(255)));
        let many = Pattern::for_many("^(a|aa)+(?=b)$").expect("sound");
        assert_eq!(many.find_in(&"a".repeat(255)), None);
        assert_eq!((many.find_in("b"), many.find_in("")), (Some(false), Some(false)));
    }
}
