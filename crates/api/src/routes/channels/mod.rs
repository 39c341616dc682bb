//! Channels in which several people talk: made, listed, read, written in.
//!
//! Channels of others do not exist for the caller (404); who may only read one may not write (403).

mod answer;
mod create;
mod list;
mod members;
mod messages;
mod post;
mod reactions;

use crate::App;
use crate::events::channel::{may_use, viewer};
use crate::http::{Access, ApiError, ApiResult, Caller, Route};
use antiphon_auth::{permission, permissions};
use antiphon_storage::{ChannelAccess, ChannelMessageDetails, ChannelView, StorageError};

pub(super) fn routes() -> Vec<Route> {
    use Access::User;
    vec![
        Route::get("/api/v1/channels/", User, list::own),
        Route::get("/api/v1/channels/list", User, list::plain),
        Route::post("/api/v1/channels/create", User, create::create),
        Route::get("/api/v1/channels/users/{user_id}", User, create::direct),
        Route::get("/api/v1/channels/{id}", User, list::one),
        Route::get("/api/v1/channels/{id}/members", User, members::page),
        Route::post("/api/v1/channels/{id}/members/active", User, members::set_active),
        Route::post("/api/v1/channels/{id}/update/members/add", User, members::add),
        Route::post("/api/v1/channels/{id}/update/members/remove", User, members::remove),
        Route::get("/api/v1/channels/{id}/messages", User, messages::page),
        Route::post("/api/v1/channels/{id}/messages/post", User, post::post),
        Route::get("/api/v1/channels/{id}/messages/{message_id}", User, messages::one),
        Route::get("/api/v1/channels/{id}/messages/{message_id}/data", User, messages::data),
        Route::get("/api/v1/channels/{id}/messages/{message_id}/thread", User, messages::thread),
        Route::post("/api/v1/channels/{id}/messages/{message_id}/update", User, post::update),
        Route::delete("/api/v1/channels/{id}/messages/{message_id}/delete", User, post::delete),
        Route::post("/api/v1/channels/{id}/messages/{message_id}/reactions/add", User, reactions::add),
        Route::post("/api/v1/channels/{id}/messages/{message_id}/reactions/remove", User, reactions::remove),
    ]
}

/// Refuses everything while channels are off, and whoever may not use them.
fn check_on(app: &App, caller: &Caller) -> ApiResult<()> {
    if may_use(app, &caller.identity) {
        return Ok(());
    }
    let settings = app.settings();
    if !settings.features.channels {
        return Err(ApiError::forbidden(
            "Channels are off on this server. An administrator can switch them on in the settings.",
        ));
    }
    Ok(permissions::require(&caller.identity, &settings.permissions, permission!(features.channels))?)
}

/// The channel, which the caller may read.
async fn find(app: &App, caller: &Caller, id: &str) -> ApiResult<ChannelView> {
    check_on(app, caller)?;
    let view = app.database.channels().view(viewer(&caller.identity), id).await?;
    let readable = view.filter(|view| view.access >= ChannelAccess::Read);
    readable.ok_or_else(|| StorageError::ChannelNotFound.into())
}

/// The channel, in which the caller may write.
async fn find_writable(app: &App, caller: &Caller, id: &str) -> ApiResult<ChannelView> {
    let view = find(app, caller, id).await?;
    if view.access < ChannelAccess::Write {
        return Err(ApiError::forbidden("You can read this channel, but not write in it."));
    }
    Ok(view)
}

/// A message of a channel, with all its data.
async fn find_message(app: &App, channel_id: &str, id: &str) -> ApiResult<ChannelMessageDetails> {
    let message = app.database.channel_messages().get(channel_id, id, true).await?;
    message.ok_or_else(|| StorageError::ChannelMessageNotFound.into())
}
