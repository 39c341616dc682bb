//! Attempts that travel in a cookie: encrypted and authenticated, so that they can be neither read nor made up.
//!
//! ```text
//! base64url( nonce (12 bytes) | ChaCha20-Poly1305 of the JSON of the attempt (RFC 8439) | tag (16 bytes) )
//! ```
//!
//! The key follows from `WEBUI_SECRET_KEY` (HKDF-SHA256, RFC 5869), so that every node of the fleet has it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::attempt::Attempt;
use crate::error::{OidcError, Result};

/// What the key is for; another use of the secret gives another key.
const PURPOSE: &[u8] = b"antiphon sign-in attempt 1";

/// Longest sealed attempt that is looked at, in bytes; browsers keep cookies up to about as many.
const MAX_SEALED_BYTES: usize = 4096;

/// Seals and opens attempts.
pub struct Sealer {
    key: LessSafeKey,
}

impl Sealer {
    /// The sealer of a fleet with this secret.
    pub fn new(secret: &str) -> Result<Self> {
        let derived = Salt::new(HKDF_SHA256, b"antiphon").extract(secret.as_bytes());
        let key = derived.expand(&[PURPOSE], &CHACHA20_POLY1305).map(UnboundKey::from);
        Ok(Self { key: LessSafeKey::new(key.map_err(|_| OidcError::Cryptography)?) })
    }

    /// The attempt as the value of a cookie.
    pub fn seal(&self, attempt: &Attempt) -> Result<String> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| OidcError::Cryptography)?;
        let mut text = serde_json::to_vec(attempt).map_err(|_| OidcError::Cryptography)?;
        let sealing =
            self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text);
        sealing.map_err(|_| OidcError::Cryptography)?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut text);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The attempt in the value of a cookie; nothing when it was not sealed with this secret.
    pub fn open(&self, sealed: &str) -> Option<Attempt> {
        if sealed.len() > MAX_SEALED_BYTES {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let nonce: [u8; NONCE_LEN] = bytes.get(..NONCE_LEN)?.try_into().ok()?;
        let text =
            self.key.open_within(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes, NONCE_LEN..);
        serde_json::from_slice(text.ok()?).ok()
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sealer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attempt() -> Attempt {
        Attempt::new("oidc", "https://chat.example.org/oauth/oidc/login/callback".to_owned(), true, 1)
            .unwrap()
    }

    #[test]
    fn who_has_the_secret_opens_what_nobody_else_can_read() {
        let (one, same, other) =
            (Sealer::new("secret").unwrap(), Sealer::new("secret").unwrap(), Sealer::new("Secret").unwrap());
        let attempt = attempt();
        let sealed = one.seal(&attempt).unwrap();
        assert!(sealed.len() < 1024, "{}", sealed.len());
        assert_eq!(same.open(&sealed), Some(attempt.clone()));
        assert_eq!(other.open(&sealed), None);
        let plain = String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(&sealed).unwrap()).into_owned();
        assert!(!plain.contains(&attempt.nonce) && !plain.contains("example.org"));
        assert_ne!(one.seal(&attempt).unwrap(), sealed, "two seals of one attempt differ");
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let sealer = Sealer::new("secret").unwrap();
        let whole = URL_SAFE_NO_PAD.decode(sealer.seal(&attempt()).unwrap()).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open(&URL_SAFE_NO_PAD.encode(&changed)), None, "byte {at}");
        }
        assert_eq!(sealer.open(""), None);
        assert_eq!(sealer.open(&URL_SAFE_NO_PAD.encode([0; NONCE_LEN])), None);
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at_without_panic(text in "\\PC{0,300}") {
            prop_assert_eq!(Sealer::new("secret").unwrap().open(&text), None);
        }
    }
}
