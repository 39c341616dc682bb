//! One node: put together, started, stopped.

use crate::fleet::Fleet;
use crate::local_model::LocalModel;
use crate::{layers, listener, options, redis, upkeep};
use antiphon_api::{
    Activity, App, Connections, Events, ExternalSignIn, Frontend, ModelDirectory, Parts, RedisLinks,
    SettingsStore, close_revoked,
};
use antiphon_auth::cookie::CookieOptions;
use antiphon_auth::{PasswordPolicy, SessionManager};
use antiphon_config::{Config, DatabaseUrl, secret_key};
use antiphon_generation::Replies;
use antiphon_provider::{Connection, ProviderError, Providers, StaticModel};
use antiphon_realtime::Realtime;
use antiphon_state::redis::Connections as RedisConnections;
use antiphon_state::{Clock, Limits, Membership, Presence, ReplyLogs, Revocations, SettingsHandle, Tasks};
use antiphon_storage::Database;
use anyhow::{Context, Result};
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Time that running replies get to end when the node stops; then they are stopped with their text.
const REPLY_DRAIN: Duration = Duration::from_secs(5);

/// Time that sockets and requests get to end after that.
const CONNECTION_DRAIN: Duration = Duration::from_secs(3);

/// The small model that `antiphon-local` serves, and how it is shown.
const LOCAL_MODEL: (&str, &str) = ("smollm2-135m-instruct", "SmolLM2 135M (small demonstration model)");

/// A running node.
pub struct Node {
    address: SocketAddr,
    app: App,
    local_model: Option<Arc<LocalModel>>,
    /// The only owner of the links: they end when this is dropped.
    redis: Option<Arc<RedisConnections>>,
    membership: Option<Membership>,
    stop: CancellationToken,
    jobs: TaskTracker,
}

impl Node {
    /// Starts a node and returns once it takes requests. Says on the log what it uses.
    pub async fn start(config: Config) -> Result<Self> {
        let config = Arc::new(config);
        let (stop, jobs) = (CancellationToken::new(), TaskTracker::new());
        std::fs::create_dir_all(&config.server.data_dir).with_context(|| {
            format!(
                "DATA_DIR={} cannot be made; name a folder that this user may write",
                config.server.data_dir.display()
            )
        })?;
        // Connects while the rest starts.
        let (redis, exchange) = redis::start(&config, &stop, &jobs)?.unzip();
        let database = open_database(&config).await?;
        let secret = secret(&config)?;
        let fleet = match exchange {
            Some(exchange) => Some(Fleet::join(exchange, &secret, &database).await?),
            None => None,
        };
        let clock = Clock::system();
        let settings = open_settings(&config, &database).await?;
        let membership = fleet.as_ref().map(|fleet| fleet.membership.clone());
        let Shared { revocations, limits, presence, tasks, realtime, reply_logs } =
            share(&config, &clock, fleet.as_ref()).await;
        let sessions = SessionManager::new(
            &secret,
            PasswordPolicy::from(&config.auth),
            Arc::new(database.clone()),
            limits.clone(),
            revocations.clone(),
            clock.clone(),
        );
        let authenticator = sessions.authenticator().clone();
        sessions.load().await.context("the revoked tokens cannot be read")?;

        let providers = Providers::new(options::providers(&config))?;
        let local_model = local_model(&config);
        let local_ids: Vec<String> = local_model.iter().map(|_| LOCAL_MODEL.0.to_owned()).collect();
        let connections = Connections::new(providers.clone(), local_model.clone().map(local_connection));
        let connected = connections.apply(&settings).await;

        let replies = Replies::new(
            database.clone(),
            providers.clone(),
            realtime.clone(),
            tasks.clone(),
            reply_logs.clone(),
            settings.handle().clone(),
            local_ids.clone(),
        );
        let exchange = fleet.as_ref().map(|fleet| fleet.exchange.clone());
        let app = App::new(Parts {
            external: ExternalSignIn::new(&config, &secret, &providers.web_client(), &clock, exchange)?,
            models: ModelDirectory::new(
                database.clone(),
                providers.clone(),
                local_ids,
                config.auth.bypass_model_access,
                config.auth.admin_bypass_access,
            ),
            activity: Activity::new(database.clone(), config.database.activity_interval, clock.clone()),
            frontend: Frontend::new(config.server.frontend_build_dir.as_ref()),
            cookie: CookieOptions::from(&config.auth),
            config: config.clone(),
            settings,
            clock,
            database: database.clone(),
            authenticator,
            sessions: sessions.clone(),
            revocations,
            limits: limits.clone(),
            realtime: realtime.clone(),
            presence: presence.clone(),
            tasks,
            providers,
            connections,
            replies,
            redis: redis.as_ref().map(RedisLinks::of).unwrap_or_default(),
            ready: AtomicBool::new(false),
        });
        realtime.serve(Arc::new(Events::new(app.clone())));
        if let Some(email) = antiphon_api::create_first_admin(&app).await? {
            tracing::info!("the administrator {email} was made, as WEBUI_ADMIN_EMAIL says; sign-up is off");
        }

        if fleet.is_none() {
            upkeep::end_interrupted(&app.replies).await?;
        }
        let listener = listener::bind(&config.server.host, config.server.port).await?;
        let address = listener.local_addr()?;
        jobs.spawn(close_revoked(app.clone(), stop.clone()));
        if let Some(fleet) = fleet {
            fleet.begin(&app, &stop, &jobs);
        }
        jobs.spawn(upkeep::sweep(limits, presence, reply_logs, stop.clone()));
        let sweeping = (sessions, stop.clone());
        jobs.spawn(async move { sweeping.0.run(sweeping.1).await });
        jobs.spawn(serve(listener, app.clone(), stop.clone()));
        app.set_ready(true);

        let node = Self { address, app, local_model, redis, membership, stop, jobs };
        node.introduce(connected);
        Ok(node)
    }

    /// Where the node listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops taking requests, lets running replies end within a bound, and ends everything that was started.
    pub async fn shut_down(self) {
        self.app.set_ready(false);
        self.app.replies.shut_down(REPLY_DRAIN).await;
        self.app.realtime.shutdown(CONNECTION_DRAIN).await;
        if let Some(membership) = &self.membership {
            membership.leave().await;
        }
        self.stop.cancel();
        self.jobs.close();
        if tokio::time::timeout(CONNECTION_DRAIN, self.jobs.wait()).await.is_err() {
            tracing::debug!("some connections did not end in time and were cut");
        }
        if let Some(local_model) = &self.local_model {
            local_model.stop().await;
        }
        drop(self.redis);
        self.app.database.close().await;
    }

    /// Says what the node uses.
    fn introduce(&self, connected: usize) {
        let config = &self.app.config;
        tracing::info!("Antiphon {} listens on http://{}", env!("CARGO_PKG_VERSION"), self.address);
        if self.address.ip().is_unspecified() {
            tracing::info!("open http://localhost:{} in a browser", self.address.port());
        }
        tracing::info!("database: {}", self.app.database.location());
        tracing::info!("data folder: {}", config.server.data_dir.display());
        redis::introduce(config, self.redis.as_ref());
        for provider in self.app.external.providers(&self.app.settings().oauth) {
            tracing::info!("sign-in through {} (/oauth/{}/login)", provider.name(), provider.id());
        }
        tracing::info!(
            "worker threads: {}{}",
            config.server.workers,
            if config.server.workers > 1 {
                " (UVICORN_WORKERS; threads of one process, which need no Redis)"
            } else {
                ""
            }
        );
        let local = match &self.local_model {
            Some(_) if connected > 0 && self.app.providers.model(LOCAL_MODEL.0).is_some() => {
                " (the local demonstration model, started on its first use)"
            }
            _ => "",
        };
        tracing::info!("providers: {connected}{local}");
        if connected == 0 {
            tracing::warn!(
                "no provider is connected, so nobody can get an answer; set OPENAI_API_BASE_URL and OPENAI_API_KEY or \
                 OLLAMA_BASE_URL, or run scripts/fetch-local-model for the demonstration model"
            );
        }
        let sockets = options::realtime(config);
        tracing::info!(
            "limits: {} sockets, {} MiB queued for a socket, {} s without a sign of life",
            sockets.max_sockets,
            sockets.max_queue_bytes / (1024 * 1024),
            (sockets.ping_interval + sockets.ping_timeout).as_secs(),
        );
    }
}

/// What the nodes of a fleet share, and a node alone has in its memory.
struct Shared {
    revocations: Revocations,
    limits: Limits,
    presence: Presence,
    tasks: Tasks,
    realtime: Realtime,
    reply_logs: ReplyLogs,
}

async fn share(config: &Config, clock: &Clock, fleet: Option<&Fleet>) -> Shared {
    let exchange = fleet.map(|fleet| &fleet.exchange);
    let (realtime, reply_logs) = redis::realtime(config, exchange, clock.clone());
    let Some(fleet) = fleet else {
        let (revocations, limits) = (Revocations::new(clock.clone()), Limits::new(clock.clone()));
        let presence = Presence::new(clock.clone());
        return Shared { revocations, limits, presence, tasks: Tasks::new(), realtime, reply_logs };
    };
    let exchange = fleet.exchange.clone();
    let revocations = Revocations::fleet(clock.clone(), exchange.clone()).await;
    let presence = Presence::fleet(clock.clone(), &fleet.membership).await;
    // Who names a channel shares it with servers of another kind, which have what they share under the same prefix.
    if config.websocket.redis_channel.is_some() {
        revocations.heed_others();
        presence.count_others(&fleet.membership);
    }
    Shared {
        revocations,
        limits: Limits::fleet(clock.clone(), exchange),
        presence,
        realtime,
        tasks: Tasks::fleet(&fleet.membership, config.redis.task_ttl).await,
        reply_logs,
    }
}

async fn open_database(config: &Config) -> Result<Database> {
    let database = Database::open(&options::database(config)).await?;
    let report = if config.database.run_migrations {
        database.migrate().await?
    } else {
        database.check_migrations().await?
    };
    for name in &report.applied {
        tracing::info!("the database was migrated: {name}");
    }
    if !report.ahead.is_empty() {
        tracing::info!(
            ahead = report.ahead.join(", "),
            "the database was migrated by a newer version of this program; this one can live with it"
        );
    }
    Ok(database)
}

async fn open_settings(config: &Config, database: &Database) -> Result<SettingsStore> {
    let settings = SettingsStore::new(
        database.clone(),
        SettingsHandle::new(config.settings.clone(), 0),
        config.persistence.clone(),
    );
    if config.persistence.reset_on_start {
        database.settings().clear().await?;
        tracing::info!(
            "RESET_CONFIG_ON_START: the stored settings were deleted; the environment seeds them again"
        );
    }
    settings.load().await.context("the stored settings cannot be read")?;
    Ok(settings)
}

/// The key that signs tokens: the operator's, or one that is kept in the data folder.
fn secret(config: &Config) -> Result<String> {
    if let Some(secret) = &config.auth.secret_key {
        return Ok(secret.reveal().to_owned());
    }
    let kept = secret_key::load_or_create(&config.server.data_dir)?;
    if let Some(notice) = &kept.notice {
        tracing::warn!("{}: {}", notice.subject, notice.text);
    }
    if matches!(config.database.url, DatabaseUrl::Postgres(_)) {
        tracing::info!(
            "WEBUI_SECRET_KEY is not set: the key in DATA_DIR is used. Nodes that share this database need the same key"
        );
    }
    Ok(kept.key.reveal().to_owned())
}

/// The supervisor of the local model, if it is wanted and its program and weights are there.
fn local_model(config: &Config) -> Option<Arc<LocalModel>> {
    if !config.local_model.enabled {
        return None;
    }
    let program = config.local_model.program.clone().or_else(|| {
        let own = std::env::current_exe().ok()?;
        Some(own.with_file_name("antiphon-local"))
    })?;
    let Some(weights) = config.local_model.folder.as_deref().and_then(LocalModel::weights) else {
        tracing::info!(
            "the local demonstration model is not offered: its weights are missing. Fetch them with scripts/fetch-local-model"
        );
        return None;
    };
    if !program.is_file() {
        tracing::info!(
            program = %program.display(),
            "the local demonstration model is not offered: its program is missing. Build it with `make build`, or set ANTIPHON_LOCAL_PROGRAM"
        );
        return None;
    }
    Some(Arc::new(LocalModel::new(program, weights, config.local_model.threads)))
}

/// The connection to the local model, whose process is started with the first request.
fn local_connection(local_model: Arc<LocalModel>) -> Connection {
    let token = local_model.token().to_owned();
    let start = Arc::new(move || {
        let local_model = local_model.clone();
        Box::pin(async move { local_model.base_url().await.map_err(|error| not_started(&error)) })
            as futures_util::future::BoxFuture<'static, _>
    });
    let (id, name) = LOCAL_MODEL;
    let mut connection =
        Connection::local(0, start, vec![StaticModel { id: id.to_owned(), name: name.to_owned() }]);
    connection.key = token.into();
    connection
}

fn not_started(error: &crate::local_model::LocalModelError) -> ProviderError {
    ProviderError::Configuration {
        connection: antiphon_provider::Label::new("The local model"),
        problem: error.to_string(),
        remedy: "try again; if it goes on, look at the log for the messages of antiphon-local".to_owned(),
    }
}

async fn serve(listener: tokio::net::TcpListener, app: App, stop: CancellationToken) {
    let router = layers::wrap(antiphon_api::router(app.clone()), &app.config);
    let service: IntoMakeServiceWithConnectInfo<_, SocketAddr> = router.into_make_service_with_connect_info();
    let listener = listener.tap_io(|stream| {
        if let Err(error) = antiphon_realtime::tune(stream) {
            tracing::debug!(%error, "a connection could not be tuned");
        }
    });
    let served =
        axum::serve(listener, service).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        tracing::error!(%error, "the listener failed; restart the server");
    }
}
