//! Bodies and queries, checked: whatever is wrong with them becomes a 4xx with `{"detail": …}`.

use super::error::ApiError;
use super::object::FormDeserializer;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

/// Largest JSON body of most routes, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// Largest body of routes that take a chat or a picture, in bytes.
pub(crate) const MAX_LARGE_BODY: usize = 32 * 1024 * 1024;

/// Longest time a caller may take to send its body.
pub(crate) const BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(1);

/// A JSON body of type `T`, at most `LIMIT` bytes.
pub(crate) struct Json<T, const LIMIT: usize = MAX_BODY>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned, const LIMIT: usize> FromRequest<S> for Json<T, LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request, LIMIT).await?;
        parse(&bytes).map(Self)
    }
}

/// Query parameters of type `T`.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|query| Self(query.0))
            .map_err(|error| ApiError::unprocessable("query", &["query"], error.body_text()))
    }
}

/// The whole body, within its bounds of size and time.
async fn read(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let body = Limited::new(request.into_body(), limit);
    match tokio::time::timeout(BODY_TIMEOUT, body.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large(format!("The body is larger than the {limit} bytes allowed here.")))
        }
        Ok(Err(_)) => Err(ApiError::bad_request("The body ended early.")),
        Err(_) => Err(ApiError::new(
            axum::http::StatusCode::REQUEST_TIMEOUT,
            format!("The body did not arrive within {} s.", BODY_TIMEOUT.as_secs()),
        )),
    }
}

/// Parses a JSON text; a fault names its place.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = T::deserialize(FormDeserializer(&mut json)).and_then(|parsed| json.end().map(|()| parsed));
    parsed.map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => {
                ApiError::unprocessable("value_error", &["body"], format!("{error}."))
            }
            _ => ApiError::unprocessable(
                "json_invalid",
                &["body", &place],
                format!("The body is not JSON: {error}."),
            ),
        }
    })
}
