//! Passwords and session stamps of accounts.

use crate::{
    Database, Result, StorageError, User, clock,
    sql::{Row, Statement},
    users::USER_COLUMNS,
};

/// Accounts of one statement.
const ACCOUNTS_PER_STATEMENT: usize = 500;

/// Accounts that one poll for changes returns at most.
const MAX_SINCE: i64 = 10_000;

/// What is needed to check a sign-in or a token.
#[derive(Clone, PartialEq)]
pub struct Credential {
    /// The account.
    pub user_id: String,
    /// Password hash in its own encoding.
    pub password_hash: String,
    /// Value that tokens of the account must carry.
    pub session_stamp: String,
    /// Whether the account may sign in at all.
    pub active: bool,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credential")
            .field("user_id", &self.user_id)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// An account and what its tokens must carry.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionState {
    /// The account.
    pub user: User,
    /// Value that tokens of the account must carry.
    pub session_stamp: String,
    /// Whether the account may sign in at all.
    pub active: bool,
}

/// Passwords and session stamps.
#[derive(Debug, Clone)]
pub struct Credentials {
    database: Database,
}

impl Credential {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            user_id: row.text("user_id")?,
            password_hash: row.text("password_hash")?,
            session_stamp: row.text("session_stamp")?,
            active: row.boolean("active")?,
        })
    }
}

impl SessionState {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            user: User::from_row(row)?,
            session_stamp: row.text("session_stamp")?,
            active: row.boolean("active")?,
        })
    }
}

impl Credentials {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Password hash and stamp of an account.
    pub async fn by_user(&self, user_id: &str) -> Result<Option<Credential>> {
        let statement = Statement::new(
            "SELECT user_id, password_hash, session_stamp, active FROM credentials WHERE user_id = $1",
        )
        .bind(user_id);
        self.database.read_one(statement).await?.as_ref().map(Credential::from_row).transpose()
    }

    /// Account and password hash for this e-mail address, compared without case: one query for a sign-in.
    pub async fn by_email(&self, email: &str) -> Result<Option<(User, Credential)>> {
        let statement = Statement::new(format!(
            "SELECT {USER_COLUMNS}, user_id, password_hash, session_stamp, active FROM users \
             JOIN credentials ON credentials.user_id = users.id WHERE users.email = $1"
        ))
        .bind(email.trim().to_lowercase());
        let Some(row) = self.database.read_one(statement).await? else { return Ok(None) };
        Ok(Some((User::from_row(&row)?, Credential::from_row(&row)?)))
    }

    /// Account and session stamp in one query, for checking a token.
    pub async fn session(&self, user_id: &str) -> Result<Option<SessionState>> {
        let statement = Statement::new(format!(
            "SELECT {USER_COLUMNS}, session_stamp, active FROM users \
             JOIN credentials ON credentials.user_id = users.id WHERE users.id = $1"
        ))
        .bind(user_id);
        self.database.read_one(statement).await?.as_ref().map(SessionState::from_row).transpose()
    }

    /// The same for many accounts, in any order and without those that do not exist; one query for 500 of them.
    pub async fn sessions<T: AsRef<str>>(&self, user_ids: &[T]) -> Result<Vec<SessionState>> {
        let sql = format!(
            "SELECT {USER_COLUMNS}, session_stamp, active FROM users \
             JOIN credentials ON credentials.user_id = users.id WHERE users.id IN {}",
            self.database.dialect().unfold("$1")
        );
        let mut found = Vec::with_capacity(user_ids.len());
        for some in user_ids.chunks(ACCOUNTS_PER_STATEMENT) {
            let statement = Statement::new(sql.clone()).bind_list(some);
            for row in self.database.read(statement).await? {
                found.push(SessionState::from_row(&row)?);
            }
        }
        Ok(found)
    }

    /// Sets a new password and gives the new session stamp, which ends all sessions of the account.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn set_password(&self, user_id: &str, password_hash: &str) -> Result<String> {
        let stamp = clock::new_id();
        let statement = Statement::new(
            "UPDATE credentials SET password_hash = $2, session_stamp = $3, updated_at = $4 WHERE user_id = $1",
        )
        .bind(user_id)
        .bind(password_hash)
        .bind(&stamp)
        .bind(clock::seconds());
        self.changed(statement).await.map(|()| stamp)
    }

    /// Replaces a hash by a better one of the same password; sessions go on.
    ///
    /// Nothing happens if the hash is not `old` any more: the password was changed meanwhile.
    pub async fn upgrade_hash(&self, user_id: &str, old: &str, new: &str) -> Result<bool> {
        let statement = Statement::new(
            "UPDATE credentials SET password_hash = $3, updated_at = $4 WHERE user_id = $1 AND password_hash = $2",
        )
        .bind(user_id)
        .bind(old)
        .bind(new)
        .bind(clock::seconds());
        Ok(self.database.write(statement).await? > 0)
    }

    /// Ends all sessions of the account and gives the new stamp.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn renew_session_stamp(&self, user_id: &str) -> Result<String> {
        let stamp = clock::new_id();
        let statement =
            Statement::new("UPDATE credentials SET session_stamp = $2, updated_at = $3 WHERE user_id = $1")
                .bind(user_id)
                .bind(&stamp)
                .bind(clock::seconds());
        self.changed(statement).await.map(|()| stamp)
    }

    /// Lets the account sign in, or not any more.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn set_active(&self, user_id: &str, active: bool) -> Result<()> {
        let statement =
            Statement::new("UPDATE credentials SET active = $2, updated_at = $3 WHERE user_id = $1")
                .bind(user_id)
                .bind(active)
                .bind(clock::seconds());
        self.changed(statement).await
    }

    /// Accounts whose credentials changed at or after this time (Unix seconds), with that time, oldest first, at most 10,000.
    ///
    /// For polling: ask again from the time of the last one; some come twice, none is missed.
    pub async fn changed_since(&self, since: i64) -> Result<Vec<(String, i64)>> {
        let statement = Statement::new(
            "SELECT user_id, updated_at FROM credentials WHERE updated_at >= $1 ORDER BY updated_at, user_id LIMIT $2",
        )
        .bind(since)
        .bind(MAX_SINCE);
        let rows = self.database.read(statement).await?;
        rows.iter().map(|row| Ok((row.text("user_id")?, row.int("updated_at")?))).collect()
    }

    async fn changed(&self, statement: Statement) -> Result<()> {
        match self.database.write(statement).await? {
            0 => Err(StorageError::UserNotFound),
            _ => Ok(()),
        }
    }
}
