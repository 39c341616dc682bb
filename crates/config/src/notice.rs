//! Things worth telling the operator that do not stop the start.

use std::fmt;

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A fact about the chosen configuration.
    Information,
    /// A value that does not do what its writer probably meant.
    Warning,
}

/// One sentence or two for the operator, about one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// The variable (or file) it is about.
    pub subject: String,
    /// What was seen, what it means and what to do.
    pub text: String,
}

impl Notice {
    pub(crate) fn warning(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, subject: subject.into(), text: text.into() }
    }

    pub(crate) fn information(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Information, subject: subject.into(), text: text.into() }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.subject, self.text)
    }
}
