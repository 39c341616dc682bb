//! The description of the surface, for people who write clients.

use crate::App;
use crate::http::{Access, ApiError, ApiResult, Route};
use crate::openapi::Surface;
use antiphon_config::Mode;
use axum::extract::State;
use serde_json::Value;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/openapi.json", Access::Public, document)]
}

/// `GET /openapi.json`: only where `ENV=dev`; elsewhere there is no such file.
async fn document(State(app): State<App>) -> ApiResult<axum::Json<Value>> {
    if app.config.server.mode != Mode::Development {
        return Err(ApiError::not_found("Not Found"));
    }
    let surface = Surface::read().map_err(|error| ApiError::internal(&error))?;
    Ok(axum::Json(surface.document()))
}
