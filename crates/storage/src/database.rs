//! The handle to the database that everything else starts from.

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _,
    pool::PoolOptions,
    postgres::{PgConnectOptions, Postgres},
    sqlite::{Sqlite, SqliteConnectOptions},
};
use tokio::sync::Mutex;

use crate::{
    AccessGrants, ApiKeys, ChannelMessages, Channels, Chats, Credentials, DatabaseOptions, Documents,
    Feedbacks, Messages, ModelRecords, Result, RevokedTokens, Settings, StorageError, Tags, Users,
    migrate::{self, MigrationReport},
    options::Target,
    sql::{Backend, Connection, Dialect, Row, Statement, Transaction, bounded},
};

/// Longest time to open one connection.
const CONNECT_BOUND: Duration = Duration::from_secs(10);

/// How often the first connection to a SQLite file is tried: switching to the write-ahead log fails at once
/// while another process does the same.
const OPEN_ATTEMPTS: u32 = 40;

/// Pause between these attempts.
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// Longest time the answer to [`Database::ping`] may take.
const PING_BOUND: Duration = Duration::from_secs(2);

/// A connection that was unused for this long is tested before it is used.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Unused connections are closed after this time.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

/// PostgreSQL itself ends statements after this time, so that none outlives the wait for it by much.
const SERVER_STATEMENT_TIMEOUT: &str = "SET statement_timeout = '60s'; \
     SET idle_in_transaction_session_timeout = '60s'";

/// Longest wait for [`Database::close`].
const CLOSE_BOUND: Duration = Duration::from_secs(10);

/// A database, SQLite or PostgreSQL; clones share the connections.
#[derive(Debug, Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    acquire_bound: Duration,
    location: String,
    schema: Option<String>,
}

impl Database {
    /// Connects to the database; makes the SQLite file and its folder when they are missing.
    ///
    /// Nothing is migrated: call [`Database::migrate`] or [`Database::check_migrations`] next.
    pub async fn open(options: &DatabaseOptions) -> Result<Self> {
        let (backend, location) = match options.target()? {
            Target::Sqlite { path, options: connect } => {
                (open_sqlite(options, &path, *connect).await?, format!("SQLite {}", path.display()))
            }
            Target::Postgres { location, options: connect } => {
                (open_postgres(options, *connect).await?, location)
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                backend,
                acquire_bound: options.pool_timeout,
                location,
                schema: options.schema.clone(),
            }),
        })
    }

    /// Brings the database to the version of this program; other nodes may do so at the same time.
    pub async fn migrate(&self) -> Result<MigrationReport> {
        migrate::run(self, migrate::MIGRATIONS).await
    }

    /// Compares the version of the database with that of this program and changes nothing.
    pub async fn check_migrations(&self) -> Result<MigrationReport> {
        migrate::check(self, migrate::MIGRATIONS).await
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        bounded("a sign of life", PING_BOUND, async {
            let mut connection = self.reader().await?;
            connection.all(Statement::new("SELECT 1")).await.map(drop)
        })
        .await
    }

    /// Closes all connections; every later call fails.
    pub async fn close(&self) {
        if tokio::time::timeout(CLOSE_BOUND, self.inner.backend.close()).await.is_err() {
            tracing::warn!(
                bound = ?CLOSE_BOUND,
                "Closing the database took too long and was given up; committed data is safe."
            );
        }
    }

    /// Where the database is, for people, without a password: `SQLite /path` or `postgresql://user@host:port/name`.
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// Whether this is SQLite (otherwise PostgreSQL).
    pub fn is_sqlite(&self) -> bool {
        self.dialect() == Dialect::Sqlite
    }

    /// Accounts.
    pub fn users(&self) -> Users {
        Users::new(self.clone())
    }

    /// Passwords and session stamps.
    pub fn credentials(&self) -> Credentials {
        Credentials::new(self.clone())
    }

    /// Keys for API clients.
    pub fn api_keys(&self) -> ApiKeys {
        ApiKeys::new(self.clone())
    }

    /// Tokens that were signed out.
    pub fn revoked_tokens(&self) -> RevokedTokens {
        RevokedTokens::new(self.clone())
    }

    /// Settings of the server.
    pub fn settings(&self) -> Settings {
        Settings::new(self.clone())
    }

    /// Chats without their messages.
    pub fn chats(&self) -> Chats {
        Chats::new(self.clone())
    }

    /// Tags of chats.
    pub fn tags(&self) -> Tags {
        Tags::new(self.clone())
    }

    /// Messages of chats.
    pub fn messages(&self) -> Messages {
        Messages::new(self.clone())
    }

    /// Chats as the documents that clients know.
    pub fn documents(&self) -> Documents {
        Documents::new(self.clone())
    }

    /// Channels and their members.
    pub fn channels(&self) -> Channels {
        Channels::new(self.clone())
    }

    /// Messages of channels.
    pub fn channel_messages(&self) -> ChannelMessages {
        ChannelMessages::new(self.clone())
    }

    /// Judgements of answers.
    pub fn feedback(&self) -> Feedbacks {
        Feedbacks::new(self.clone())
    }

    /// Records of models.
    pub fn models(&self) -> ModelRecords {
        ModelRecords::new(self.clone())
    }

    /// Who may use what.
    pub fn access_grants(&self) -> AccessGrants {
        AccessGrants::new(self.clone())
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.inner.backend.dialect()
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.inner.schema.as_deref()
    }

    async fn reader(&self) -> Result<Connection> {
        self.inner.backend.reader(self.inner.acquire_bound).await
    }

    async fn writer(&self) -> Result<Connection> {
        self.inner.backend.writer(self.inner.acquire_bound).await
    }

    /// How often something that may be repeated is tried: once with each connection that the pool may have kept
    /// from before the database went away, and once with a new one.
    fn attempts(&self) -> u32 {
        self.inner.backend.kept_connections() + 1
    }

    /// All rows of a statement that only reads.
    pub(crate) async fn read(&self, statement: Statement) -> Result<Vec<Row>> {
        for _ in 1..self.attempts() {
            match self.reader().await?.all(statement.clone()).await {
                Err(StorageError::Unreachable(error)) => stale(&error),
                other => return other,
            }
        }
        self.reader().await?.all(statement).await
    }

    /// The only row, if any, of a statement that only reads.
    pub(crate) async fn read_one(&self, statement: Statement) -> Result<Option<Row>> {
        for _ in 1..self.attempts() {
            match self.reader().await?.optional(statement.clone()).await {
                Err(StorageError::Unreachable(error)) => stale(&error),
                other => return other,
            }
        }
        self.reader().await?.optional(statement).await
    }

    /// The number of rows changed by a statement, which is a transaction of its own.
    pub(crate) async fn write(&self, statement: Statement) -> Result<u64> {
        self.writer().await?.execute(statement).await
    }

    /// The only row, if any, that a changing statement returns.
    pub(crate) async fn write_returning(&self, statement: Statement) -> Result<Option<Row>> {
        self.writer().await?.optional(statement).await
    }

    /// Starts a transaction that may write.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
        for _ in 1..self.attempts() {
            match Transaction::begin(self.writer().await?).await {
                Err(StorageError::Unreachable(error)) => stale(&error),
                other => return other,
            }
        }
        Transaction::begin(self.writer().await?).await
    }
}

/// Notes a connection that ended while nobody used it, such as by a restart of the database.
fn stale(error: &sqlx::Error) {
    tracing::debug!(%error, "A kept connection had ended; trying another.");
}

async fn open_sqlite(
    options: &DatabaseOptions,
    path: &Path,
    connect: SqliteConnectOptions,
) -> Result<Backend> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        tokio::fs::create_dir_all(folder).await.map_err(|error| StorageError::InvalidOptions {
            reason: format!(
                "the folder {} cannot be made ({error}); make it or choose another",
                folder.display()
            ),
        })?;
    }
    let mut attempt = 1;
    let writer = loop {
        match tokio::time::timeout(CONNECT_BOUND, connect.connect()).await {
            Ok(Ok(connection)) => break connection,
            Ok(Err(error)) => match StorageError::from(error) {
                StorageError::Locked(_) if attempt < OPEN_ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(OPEN_PAUSE).await;
                }
                StorageError::Database(error) => return Err(StorageError::Unreachable(error)),
                other => return Err(other),
            },
            Err(_) => {
                return Err(StorageError::Timeout { what: "opening the database", bound: CONNECT_BOUND });
            }
        }
    };
    // A reader cannot write by mistake, so that the one writer never waits for a lock within this process.
    let readers = PoolOptions::<Sqlite>::new()
        .max_connections(options.sqlite_readers())
        .acquire_timeout(options.pool_timeout)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(connect.clone().create_if_missing(false).pragma("query_only", "ON"));
    Ok(Backend::Sqlite { writer: Arc::new(Mutex::new(Some(writer))), options: Box::new(connect), readers })
}

async fn open_postgres(options: &DatabaseOptions, connect: PgConnectOptions) -> Result<Backend> {
    let search_path = options
        .schema
        .as_ref()
        .map(|schema| format!("SET search_path TO \"{}\"", schema.replace('"', "\"\"")));
    let pool = PoolOptions::<Postgres>::new()
        .max_connections(options.postgres_connections())
        .acquire_timeout(options.pool_timeout)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(options.pool_recycle)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TEST_AFTER_IDLE {
                    tokio::time::timeout(PING_BOUND, connection.ping())
                        .await
                        .map_err(|_| sqlx::Error::PoolTimedOut)??;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _meta| {
            let search_path = search_path.clone();
            Box::pin(async move {
                connection.execute(SERVER_STATEMENT_TIMEOUT).await?;
                if let Some(search_path) = search_path {
                    connection.execute(sqlx::AssertSqlSafe(search_path)).await?;
                }
                Ok(())
            })
        })
        .connect_lazy_with(connect);
    // One connection now, so that a wrong address or password is told at the start and not later.
    match tokio::time::timeout(CONNECT_BOUND, pool.acquire()).await {
        Ok(Ok(_connection)) => Ok(Backend::Postgres { pool }),
        Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => {
            Err(StorageError::Timeout { what: "connecting to the database", bound: CONNECT_BOUND })
        }
        Ok(Err(error)) => Err(StorageError::Unreachable(error)),
    }
}
