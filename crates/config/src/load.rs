//! Reads the whole configuration.

use crate::environment::Environment;
use crate::error::{ConfigError, ConfigErrors};
use crate::notice::Notice;
use crate::registry::report::{Origin, Report, Row};
use crate::registry::{Entry, Reader, unknown_names};
use crate::sections::auth::Auth;
use crate::sections::cors::Cors;
use crate::sections::database::Database;
use crate::sections::features::Features;
use crate::sections::headers::SecurityHeaders;
use crate::sections::local_model::LocalModel;
use crate::sections::logging::Logging;
use crate::sections::oauth::OAuth;
use crate::sections::persistence::Persistence;
use crate::sections::providers::Providers;
use crate::sections::redis::{Redis, Topology};
use crate::sections::replies::Replies;
use crate::sections::retrieval;
use crate::sections::server::Server;
use crate::sections::websocket::{SocketManager, WebSocket};
use crate::settings::Settings;
use crate::values::Host;

/// The configuration of one node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens, what it calls itself and where it keeps its files.
    pub server: Server,
    /// Where the data is kept.
    pub database: Database,
    /// How the settings in SQL and the environment go together.
    pub persistence: Persistence,
    /// Sign-in: keys, cookies, passwords and the reach of administrators.
    pub auth: Auth,
    /// What only the environment says about sign-in through an OpenID Connect provider.
    pub oauth: OAuth,
    /// Which web pages of other origins may use the server.
    pub cors: Cors,
    /// Live connections between pages and the server.
    pub websocket: WebSocket,
    /// Redis, which several nodes need to act as one.
    pub redis: Redis,
    /// How model services are called.
    pub providers: Providers,
    /// The small model that answers when no provider is configured.
    pub local_model: LocalModel,
    /// How answers of models are passed on and kept.
    pub replies: Replies,
    /// What is logged and how a line looks.
    pub logging: Logging,
    /// Headers that are sent with every response.
    pub headers: SecurityHeaders,
    /// Switches that only the environment can set.
    pub features: Features,
    /// Seed of the persistent settings.
    pub settings: Settings,
}

/// A configuration, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Things worth telling the operator.
    pub notices: Vec<Notice>,
    /// Every variable with its effective value and origin.
    pub report: Report,
}

/// The rows of the registry, in the order of the reference.
pub(crate) fn entries() -> Vec<Entry> {
    [
        Server::entries(),
        Database::entries(),
        Persistence::entries(),
        Redis::entries(),
        WebSocket::entries(),
        Cors::entries(),
        Auth::entries(),
        OAuth::entries(),
        Providers::entries(),
        LocalModel::entries(),
        Replies::entries(),
        Logging::entries(),
        SecurityHeaders::entries(),
        Features::entries(),
        retrieval::entries(),
        Settings::entries(),
    ]
    .concat()
}

/// Reads the configuration from an environment. All errors are reported together.
pub fn load(environment: &Environment) -> Result<Loaded, ConfigErrors> {
    let entries = entries();
    let mut reader = Reader::new(environment, &entries);
    let config = read(&mut reader);
    reader.note_others();
    reader.notices.extend(unknown_names(environment, &entries));
    let mut config = match config {
        Some(config) if reader.errors.is_empty() => config,
        _ => return Err(ConfigErrors(std::mem::take(&mut reader.errors))),
    };
    if !config.auth.enabled {
        config.settings.sign_in.enable_signup = false;
        reader.show("ENABLE_SIGNUP", "false".to_owned(), Origin::Derived);
    }
    config.local_model.fill_in(environment);
    reader.notices.extend(advice(&config));
    let report = report(&entries, &reader);
    Ok(Loaded { config, notices: reader.notices, report })
}

fn read(reader: &mut Reader<'_>) -> Option<Config> {
    let server = Server::read(reader);
    let database = Database::read(reader, server.as_ref());
    let persistence = Persistence::read(reader);
    let redis = Redis::read(reader);
    let websocket = WebSocket::read(reader);
    let cors = Cors::read(reader);
    let auth = Auth::read(reader);
    let oauth = OAuth::read(reader);
    let providers = Providers::read(reader);
    let local_model = LocalModel::read(reader);
    let replies = Replies::read(reader);
    let logging = Logging::read(reader);
    let headers = SecurityHeaders::read(reader);
    let features = Features::read(reader);
    let settings = Settings::read(reader);
    if let (Some(redis), Some(websocket)) = (&redis, &websocket) {
        check_redis(reader, redis, websocket);
    }
    Some(Config {
        server: server?,
        database: database?,
        persistence: persistence?,
        auth: auth?,
        oauth: oauth?,
        cors: cors?,
        websocket: websocket?,
        redis: redis?,
        providers: providers?,
        local_model: local_model?,
        replies: replies?,
        logging: logging?,
        headers: headers?,
        features: features?,
        settings: settings?,
    })
}

/// Combinations of Redis variables that cannot work.
fn check_redis(reader: &mut Reader<'_>, redis: &Redis, websocket: &WebSocket) {
    if redis.url.is_none() && !redis.sentinel_hosts.is_empty() {
        reader.errors.push(ConfigError {
            variable: "REDIS_SENTINEL_HOSTS".to_owned(),
            seen: hosts(&redis.sentinel_hosts),
            problem: "Sentinels are named, but not the master they watch.".to_owned(),
            allowed: "hosts of Sentinels, together with REDIS_URL=redis://<name of the master>/0".to_owned(),
            fix: "Set REDIS_URL to redis://, the name of the master and /0, or remove REDIS_SENTINEL_HOSTS."
                .to_owned(),
        });
    }
    let sentinels = !redis.sentinel_hosts.is_empty();
    let socket_sentinels = sentinels || !websocket.sentinel_hosts.is_empty();
    for (variable, url, sentinels) in [
        ("REDIS_URL", &redis.url, sentinels),
        ("WEBSOCKET_REDIS_URL", &websocket.redis_url, socket_sentinels),
    ] {
        // Without Sentinels an address needs a host; with them the empty host is the usual name of a master.
        if let Some(url) = url.as_ref().filter(|url| url.host.is_empty() && !sentinels) {
            reader.errors.push(ConfigError {
                variable: variable.to_owned(),
                seen: url.to_string(),
                problem: "The value names no host.".to_owned(),
                allowed: "redis://[user:password@]host[:port][/database], or rediss://… for TLS".to_owned(),
                fix: format!(
                    "Write the host of Redis into {variable}, or name the Sentinels in REDIS_SENTINEL_HOSTS."
                ),
            });
        }
    }
    if websocket.manager == SocketManager::Redis && websocket.redis_url.is_none() {
        reader.errors.push(ConfigError {
            variable: "WEBSOCKET_MANAGER".to_owned(),
            seen: "redis".to_owned(),
            problem: "Live events are to go through Redis, but no Redis is named.".to_owned(),
            allowed: "redis, together with WEBSOCKET_REDIS_URL or REDIS_URL; or nothing".to_owned(),
            fix: "Set REDIS_URL, for example to redis://localhost:6379/0, or remove WEBSOCKET_MANAGER."
                .to_owned(),
        });
    }
}

/// A list of hosts as it may be written.
fn hosts(hosts: &[Host]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Facts about the configuration as a whole that the operator should know.
fn advice(config: &Config) -> Vec<Notice> {
    let mut notices = Vec::new();
    if config.server.workers > 1 {
        notices.push(Notice::information(
            "UVICORN_WORKERS",
            format!("{} worker threads serve in one process. They need no Redis.", config.server.workers),
        ));
    }
    let redis = &config.redis;
    if redis.topology() == Topology::Sentinel && redis.cluster {
        notices.push(Notice::warning(
            "REDIS_CLUSTER",
            "this has no effect because REDIS_SENTINEL_HOSTS is set, and Sentinel wins. Remove one of the two.",
        ));
    }
    if redis.topology() != Topology::Memory && config.websocket.manager == SocketManager::Memory {
        notices.push(Notice::warning(
            "WEBSOCKET_MANAGER",
            "REDIS_URL is set, but live events stay inside this node. Set WEBSOCKET_MANAGER=redis when several nodes share the work.",
        ));
    }
    let databases = [
        ("REDIS_URL", redis.topology() == Topology::Cluster, &redis.url),
        ("WEBSOCKET_REDIS_URL", config.websocket.redis_cluster, &config.websocket.redis_url),
    ];
    for (name, cluster, url) in databases {
        if let Some(url) = url.as_ref().filter(|url| cluster && url.database != 0) {
            let text =
                format!("a cluster has database 0 only, so /{} has no effect. Write /0.", url.database);
            notices.push(Notice::warning(name, text));
        }
    }
    let cookies = [config.auth.cookie_same_site, config.auth.session_cookie_same_site];
    let insecure = !config.auth.cookie_secure || !config.auth.session_cookie_secure;
    if cookies.contains(&crate::sections::auth::SameSite::None) && insecure {
        notices.push(Notice::warning(
            "WEBUI_AUTH_COOKIE_SAME_SITE",
            "browsers drop cookies with SameSite=none that are not secure, so nobody can stay signed in. Set WEBUI_SESSION_COOKIE_SECURE=true and WEBUI_AUTH_COOKIE_SECURE=true.",
        ));
    }
    if !config.auth.enabled {
        notices.push(Notice::warning(
            "WEBUI_AUTH",
            "nobody has to sign in: whoever reaches the server is its administrator. Set it to true unless only you can reach it.",
        ));
    }
    if config.auth.admin_email.is_some() != config.auth.admin_password.is_some() {
        notices.push(Notice::warning(
            "WEBUI_ADMIN_EMAIL",
            "an administrator is created only when WEBUI_ADMIN_EMAIL and WEBUI_ADMIN_PASSWORD are both set. Set the missing one.",
        ));
    }
    notices.extend(config.settings.oauth.advice(&config.oauth));
    if config.redis.sessions && redis.topology() == Topology::Memory {
        notices.push(Notice::warning(
            "ENABLE_STAR_SESSIONS_MIDDLEWARE",
            "there is no Redis, so what an external sign-in needs between its two halves stays in an encrypted cookie. Set REDIS_URL, or remove the variable.",
        ));
    }
    notices
}

fn report(entries: &[Entry], reader: &Reader<'_>) -> Report {
    let rows = entries.iter().filter_map(|entry| {
        let outcome = reader.outcomes.get(entry.name)?;
        Some(Row {
            section: entry.section,
            name: entry.name,
            value: outcome.shown.clone(),
            origin: outcome.origin,
            key: (!entry.key.is_empty()).then_some(entry.key),
        })
    });
    Report { rows: rows.collect() }
}
