//! Bodies and queries, checked: whatever is wrong with them becomes a 4xx with `{"detail": …}`.

use super::error::ApiError;
use super::object::FormDeserializer;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

/// Largest JSON body of most routes, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// Largest body of routes that take a chat or a picture, in bytes.
pub(crate) const MAX_LARGE_BODY: usize = 32 * 1024 * 1024;

/// Longest time a caller may take to send its body.
pub(crate) const BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(1);

/// Most bytes of a refused body that are read and dropped, so that the client gets to read why.
const MAX_DRAINED: usize = 64 * 1024 * 1024;

/// Longest time that this may take.
const DRAIN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

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
    let mut body = request.into_body();
    let reading = async {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiError::bad_request("The body ended early."))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > limit {
                let message = format!("The body is larger than the {limit} bytes allowed here.");
                return Err(ApiError::too_large(message));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    };
    let read = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(refused)) => {
            // A client that is still sending reads no answer before it is done.
            let _ = tokio::time::timeout(DRAIN_TIMEOUT, drain(body)).await;
            Err(refused)
        }
        Err(_) => Err(ApiError::new(
            axum::http::StatusCode::REQUEST_TIMEOUT,
            format!("The body did not arrive within {} s.", BODY_TIMEOUT.as_secs()),
        )),
    }
}

/// Reads and drops the rest of a body that is refused anyway, up to a bound.
async fn drain(mut body: Body) {
    let mut dropped = 0;
    while dropped < MAX_DRAINED
        && let Some(Ok(frame)) = body.frame().await
    {
        dropped += frame.data_ref().map_or(0, Bytes::len);
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
