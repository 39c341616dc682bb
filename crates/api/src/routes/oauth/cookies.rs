//! The cookies of a sign-in through a provider.
//!
//! - `owui-session`: for ten minutes and under `/oauth` only, by which a sign-in under way is found again;
//! - `oauth_id_token`: with which a sign-out ends the session at the provider without asking. No page can read either.

use crate::App;
use crate::http::guard;
use antiphon_auth::cookie::CookieOptions;
use antiphon_config::SameSite;
use antiphon_oidc::ATTEMPT_LIFETIME;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

/// Name of the cookie of a sign-in under way; the reference's.
const ATTEMPT_COOKIE: &str = "owui-session";

/// Where that cookie is sent.
const ATTEMPT_PATH: &str = "/oauth";

/// Name of the cookie with the ID token; the reference's.
pub(in crate::routes) const ID_TOKEN_COOKIE: &str = "oauth_id_token";

/// Longest ID token that is kept; browsers drop cookies of more than 4096 bytes.
const MAX_ID_TOKEN_BYTES: usize = 3800;

/// The value of the cookie of a sign-in under way.
pub(super) fn attempt(headers: &HeaderMap) -> Option<&str> {
    guard::cookie(headers, ATTEMPT_COOKIE)
}

/// Adds the cookie of a sign-in under way.
pub(super) fn set_attempt(app: &App, response: &mut Response, value: &str) {
    let cookie =
        options(app).set_named(ATTEMPT_COOKIE, value, Some(ATTEMPT_LIFETIME.as_secs()), ATTEMPT_PATH);
    add(response, &cookie);
}

/// Takes the cookie of a sign-in under way away.
pub(super) fn clear_attempt(app: &App, response: &mut Response) {
    add(response, &options(app).clear_named(ATTEMPT_COOKIE, ATTEMPT_PATH));
}

/// Adds the cookies of a session that has begun. `max_age`: seconds, or as long as the browser runs.
pub(super) fn set_session(
    app: &App,
    response: &mut Response,
    token: &str,
    id_token: &str,
    max_age: Option<u64>,
) {
    // The page takes the token from here; with its first request it is set again, out of the reach of scripts.
    add(response, &app.cookie.set_readable(token, max_age));
    if app.config.oauth.id_token_cookie && id_token.len() <= MAX_ID_TOKEN_BYTES {
        add(response, &app.cookie.set_named(ID_TOKEN_COOKIE, id_token, max_age, "/"));
    }
}

/// What takes all cookies of this kind away after a sign-out.
pub(in crate::routes) fn cleared(app: &App) -> [String; 2] {
    [options(app).clear_named(ATTEMPT_COOKIE, ATTEMPT_PATH), app.cookie.clear_named(ID_TOKEN_COOKIE, "/")]
}

/// The cookie must come along when the provider leads back, which is another site: never stricter than `lax`.
fn options(app: &App) -> CookieOptions {
    let auth = &app.config.auth;
    let same_site = match auth.session_cookie_same_site {
        SameSite::Strict => SameSite::Lax,
        other => other,
    };
    CookieOptions { same_site, secure: auth.session_cookie_secure }
}

fn add(response: &mut Response, cookie: &str) {
    // Tokens and what is sealed are letters and digits; a cookie that could not be sent would be one too few, not a fault.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
