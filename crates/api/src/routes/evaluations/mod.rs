//! Judgements of answers. Everybody sees and changes their own.

use crate::App;
use crate::http::json::MAX_LARGE_BODY;
use crate::http::{Access, ApiError, ApiResult, Caller, Json, Path, Route};
use antiphon_storage::{Feedback, NewFeedback};
use axum::extract::State;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub(super) fn routes() -> Vec<Route> {
    use Access::User;
    vec![
        Route::post("/api/v1/evaluations/feedback", User, create),
        Route::get("/api/v1/evaluations/feedback/{id}", User, read),
        Route::post("/api/v1/evaluations/feedback/{id}", User, update),
        Route::delete("/api/v1/evaluations/feedback/{id}", User, delete),
    ]
}

#[derive(Deserialize)]
struct FeedbackForm {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default)]
    meta: Option<Map<String, Value>>,
    #[serde(default)]
    snapshot: Option<Box<RawValue>>,
}

impl FeedbackForm {
    fn checked(self) -> ApiResult<NewFeedback> {
        let snapshot = self.snapshot.filter(|snapshot| snapshot.get() != "null");
        if snapshot.as_ref().is_some_and(|snapshot| !snapshot.get().starts_with('{')) {
            return Err(ApiError::unprocessable(
                "dict_type",
                &["body", "snapshot"],
                "The field \"snapshot\" must be an object.",
            ));
        }
        Ok(NewFeedback { kind: self.kind, data: self.data, meta: self.meta, snapshot })
    }
}

/// `POST /api/v1/evaluations/feedback {type, data?, meta?, snapshot?}`: `data` holds the judgement, `meta` what it is
/// about, `snapshot` the chat as it was.
async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(form): Json<FeedbackForm, MAX_LARGE_BODY>,
) -> ApiResult<axum::Json<Feedback>> {
    Ok(axum::Json(app.database.feedback().create(caller.user_id(), form.checked()?).await?))
}

/// `GET /api/v1/evaluations/feedback/{id}`
async fn read(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Feedback>> {
    Ok(axum::Json(app.database.feedback().owned(caller.user_id(), &id).await?))
}

/// `POST /api/v1/evaluations/feedback/{id}`: parts that the form leaves out stay as they are.
async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(form): Json<FeedbackForm, MAX_LARGE_BODY>,
) -> ApiResult<axum::Json<Feedback>> {
    Ok(axum::Json(app.database.feedback().update(caller.user_id(), &id, form.checked()?).await?))
}

/// `DELETE /api/v1/evaluations/feedback/{id}`
async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<bool>> {
    if !app.database.feedback().delete(caller.user_id(), &id).await? {
        return Err(antiphon_storage::StorageError::FeedbackNotFound.into());
    }
    Ok(axum::Json(true))
}
