//! The pattern that new passwords must match.

use std::fmt;
use std::sync::Arc;

use fancy_regex::{Regex, RegexBuilder};

use crate::rules::{Parsed, Rule};

/// Steps that matching may take, so that an unlucky pattern cannot stall a sign-up.
const BACKTRACK_LIMIT: usize = 100_000;

/// A regular expression with look-around, compiled once.
#[derive(Clone)]
pub struct PasswordPattern(Arc<Regex>);

impl PasswordPattern {
    fn parse(text: &str) -> Result<Self, fancy_regex::Error> {
        RegexBuilder::new(text).backtrack_limit(BACKTRACK_LIMIT).build().map(|regex| Self(Arc::new(regex)))
    }

    /// Whether the password fits, from its start on. A match that takes too many steps counts as none.
    pub fn matches(&self, password: &str) -> bool {
        self.0.find(password).is_ok_and(|found| found.is_some_and(|found| found.start() == 0))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for PasswordPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PasswordPattern({})", self.as_str())
    }
}

/// The rule for a variable that holds such a pattern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PasswordPatternRule;

impl Rule for PasswordPatternRule {
    type Value = PasswordPattern;

    fn allowed(&self) -> String {
        "a regular expression".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<PasswordPattern> {
        match PasswordPattern::parse(text) {
            Ok(pattern) => Parsed::Value(pattern),
            Err(error) => Parsed::Wrong(format!("is not a regular expression ({error})")),
        }
    }

    fn show(&self, value: &PasswordPattern) -> String {
        value.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ahead_works_and_nonsense_is_refused() {
        let pattern = PasswordPattern::parse(r"^(?=.*[a-z])(?=.*\d).{8,}$").expect("a pattern");
        assert!(pattern.matches("abcdefg1"));
        assert!(!pattern.matches("abcdefgh"));
        assert!(matches!(PasswordPatternRule.parse("(a"), Parsed::Wrong(_)));
    }

    #[test]
    fn a_pattern_that_explodes_counts_as_no_match() {
        let pattern = PasswordPattern::parse(r"^(?=(a+)+$)\1b").expect("a pattern");
        assert!(!pattern.matches(&"a".repeat(64)));
    }
}
