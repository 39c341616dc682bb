//! The caller's API key. An account has at most one.

use crate::App;
use crate::http::{ApiError, ApiResult, Caller};
use antiphon_auth::permissions::require;
use antiphon_auth::{API_KEY_PREFIX, AuthError, permission};
use axum::extract::State;
use serde_json::{Value, json};
use uuid::Uuid;

/// `GET /api/v1/auths/api_key`: 404 without one.
pub(super) async fn read(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Value>> {
    check_allowed(&app, &caller)?;
    let key = app.database.api_keys().by_user(caller.user_id()).await?;
    let key = key.ok_or_else(|| ApiError::not_found("This account has no API key yet. Create one first."))?;
    Ok(axum::Json(json!({ "api_key": key.key })))
}

/// `POST /api/v1/auths/api_key`: a new key; an earlier one stops working.
pub(super) async fn create(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Value>> {
    check_allowed(&app, &caller)?;
    let key = format!("{API_KEY_PREFIX}{}", Uuid::new_v4().simple());
    let key = app.database.api_keys().replace(caller.user_id(), &key).await?;
    app.authenticator.invalidate_user(caller.user_id());
    Ok(axum::Json(json!({ "api_key": key.key })))
}

/// `DELETE /api/v1/auths/api_key`: the key stops working. Also where keys are off: taking one away is always safe.
pub(super) async fn delete(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<bool>> {
    let deleted = app.database.api_keys().delete(caller.user_id()).await?;
    app.authenticator.invalidate_user(caller.user_id());
    Ok(axum::Json(deleted))
}

/// Refuses where keys are off, for everybody or for accounts like the caller's.
fn check_allowed(app: &App, caller: &Caller) -> ApiResult<()> {
    let settings = app.settings();
    if !settings.sign_in.enable_api_keys {
        return Err(AuthError::ApiKeysDisabled.into());
    }
    Ok(require(&caller.identity, &settings.permissions, permission!(features.api_keys))?)
}
