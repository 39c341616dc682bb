//! Files of the cache folder, `cache` in `DATA_DIR`: generated pictures and sound that messages refer to.

use crate::App;
use crate::http::ApiError;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;
use tower_http::services::ServeDir;

/// What every path here begins with.
const PREFIX: &str = "/cache";

/// `GET /cache/{path}`: what a browser might run is sent as a download, so that no cached file acts as part of the
/// site.
pub(super) async fn file(State(app): State<App>, mut request: Request) -> Response {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let Ok(inner) = Uri::try_from(path) else { return missing() };
    *request.uri_mut() = inner;
    let folder = app.config.server.data_dir.join("cache");
    let files = ServeDir::new(folder).append_index_html_on_directories(false);
    let Ok(response) = files.oneshot(request).await;
    // A name that no file can have, such as one that is too long, is answered there as a fault of the server.
    if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::TEMPORARY_REDIRECT)
        || response.status().is_server_error()
    {
        return missing();
    }
    let mut response = response.map(Body::new);
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_shown = kind.is_some_and(is_media);
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !is_shown {
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    response
}

/// Whether browsers show or play this kind and run nothing in it. SVG pictures may hold scripts.
fn is_media(kind: &str) -> bool {
    ["image/", "audio/", "video/"].iter().any(|family| kind.starts_with(family))
        && !kind.starts_with("image/svg")
}

fn missing() -> Response {
    ApiError::not_found("File not found").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_act_is_shown_in_place() {
        assert!(is_media("image/png") && is_media("audio/mpeg"));
        assert!(!is_media("text/html") && !is_media("image/svg+xml") && !is_media("application/pdf"));
    }
}
