//! The way to the provider.

use super::{address, cookies, unknown_provider};
use crate::App;
use crate::http::{ApiResult, Path};
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;

/// `GET /oauth/{provider}/login`: leads the browser to the provider.
pub(super) async fn login(
    State(app): State<App>,
    Path(provider): Path<String>,
    request: Parts,
) -> ApiResult<Response> {
    let provider = app.external.provider(&app.settings().oauth, &provider).ok_or_else(unknown_provider)?;
    let back = address::of_callback(&app, &provider, &request)?;
    let begun = match provider.begin(back, app.clock.unix_seconds()).await {
        Ok(begun) => app.external.keep(&begun.attempt).await.map(|cookie| (begun.url, cookie)),
        Err(error) => Err(error),
    };
    match begun {
        Ok((url, cookie)) => {
            let mut response = address::to(url.as_str())?;
            cookies::set_attempt(&app, &mut response, &cookie);
            Ok(response)
        }
        Err(error) => {
            tracing::warn!(provider = provider.id(), "a sign-in could not begin: {error}");
            address::to_page(&app, Some(error.for_people()))
        }
    }
}
