//! What can go wrong between this server and a model service.
//!
//! One enum for the crate. Each variant is rendered twice: [`ProviderError::user_message`] for the person in the chat,
//! who can wait, shorten the text or choose another model, and [`ProviderError::operator_message`] for the log and the
//! admin page, which names the connection, the cause and the remedy. Neither ever contains a key.
//!
//! Which error belongs where: a request that never got an answer is `Unreachable`, `Timeout` or `Busy`; an answer with
//! an error status is `Status`, and is passed on as it is to plain API clients; an answer that reports an error inside
//! a success is `Reported`; an answer that is not what was asked for is `Malformed`, `TooLarge` or `Truncated`;
//! `ModelNotFound`, `Configuration` and `InvalidRequest` mean that nothing was sent.

use bytes::Bytes;
use reqwest::StatusCode;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why no connection came about, or why it broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreachableCause {
    /// The host name has no address.
    Dns,
    /// Nothing listens on the address and port.
    Refused,
    /// The TLS handshake failed; most often the certificate is not trusted.
    Tls,
    /// The connection broke before an answer arrived.
    Broken,
    /// Anything else; the detail says what.
    Other,
}

/// Which bound of time was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeBound {
    /// Name resolution, connection and TLS handshake.
    Connect,
    /// The head of the response did not arrive.
    Header,
    /// The whole request took too long.
    Total,
    /// The upstream fell silent inside a reply.
    Idle,
    /// The listing of models took too long.
    ModelList,
    /// A lazily started endpoint did not become ready.
    Start,
    /// The bound that the caller set for this one request.
    Request,
}

impl TimeBound {
    /// The variable that moves the bound, where there is one.
    pub const fn variable(self) -> Option<&'static str> {
        match self {
            Self::Header | Self::Total => Some("AIOHTTP_CLIENT_TIMEOUT"),
            Self::Idle => Some("AIOHTTP_CLIENT_STREAM_IDLE_TIMEOUT"),
            Self::ModelList => Some("AIOHTTP_CLIENT_TIMEOUT_MODEL_LIST"),
            Self::Connect | Self::Start | Self::Request => None,
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Connect => "no connection came about",
            Self::Header => "the answer did not begin",
            Self::Idle => "nothing more arrived",
            Self::ModelList => "the list of models was not complete",
            Self::Start => "it was not ready",
            Self::Total | Self::Request => "the answer was not complete",
        }
    }
}

/// The name of a connection in messages: what it is, its place in the list and its address without credentials.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Label(Arc<str>);

impl Label {
    /// Names a connection; the text must not hold credentials.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// An error of the traffic with model services; see the head of the module for which is which.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.operator_message())]
pub enum ProviderError {
    /// No connection offers the model.
    ModelNotFound {
        /// The id that was asked for.
        model: String,
    },
    /// The connection cannot be used as it is set up.
    Configuration {
        /// The connection.
        connection: Label,
        /// What is wrong, as a sentence without a final stop.
        problem: String,
        /// What to do, as a sentence without a final stop.
        remedy: String,
    },
    /// The request asks for something that this kind of connection cannot do.
    InvalidRequest {
        /// What is wrong, as a full sentence.
        message: String,
    },
    /// No connection came about, or it broke before an answer arrived.
    Unreachable {
        /// The connection.
        connection: Label,
        /// The kind of cause.
        cause: UnreachableCause,
        /// The system's own words for it.
        detail: String,
    },
    /// A bound of time was passed.
    Timeout {
        /// The connection.
        connection: Label,
        /// Which bound.
        bound: TimeBound,
        /// Its length.
        after: Duration,
    },
    /// All connections that a pool limit allows were in use for [`crate::options::POOL_WAIT_TIMEOUT`].
    Busy {
        /// The connection.
        connection: Label,
        /// The variable that holds the limit.
        variable: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The upstream answered with an error status.
    Status {
        /// The connection.
        connection: Label,
        /// The status as the upstream sent it.
        status: StatusCode,
        /// The upstream's own words, extracted from the body.
        message: String,
        /// The body as the upstream sent it, cut at [`crate::options::ERROR_BODY_LIMIT`].
        body: Bytes,
        /// The `content-type` of the body.
        content_type: Option<String>,
    },
    /// The upstream reported an error inside an answer with a success status.
    Reported {
        /// The connection.
        connection: Label,
        /// The upstream's own words.
        message: String,
        /// The JSON text that holds the error.
        body: Bytes,
    },
    /// The answer is not what the protocol prescribes.
    Malformed {
        /// The connection.
        connection: Label,
        /// What was expected and what came, as a sentence without a final stop.
        problem: String,
        /// A short piece of what came.
        excerpt: String,
    },
    /// The answer is larger than the limit.
    TooLarge {
        /// The connection.
        connection: Label,
        /// What was too large: "a line of the stream", "the answer".
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The stream ended without an end mark and without a finish reason.
    Truncated {
        /// The connection.
        connection: Label,
        /// Why it ended, where that is known.
        detail: String,
    },
    /// The caller asked to stop.
    Cancelled,
}

/// The upstream's own error answer, for clients of the plain OpenAI form.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamAnswer<'a> {
    /// The status to pass on.
    pub status: StatusCode,
    /// The body to pass on.
    pub body: &'a Bytes,
    /// The type of the body.
    pub content_type: &'a str,
}

impl ProviderError {
    /// The upstream's own status and body, where there was such an answer.
    pub fn upstream_answer(&self) -> Option<UpstreamAnswer<'_>> {
        match self {
            Self::Status { status, body, content_type, .. } => Some(UpstreamAnswer {
                status: *status,
                body,
                content_type: content_type.as_deref().unwrap_or("application/octet-stream"),
            }),
            Self::Reported { body, .. } => Some(UpstreamAnswer {
                status: StatusCode::BAD_GATEWAY,
                body,
                content_type: "application/json",
            }),
            _ => None,
        }
    }

    /// A short fixed word for metrics and for the admin page.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ModelNotFound { .. } => "model_not_found",
            Self::Configuration { .. } => "configuration",
            Self::InvalidRequest { .. } => "invalid_request",
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Busy { .. } => "busy",
            Self::Status { .. } => "status",
            Self::Reported { .. } => "reported",
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::Truncated { .. } => "truncated",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the connection itself is in doubt, rather than this one request.
    pub fn concerns_connection(&self) -> bool {
        match self {
            Self::Configuration { .. } | Self::Unreachable { .. } | Self::Malformed { .. } => true,
            Self::Timeout { bound, .. } => !matches!(bound, TimeBound::Request),
            Self::Status { status, .. } => {
                matches!(status.as_u16(), 401 | 403 | 404)
                    || status.is_server_error()
                    || status.is_redirection()
            }
            _ => false,
        }
    }

    /// What the person in the chat reads.
    pub fn user_message(&self) -> String {
        match self {
            Self::ModelNotFound { .. } => {
                "Model not found. It may have been removed or its service may be away; choose another model.".into()
            }
            Self::InvalidRequest { message } => message.clone(),
            Self::Configuration { .. } => {
                "The connection to the model service is not set up correctly. Please tell your administrator.".into()
            }
            Self::Unreachable { .. } => {
                "The model service cannot be reached. Try again in a moment, or choose another model; if it stays \
                 away, tell your administrator."
                    .into()
            }
            Self::Timeout { bound: TimeBound::Idle, after, .. } => format!(
                "The model service fell silent: nothing arrived for {}. What came so far is kept; try again.",
                seconds(*after)
            ),
            Self::Timeout { after, .. } => format!(
                "The model service did not answer within {}. Try again, or choose another model.",
                seconds(*after)
            ),
            Self::Busy { .. } => "The model service is busy. Try again in a moment.".into(),
            Self::Status { status, .. } if matches!(status.as_u16(), 401 | 403) => {
                "The model service refused this server's credentials. Please tell your administrator.".into()
            }
            Self::Status { status, message, .. } if status.as_u16() == 429 => {
                with_words("The model service limits how often it can be asked. Try again in a moment", message)
            }
            Self::Status { status, message, .. } => {
                with_words(&format!("The model service answered with an error ({})", status.as_u16()), message)
            }
            Self::Reported { message, .. } => with_words("The model service reported an error", message),
            Self::Malformed { .. } | Self::TooLarge { .. } => {
                "The model service sent something that is not a valid answer. Try again; if it happens again, tell \
                 your administrator."
                    .into()
            }
            Self::Truncated { .. } => {
                "The answer broke off: the model service ended it early. What came so far is kept; try again.".into()
            }
            Self::Cancelled => "The reply was stopped.".into(),
        }
    }

    /// What the operator reads: what was seen at which connection.
    pub fn cause(&self) -> String {
        match self {
            Self::ModelNotFound { model } => format!("No connection offers the model \"{model}\"."),
            Self::Configuration { connection, problem, .. } => format!("{connection}: {problem}."),
            Self::InvalidRequest { message } => message.clone(),
            Self::Unreachable { connection, cause, detail } => {
                let what = match cause {
                    UnreachableCause::Dns => "the host name could not be resolved",
                    UnreachableCause::Refused => "the connection was refused",
                    UnreachableCause::Tls => "the TLS handshake failed",
                    UnreachableCause::Broken => "the connection broke before the answer",
                    UnreachableCause::Other => "it could not be reached",
                };
                format!("{connection}: {what} ({detail}).")
            }
            Self::Timeout { connection, bound, after } => {
                format!("{connection}: {} within {}.", bound.what(), seconds(*after))
            }
            Self::Busy { connection, variable, limit } => format!(
                "{connection}: all {limit} connections that {variable} allows were in use for {}.",
                seconds(crate::options::POOL_WAIT_TIMEOUT)
            ),
            Self::Status { connection, status, message, .. } => {
                with_words(&format!("{connection}: it answered with status {}", status.as_u16()), message)
            }
            Self::Reported { connection, message, .. } => {
                with_words(&format!("{connection}: it reported an error"), message)
            }
            Self::Malformed { connection, problem, excerpt } if excerpt.is_empty() => {
                format!("{connection}: {problem}.")
            }
            Self::Malformed { connection, problem, excerpt } => {
                format!("{connection}: {problem}. It begins: {excerpt:?}.")
            }
            Self::TooLarge { connection, what, limit } => {
                format!("{connection}: {what} is larger than {limit} bytes.")
            }
            Self::Truncated { connection, detail } => format!(
                "{connection}: the stream ended without [DONE] and without a finish reason ({detail})."
            ),
            Self::Cancelled => "The request was cancelled by this server.".into(),
        }
    }

    /// What the operator can do about it.
    pub fn remedy(&self) -> Cow<'static, str> {
        match self {
            Self::ModelNotFound { .. } => {
                "Check the model id and the state of the connections on the admin page.".into()
            }
            Self::Configuration { remedy, .. } => format!("{remedy}.").into(),
            Self::InvalidRequest { .. } => "Change the request.".into(),
            Self::Unreachable { cause, .. } => match cause {
                UnreachableCause::Dns => "Check the host in the base URL and this machine's name resolution.",
                UnreachableCause::Refused => {
                    "Start the model service, or correct host and port of the base URL; in a container, localhost is \
                     the container itself."
                }
                UnreachableCause::Tls => {
                    "Set AIOHTTP_CLIENT_SESSION_SSL to the file of the authority that signed the certificate, or use \
                     the name that the certificate holds."
                }
                UnreachableCause::Broken => {
                    "Look in the log of the model service; a proxy in between may also have closed the connection."
                }
                UnreachableCause::Other => "Check the base URL, the network and the firewall.",
            }
            .into(),
            Self::Timeout { bound, after, .. } => match (bound.variable(), bound) {
                (Some(variable), _) => format!(
                    "If the model service is only slow, raise {variable} (now {} s).",
                    after.as_secs_f64()
                )
                .into(),
                (None, TimeBound::Connect) => {
                    "Check host and port of the base URL, and whether a firewall drops the packets.".into()
                }
                (None, TimeBound::Start) => "Look in this server's log for the output of the local model.".into(),
                (None, _) => "Use a faster model for background work (TASK_MODEL).".into(),
            },
            Self::Busy { variable, .. } => format!("Raise {variable}, or use a faster model service.").into(),
            Self::Status { status, .. } => status_remedy(*status).into(),
            Self::Reported { .. } => "Look in the log of the model service.".into(),
            Self::Malformed { .. } => {
                "Check that the base URL leads to the API (for most services it ends in /v1), not to a web page or a \
                 proxy's error page."
                    .into()
            }
            Self::TooLarge { .. } => "Look at what the model service sends; no chat needs this size.".into(),
            Self::Truncated { .. } => {
                "Look in the log of the model service, and at the time limits of any proxy in between.".into()
            }
            Self::Cancelled => "Nothing needs to be done.".into(),
        }
    }

    /// Cause and remedy in one text, for the log.
    pub fn operator_message(&self) -> String {
        format!("{} {}", self.cause(), self.remedy())
    }
}

fn status_remedy(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => {
            "Enter the final address as base URL, or set AIOHTTP_CLIENT_ALLOW_REDIRECTS=true if you trust it."
        }
        401 | 403 => "Check the API key of this connection and what it may use.",
        404 => "Check the base URL (for most services it ends in /v1) and that the model still exists there.",
        408 | 504 => "The service or a proxy before it gave up waiting; raise the limit there.",
        413 => "The request is too large for the service; send less text or smaller files.",
        429 => "The service limits this key; wait, or raise the limit there.",
        400..=499 => "The service rejected the request itself; its words say why.",
        _ => "The fault is at the service; look in its log or at its status page.",
    }
}

/// Adds the upstream's own words to a sentence that has no final stop.
fn with_words(sentence: &str, words: &str) -> String {
    if words.is_empty() { format!("{sentence}.") } else { format!("{sentence}: {words}") }
}

/// A time for people: `300 s`, `0.2 s`.
fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}
