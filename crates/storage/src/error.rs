//! What can go wrong in storage.
//!
//! Everything a caller may want to answer differently is a variant of its own; [`StorageError::kind`] sorts
//! the variants into the few classes that an API needs. Failures of the database itself (unreachable,
//! too slow, a broken statement) keep their cause as the source and never carry values of rows.

use std::time::Duration;

/// Result of every storage operation.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

/// A storage operation that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// No account has this id.
    #[error("There is no such user.")]
    UserNotFound,
    /// Another account already has this e-mail address (compared without case).
    #[error("This e-mail address already belongs to an account.")]
    EmailTaken,
    /// The change would leave the server without an administrator.
    #[error("This is the last administrator; make somebody else an administrator first.")]
    LastAdmin,
    /// No chat has this id.
    #[error("There is no such chat.")]
    ChatNotFound,
    /// The chat belongs to somebody else.
    #[error("This chat belongs to another user.")]
    ForeignChat,
    /// A chat with this id exists already.
    #[error("A chat with this id exists already.")]
    ChatExists,
    /// No message of the chat has this id.
    #[error("There is no such message in this chat.")]
    MessageNotFound,
    /// A message names a parent that the chat does not have.
    #[error("The chat has no message {id} that the new message could follow.")]
    UnknownParent {
        /// The parent that was named.
        id: String,
    },
    /// No channel has this id.
    #[error("There is no such channel.")]
    ChannelNotFound,
    /// No message of the channel has this id.
    #[error("There is no such message in this channel.")]
    ChannelMessageNotFound,
    /// No model record has this id.
    #[error("There is no such model record.")]
    ModelNotFound,
    /// A model record with this id exists already.
    #[error("A model record with this id exists already.")]
    ModelExists,
    /// No judgement of this account has this id.
    #[error("There is no such feedback.")]
    FeedbackNotFound,
    /// A chat document, message or value does not have the expected shape.
    #[error("The document is malformed at {path}: {reason}")]
    Malformed {
        /// Where in the document, such as `chat.history.messages.ID.parentId`.
        path: String,
        /// What is wrong there.
        reason: String,
    },
    /// Something exceeds its named limit.
    #[error("Too large: {what} would be {size}; at most {limit} are allowed.")]
    TooLarge {
        /// What is too large, with its unit, such as `messages of a chat`.
        what: &'static str,
        /// The size that was given.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// `DATABASE_URL` or another option cannot be used.
    #[error("The database address cannot be used: {reason}")]
    InvalidOptions {
        /// What is wrong and what is allowed; never contains the password.
        reason: String,
    },
    /// The database lacks migrations and this process was told not to run them.
    #[error(
        "The database is at version {found}, this program needs version {needed} (missing: {missing}). \
         Run `antiphon migrate`, or set ENABLE_DB_MIGRATIONS=true on one node."
    )]
    MigrationsMissing {
        /// Highest version found, 0 for an empty database.
        found: i64,
        /// Version this program needs.
        needed: i64,
        /// Names of the missing migrations, comma separated.
        missing: String,
    },
    /// A newer program changed the database in a way that this one cannot work with.
    #[error(
        "The database was changed by a newer version of this program in a way that this one does not \
         understand (unknown: {unknown}). Start the newer version, or restore a backup from before it."
    )]
    DatabaseTooNew {
        /// Names of the unknown contracting migrations, comma separated.
        unknown: String,
    },
    /// A migration that was applied differs from the one in this program.
    #[error(
        "Migration {name} was applied to this database with another content than this program has. \
         The database belongs to another build; use that build or another database."
    )]
    MigrationChanged {
        /// Name of the migration.
        name: String,
    },
    /// The database belongs to another program.
    #[error(
        "The database has a table {table} and none of this program's: it belongs to Open WebUI or another program, and was \
         left as it was. Set DATABASE_URL to a database of Antiphon's own or, with SQLite, DATA_DIR to a folder of its own. How \
         accounts are brought along: docs/guides/next-to-open-webui.md."
    )]
    ForeignDatabase {
        /// The table that tells.
        table: &'static str,
    },
    /// A migration failed; nothing of it was kept.
    #[error("Migration {name} failed and was rolled back.")]
    MigrationFailed {
        /// Name of the migration.
        name: String,
        /// The database's answer.
        source: sqlx::Error,
    },
    /// The database gave no answer, or no connection became free, within the bound.
    #[error(
        "The database did not answer within {bound:?} ({what}). It is overloaded, frozen or unreachable; \
         check it, and DATABASE_POOL_SIZE if all connections are busy."
    )]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// The bound that passed.
        bound: Duration,
    },
    /// Another process holds the lock of the SQLite file for too long.
    #[error(
        "Another process has held the lock of the database file for too long. Only one server may use a SQLite \
         file; use PostgreSQL for several."
    )]
    Locked(#[source] sqlx::Error),
    /// The database cannot be reached.
    #[error("The database cannot be reached; check DATABASE_URL and that the database runs.")]
    Unreachable(#[source] sqlx::Error),
    /// A row holds something that this program never writes.
    #[error("Column {column} of the database holds a value that cannot be read: {reason}")]
    CorruptRow {
        /// The column.
        column: &'static str,
        /// Why it cannot be read.
        reason: String,
    },
    /// The database refused a statement.
    #[error("The database refused a statement.")]
    Database(#[source] sqlx::Error),
}

/// The class of a [`StorageError`], for those who answer requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The thing does not exist.
    NotFound,
    /// The thing belongs to somebody else.
    Forbidden,
    /// The request contradicts what is stored.
    Conflict,
    /// The request is malformed.
    Invalid,
    /// The request exceeds a limit.
    TooLarge,
    /// The database is away or too slow; trying again later may help.
    Unavailable,
    /// A fault of the server or its set-up.
    Internal,
}

impl StorageError {
    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UserNotFound
            | Self::ChatNotFound
            | Self::MessageNotFound
            | Self::ChannelNotFound
            | Self::ChannelMessageNotFound
            | Self::FeedbackNotFound
            | Self::ModelNotFound => ErrorKind::NotFound,
            Self::ForeignChat => ErrorKind::Forbidden,
            Self::EmailTaken | Self::LastAdmin | Self::ChatExists | Self::ModelExists => ErrorKind::Conflict,
            Self::UnknownParent { .. } | Self::Malformed { .. } => ErrorKind::Invalid,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Timeout { .. } | Self::Locked(_) | Self::Unreachable(_) => ErrorKind::Unavailable,
            Self::InvalidOptions { .. }
            | Self::MigrationsMissing { .. }
            | Self::DatabaseTooNew { .. }
            | Self::MigrationChanged { .. }
            | Self::ForeignDatabase { .. }
            | Self::MigrationFailed { .. }
            | Self::CorruptRow { .. }
            | Self::Database(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn malformed(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.into(), reason: reason.into() }
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Unreachable(error),
            sqlx::Error::Database(ref answer) => match class(answer.as_ref()) {
                Class::Away => Self::Unreachable(error),
                Class::Locked => Self::Locked(error),
                Class::Other => Self::Database(error),
            },
            other => Self::Database(other),
        }
    }
}

enum Class {
    Away,
    Locked,
    Other,
}

/// What the code of a database's answer says about the database itself.
fn class(answer: &dyn sqlx::error::DatabaseError) -> Class {
    let Some(code) = answer.code() else { return Class::Other };
    if answer.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        // SQLITE_BUSY and SQLITE_LOCKED; extended codes keep the primary one in the low byte.
        return match code.parse::<u32>().map(|code| code & 0xff) {
            Ok(5 | 6) => Class::Locked,
            _ => Class::Other,
        };
    }
    // Connection exceptions, too many connections, shutting down or starting up.
    if code.starts_with("08") || matches!(code.as_ref(), "53300" | "57P01" | "57P02" | "57P03" | "57P05") {
        return Class::Away;
    }
    Class::Other
}
