//! Who an account is, as every request needs to know it, and the cache that spares each request the SQL.

mod cache;
mod profile;
#[cfg(test)]
mod tests;

pub(crate) use cache::IdentityCache;
pub use cache::{LOAD_TIMEOUT, MAX_AGE, MAX_IDENTITIES, OUTAGE_LIMIT};
pub use profile::{MAX_PROFILE_BYTES, Profile};

use std::sync::Arc;

use crate::Role;

/// An account as far as requests ask about it. Settings and the rest of the account stay in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account's id.
    pub id: Arc<str>,
    /// E-mail address, in lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Tokens must carry the same; `None` and a token without a stamp go together.
    pub session_stamp: Option<String>,
    /// A deactivated account cannot sign in and its tokens are refused.
    pub active: bool,
    /// What the person shows; `None` when it is larger than [`MAX_PROFILE_BYTES`] and only SQL has it.
    pub profile: Option<Box<Profile>>,
}

impl Identity {
    /// Whether the account may administer the server.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}
