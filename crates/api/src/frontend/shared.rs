//! What people share with the site from elsewhere, sent on to where the page takes it up.

use axum::extract::Query;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::fmt::Write as _;

#[derive(Deserialize)]
struct Shared {
    /// Id of a video, in addresses of the form `/watch?v=`.
    v: Option<String>,
    /// Text that was shared with the app of the manifest.
    shared: Option<String>,
}

/// The redirect for `/watch?v=ID` and `/?shared=TEXT`, if `uri` is one of them.
pub(super) fn redirect(uri: &Uri) -> Option<Response> {
    Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place(uri)?)]).into_response())
}

fn place(uri: &Uri) -> Option<String> {
    // Most requests have no query and end here.
    uri.query()?;
    let Query(asked) = Query::<Shared>::try_from_uri(uri).ok()?;
    let (name, value) = match (uri.path(), &asked) {
        ("/watch", Shared { v: Some(video), .. }) => ("youtube", video.as_str()),
        ("/", Shared { shared: Some(text), .. }) => match text.trim() {
            address if is_address(address) => ("load-url", address),
            question => ("q", question),
        },
        _ => return None,
    };
    let mut place = format!("/?{name}=");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            place.push(char::from(byte));
        } else {
            let _ = write!(place, "%{byte:02X}");
        }
    }
    Some(place)
}

fn is_address(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme))
        && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_on(uri: &'static str) -> Option<String> {
        place(&Uri::from_static(uri))
    }

    #[test]
    fn what_is_shared_arrives_where_the_page_takes_it_up() {
        assert_eq!(sent_on("/watch?v=dQw4-_9&t=1").as_deref(), Some("/?youtube=dQw4-_9"));
        assert_eq!(sent_on("/?shared=why+%C3%A9%26b").as_deref(), Some("/?q=why%20%C3%A9%26b"));
        assert_eq!(
            sent_on("/?shared=https://a.example/x?y=1").as_deref(),
            Some("/?load-url=https%3A%2F%2Fa.example%2Fx%3Fy%3D1")
        );
        assert_eq!(
            sent_on("/?shared=see%20https://a.example").as_deref(),
            Some("/?q=see%20https%3A%2F%2Fa.example")
        );
    }

    #[test]
    fn other_addresses_are_no_shares() {
        for uri in ["/", "/?q=x", "/watch", "/c/1?shared=x", "/?v=x", "/watch?shared=x"] {
            assert_eq!(sent_on(uri), None, "{uri}");
        }
    }
}
