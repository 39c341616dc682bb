//! How model services are called. Which ones are called is a setting: see `settings::connections`.

use std::path::PathBuf;
use std::time::Duration;

use crate::registry::{section, variable};
use crate::rules::{Bool, Expiry, HeaderName, Parsed, Rule, SecretText, Span, Whole, optional};
use crate::secret::Secret;

/// How the certificates of providers are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderTls {
    /// Against the authorities that the system trusts.
    System,
    /// Against the authorities in this PEM file.
    Authorities(PathBuf),
    /// Not at all.
    Unchecked,
}

section! {
    /// How model services are called.
    pub struct Providers, "Model services" {
        /// Seconds that a request may take in all; empty for no limit of the whole.
        total_timeout: Option<Duration> =
            variable("AIOHTTP_CLIENT_TIMEOUT", optional(Span::seconds().whole().bad_gives(300)));
        /// Seconds that listing the models of one service may take.
        model_list_timeout: Duration = variable("AIOHTTP_CLIENT_TIMEOUT_MODEL_LIST", Span::seconds().whole()).or("10");
        /// Seconds of silence after which a streamed answer counts as broken; empty or 0 for the built-in limit.
        stream_idle_timeout: Option<Duration> = variable("AIOHTTP_CLIENT_STREAM_IDLE_TIMEOUT", Expiry::new());
        /// Checks certificates of services: true, false, or a file with the authorities to trust.
        tls: ProviderTls = variable("AIOHTTP_CLIENT_SESSION_SSL", ProviderTlsRule).or("true");
        /// Follows redirects of services.
        follow_redirects: bool = variable("AIOHTTP_CLIENT_ALLOW_REDIRECTS", Bool).or("false");
        /// Requests to all services at one time; empty for no limit.
        pool_connections: Option<usize> =
            variable("AIOHTTP_POOL_CONNECTIONS", optional(Whole::lenient().at_least(1).at_most(1_000_000)));
        /// Requests to one service at one time; empty for no limit.
        pool_connections_per_host: Option<usize> =
            variable("AIOHTTP_POOL_CONNECTIONS_PER_HOST", optional(Whole::lenient().at_least(1).at_most(1_000_000)));
        /// Seconds that a resolved address is kept.
        dns_ttl: Duration = variable("AIOHTTP_POOL_DNS_TTL", Span::seconds().whole().or_zero()).or("300");
        /// Seconds that the list of models counts as fresh; empty keeps it until somebody asks for a new one.
        models_ttl: Option<Duration> =
            variable("MODELS_CACHE_TTL", optional(Span::seconds().whole().or_zero().strict())).or("1");
        /// Passes unknown paths under `/openai` on to the service.
        openai_passthrough: bool = variable("ENABLE_OPENAI_API_PASSTHROUGH", Bool).or("false").reserved();
        /// Tells services who asks, in the headers below.
        forward_user: bool = variable("ENABLE_FORWARD_USER_INFO_HEADERS", Bool).or("false");
        /// Header with the user's name.
        header_user_name: String = variable("FORWARD_USER_INFO_HEADER_USER_NAME", HeaderName).or("X-OpenWebUI-User-Name");
        /// Header with the user's id.
        header_user_id: String = variable("FORWARD_USER_INFO_HEADER_USER_ID", HeaderName).or("X-OpenWebUI-User-Id");
        /// Header with the user's e-mail address.
        header_user_email: String = variable("FORWARD_USER_INFO_HEADER_USER_EMAIL", HeaderName).or("X-OpenWebUI-User-Email");
        /// Header with the user's role.
        header_user_role: String = variable("FORWARD_USER_INFO_HEADER_USER_ROLE", HeaderName).or("X-OpenWebUI-User-Role");
        /// Header with the chat's id.
        header_chat_id: String = variable("FORWARD_SESSION_INFO_HEADER_CHAT_ID", HeaderName).or("X-OpenWebUI-Chat-Id");
        /// Header with the message's id.
        header_message_id: String =
            variable("FORWARD_SESSION_INFO_HEADER_MESSAGE_ID", HeaderName).or("X-OpenWebUI-Message-Id");
        /// Header with a signed token that replaces the four of the user when the secret below is set.
        header_jwt: String = variable("FORWARD_USER_INFO_HEADER_JWT", HeaderName).or("X-OpenWebUI-User-Jwt");
        /// Secret that signs this token.
        jwt_secret: Option<Secret> = variable("FORWARD_USER_INFO_HEADER_JWT_SECRET", optional(SecretText)).secret();
        /// Seconds that this token is valid.
        jwt_lifetime: Duration =
            variable("FORWARD_USER_INFO_HEADER_JWT_EXPIRES_SECONDS", Span::seconds().whole()).or("300");
    }
}

/// `true`, `false` or a path.
#[derive(Clone, Copy, Debug)]
struct ProviderTlsRule;

impl Rule for ProviderTlsRule {
    type Value = ProviderTls;

    fn allowed(&self) -> String {
        "true, false, or the path of a PEM file".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<ProviderTls> {
        match text.trim().to_lowercase().as_str() {
            "true" => Parsed::Value(ProviderTls::System),
            "false" => Parsed::Noticed(
                ProviderTls::Unchecked,
                "certificates of model services are not checked, so anybody on the way can read keys and chats. Name a file with your own authority instead.".to_owned(),
            ),
            _ if std::path::Path::new(text.trim()).is_file() => Parsed::Value(ProviderTls::Authorities(text.trim().into())),
            _ => Parsed::Wrong("is neither true nor false nor an existing file".to_owned()),
        }
    }

    fn show(&self, value: &ProviderTls) -> String {
        match value {
            ProviderTls::System => "true".to_owned(),
            ProviderTls::Unchecked => "false".to_owned(),
            ProviderTls::Authorities(path) => path.display().to_string(),
        }
    }
}
