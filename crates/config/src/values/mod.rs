//! Typed values with a grammar of their own.

mod api_keys;
mod database_url;
mod forms;
mod host_list;
mod limit;
mod oauth;
mod origin;
mod password_pattern;
mod redis_url;
mod token_lifetime;
mod trusted_proxies;

pub use api_keys::ApiKeys;
pub use database_url::{DatabaseUrl, PostgresUrl, SqliteFile};
pub use forms::{Banner, PromptSuggestion, UserRole};
pub use host_list::Host;
pub use limit::Limit;
pub use oauth::{ClientAuthentication, ClientSecret, CodeChallenge, GroupShare, Seconds, WebAddress};
pub use origin::{AllowedOrigins, WebOrigin};
pub use password_pattern::PasswordPattern;
pub use redis_url::{CertificateCheck, RedisTls, RedisUrl};
pub use token_lifetime::{LifetimeError, TokenLifetime};
pub use trusted_proxies::{Network, TrustedProxies};

pub(crate) use api_keys::ApiKeysRule;
pub(crate) use database_url::ALLOWED as DATABASE_URL_FORMS;
pub(crate) use forms::ROLES;
pub(crate) use host_list::HostsRule;
pub(crate) use limit::LimitRule;
pub(crate) use oauth::{
    AUTHENTICATIONS, CHALLENGES, ClientSecretRule, GroupShareRule, SecondsRule, WebAddressRule,
};
pub(crate) use password_pattern::PasswordPatternRule;
pub(crate) use redis_url::RedisUrlRule;
pub(crate) use token_lifetime::TokenLifetimeRule;
pub(crate) use trusted_proxies::TrustedProxiesRule;
