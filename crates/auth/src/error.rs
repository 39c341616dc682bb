//! Why somebody is refused, with what the refusal means over HTTP.
//!
//! Each variant is one answer to a client; [`AuthError::status`] is its HTTP status and its text the `detail`. The
//! texts never tell an unknown account from a wrong password. What failed inside (SQL, a task that died) is kept as
//! the source of [`AuthError::Internal`] for the log and is not shown.

use std::sync::Arc;
use std::time::Duration;

/// A refusal.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No token came with the request.
    #[error("Not authenticated")]
    NotAuthenticated,
    /// The token is malformed, forged, expired or revoked, or its account is gone, deactivated or has ended its
    /// sessions.
    #[error("Invalid token")]
    InvalidToken,
    /// The role of the account does not reach this far (a pending account, or a user where only an administrator
    /// may go).
    #[error("Your account is not allowed to do this. Ask an administrator for access.")]
    RoleTooLow,
    /// The account lacks a permission.
    #[error("Your account lacks the permission {permission:?}. Ask an administrator for it.")]
    PermissionDenied {
        /// Dotted name, such as `features.api_keys`.
        permission: &'static str,
    },
    /// API keys are switched off.
    #[error("API keys are switched off on this server.")]
    ApiKeysDisabled,
    /// The route is not open to API keys.
    #[error("This address cannot be used with an API key.")]
    ApiKeyNotAllowedHere,
    /// Unknown account, deactivated account or wrong password: nobody learns which.
    #[error("The e-mail address or the password is wrong.")]
    WrongCredentials,
    /// The current password given for a change is wrong.
    #[error("The current password is wrong.")]
    WrongPassword,
    /// Too many attempts.
    #[error("Too many attempts. Try again in {} seconds.", .retry_after.as_secs())]
    TooManyAttempts {
        /// When the next attempt may succeed.
        retry_after: Duration,
    },
    /// The new password is empty.
    #[error("The password is empty.")]
    PasswordEmpty,
    /// The new password has more bytes than the hash takes.
    #[error("The password is longer than {limit} bytes.")]
    PasswordTooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// The new password does not satisfy the server's rule.
    #[error("{hint}")]
    PasswordTooWeak {
        /// What the rule asks for, as the operator words it.
        hint: String,
    },
    /// The e-mail address has not the form of one.
    #[error("This is not a valid e-mail address.")]
    InvalidEmail,
    /// So many passwords are being checked that this one would wait too long.
    #[error("The server is busy checking passwords. Try again in a moment.")]
    Busy,
    /// The database is away and the answer is not in memory.
    #[error("The server cannot reach its database right now. Try again in a moment.")]
    Unavailable,
    /// A fault of the server.
    #[error("The server failed to do this. The log of the server says why.")]
    Internal(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl AuthError {
    /// A fault of the server with its cause.
    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(cause))
    }

    /// The HTTP status that goes with the refusal.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotAuthenticated | Self::InvalidToken | Self::RoleTooLow => 401,
            Self::PermissionDenied { .. } | Self::ApiKeysDisabled | Self::ApiKeyNotAllowedHere => 403,
            Self::WrongCredentials
            | Self::WrongPassword
            | Self::PasswordEmpty
            | Self::PasswordTooLong { .. }
            | Self::PasswordTooWeak { .. }
            | Self::InvalidEmail => 400,
            Self::TooManyAttempts { .. } => 429,
            Self::Busy | Self::Unavailable => 503,
            Self::Internal(_) => 500,
        }
    }

    /// Seconds for a `Retry-After` header, when trying again later can help.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyAttempts { retry_after } => Some(retry_after.as_secs().max(1)),
            Self::Busy | Self::Unavailable => Some(1),
            _ => None,
        }
    }
}

/// Result of everything that may be refused.
pub type Result<T, E = AuthError> = std::result::Result<T, E>;
