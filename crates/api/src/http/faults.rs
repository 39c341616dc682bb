//! How the errors of the other crates are answered.

use super::error::ApiError;
use crate::settings::SettingsError;
use antiphon_auth::AuthError;
use antiphon_config::SettingError;
use antiphon_generation::GenerationError;
use antiphon_storage::{ErrorKind, StorageError};
use axum::http::StatusCode;
use std::time::Duration;

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::not_found(error.to_string()),
            // Whether somebody else has it is nobody's business.
            ErrorKind::Forbidden => Self::not_found(StorageError::ChatNotFound.to_string()),
            ErrorKind::Conflict | ErrorKind::Invalid => Self::bad_request(error.to_string()),
            ErrorKind::TooLarge => Self::too_large(error.to_string()),
            ErrorKind::Unavailable => {
                Self::unavailable("The server cannot reach its database right now. Try again in a moment.")
            }
            ErrorKind::Internal => Self::internal(&error),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match (status, error.retry_after()) {
            (StatusCode::INTERNAL_SERVER_ERROR, _) => Self::internal(&error),
            (StatusCode::TOO_MANY_REQUESTS, Some(seconds)) => {
                Self::too_many(error.to_string(), Duration::from_secs(seconds))
            }
            (StatusCode::SERVICE_UNAVAILABLE, _) => Self::unavailable(error.to_string()),
            _ => Self::new(status, error.to_string()),
        }
    }
}

impl From<SettingsError> for ApiError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Value(error) => error.into(),
            SettingsError::Storage(error) => error.into(),
        }
    }
}

impl From<SettingError> for ApiError {
    fn from(error: SettingError) -> Self {
        Self::unprocessable("value_error", &["body"], error.to_string())
    }
}

impl From<GenerationError> for ApiError {
    fn from(error: GenerationError) -> Self {
        match error {
            GenerationError::AnswerCount { .. } | GenerationError::Question(_) => {
                Self::bad_request(error.to_string())
            }
            GenerationError::AlreadyWriting => Self::conflict(error.to_string()),
            GenerationError::ShuttingDown => Self::unavailable(error.to_string()),
            GenerationError::State(error) => Self::too_many(error.to_string(), Duration::from_secs(1)),
            GenerationError::Storage(error) => error.into(),
        }
    }
}
