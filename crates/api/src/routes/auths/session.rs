//! The session of the caller.

use super::answer::{BEARER, SessionBody, with_cookie};
use crate::App;
use crate::http::{ApiResult, Caller, guard};
use crate::profile::Status;
use antiphon_auth::{AuthError, Profile};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct SessionInfo {
    #[serde(flatten)]
    session: SessionBody,
    bio: Option<String>,
    gender: Option<String>,
    date_of_birth: Option<String>,
    #[serde(flatten)]
    status: Status,
}

/// `GET /api/v1/auths/`: who the caller is; sets the cookie again for the rest of the token's life.
pub(super) async fn read(State(app): State<App>, caller: Caller, headers: HeaderMap) -> ApiResult<Response> {
    let identity = &*caller.identity;
    let profile = match &identity.profile {
        Some(profile) => Profile::clone(profile),
        // Too large to be kept in memory.
        None => app.database.users().by_id(caller.user_id()).await?.ok_or(AuthError::InvalidToken)?.into(),
    };
    let token = guard::token(&app, &headers).ok_or(AuthError::NotAuthenticated)?;
    let expires_at = caller.claims().and_then(|claims| claims.expires_at);
    let cookie = app
        .cookie
        .set(token, expires_at.map(|at| u64::try_from(at.saturating_sub(app.now())).unwrap_or_default()));
    let status = Status::of_profile(&profile, app.now());
    let session = SessionBody {
        id: identity.id.to_string(),
        name: identity.name.clone(),
        role: identity.role,
        email: identity.email.clone(),
        profile_image_url: profile.profile_image_url,
        token: token.to_owned(),
        token_type: BEARER,
        expires_at,
        permissions: app.settings().permissions,
    };
    let info = SessionInfo {
        session,
        bio: profile.bio,
        gender: profile.gender,
        date_of_birth: profile.date_of_birth,
        status,
    };
    with_cookie(axum::Json(info), &cookie)
}

/// `GET /api/v1/auths/mfa/status`: this server has no second factor yet.
pub(super) async fn second_factor() -> axum::Json<Value> {
    axum::Json(json!({ "enabled": false, "required": false, "recovery_codes_remaining": 0 }))
}
