//! How long a sign-in lasts: `4w`, `1h30m`, or `-1` for ever.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::rules::{Parsed, Rule};

/// Units and their length in milliseconds. Longer spellings first, so that `ms` is not read as `m`.
const UNITS: [(&str, f64); 6] =
    [("ms", 1.0), ("s", 1e3), ("m", 60e3), ("h", 3_600e3), ("d", 86_400e3), ("w", 604_800e3)];

/// Longest lifetime, about a hundred years, so that a time of expiry can always be computed.
const MAXIMUM_MILLISECONDS: f64 = 100.0 * 366.0 * 86_400e3;

/// How long a token lives. Keeps its text, so that settings show what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLifetime {
    text: String,
    lifetime: Option<Duration>,
}

/// A text that is no lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be a sum of numbers with the units ms, s, m, h, d, w, such as 4w or 1h30m, or -1 for no end"
)]
pub struct LifetimeError;

impl TokenLifetime {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, LifetimeError> {
        let trimmed = text.trim();
        if matches!(trimmed, "-1" | "0") {
            return Ok(Self { text: trimmed.to_owned(), lifetime: None });
        }
        let mut milliseconds = 0.0;
        let mut rest = trimmed;
        while !rest.is_empty() {
            let digits =
                rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or(LifetimeError)?;
            let number: f64 = rest[..digits].parse().map_err(|_| LifetimeError)?;
            let after = &rest[digits..];
            let (unit, length) =
                UNITS.iter().find(|(unit, _)| after.starts_with(unit)).ok_or(LifetimeError)?;
            milliseconds += number * length;
            rest = after[unit.len()..].trim_start();
        }
        if !(1.0..=MAXIMUM_MILLISECONDS).contains(&milliseconds) {
            return Err(LifetimeError);
        }
        Ok(Self { text: trimmed.to_owned(), lifetime: Some(Duration::from_secs_f64(milliseconds / 1e3)) })
    }

    /// The time until a token expires; `None` when it never does.
    pub fn duration(&self) -> Option<Duration> {
        self.lifetime
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for TokenLifetime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for TokenLifetime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for TokenLifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The rule for a variable that holds a lifetime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenLifetimeRule;

impl Rule for TokenLifetimeRule {
    type Value = TokenLifetime;

    fn allowed(&self) -> String {
        "a sum of numbers with the units ms, s, m, h, d, w, such as 4w or 1h30m; -1 or 0 for no end"
            .to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<TokenLifetime> {
        TokenLifetime::parse(text)
            .map_or_else(|_| Parsed::Wrong("is not a span of time".to_owned()), Parsed::Value)
    }

    fn show(&self, value: &TokenLifetime) -> String {
        value.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<f64> {
        TokenLifetime::parse(text).expect("a lifetime").duration().map(|span| span.as_secs_f64())
    }

    #[test]
    fn sums_numbers_with_units() {
        assert_eq!(seconds("4w"), Some(2_419_200.0));
        assert_eq!(seconds("1h30m"), Some(5_400.0));
        assert_eq!(seconds("1.5d 1s"), Some(129_601.0));
        assert_eq!(seconds("500ms"), Some(0.5));
        assert_eq!(seconds(" 90s "), Some(90.0));
    }

    #[test]
    fn minus_one_and_zero_have_no_end() {
        assert_eq!(seconds("-1"), None);
        assert_eq!(seconds("0"), None);
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "4", "w", "4x", "-4w", "4w!", "1..5h", "0s", "99999999w", "4 weeks", "é4w"] {
            assert_eq!(TokenLifetime::parse(text), Err(LifetimeError), "{text:?}");
        }
    }

    #[test]
    fn settings_keep_the_text() {
        let lifetime: TokenLifetime = serde_json::from_str("\"1h30m\"").expect("a lifetime");
        assert_eq!(serde_json::to_string(&lifetime).expect("JSON"), "\"1h30m\"");
        assert!(serde_json::from_str::<TokenLifetime>("\"soon\"").is_err());
    }
}
