//! Writing, changing and deleting messages. Everybody who follows the channel is told with one event.

use super::{find_message, find_writable};
use crate::App;
use crate::events::channel::{tell, tell_created};
use crate::http::{ApiError, ApiResult, Caller, Json, Path};
use antiphon_storage::{
    Author, Channel, ChannelMessage, ChannelMessageDetails, ChannelMessageUpdate, NewChannelMessage,
    StorageError,
};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest id that a client may give a message until it has one, in bytes.
const MAX_TEMPORARY_ID: usize = 128;

#[derive(Deserialize)]
pub(super) struct MessageForm {
    content: String,
    #[serde(default)]
    temp_id: Option<String>,
    #[serde(default)]
    parent_id: Option<String>,
    #[serde(default)]
    reply_to_id: Option<String>,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default)]
    meta: Option<Map<String, Value>>,
}

impl MessageForm {
    fn check(&self) -> ApiResult<()> {
        let files = self.data.as_ref().and_then(|data| data.get("files")).and_then(Value::as_array);
        if self.content.trim().is_empty() && files.is_none_or(Vec::is_empty) {
            return Err(ApiError::bad_request("The message is empty."));
        }
        if self.temp_id.as_ref().is_some_and(|id| id.len() > MAX_TEMPORARY_ID) {
            let message = format!("A temporary id has at most {MAX_TEMPORARY_ID} bytes.");
            return Err(ApiError::unprocessable("string_too_long", &["body", "temp_id"], message));
        }
        Ok(())
    }
}

/// A new message, with the id under which its writer shows it already.
#[derive(Serialize)]
struct Posted<'a> {
    temp_id: Option<&'a str>,
    #[serde(flatten)]
    details: &'a ChannelMessageDetails,
}

/// `POST /api/v1/channels/{id}/messages/post {content, temp_id?, parent_id?, reply_to_id?, data?, meta?}`
///
/// Two statements, and one more for each of: a thread, a quotation, a channel that somebody has hidden.
pub(super) async fn post(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(form): Json<MessageForm>,
) -> ApiResult<axum::Json<ChannelMessage>> {
    form.check()?;
    let view = find_writable(&app, &caller, &id).await?;
    let new = NewChannelMessage {
        content: form.content,
        parent_id: form.parent_id.filter(|id| !id.is_empty()),
        reply_to_id: form.reply_to_id.filter(|id| !id.is_empty()),
        data: form.data,
        meta: form.meta,
    };
    let message = app.database.channel_messages().post(&id, caller.user_id(), new).await.map_err(told)?;
    let details = match message.reply_to_id {
        Some(_) => find_message(&app, &id, &message.id).await?,
        None => ChannelMessageDetails::fresh(message, author(&caller)),
    };
    let message = &details.message;
    let posted = Posted { temp_id: form.temp_id.as_deref(), details: &details };
    tell(&app, &view.channel, &message.id, "message", &posted, &caller.identity).await;
    if let Some(parent_id) = &message.parent_id {
        tell_thread(&app, &view.channel, parent_id, &caller).await;
    }
    if view.hidden_for_some {
        tell_created(&app, &app.database.channels().show_to_all(&id).await?).await;
    }
    Ok(axum::Json(details.message))
}

/// `POST /api/v1/channels/{id}/messages/{message_id}/update {content, data?, meta?}`: by who wrote it, or an
/// administrator.
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path((id, message_id)): Path<(String, String)>,
    Json(form): Json<MessageForm>,
) -> ApiResult<axum::Json<ChannelMessage>> {
    let view = find_writable(&app, &caller, &id).await?;
    let before = find_message(&app, &id, &message_id).await?;
    if before.message.user_id != caller.user_id() && !caller.identity.is_admin() {
        return Err(ApiError::forbidden("Only who wrote a message changes it."));
    }
    let update = ChannelMessageUpdate {
        content: form.content,
        data: form.data.unwrap_or_default(),
        meta: form.meta.unwrap_or_default(),
    };
    app.database.channel_messages().update(&id, &message_id, update).await?;
    let details = find_message(&app, &id, &message_id).await?;
    tell(&app, &view.channel, &message_id, "message:update", &details, &caller.identity).await;
    Ok(axum::Json(details.message))
}

/// `DELETE /api/v1/channels/{id}/messages/{message_id}/delete`: by who wrote it, who manages the channel, or an
/// administrator. The thread goes with it.
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((id, message_id)): Path<(String, String)>,
) -> ApiResult<axum::Json<bool>> {
    let view = find_writable(&app, &caller, &id).await?;
    let details = find_message(&app, &id, &message_id).await?;
    let own = details.message.user_id == caller.user_id();
    if !own && !view.is_manager && !caller.identity.is_admin() {
        return Err(ApiError::forbidden("Only who wrote a message, or manages the channel, deletes it."));
    }
    if !app.database.channel_messages().delete(&id, &message_id).await? {
        return Err(StorageError::ChannelMessageNotFound.into());
    }
    tell(&app, &view.channel, &message_id, "message:delete", &details, &caller.identity).await;
    if let Some(parent_id) = &details.message.parent_id {
        tell_thread(&app, &view.channel, parent_id, &caller).await;
    }
    Ok(axum::Json(true))
}

/// Tells how large a thread is now, unless the message that began it is gone.
async fn tell_thread(app: &App, channel: &Channel, parent_id: &str, caller: &Caller) {
    match app.database.channel_messages().get(&channel.id, parent_id, true).await {
        Ok(Some(parent)) => tell(app, channel, parent_id, "message:reply", &parent, &caller.identity).await,
        Ok(None) => {}
        // The message itself is stored and told.
        Err(error) => {
            tracing::warn!(%error, "the size of a thread was not told; pages show it with the next reload");
        }
    }
}

fn author(caller: &Caller) -> Author {
    let identity = &caller.identity;
    Author { id: identity.id.to_string(), name: identity.name.clone(), role: identity.role }
}

/// A thread or quotation whose message is not there is a fault of the form, not of the address.
fn told(error: StorageError) -> ApiError {
    match error {
        StorageError::ChannelMessageNotFound => {
            ApiError::bad_request("The message that this one answers is not there any more.")
        }
        error => error.into(),
    }
}
