//! Small records that settings hold.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a user may do in general.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    /// Waits for an administrator; can use nothing yet.
    Pending,
    /// Uses the server.
    User,
    /// Runs the server.
    Admin,
}

/// The words for roles.
pub(crate) const ROLES: &[(&str, UserRole)] =
    &[("pending", UserRole::Pending), ("user", UserRole::User), ("admin", UserRole::Admin)];

impl UserRole {
    /// The word for the role.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for UserRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A message shown on top of the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banner {
    /// Tells banners apart, so that a dismissed one stays away.
    pub id: String,
    /// `info`, `success`, `warning` or `error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Heading, if any.
    #[serde(default)]
    pub title: Option<String>,
    /// Text in Markdown.
    pub content: String,
    /// Whether people can put it away.
    pub dismissible: bool,
    /// When it was made, in seconds since 1970.
    pub timestamp: i64,
    /// Translations by language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub i18n: Option<Map<String, Value>>,
}

/// A question offered on an empty chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptSuggestion {
    /// Two lines: what, and more exactly what.
    pub title: Vec<String>,
    /// The question.
    pub content: String,
}
