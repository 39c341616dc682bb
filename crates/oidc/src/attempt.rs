//! One sign-in between its two halves.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::error::{OidcError, Result};

/// Time that people have to sign in at the provider.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);

/// Random bytes of each value: 256 bits, which is also what RFC 7636 asks of a verifier.
const RANDOM_BYTES: usize = 32;

/// What must be known again when the browser comes back. Whoever can read it could finish somebody's sign-in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which provider was asked.
    pub provider: String,
    /// Comes back with the code; binds the answer to this browser.
    pub state: String,
    /// Comes back inside of the ID token; binds that to this sign-in.
    pub nonce: String,
    /// Proves to the provider that the code is exchanged by who asked for it; none without PKCE.
    #[serde(rename = "code_verifier", skip_serializing_if = "Option::is_none", default)]
    pub verifier: Option<String>,
    /// Where the browser comes back; the exchange repeats it.
    pub redirect_uri: String,
    /// When it is too late, in Unix seconds.
    pub expires_at: u64,
}

impl Attempt {
    /// A fresh attempt at `now` (Unix seconds).
    pub(crate) fn new(provider: &str, redirect_uri: String, pkce: bool, now: u64) -> Result<Self> {
        Ok(Self {
            provider: provider.to_owned(),
            state: random()?,
            nonce: random()?,
            verifier: pkce.then(random).transpose()?,
            redirect_uri,
            expires_at: now + ATTEMPT_LIFETIME.as_secs(),
        })
    }

    /// The challenge (S256) that goes with the verifier.
    pub(crate) fn challenge(&self) -> Option<String> {
        let verifier = self.verifier.as_ref()?;
        Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())))
    }

    /// Whether an answer with this state at this provider is the one to this attempt, and in time.
    pub fn is_answered_by(&self, provider: &str, state: &str, now: u64) -> bool {
        // The state stood in the browser's address bar: nothing is given away by the time that comparing takes.
        self.state == state && self.provider == provider && now < self.expires_at
    }
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Attempt").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// 43 letters of base64url.
fn random() -> Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| OidcError::Cryptography)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let mut attempt = Attempt::new("oidc", "http://localhost/".to_owned(), true, 0).unwrap();
        // RFC 7636, appendix B.
        attempt.verifier = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(attempt.challenge().unwrap(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn each_attempt_is_its_own_and_ends() {
        let one = Attempt::new("oidc", "http://localhost/".to_owned(), true, 100).unwrap();
        let other = Attempt::new("oidc", "http://localhost/".to_owned(), false, 100).unwrap();
        assert!(one.state != other.state && one.nonce != other.nonce && one.state != one.nonce);
        assert!(
            one.verifier.as_ref().is_some_and(|verifier| verifier.len() == 43) && other.verifier.is_none()
        );
        assert!(one.is_answered_by("oidc", &one.state, 100) && one.is_answered_by("oidc", &one.state, 699));
        assert!(!one.is_answered_by("oidc", &one.state, 700));
        assert!(!one.is_answered_by("google", &one.state, 100));
        assert!(!one.is_answered_by("oidc", &other.state, 100) && !one.is_answered_by("oidc", "", 100));
        let shown = format!("{one:?}");
        assert!(!shown.contains(&one.nonce) && !shown.contains(&one.state), "{shown}");
    }
}
