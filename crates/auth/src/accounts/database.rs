//! Accounts in the server's database.

use std::sync::Arc;

use antiphon_state::revocation::RevokedToken;
use antiphon_storage::{Credential, Database, ErrorKind, SessionState, StorageError};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Accounts, Credentials};
use crate::error::{AuthError, Result};
use crate::identity::{Identity, Profile};

impl From<StorageError> for AuthError {
    fn from(error: StorageError) -> Self {
        match error.kind() {
            ErrorKind::Unavailable => {
                tracing::warn!(
                    %error,
                    "An account could not be looked up. Signed-in people known to this node go on for a while; others \
                     are asked to try again."
                );
                Self::Unavailable
            }
            // The account was deleted since its session began.
            ErrorKind::NotFound => Self::InvalidToken,
            _ => Self::internal(error),
        }
    }
}

impl From<Credential> for Credentials {
    fn from(stored: Credential) -> Self {
        Self { user_id: stored.user_id.into(), password_hash: stored.password_hash, active: stored.active }
    }
}

impl Accounts for Database {
    fn load<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<Identity>>> {
        async move { Ok(Database::credentials(self).session(user_id).await?.map(identity)) }.boxed()
    }

    fn load_many<'a>(&'a self, user_ids: &'a [Arc<str>]) -> BoxFuture<'a, Result<Vec<Identity>>> {
        async move {
            let stored = Database::credentials(self).sessions(user_ids).await?;
            Ok(stored.into_iter().map(identity).collect())
        }
        .boxed()
    }

    fn find_api_key<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Arc<str>>>> {
        async move { Ok(self.api_keys().find(key).await?.map(|owner| owner.user.id.into())) }.boxed()
    }

    fn credentials_by_email<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>> {
        async move {
            let stored = Database::credentials(self).by_email(email).await?;
            Ok(stored.map(|(_, credential)| credential.into()))
        }
        .boxed()
    }

    fn credentials<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>> {
        async move { Ok(Database::credentials(self).by_user(user_id).await?.map(Into::into)) }.boxed()
    }

    fn upgrade_password_hash<'a>(
        &'a self,
        user_id: &'a str,
        old_hash: &'a str,
        new_hash: &'a str,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            Database::credentials(self).upgrade_hash(user_id, old_hash, new_hash).await?;
            Ok(())
        }
        .boxed()
    }

    fn change_password<'a>(&'a self, user_id: &'a str, new_hash: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            Database::credentials(self).set_password(user_id, new_hash).await?;
            Ok(())
        }
        .boxed()
    }

    fn renew_session_stamp<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            Database::credentials(self).renew_session_stamp(user_id).await?;
            Ok(())
        }
        .boxed()
    }

    fn revoke_token<'a>(&'a self, token: &'a RevokedToken) -> BoxFuture<'a, Result<()>> {
        async move {
            let expires_at = token.expires_at.map(signed);
            Ok(Database::revoked_tokens(self).insert(&token.token_id, &token.user_id, expires_at).await?)
        }
        .boxed()
    }

    fn revoked_tokens(&self, now: u64) -> BoxFuture<'_, Result<Vec<RevokedToken>>> {
        async move {
            let stored = Database::revoked_tokens(self).live(signed(now)).await?;
            Ok(stored.into_iter().map(revoked).map(|(token, _)| token).collect())
        }
        .boxed()
    }

    fn revoked_since(&self, since: u64) -> BoxFuture<'_, Result<Vec<(RevokedToken, u64)>>> {
        async move {
            let stored = Database::revoked_tokens(self).since(signed(since)).await?;
            Ok(stored.into_iter().map(revoked).collect())
        }
        .boxed()
    }

    fn changed_since(&self, since: u64) -> BoxFuture<'_, Result<Vec<(String, u64)>>> {
        async move {
            let changed = Database::credentials(self).changed_since(signed(since)).await?;
            Ok(changed.into_iter().map(|(user_id, at)| (user_id, unsigned(at))).collect())
        }
        .boxed()
    }

    fn purge_revoked_tokens(&self, now: u64) -> BoxFuture<'_, Result<()>> {
        async move {
            Database::revoked_tokens(self).purge(signed(now)).await?;
            Ok(())
        }
        .boxed()
    }

    /// The hash of the oldest administrator: where a database came from a server with another kind of hash, that
    /// account is the likeliest to have it still.
    fn sample_password_hashes(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        async move {
            let Some(admin) = self.users().first_admin().await? else { return Ok(Vec::new()) };
            let stored = Database::credentials(self).by_user(&admin.id).await?;
            Ok(stored.map(|stored| stored.password_hash).into_iter().collect())
        }
        .boxed()
    }
}

fn identity(stored: SessionState) -> Identity {
    let SessionState { mut user, session_stamp, active } = stored;
    Identity {
        id: std::mem::take(&mut user.id).into(),
        email: std::mem::take(&mut user.email),
        name: std::mem::take(&mut user.name),
        role: user.role,
        session_stamp: Some(session_stamp),
        active,
        profile: Profile::from(user).into_kept(),
    }
}

/// A row as the token that it refuses, and when it was revoked.
fn revoked(token: antiphon_storage::RevokedToken) -> (RevokedToken, u64) {
    let expires_at = token.expires_at.map(unsigned);
    let revoked = RevokedToken { token_id: token.jti, user_id: token.user_id, expires_at };
    (revoked, unsigned(token.revoked_at))
}

fn unsigned(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or_default()
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
