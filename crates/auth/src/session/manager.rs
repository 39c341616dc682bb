//! How sessions begin and end.

use std::sync::Arc;
use std::time::Duration;

use antiphon_state::limits::{Decision, RateLimit, SIGN_IN};
use antiphon_state::revocation::{Revoked, RevokedToken};
use antiphon_state::{Clock, Limits, Revocations};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::catch_up::CatchUp;
use super::{Authenticator, Session};
use crate::accounts::Accounts;
use crate::email;
use crate::error::{AuthError, Result};
use crate::identity::Identity;
use crate::password::{PasswordHasher, PasswordPolicy};
use crate::token::{IssuedToken, NewToken, Tokens};

/// `auth_method` of a session that began with a password.
const BY_PASSWORD: &str = "password";

/// Changes of a password that one account may try.
const PASSWORD_CHANGE: RateLimit = RateLimit { name: "password_change", ..SIGN_IN };

/// How often what is no longer needed is dropped.
const PURGE_INTERVAL: Duration = Duration::from_mins(1);

/// How long after its token expired a revocation stays in SQL, so that a node whose clock is behind does not take
/// the token for a good one.
const KEEP_EXPIRED: Duration = Duration::from_hours(24);

/// Longest address that is looked up at all.
const MAX_SIGN_IN_EMAIL_BYTES: usize = 1024;

/// A session that just began.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The token for the client.
    pub issued: IssuedToken,
    /// Whose it is.
    pub identity: Arc<Identity>,
}

/// Begins and ends sessions. Clones share everything.
#[derive(Clone, Debug)]
pub struct SessionManager {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    tokens: Tokens,
    policy: PasswordPolicy,
    hasher: PasswordHasher,
    limits: Limits,
    revocations: Revocations,
    authenticator: Authenticator,
    accounts: Arc<dyn Accounts>,
}

impl SessionManager {
    /// A manager that signs with `secret` (the same on every node) and has its own [`Authenticator`].
    ///
    /// Call [`SessionManager::load`] before serving and keep [`SessionManager::run`] running.
    pub fn new(
        secret: &str,
        policy: PasswordPolicy,
        accounts: Arc<dyn Accounts>,
        limits: Limits,
        revocations: Revocations,
        clock: Clock,
    ) -> Self {
        let tokens = Tokens::new(secret, clock.clone());
        let hasher = PasswordHasher::new(policy.algorithm);
        let authenticator = Authenticator::new(tokens.clone(), revocations.clone(), Arc::clone(&accounts));
        let inner = Inner { clock, tokens, policy, hasher, limits, revocations, authenticator, accounts };
        Self { inner: Arc::new(inner) }
    }

    /// Answers who a request acts for.
    pub fn authenticator(&self) -> &Authenticator {
        &self.inner.authenticator
    }

    /// The hasher of all passwords of the node.
    pub fn hasher(&self) -> &PasswordHasher {
        &self.inner.hasher
    }

    /// Takes over from SQL what must be known before the first request: revoked tokens and the kinds of password
    /// hashes in use.
    pub async fn load(&self) -> Result<()> {
        let now = self.inner.clock.unix_seconds();
        self.inner.revocations.load(self.inner.accounts.revoked_tokens(now).await?);
        for hash in self.inner.accounts.sample_password_hashes().await? {
            self.inner.hasher.note_stored_hash(&hash);
        }
        Ok(())
    }

    /// Signs in with an e-mail address and a password; `lifetime` is that of the token, `None` for ever.
    ///
    /// Refusals: [`AuthError::TooManyAttempts`] for this address, [`AuthError::WrongCredentials`] for an unknown
    /// or deactivated account and for a wrong password, with the same work done in each case. An old password hash
    /// is replaced on the way.
    pub async fn sign_in(&self, email: &str, password: &str, lifetime: Option<Duration>) -> Result<SignedIn> {
        let email = email::normalize(email);
        if email.len() > MAX_SIGN_IN_EMAIL_BYTES {
            return Err(AuthError::WrongCredentials);
        }
        self.limit(SIGN_IN, &email).await?;
        let credentials = self.inner.accounts.credentials_by_email(&email).await?;
        let hash = credentials.as_ref().map(|credentials| credentials.password_hash.as_str());
        let verified = self.inner.hasher.verify(password, hash).await?;
        let credentials = credentials
            .filter(|credentials| verified.ok && credentials.active)
            .ok_or(AuthError::WrongCredentials)?;
        if verified.needs_upgrade {
            self.upgrade(&credentials.user_id, password, &credentials.password_hash).await;
        }
        match self.begin(&credentials.user_id, Some(BY_PASSWORD), lifetime).await {
            // Deleted or deactivated since.
            Err(AuthError::InvalidToken) => Err(AuthError::WrongCredentials),
            signed_in => signed_in,
        }
    }

    /// Begins a session of somebody who proved who they are just now (`auth_method`, such as `password` after a
    /// sign-up), or hands an administrator a token for an account (`None`).
    ///
    /// Fails with [`AuthError::InvalidToken`] when the account is gone or deactivated.
    pub async fn begin(
        &self,
        user_id: &str,
        auth_method: Option<&str>,
        lifetime: Option<Duration>,
    ) -> Result<SignedIn> {
        let identity = self.inner.authenticator.identity(user_id).await?;
        let identity = identity.filter(|identity| identity.active).ok_or(AuthError::InvalidToken)?;
        let session_stamp = identity.session_stamp.as_deref();
        let issued = self.inner.tokens.issue(NewToken {
            user_id: &identity.id,
            session_stamp,
            auth_method,
            lifetime,
        })?;
        Ok(SignedIn { issued, identity })
    }

    /// Ends one session: its token is refused for good, its sockets close, the user's other sessions go on.
    ///
    /// When the database is away the token is refused by this node all the same, and the error says that it may be
    /// accepted again after a restart.
    pub async fn sign_out(&self, session: &Session) -> Result<()> {
        let claims = session.require_token()?;
        let expires_at = claims.expires_at.map(|expires_at| u64::try_from(expires_at).unwrap_or_default());
        let token =
            RevokedToken { token_id: claims.token_id.clone(), user_id: claims.user_id.clone(), expires_at };
        let recorded = self.inner.accounts.revoke_token(&token).await;
        self.inner.revocations.revoke_token(token).await;
        recorded
    }

    /// Changes the password of the session's account and ends all its sessions, this one too.
    pub async fn change_password(&self, session: &Session, password: &str, new_password: &str) -> Result<()> {
        let user_id = session.user_id();
        self.limit(PASSWORD_CHANGE, user_id).await?;
        let credentials = self.inner.accounts.credentials(user_id).await?;
        let hash = credentials.as_ref().map(|credentials| credentials.password_hash.as_str());
        if !self.inner.hasher.verify(password, hash).await?.ok {
            return Err(AuthError::WrongPassword);
        }
        self.set_password(user_id, new_password).await
    }

    /// Gives an account a new password, on an administrator's word, and ends all its sessions.
    pub async fn set_password(&self, user_id: &str, new_password: &str) -> Result<()> {
        let new_hash = self.hash_new_password(new_password).await?;
        self.inner.accounts.change_password(user_id, &new_hash).await?;
        self.announce_change(user_id).await;
        Ok(())
    }

    /// Checks and hashes the password of an account to be made.
    pub async fn hash_new_password(&self, password: &str) -> Result<String> {
        self.inner.policy.check(password)?;
        self.inner.hasher.hash(password).await
    }

    /// Ends all sessions of an account, for a change of role or on request.
    pub async fn end_all_sessions(&self, user_id: &str) -> Result<()> {
        self.inner.accounts.renew_session_stamp(user_id).await?;
        self.announce_change(user_id).await;
        Ok(())
    }

    /// Tells everybody that an account was deleted, deactivated or given a new session stamp in SQL: it is loaded
    /// anew and its sockets close.
    pub async fn announce_change(&self, user_id: &str) {
        self.inner.authenticator.invalidate_user(user_id);
        self.inner.revocations.end_user(user_id).await;
    }

    /// Drops what is no longer needed, follows what other nodes announce as changed, and reads from SQL what may have been
    /// missed, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut catch_up = CatchUp::new(self.inner.accounts.clone(), self.inner.clock.clone());
        let mut revoked = self.inner.revocations.subscribe();
        let mut missed = self.inner.revocations.missed();
        let mut purge = tokio::time::interval(PURGE_INTERVAL);
        purge.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = purge.tick() => self.purge().await,
                // The sender lives as long as this manager.
                _ = missed.changed() => catch_up.all(&self.inner.revocations, &self.inner.authenticator).await,
                () = catch_up.due(&self.inner.revocations) => {
                    catch_up.recent(&self.inner.revocations, &self.inner.authenticator).await;
                }
                revoked = revoked.recv() => match revoked {
                    Ok(Revoked::User { user_id }) => self.inner.authenticator.invalidate_user(&user_id),
                    // Those that were found in SQL were dropped before they were announced.
                    Ok(Revoked::Token { .. } | Revoked::Changed { .. } | Revoked::Anything | Revoked::Told { .. }) => {}
                    // Nobody knows who was meant, so everybody is loaded anew.
                    Err(RecvError::Lagged(_)) => self.inner.authenticator.invalidate_all(),
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    async fn purge(&self) {
        self.inner.authenticator.purge();
        self.inner.limits.purge();
        self.inner.revocations.purge();
        let expired_before = self.inner.clock.unix_seconds().saturating_sub(KEEP_EXPIRED.as_secs());
        if let Err(error) = self.inner.accounts.purge_revoked_tokens(expired_before).await {
            tracing::debug!(%error, "could not delete expired revocations; trying again in a minute");
        }
    }

    async fn limit(&self, rule: RateLimit, key: &str) -> Result<()> {
        match self.inner.limits.hit(rule, key).await {
            Decision::Allowed => Ok(()),
            Decision::Limited { retry_after } => Err(AuthError::TooManyAttempts { retry_after }),
        }
    }

    /// A better hash is a favour: the person is let in whether it works out or not.
    async fn upgrade(&self, user_id: &str, password: &str, old_hash: &str) {
        let upgraded = async {
            let new_hash = self.inner.hasher.hash(password).await?;
            self.inner.accounts.upgrade_password_hash(user_id, old_hash, &new_hash).await
        };
        if let Err(error) = upgraded.await {
            tracing::warn!(
                user_id,
                %error,
                "Could not replace an old password hash. The account works as before; the next sign-in tries again."
            );
        }
    }
}
