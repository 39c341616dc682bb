//! An upper limit that may be absent.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::rules::{Parsed, Rule};

/// A whole number, or no limit. In JSON a number or `""`, since the page edits it in a text field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit(pub Option<u64>);

impl Limit {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() { Some(Self(None)) } else { text.parse().ok().map(|number| Self(Some(number))) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |number| write!(formatter, "{number}"))
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(number) => serializer.serialize_u64(number),
            None => serializer.serialize_str(""),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
            Nothing(()),
        }
        let problem = || de::Error::custom("it must be a whole number, or empty for no limit");
        match Form::deserialize(deserializer).map_err(|_| problem())? {
            Form::Number(number) => Ok(Self(Some(number))),
            Form::Text(text) => Self::parse(&text).ok_or_else(problem),
            Form::Nothing(()) => Ok(Self(None)),
        }
    }
}

/// The rule for a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitRule;

impl Rule for LimitRule {
    type Value = Limit;

    fn allowed(&self) -> String {
        "a whole number, or nothing for no limit".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<Limit> {
        Limit::parse(text).map_or_else(|| Parsed::Ignored("is not a whole number".to_owned()), Parsed::Value)
    }

    fn show(&self, value: &Limit) -> String {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_come_in_several_forms() {
        for (json, expected) in [("5", Some(5)), ("\"5\"", Some(5)), ("\"\"", None), ("null", None)] {
            assert_eq!(serde_json::from_str::<Limit>(json).expect(json), Limit(expected));
        }
        for json in ["-1", "\"x\"", "[]", "1.5"] {
            assert!(serde_json::from_str::<Limit>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&[Limit(Some(5)), Limit(None)]).expect("JSON"), "[5,\"\"]");
    }
}
