//! A text that must not be printed.

use std::fmt;

/// Secrets shorter than this are not searched for in answers, because they would blank out ordinary words.
const SHORTEST_SCRUBBED: usize = 6;

/// A key or token; its `Debug` form says only whether it is set.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text, without the white space around it.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    /// The text itself, for the one header it belongs in.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to keep secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces the secret in a text that an upstream sent back.
    pub(crate) fn scrub(&self, text: String) -> String {
        if self.0.len() >= SHORTEST_SCRUBBED && text.contains(&self.0) {
            text.replace(&self.0, "***")
        } else {
            text
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "Secret(empty)" } else { "Secret(***)" })
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_never_printed_and_is_removed_from_answers() {
        let secret = Secret::new(" sk-very-secret\n");
        assert_eq!(secret.reveal(), "sk-very-secret");
        assert_eq!(format!("{secret:?} {:?}", Secret::default()), "Secret(***) Secret(empty)");
        assert_eq!(secret.scrub("bad key sk-very-secret.".into()), "bad key ***.");
        assert_eq!(Secret::new("x").scrub("six".into()), "six");
    }
}
