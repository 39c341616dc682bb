//! How to reach the database, and how many connections to keep.

use std::{path::PathBuf, time::Duration};

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};
use url::Url;

use crate::{Result, StorageError};

/// Connections to PostgreSQL when `DATABASE_POOL_SIZE` does not say.
pub const DEFAULT_POOL_SIZE: u32 = 10;

/// Connections that read a SQLite file beside the one that writes, when `DATABASE_POOL_SIZE` does not say.
pub const DEFAULT_SQLITE_READERS: u32 = 4;

/// Most connections that read one SQLite file; each has a thread and a page cache of its own.
pub const MAX_SQLITE_READERS: u32 = 16;

/// Longest wait for a free connection when `DATABASE_POOL_TIMEOUT` does not say.
pub const DEFAULT_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Oldest a PostgreSQL connection becomes when `DATABASE_POOL_RECYCLE` does not say.
pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_hours(1);

/// Prepared statements kept per connection; more than this crate has.
const STATEMENT_CACHE: usize = 256;

/// A statement that takes longer than this is reported in the log.
const SLOW_STATEMENT: Duration = Duration::from_secs(1);

/// Settings of the connection to the database, as the `DATABASE_*` variables give them.
///
/// The `Debug` form shows no password.
#[derive(Clone)]
pub struct DatabaseOptions {
    /// `sqlite:///relative/path`, `sqlite:////absolute/path`, or `postgresql://user:password@host:port/name`.
    ///
    /// `postgres://` and a driver as in `postgresql+asyncpg://` or `sqlite+aiosqlite://` are accepted too.
    pub url: String,
    /// PostgreSQL schema to work in (`DATABASE_SCHEMA`); made by the migrations if it is missing.
    pub schema: Option<String>,
    /// Connections kept (`DATABASE_POOL_SIZE`); for SQLite those that read. 0 and `None`: the default.
    pub pool_size: Option<u32>,
    /// Connections beyond `pool_size` under load (`DATABASE_POOL_MAX_OVERFLOW`), PostgreSQL only.
    pub pool_max_overflow: u32,
    /// Longest wait for a free connection (`DATABASE_POOL_TIMEOUT`).
    pub pool_timeout: Duration,
    /// Age at which a PostgreSQL connection is replaced (`DATABASE_POOL_RECYCLE`).
    pub pool_recycle: Duration,
    /// Settings of SQLite.
    pub sqlite: SqliteSettings,
}

impl std::fmt::Debug for DatabaseOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DatabaseOptions")
            .field("schema", &self.schema)
            .field("pool_size", &self.pool_size)
            .field("pool_max_overflow", &self.pool_max_overflow)
            .field("pool_timeout", &self.pool_timeout)
            .field("pool_recycle", &self.pool_recycle)
            .field("sqlite", &self.sqlite)
            .finish_non_exhaustive()
    }
}

/// Settings of SQLite: `DATABASE_ENABLE_SQLITE_WAL` and `DATABASE_SQLITE_PRAGMA_*`.
///
/// An empty pragma leaves SQLite's own default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteSettings {
    /// Write-ahead log, so that reading and writing do not wait for each other; otherwise a rollback journal.
    pub wal: bool,
    /// `synchronous`.
    pub synchronous: String,
    /// `busy_timeout` in milliseconds.
    pub busy_timeout: String,
    /// `cache_size`; negative is KiB.
    pub cache_size: String,
    /// `temp_store`.
    pub temp_store: String,
    /// `mmap_size` in bytes.
    pub mmap_size: String,
    /// `journal_size_limit` in bytes.
    pub journal_size_limit: String,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            wal: true,
            synchronous: "NORMAL".into(),
            busy_timeout: "5000".into(),
            cache_size: "-65536".into(),
            temp_store: "MEMORY".into(),
            mmap_size: "268435456".into(),
            journal_size_limit: "67108864".into(),
        }
    }
}

/// Where the database is, taken apart.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Sqlite { path: PathBuf, options: Box<SqliteConnectOptions> },
    Postgres { location: String, options: Box<PgConnectOptions> },
}

impl DatabaseOptions {
    /// Options with all defaults for this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: None,
            pool_size: None,
            pool_max_overflow: 0,
            pool_timeout: DEFAULT_ACQUIRE_TIMEOUT,
            pool_recycle: DEFAULT_MAX_LIFETIME,
            sqlite: SqliteSettings::default(),
        }
    }

    /// Checks the options without connecting.
    pub fn validate(&self) -> Result<()> {
        self.target().map(drop)
    }

    /// Most connections to PostgreSQL.
    pub(crate) fn postgres_connections(&self) -> u32 {
        match self.pool_size {
            None | Some(0) => DEFAULT_POOL_SIZE,
            Some(size) => size.saturating_add(self.pool_max_overflow),
        }
    }

    /// Connections that read SQLite.
    pub(crate) fn sqlite_readers(&self) -> u32 {
        match self.pool_size {
            None | Some(0) => DEFAULT_SQLITE_READERS,
            Some(size) => size.min(MAX_SQLITE_READERS),
        }
    }

    pub(crate) fn target(&self) -> Result<Target> {
        let (scheme, rest) = self.url.split_once("://").ok_or_else(|| {
            invalid("DATABASE_URL needs the form sqlite:///path or postgresql://user:password@host/name")
        })?;
        let system = scheme.split_once('+').map_or(scheme, |(system, _driver)| system);
        match system {
            "sqlite" => self.sqlite_target(rest),
            "postgres" | "postgresql" => self.postgres_target(rest),
            other => Err(invalid(format!(
                "DATABASE_URL begins with {other:?}; this program works with sqlite and postgresql"
            ))),
        }
    }

    fn sqlite_target(&self, rest: &str) -> Result<Target> {
        // As in SQLAlchemy: three slashes and a relative path, four and an absolute one.
        let path = rest.split('?').next().unwrap_or_default().strip_prefix('/').unwrap_or_default();
        if path.is_empty() || path == ":memory:" {
            return Err(invalid(
                "DATABASE_URL names no file; a database in memory would be lost at the end. \
                 Use sqlite:///path/to/file.db",
            ));
        }
        let settings = &self.sqlite;
        let mut options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .statement_cache_capacity(STATEMENT_CACHE)
            .thread_name(|id| format!("sqlite-{id}"))
            .log_statements(tracing::log::LevelFilter::Trace)
            .log_slow_statements(tracing::log::LevelFilter::Warn, SLOW_STATEMENT);
        for (pragma, variable, value) in [
            ("busy_timeout", "DATABASE_SQLITE_PRAGMA_BUSY_TIMEOUT", settings.busy_timeout.as_str()),
            ("journal_mode", "DATABASE_ENABLE_SQLITE_WAL", if settings.wal { "WAL" } else { "DELETE" }),
            ("synchronous", "DATABASE_SQLITE_PRAGMA_SYNCHRONOUS", &settings.synchronous),
            ("cache_size", "DATABASE_SQLITE_PRAGMA_CACHE_SIZE", &settings.cache_size),
            ("temp_store", "DATABASE_SQLITE_PRAGMA_TEMP_STORE", &settings.temp_store),
            ("mmap_size", "DATABASE_SQLITE_PRAGMA_MMAP_SIZE", &settings.mmap_size),
            ("journal_size_limit", "DATABASE_SQLITE_PRAGMA_JOURNAL_SIZE_LIMIT", &settings.journal_size_limit),
        ] {
            let value = value.trim();
            // Pragmas take no placeholders; only words and numbers may enter the statement.
            if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
                return Err(invalid(format!("{variable} is {value:?}; a word or a number is allowed")));
            }
            if pragma == "busy_timeout" {
                let milliseconds = if value.is_empty() { Ok(0) } else { value.parse::<u32>() };
                let milliseconds = milliseconds
                    .map_err(|_| invalid(format!("{variable} is {value:?}; milliseconds are expected")))?;
                options = options.busy_timeout(Duration::from_millis(milliseconds.into()));
            } else if !value.is_empty() {
                options = options.pragma(pragma, value.to_owned());
            }
        }
        Ok(Target::Sqlite { path: path.into(), options: Box::new(options) })
    }

    fn postgres_target(&self, rest: &str) -> Result<Target> {
        // The parser's message would repeat the address, and with it the password.
        let mut url = Url::parse(&format!("postgresql://{rest}"))
            .map_err(|error| invalid(format!("DATABASE_URL is not a valid address ({error})")))?;
        // asyncpg writes `ssl` where libpq writes `sslmode`.
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(key, value)| {
                let key = if key == "ssl" { "sslmode".into() } else { key.into_owned() };
                (key, value.into_owned())
            })
            .collect();
        url.set_query(None);
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        if let Some(schema) = &self.schema
            && (schema.is_empty() || schema.contains('\0'))
        {
            return Err(invalid("DATABASE_SCHEMA is empty; name a schema or remove the variable"));
        }
        let options = PgConnectOptions::from_url(&url)
            .map_err(|error| {
                let password = url.password().unwrap_or_default();
                let text = error.to_string();
                let text = if password.is_empty() { text } else { text.replace(password, "***") };
                invalid(format!("DATABASE_URL cannot be used ({text})"))
            })?
            .statement_cache_capacity(STATEMENT_CACHE)
            .log_statements(tracing::log::LevelFilter::Trace)
            .log_slow_statements(tracing::log::LevelFilter::Warn, SLOW_STATEMENT);
        let location = format!(
            "postgresql://{}@{}:{}/{}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_default()
        );
        Ok(Target::Postgres { location, options: Box::new(options) })
    }
}

fn invalid(reason: impl Into<String>) -> StorageError {
    StorageError::InvalidOptions { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(url: &str) -> String {
        match DatabaseOptions::new(url).target().unwrap() {
            Target::Sqlite { path, .. } => path.display().to_string(),
            Target::Postgres { location, .. } => location,
        }
    }

    #[test]
    fn addresses_of_sqlite() {
        assert_eq!(location("sqlite:///data/webui.db"), "data/webui.db");
        assert_eq!(location("sqlite:////app/data/webui.db"), "/app/data/webui.db");
        assert_eq!(location("sqlite+aiosqlite:///x.db?cache=shared"), "x.db");
    }

    #[test]
    fn addresses_of_postgresql() {
        for scheme in ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2"] {
            assert_eq!(
                location(&format!("{scheme}://u:p%40ss@db:5433/chat?ssl=require")),
                "postgresql://u@db:5433/chat"
            );
        }
    }

    #[test]
    fn unusable_addresses_say_why_without_the_password() {
        for url in [
            "",
            "sqlite://",
            "sqlite:///:memory:",
            "mysql://u:secret@h/d",
            "postgresql://u:secret@h:x/d",
            "postgresql://u:secret@h/d?sslmode=secret",
        ] {
            let message = DatabaseOptions::new(url).target().unwrap_err().to_string();
            assert!(message.contains("DATABASE_URL"), "{message}");
            assert!(!message.contains("secret@"), "{message}");
        }
        let options = DatabaseOptions::new("postgresql://u:secret@h/d");
        assert!(!format!("{options:?}").contains("secret"));
    }

    #[test]
    fn pragmas_are_words_or_numbers() {
        let mut options = DatabaseOptions::new("sqlite:///x.db");
        options.sqlite.synchronous = "OFF; DROP TABLE users".into();
        let message = options.validate().unwrap_err().to_string();
        assert!(message.contains("DATABASE_SQLITE_PRAGMA_SYNCHRONOUS"), "{message}");
        options.sqlite.synchronous = String::new();
        options.sqlite.busy_timeout = "soon".into();
        assert!(options.validate().is_err());
    }

    #[test]
    fn sizes_of_pools() {
        let mut options = DatabaseOptions::new("sqlite:///x.db");
        assert_eq!((options.postgres_connections(), options.sqlite_readers()), (10, 4));
        options.pool_size = Some(50);
        options.pool_max_overflow = 7;
        assert_eq!((options.postgres_connections(), options.sqlite_readers()), (57, 16));
        options.pool_size = Some(0);
        assert_eq!(options.postgres_connections(), 10);
    }
}
