//! Tags of chats.

use crate::App;
use crate::http::{ApiError, ApiResult, Caller, Json, Path};
use antiphon_storage::Tag;
use axum::extract::State;
use serde::Deserialize;

/// Longest name of a tag, in bytes.
const MAX_NAME: usize = 200;

#[derive(Deserialize)]
pub(super) struct TagForm {
    name: String,
}

impl TagForm {
    fn checked(self) -> ApiResult<String> {
        let name = self.name.trim();
        match name.len() {
            0 => Err(ApiError::bad_request("The tag has no name.")),
            1..=MAX_NAME => Ok(name.to_owned()),
            _ => Err(ApiError::bad_request(format!("The name of a tag has at most {MAX_NAME} bytes."))),
        }
    }
}

/// `GET /api/v1/chats/all/tags`
pub(super) async fn all(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Vec<Tag>>> {
    Ok(axum::Json(app.database.tags().list(caller.user_id()).await?))
}

/// `GET /api/v1/chats/{id}/tags`
pub(super) async fn of_chat(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Vec<Tag>>> {
    Ok(axum::Json(app.database.chats().tags(caller.user_id(), &id).await?))
}

/// `POST /api/v1/chats/{id}/tags {name}`
pub(super) async fn add(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(form): Json<TagForm>,
) -> ApiResult<axum::Json<Vec<Tag>>> {
    Ok(axum::Json(app.database.chats().add_tag(caller.user_id(), &id, &form.checked()?).await?))
}

/// `DELETE /api/v1/chats/{id}/tags {name}`
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(form): Json<TagForm>,
) -> ApiResult<axum::Json<Vec<Tag>>> {
    Ok(axum::Json(app.database.chats().remove_tag(caller.user_id(), &id, &form.checked()?).await?))
}

/// `DELETE /api/v1/chats/{id}/tags/all`
pub(super) async fn remove_all(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<bool>> {
    app.database.chats().set_tags(caller.user_id(), &id, &[]).await?;
    Ok(axum::Json(true))
}
