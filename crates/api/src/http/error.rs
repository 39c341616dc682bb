//! The one HTTP error: what a caller did wrong or what the server cannot do now, as `{"detail": …}`.
//!
//! Which error belongs where:
//! - [`ApiError::unprocessable`] for a body or parameter of the wrong form (422, list of findings);
//! - [`ApiError::bad_request`] for a well-formed request that cannot be done as asked (400);
//! - [`ApiError::unauthorized`] without a valid identity or with too low a role (401, as the web client expects);
//! - [`ApiError::forbidden`] where a switch or permission forbids it (403);
//! - [`ApiError::not_found`] for an unknown or somebody else's resource (404);
//! - [`ApiError::too_large`] over a size limit (413), [`ApiError::too_many`] over a rate limit (429);
//! - [`ApiError::unavailable`] when a dependency is away (503);
//! - everything else is a fault of the server (500): logged with its cause, answered without it.

use antiphon_telemetry::with_causes;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::time::Duration;

/// A refused or failed request: status, `detail`, and how long to wait before another try.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    detail: Value,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// An error with the given status and text.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: Value::String(detail.into()), retry_after: None }
    }

    /// 400: well-formed, but it cannot be done as asked.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: no valid identity, or too low a role.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 403: a switch or a permission forbids it.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: unknown, or not the caller's.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409: it conflicts with what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 413: over a size limit; say which.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// 429: over a rate limit, with the time after which a try makes sense.
    pub fn too_many(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// 503: something this request needs is away for now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    /// 422 with one finding: `[{type, loc, msg, input}]`.
    pub fn unprocessable(kind: &str, location: &[&str], message: impl Into<String>) -> Self {
        let detail = json!([{ "type": kind, "loc": location, "msg": message.into(), "input": null }]);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail, retry_after: None }
    }

    /// 500: a fault of the server. The cause goes to the log, not to the caller.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(
            cause = with_causes(cause),
            "a request failed inside the server; please report this line to the maintainers of Antiphon"
        );
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed to do this. Its log says why.")
    }

    /// The status that will be sent.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The same error with its findings joined to one sentence, as the routes under `/api/v1/auths` answer.
    #[must_use]
    pub fn with_plain_detail(mut self) -> Self {
        if let Value::Array(findings) = &self.detail {
            let sentences: Vec<&str> =
                findings.iter().filter_map(|finding| finding["msg"].as_str()).collect();
            self.detail = Value::String(sentences.join(" "));
        }
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "detail": self.detail }))).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
