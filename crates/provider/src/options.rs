//! Bounds and behaviour of everything this crate does on the network.
//!
//! The server fills [`ProviderOptions`] from the environment; each field names its variable. The constants are the
//! bounds that hold where no variable sets one.

use std::path::PathBuf;
use std::time::Duration;

/// Time to resolve a name, connect and finish the TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time until the response head arrives when `AIOHTTP_CLIENT_TIMEOUT` is unset; a large model may load first.
pub const RESPONSE_HEADER_TIMEOUT: Duration = Duration::from_mins(10);
/// Longest silence inside a reply when `AIOHTTP_CLIENT_STREAM_IDLE_TIMEOUT` is unset.
pub const STREAM_IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// Time for one listing of models (`AIOHTTP_CLIENT_TIMEOUT_MODEL_LIST`).
pub const MODEL_LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a lazily started endpoint, such as the local model, to become ready.
pub const LAZY_START_TIMEOUT: Duration = Duration::from_mins(1);
/// Time a request waits for a free connection when a pool limit is set.
pub const POOL_WAIT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the body of an error answer; the status is reported without it afterwards.
pub const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to read what follows `[DONE]`, so that the connection can be used again.
pub const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// Time an idle connection is kept for the next request.
pub const POOL_IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// Time a resolved address is kept (`AIOHTTP_POOL_DNS_TTL`).
pub const DNS_TTL: Duration = Duration::from_mins(5);

/// Longest line of a stream, in bytes.
pub const LINE_LIMIT: usize = 1024 * 1024;
/// Largest whole answer (chat, embeddings), in bytes.
pub const BODY_LIMIT: usize = 64 * 1024 * 1024;
/// Largest listing of models, in bytes.
pub const MODEL_LIST_LIMIT: usize = 16 * 1024 * 1024;
/// How much of an error answer is kept, in bytes.
pub const ERROR_BODY_LIMIT: usize = 64 * 1024;
/// Redirects followed when `AIOHTTP_CLIENT_ALLOW_REDIRECTS` is on.
pub const REDIRECT_LIMIT: usize = 5;

/// How long a listing counts as fresh (`MODELS_CACHE_TTL`).
pub const MODELS_TTL: Duration = Duration::from_secs(1);
/// How long a request waits for the renewal of a list it already has.
pub const REFRESH_GRACE: Duration = Duration::from_millis(300);
/// How long a request waits for a connection that has not been listed yet, while others are known.
pub const FIRST_LISTING_GRACE: Duration = Duration::from_secs(1);
/// Pause between two attempts to list a connection that fails; for as long, another one that offers the same model is
/// preferred to it.
pub const FAILED_LISTING_RETRY: Duration = Duration::from_secs(5);
/// How long the last good list of a failing connection is still offered.
pub const LAST_GOOD_LISTING_KEPT: Duration = Duration::from_mins(15);

/// How upstream certificates are verified (`AIOHTTP_CLIENT_SESSION_SSL`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TlsVerification {
    /// Against the roots of the operating system; against Mozilla's list when the system has none.
    #[default]
    System,
    /// Against the certificates of one PEM file only.
    CaFile(PathBuf),
    /// Not at all: anybody on the path can read keys and chats.
    Off,
}

/// Names of the headers that tell an upstream who asks (`ENABLE_FORWARD_USER_INFO_HEADERS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardHeaders {
    /// `FORWARD_USER_INFO_HEADER_USER_NAME`
    pub user_name: String,
    /// `FORWARD_USER_INFO_HEADER_USER_ID`
    pub user_id: String,
    /// `FORWARD_USER_INFO_HEADER_USER_EMAIL`
    pub user_email: String,
    /// `FORWARD_USER_INFO_HEADER_USER_ROLE`
    pub user_role: String,
    /// `FORWARD_SESSION_INFO_HEADER_CHAT_ID`
    pub chat_id: String,
    /// `FORWARD_SESSION_INFO_HEADER_MESSAGE_ID`
    pub message_id: String,
    /// `FORWARD_USER_INFO_HEADER_JWT`: the one header that replaces the four of the user when a secret is set.
    pub jwt: String,
    /// `FORWARD_USER_INFO_HEADER_JWT_SECRET`
    pub jwt_secret: Option<crate::Secret>,
    /// `FORWARD_USER_INFO_HEADER_JWT_EXPIRES_SECONDS`
    pub jwt_expires: Duration,
}

impl Default for ForwardHeaders {
    fn default() -> Self {
        Self {
            user_name: "X-OpenWebUI-User-Name".into(),
            user_id: "X-OpenWebUI-User-Id".into(),
            user_email: "X-OpenWebUI-User-Email".into(),
            user_role: "X-OpenWebUI-User-Role".into(),
            chat_id: "X-OpenWebUI-Chat-Id".into(),
            message_id: "X-OpenWebUI-Message-Id".into(),
            jwt: "X-OpenWebUI-User-Jwt".into(),
            jwt_secret: None,
            jwt_expires: Duration::from_mins(5),
        }
    }
}

/// How the joined list of models is kept fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogOptions {
    /// `MODELS_CACHE_TTL`; without a value a list is kept until it is refreshed on request.
    pub ttl: Option<Duration>,
    /// See [`REFRESH_GRACE`].
    pub refresh_grace: Duration,
    /// See [`FIRST_LISTING_GRACE`].
    pub first_grace: Duration,
    /// See [`FAILED_LISTING_RETRY`].
    pub failed_retry: Duration,
    /// See [`LAST_GOOD_LISTING_KEPT`].
    pub last_good_kept: Duration,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self {
            ttl: Some(MODELS_TTL),
            refresh_grace: REFRESH_GRACE,
            first_grace: FIRST_LISTING_GRACE,
            failed_retry: FAILED_LISTING_RETRY,
            last_good_kept: LAST_GOOD_LISTING_KEPT,
        }
    }
}

/// Everything about upstream requests that is not a property of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderOptions {
    /// `AIOHTTP_CLIENT_TIMEOUT`: from sending the request to the last byte of the reply.
    pub total_timeout: Option<Duration>,
    /// `AIOHTTP_CLIENT_TIMEOUT_MODEL_LIST`
    pub list_timeout: Duration,
    /// `AIOHTTP_CLIENT_STREAM_IDLE_TIMEOUT`; none means that a silent upstream is waited for without end.
    pub idle_timeout: Option<Duration>,
    /// See [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// See [`RESPONSE_HEADER_TIMEOUT`]; only used while `total_timeout` is unset.
    pub header_timeout: Duration,
    /// `AIOHTTP_CLIENT_SESSION_SSL`
    pub tls: TlsVerification,
    /// `AIOHTTP_CLIENT_ALLOW_REDIRECTS`
    pub follow_redirects: bool,
    /// `AIOHTTP_POOL_CONNECTIONS`: requests at one time over all upstreams; none is no limit.
    pub pool_connections: Option<usize>,
    /// `AIOHTTP_POOL_CONNECTIONS_PER_HOST`: requests at one time to one host; none is no limit.
    pub pool_connections_per_host: Option<usize>,
    /// `AIOHTTP_POOL_DNS_TTL`; none resolves for each new connection.
    pub dns_ttl: Option<Duration>,
    /// Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are honoured; loopback addresses are always direct.
    pub proxy_from_environment: bool,
    /// Set when `ENABLE_FORWARD_USER_INFO_HEADERS` is true.
    pub forward_headers: Option<ForwardHeaders>,
    /// How the joined list of models is kept fresh.
    pub catalog: CatalogOptions,
}

impl Default for ProviderOptions {
    fn default() -> Self {
        Self {
            total_timeout: None,
            list_timeout: MODEL_LIST_TIMEOUT,
            idle_timeout: Some(STREAM_IDLE_TIMEOUT),
            connect_timeout: CONNECT_TIMEOUT,
            header_timeout: RESPONSE_HEADER_TIMEOUT,
            tls: TlsVerification::System,
            follow_redirects: false,
            pool_connections: None,
            pool_connections_per_host: None,
            dns_ttl: Some(DNS_TTL),
            proxy_from_environment: true,
            forward_headers: None,
            catalog: CatalogOptions::default(),
        }
    }
}
