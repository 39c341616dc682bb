//! What users may do who are not administrators.

use crate::App;
use crate::http::{ApiResult, Json};
use antiphon_config::Permissions;
use axum::extract::State;
use serde_json::{Value, json};

/// Key of the setting that holds all permissions.
const KEY: &str = "user.permissions";

/// `GET /api/v1/users/permissions`: the caller's own, which are everybody's. Administrators may everything anyway.
pub(super) async fn own(State(app): State<App>) -> axum::Json<Permissions> {
    axum::Json(app.settings().permissions)
}

/// `GET /api/v1/users/default/permissions`
pub(super) async fn read(State(app): State<App>) -> axum::Json<Permissions> {
    axum::Json(app.settings().permissions)
}

/// `GET /api/v1/users/default/permissions/defaults`: what they are on a new server.
pub(super) async fn defaults() -> axum::Json<Permissions> {
    axum::Json(Permissions::default())
}

/// `POST /api/v1/users/default/permissions`: replaces all; what is left out takes its default.
pub(super) async fn change(
    State(app): State<App>,
    Json(permissions): Json<Permissions>,
) -> ApiResult<axum::Json<Value>> {
    let settings = app.settings.set(KEY, json!(permissions)).await?;
    Ok(axum::Json(json!(settings.permissions)))
}
