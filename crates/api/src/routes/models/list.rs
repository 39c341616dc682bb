//! `GET /api/models`: what the caller may use.

use crate::App;
use crate::http::{ApiResult, Caller, Query};
use antiphon_provider::Freshness;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    refresh: bool,
}

impl Asked {
    fn freshness(&self) -> Freshness {
        if self.refresh { Freshness::Renewed } else { Freshness::Cached }
    }
}

/// `{data: [Model]}`; `?refresh=true` asks every provider again.
pub(super) async fn visible(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> ApiResult<axum::Json<Value>> {
    let models = app.models.visible(&caller, asked.freshness()).await?;
    Ok(axum::Json(json!({ "data": models })))
}

/// `GET /api/models/base`: what the providers list, as it is.
pub(super) async fn base(State(app): State<App>, Query(asked): Query<Asked>) -> axum::Json<Value> {
    let listed = app.providers.models(asked.freshness()).await;
    let models: Vec<&antiphon_provider::Model> = listed.models.iter().map(AsRef::as_ref).collect();
    axum::Json(json!({ "data": models }))
}
