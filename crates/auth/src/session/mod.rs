//! Sessions: who a request or a socket acts for, and how sessions begin and end.

mod api_keys;
mod authenticator;
mod catch_up;
mod manager;
#[cfg(test)]
mod tests;

pub use api_keys::API_KEY_PREFIX;
pub use authenticator::Authenticator;
pub use manager::{SessionManager, SignedIn};

use std::sync::Arc;

use antiphon_config::Settings;

use crate::Role;
use crate::error::{AuthError, Result};
use crate::identity::Identity;
use crate::permission;
use crate::permissions::require;
use crate::token::Claims;

/// Somebody who proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The account.
    pub identity: Arc<Identity>,
    /// How it was proved.
    pub proof: Proof,
}

/// How somebody proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a session token.
    Token(Arc<Claims>),
    /// By an API key.
    ApiKey,
}

impl Session {
    /// The account's id.
    pub fn user_id(&self) -> &str {
        &self.identity.id
    }

    /// The token, unless an API key was used.
    pub fn claims(&self) -> Option<&Claims> {
        match &self.proof {
            Proof::Token(claims) => Some(claims),
            Proof::ApiKey => None,
        }
    }

    /// The id by which the token is revoked, unless an API key was used.
    pub fn token_id(&self) -> Option<&str> {
        self.claims().map(|claims| claims.token_id.as_str())
    }

    /// Refuses pending accounts.
    pub fn require_user(&self) -> Result<&Identity> {
        match self.identity.role {
            Role::User | Role::Admin => Ok(&self.identity),
            Role::Pending => Err(AuthError::RoleTooLow),
        }
    }

    /// Refuses everybody but administrators.
    pub fn require_admin(&self) -> Result<&Identity> {
        if self.identity.is_admin() { Ok(&self.identity) } else { Err(AuthError::RoleTooLow) }
    }

    /// Checks what the server and the account allow API keys: whether at all, and on which paths. Whatever is not an
    /// API key passes.
    pub fn check_api_key(&self, settings: &Settings, path: &str) -> Result<()> {
        if self.proof != Proof::ApiKey {
            return Ok(());
        }
        if !settings.sign_in.enable_api_keys {
            return Err(AuthError::ApiKeysDisabled);
        }
        require(&self.identity, &settings.permissions, permission!(features.api_keys))?;
        match settings.sign_in.api_key_paths() {
            Some(allowed) if !allowed.iter().any(|prefix| is_below(path, prefix)) => {
                Err(AuthError::ApiKeyNotAllowedHere)
            }
            _ => Ok(()),
        }
    }

    /// Refuses API keys, for routes that only a person at the page may use.
    pub fn require_token(&self) -> Result<&Claims> {
        self.claims().ok_or(AuthError::ApiKeyNotAllowedHere)
    }
}

/// Whether a path is the prefix or lies below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
