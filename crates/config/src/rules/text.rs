//! Rules for plain text, secrets, paths and web addresses.

use std::path::PathBuf;

use super::{Parsed, Rule};
use crate::secret::{MASK, Secret};

/// Any text, as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text;

impl Rule for Text {
    type Value = String;

    fn allowed(&self) -> String {
        "text".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<String> {
        Parsed::Value(text.to_owned())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// Any text that must not be shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecretText;

impl Rule for SecretText {
    type Value = Secret;

    fn allowed(&self) -> String {
        "text".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<Secret> {
        Parsed::Value(Secret::new(text))
    }

    fn show(&self, value: &Secret) -> String {
        value.to_string()
    }

    fn conceal(&self, text: &str) -> String {
        if text.is_empty() { String::new() } else { MASK.to_owned() }
    }
}

/// A path of a file or folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FilePath;

impl Rule for FilePath {
    type Value = PathBuf;

    fn allowed(&self) -> String {
        "a path".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<PathBuf> {
        if text.trim().is_empty() {
            return Parsed::Wrong("is empty".to_owned());
        }
        Parsed::Value(PathBuf::from(text))
    }

    fn show(&self, value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// The name of an HTTP header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderName;

impl Rule for HeaderName {
    type Value = String;

    fn allowed(&self) -> String {
        "the name of an HTTP header".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<String> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !text.is_empty() && text.bytes().all(letter) {
            Parsed::Value(text.to_owned())
        } else {
            Parsed::Wrong("is not the name of an HTTP header".to_owned())
        }
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// The value of an HTTP header: printable ASCII in one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderValue;

impl Rule for HeaderValue {
    type Value = String;

    fn allowed(&self) -> String {
        "printable ASCII text in one line".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<String> {
        let text = text.trim();
        if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            Parsed::Value(text.to_owned())
        } else {
            Parsed::Wrong("holds letters that no HTTP header can carry".to_owned())
        }
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_stay_on_one_line() {
        assert!(matches!(HeaderName.parse("X-Key"), Parsed::Value(_)));
        assert!(matches!(HeaderName.parse("X Key"), Parsed::Wrong(_)));
        assert!(matches!(HeaderValue.parse("a\r\nSet-Cookie: b"), Parsed::Wrong(_)));
    }

    #[test]
    fn a_secret_is_concealed() {
        assert_eq!(SecretText.conceal("abc"), MASK);
        assert_eq!(SecretText.show(&Secret::new("abc")), MASK);
    }
}
