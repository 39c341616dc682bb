//! Session tokens: JSON Web Tokens with HMAC-SHA-256, the same that an Open WebUI server of the fleet issues.
//!
//! The rules are fixed and few (one algorithm, no leeway, any audience refused, a clock that tests can move), and
//! every authenticated request goes through them; so the token is taken apart here, on `ring`'s HMAC, which the tree
//! has anyway. A general JWT library would bring further algorithms, read the machine's clock and know no rule for
//! `iat`.

mod claims;
mod codec;
#[cfg(test)]
mod tests;

pub use claims::{Claims, TokenKind};
pub use codec::{IssuedToken, MAX_TOKEN_BYTES, NewToken, Tokens};
