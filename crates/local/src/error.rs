//! What can go wrong, said once for the log and for the client.
//!
//! `Invalid`, `UnknownModel`, `Unauthorised`, `TooLarge` and `ContextLength` are the caller's to fix; `Busy` passes by itself; `Missing` and
//! `Unreadable` are the operator's; `Compute` and `Internal` are faults of this program. [`LocalError::status`] and
//! [`LocalError::code`] give the place of each in the OpenAI error format.

use std::path::PathBuf;

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The request is not one that this server understands.
    #[error("{0}")]
    Invalid(String),
    /// The request names a model that is not here.
    #[error("The model `{model}` is not served here. Available: {available}.")]
    UnknownModel {
        /// The name in the request.
        model: String,
        /// The names that would work, joined by commas.
        available: String,
    },
    /// The bearer token is missing or wrong.
    #[error(
        "The bearer token is missing or wrong. It must equal ANTIPHON_LOCAL_TOKEN of the local model's process."
    )]
    Unauthorised,
    /// The path does not exist, or not with this method.
    #[error("There is no {method} {path} here.")]
    UnknownRoute {
        /// The method of the request.
        method: String,
        /// The path of the request.
        path: String,
    },
    /// The body is larger than the limit.
    #[error("The request body is larger than {limit} bytes. Send less text.")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The system prompt and the newest message alone are too long for the model.
    #[error(
        "The system prompt and the newest message have {} tokens together; this small model has room for {limit}. Shorten them or choose a larger model.",
        count_text(*.tokens)
    )]
    ContextLength {
        /// How many tokens they have; `None` when counting was not worth it.
        tokens: Option<usize>,
        /// How many fit.
        limit: usize,
    },
    /// Too many requests are waiting already.
    #[error(
        "The local model answers one request at a time and {waiting} are waiting already. Try again in a few seconds."
    )]
    Busy {
        /// How many are waiting.
        waiting: usize,
    },
    /// A request waited longer than the limit for its turn.
    #[error(
        "The local model was busy with other requests for {seconds} s. Try again, or choose another model."
    )]
    WaitedTooLong {
        /// The limit in seconds.
        seconds: u64,
    },
    /// A file of the model is not there.
    #[error("The local model is not installed: {} is missing. Run scripts/fetch-local-model and give the folder it prints as --model-dir.", .path.display())]
    Missing {
        /// The file that is missing.
        path: PathBuf,
    },
    /// A file of the model is there but cannot be used.
    #[error("The local model's file {} cannot be used: {reason}. Remove its folder and run scripts/fetch-local-model again.", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The arithmetic of the model failed.
    #[error("The local model failed while computing: {0}. The details are in its log.")]
    Compute(#[from] candle_core::Error),
    /// Something that should not happen did.
    #[error("The local model's process failed: {0}. The details are in its log.")]
    Internal(String),
    /// The address to listen on is not usable.
    #[error("Cannot listen on {address}: {source}. Choose another --port, or 0 for any free one.")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Reading or writing outside the model's files failed.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

fn count_text(tokens: Option<usize>) -> String {
    tokens.map_or_else(|| "far too many".to_owned(), |tokens| tokens.to_string())
}

impl LocalError {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) | Self::ContextLength { .. } => 400,
            Self::Unauthorised => 401,
            Self::UnknownModel { .. } | Self::UnknownRoute { .. } => 404,
            Self::TooLarge { .. } => 413,
            Self::Busy { .. } | Self::WaitedTooLong { .. } => 429,
            Self::Missing { .. } | Self::Unreadable { .. } => 503,
            Self::Compute(_) | Self::Internal(_) | Self::Listen { .. } | Self::Io { .. } => 500,
        }
    }

    /// The `type` field of the OpenAI error format.
    pub fn kind(&self) -> &'static str {
        match self.status() {
            401 => "authentication_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// The `code` field of the OpenAI error format.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::ContextLength { .. } => "context_length_exceeded",
            Self::Unauthorised => "invalid_api_key",
            Self::UnknownModel { .. } => "model_not_found",
            Self::UnknownRoute { .. } => "unknown_route",
            Self::TooLarge { .. } => "request_too_large",
            Self::Busy { .. } | Self::WaitedTooLong { .. } => "model_busy",
            Self::Missing { .. } => "model_not_installed",
            Self::Unreadable { .. } => "model_unreadable",
            Self::Compute(_) => "model_failed",
            Self::Internal(_) | Self::Listen { .. } | Self::Io { .. } => "internal_error",
        }
    }

    /// True when the fault lies here and belongs in the log.
    pub fn is_ours(&self) -> bool {
        self.status() >= 500
    }
}
