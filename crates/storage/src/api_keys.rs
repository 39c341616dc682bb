//! Keys that stand for an account where a token would.

use crate::{
    Database, Result, StorageError, User, clock,
    digest::sha256_hex,
    sql::{Row, Statement},
    users::USER_COLUMNS,
};

/// Least time, in seconds, between two notes that a key was used.
const TOUCH_INTERVAL: i64 = 60;

/// The key of an account. The `Debug` form hides the key.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The account.
    pub user_id: String,
    /// The key as clients send it.
    pub key: String,
    /// When it was made.
    pub created_at: i64,
    /// When it was last used, within a minute.
    pub last_used_at: Option<i64>,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ApiKey").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// The account that a key stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKeyOwner {
    /// The account.
    pub user: User,
    /// Whether the account may sign in at all.
    pub active: bool,
}

/// Keys for API clients.
#[derive(Debug, Clone)]
pub struct ApiKeys {
    database: Database,
}

impl ApiKey {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            user_id: row.text("user_id")?,
            key: row.text("api_key")?,
            created_at: row.int("created_at")?,
            last_used_at: row.opt_int("last_used_at")?,
        })
    }
}

impl ApiKeys {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The key of an account.
    pub async fn by_user(&self, user_id: &str) -> Result<Option<ApiKey>> {
        let statement = Statement::new(
            "SELECT user_id, api_key, created_at, last_used_at FROM api_keys WHERE user_id = $1",
        )
        .bind(user_id);
        self.database.read_one(statement).await?.as_ref().map(ApiKey::from_row).transpose()
    }

    /// Gives the account this key; its earlier one stops working.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn replace(&self, user_id: &str, key: &str) -> Result<ApiKey> {
        let statement = Statement::new(
            "INSERT INTO api_keys (user_id, api_key, key_hash, created_at, last_used_at) \
             SELECT id, $2, $3, $4, NULL FROM users WHERE id = $1 \
             ON CONFLICT (user_id) DO UPDATE SET api_key = excluded.api_key, key_hash = excluded.key_hash, \
             created_at = excluded.created_at, last_used_at = NULL \
             RETURNING user_id, api_key, created_at, last_used_at",
        )
        .bind(user_id)
        .bind(key)
        .bind(key_hash(key))
        .bind(clock::seconds());
        let row = self.database.write_returning(statement).await?.ok_or(StorageError::UserNotFound)?;
        ApiKey::from_row(&row)
    }

    /// Takes the key away; gives whether there was one.
    pub async fn delete(&self, user_id: &str) -> Result<bool> {
        let statement = Statement::new("DELETE FROM api_keys WHERE user_id = $1").bind(user_id);
        Ok(self.database.write(statement).await? > 0)
    }

    /// The account that this key stands for; notes the use at most once a minute.
    pub async fn find(&self, key: &str) -> Result<Option<ApiKeyOwner>> {
        let statement = Statement::new(format!(
            "SELECT {USER_COLUMNS}, credentials.active, api_keys.last_used_at FROM api_keys \
             JOIN users ON users.id = api_keys.user_id \
             JOIN credentials ON credentials.user_id = users.id WHERE api_keys.key_hash = $1"
        ))
        .bind(key_hash(key));
        let Some(row) = self.database.read_one(statement).await? else { return Ok(None) };
        let owner = ApiKeyOwner { user: User::from_row(&row)?, active: row.boolean("active")? };
        let now = clock::seconds();
        if row.opt_int("last_used_at")?.is_none_or(|used| used + TOUCH_INTERVAL <= now) {
            let statement = Statement::new("UPDATE api_keys SET last_used_at = $2 WHERE user_id = $1")
                .bind(&owner.user.id)
                .bind(now);
            self.database.write(statement).await?;
        }
        Ok(Some(owner))
    }
}

/// A long random key needs no slow hash.
fn key_hash(key: &str) -> String {
    sha256_hex(key.as_bytes())
}
