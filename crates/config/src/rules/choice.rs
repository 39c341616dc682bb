//! A rule for one word out of a few.

use super::{Parsed, Rule};

/// One of a few words, in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<T: 'static> {
    words: &'static [(&'static str, T)],
    lenient: bool,
}

impl<T> Choice<T> {
    /// Another word stops the start. The first word of a value is the one shown.
    pub(crate) const fn strict(words: &'static [(&'static str, T)]) -> Self {
        Self { words, lenient: false }
    }

    /// Another word gives the default, with a notice.
    pub(crate) const fn lenient(words: &'static [(&'static str, T)]) -> Self {
        Self { words, lenient: true }
    }
}

impl<T: Copy + PartialEq> Rule for Choice<T> {
    type Value = T;

    fn allowed(&self) -> String {
        let words: Vec<&str> =
            self.words.iter().map(|(word, _)| if word.is_empty() { "nothing" } else { *word }).collect();
        match words.as_slice() {
            [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            words => words.concat(),
        }
    }

    fn parse(&self, text: &str) -> Parsed<T> {
        match self.words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim())) {
            Some((_, value)) => Parsed::Value(*value),
            None if self.lenient => Parsed::Ignored("is not one of the known words".to_owned()),
            None => Parsed::Wrong("is not one of the known words".to_owned()),
        }
    }

    fn show(&self, value: &T) -> String {
        self.words
            .iter()
            .find(|(_, known)| known == value)
            .map(|(word, _)| (*word).to_owned())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_ignores_case() {
        let rule = Choice::strict(&[("lax", 1), ("strict", 2)]);
        assert_eq!(rule.parse("LAX"), Parsed::Value(1));
        assert!(matches!(rule.parse("other"), Parsed::Wrong(_)));
        assert_eq!(rule.allowed(), "lax or strict");
        assert_eq!(rule.show(&2), "strict");
    }
}
