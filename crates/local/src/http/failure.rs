//! Errors in the form of the OpenAI API.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::LocalError;

/// When a busy server may be asked again, in seconds.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// An error as an answer.
#[derive(Debug)]
pub struct Failure(pub LocalError);

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        Self(error)
    }
}

/// The body `{"error": {"message", "type", "code"}}`.
pub fn body(error: &LocalError) -> Value {
    json!({ "error": { "message": error.to_string(), "type": error.kind(), "param": null, "code": error.code() } })
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body(&self.0))).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
        }
        response
    }
}
