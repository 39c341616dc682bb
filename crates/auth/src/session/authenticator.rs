//! From a token or key to a session, in the common case without SQL.

use std::sync::Arc;

use antiphon_state::Revocations;

use super::api_keys::{API_KEY_PREFIX, ApiKeys};
use super::{Proof, Session};
use crate::accounts::Accounts;
use crate::error::{AuthError, Result};
use crate::identity::{Identity, IdentityCache};
use crate::token::{Claims, Tokens};

/// Answers who a request or a socket acts for. Clones share the caches.
#[derive(Clone, Debug)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tokens: Tokens,
    revocations: Revocations,
    identities: IdentityCache,
    api_keys: ApiKeys,
    accounts: Arc<dyn Accounts>,
}

impl Authenticator {
    /// An authenticator with empty caches.
    pub fn new(tokens: Tokens, revocations: Revocations, accounts: Arc<dyn Accounts>) -> Self {
        Self {
            inner: Arc::new(Inner {
                tokens,
                revocations,
                identities: IdentityCache::new(Arc::clone(&accounts)),
                api_keys: ApiKeys::default(),
                accounts,
            }),
        }
    }

    /// The session of what a client sent as its bearer token or in the header for API keys.
    ///
    /// Fails with [`AuthError::InvalidToken`], or [`AuthError::Unavailable`] when that cannot be told because the
    /// account is not in memory and the database is away. Whether API keys are allowed at all, and where, is the
    /// caller's question.
    pub async fn authenticate(&self, bearer: &str) -> Result<Session> {
        if bearer.starts_with(API_KEY_PREFIX) {
            self.authenticate_api_key(bearer).await
        } else {
            self.authenticate_token(bearer).await
        }
    }

    /// The session of a token; an API key is refused (sockets take none).
    pub async fn authenticate_token(&self, token: &str) -> Result<Session> {
        let claims = self.inner.tokens.verify(token)?;
        let identity = self.check(&claims).await?;
        Ok(Session { identity, proof: Proof::Token(Arc::new(claims)) })
    }

    /// Whether a session that began earlier still holds, with what is known of its account now. For sockets, whose
    /// token is not sent again; costs no more than the memory lookups of a request.
    pub async fn revalidate(&self, session: &Session) -> Result<Session> {
        let identity = match &session.proof {
            Proof::Token(claims) => {
                if claims.expires_at.is_some_and(|expires_at| expires_at <= self.inner.tokens.now()) {
                    return Err(AuthError::InvalidToken);
                }
                self.check(claims).await?
            }
            Proof::ApiKey => self.active_identity(session.user_id()).await?,
        };
        Ok(Session { identity, proof: session.proof.clone() })
    }

    /// Whether the token of a session is known to be revoked, as far as memory tells.
    pub fn is_revoked(&self, session: &Session) -> bool {
        matches!(&session.proof, Proof::Token(claims) if self.is_claim_revoked(claims))
    }

    /// Has the identities of these accounts in memory, with one look into SQL for all that are not, so that
    /// [`Authenticator::revalidate`] of many sessions does not look for each.
    ///
    /// Fails with [`AuthError::Unavailable`] when the database is away.
    pub async fn look_ahead(&self, user_ids: &[&str]) -> Result<()> {
        self.inner.identities.load_many(user_ids).await
    }

    /// The identity of an account; `None` when there is no such account.
    pub async fn identity(&self, user_id: &str) -> Result<Option<Arc<Identity>>> {
        self.inner.identities.get(user_id).await
    }

    /// Forgets what is known of an account: whoever changes one in SQL calls this right after.
    pub fn invalidate_user(&self, user_id: &str) {
        self.inner.identities.invalidate(user_id);
        self.inner.api_keys.invalidate_user(user_id);
    }

    /// Forgets everything, when it is not known what changed.
    pub fn invalidate_all(&self) {
        self.inner.identities.clear();
        self.inner.api_keys.clear();
    }

    /// Drops what is too old to be served.
    pub fn purge(&self) {
        self.inner.identities.purge();
        self.inner.api_keys.purge();
    }

    /// How many identities are in memory.
    pub fn cached_identities(&self) -> usize {
        self.inner.identities.len()
    }

    async fn authenticate_api_key(&self, key: &str) -> Result<Session> {
        let user_id =
            self.inner.api_keys.user_id(&*self.inner.accounts, key).await?.ok_or(AuthError::InvalidToken)?;
        Ok(Session { identity: self.active_identity(&user_id).await?, proof: Proof::ApiKey })
    }

    /// Everything about a token that the token itself cannot tell.
    async fn check(&self, claims: &Claims) -> Result<Arc<Identity>> {
        self.heed_other_servers(claims).await;
        if self.is_claim_revoked(claims) {
            return Err(AuthError::InvalidToken);
        }
        let identity = self.active_identity(&claims.user_id).await?;
        if identity.session_stamp == claims.session_stamp {
            Ok(identity)
        } else {
            Err(AuthError::InvalidToken)
        }
    }

    /// Takes over what servers of another kind at the same channel revoked, if there may be any.
    async fn heed_other_servers(&self, claims: &Claims) {
        let expires_at = claims.expires_at.map(|at| u64::try_from(at).unwrap_or_default());
        let looked_up = self.inner.revocations.look_up(&claims.token_id, &claims.user_id, expires_at).await;
        if let Some(revoked) = looked_up
            && let Err(error) = self.inner.accounts.revoke_token(&revoked).await
        {
            tracing::warn!(
                %error,
                "A sign-out at another server could not be written to the database. The token is refused; if Redis loses its \
                 mark too, nodes that start later accept it until it expires. Check the database."
            );
        }
    }

    fn is_claim_revoked(&self, claims: &Claims) -> bool {
        let issued_at = claims.issued_at.map(|issued_at| u64::try_from(issued_at).unwrap_or_default());
        self.inner.revocations.is_revoked(&claims.token_id, &claims.user_id, issued_at)
    }

    async fn active_identity(&self, user_id: &str) -> Result<Arc<Identity>> {
        let identity = self.inner.identities.get(user_id).await?;
        identity.filter(|identity| identity.active).ok_or(AuthError::InvalidToken)
    }
}
