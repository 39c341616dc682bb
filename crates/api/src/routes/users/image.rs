//! The picture of an account, for `<img>`: the cookie alone is enough.

use super::find;
use crate::App;
use crate::http::{ApiResult, Path};
use crate::profile;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The picture of accounts that have none.
const STANDARD_PICTURE: &str = "/static/user.png";

/// An SVG can hold scripts; opened by itself it runs none and reaches nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// `GET /api/v1/users/{id}/profile/image`: the picture, or a redirect to the standard one.
pub(super) async fn read(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let user = find(&app, &id).await?;
    let Some(picture) = profile::decode(&user.profile_image_url) else {
        return Ok((StatusCode::FOUND, [(header::LOCATION, STANDARD_PICTURE)]).into_response());
    };
    let tag = tag(&picture.bytes);
    let kept = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    // It may change at any time; the browser asks, and gets it only when it did.
    let caching =
        [(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")), (header::ETAG, tag.clone())];
    if kept.is_some_and(|kept| kept.split(',').any(|kept| kept.trim().as_bytes() == tag.as_bytes())) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let protection = [
        (header::CONTENT_TYPE, picture.media_type),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    Ok((caching, protection, picture.bytes).into_response())
}

/// A tag that changes with the picture.
fn tag(bytes: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish()))
        .unwrap_or(HeaderValue::from_static("\"\""))
}
