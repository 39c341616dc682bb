//! What a client gets when a session begins, with the cookie that carries its token.

use crate::App;
use crate::http::ApiError;
use crate::profile::own_picture_path;
use antiphon_auth::SignedIn;
use antiphon_auth::token::Claims;
use antiphon_config::Permissions;
use antiphon_storage::Role;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A session as clients see it; times in Unix seconds.
#[derive(Serialize)]
pub(super) struct SessionBody {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) email: String,
    pub(super) profile_image_url: String,
    pub(super) token: String,
    pub(super) token_type: &'static str,
    /// When the token expires; null for never.
    pub(super) expires_at: Option<i64>,
    pub(super) permissions: Permissions,
}

/// `token_type` of every session.
pub(super) const BEARER: &str = "Bearer";

/// The answer to a sign-in or sign-up.
pub(super) fn begun(app: &App, signed_in: SignedIn) -> Result<Response, ApiError> {
    let SignedIn { issued, identity } = signed_in;
    let body = SessionBody {
        id: identity.id.to_string(),
        name: identity.name.clone(),
        role: identity.role,
        email: identity.email.clone(),
        profile_image_url: own_picture_path(&identity.id),
        expires_at: issued.claims.expires_at,
        permissions: app.settings().permissions,
        token: issued.token,
        token_type: BEARER,
    };
    let cookie = app.cookie.set(&body.token, lifetime(&issued.claims));
    with_cookie(axum::Json(body), &cookie)
}

/// Seconds from the issue of a token to its end, which are the first `Max-Age` of its cookie.
pub(in crate::routes) fn lifetime(claims: &Claims) -> Option<u64> {
    let (end, start) = (claims.expires_at?, claims.issued_at?);
    u64::try_from(end.saturating_sub(start)).ok()
}

/// A response that sets a cookie.
pub(super) fn with_cookie(response: impl IntoResponse, cookie: &str) -> Result<Response, ApiError> {
    let value = HeaderValue::from_str(cookie).map_err(|error| ApiError::internal(&error))?;
    let mut response = response.into_response();
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response)
}
