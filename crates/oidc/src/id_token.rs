//! ID tokens: whether they are the provider's, for this server, of this sign-in, and in time (OpenID Connect Core, 3.1.3.7).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::IdTokenFault;
use crate::keys::{Algorithm, KeySet};

/// Seconds by which clocks may differ.
const LEEWAY: u64 = 60;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// Issuer of the configuration document; `{tenantid}` in it stands for the claim `tid`, as Microsoft writes it.
    pub(crate) issuer: &'a str,
    /// Id of this server at the provider.
    pub(crate) client_id: &'a str,
    /// Nonce of the attempt.
    pub(crate) nonce: &'a str,
    /// Unix seconds.
    pub(crate) now: u64,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that must be understood; none is.
    #[serde(default)]
    crit: Option<Value>,
}

/// A token taken apart, not verified yet.
pub(crate) struct Unverified<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    message: &'a str,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    pub(crate) fn parse(token: &'a str) -> Result<Self, IdTokenFault> {
        let malformed = || IdTokenFault::Malformed;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(malformed());
        }
        let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (head, claims) = message.split_once('.').ok_or_else(malformed)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
        let head: Head = serde_json::from_slice(&bytes(head)?).map_err(|_| malformed())?;
        if head.crit.is_some() {
            return Err(malformed());
        }
        let algorithm = Algorithm::parse(&head.alg)
            .ok_or_else(|| IdTokenFault::Algorithm(head.alg.chars().take(20).collect()))?;
        let claims = serde_json::from_slice(&bytes(claims)?).map_err(|_| malformed())?;
        Ok(Self { algorithm, key_id: head.kid, message, claims, signature: bytes(signature)? })
    }

    /// Who says to have issued it.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// Whether one of the keys may have signed it.
    pub(crate) fn has_key_in(&self, keys: &KeySet) -> bool {
        keys.has(self.algorithm, self.key_id.as_deref())
    }

    /// The claims, when the token is all that it must be.
    pub(crate) fn verify(
        self,
        keys: &KeySet,
        expected: &Expected<'_>,
    ) -> Result<Map<String, Value>, IdTokenFault> {
        let key_id = self.key_id.as_deref();
        if !keys.has(self.algorithm, key_id) {
            return Err(IdTokenFault::UnknownKey);
        }
        if !keys.verify(self.algorithm, key_id, self.message.as_bytes(), &self.signature) {
            return Err(IdTokenFault::Signature);
        }
        check(&self.claims, expected)?;
        Ok(self.claims)
    }
}

fn check(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), IdTokenFault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let issuer = match text("tid") {
        Some(tenant) => expected.issuer.replace("{tenantid}", tenant),
        None => expected.issuer.to_owned(),
    };
    if text("iss") != Some(issuer.as_str()) {
        return Err(IdTokenFault::Issuer);
    }
    let audience: BTreeSet<&str> = match claims.get("aud") {
        Some(Value::String(one)) => [one.as_str()].into(),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    };
    let party = text("azp");
    let authorised = party.map_or(audience.len() == 1, |party| party == expected.client_id);
    if !audience.contains(expected.client_id) || !authorised {
        return Err(IdTokenFault::Audience);
    }
    let expires_at = time(claims, "exp")?.ok_or_else(|| IdTokenFault::Missing("exp".to_owned()))?;
    if expires_at + LEEWAY <= expected.now {
        return Err(IdTokenFault::Expired);
    }
    let issued_at = time(claims, "iat")?.ok_or_else(|| IdTokenFault::Missing("iat".to_owned()))?;
    let begins = time(claims, "nbf")?.unwrap_or(issued_at).max(issued_at);
    if begins > expected.now + LEEWAY {
        return Err(IdTokenFault::NotYet);
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(IdTokenFault::Nonce);
    }
    if text("sub").is_none_or(str::is_empty) {
        return Err(IdTokenFault::Missing("sub".to_owned()));
    }
    Ok(())
}

/// A time in Unix seconds, fractions cut off. A claim of another type is a fault, never one that is not there.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, IdTokenFault> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_u64().or_else(|| {
        let seconds = std::time::Duration::try_from_secs_f64(value.as_f64()?).ok()?;
        Some(seconds.as_secs())
    });
    // Far beyond every clock, and small enough to be added to.
    let whole = whole.filter(|seconds| *seconds < 1 << 40);
    whole.map(Some).ok_or_else(|| IdTokenFault::Missing(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const EXPECTED: Expected<'static> =
        Expected { issuer: "https://id.example.org", client_id: "antiphon", nonce: "n-1", now: NOW };

    fn base64(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Signs with P-256 and with Ed25519.
    struct Signer {
        curve: EcdsaKeyPair,
        edwards: Ed25519KeyPair,
        random: SystemRandom,
    }

    impl Signer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            let curve = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
            let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
            let edwards = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
            Self { curve, edwards, random }
        }

        fn keys(&self) -> KeySet {
            let point = self.curve.public_key().as_ref();
            KeySet::parse(&json!({ "keys": [
                { "kty": "EC", "crv": "P-256", "kid": "curve", "use": "sig", "alg": "ES256",
                  "x": base64(&point[1..33]), "y": base64(&point[33..]) },
                { "kty": "OKP", "crv": "Ed25519", "kid": "edwards", "x": base64(self.edwards.public_key()) },
                { "kty": "oct", "k": "c2VjcmV0" },
                "no key at all",
            ] }))
            .unwrap()
        }

        fn token(&self, head: &Value, claims: &Value) -> String {
            let message = format!("{}.{}", base64(head.to_string()), base64(claims.to_string()));
            let signature = if head["alg"] == "EdDSA" {
                self.edwards.sign(message.as_bytes()).as_ref().to_vec()
            } else {
                self.curve.sign(&self.random, message.as_bytes()).unwrap().as_ref().to_vec()
            };
            format!("{message}.{}", base64(signature))
        }
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example.org", "aud": "antiphon", "sub": "ada", "nonce": "n-1",
            "iat": NOW - 5, "exp": NOW + 300, "email": "ada@example.org",
        })
    }

    fn verify(token: &str, keys: &KeySet) -> Result<Map<String, Value>, IdTokenFault> {
        Unverified::parse(token)?.verify(keys, &EXPECTED)
    }

    #[test]
    fn a_token_of_the_provider_is_believed() {
        let signer = Signer::new();
        for head in [
            json!({ "alg": "ES256", "kid": "curve" }),
            json!({ "alg": "ES256" }),
            json!({ "alg": "EdDSA", "kid": "edwards", "typ": "JWT" }),
        ] {
            let verified = verify(&signer.token(&head, &claims()), &signer.keys()).unwrap();
            assert_eq!(verified["email"], "ada@example.org");
        }
    }

    #[test]
    fn every_claim_that_is_not_as_it_must_be_refuses_the_token() {
        let signer = Signer::new();
        let keys = signer.keys();
        let cases = [
            (json!({ "iss": "https://other.example.org" }), IdTokenFault::Issuer),
            (json!({ "iss": null }), IdTokenFault::Issuer),
            (json!({ "aud": "other" }), IdTokenFault::Audience),
            (json!({ "aud": [] }), IdTokenFault::Audience),
            (json!({ "aud": ["antiphon", "other"] }), IdTokenFault::Audience),
            (json!({ "aud": ["antiphon", "other"], "azp": "other" }), IdTokenFault::Audience),
            (json!({ "azp": "other" }), IdTokenFault::Audience),
            (json!({ "exp": NOW - LEEWAY }), IdTokenFault::Expired),
            (json!({ "exp": null }), IdTokenFault::Missing("exp".into())),
            (json!({ "exp": (NOW + 300).to_string() }), IdTokenFault::Missing("exp".into())),
            (json!({ "exp": 1e300 }), IdTokenFault::Missing("exp".into())),
            (json!({ "iat": NOW + LEEWAY + 1 }), IdTokenFault::NotYet),
            (json!({ "nbf": NOW + LEEWAY + 1 }), IdTokenFault::NotYet),
            (json!({ "nbf": "soon" }), IdTokenFault::Missing("nbf".into())),
            (json!({ "nonce": "n-2" }), IdTokenFault::Nonce),
            (json!({ "nonce": null }), IdTokenFault::Nonce),
            (json!({ "sub": "" }), IdTokenFault::Missing("sub".into())),
            (json!({ "sub": 7 }), IdTokenFault::Missing("sub".into())),
        ];
        for (change, fault) in cases {
            let mut changed = claims();
            for (name, value) in change.as_object().unwrap() {
                changed[name] = value.clone();
            }
            let token = signer.token(&json!({ "alg": "ES256" }), &changed);
            assert_eq!(verify(&token, &keys).unwrap_err(), fault, "{change}");
        }
        let mut several = claims();
        several["aud"] = json!(["other", "antiphon"]);
        several["azp"] = json!("antiphon");
        several["exp"] = json!(1_800_000_000.5);
        verify(&signer.token(&json!({ "alg": "ES256" }), &several), &keys).unwrap();
    }

    #[test]
    fn only_the_providers_own_signature_counts() {
        let (signer, other) = (Signer::new(), Signer::new());
        let keys = signer.keys();
        let forged = other.token(&json!({ "alg": "ES256", "kid": "curve" }), &claims());
        assert_eq!(verify(&forged, &keys).unwrap_err(), IdTokenFault::Signature);
        let unknown = signer.token(&json!({ "alg": "ES256", "kid": "new" }), &claims());
        assert_eq!(verify(&unknown, &keys).unwrap_err(), IdTokenFault::UnknownKey);
        let good = signer.token(&json!({ "alg": "ES256", "kid": "curve" }), &claims());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let (head, _) = message.split_once('.').unwrap();
        let mut lying = claims();
        lying["sub"] = json!("root");
        let swapped = format!("{head}.{}.{signature}", base64(lying.to_string()));
        assert_eq!(verify(&swapped, &keys).unwrap_err(), IdTokenFault::Signature);
        assert_eq!(verify(&format!("{message}."), &keys).unwrap_err(), IdTokenFault::Signature);
        // The public key taken for a shared secret, and no signature at all.
        for algorithm in ["HS256", "none", "NONE", "ES512", ""] {
            let token = signer.token(&json!({ "alg": algorithm }), &claims());
            assert_eq!(verify(&token, &keys).unwrap_err(), IdTokenFault::Algorithm(algorithm.to_owned()));
        }
        let critical = signer.token(&json!({ "alg": "ES256", "crit": ["exp"] }), &claims());
        assert_eq!(verify(&critical, &keys).unwrap_err(), IdTokenFault::Malformed);
    }

    #[test]
    fn a_tenant_stands_in_for_the_issuers_placeholder() {
        let signer = Signer::new();
        let expected = Expected { issuer: "https://login.example.org/{tenantid}/v2.0", ..EXPECTED };
        let mut of_tenant = claims();
        of_tenant["iss"] = json!("https://login.example.org/t-1/v2.0");
        let check = |claims: &Value| {
            let token = signer.token(&json!({ "alg": "ES256" }), claims);
            Unverified::parse(&token).unwrap().verify(&signer.keys(), &expected).map(drop)
        };
        assert_eq!(check(&of_tenant), Err(IdTokenFault::Issuer));
        of_tenant["tid"] = json!("t-2");
        assert_eq!(check(&of_tenant), Err(IdTokenFault::Issuer));
        of_tenant["tid"] = json!("t-1");
        assert_eq!(check(&of_tenant), Ok(()));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_panic(text in "\\PC{0,200}") {
            prop_assert!(Unverified::parse(&text).is_err());
        }
    }
}
