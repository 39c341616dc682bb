//! Another build of the page, from a directory on disk (`FRONTEND_BUILD_DIR`).

use crate::http::ApiError;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::path::{Path, PathBuf};
use tower::ServiceExt;
use tower_http::services::ServeDir;

/// What a request for the entry page passes on: in which form, and what the client has already.
const CONDITIONS: [HeaderName; 3] =
    [header::ACCEPT_ENCODING, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// A directory that holds `index.html` and its files.
pub struct Directory {
    root: PathBuf,
    files: ServeDir,
}

impl Directory {
    /// Serves the files below `root`.
    pub fn new(root: &Path) -> Self {
        let files = ServeDir::new(root)
            .append_index_html_on_directories(false)
            .precompressed_br()
            .precompressed_gzip();
        Self { root: root.to_owned(), files }
    }

    /// The file at `path`, if it is there. Conditional and range requests are honoured.
    pub(super) async fn file(&self, path: &str, request: Request) -> Option<Response> {
        if path.is_empty() {
            return None;
        }
        let Ok(response) = self.files.clone().oneshot(request).await;
        // A name that no file can have, such as one that is too long, is answered there as a fault of the server.
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::TEMPORARY_REDIRECT)
            || response.status().is_server_error()
        {
            return None;
        }
        let mut response = response.map(Body::new);
        // Names in such a folder carry a hash of what they hold; everything else may change under its name.
        let caching =
            if path.contains("/immutable/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        if path.starts_with("pyodide/") {
            // Workers of that build load these from an opaque origin.
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Some(response)
    }

    /// The entry page; 304 where the client has it already.
    pub(super) async fn index(&self, headers: &HeaderMap) -> Response {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::from_static("/index.html");
        // A part of the page is never asked for, so no `Range`.
        for name in CONDITIONS {
            if let Some(value) = headers.get(&name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        let Ok(response) = self.files.clone().oneshot(request).await;
        if matches!(response.status(), StatusCode::OK | StatusCode::NOT_MODIFIED) {
            let mut response = response.map(Body::new);
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            return response;
        }
        tracing::error!(
            path = %self.root.join("index.html").display(), status = %response.status(),
            "FRONTEND_BUILD_DIR has no readable index.html; point it at a built page or unset it"
        );
        ApiError::not_found("The configured web page is missing. The server's log says where it looked.")
            .into_response()
    }
}
