//! From what the HTTP client reports, and from error answers, to [`ProviderError`].

use super::Target;
use super::resolver::ResolutionFailed;
use crate::error::{ProviderError, TimeBound, UnreachableCause};
use antiphon_telemetry::causes;
use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::Value;
use std::error::Error;
use std::io;
use std::time::Duration;

/// Characters of a foreign text in a message.
const EXCERPT_LENGTH: usize = 200;
/// Characters of the upstream's own words in a message.
const WORDS_LENGTH: usize = 2000;

/// An error of the HTTP client, with whom it concerns.
pub(super) struct Failed<'a> {
    pub(super) target: &'a Target,
    pub(super) error: &'a reqwest::Error,
}

impl Failed<'_> {
    /// The request was not answered.
    pub(super) fn sending(&self, connect_timeout: Duration) -> ProviderError {
        if self.error.is_timeout() {
            return ProviderError::Timeout {
                connection: self.target.label.clone(),
                bound: TimeBound::Connect,
                after: connect_timeout,
            };
        }
        ProviderError::Unreachable {
            connection: self.target.label.clone(),
            cause: cause(self.error),
            detail: self.detail(),
        }
    }

    /// The body of the answer broke off.
    pub(super) fn reading(&self) -> ProviderError {
        ProviderError::Truncated { connection: self.target.label.clone(), detail: self.detail() }
    }

    fn detail(&self) -> String {
        self.target.scrub(chain(self.error))
    }
}

/// The innermost causes as one text, without the URL, which may hold a key.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for text in causes(error).map(ToString::to_string) {
        // Outer errors often repeat the text of the inner one.
        parts.retain(|part| !part.contains(&text));
        parts.push(text);
    }
    // The client's own layers say nothing about the cause.
    if parts.len() > 1 {
        parts.retain(|part| !part.starts_with("client error ("));
    }
    if parts.is_empty() { "no further detail".into() } else { parts.join(": ") }
}

fn cause(error: &reqwest::Error) -> UnreachableCause {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    let mut found = if error.is_connect() { UnreachableCause::Other } else { UnreachableCause::Broken };
    while let Some(source) = next {
        if source.is::<ResolutionFailed>() {
            return UnreachableCause::Dns;
        }
        if source.is::<rustls::Error>() {
            return UnreachableCause::Tls;
        }
        next = source.source();
        if let Some(error) = source.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => return UnreachableCause::Refused,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionAborted => found = UnreachableCause::Broken,
                _ => {}
            }
            // What an I/O error wraps is not among its sources.
            if let Some(inner) = error.get_ref() {
                next = Some(inner);
            }
        }
    }
    found
}

/// The error for an answer with an error status.
pub(super) fn status(
    target: &Target,
    status: StatusCode,
    body: &Bytes,
    content_type: Option<String>,
    location: Option<&str>,
) -> ProviderError {
    let mut message = match location {
        Some(location) if status.is_redirection() => format!("redirect to {}", without_query(location)),
        _ => upstream_words(body),
    };
    if message.is_empty() {
        status.canonical_reason().unwrap_or_default().clone_into(&mut message);
    }
    let text = String::from_utf8_lossy(body);
    let scrubbed = target.scrub(text.clone().into_owned());
    let body = if scrubbed == text { body.clone() } else { Bytes::from(scrubbed) };
    ProviderError::Status {
        connection: target.label.clone(),
        status,
        message: target.scrub(message),
        body,
        content_type,
    }
}

fn without_query(location: &str) -> &str {
    location.split(['?', '#']).next().unwrap_or_default()
}

/// The upstream's own words in an error answer: the usual JSON forms, the title of a web page, or plain text.
pub(crate) fn upstream_words(body: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return shorten(&words_in(&value).unwrap_or_else(|| value.to_string()), WORDS_LENGTH);
    }
    let text = String::from_utf8_lossy(body);
    let lower = text.to_ascii_lowercase();
    if let (Some(start), Some(end)) = (lower.find("<title>"), lower.find("</title>"))
        && let Some(title) = text.get(start + "<title>".len()..end)
    {
        return shorten(title, EXCERPT_LENGTH);
    }
    if lower.trim_start().starts_with('<') {
        return "a web page".into();
    }
    shorten(&text, WORDS_LENGTH)
}

fn words_in(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let words: Vec<String> = items.iter().filter_map(words_in).collect();
            (!words.is_empty()).then(|| words.join("; "))
        }
        Value::Object(members) => ["error", "message", "detail", "msg", "errors", "error_description"]
            .into_iter()
            .filter_map(|name| members.get(name))
            .find_map(words_in),
        _ => None,
    }
}

/// The first characters of what came.
pub(super) fn excerpt(target: &Target, body: &[u8]) -> String {
    // A few bytes more than are shown, so that a secret at the edge is seen whole.
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_LENGTH * 8)]).into_owned();
    shorten(&target.scrub(text), EXCERPT_LENGTH)
}

/// One line of at most `length` characters.
fn shorten(text: &str, length: usize) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.len() > length * 4 {
            break;
        }
    }
    match words.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstreams_words_are_found_in_the_usual_forms() {
        for (body, expected) in [
            (r#"{"error":{"message":"Too long","type":"x"}}"#, "Too long"),
            (r#"{"error":"model 'x' not found"}"#, "model 'x' not found"),
            (r#"{"detail":"Not authenticated"}"#, "Not authenticated"),
            (r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, "field required"),
            (r#"[{"error":{"code":400,"message":"API key not valid"}}]"#, "API key not valid"),
            (r#"{"object":"error","message":"no","code":404}"#, "no"),
            (r#"{"code":7}"#, r#"{"code":7}"#),
            ("<html><head><TITLE>502 Bad\n Gateway</TITLE></head></html>", "502 Bad Gateway"),
            ("<!doctype html><p>x", "a web page"),
            ("upstream connect error\n", "upstream connect error"),
            ("", ""),
        ] {
            assert_eq!(upstream_words(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = "é".repeat(300);
        let target = Target { label: crate::Label::new("x"), secrets: [].into() };
        let cut = excerpt(&target, text.as_bytes());
        assert_eq!(cut.chars().count(), EXCERPT_LENGTH + 1);
    }
}
