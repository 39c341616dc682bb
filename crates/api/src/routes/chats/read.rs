//! One chat, as it is now.

use crate::App;
use crate::http::{ApiError, ApiResult, Caller, Path};
use antiphon_storage::{ChatDocument, ErrorKind, StorageError};
use axum::extract::State;

/// `GET /api/v1/chats/{id}`: the document, with the text so far of answers that are being written.
///
/// An unknown chat is answered with 401, which the reference's client takes as "go home".
pub(super) async fn document(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<ChatDocument>> {
    let document = app.database.documents().get(caller.user_id(), &id).await.map_err(unknown)?;
    let mut document = with_live_text(&app, document).await?;
    // Whose chat it is may go on with it; who reads a shared one may be shown less.
    document.set("share_mode", "continue");
    Ok(axum::Json(document))
}

/// `GET /api/v1/chats/{id}/pinned`
pub(super) async fn is_pinned(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<bool>> {
    Ok(axum::Json(app.database.chats().owned(caller.user_id(), &id).await.map_err(unknown)?.pinned))
}

/// Puts the text so far into the messages that are being written.
pub(super) async fn with_live_text(app: &App, mut document: ChatDocument) -> ApiResult<ChatDocument> {
    let unfinished = document.unfinished();
    let mut lives = Vec::with_capacity(unfinished.len());
    for message_id in &unfinished {
        lives.extend(app.replies.live(&document.chat().id, message_id).await.map(|live| (message_id, live)));
    }
    if lives.len() < unfinished.len() {
        // One of them may have ended since the rows were read; then its row has the whole text by now.
        document = app.database.documents().of(document.into_chat()).await?;
    }
    let unfinished = document.unfinished();
    for (message_id, live) in lives.into_iter().filter(|(message_id, _)| unfinished.contains(message_id)) {
        document.set_live(message_id, live.content, &live.output);
    }
    Ok(document)
}

fn unknown(error: StorageError) -> ApiError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Forbidden => ApiError::unauthorized("There is no such chat."),
        _ => error.into(),
    }
}
