//! Pinning and archiving.

use super::change::tell_list;
use crate::App;
use crate::http::{ApiResult, Caller, Path};
use antiphon_storage::{Chat, ChatDocument};
use axum::extract::State;

/// `POST /api/v1/chats/{id}/pin`: pins or unpins.
pub(super) async fn pin(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<ChatDocument>> {
    let chat = app.database.chats().toggle_pinned(caller.user_id(), &id).await?;
    changed(&app, &caller, chat).await
}

/// `POST /api/v1/chats/{id}/archive`: archives or brings back.
pub(super) async fn archive(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<ChatDocument>> {
    let chat = app.database.chats().toggle_archived(caller.user_id(), &id).await?;
    changed(&app, &caller, chat).await
}

/// `POST /api/v1/chats/archive/all`
pub(super) async fn archive_all(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<bool>> {
    app.database.chats().archive_all(caller.user_id()).await?;
    Ok(axum::Json(true))
}

/// `POST /api/v1/chats/unarchive/all`
pub(super) async fn unarchive_all(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<bool>> {
    app.database.chats().unarchive_all(caller.user_id()).await?;
    Ok(axum::Json(true))
}

async fn changed(app: &App, caller: &Caller, chat: Chat) -> ApiResult<axum::Json<ChatDocument>> {
    tell_list(app, caller, &chat.id, chat.folder_id.as_deref()).await;
    Ok(axum::Json(app.database.documents().of(chat).await?))
}
