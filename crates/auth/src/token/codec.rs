//! Writing and reading of tokens.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use antiphon_state::Clock;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use super::claims::{Claims, NewPayload, Payload, TokenKind};
use crate::error::{AuthError, Result};

/// Longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// `{"alg":"HS256","typ":"JWT"}`, the header of every token issued here.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// The one accepted algorithm.
const ALGORITHM: &str = "HS256";

/// Issues and verifies tokens with the secret of the fleet.
#[derive(Clone)]
pub struct Tokens {
    key: hmac::Key,
    clock: Clock,
}

/// A token to be issued.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// The account.
    pub user_id: &'a str,
    /// The account's session stamp.
    pub session_stamp: Option<&'a str>,
    /// How the person proved who they are, such as `password`; `None` for a token made by an administrator.
    pub auth_method: Option<&'a str>,
    /// How long it lives; `None` for ever.
    pub lifetime: Option<Duration>,
}

/// A token and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// The text that the client keeps.
    pub token: String,
    /// Its claims.
    pub claims: Claims,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
    #[serde(default)]
    b64: Option<IgnoredAny>,
}

impl Tokens {
    /// Tokens signed with the UTF-8 bytes of `secret`.
    pub fn new(secret: &str, clock: Clock) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), clock }
    }

    /// Issues a token that starts now.
    pub fn issue(&self, new: NewToken<'_>) -> Result<IssuedToken> {
        let now = self.now();
        let expires_at = new
            .lifetime
            .map(|lifetime| now.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)));
        let token_id = Uuid::new_v4().to_string();
        let auth_time = new.auth_method.map(|_| now);
        let payload = NewPayload {
            id: new.user_id,
            typ: TokenKind::Session,
            auth_method: new.auth_method,
            auth_time,
            session_stamp: new.session_stamp,
            mfa_verified: new.auth_method.map(|_| false),
            exp: expires_at,
            iat: now,
            jti: &token_id,
        };
        let payload = serde_json::to_vec(&payload).map_err(AuthError::internal)?;
        let mut token = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        let claims = Claims {
            user_id: new.user_id.to_owned(),
            kind: TokenKind::Session,
            auth_method: new.auth_method.map(ToOwned::to_owned),
            auth_time,
            session_stamp: new.session_stamp.map(ToOwned::to_owned),
            mfa_verified: false,
            expires_at,
            issued_at: Some(now),
            token_id,
        };
        Ok(IssuedToken { token, claims })
    }

    /// Checks everything about a token that the token itself can tell: form, signature, times, types of claims.
    ///
    /// There is no leeway: a token is refused from the second of its `exp` on, and when `iat` or `nbf` lies ahead.
    pub fn verify(&self, token: &str) -> Result<Claims> {
        self.read(token).ok_or(AuthError::InvalidToken)?.check(self.now())
    }

    /// Unix seconds on the clock that tokens are judged by.
    pub fn now(&self) -> i64 {
        i64::try_from(self.clock.unix_seconds()).unwrap_or(i64::MAX)
    }

    fn read<'a>(&self, token: &'a str) -> Option<Read<'a>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        // Splitting at the last dot first leaves `signed` as the exact bytes that the signature covers.
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let mut tag = [0; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(signature, &mut tag).ok()?;
        if length != tag.len() {
            return None;
        }
        hmac::verify(&self.key, signed.as_bytes(), &tag).ok()?;
        if header != HEADER && !is_accepted(header) {
            return None;
        }
        Some(Read { payload: URL_SAFE_NO_PAD.decode(payload).ok()?, signature })
    }
}

/// A token with the right signature.
struct Read<'a> {
    payload: Vec<u8>,
    signature: &'a str,
}

impl Read<'_> {
    fn check(&self, now: i64) -> Result<Claims> {
        let payload: Payload<'_> = object(&self.payload).ok_or(AuthError::InvalidToken)?;
        payload.check(now, self.signature)
    }
}

/// Whether a header of another writer names our algorithm and nothing that would have to be understood.
fn is_accepted(header: &str) -> bool {
    let Ok(header) = URL_SAFE_NO_PAD.decode(header) else { return false };
    object::<Header<'_>>(&header)
        .is_some_and(|header| header.alg == ALGORITHM && header.crit.is_none() && header.b64.is_none())
}

/// Reads a JSON object; serde alone would take a list for one as well.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    if json.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(json).ok()
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokens").finish_non_exhaustive()
    }
}
