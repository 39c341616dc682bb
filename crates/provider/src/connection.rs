//! One connection to a model service, as an operator sets it up.

use crate::error::{Label, ProviderError};
use crate::secret::Secret;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use url::Url;

/// The protocol that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionKind {
    /// The OpenAI HTTP API, also that of the local model.
    OpenAi,
    /// Ollama's own HTTP API.
    Ollama,
}

/// Starts a service on first use and says where it listens; called for each request, so it must be cheap when the
/// service already runs.
pub type StartEndpoint = Arc<dyn Fn() -> BoxFuture<'static, Result<Url, ProviderError>> + Send + Sync>;

/// Where a connection leads.
#[derive(Clone)]
pub enum Endpoint {
    /// A base URL, such as `https://api.openai.com/v1`.
    Fixed(Url),
    /// A base URL that is known once a service has been started; see [`StartEndpoint`].
    Lazy(StartEndpoint),
    /// A text that is no usable URL; kept, so that the admin page can say so.
    Invalid {
        /// What was entered, without credentials.
        given: String,
        /// Why it cannot be used.
        reason: String,
    },
}

impl Endpoint {
    /// Reads a base URL; a trailing `/` does not matter.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Self::Fixed(url),
            Ok(url) => Self::Invalid {
                given: shown(&url),
                reason: format!("it begins with \"{}:\" and not with http:// or https://", url.scheme()),
            },
            // The text is not shown: what cannot be parsed cannot be cleared of credentials either.
            Err(error) => Self::Invalid { given: "the base URL".into(), reason: error.to_string() },
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fixed(one), Self::Fixed(two)) => one == two,
            (Self::Lazy(one), Self::Lazy(two)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(url) => write!(formatter, "Fixed({})", shown(url)),
            Self::Lazy(_) => formatter.write_str("Lazy"),
            Self::Invalid { given, reason } => write!(formatter, "Invalid({given}: {reason})"),
        }
    }
}

/// The URL without user, password and query, which may hold keys.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs without a host, which have no credentials to remove.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// How a connection proves itself to the upstream (`auth_type`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AuthType {
    /// `Authorization: Bearer <key>`, or `api-key: <key>` for Azure; nothing when the key is empty.
    #[default]
    Bearer,
    /// No credentials.
    None,
    /// A type that needs more than a key; requests fail with an explanation.
    Unsupported(String),
}

impl<'de> Deserialize<'de> for AuthType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        Ok(match name.as_deref().map(str::trim) {
            None | Some("" | "bearer" | "api_key") => Self::Bearer,
            Some("none") => Self::None,
            Some(other) => Self::Unsupported(other.to_owned()),
        })
    }
}

/// Per-connection settings: one value of `OPENAI_API_CONFIGS` or `OLLAMA_API_CONFIGS`.
///
/// Unknown members are ignored and `null` counts as absent, so that stored settings of other versions can be read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ConnectionConfig {
    /// Whether the connection is used.
    #[serde(deserialize_with = "true_by_default")]
    pub enable: bool,
    /// Put before each model id as `prefix.model`.
    #[serde(deserialize_with = "or_default")]
    pub prefix_id: String,
    /// Tags of each model.
    #[serde(deserialize_with = "tags")]
    pub tags: Vec<String>,
    /// The models to offer; when set, the upstream is not asked for its list.
    #[serde(deserialize_with = "or_default")]
    pub model_ids: Vec<String>,
    /// `external` or `local`, shown beside the model.
    #[serde(deserialize_with = "or_default")]
    pub connection_type: String,
    /// How requests are authorised.
    pub auth_type: AuthType,
    /// Further headers; values may hold placeholders such as `{{USER_ID}}` (see [`crate::RequestContext`]).
    #[serde(deserialize_with = "headers")]
    pub headers: BTreeMap<String, Secret>,
    /// Whether the upstream is Azure OpenAI.
    #[serde(deserialize_with = "or_default")]
    pub azure: bool,
    /// Azure's `api-version`.
    #[serde(deserialize_with = "or_default")]
    pub api_version: String,
    /// A name for the product behind the connection, shown with the model.
    #[serde(deserialize_with = "or_default")]
    pub provider: String,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            enable: true,
            prefix_id: String::new(),
            tags: Vec::new(),
            model_ids: Vec::new(),
            connection_type: String::new(),
            auth_type: AuthType::Bearer,
            headers: BTreeMap::new(),
            azure: false,
            api_version: String::new(),
            provider: String::new(),
        }
    }
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn true_by_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(deserializer)?.unwrap_or(true))
}

fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tag {
        Name(String),
        Object { name: String },
    }
    let tags = Option::<Vec<Tag>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(tags
        .into_iter()
        .map(|tag| match tag {
            Tag::Name(name) | Tag::Object { name } => name,
        })
        .collect())
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Secret>, D::Error> {
    let headers =
        Option::<BTreeMap<String, serde_json::Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(headers
        .into_iter()
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, text.into()),
            other => (name, other.to_string().into()),
        })
        .collect())
}

/// A model that is offered without asking the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticModel {
    /// The id at the upstream.
    pub id: String,
    /// The name that people see.
    pub name: String,
}

/// One connection to a model service.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its place in the operator's list of this kind, from 0 (`urlIdx`).
    pub index: usize,
    /// The protocol.
    pub kind: ConnectionKind,
    /// Where it leads.
    pub endpoint: Endpoint,
    /// The key; may be empty.
    pub key: Secret,
    /// Its settings.
    pub config: ConnectionConfig,
    /// Models offered without asking the upstream; `config.model_ids` does the same for ids alone.
    pub static_models: Vec<StaticModel>,
}

impl Connection {
    /// An OpenAI-compatible service.
    pub fn openai(index: usize, base_url: &str, key: impl Into<Secret>, config: ConnectionConfig) -> Self {
        Self {
            index,
            kind: ConnectionKind::OpenAi,
            endpoint: Endpoint::parse(base_url),
            key: key.into(),
            config,
            static_models: Vec::new(),
        }
    }

    /// An Ollama service.
    pub fn ollama(index: usize, base_url: &str, key: impl Into<Secret>, config: ConnectionConfig) -> Self {
        Self { kind: ConnectionKind::Ollama, ..Self::openai(index, base_url, key, config) }
    }

    /// A service that `start` brings up on first use; its models are given, so listing does not start it.
    pub fn local(index: usize, start: StartEndpoint, models: Vec<StaticModel>) -> Self {
        Self {
            index,
            kind: ConnectionKind::OpenAi,
            endpoint: Endpoint::Lazy(start),
            key: Secret::default(),
            config: ConnectionConfig { connection_type: "local".into(), ..ConnectionConfig::default() },
            static_models: models,
        }
    }

    /// The name of the connection in messages.
    pub fn label(&self) -> Label {
        let kind = match self.kind {
            ConnectionKind::OpenAi => "OpenAI-compatible connection",
            ConnectionKind::Ollama => "Ollama connection",
        };
        match &self.endpoint {
            Endpoint::Fixed(url) => Label::new(format!("{kind} {} ({})", self.index, shown(url))),
            Endpoint::Lazy(_) => Label::new("The local model"),
            Endpoint::Invalid { .. } => Label::new(format!("{kind} {}", self.index)),
        }
    }

    /// The name of a connection that is only tried out.
    pub(crate) fn trial_label(&self) -> Label {
        Label::new(match self.shown_url() {
            url if url.is_empty() => "The connection".to_owned(),
            url => format!("The connection to {url}"),
        })
    }

    /// The texts that must not come back in an error: the key, and the values of headers that hold no placeholder.
    pub(crate) fn secrets(&self) -> Arc<[Secret]> {
        let headers = self.config.headers.values().filter(|value| !value.reveal().contains("{{"));
        [&self.key].into_iter().chain(headers).filter(|secret| !secret.is_empty()).cloned().collect()
    }

    /// Its address for people, without credentials.
    pub fn shown_url(&self) -> String {
        match &self.endpoint {
            Endpoint::Fixed(url) => shown(url),
            Endpoint::Lazy(_) => String::new(),
            Endpoint::Invalid { given, .. } => given.clone(),
        }
    }

    /// Whether both lead to the same models, so that what is known about one holds for the other.
    pub(crate) fn same_source(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.index == other.index
            && self.endpoint.same(&other.endpoint)
            && self.key == other.key
            && self.config == other.config
            && self.static_models == other.static_models
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_other_versions_are_read() {
        let config: ConnectionConfig = serde_json::from_str(
            r#"{"enable":null,"tags":[{"name":"fast"},"cheap"],"prefix_id":null,"model_ids":["a"],"auth_type":"session",
                "headers":{"x-number":7},"passthrough_params":[],"forward_cookies":false}"#,
        )
        .unwrap();
        assert!(config.enable);
        assert_eq!(config.tags, ["fast", "cheap"]);
        assert_eq!(config.prefix_id, "");
        assert_eq!(config.auth_type, AuthType::Unsupported("session".into()));
        assert_eq!(config.headers["x-number"].reveal(), "7");
        assert_eq!(serde_json::from_str::<ConnectionConfig>("{}").unwrap(), ConnectionConfig::default());
    }

    #[test]
    fn labels_hold_no_credentials() {
        let config = serde_json::from_str(r#"{"headers":{"Authorization":"Token sk-3"}}"#).unwrap();
        let connection = Connection::openai(2, "https://user:pass@host:8443/v1/?key=sk-1#x", "sk-2", config);
        let text = format!("{} {connection:?}", connection.label());
        assert!(text.starts_with("OpenAI-compatible connection 2 (https://host:8443/v1)"), "{text}");
        for secret in ["user", "pass@", "sk-1", "sk-2", "sk-3"] {
            assert!(!text.contains(secret), "{text}");
        }
    }

    #[test]
    fn an_unusable_base_url_is_kept_with_its_reason() {
        for text in ["", "localhost:11434", "ftp://host/", "http://", "not a url"] {
            assert!(matches!(Endpoint::parse(text), Endpoint::Invalid { .. }), "{text}");
        }
    }
}
