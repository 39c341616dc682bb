//! What auth needs from the storage of accounts.

mod database;

use std::fmt;
use std::sync::Arc;

use antiphon_state::revocation::RevokedToken;
use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::identity::Identity;

/// An account's way in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub user_id: Arc<str>,
    /// Stored hash of its password; empty when it has none.
    pub password_hash: String,
    /// False for a deactivated account.
    pub active: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// Accounts in SQL.
///
/// Every call fails with [`crate::AuthError::Unavailable`] when the database is away, and with
/// [`crate::AuthError::Internal`] when it answers with an error.
pub trait Accounts: fmt::Debug + Send + Sync + 'static {
    /// The identity of an account.
    fn load<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<Identity>>>;

    /// The identities of these accounts, in any order and without those that do not exist.
    fn load_many<'a>(&'a self, user_ids: &'a [Arc<str>]) -> BoxFuture<'a, Result<Vec<Identity>>>;

    /// The account an API key belongs to.
    fn find_api_key<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Arc<str>>>>;

    /// The way in of the account with this e-mail address, which is in lower case.
    fn credentials_by_email<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>>;

    /// The way in of an account.
    fn credentials<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>>;

    /// Replaces the hash of an unchanged password; nothing happens when it is no longer `old_hash`.
    fn upgrade_password_hash<'a>(
        &'a self,
        user_id: &'a str,
        old_hash: &'a str,
        new_hash: &'a str,
    ) -> BoxFuture<'a, Result<()>>;

    /// Stores the hash of a new password together with a new session stamp, which ends all sessions.
    fn change_password<'a>(&'a self, user_id: &'a str, new_hash: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Gives the account a new session stamp, which ends all its sessions.
    fn renew_session_stamp<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Records for good that a token is revoked.
    fn revoke_token<'a>(&'a self, token: &'a RevokedToken) -> BoxFuture<'a, Result<()>>;

    /// The revoked tokens that have not expired at `now` (Unix seconds).
    fn revoked_tokens(&self, now: u64) -> BoxFuture<'_, Result<Vec<RevokedToken>>>;

    /// Tokens that were revoked at or after `since` (Unix seconds), with that time, oldest first; some may be left for the next call.
    fn revoked_since(&self, since: u64) -> BoxFuture<'_, Result<Vec<(RevokedToken, u64)>>>;

    /// Accounts whose way in changed at or after `since` (Unix seconds), with that time, oldest first; some may be left for the
    /// next call.
    fn changed_since(&self, since: u64) -> BoxFuture<'_, Result<Vec<(String, u64)>>>;

    /// Deletes the records of revoked tokens that expired up to `now` (Unix seconds).
    fn purge_revoked_tokens(&self, now: u64) -> BoxFuture<'_, Result<()>>;

    /// Some stored password hashes, old ones if there are any, so that the cost of a refusal is known from the start.
    fn sample_password_hashes(&self) -> BoxFuture<'_, Result<Vec<String>>>;
}
