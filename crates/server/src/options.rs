//! The configuration, in the words of each crate.

use antiphon_config::{AllowedOrigins, Config, DatabaseUrl, ProviderTls, SqliteFile};
use antiphon_provider::options::STREAM_IDLE_TIMEOUT;
use antiphon_provider::{CatalogOptions, ForwardHeaders, ProviderOptions, Secret, TlsVerification};
use antiphon_realtime::{OriginRule, RealtimeConfig, TransportMode};
use antiphon_storage::{DatabaseOptions, SqliteSettings};

/// How the database is reached and used.
pub(crate) fn database(config: &Config) -> DatabaseOptions {
    let database = &config.database;
    let url = match &database.url {
        DatabaseUrl::Sqlite(SqliteFile::Path(path)) => format!("sqlite:///{}", path.display()),
        DatabaseUrl::Sqlite(SqliteFile::Memory) => "sqlite://".to_owned(),
        DatabaseUrl::Postgres(url) => url.connection_string().reveal().to_owned(),
    };
    let mut options = DatabaseOptions::new(url);
    options.schema.clone_from(&database.schema);
    options.pool_size = database.pool.size;
    options.pool_max_overflow = database.pool.overflow;
    options.pool_timeout = database.pool.timeout;
    options.pool_recycle = database.pool.recycle;
    let sqlite = &database.sqlite;
    options.sqlite = SqliteSettings {
        wal: sqlite.wal,
        synchronous: sqlite.synchronous.clone(),
        busy_timeout: sqlite.busy_timeout.clone(),
        cache_size: sqlite.cache_size.clone(),
        temp_store: sqlite.temp_store.clone(),
        mmap_size: sqlite.mmap_size.clone(),
        journal_size_limit: sqlite.journal_size_limit.clone(),
    };
    options
}

/// The bounds of the sockets.
pub(crate) fn realtime(config: &Config) -> RealtimeConfig {
    let websocket = &config.websocket;
    let defaults = RealtimeConfig::default();
    RealtimeConfig {
        transport: if websocket.enabled { TransportMode::WebSocket } else { TransportMode::Polling },
        origins: match &config.cors.origins {
            AllowedOrigins::Any => OriginRule::Any,
            AllowedOrigins::Listed(origins) => {
                OriginRule::Only(origins.iter().map(|origin| origin.as_str().to_owned()).collect())
            }
        },
        ping_interval: websocket.ping_interval,
        ping_timeout: websocket.ping_timeout,
        ack_time_limit: websocket.event_call_timeout.unwrap_or(defaults.ack_time_limit),
        ..defaults
    }
}

/// How model services are called.
pub(crate) fn providers(config: &Config) -> ProviderOptions {
    let providers = &config.providers;
    let forward_headers = providers.forward_user.then(|| ForwardHeaders {
        user_name: providers.header_user_name.clone(),
        user_id: providers.header_user_id.clone(),
        user_email: providers.header_user_email.clone(),
        user_role: providers.header_user_role.clone(),
        chat_id: providers.header_chat_id.clone(),
        message_id: providers.header_message_id.clone(),
        jwt: providers.header_jwt.clone(),
        jwt_secret: providers.jwt_secret.as_ref().map(|secret| Secret::new(secret.reveal())),
        jwt_expires: providers.jwt_lifetime,
    });
    ProviderOptions {
        total_timeout: providers.total_timeout,
        list_timeout: providers.model_list_timeout,
        idle_timeout: Some(providers.stream_idle_timeout.unwrap_or(STREAM_IDLE_TIMEOUT)),
        tls: match &providers.tls {
            ProviderTls::System => TlsVerification::System,
            ProviderTls::Authorities(path) => TlsVerification::CaFile(path.clone()),
            ProviderTls::Unchecked => TlsVerification::Off,
        },
        follow_redirects: providers.follow_redirects,
        pool_connections: providers.pool_connections,
        pool_connections_per_host: providers.pool_connections_per_host,
        dns_ttl: Some(providers.dns_ttl).filter(|ttl| !ttl.is_zero()),
        forward_headers,
        catalog: CatalogOptions { ttl: providers.models_ttl, ..CatalogOptions::default() },
        ..ProviderOptions::default()
    }
}
