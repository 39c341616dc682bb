//! Ending a session.

use super::answer;
use crate::App;
use crate::http::{ApiError, ApiResult, guard};
use antiphon_auth::AuthError;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// `POST /api/v1/auths/signout`: the token of the header and that of the cookie are refused from now on.
///
/// The cookie is cleared in every case. A token that is no longer good is not an error: there is nothing to end.
pub(super) async fn sign_out(State(app): State<App>, headers: HeaderMap) -> ApiResult<Response> {
    let sent = guard::token(&app, &headers);
    let in_cookie = guard::cookie_token(&headers).filter(|token| Some(*token) != sent);
    let mut outcome = Ok(());
    for token in [sent, in_cookie].into_iter().flatten() {
        outcome = outcome.and(end(&app, token).await);
    }
    let response = match outcome {
        Ok(()) => axum::Json(json!({ "status": true })).into_response(),
        Err(error) => ApiError::from(error).into_response(),
    };
    answer::with_cookie(response, &app.cookie.clear())
}

/// Ends the session of one token. An API key has none.
async fn end(app: &App, token: &str) -> Result<(), AuthError> {
    match app.authenticator.authenticate(token).await {
        Ok(session) if session.token_id().is_some() => app.sessions.sign_out(&session).await,
        Ok(_) | Err(AuthError::InvalidToken) => Ok(()),
        Err(error) => Err(error),
    }
}
