//! Sign-in through OpenID Connect providers: the authorization code flow with PKCE, as a client.
//!
//! [`Provider::begin`] gives the address to which a browser is led, and an [`Attempt`], which the browser carries back out of
//! sight: sealed by a [`Sealer`] in a cookie, or in a session on the server. [`Provider::finish`] exchanges the code, checks the
//! ID token and says which [`Person`] it is.
//!
//! After OpenID Connect Core 1.0, Discovery 1.0, RFC 7636 (PKCE) and RFC 9207 (issuer in the answer). Cryptography is `ring`,
//! HTTP the client of `antiphon-provider`.

mod attempt;
mod cached;
mod error;
mod fetch;
mod id_token;
mod keys;
mod metadata;
mod person;
mod provider;
mod seal;

pub use attempt::{ATTEMPT_LIFETIME, Attempt};
pub use error::{IdTokenFault, OidcError, Result};
pub use person::Person;
pub use provider::{Begun, EXCHANGES, Provider};
pub use seal::Sealer;
