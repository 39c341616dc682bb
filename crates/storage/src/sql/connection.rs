//! Connections and transactions of either database, each wait bounded.

use std::{future::Future, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgPool, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    postgres::{PgTransactionManager, Postgres},
    sqlite::{Sqlite, SqliteConnectOptions, SqliteTransactionManager},
};
use sqlx_core::transaction::TransactionManager as _;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Dialect, Row, Statement};
use crate::{Result, StorageError};

/// Longest time one statement may take.
const STATEMENT_BOUND: Duration = Duration::from_secs(30);

/// Where connections come from.
#[derive(Debug)]
pub(crate) enum Backend {
    /// One connection writes, in turn and without waiting for locks; others read beside it.
    ///
    /// The writer is not in a pool: handing it on costs no round trip to its thread, and waiters are served
    /// in the order they came. It is `None` while it has to be opened (again).
    Sqlite {
        writer: Arc<Mutex<Option<SqliteConnection>>>,
        options: Box<SqliteConnectOptions>,
        readers: SqlitePool,
    },
    Postgres {
        pool: PgPool,
    },
}

/// A connection that is held.
///
/// One that is dropped while it waits for an answer, because the caller was cancelled, is not used again on
/// PostgreSQL: a cancelled `BEGIN`, for one, would leave the next user inside a transaction that nobody ends.
/// SQLite's connections finish what they were told on a thread of their own and undo it if nobody listens.
#[derive(Debug)]
pub(crate) struct Connection {
    kind: Kind,
    waiting: bool,
}

#[derive(Debug)]
enum Kind {
    SqliteWriter(OwnedMutexGuard<Option<SqliteConnection>>),
    SqliteReader(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl From<Kind> for Connection {
    fn from(kind: Kind) -> Self {
        Self { kind, waiting: false }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.waiting && matches!(self.kind, Kind::Postgres(_)) {
            self.discard();
        }
    }
}

/// Gives up on `future` after `bound`.
pub(crate) async fn bounded<T>(
    what: &'static str,
    bound: Duration,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(bound, future).await.unwrap_or(Err(StorageError::Timeout { what, bound }))
}

impl Backend {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// Connections to a server that are kept at the moment; any of them may have ended meanwhile.
    pub(crate) fn kept_connections(&self) -> u32 {
        match self {
            Self::Sqlite { .. } => 0,
            Self::Postgres { pool } => pool.size(),
        }
    }

    /// A connection that may write, within `bound`.
    pub(crate) async fn writer(&self, bound: Duration) -> Result<Connection> {
        bounded("a free connection", bound, async {
            match self {
                Self::Sqlite { writer, options, .. } => {
                    let mut guard = Arc::clone(writer).lock_owned().await;
                    if guard.is_none() {
                        *guard = Some(Box::pin(options.connect()).await?);
                    }
                    Ok(Kind::SqliteWriter(guard).into())
                }
                Self::Postgres { pool } => {
                    let connection =
                        Box::pin(pool.acquire()).await.map_err(|error| acquire_error(error, bound))?;
                    Ok(Kind::Postgres(connection).into())
                }
            }
        })
        .await
    }

    /// A connection for reading, within `bound`.
    pub(crate) async fn reader(&self, bound: Duration) -> Result<Connection> {
        match self {
            Self::Sqlite { readers, .. } => {
                // Boxed, since it contains all of opening a connection.
                let connection =
                    Box::pin(readers.acquire()).await.map_err(|error| acquire_error(error, bound))?;
                Ok(Kind::SqliteReader(connection).into())
            }
            Self::Postgres { .. } => self.writer(bound).await,
        }
    }

    /// Closes every connection; SQLite folds its write-ahead log into the database file.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers, .. } => {
                readers.close().await;
                if let Some(connection) = writer.lock().await.take()
                    && let Err(error) = connection.close().await
                {
                    tracing::warn!(%error, "The database file was not closed cleanly; the next start repairs it.");
                }
            }
            Self::Postgres { pool } => pool.close().await,
        }
    }
}

fn acquire_error(error: sqlx::Error, bound: Duration) -> StorageError {
    match error {
        sqlx::Error::PoolTimedOut => StorageError::Timeout { what: "a free connection", bound },
        other => other.into(),
    }
}

/// Runs one statement on whichever connection this is, with the bound of statements.
macro_rules! run {
    ($self:expr, $statement:expr, $method:ident) => {{
        $self.waiting = true;
        // Boxed, so that the futures of all callers stay small.
        let statement = Box::pin(async {
            match &mut $self.kind {
                Kind::SqliteWriter(guard) => {
                    let connection = guard.as_mut().ok_or(sqlx::Error::WorkerCrashed)?;
                    Ok(FromSqlite::from_sqlite($statement.sqlite().$method(connection).await?))
                }
                Kind::SqliteReader(connection) => {
                    Ok(FromSqlite::from_sqlite($statement.sqlite().$method(&mut **connection).await?))
                }
                Kind::Postgres(connection) => {
                    Ok(FromPostgres::from_postgres($statement.postgres().$method(&mut **connection).await?))
                }
            }
        });
        let outcome = bounded("a statement", STATEMENT_BOUND, statement).await;
        $self.answered(outcome)
    }};
}

trait FromSqlite<T> {
    fn from_sqlite(value: T) -> Self;
}

trait FromPostgres<T> {
    fn from_postgres(value: T) -> Self;
}

impl FromSqlite<Vec<sqlx::sqlite::SqliteRow>> for Vec<Row> {
    fn from_sqlite(rows: Vec<sqlx::sqlite::SqliteRow>) -> Self {
        rows.into_iter().map(Row::Sqlite).collect()
    }
}

impl FromPostgres<Vec<sqlx::postgres::PgRow>> for Vec<Row> {
    fn from_postgres(rows: Vec<sqlx::postgres::PgRow>) -> Self {
        rows.into_iter().map(Row::Postgres).collect()
    }
}

impl FromSqlite<Option<sqlx::sqlite::SqliteRow>> for Option<Row> {
    fn from_sqlite(row: Option<sqlx::sqlite::SqliteRow>) -> Self {
        row.map(Row::Sqlite)
    }
}

impl FromPostgres<Option<sqlx::postgres::PgRow>> for Option<Row> {
    fn from_postgres(row: Option<sqlx::postgres::PgRow>) -> Self {
        row.map(Row::Postgres)
    }
}

impl FromSqlite<sqlx::sqlite::SqliteQueryResult> for u64 {
    fn from_sqlite(result: sqlx::sqlite::SqliteQueryResult) -> Self {
        result.rows_affected()
    }
}

impl FromPostgres<sqlx::postgres::PgQueryResult> for u64 {
    fn from_postgres(result: sqlx::postgres::PgQueryResult) -> Self {
        result.rows_affected()
    }
}

impl Connection {
    /// All rows of a statement.
    pub(crate) async fn all(&mut self, statement: Statement) -> Result<Vec<Row>> {
        run!(self, statement, fetch_all)
    }

    /// The first row of a statement, if any; the statement must give at most one, since it may be left there.
    pub(crate) async fn optional(&mut self, statement: Statement) -> Result<Option<Row>> {
        run!(self, statement, fetch_optional)
    }

    /// The number of rows that a statement changed.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64> {
        run!(self, statement, execute)
    }

    /// Runs a script of several statements without values.
    pub(crate) async fn script(&mut self, sql: &'static str, bound: Duration) -> Result<()> {
        self.waiting = true;
        let outcome = bounded("a migration", bound, async {
            match &mut self.kind {
                Kind::SqliteWriter(guard) => {
                    let connection = guard.as_mut().ok_or(sqlx::Error::WorkerCrashed)?;
                    sqlx::raw_sql(sql).execute(connection).await?;
                }
                Kind::SqliteReader(connection) => {
                    sqlx::raw_sql(sql).execute(&mut **connection).await?;
                }
                Kind::Postgres(connection) => {
                    sqlx::raw_sql(sql).execute(&mut **connection).await?;
                }
            }
            Ok(())
        })
        .await;
        self.answered(outcome)
    }

    /// Notes that the answer came, and throws the connection away if it is of no use any more.
    fn answered<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.waiting = false;
        if let Err(
            StorageError::Timeout { .. }
            | StorageError::Unreachable(_)
            | StorageError::Database(sqlx::Error::Protocol(_)),
        ) = &outcome
        {
            self.discard();
        }
        outcome
    }

    /// Throws the connection away instead of using it again: it may be in the middle of an answer.
    fn discard(&mut self) {
        match &mut self.kind {
            // The worker thread finishes what it does and then sees that nobody is there any more.
            Kind::SqliteWriter(guard) => **guard = None,
            Kind::SqliteReader(connection) => connection.close_on_drop(),
            Kind::Postgres(connection) => connection.close_on_drop(),
        }
    }

    async fn begin(&mut self) -> Result<()> {
        self.waiting = true;
        let outcome = bounded("the start of a transaction", STATEMENT_BOUND, async {
            match &mut self.kind {
                // Taking the write lock at once avoids the deadlock of two readers that both want to write.
                Kind::SqliteWriter(guard) => {
                    let connection = guard.as_mut().ok_or(sqlx::Error::WorkerCrashed)?;
                    let statement = sqlx::SqlSafeStr::into_sql_str("BEGIN IMMEDIATE");
                    SqliteTransactionManager::begin(connection, Some(statement)).await?;
                }
                Kind::SqliteReader(connection) => SqliteTransactionManager::begin(connection, None).await?,
                Kind::Postgres(connection) => PgTransactionManager::begin(connection, None).await?,
            }
            Ok(())
        })
        .await;
        self.answered(outcome)
    }

    async fn commit(&mut self) -> Result<()> {
        self.waiting = true;
        let outcome = bounded("the end of a transaction", STATEMENT_BOUND, async {
            match &mut self.kind {
                Kind::SqliteWriter(guard) => {
                    let connection = guard.as_mut().ok_or(sqlx::Error::WorkerCrashed)?;
                    SqliteTransactionManager::commit(connection).await?;
                }
                Kind::SqliteReader(connection) => SqliteTransactionManager::commit(connection).await?,
                Kind::Postgres(connection) => PgTransactionManager::commit(connection).await?,
            }
            Ok(())
        })
        .await;
        self.answered(outcome)
    }

    fn start_rollback(&mut self) {
        match &mut self.kind {
            Kind::SqliteWriter(guard) => {
                if let Some(connection) = guard.as_mut() {
                    SqliteTransactionManager::start_rollback(connection);
                }
            }
            Kind::SqliteReader(connection) => SqliteTransactionManager::start_rollback(connection),
            Kind::Postgres(connection) => PgTransactionManager::start_rollback(connection),
        }
    }
}

/// A transaction; dropped without [`Transaction::commit`], nothing of it is kept.
#[derive(Debug)]
pub(crate) struct Transaction {
    connection: Connection,
    dialect: Dialect,
    open: bool,
}

impl Transaction {
    pub(crate) async fn begin(mut connection: Connection) -> Result<Self> {
        let dialect = match &connection.kind {
            Kind::Postgres(_) => Dialect::Postgres,
            Kind::SqliteWriter(_) | Kind::SqliteReader(_) => Dialect::Sqlite,
        };
        connection.begin().await?;
        Ok(Self { connection, dialect, open: true })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) async fn all(&mut self, statement: Statement) -> Result<Vec<Row>> {
        self.connection.all(statement).await
    }

    pub(crate) async fn optional(&mut self, statement: Statement) -> Result<Option<Row>> {
        self.connection.optional(statement).await
    }

    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64> {
        self.connection.execute(statement).await
    }

    pub(crate) async fn script(&mut self, sql: &'static str, bound: Duration) -> Result<()> {
        self.connection.script(sql, bound).await
    }

    /// Keeps everything that was done.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let outcome = self.connection.commit().await;
        if outcome.is_err() {
            self.connection.discard();
        }
        self.open = false;
        outcome
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // A connection that waits is thrown away on PostgreSQL, and the server then undoes what it did.
        if self.open && !(self.connection.waiting && self.dialect == Dialect::Postgres) {
            self.connection.start_rollback();
        }
    }
}
