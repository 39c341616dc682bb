//! Records of models: their names, parameters and who may use them.

use crate::App;
use crate::http::json::MAX_LARGE_BODY;
use crate::http::{ApiError, ApiResult, Caller, Json, Query};
use antiphon_storage::{ModelRecord, NewGrant, NewModelRecord};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Picture of a model that has none of its own.
const DEFAULT_PICTURE: &str = "/static/favicon.png";

#[derive(Deserialize)]
pub(super) struct RecordForm {
    id: String,
    #[serde(default)]
    base_model_id: Option<String>,
    name: String,
    #[serde(default)]
    params: Option<Map<String, Value>>,
    #[serde(default)]
    meta: Option<Map<String, Value>>,
    #[serde(default)]
    access_grants: Option<Vec<NewGrant>>,
    #[serde(default = "yes")]
    is_active: bool,
}

fn yes() -> bool {
    true
}

impl From<RecordForm> for NewModelRecord {
    fn from(form: RecordForm) -> Self {
        Self {
            // A record that bases on itself describes the provider's model.
            base_model_id: form.base_model_id.filter(|base| !base.is_empty() && *base != form.id),
            id: form.id,
            name: form.name,
            params: form.params.unwrap_or_default(),
            meta: form.meta.unwrap_or_default(),
            access_grants: form.access_grants,
            is_active: form.is_active,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Which {
    id: String,
}

/// `GET /api/v1/models/all`, `/base`
pub(super) async fn all(State(app): State<App>) -> ApiResult<axum::Json<Vec<ModelRecord>>> {
    Ok(axum::Json(app.database.models().list().await?))
}

/// `POST /api/v1/models/create`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(form): Json<RecordForm, MAX_LARGE_BODY>,
) -> ApiResult<axum::Json<ModelRecord>> {
    let record = app.database.models().create(caller.user_id(), form.into()).await?;
    app.models.invalidate();
    Ok(axum::Json(record))
}

/// `GET /api/v1/models/model?id=`
pub(super) async fn one(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> ApiResult<axum::Json<ModelRecord>> {
    let record = app.database.models().by_id(&which.id).await?;
    record.map(axum::Json).ok_or_else(unknown)
}

/// `POST /api/v1/models/model/update`
pub(super) async fn update(
    State(app): State<App>,
    Json(form): Json<RecordForm, MAX_LARGE_BODY>,
) -> ApiResult<axum::Json<ModelRecord>> {
    let record = app.database.models().update(form.into()).await?;
    app.models.invalidate();
    Ok(axum::Json(record))
}

/// `POST /api/v1/models/model/toggle?id=`: offers the model, or does so no more.
pub(super) async fn toggle(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> ApiResult<axum::Json<ModelRecord>> {
    let record = app.database.models().toggle_active(&which.id).await?;
    app.models.invalidate();
    Ok(axum::Json(record))
}

/// `POST /api/v1/models/model/delete {id}`
pub(super) async fn delete(State(app): State<App>, Json(which): Json<Which>) -> ApiResult<axum::Json<bool>> {
    if !app.database.models().delete(&which.id).await? {
        return Err(unknown());
    }
    app.models.invalidate();
    Ok(axum::Json(true))
}

/// `GET /api/v1/models/model/profile/image?id=`: pictures come with a later release; until then the server's own.
pub(super) async fn picture(Query(_): Query<Which>) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, DEFAULT_PICTURE)]).into_response()
}

fn unknown() -> ApiError {
    ApiError::not_found("There is no record of this model.")
}
