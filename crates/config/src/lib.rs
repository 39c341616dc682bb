//! The configuration: environment variables, their defaults, and the settings seeded from them.
//!
//! Every variable is declared once, in a table under `sections` or `settings`. From the tables come the values
//! ([`load`]), the report of `antiphon config print` ([`Report`]), the page `docs/reference/environment.md`
//! ([`reference_markdown`]) and the search for misspelt names. No other crate reads the environment.

mod dotenv;
mod environment;
mod error;
mod load;
mod notice;
mod registry;
mod rules;
mod secret;
pub mod secret_key;
mod sections;
pub mod settings;
mod values;

pub use environment::Environment;
pub use error::{ConfigError, ConfigErrors, SecretKeyError, SettingError};
pub use load::{Config, Loaded, load};
pub use notice::{Notice, Severity};
pub use registry::reference::reference_markdown;
pub use registry::report::{Origin, Report, Row};
pub use secret::Secret;
pub use sections::auth::{Auth, PasswordHash, SameSite};
pub use sections::cors::Cors;
pub use sections::database::{Database, DatabasePool, Sqlite};
pub use sections::features::Features;
pub use sections::headers::SecurityHeaders;
pub use sections::local_model::LocalModel;
pub use sections::logging::{LogFormat, LogLevel, Logging};
pub use sections::oauth::OAuth;
pub use sections::persistence::Persistence;
pub use sections::providers::{ProviderTls, Providers};
pub use sections::redis::{Redis, Topology};
pub use sections::replies::Replies;
pub use sections::server::{Mode, Server};
pub use sections::websocket::{SocketManager, WebSocket};
pub use settings::Settings;
pub use settings::connections::{Connection, Ollama, OpenAi};
pub use settings::features::{ChannelReply, FeatureSettings};
pub use settings::general::{Interface, SignIn};
pub use settings::models::Models;
pub use settings::oauth::{Claims as OAuthClaims, IdentityProvider, OAuthSettings};
pub use settings::permissions::{
    ChatPermissions, FeaturePermissions, GrantPermissions, Permissions, SettingsPermissions,
    SharingPermissions, WorkspacePermissions,
};
pub use settings::tasks::Tasks;
pub use values::{
    AllowedOrigins, ApiKeys, Banner, CertificateCheck, ClientAuthentication, ClientSecret, CodeChallenge,
    DatabaseUrl, GroupShare, Host, LifetimeError, Limit, Network, PasswordPattern, PostgresUrl,
    PromptSuggestion, RedisTls, RedisUrl, Seconds, SqliteFile, TokenLifetime, TrustedProxies, UserRole,
    WebAddress, WebOrigin,
};
