//! How the text of a variable becomes a value.
//!
//! The rules follow the reference server, because people move their environment over unchanged: a boolean is the
//! exact word `true`, a lenient whole number falls back to its default, and so on. Where such a rule hides a slip,
//! the value is the same as there and a notice names the slip.

mod choice;
mod json;
mod list;
mod number;
mod text;
mod time;

pub(crate) use choice::Choice;
pub(crate) use json::Json;
pub(crate) use list::{List, Separator, items};
pub(crate) use number::Whole;
pub(crate) use text::{FilePath, HeaderName, HeaderValue, SecretText, Text};
pub(crate) use time::{Expiry, Span};

/// What reading a text came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Parsed<T> {
    /// A value.
    Value(T),
    /// A value, and something to say about it: a full sentence without the variable's name.
    Noticed(T, String),
    /// Unusable, so the default is used; the words continue "the value …".
    Ignored(String),
    /// Unusable, and the start must stop; the words continue "the value …".
    Wrong(String),
}

impl<T> Parsed<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Parsed<U> {
        match self {
            Self::Value(value) => Parsed::Value(change(value)),
            Self::Noticed(value, text) => Parsed::Noticed(change(value), text),
            Self::Ignored(problem) => Parsed::Ignored(problem),
            Self::Wrong(problem) => Parsed::Wrong(problem),
        }
    }
}

/// A way to read, and to show, a value.
pub(crate) trait Rule {
    /// What a text is read into.
    type Value;

    /// What may be written, as a phrase.
    fn allowed(&self) -> String;

    /// Reads a text.
    fn parse(&self, text: &str) -> Parsed<Self::Value>;

    /// The value as the report shows it.
    fn show(&self, value: &Self::Value) -> String;

    /// The value when there is neither a text nor a default; `None` when one is needed.
    fn absent(&self) -> Option<Self::Value> {
        None
    }

    /// A text as it may stand in a message.
    fn conceal(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// The exact word `true` in any case; everything else is false.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bool;

impl Rule for Bool {
    type Value = bool;

    fn allowed(&self) -> String {
        "true or false".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<bool> {
        match text.to_lowercase().as_str() {
            "true" => Parsed::Value(true),
            "false" | "0" | "no" | "off" | "n" | "f" | "none" | "disabled" => Parsed::Value(false),
            "1" | "yes" | "on" | "y" | "t" | "enabled" => Parsed::Noticed(
                false,
                format!(
                    "the value \"{text}\" counts as false, because only the word true turns a switch on. Write true if you mean true, or false."
                ),
            ),
            _ => Parsed::Noticed(
                false,
                format!(
                    "the value \"{text}\" is neither true nor false and counts as false. Write true or false."
                ),
            ),
        }
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// Makes a rule accept a missing or empty value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Optional<R>(R);

/// Makes a rule accept a missing or empty value.
pub(crate) const fn optional<R: Rule>(rule: R) -> Optional<R> {
    Optional(rule)
}

impl<R: Rule> Rule for Optional<R> {
    type Value = Option<R::Value>;

    fn allowed(&self) -> String {
        self.0.allowed()
    }

    fn parse(&self, text: &str) -> Parsed<Self::Value> {
        if text.trim().is_empty() { Parsed::Value(None) } else { self.0.parse(text).map(Some) }
    }

    fn show(&self, value: &Self::Value) -> String {
        value.as_ref().map(|value| self.0.show(value)).unwrap_or_default()
    }

    fn absent(&self) -> Option<Self::Value> {
        Some(None)
    }

    fn conceal(&self, text: &str) -> String {
        self.0.conceal(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_true_is_true() {
        for text in ["true", "True", "TRUE"] {
            assert_eq!(Bool.parse(text), Parsed::Value(true));
        }
        for text in ["false", "False", "0", "no", "off"] {
            assert_eq!(Bool.parse(text), Parsed::Value(false));
        }
        for text in ["1", "yes", "on", "Y", " true", "tru", ""] {
            assert!(matches!(Bool.parse(text), Parsed::Noticed(false, _)), "{text:?}");
        }
    }

    #[test]
    fn an_optional_value_may_be_empty() {
        assert_eq!(optional(Text).parse(" "), Parsed::Value(None));
        assert_eq!(optional(Text).parse("a"), Parsed::Value(Some("a".to_owned())));
        assert_eq!(optional(Text).absent(), Some(None));
    }
}
