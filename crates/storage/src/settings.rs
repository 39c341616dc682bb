//! Settings of the server that administrators change while it runs.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    Database, Result, StorageError, clock,
    sql::{Statement, Transaction},
};

/// Most settings there may be.
const MAX_SETTINGS: i64 = 10_000;

/// All settings at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsSnapshot {
    /// Grows with every change, also by other nodes.
    pub version: i64,
    /// Value by name.
    pub values: BTreeMap<String, Value>,
}

/// Settings of the server.
#[derive(Debug, Clone)]
pub struct Settings {
    database: Database,
}

impl Settings {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// All settings and their version.
    pub async fn all(&self) -> Result<SettingsSnapshot> {
        // The version is read first: a change in between gives newer values than the version says, and the
        // next look at the version leads to another read. The other order would hide the change.
        let version = self.version().await?;
        let statement =
            Statement::new("SELECT name, value FROM settings ORDER BY name LIMIT $1").bind(MAX_SETTINGS);
        let mut values = BTreeMap::new();
        for row in self.database.read(statement).await? {
            values.insert(row.text("name")?, row.opt_json("value")?.unwrap_or_default());
        }
        Ok(SettingsSnapshot { version, values })
    }

    /// The version alone, for seeing cheaply whether something changed.
    pub async fn version(&self) -> Result<i64> {
        let statement = Statement::new("SELECT value FROM counters WHERE name = 'settings'");
        self.database.read_one(statement).await?.map_or(Ok(0), |row| row.int("value"))
    }

    /// Sets several values at once, all or none; gives the new version.
    pub async fn put_many(&self, values: &[(String, Value)]) -> Result<i64> {
        let mut transaction = self.database.begin().await?;
        let version = next_version(&mut transaction).await?;
        for (name, value) in values {
            let statement = Statement::new(
                "INSERT INTO settings (name, value, version, updated_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, version = excluded.version, \
                 updated_at = excluded.updated_at",
            )
            .bind(name)
            .bind(value.to_string())
            .bind(version)
            .bind(clock::seconds());
            transaction.execute(statement).await?;
        }
        let statement = Statement::new("SELECT count(*) AS total FROM settings");
        let total = transaction.optional(statement).await?.map_or(Ok(0), |row| row.int("total"))?;
        if total > MAX_SETTINGS {
            return Err(StorageError::TooLarge {
                what: "settings",
                size: usize::try_from(total).unwrap_or(usize::MAX),
                limit: usize::try_from(MAX_SETTINGS).unwrap_or(usize::MAX),
            });
        }
        transaction.commit().await?;
        Ok(version)
    }

    /// Removes some settings; gives the new version.
    pub async fn remove(&self, names: &[String]) -> Result<i64> {
        let mut transaction = self.database.begin().await?;
        let version = next_version(&mut transaction).await?;
        let list = transaction.dialect().unfold("$1");
        let statement = Statement::new(format!("DELETE FROM settings WHERE name IN {list}")).bind_list(names);
        transaction.execute(statement).await?;
        transaction.commit().await?;
        Ok(version)
    }

    /// Removes all settings, so that the environment counts again; gives the new version.
    pub async fn clear(&self) -> Result<i64> {
        let mut transaction = self.database.begin().await?;
        let version = next_version(&mut transaction).await?;
        transaction.execute(Statement::new("DELETE FROM settings")).await?;
        transaction.commit().await?;
        Ok(version)
    }
}

/// Counting up locks the row, so that changes come one after the other.
async fn next_version(transaction: &mut Transaction) -> Result<i64> {
    let statement =
        Statement::new("UPDATE counters SET value = value + 1 WHERE name = 'settings' RETURNING value");
    let row = transaction.optional(statement).await?.ok_or_else(|| StorageError::CorruptRow {
        column: "counters.value",
        reason: "the counter of the settings is missing".into(),
    })?;
    row.int("value")
}
