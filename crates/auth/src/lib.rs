//! Who somebody is and what they may do: passwords, tokens, sessions, revocation, permissions.

mod accounts;
pub mod cookie;
pub mod email;
mod error;
mod identity;
pub mod password;
pub mod permissions;
mod session;
#[cfg(test)]
mod testing;
pub mod token;

pub use accounts::{Accounts, Credentials};
pub use error::{AuthError, Result};
pub use identity::{
    Identity, LOAD_TIMEOUT, MAX_AGE, MAX_IDENTITIES, MAX_PROFILE_BYTES, OUTAGE_LIMIT, Profile,
};
pub use password::{PasswordHasher, PasswordPolicy};
pub use session::{API_KEY_PREFIX, Authenticator, Proof, Session, SessionManager, SignedIn};
pub use token::Tokens;

pub use antiphon_storage::Role;
