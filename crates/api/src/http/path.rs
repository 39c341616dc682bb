//! Captured parts of the path.

use super::error::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The captures of the path as a `T`; what cannot be read is refused with a `detail`.
pub(crate) struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(captured)) => Ok(Self(captured)),
            Err(rejection) => Err(ApiError::new(rejection.status(), format!("{}.", rejection.body_text()))),
        }
    }
}
