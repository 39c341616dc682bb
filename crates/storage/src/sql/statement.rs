//! Statements: SQL text with `$1` placeholders and the values for them.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, Postgres, Sqlite, postgres::PgArguments, query::Query, sqlite::SqliteArguments};

/// One value bound to a placeholder.
///
/// PostgreSQL wants to know the type of a NULL, therefore the `Option` is inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bool(Option<bool>),
}

/// PostgreSQL refuses NUL in text, and SQLite's functions stop at it; the replacement character stands in.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(without_nul(value)))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        value.clone().into()
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value.map(without_nul))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        value.map(str::to_owned).into()
    }
}

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Self {
        value.clone().into()
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(Some(value))
    }
}

impl From<Option<bool>> for Value {
    fn from(value: Option<bool>) -> Self {
        Self::Bool(value)
    }
}

/// SQL text and its values.
///
/// The text is made of constants of this crate only; everything from outside is a value.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(super) sql: Cow<'static, str>,
    values: Vec<Value>,
    reused: bool,
}

impl Statement {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), values: Vec::new(), reused: true }
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(crate) fn bind_all(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.values.extend(values);
        self
    }

    /// Binds texts as one JSON array, for [`Dialect::unfold`](super::Dialect::unfold).
    ///
    /// The escape of NUL is as unwelcome to PostgreSQL's JSON as NUL itself is in a text.
    pub(crate) fn bind_list<T: AsRef<str>>(self, texts: impl IntoIterator<Item = T>) -> Self {
        let texts = texts.into_iter().map(|text| without_nul(text.as_ref().to_owned()));
        self.bind(texts.collect::<serde_json::Value>().to_string())
    }

    /// Keeps the prepared form out of the connection's cache, for texts that rarely come twice.
    pub(crate) fn once(mut self) -> Self {
        self.reused = false;
        self
    }

    pub(super) fn sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(AssertSqlSafe(self.sql)).persistent(self.reused);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Int(int) => query.bind(int),
            Value::Bool(boolean) => query.bind(boolean),
        })
    }

    pub(super) fn postgres(self) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(self.sql)).persistent(self.reused);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Int(int) => query.bind(int),
            Value::Bool(boolean) => query.bind(boolean),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_never_reaches_the_database() {
        let list = Statement::new("").bind_list(["a\0b", "c"]);
        assert_eq!(list.values, [Value::Text(Some("[\"a\u{fffd}b\",\"c\"]".into()))]);
        assert_eq!(Value::from("a\0b"), Value::Text(Some("a\u{fffd}b".into())));
        assert_eq!(Value::from(Some("x".to_owned())), Value::Text(Some("x".into())));
    }
}
