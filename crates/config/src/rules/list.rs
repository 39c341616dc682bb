//! Rules for lists.

use super::{Parsed, Rule};

/// What stands between the items of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separator {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
}

impl Separator {
    fn character(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Semicolon => ';',
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Comma => "commas",
            Self::Semicolon => "semicolons",
        }
    }
}

/// A list of items, trimmed; empty items are dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    separator: Separator,
}

impl List {
    pub(crate) const fn new(separator: Separator) -> Self {
        Self { separator }
    }
}

impl Rule for List {
    type Value = Vec<String>;

    fn allowed(&self) -> String {
        format!("a list separated by {}", self.separator.name())
    }

    fn parse(&self, text: &str) -> Parsed<Vec<String>> {
        Parsed::Value(
            items(text, self.separator).filter(|item| !item.is_empty()).map(str::to_owned).collect(),
        )
    }

    fn show(&self, value: &Vec<String>) -> String {
        value.join(&self.separator.character().to_string())
    }

    fn absent(&self) -> Option<Vec<String>> {
        Some(Vec::new())
    }
}

/// The items of a list, trimmed, empty ones included.
pub(crate) fn items(text: &str, separator: Separator) -> impl Iterator<Item = &str> {
    text.split(separator.character()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_trimmed_and_lose_empty_items() {
        let list = List::new(Separator::Comma).parse(" a, b ,,c ");
        assert_eq!(list, Parsed::Value(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
        assert_eq!(List::new(Separator::Semicolon).parse(""), Parsed::Value(Vec::new()));
    }
}
