//! Where the data is kept.

use std::time::Duration;

use super::server::Server;
use crate::registry::report::Origin;
use crate::registry::{Entry, Reader, section, variable};
use crate::rules::{Bool, Parsed, Rule, SecretText, Span, Text, Whole, optional};
use crate::secret::{Secret, mask_url};
use crate::values::{DATABASE_URL_FORMS, DatabaseUrl, PostgresUrl};

/// Name of the SQLite file in the data folder.
const FILE: &str = "webui.db";

/// The database and how it is used.
#[derive(Clone, Debug)]
pub struct Database {
    /// Which database.
    pub url: DatabaseUrl,
    /// Schema of PostgreSQL that holds the tables; the user's default when absent.
    pub schema: Option<String>,
    /// Whether this node runs migrations at its start; otherwise it only checks that they have run.
    pub run_migrations: bool,
    /// Shortest time between two writes of a user's last activity.
    pub activity_interval: Duration,
    /// Connections.
    pub pool: DatabasePool,
    /// Settings of SQLite.
    pub sqlite: Sqlite,
}

section! {
    /// The variables that name the database, before they are put together.
    pub(crate) struct Address, "Database" {
        /// Address of the database.
        url: Option<DatabaseUrl> =
            variable("DATABASE_URL", optional(DatabaseUrlRule)).or_computed("the file webui.db in DATA_DIR");
        /// Kind of database; the six parts together replace `DATABASE_URL`.
        kind: Option<String> = variable("DATABASE_TYPE", optional(Text));
        /// User name, as a part of the address.
        user: Option<String> = variable("DATABASE_USER", optional(Text));
        /// Password, as a part of the address.
        password: Option<Secret> = variable("DATABASE_PASSWORD", optional(SecretText)).secret();
        /// Host, as a part of the address.
        host: Option<String> = variable("DATABASE_HOST", optional(Text));
        /// Port, as a part of the address.
        port: Option<u16> = variable("DATABASE_PORT", optional(Whole::port()));
        /// Name of the database, as a part of the address.
        name: Option<String> = variable("DATABASE_NAME", optional(Text));
        /// Schema of PostgreSQL that holds the tables.
        schema: Option<String> = variable("DATABASE_SCHEMA", optional(Text));
        /// Brings the tables up to date at the start; with false the start only checks that they are.
        run_migrations: bool = variable("ENABLE_DB_MIGRATIONS", Bool).or("true");
        /// Seconds between two writes of a user's last activity.
        activity_interval: Duration =
            variable("DATABASE_USER_ACTIVE_STATUS_UPDATE_INTERVAL", Span::seconds().or_zero()).or("60");
    }
    others {
        /// Reuses a database session within a request.
        variable("DATABASE_ENABLE_SESSION_SHARING", Bool)
            .or("false")
            .no_effect("Connections are taken from a pool for each statement or transaction.");
        /// Signs in to the database with a token of the cloud provider.
        variable("DATABASE_ENABLE_IAM_TOKEN_AUTH", Bool).or("false").reserved();
    }
}

section! {
    /// Connections to the database.
    pub struct DatabasePool, "Database" {
        /// Connections kept open; empty or 0 for the default of the database.
        size: Option<u32> = variable("DATABASE_POOL_SIZE", optional(Whole::lenient().at_least(0).at_most(10_000)));
        /// Further connections under load.
        overflow: u32 = variable("DATABASE_POOL_MAX_OVERFLOW", Whole::lenient().at_least(0).at_most(10_000)).or("0");
        /// Seconds to wait for a free connection.
        timeout: Duration = variable("DATABASE_POOL_TIMEOUT", Span::seconds().whole()).or("30");
        /// Seconds after which a connection is replaced.
        recycle: Duration = variable("DATABASE_POOL_RECYCLE", Span::seconds().whole()).or("3600");
    }
}

section! {
    /// Settings of SQLite, set on every connection; an empty text leaves SQLite's own value.
    pub struct Sqlite, "Database" {
        /// Keeps a write-ahead log, so that readers and the writer do not wait for each other.
        wal: bool = variable("DATABASE_ENABLE_SQLITE_WAL", Bool).or("true");
        /// How hard SQLite makes sure that data is on the disk.
        synchronous: String = variable("DATABASE_SQLITE_PRAGMA_SYNCHRONOUS", Pragma).or("NORMAL");
        /// Milliseconds to wait for a lock.
        busy_timeout: String = variable("DATABASE_SQLITE_PRAGMA_BUSY_TIMEOUT", Pragma).or("5000");
        /// Pages of cache a connection, or kibibytes as a negative number.
        cache_size: String = variable("DATABASE_SQLITE_PRAGMA_CACHE_SIZE", Pragma).or("-65536");
        /// Where temporary tables live.
        temp_store: String = variable("DATABASE_SQLITE_PRAGMA_TEMP_STORE", Pragma).or("MEMORY");
        /// Bytes of the file that are mapped into memory.
        mmap_size: String = variable("DATABASE_SQLITE_PRAGMA_MMAP_SIZE", Pragma).or("268435456");
        /// Bytes to which the write-ahead log is cut back.
        journal_size_limit: String = variable("DATABASE_SQLITE_PRAGMA_JOURNAL_SIZE_LIMIT", Pragma).or("67108864");
    }
}

impl Database {
    pub(crate) fn entries() -> Vec<Entry> {
        [Address::entries(), DatabasePool::entries(), Sqlite::entries()].concat()
    }

    /// Reads the section; the data folder gives the default address.
    pub(crate) fn read(reader: &mut Reader<'_>, server: Option<&Server>) -> Option<Self> {
        let address = Address::read(reader);
        let pool = DatabasePool::read(reader);
        let sqlite = Sqlite::read(reader);
        let (address, server) = (address?, server?);
        let url = if let Some(url) = address.parts(reader)? {
            reader.show("DATABASE_URL", url.to_string(), Origin::Derived);
            url
        } else if let Some(url) = address.url {
            url
        } else {
            let url = DatabaseUrl::in_folder(&server.data_dir, FILE);
            let origin = if reader.is_set("DATA_DIR") { Origin::Derived } else { Origin::Default };
            reader.show("DATABASE_URL", url.to_string(), origin);
            url
        };
        Some(Self {
            url,
            schema: address.schema,
            run_migrations: address.run_migrations,
            activity_interval: address.activity_interval,
            pool: pool?,
            sqlite: sqlite?,
        })
    }
}

impl Address {
    /// The address made of the six parts: `Some(None)` when they do not apply, `None` after an error.
    #[expect(clippy::option_option, reason = "no address and a broken address are different things")]
    fn parts(&self, reader: &mut Reader<'_>) -> Option<Option<DatabaseUrl>> {
        let (Some(kind), Some(user), Some(password), Some(host), Some(port), Some(name)) =
            (&self.kind, &self.user, &self.password, &self.host, self.port, &self.name)
        else {
            self.warn_about_missing_parts(reader);
            return Some(None);
        };
        if !matches!(kind.as_str(), "postgresql" | "postgres" | "postgresql+asyncpg" | "postgresql+psycopg") {
            let problem = "Only PostgreSQL can be named by parts.".to_owned();
            reader.fail("DATABASE_TYPE", kind.clone(), problem, "postgresql".to_owned());
            return None;
        }
        match PostgresUrl::from_parts(user, password, host, port, name) {
            Ok(url) => Some(Some(DatabaseUrl::Postgres(url))),
            Err(problem) => {
                let problem = format!("The parts {problem}.");
                reader.fail("DATABASE_HOST", host.clone(), problem, "a host name or address".to_owned());
                None
            }
        }
    }

    fn warn_about_missing_parts(&self, reader: &mut Reader<'_>) {
        let parts = [
            ("DATABASE_TYPE", self.kind.is_some()),
            ("DATABASE_USER", self.user.is_some()),
            ("DATABASE_PASSWORD", self.password.is_some()),
            ("DATABASE_HOST", self.host.is_some()),
            ("DATABASE_PORT", self.port.is_some()),
            ("DATABASE_NAME", self.name.is_some()),
        ];
        let names = |given: bool| {
            parts
                .iter()
                .filter(|(_, set)| *set == given)
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        if parts.iter().any(|(_, set)| *set) {
            reader.warn(
                names(true),
                format!("the database is named by parts only when all six are set; missing: {}. DATABASE_URL is used.", names(false)),
            );
        }
    }
}

/// The rule for the address of the database.
#[derive(Clone, Copy, Debug)]
struct DatabaseUrlRule;

impl Rule for DatabaseUrlRule {
    type Value = DatabaseUrl;

    fn allowed(&self) -> String {
        DATABASE_URL_FORMS.to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<DatabaseUrl> {
        DatabaseUrl::parse(text).map_or_else(Parsed::Wrong, Parsed::Value)
    }

    fn show(&self, value: &DatabaseUrl) -> String {
        value.to_string()
    }

    fn conceal(&self, text: &str) -> String {
        mask_url(text)
    }
}

/// The value of a pragma: a word or a number, since it becomes part of a statement.
#[derive(Clone, Copy, Debug)]
struct Pragma;

impl Rule for Pragma {
    type Value = String;

    fn allowed(&self) -> String {
        "a word, a number, or nothing".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<String> {
        let text = text.trim();
        if text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_') {
            Parsed::Value(text.to_owned())
        } else {
            Parsed::Wrong("is neither a word nor a number".to_owned())
        }
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}
