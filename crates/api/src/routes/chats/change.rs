//! Making, changing and deleting chats.

use super::read::with_live_text;
use crate::App;
use crate::events::tell;
use crate::http::json::MAX_LARGE_BODY;
use crate::http::{ApiResult, Caller, Json, Path};
use antiphon_generation::audience::user_room;
use antiphon_storage::{ChatDocument, ChatImport, MessageUpdate, NewDocument};
use axum::extract::State;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Most chats in one import.
const MAX_IMPORT: usize = 1_000;

/// Longest title of a copy, in characters.
const MAX_TITLE: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct ChatForm {
    chat: Box<RawValue>,
    #[serde(default)]
    folder_id: Option<String>,
}

/// `POST /api/v1/chats/new {chat}`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(form): Json<ChatForm, MAX_LARGE_BODY>,
) -> ApiResult<axum::Json<ChatDocument>> {
    let document = ChatImport::parse(form.chat.get())?;
    let new = NewDocument { folder_id: form.folder_id, ..NewDocument::default() };
    Ok(axum::Json(app.database.documents().create(caller.user_id(), document, new).await?))
}

#[derive(Deserialize)]
pub(super) struct ImportForm {
    chats: Vec<Imported>,
}

#[derive(Deserialize)]
struct Imported {
    chat: Box<RawValue>,
    #[serde(default)]
    meta: Option<Map<String, Value>>,
    #[serde(default)]
    pinned: bool,
    #[serde(default)]
    folder_id: Option<String>,
    #[serde(default)]
    created_at: Option<i64>,
    #[serde(default)]
    updated_at: Option<i64>,
}

/// `POST /api/v1/chats/import {chats: [{chat, meta?, pinned?, folder_id?, created_at?, updated_at?}]}`
pub(super) async fn import(
    State(app): State<App>,
    caller: Caller,
    Json(form): Json<ImportForm, MAX_LARGE_BODY>,
) -> ApiResult<axum::Json<Vec<ChatDocument>>> {
    if form.chats.len() > MAX_IMPORT {
        let message = format!(
            "{} chats are too many for one import; at most {MAX_IMPORT} are taken.",
            form.chats.len()
        );
        return Err(crate::ApiError::too_large(message));
    }
    // All are read before the first is stored, so that a malformed one stores nothing.
    let mut parsed = Vec::with_capacity(form.chats.len());
    for imported in form.chats {
        let document = ChatImport::parse(imported.chat.get())?;
        let new = NewDocument {
            folder_id: imported.folder_id,
            meta: imported.meta.unwrap_or_default(),
            pinned: imported.pinned,
            created_at: imported.created_at,
            updated_at: imported.updated_at,
            ..NewDocument::default()
        };
        parsed.push((document, new));
    }
    let mut chats = Vec::with_capacity(parsed.len());
    for (document, new) in parsed {
        chats.push(app.database.documents().create(caller.user_id(), document, new).await?);
    }
    Ok(axum::Json(chats))
}

/// `POST /api/v1/chats/{id} {chat}`: the given keys replace the stored ones; running answers are left alone.
pub(super) async fn merge(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(form): Json<ChatForm, MAX_LARGE_BODY>,
) -> ApiResult<axum::Json<ChatDocument>> {
    let document = ChatImport::parse(form.chat.get())?;
    let renamed = document.title().is_some();
    let running = running(&app, &caller, &id).await?;
    let document = app.database.documents().merge(caller.user_id(), &id, document, &running).await?;
    if renamed {
        tell_list(&app, &caller, &id, document.chat().folder_id.as_deref()).await;
    }
    Ok(axum::Json(with_live_text(&app, document).await?))
}

/// Ids of the messages of a chat that are being written now.
async fn running(app: &App, caller: &Caller, chat_id: &str) -> ApiResult<Vec<String>> {
    if app.tasks.of_item(chat_id).await.is_empty() {
        return Ok(Vec::new());
    }
    Ok(app.database.documents().get(caller.user_id(), chat_id).await?.unfinished())
}

#[derive(Deserialize)]
pub(super) struct MessageForm {
    content: String,
}

/// `POST /api/v1/chats/{id}/messages/{message_id} {content}`: a new text for one message.
pub(super) async fn message(
    State(app): State<App>,
    caller: Caller,
    Path((id, message_id)): Path<(String, String)>,
    Json(form): Json<MessageForm, MAX_LARGE_BODY>,
) -> ApiResult<axum::Json<ChatDocument>> {
    app.database.chats().owned(caller.user_id(), &id).await?;
    if running(&app, &caller, &id).await?.contains(&message_id) {
        return Err(crate::ApiError::conflict("This answer is still being written. Stop it first."));
    }
    let update = MessageUpdate { content: Some(form.content.clone()), output: None };
    app.database.messages().update(&id, &message_id, &update).await?;
    let envelope = json!({
        "chat_id": id, "message_id": message_id,
        "data": { "type": "chat:message", "data": { "chat_id": id, "message_id": message_id, "content": form.content } },
    });
    tell(app.realtime.to(user_room(caller.user_id())), &envelope).await;
    let document = app.database.documents().get(caller.user_id(), &id).await?;
    Ok(axum::Json(with_live_text(&app, document).await?))
}

#[derive(Deserialize)]
pub(super) struct CopyForm {
    title: Option<String>,
}

/// `POST /api/v1/chats/{id}/clone {title?}`
pub(super) async fn copy(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(form): Json<CopyForm>,
) -> ApiResult<axum::Json<ChatDocument>> {
    let chat = app.database.chats().owned(caller.user_id(), &id).await?;
    let title = match form.title.filter(|title| !title.trim().is_empty()) {
        Some(title) => title.chars().take(MAX_TITLE).collect(),
        None => format!("Copy of {}", chat.title),
    };
    let mut extra = Map::new();
    extra.insert("originalChatId".into(), json!(id));
    extra.insert("branchPointMessageId".into(), json!(chat.current_message_id));
    let copy = app.database.chats().copy(caller.user_id(), &id, &title, extra).await?;
    tell_list(&app, &caller, &copy.id, copy.folder_id.as_deref()).await;
    Ok(axum::Json(app.database.documents().of(copy).await?))
}

/// `DELETE /api/v1/chats/{id}`: what runs in it is stopped first.
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<bool>> {
    app.database.chats().owned(caller.user_id(), &id).await?;
    app.tasks.stop_item(&id).await;
    app.database.chats().delete(caller.user_id(), &id).await?;
    tell_list(&app, &caller, &id, None).await;
    Ok(axum::Json(true))
}

/// `DELETE /api/v1/chats/`: all chats of the caller.
pub(super) async fn delete_all(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<bool>> {
    app.tasks.stop_user(caller.user_id()).await;
    app.database.chats().delete_all(caller.user_id()).await?;
    Ok(axum::Json(true))
}

/// Tells the caller's other tabs that the list changed.
pub(super) async fn tell_list(app: &App, caller: &Caller, chat_id: &str, folder_id: Option<&str>) {
    let envelope = json!({
        "chat_id": chat_id,
        "data": { "type": "chat:list", "data": { "chat_id": chat_id, "folder_id": folder_id } },
    });
    tell(app.realtime.to(user_room(caller.user_id())), &envelope).await;
}
