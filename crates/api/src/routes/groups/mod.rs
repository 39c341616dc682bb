//! Groups of people. This release has none, and says so where pages ask.

use crate::http::{Access, Route};
use serde_json::Value;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/api/v1/groups/", Access::User, list)]
}

/// `GET /api/v1/groups/`
async fn list() -> axum::Json<[Value; 0]> {
    axum::Json([])
}
