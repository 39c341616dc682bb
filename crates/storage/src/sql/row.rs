//! Rows of either database, read by column name.

use serde_json::{Value, value::RawValue};
use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};

use crate::{Result, StorageError};

/// One row of a result.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// Reads a column as a type that both databases know.
macro_rules! column {
    ($row:expr, $column:expr, $type:ty) => {
        match $row {
            Row::Sqlite(row) => row.try_get::<$type, _>($column),
            Row::Postgres(row) => row.try_get::<$type, _>($column),
        }
        .map_err(|error| unreadable($column, error))
    };
}

#[expect(clippy::needless_pass_by_value, reason = "used as the argument of map_err")]
fn unreadable(column: &'static str, error: sqlx::Error) -> StorageError {
    StorageError::CorruptRow { column, reason: error.to_string() }
}

fn not_json(column: &'static str, error: &serde_json::Error) -> StorageError {
    StorageError::CorruptRow { column, reason: error.to_string() }
}

impl Row {
    pub(crate) fn text(&self, column: &'static str) -> Result<String> {
        column!(self, column, String)
    }

    pub(crate) fn opt_text(&self, column: &'static str) -> Result<Option<String>> {
        column!(self, column, Option<String>)
    }

    pub(crate) fn int(&self, column: &'static str) -> Result<i64> {
        column!(self, column, i64)
    }

    pub(crate) fn opt_int(&self, column: &'static str) -> Result<Option<i64>> {
        column!(self, column, Option<i64>)
    }

    pub(crate) fn boolean(&self, column: &'static str) -> Result<bool> {
        column!(self, column, bool)
    }

    pub(crate) fn opt_boolean(&self, column: &'static str) -> Result<Option<bool>> {
        column!(self, column, Option<bool>)
    }

    pub(crate) fn opt_json(&self, column: &'static str) -> Result<Option<Value>> {
        self.opt_text(column)?
            .map(|text| serde_json::from_str(&text).map_err(|error| not_json(column, &error)))
            .transpose()
    }

    /// A JSON object; NULL is the empty one.
    pub(crate) fn object(&self, column: &'static str) -> Result<serde_json::Map<String, Value>> {
        match self.opt_text(column)? {
            Some(text) => serde_json::from_str(&text).map_err(|error| not_json(column, &error)),
            None => Ok(serde_json::Map::new()),
        }
    }

    /// A JSON value passed on as it is.
    pub(crate) fn raw(&self, column: &'static str) -> Result<Option<Box<RawValue>>> {
        self.opt_text(column)?
            .map(|text| RawValue::from_string(text).map_err(|error| not_json(column, &error)))
            .transpose()
    }

    /// A JSON array of texts; NULL is the empty one.
    pub(crate) fn texts(&self, column: &'static str) -> Result<Vec<String>> {
        match self.opt_text(column)? {
            Some(text) => serde_json::from_str(&text).map_err(|error| not_json(column, &error)),
            None => Ok(Vec::new()),
        }
    }
}
