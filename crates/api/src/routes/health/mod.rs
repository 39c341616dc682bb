//! Whether the node lives, reaches its database and Redis, and takes requests.

use crate::App;
use crate::http::{Access, ApiError, ApiResult, Route};
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/health", Access::Public, live),
        Route::get("/health/db", Access::Public, database),
        Route::get("/ready", Access::Public, ready),
    ]
}

/// `GET /health`: the process answers.
async fn live() -> axum::Json<Value> {
    fine()
}

/// `GET /health/db`: the database answers too.
async fn database(State(app): State<App>) -> ApiResult<axum::Json<Value>> {
    ping(&app).await?;
    Ok(fine())
}

/// `GET /ready`: start-up is complete, shutdown has not begun, and what the node needs to work with others is there.
///
/// Without Redis it still serves, so `/health` stays 200; but what happens on it is not told to other nodes, so that a
/// balancer better sends people elsewhere.
async fn ready(State(app): State<App>) -> ApiResult<axum::Json<Value>> {
    if !app.ready.load(Ordering::Acquire) {
        return Err(ApiError::unavailable(
            "This node is starting or shutting down and takes no requests now.",
        ));
    }
    if let Some(fault) = app.redis.fault() {
        return Err(ApiError::unavailable(fault));
    }
    ping(&app).await?;
    Ok(fine())
}

/// Asks the database for a sign of life, within its bound. Its fault is not the caller's to read.
async fn ping(app: &App) -> ApiResult<()> {
    Box::pin(app.database.ping()).await.map_err(|error| {
        tracing::debug!(%error, "the database gave no sign of life");
        ApiError::unavailable("The database does not answer. See the log, and check DATABASE_URL.")
    })
}

fn fine() -> axum::Json<Value> {
    axum::Json(json!({ "status": true }))
}
