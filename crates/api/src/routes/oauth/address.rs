//! Addresses of this server as browsers know it.

use crate::App;
use crate::http::{ApiError, ApiResult, own_address};
use antiphon_oidc::Provider;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Where a provider sends people back: as its variable says, under `WEBUI_URL`, or else where this request came to.
pub(super) fn of_callback(app: &App, provider: &Provider, request: &Parts) -> ApiResult<String> {
    if let Some(set) = provider.redirect_uri() {
        return Ok(set.to_owned());
    }
    let path = format!("/oauth/{}/login/callback", provider.id());
    let of_request = || own_address::of_request(&app.config.server.trusted_proxies, request);
    let base = public(app).map_or_else(of_request, Ok)?;
    Ok(format!("{base}{path}"))
}

/// Leads the browser to the sign-in page, which shows what went wrong, or takes the session from the cookie.
pub(super) fn to_page(app: &App, problem: Option<&str>) -> ApiResult<Response> {
    let base = public(app).unwrap_or_default();
    let query = problem.map(|problem| {
        let encoded: String = form_urlencode(problem);
        format!("?error={encoded}")
    });
    to(&format!("{base}/auth{}", query.unwrap_or_default()))
}

/// Leads the browser somewhere else. Nothing of this is kept by caches or told to the next page.
pub(super) fn to(location: &str) -> ApiResult<Response> {
    let location = HeaderValue::from_str(location).map_err(|error| ApiError::internal(&error))?;
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// `WEBUI_URL` without the slash at its end, when it is set.
fn public(app: &App) -> Option<String> {
    let settings = app.settings();
    let url = settings.interface.url.trim().trim_end_matches('/');
    (!url.is_empty()).then(|| url.to_owned())
}

/// A text as the value of a query parameter.
fn form_urlencode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
