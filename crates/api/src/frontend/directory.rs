//! Another build of the page, from a directory on disk (`FRONTEND_BUILD_DIR`).

use crate::http::ApiError;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::path::{Path, PathBuf};
use tower::ServiceExt;
use tower_http::services::ServeDir;

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
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::TEMPORARY_REDIRECT) {
            return None;
        }
        let mut response = response.map(Body::new);
        let caching = if path.contains("/immutable/") || path.starts_with("assets/") {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        if path.starts_with("pyodide/") {
            // Workers of that build load these from an opaque origin.
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Some(response)
    }

    /// The entry page.
    pub(super) async fn index(&self) -> Response {
        let path = self.root.join("index.html");
        match tokio::fs::read(&path).await {
            Ok(bytes) => {
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                ([(header::CONTENT_TYPE, html)], bytes).into_response()
            }
            Err(error) => {
                tracing::error!(
                    path = %path.display(), %error,
                    "FRONTEND_BUILD_DIR has no readable index.html; point it at a built page or unset it"
                );
                ApiError::not_found(
                    "The configured web page is missing. The server's log says where it looked.",
                )
                .into_response()
            }
        }
    }
}
