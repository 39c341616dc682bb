//! Migrations: numbered SQL texts that bring a database to the version of this program.
//!
//! They only go forward. Each is either *expanding* (adds tables, columns, indexes; an older program goes on
//! working) or *contracting* (removes what no running version needs any more); the kind is kept in the
//! database, so that an older program can tell whether it may still work with a newer database. A change of
//! a column is an expanding migration, a release in which both are written, and a contracting one.
//!
//! All missing migrations run in one transaction, under an advisory lock on PostgreSQL and the write lock on
//! SQLite, so that several nodes may start together: one works, the others wait and find it done.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{
    Database, Result, StorageError, clock,
    digest::sha256_hex,
    sql::{Dialect, Row, Statement, Transaction},
};

/// Longest time one migration may take.
const MIGRATION_BOUND: Duration = Duration::from_mins(10);

/// Longest wait for another node that migrates.
const LOCK_BOUND: Duration = Duration::from_mins(10);

/// Pause between two tries to get the advisory lock.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// First half of the key of the advisory lock; the second is the schema.
const LOCK_MIGRATIONS: i64 = 0x414e_5401;

/// Whether older programs can work with the result of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only adds.
    Expand,
    /// Removes or changes.
    #[expect(dead_code, reason = "no migration has had to contract yet")]
    Contract,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Contract => "contract",
        }
    }
}

/// One migration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) sql: &'static str,
}

/// The migrations of this program, in order. What was released is never changed.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "0001_accounts",
        kind: Kind::Expand,
        sql: include_str!("../migrations/0001_accounts.sql"),
    },
    Migration {
        version: 2,
        name: "0002_chats",
        kind: Kind::Expand,
        sql: include_str!("../migrations/0002_chats.sql"),
    },
    Migration {
        version: 3,
        name: "0003_models",
        kind: Kind::Expand,
        sql: include_str!("../migrations/0003_models.sql"),
    },
    Migration {
        version: 4,
        name: "0004_channels",
        kind: Kind::Expand,
        sql: include_str!("../migrations/0004_channels.sql"),
    },
    Migration {
        version: 5,
        name: "0005_feedback",
        kind: Kind::Expand,
        sql: include_str!("../migrations/0005_feedback.sql"),
    },
    Migration {
        version: 6,
        name: "0006_fleet",
        kind: Kind::Expand,
        sql: include_str!("../migrations/0006_fleet.sql"),
    },
    Migration {
        version: 7,
        name: "0007_sign_in_links",
        kind: Kind::Expand,
        sql: include_str!("../migrations/0007_sign_in_links.sql"),
    },
];

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations ( \
     version BIGINT NOT NULL PRIMARY KEY, \
     name TEXT NOT NULL, \
     kind TEXT NOT NULL, \
     checksum TEXT NOT NULL, \
     applied_at BIGINT NOT NULL)";

/// A table of Open WebUI, whose other tables have names that ours have too.
const FOREIGN: &str = "alembic_version";

/// What migrating or checking found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationReport {
    /// Version of the database now.
    pub version: i64,
    /// Names of the migrations that were applied just now.
    pub applied: Vec<String>,
    /// Names of migrations of a newer program that this one does not know but can live with.
    pub ahead: Vec<String>,
}

struct Applied {
    version: i64,
    name: String,
    kind: String,
    checksum: String,
}

impl Applied {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            version: row.int("version")?,
            name: row.text("name")?,
            kind: row.text("kind")?,
            checksum: row.text("checksum")?,
        })
    }
}

/// What is to be done to a database with these applied migrations.
struct Plan<'a> {
    missing: Vec<&'a Migration>,
    found: i64,
    ahead: Vec<String>,
}

fn plan(known: &[Migration], applied: Vec<Applied>) -> Result<Plan<'_>> {
    let found = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    let mut applied: BTreeMap<i64, Applied> =
        applied.into_iter().map(|migration| (migration.version, migration)).collect();
    let mut missing = Vec::new();
    for migration in known {
        match applied.remove(&migration.version) {
            None => missing.push(migration),
            Some(row) if row.checksum != sha256_hex(migration.sql.as_bytes()) => {
                return Err(StorageError::MigrationChanged { name: row.name });
            }
            Some(_) => {}
        }
    }
    let unknown: Vec<&Applied> = applied.values().collect();
    let contracting: Vec<&str> = unknown
        .iter()
        .filter(|migration| migration.kind != Kind::Expand.as_str())
        .map(|migration| migration.name.as_str())
        .collect();
    if !contracting.is_empty() {
        return Err(StorageError::DatabaseTooNew { unknown: contracting.join(", ") });
    }
    let ahead: Vec<String> = unknown.iter().map(|migration| migration.name.clone()).collect();
    if !ahead.is_empty() {
        tracing::warn!(
            unknown = ahead.join(", "),
            "A newer version of this program has extended the database. This one can work with it; \
             upgrade this node when convenient."
        );
    }
    Ok(Plan { missing, found, ahead })
}

/// Applies what is missing.
pub(crate) async fn run(database: &Database, known: &[Migration]) -> Result<MigrationReport> {
    let mut transaction = lock(database).await?;
    transaction.execute(Statement::new(LEDGER)).await?;
    let applied = applied(&mut transaction).await?;
    if applied.is_empty() && has(transaction.optional(table(database, FOREIGN)).await?)? {
        return Err(StorageError::ForeignDatabase { table: FOREIGN });
    }
    let plan = plan(known, applied)?;
    let mut report = MigrationReport { version: plan.found, applied: Vec::new(), ahead: plan.ahead };
    for migration in plan.missing {
        apply(&mut transaction, migration).await?;
        report.version = report.version.max(migration.version);
        report.applied.push(migration.name.to_owned());
    }
    transaction.commit().await?;
    for name in &report.applied {
        tracing::info!(migration = name, "Migration applied.");
    }
    Ok(report)
}

async fn apply(transaction: &mut Transaction, migration: &Migration) -> Result<()> {
    transaction.script(migration.sql, MIGRATION_BOUND).await.map_err(|error| match error {
        StorageError::Database(source) => {
            StorageError::MigrationFailed { name: migration.name.to_owned(), source }
        }
        other => other,
    })?;
    let statement = Statement::new(
        "INSERT INTO schema_migrations (version, name, kind, checksum, applied_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(migration.version)
    .bind(migration.name)
    .bind(migration.kind.as_str())
    .bind(sha256_hex(migration.sql.as_bytes()))
    .bind(clock::seconds());
    transaction.execute(statement).await.map(drop)
}

/// Compares without changing anything.
pub(crate) async fn check(database: &Database, known: &[Migration]) -> Result<MigrationReport> {
    let exists = has(database.read_one(table(database, "schema_migrations")).await?)?;
    let applied = if exists {
        let rows = database.read(Statement::new(SELECT_APPLIED)).await?;
        rows.iter().map(Applied::from_row).collect::<Result<Vec<_>>>()?
    } else {
        Vec::new()
    };
    if applied.is_empty() && has(database.read_one(table(database, FOREIGN)).await?)? {
        return Err(StorageError::ForeignDatabase { table: FOREIGN });
    }
    let plan = plan(known, applied)?;
    if plan.missing.is_empty() {
        return Ok(MigrationReport { version: plan.found, applied: Vec::new(), ahead: plan.ahead });
    }
    let names: Vec<&str> = plan.missing.iter().map(|migration| migration.name).collect();
    Err(StorageError::MigrationsMissing {
        found: plan.found,
        needed: known.last().map_or(0, |migration| migration.version),
        missing: names.join(", "),
    })
}

/// Asks whether there is a table of this name.
fn table(database: &Database, name: &'static str) -> Statement {
    let sql = match database.dialect() {
        Dialect::Sqlite => {
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1) AS found"
        }
        Dialect::Postgres => "SELECT to_regclass($1) IS NOT NULL AS found",
    };
    Statement::new(sql).bind(name)
}

fn has(row: Option<Row>) -> Result<bool> {
    row.map_or(Ok(false), |row| row.boolean("found"))
}

const SELECT_APPLIED: &str = "SELECT version, name, kind, checksum FROM schema_migrations ORDER BY version";

async fn applied(transaction: &mut Transaction) -> Result<Vec<Applied>> {
    let rows = transaction.all(Statement::new(SELECT_APPLIED)).await?;
    rows.iter().map(Applied::from_row).collect()
}

/// A transaction that only one node at a time can be in.
async fn lock(database: &Database) -> Result<Transaction> {
    let deadline = Instant::now() + LOCK_BOUND;
    let mut transaction = begin_waiting(database, deadline).await?;
    if database.dialect() == Dialect::Postgres {
        for setting in ["statement_timeout", "idle_in_transaction_session_timeout"] {
            let bound = MIGRATION_BOUND.as_millis();
            transaction.execute(Statement::new(format!("SET LOCAL {setting} = {bound}")).once()).await?;
        }
        let schema = database.schema().unwrap_or_default();
        while !try_lock(&mut transaction, schema).await? {
            if Instant::now() >= deadline {
                return Err(StorageError::Timeout { what: "another node that migrates", bound: LOCK_BOUND });
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        if !schema.is_empty() {
            let schema = schema.replace('"', "\"\"");
            let statement = Statement::new(format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"")).once();
            transaction.execute(statement).await?;
        }
    }
    Ok(transaction)
}

async fn try_lock(transaction: &mut Transaction, schema: &str) -> Result<bool> {
    let statement = Statement::new("SELECT pg_try_advisory_xact_lock($1::int, hashtext($2)) AS locked")
        .bind(LOCK_MIGRATIONS)
        .bind(schema);
    match transaction.optional(statement).await? {
        Some(row) => row.boolean("locked"),
        None => Ok(false),
    }
}

/// Another process may hold the write lock of the same SQLite file for longer than the busy timeout.
async fn begin_waiting(database: &Database, deadline: Instant) -> Result<Transaction> {
    loop {
        match database.begin().await {
            Err(StorageError::Locked(_)) if Instant::now() < deadline => {
                tracing::info!("Another process is writing to the database file; waiting for it.");
            }
            other => return other,
        }
    }
}
