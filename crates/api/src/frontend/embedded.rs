//! Our own page, from the binary: compressed once at build time, never at run time.

use crate::http::ApiError;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rust_embed::{EmbeddedFile, RustEmbed};
use std::fmt::Write as _;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Page;

/// Compressed forms beside a file, best first: name in `Accept-Encoding`, ending of the file.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Name of the entry page.
const INDEX: &str = "index.html";

/// The file at `path`, if the page has it, in the best form the client takes; 304 where it has it already.
pub(super) fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    if path.is_empty() || path == INDEX || ENCODINGS.iter().any(|(_, ending)| path.ends_with(ending)) {
        return None;
    }
    let mut response = answer(path, Page::get(path)?, headers);
    // Names under assets/ carry a hash of what they hold; everything else may change under its name.
    let caching =
        if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    Some(response)
}

/// The entry page, in the best form the client takes; 304 where it has it already.
pub(super) fn index(headers: &HeaderMap) -> Response {
    match Page::get(INDEX) {
        Some(page) => answer(INDEX, page, headers),
        None => ApiError::not_found(
            "This build has no web page inside. Build it with `make page`, or set FRONTEND_BUILD_DIR.",
        )
        .into_response(),
    }
}

fn answer(path: &str, plain: EmbeddedFile, headers: &HeaderMap) -> Response {
    let etag = etag(&plain);
    let mut response = if matches(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let accepted =
            headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let compressed = ENCODINGS
            .iter()
            .filter(|(name, _)| accepts(accepted, name))
            .find_map(|(name, ending)| Page::get(&format!("{path}{ending}")).map(|file| (*name, file)));
        match compressed {
            Some((name, file)) => {
                let mut response = body(file);
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
                response
            }
            None => body(plain),
        }
    };
    let headers = response.headers_mut();
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = if path == INDEX { "text/html; charset=utf-8" } else { kind.as_ref() };
    if let Ok(kind) = HeaderValue::from_str(kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, value);
    }
    response
}

fn body(file: EmbeddedFile) -> Response {
    let bytes = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Response::new(Body::from(bytes))
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let mut etag = String::with_capacity(34);
    etag.push('"');
    for byte in &hash[..16] {
        let _ = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    etag
}

/// Whether the client's `If-None-Match` names `etag` (RFC 9110 §13.1.2, weak comparison).
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let Some(value) = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    value.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// Whether `Accept-Encoding` allows `name` (RFC 9110 §12.5.3).
fn accepts(accepted: &str, name: &str) -> bool {
    accepted.split(',').any(|item| {
        let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
        coding.trim().eq_ignore_ascii_case(name)
            && parameters
                .trim()
                .strip_prefix("q=")
                .and_then(|q| q.parse::<f32>().ok())
                .is_none_or(|q| q > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_encoding_is_not_used() {
        assert!(accepts("gzip, br;q=0.8", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("", "gzip"));
    }

    #[test]
    fn a_weak_or_listed_tag_matches() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"a\", W/\"b\""));
        assert!(matches(&headers, "\"b\""));
        assert!(!matches(&headers, "\"c\""));
    }
}
