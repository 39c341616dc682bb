//! The web page: every path that no route answers.
//!
//! Ours is embedded in the binary with its compressed forms; `FRONTEND_BUILD_DIR` serves another build from disk.
//! A path without a file is the page itself (its own router shows the right view), except where a file or an API
//! answer was plainly asked for: those get 404, so that no script or client ever parses HTML by mistake.

mod directory;
mod embedded;
mod shared;

use crate::App;
use crate::http::ApiError;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use std::path::PathBuf;

pub use directory::Directory;

/// First parts of paths under which an unknown name is an API mistake, not a view of the page.
const API_ROOTS: [&str; 9] = ["api", "openai", "ollama", "ws", "static", "cache", "health", "ready", "oauth"];

/// What our own page may load: itself, nothing inline, pictures also from chats.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; font-src 'self'; \
     img-src 'self' data: blob: https:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";

/// Where the page's files come from.
pub enum Frontend {
    /// Our own build, inside the binary.
    Embedded,
    /// Another compatible build on disk.
    Directory(Directory),
}

impl Frontend {
    /// The build in `directory`, or our own.
    pub fn new(directory: Option<&PathBuf>) -> Self {
        directory.map_or(Self::Embedded, |path| Self::Directory(Directory::new(path)))
    }
}

/// Answers whatever no route did.
pub(crate) async fn serve(State(app): State<App>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let root = path.split('/').next().unwrap_or_default();
    let is_static = root == "static";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let known = API_ROOTS.contains(&root);
        return if known {
            not_found()
        } else {
            crate::http::guard::method_not_allowed().await.into_response()
        };
    }
    if API_ROOTS.contains(&root) && !is_static {
        return not_found();
    }
    if let Some(redirect) = shared::redirect(request.uri()) {
        return redirect;
    }
    let headers = request.headers().clone();
    let file = match &app.frontend {
        Frontend::Embedded => embedded::file(&path, &headers),
        // Pictures that every site needs are ours where the build has none.
        Frontend::Directory(directory) => match directory.file(&path, request).await {
            None if is_static => embedded::file(&path, &headers),
            file => file,
        },
    };
    if let Some(response) = file {
        return response;
    }
    if is_static || has_extension(&path, "js") {
        return not_found();
    }
    index(&app, &headers).await
}

/// The page's entry, never kept by a cache without asking.
async fn index(app: &App, headers: &HeaderMap) -> Response {
    let mut response = match &app.frontend {
        Frontend::Embedded => embedded::index(headers),
        Frontend::Directory(directory) => directory.index(headers).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if matches!(app.frontend, Frontend::Embedded) {
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    }
    response
}

fn has_extension(path: &str, extension: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn not_found() -> Response {
    ApiError::not_found("Not Found").into_response()
}
