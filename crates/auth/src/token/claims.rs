//! What a token says.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use crate::error::{AuthError, Result};

/// What a token was made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, DeriveDeserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Somebody signed in; also what a token without `typ` is.
    #[default]
    Session,
    /// A scheduled run acts for its owner.
    Automation,
    /// A run started by another run.
    Subagent,
}

/// The claims of a token that was verified or issued. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `id`: the account.
    pub user_id: String,
    /// `typ`.
    pub kind: TokenKind,
    /// `auth_method`: `password`, `ldap`, `oauth`, …
    pub auth_method: Option<String>,
    /// `auth_time`: when the person proved who they are.
    pub auth_time: Option<i64>,
    /// `session_stamp`: must equal the account's.
    pub session_stamp: Option<String>,
    /// `mfa_verified`.
    pub mfa_verified: bool,
    /// `exp`: refused from this second on.
    pub expires_at: Option<i64>,
    /// `iat`.
    pub issued_at: Option<i64>,
    /// `jti`; for a token without one, its signature, so that it can be revoked as well.
    pub token_id: String,
}

/// The payload as it is written.
#[derive(Serialize)]
pub(super) struct NewPayload<'a> {
    pub(super) id: &'a str,
    pub(super) typ: TokenKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_stamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mfa_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exp: Option<i64>,
    pub(super) iat: i64,
    pub(super) jti: &'a str,
}

/// The payload as it is read; a claim of the wrong type refuses the token.
#[derive(DeriveDeserialize)]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(default)]
    typ: TokenKind,
    #[serde(default, borrow)]
    auth_method: Option<Cow<'a, str>>,
    #[serde(default)]
    auth_time: Option<NumericDate>,
    #[serde(default, borrow)]
    session_stamp: Option<Cow<'a, str>>,
    #[serde(default)]
    mfa_verified: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<NumericDate>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<NumericDate>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<NumericDate>,
    #[serde(default, borrow, deserialize_with = "present_text")]
    jti: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "present_text")]
    sub: Option<Cow<'a, str>>,
    #[serde(default)]
    aud: Option<IgnoredAny>,
}

impl Payload<'_> {
    /// Applies the rules; `signature` is the token's last part.
    pub(super) fn check(self, now: i64, signature: &str) -> Result<Claims> {
        let seconds = |date: Option<NumericDate>| date.map(|NumericDate(seconds)| seconds);
        let expired = self.exp.is_some_and(|NumericDate(exp)| exp <= now);
        let from_the_future = [&self.iat, &self.nbf].into_iter().flatten().any(|NumericDate(at)| *at > now);
        // `sub` is only required to be a text, which it is when this is reached.
        let _ = self.sub;
        if expired || from_the_future || self.aud.is_some() || self.id.is_empty() {
            return Err(AuthError::InvalidToken);
        }
        Ok(Claims {
            user_id: self.id.into_owned(),
            kind: self.typ,
            auth_method: self.auth_method.map(Cow::into_owned),
            auth_time: seconds(self.auth_time),
            session_stamp: self.session_stamp.map(Cow::into_owned),
            mfa_verified: self.mfa_verified.unwrap_or_default(),
            expires_at: seconds(self.exp),
            issued_at: seconds(self.iat),
            token_id: self.jti.map_or_else(|| format!("signature:{signature}"), Cow::into_owned),
        })
    }
}

/// A claim that may be missing but not null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NumericDate>, D::Error> {
    NumericDate::deserialize(deserializer).map(Some)
}

fn present_text<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'a, str>>, D::Error> {
    struct Text;

    impl<'de> Visitor<'de> for Text {
        type Value = Cow<'de, str>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a text")
        }

        fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(text))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Cow::Owned(text.to_owned()))
        }
    }

    deserializer.deserialize_str(Text).map(Some)
}

/// Seconds since 1970; a fraction is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NumericDate(i64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = NumericDate;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number of seconds")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<NumericDate, E> {
                Ok(NumericDate(i64::try_from(seconds).unwrap_or(i64::MAX)))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<NumericDate, E> {
                Ok(NumericDate(seconds))
            }

            #[expect(
                clippy::cast_possible_truncation,
                reason = "cutting off is what is meant; the cast saturates"
            )]
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<NumericDate, E> {
                Ok(NumericDate(seconds as i64))
            }
        }

        deserializer.deserialize_any(Number)
    }
}
