//! Who is calling: the token of a request, checked once, before its handler runs.

use super::error::ApiError;
use super::table::Access;
use crate::App;
use antiphon_auth::cookie::{TOKEN_COOKIE, value_of};
use antiphon_auth::{AuthError, Session};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use std::sync::Arc;

/// The signed-in caller of a guarded route.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Arc<Session>);

impl std::ops::Deref for Caller {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    /// The caller that the guard left; a route open to everybody has none.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(not_authenticated)
    }
}

/// Puts the check of `access` before the handler.
pub(super) fn wrap(handler: MethodRouter<App>, access: Access, app: &App) -> MethodRouter<App> {
    if access == Access::Public {
        return handler;
    }
    handler.layer(from_fn_with_state((app.clone(), access), check))
}

async fn check(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let session = identify(&app, request.headers(), request.uri().path()).await?;
    allow(access, &session)?;
    app.activity.touch(&session.identity.id);
    request.extensions_mut().insert(Caller(session));
    Ok(next.run(request).await)
}

/// The session of the request's token, wherever it is carried.
pub(crate) async fn identify(app: &App, headers: &HeaderMap, path: &str) -> Result<Arc<Session>, ApiError> {
    let token = token(app, headers).ok_or_else(not_authenticated)?;
    let session = app.authenticator.authenticate(token).await?;
    session.check_api_key(&app.settings(), path)?;
    Ok(Arc::new(session))
}

/// The token of a request: `Authorization: Bearer`, the API key header, or the cookie, in this order.
pub(crate) fn token<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer
        .filter(|token| !token.is_empty())
        .or_else(|| {
            headers.get(app.config.auth.api_key_header.as_str()).and_then(|value| value.to_str().ok())
        })
        .or_else(|| cookie_token(headers))
}

/// The token in the cookie.
pub(crate) fn cookie_token(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, TOKEN_COOKIE)
}

/// The value of a cookie, if it is there and not empty.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.into_iter().find_map(|header| value_of(header, name))
}

fn allow(access: Access, session: &Session) -> Result<(), AuthError> {
    match access {
        Access::Public | Access::AnyRole => Ok(()),
        Access::Session => session.require_token().map(drop),
        Access::User => session.require_user().map(drop),
        Access::Admin => session.require_admin().map(drop),
    }
}

fn not_authenticated() -> ApiError {
    AuthError::NotAuthenticated.into()
}

/// Answers a path that is there, but not with this method.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}
