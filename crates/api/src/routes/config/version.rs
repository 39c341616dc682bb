//! Which version this is.

use crate::{App, COMPATIBLE_VERSION};
use axum::extract::State;
use serde_json::{Value, json};

/// `GET /api/version`: a page reloads itself when the first two change between two connections.
pub(super) async fn read(State(app): State<App>) -> axum::Json<Value> {
    axum::Json(json!({
        "version": COMPATIBLE_VERSION,
        "deployment_id": app.config.server.deployment_id,
        "antiphon": env!("CARGO_PKG_VERSION"),
    }))
}

/// `GET /api/version/updates`: this server never looks for newer versions.
pub(super) async fn updates() -> axum::Json<Value> {
    axum::Json(json!({ "current": COMPATIBLE_VERSION, "latest": COMPATIBLE_VERSION }))
}
