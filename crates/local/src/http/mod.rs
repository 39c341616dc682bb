//! The HTTP surface: the part of the OpenAI API that a chat server needs.

pub mod chat;
pub mod embeddings;
pub mod failure;
pub mod models;
pub mod request;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use subtle::ConstantTimeEq;

use self::failure::Failure;
use crate::engine::Engine;
use crate::error::LocalError;

/// The largest request body in bytes. A full context of text has about 10 kB; the rest is room for turns that are dropped.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// How long a request waits for its turn before it is told to come again.
pub const TURN_LIMIT: Duration = Duration::from_mins(2);

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct Service {
    engine: Arc<Engine>,
    token: Option<Token>,
}

/// The bearer token, which never shows in a log.
#[derive(Clone)]
struct Token(Arc<str>);

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

impl Service {
    /// A service on `engine`; with a `token`, everything but the health check asks for it.
    pub fn new(engine: Engine, token: Option<String>) -> Self {
        let token = token.filter(|token| !token.is_empty()).map(|token| Token(token.into()));
        Self { engine: Arc::new(engine), token }
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/v1/models", get(models::list))
            .route("/v1/models/{id}", get(models::one))
            .route("/v1/chat/completions", post(chat::complete))
            .route("/v1/embeddings", post(embeddings::create))
            .layer(from_fn_with_state(self.clone(), check_token))
            .route("/health", get(health))
            .fallback(unknown_route)
            .method_not_allowed_fallback(unknown_route)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(self)
    }
}

async fn check_token(State(service): State<Service>, request: Request, next: Next) -> Response {
    if let Some(Token(expected)) = &service.token {
        let given = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .unwrap_or_default();
        if !bool::from(given.ct_eq(expected.as_bytes())) {
            return Failure(LocalError::Unauthorised).into_response();
        }
    }
    next.run(request).await
}

async fn health(State(service): State<Service>) -> Response {
    Json(json!({ "status": "ok", "engine": service.engine.status() })).into_response()
}

async fn unknown_route(request: Request) -> Failure {
    Failure(LocalError::UnknownRoute {
        method: request.method().to_string(),
        path: request.uri().path().chars().take(100).collect(),
    })
}

/// The time in seconds since 1970, for `created`.
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests;
