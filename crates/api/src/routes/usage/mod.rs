//! `GET /api/usage`: which models are in use and how many people are there.

use crate::App;
use crate::http::{Access, ApiError, ApiResult, Caller, Route};
use axum::extract::State;
use serde_json::{Value, json};
use std::time::Duration;

/// Somebody seen less long ago than this counts as present.
const PRESENT_FOR: Duration = Duration::from_mins(3);

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/api/usage", Access::User, usage)]
}

async fn usage(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Value>> {
    if !caller.identity.is_admin() && !app.config.features.public_active_users {
        return Err(ApiError::forbidden(
            "Only administrators see who is there (ENABLE_PUBLIC_ACTIVE_USERS_COUNT).",
        ));
    }
    let since = app.now().saturating_sub_unsigned(PRESENT_FOR.as_secs());
    let user_count = app.database.users().count_active_since(since).await?;
    Ok(axum::Json(json!({ "model_ids": app.presence.model_ids().await, "user_count": user_count })))
}
