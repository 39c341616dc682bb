//! Addresses of the database, in the notation of SQLAlchemy.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::redis_url::decoded;
use crate::secret::Secret;

/// What may be written.
pub(crate) const ALLOWED: &str = "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host[:port]/name \
     (also postgres://, postgresql+asyncpg:// and postgresql+psycopg://)";

/// Which database to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file of SQLite, or memory.
    Sqlite(SqliteFile),
    /// A PostgreSQL server.
    Postgres(PostgresUrl),
}

/// Where SQLite keeps its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqliteFile {
    /// A file; a relative path counts from the current directory.
    Path(PathBuf),
    /// Memory only: everything is lost at the end of the process.
    Memory,
}

/// A PostgreSQL server and database.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Url);

impl DatabaseUrl {
    /// Reads an address; the error continues the words "the value …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("is not a database address".to_owned());
        };
        match scheme {
            "sqlite" => sqlite(rest).map(Self::Sqlite),
            "postgres" | "postgresql" | "postgresql+asyncpg" | "postgresql+psycopg" => {
                postgres(&format!("postgresql://{rest}")).map(Self::Postgres)
            }
            other => Err(format!("has the scheme {other}://, which is not supported")),
        }
    }

    /// A file in the data folder.
    pub(crate) fn in_folder(folder: &Path, name: &str) -> Self {
        Self::Sqlite(SqliteFile::Path(folder.join(name)))
    }
}

fn sqlite(rest: &str) -> Result<SqliteFile, String> {
    let rest = rest.split('?').next().unwrap_or_default();
    match rest.strip_prefix('/') {
        None if rest.is_empty() => Ok(SqliteFile::Memory),
        None => {
            Err("has two slashes after sqlite:, but a path needs three (relative) or four (absolute)"
                .to_owned())
        }
        Some("" | ":memory:") => Ok(SqliteFile::Memory),
        Some(path) => Ok(SqliteFile::Path(PathBuf::from(path))),
    }
}

fn postgres(text: &str) -> Result<PostgresUrl, String> {
    let mut url = Url::parse(text).map_err(|error| format!("is not a PostgreSQL address ({error})"))?;
    let host_in_query = url.query_pairs().any(|(name, _)| name == "host");
    if url.host_str().is_none_or(str::is_empty) && !host_in_query {
        return Err("names no host".to_owned());
    }
    if url.path().trim_matches('/').is_empty() && !url.query_pairs().any(|(name, _)| name == "dbname") {
        return Err("names no database".to_owned());
    }
    // asyncpg calls the TLS mode `ssl`; everybody else calls it `sslmode`.
    if url.query_pairs().any(|(name, _)| name == "ssl") {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| match (name.as_ref(), value.to_lowercase().as_str()) {
                ("ssl", "true" | "1") => ("sslmode".to_owned(), "require".to_owned()),
                ("ssl", "false" | "0") => ("sslmode".to_owned(), "disable".to_owned()),
                ("ssl", mode) => ("sslmode".to_owned(), mode.to_owned()),
                _ => (name.into_owned(), value.into_owned()),
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    Ok(PostgresUrl(url))
}

impl PostgresUrl {
    /// An address from its parts.
    pub(crate) fn from_parts(
        user: &str,
        password: &Secret,
        host: &str,
        port: u16,
        name: &str,
    ) -> Result<Self, String> {
        let problem = || "do not make a PostgreSQL address".to_owned();
        let host =
            if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        let mut url = Url::parse(&format!("postgresql://{host}:{port}")).map_err(|_| problem())?;
        url.set_username(user).map_err(|()| problem())?;
        url.set_password(Some(password.reveal())).map_err(|()| problem())?;
        url.path_segments_mut().map_err(|()| problem())?.push(name);
        Ok(Self(url))
    }

    /// The whole address with its password, as `postgresql://…`, for the driver.
    pub fn connection_string(&self) -> Secret {
        Secret::new(self.0.as_str())
    }

    /// Name of the database.
    pub fn database(&self) -> String {
        decoded(self.0.path().trim_matches('/'))
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&crate::secret::mask_url(self.0.as_str()))
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgresUrl({self})")
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(SqliteFile::Memory) => formatter.write_str("sqlite:///:memory:"),
            Self::Sqlite(SqliteFile::Path(path)) => write!(formatter, "sqlite:///{}", path.display()),
            Self::Postgres(url) => write!(formatter, "{url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> DatabaseUrl {
        DatabaseUrl::Sqlite(SqliteFile::Path(PathBuf::from(text)))
    }

    #[test]
    fn reads_sqlite_addresses() {
        assert_eq!(DatabaseUrl::parse("sqlite:///data/webui.db"), Ok(path("data/webui.db")));
        assert_eq!(DatabaseUrl::parse("sqlite:////srv/webui.db"), Ok(path("/srv/webui.db")));
        assert_eq!(DatabaseUrl::parse("sqlite:///:memory:"), Ok(DatabaseUrl::Sqlite(SqliteFile::Memory)));
        assert_eq!(DatabaseUrl::parse("sqlite://"), Ok(DatabaseUrl::Sqlite(SqliteFile::Memory)));
        assert_eq!(path("/srv/webui.db").to_string(), "sqlite:////srv/webui.db");
    }

    #[test]
    fn reads_postgresql_addresses_of_every_driver() {
        for scheme in ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"] {
            let text = format!("{scheme}://u:p%40w@db:5433/chat?ssl=require");
            let Ok(DatabaseUrl::Postgres(url)) = DatabaseUrl::parse(&text) else { panic!("{text}") };
            assert_eq!(url.connection_string().reveal(), "postgresql://u:p%40w@db:5433/chat?sslmode=require");
            assert_eq!(url.to_string(), "postgresql://u:********@db:5433/chat?sslmode=require");
            assert_eq!(url.database(), "chat");
        }
    }

    #[test]
    fn refuses_other_addresses() {
        for text in [
            "",
            "webui.db",
            "mysql://h/d",
            "sqlite://data/webui.db",
            "postgresql://",
            "postgresql://h",
            "postgresql://h:x/d",
        ] {
            assert!(DatabaseUrl::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn puts_parts_together() {
        let url =
            PostgresUrl::from_parts("u", &Secret::new("p@/:w"), "db", 5432, "chat").expect("an address");
        assert_eq!(url.connection_string().reveal(), "postgresql://u:p%40%2F%3Aw@db:5432/chat");
    }
}
