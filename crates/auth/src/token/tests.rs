use std::time::Duration;

use antiphon_state::Clock;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::error::AuthError;

const SECRET: &str = "s3cr3t-å";
const NOW: u64 = 1_800_000_000;

/// Made with Python:
///
/// ```python
/// import base64, hashlib, hmac, json
/// b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
/// claims = {"id": "5f6b0d9e-8b7a-4d1c-9a53-1e2f3a4b5c6d", "typ": "session", "auth_method": "password",
///           "auth_time": 1800000000, "session_stamp": "stamp-1", "mfa_verified": False, "exp": 1802419200,
///           "iat": 1800000000, "jti": "0b8e6f0c-6f0e-4f6e-8a51-3c1d2e4f5a6b"}
/// head = b64(b'{"alg":"HS256","typ":"JWT"}') + "." + b64(json.dumps(claims, separators=(",", ":")).encode())
/// print(head + "." + b64(hmac.new("s3cr3t-å".encode(), head.encode(), hashlib.sha256).digest()))
/// ```
const VECTOR: &str = concat!(
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
    "eyJpZCI6IjVmNmIwZDllLThiN2EtNGQxYy05YTUzLTFlMmYzYTRiNWM2ZCIsInR5cCI6InNlc3Npb24iLCJhdXRoX21ldGhvZCI6InBhc3N3b3Jk",
    "IiwiYXV0aF90aW1lIjoxODAwMDAwMDAwLCJzZXNzaW9uX3N0YW1wIjoic3RhbXAtMSIsIm1mYV92ZXJpZmllZCI6ZmFsc2UsImV4cCI6MTgwMjQx",
    "OTIwMCwiaWF0IjoxODAwMDAwMDAwLCJqdGkiOiIwYjhlNmYwYy02ZjBlLTRmNmUtOGE1MS0zYzFkMmU0ZjVhNmIifQ.",
    "1_C_MRMZRJqpT6l_HuzmuiV0ZhVwASwXE2HKqgDFtuc",
);

fn tokens() -> (Tokens, Clock) {
    let clock = Clock::manual(NOW);
    (Tokens::new(SECRET, clock.clone()), clock)
}

fn sign(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn with_header(header: &Value) -> String {
    sign(header.to_string().as_bytes(), br#"{"id":"ada"}"#)
}

fn with_claims(claims: &Value) -> String {
    sign(br#"{"typ":"JWT","alg":"HS256"}"#, claims.to_string().as_bytes())
}

fn accepts(claims: &Value) -> bool {
    match tokens().0.verify(&with_claims(claims)) {
        Ok(_) => true,
        Err(AuthError::InvalidToken) => false,
        Err(other) => panic!("unexpected refusal {other:?}"),
    }
}

#[test]
fn reads_a_token_made_elsewhere() {
    let (tokens, clock) = tokens();
    let claims = tokens.verify(VECTOR).unwrap();
    let expected = Claims {
        user_id: "5f6b0d9e-8b7a-4d1c-9a53-1e2f3a4b5c6d".into(),
        kind: TokenKind::Session,
        auth_method: Some("password".into()),
        auth_time: Some(1_800_000_000),
        session_stamp: Some("stamp-1".into()),
        mfa_verified: false,
        expires_at: Some(1_802_419_200),
        issued_at: Some(1_800_000_000),
        token_id: "0b8e6f0c-6f0e-4f6e-8a51-3c1d2e4f5a6b".into(),
    };
    assert_eq!(claims, expected);
    clock.advance(Duration::from_secs(2_419_199));
    assert!(tokens.verify(VECTOR).is_ok());
    clock.advance(Duration::from_secs(1));
    assert!(matches!(tokens.verify(VECTOR), Err(AuthError::InvalidToken)));
    assert!(Tokens::new("s3cr3t-a", Clock::manual(NOW)).verify(VECTOR).is_err());
}

#[test]
fn issues_tokens_with_the_claims_of_a_password_session() {
    let (tokens, _) = tokens();
    let lifetime = Some(Duration::from_hours(4 * 7 * 24));
    let new = NewToken { user_id: "ada", session_stamp: Some("s"), auth_method: Some("password"), lifetime };
    let issued = tokens.issue(new).unwrap();
    assert_eq!(tokens.verify(&issued.token).unwrap(), issued.claims);
    let mut parts = issued.token.split('.');
    assert_eq!(URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap(), br#"{"alg":"HS256","typ":"JWT"}"#);
    let payload: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap();
    let expected = json!({
        "id": "ada", "typ": "session", "auth_method": "password", "auth_time": NOW, "session_stamp": "s",
        "mfa_verified": false, "exp": NOW + 2_419_200, "iat": NOW, "jti": issued.claims.token_id,
    });
    assert_eq!(payload, expected);
    let other = tokens.issue(new).unwrap();
    assert_ne!(other.claims.token_id, issued.claims.token_id);
}

#[test]
fn a_token_made_by_an_administrator_says_nothing_of_a_sign_in() {
    let (tokens, _) = tokens();
    let new = NewToken { user_id: "ada", session_stamp: Some("s"), auth_method: None, lifetime: None };
    let issued = tokens.issue(new).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(issued.token.split('.').nth(1).unwrap()).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    let mut names: Vec<&str> = payload.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["iat", "id", "jti", "session_stamp", "typ"]);
}

#[test]
fn only_the_one_algorithm_is_accepted() {
    let (tokens, _) = tokens();
    assert!(tokens.verify(&with_header(&json!({"alg": "HS256"}))).is_ok());
    assert!(tokens.verify(&with_header(&json!({"alg": "HS256", "kid": "1", "typ": "at+jwt"}))).is_ok());
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "hs256"}),
        json!({"alg": "HS384"}),
        json!({"alg": "RS256"}),
        json!({"alg": 1}),
        json!({"typ": "JWT"}),
        json!({"alg": "HS256", "crit": ["exp"]}),
        json!({"alg": "HS256", "b64": false}),
        json!(["HS256"]),
    ] {
        assert!(tokens.verify(&with_header(&header)).is_err(), "{header}");
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    let (tokens, _) = tokens();
    let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
    let payload = URL_SAFE_NO_PAD.encode(br#"{"id":"ada"}"#);
    for token in [format!("{none}.{payload}."), format!("{none}.{payload}"), format!("{none}.{payload}.AA")] {
        assert!(tokens.verify(&token).is_err());
    }
}

#[test]
fn times_have_no_leeway() {
    assert!(accepts(&json!({"id": "a", "exp": NOW + 1, "iat": NOW, "nbf": NOW})));
    assert!(!accepts(&json!({"id": "a", "exp": NOW})));
    assert!(!accepts(&json!({"id": "a", "iat": NOW + 1})));
    assert!(!accepts(&json!({"id": "a", "nbf": NOW + 1})));
    assert!(accepts(&json!({"id": "a", "exp": 1.8e9 + 1.5})));
    assert!(!accepts(&json!({"id": "a", "exp": 1.8e9 + 0.5})));
    assert!(!accepts(&json!({"id": "a", "exp": -1})));
    assert!(accepts(&json!({"id": "a", "exp": u64::MAX})));
}

#[test]
fn claims_of_the_wrong_type_are_refused() {
    for claims in [
        json!({"id": "a", "exp": "1900000000"}),
        json!({"id": "a", "exp": null}),
        json!({"id": "a", "iat": null}),
        json!({"id": "a", "nbf": "soon"}),
        json!({"id": "a", "jti": 7}),
        json!({"id": "a", "jti": null}),
        json!({"id": "a", "sub": 7}),
        json!({"id": "a", "sub": null}),
        json!({"id": "a", "typ": "refresh"}),
        json!({"id": "a", "typ": null}),
        json!({"id": "a", "session_stamp": 1}),
        json!({"id": 7}),
        json!({"id": ""}),
        json!({"sub": "a"}),
        json!(["a"]),
        json!("a"),
    ] {
        assert!(!accepts(&claims), "{claims}");
    }
}

#[test]
fn any_audience_is_refused() {
    assert!(!accepts(&json!({"id": "a", "aud": "antiphon"})));
    assert!(!accepts(&json!({"id": "a", "aud": ["antiphon"]})));
    assert!(accepts(&json!({"id": "a", "aud": null, "iss": "x", "sub": "y"})));
}

#[test]
fn the_three_kinds_are_known_and_a_missing_one_is_a_session() {
    let (tokens, _) = tokens();
    let kind = |claims: Value| tokens.verify(&with_claims(&claims)).unwrap().kind;
    assert_eq!(kind(json!({"id": "a"})), TokenKind::Session);
    assert_eq!(kind(json!({"id": "a", "typ": "automation"})), TokenKind::Automation);
    assert_eq!(kind(json!({"id": "a", "typ": "subagent"})), TokenKind::Subagent);
}

#[test]
fn a_token_without_jti_can_still_be_told_from_others() {
    let (tokens, _) = tokens();
    let one = tokens.verify(&with_claims(&json!({"id": "a", "iat": 1}))).unwrap();
    let other = tokens.verify(&with_claims(&json!({"id": "a", "iat": 2}))).unwrap();
    assert!(one.token_id.starts_with("signature:"));
    assert_ne!(one.token_id, other.token_id);
}

#[test]
fn escaped_claims_are_read_too() {
    let (tokens, _) = tokens();
    let token = sign(br#"{"alg":"HS\u0032\u0035\u0036"}"#, br#"{"id":"\u0061da","jti":"\u0078"}"#);
    let claims = tokens.verify(&token).unwrap();
    assert_eq!((claims.user_id.as_str(), claims.token_id.as_str()), ("ada", "x"));
}

#[test]
fn an_overlong_token_is_not_looked_at() {
    let (tokens, _) = tokens();
    let token = with_claims(&json!({"id": "a", "pad": "x".repeat(MAX_TOKEN_BYTES)}));
    assert!(tokens.verify(&token).is_err());
}

#[test]
fn every_changed_letter_is_noticed() {
    let (tokens, _) = tokens();
    for at in 0..VECTOR.len() {
        let mut changed = VECTOR.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(tokens.verify(std::str::from_utf8(&changed).unwrap()).is_err(), "letter {at}");
    }
}

proptest! {
    #[test]
    fn nonsense_is_refused_without_panic(token in ".{0,200}") {
        prop_assert!(tokens().0.verify(&token).is_err());
    }

    #[test]
    fn nonsense_in_three_parts_is_refused_without_panic(token in "[A-Za-z0-9_=-]{0,60}(\\.[A-Za-z0-9_=-]{0,60}){0,4}") {
        prop_assert!(tokens().0.verify(&token).is_err());
    }

    #[test]
    fn a_signed_payload_of_any_bytes_never_panics(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = tokens().0.verify(&sign(br#"{"alg":"HS256"}"#, &payload));
    }

    #[test]
    fn what_was_issued_is_accepted(user_id in "\\PC{1,40}", stamp in prop::option::of("\\PC{0,40}"), seconds in 1_u64..u64::MAX) {
        let (tokens, _) = tokens();
        let new = NewToken {
            user_id: &user_id,
            session_stamp: stamp.as_deref(),
            auth_method: Some("password"),
            lifetime: Some(Duration::from_secs(seconds)),
        };
        let issued = tokens.issue(new).unwrap();
        prop_assert_eq!(tokens.verify(&issued.token).unwrap(), issued.claims);
    }
}
