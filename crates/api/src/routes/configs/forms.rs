//! Forms of settings that are read and written as they are.

use crate::App;
use crate::http::{ApiResult, Json};
use crate::routes::limits::check_texts;
use antiphon_config::settings::forms::{self, Form};
use axum::extract::State;
use serde_json::Value;

/// `GET /api/v1/configs/models`: models chosen and pinned for people who chose none, and what models have by default.
pub(super) async fn models(State(app): State<App>) -> axum::Json<Value> {
    axum::Json(forms::MODELS.fill(&app.settings()))
}

/// `POST /api/v1/configs/models`
pub(super) async fn change_models(
    State(app): State<App>,
    Json(form): Json<Value>,
) -> ApiResult<axum::Json<Value>> {
    change(&app, forms::MODELS, &form).await
}

/// `GET /api/v1/configs/connections`: who may connect what.
pub(super) async fn connections(State(app): State<App>) -> axum::Json<Value> {
    axum::Json(forms::CONNECTIONS.fill(&app.settings()))
}

/// `POST /api/v1/configs/connections`
pub(super) async fn change_connections(
    State(app): State<App>,
    Json(form): Json<Value>,
) -> ApiResult<axum::Json<Value>> {
    change(&app, forms::CONNECTIONS, &form).await
}

/// Applies a filled form; what it leaves out stays as it is.
async fn change(app: &App, form: Form, filled: &Value) -> ApiResult<axum::Json<Value>> {
    check_texts(filled)?;
    let settings = app.settings.fill_in(form, filled).await?;
    Ok(axum::Json(form.fill(&settings)))
}
