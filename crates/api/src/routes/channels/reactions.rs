//! Reactions to messages. They are for those who may write in the channel.

use super::{find_message, find_writable};
use crate::App;
use crate::events::channel::tell;
use crate::http::{ApiResult, Caller, Json, Path};
use antiphon_storage::ChannelMessageDetails;
use axum::extract::State;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(super) struct ReactionForm {
    name: String,
}

/// The message with all its reactions, and the name of the one that came or went.
#[derive(Serialize)]
struct Reacted<'a> {
    #[serde(flatten)]
    details: &'a ChannelMessageDetails,
    name: &'a str,
}

/// `POST /api/v1/channels/{id}/messages/{message_id}/reactions/add {name}`
pub(super) async fn add(
    State(app): State<App>,
    caller: Caller,
    Path((id, message_id)): Path<(String, String)>,
    Json(form): Json<ReactionForm>,
) -> ApiResult<axum::Json<bool>> {
    change(&app, &caller, &id, &message_id, &form.name, true).await
}

/// `POST /api/v1/channels/{id}/messages/{message_id}/reactions/remove {name}`
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path((id, message_id)): Path<(String, String)>,
    Json(form): Json<ReactionForm>,
) -> ApiResult<axum::Json<bool>> {
    change(&app, &caller, &id, &message_id, &form.name, false).await
}

async fn change(
    app: &App,
    caller: &Caller,
    channel_id: &str,
    message_id: &str,
    name: &str,
    add: bool,
) -> ApiResult<axum::Json<bool>> {
    let view = find_writable(app, caller, channel_id).await?;
    // Looked up first: a message of another channel is none of this one's.
    find_message(app, channel_id, message_id).await?;
    let messages = app.database.channel_messages();
    let (changed, kind) = if add {
        (messages.add_reaction(message_id, caller.user_id(), name).await?, "message:reaction:add")
    } else {
        (messages.remove_reaction(message_id, caller.user_id(), name).await?, "message:reaction:remove")
    };
    if changed {
        let details = find_message(app, channel_id, message_id).await?;
        tell(app, &view.channel, message_id, kind, &Reacted { details: &details, name }, &caller.identity)
            .await;
    }
    Ok(axum::Json(true))
}
