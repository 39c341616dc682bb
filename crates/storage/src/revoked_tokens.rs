//! Tokens that were signed out before their end.

use crate::{
    Database, Result, clock,
    sql::{Row, Statement},
};

/// Rows read at once.
const BATCH: i64 = 10_000;

/// Most rows given by one call of [`RevokedTokens::since`].
const MAX_SINCE: i64 = 10_000;

/// A token that must not be accepted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedToken {
    /// `jti` claim of the token.
    pub jti: String,
    /// The account that the token was for.
    pub user_id: String,
    /// `exp` claim; `None`: it has no end.
    pub expires_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: i64,
}

/// Tokens that were signed out.
#[derive(Debug, Clone)]
pub struct RevokedTokens {
    database: Database,
}

impl RevokedToken {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            jti: row.text("jti")?,
            user_id: row.text("user_id")?,
            expires_at: row.opt_int("expires_at")?,
            revoked_at: row.int("revoked_at")?,
        })
    }
}

impl RevokedTokens {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Revokes a token; doing so again changes nothing.
    pub async fn insert(&self, jti: &str, user_id: &str, expires_at: Option<i64>) -> Result<()> {
        let statement = Statement::new(
            "INSERT INTO revoked_tokens (jti, user_id, expires_at, revoked_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (jti) DO NOTHING",
        )
        .bind(jti)
        .bind(user_id)
        .bind(expires_at)
        .bind(clock::seconds());
        self.database.write(statement).await.map(drop)
    }

    /// All revoked tokens that have not ended by themselves at this time.
    ///
    /// Read in batches; what is kept is bounded by the sign-outs within the lifetime of a token.
    pub async fn live(&self, now: i64) -> Result<Vec<RevokedToken>> {
        let mut tokens: Vec<RevokedToken> = Vec::new();
        loop {
            let after = tokens.last().map(|token| token.jti.clone()).unwrap_or_default();
            let statement = Statement::new(
                "SELECT jti, user_id, expires_at, revoked_at FROM revoked_tokens \
                 WHERE jti > $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY jti LIMIT $3",
            )
            .bind(after)
            .bind(now)
            .bind(BATCH);
            let rows = self.database.read(statement).await?;
            for row in &rows {
                tokens.push(RevokedToken::from_row(row)?);
            }
            if i64::try_from(rows.len()).unwrap_or(i64::MAX) < BATCH {
                return Ok(tokens);
            }
        }
    }

    /// Tokens revoked at or after this time, oldest first, at most 10,000.
    ///
    /// For polling: ask again from the `revoked_at` of the last one; some come twice, none is missed.
    pub async fn since(&self, since: i64) -> Result<Vec<RevokedToken>> {
        let statement = Statement::new(
            "SELECT jti, user_id, expires_at, revoked_at FROM revoked_tokens \
             WHERE revoked_at >= $1 ORDER BY revoked_at, jti LIMIT $2",
        )
        .bind(since)
        .bind(MAX_SINCE);
        self.database.read(statement).await?.iter().map(RevokedToken::from_row).collect()
    }

    /// Forgets tokens that ended by themselves before this time; gives their number.
    pub async fn purge(&self, now: i64) -> Result<u64> {
        let statement = Statement::new("DELETE FROM revoked_tokens WHERE expires_at <= $1").bind(now);
        self.database.write(statement).await
    }
}
