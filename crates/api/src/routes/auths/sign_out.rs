//! Ending a session.

use super::answer;
use crate::App;
use crate::http::{ApiError, ApiResult, guard};
use crate::routes::oauth::{ID_TOKEN_COOKIE, cleared};
use antiphon_auth::AuthError;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;

/// Longest wait for the address at which a provider ends its session.
const PROVIDER_WAIT: Duration = Duration::from_secs(2);

/// `POST /api/v1/auths/signout`: the token of the header and that of the cookie are refused from now on.
///
/// A session that began at a provider is ended there too: `redirect_url` is where the page goes then. The cookies are cleared in every case. A token that is no longer good is not an error: there is nothing to end.
pub(super) async fn sign_out(State(app): State<App>, headers: HeaderMap) -> ApiResult<Response> {
    let sent = guard::token(&app, &headers);
    let in_cookie = guard::cookie_token(&headers).filter(|token| Some(*token) != sent);
    let mut outcome = Ok(());
    let mut at_provider = false;
    for token in [sent, in_cookie].into_iter().flatten() {
        match end(&app, token).await {
            Ok(method) => at_provider |= method.as_deref() == Some("oauth"),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    let response = match outcome {
        Ok(()) => {
            let mut body = json!({ "status": true });
            if let Some(next) = next_page(&app, &headers, at_provider).await {
                body["redirect_url"] = next.into();
            }
            axum::Json(body).into_response()
        }
        Err(error) => ApiError::from(error).into_response(),
    };
    let mut response = answer::with_cookie(response, &app.cookie.clear())?;
    for cookie in cleared(&app) {
        let value = HeaderValue::from_str(&cookie).map_err(|error| ApiError::internal(&error))?;
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// Where the page goes after a sign-out: to the end of the session at the provider, or where the operator says.
async fn next_page(app: &App, headers: &HeaderMap, at_provider: bool) -> Option<String> {
    let back_to = app.config.oauth.signout_redirect.clone();
    if !at_provider {
        return back_to;
    }
    let id_token = guard::cookie(headers, ID_TOKEN_COOKIE);
    let Some(provider) = app.external.provider_of(&app.settings().oauth, id_token) else { return back_to };
    let asking = provider.end_session_url(id_token, back_to.as_deref());
    // The session here is over; a provider that does not answer holds nobody up.
    let url = tokio::time::timeout(PROVIDER_WAIT, asking).await.ok().flatten();
    url.map(String::from).or(back_to)
}

/// Ends the session of one token and says how it began. An API key has none.
async fn end(app: &App, token: &str) -> Result<Option<String>, AuthError> {
    match app.authenticator.authenticate(token).await {
        Ok(session) if session.token_id().is_some() => {
            app.sessions.sign_out(&session).await?;
            Ok(session.claims().and_then(|claims| claims.auth_method.clone()))
        }
        Ok(_) | Err(AuthError::InvalidToken) => Ok(None),
        Err(error) => Err(error),
    }
}
