//! Text that must not appear in logs, reports or error messages.

use std::fmt;

/// What is shown in place of a secret.
pub(crate) const MASK: &str = "********";

/// A password, key or token. `Debug` and `Display` show a mask; [`Secret::reveal`] gives the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty, which usually means "not set".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({self})")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "" } else { MASK })
    }
}

/// Hides the password of a URL: everything between `//user:` and the last `@` of its authority.
pub(crate) fn mask_url(text: &str) -> String {
    let Some(scheme) = text.find("://") else { return text.to_owned() };
    let rest = scheme + "://".len();
    // A password that was not percent-encoded may hold `/` or `?`, so the last `@` of the whole text ends it.
    let Some(at) = text[rest..].rfind('@') else { return mask_query(text) };
    let credentials = &text[rest..rest + at];
    let user = credentials.split(':').next().unwrap_or_default();
    let shown = if credentials.contains(':') { format!("{user}:{MASK}") } else { user.to_owned() };
    mask_query(&format!("{}{shown}{}", &text[..rest], &text[rest + at..]))
}

/// Hides the values of query parameters whose name speaks of a secret.
fn mask_query(text: &str) -> String {
    let Some((address, query)) = text.split_once('?') else { return text.to_owned() };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if names_a_secret(name) => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{address}?{}", pairs.join("&"))
}

/// Whether a field of this name is likely to hold a secret.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "token", "api_key", "apikey", "authorization"]
        .iter()
        .any(|word| name.contains(word))
        || name == "key"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_only_a_mask() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "******** Secret(********)");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn the_password_of_a_url_is_hidden() {
        assert_eq!(mask_url("redis://u:p@h:1/0"), "redis://u:********@h:1/0");
        assert_eq!(mask_url("redis://:p@ss/w?x@h/0"), "redis://:********@h/0");
        assert_eq!(mask_url("redis://h:1/0?password=x&db=2"), "redis://h:1/0?password=********&db=2");
        assert_eq!(mask_url("redis://h:1/0"), "redis://h:1/0");
        assert_eq!(mask_url("nonsense"), "nonsense");
    }
}
