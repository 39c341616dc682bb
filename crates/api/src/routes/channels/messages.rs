//! What was said in a channel.

use super::{find, find_message};
use crate::App;
use crate::http::{ApiResult, Caller, Path, Query};
use antiphon_storage::{ChannelMessageDetails, StorageError, ThreadQuery};
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

/// Messages on a page, unless the client says how many.
const PAGE: u32 = 50;

#[derive(Deserialize)]
pub(super) struct PageQuery {
    skip: Option<u32>,
    limit: Option<u32>,
}

/// `GET /api/v1/channels/{id}/messages?skip&limit`: newest first, threads left out, at most 100.
pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> ApiResult<axum::Json<Vec<ChannelMessageDetails>>> {
    find(&app, &caller, &id).await?;
    let (skip, limit) = (query.skip.unwrap_or_default(), query.limit.unwrap_or(PAGE));
    Ok(axum::Json(app.database.channel_messages().list(&id, skip, limit).await?))
}

#[derive(Deserialize)]
pub(super) struct Thread {
    skip: Option<u32>,
    limit: Option<u32>,
    around: Option<String>,
    before: Option<String>,
}

/// `GET /api/v1/channels/{id}/messages/{message_id}/thread?skip&limit&around&before`: newest first, and the message
/// that began the thread last.
pub(super) async fn thread(
    State(app): State<App>,
    caller: Caller,
    Path((id, message_id)): Path<(String, String)>,
    Query(query): Query<Thread>,
) -> ApiResult<axum::Json<Vec<ChannelMessageDetails>>> {
    find(&app, &caller, &id).await?;
    let query = ThreadQuery {
        skip: query.skip.unwrap_or_default(),
        limit: query.limit.unwrap_or(PAGE),
        before: query.before.filter(|id| !id.is_empty()),
        around: query.around.filter(|id| !id.is_empty()),
    };
    Ok(axum::Json(app.database.channel_messages().thread(&id, &message_id, &query).await?))
}

/// `GET /api/v1/channels/{id}/messages/{message_id}`
pub(super) async fn one(
    State(app): State<App>,
    caller: Caller,
    Path((id, message_id)): Path<(String, String)>,
) -> ApiResult<axum::Json<ChannelMessageDetails>> {
    find(&app, &caller, &id).await?;
    find_message(&app, &id, &message_id).await.map(axum::Json)
}

/// `GET /api/v1/channels/{id}/messages/{message_id}/data`: what lists leave out.
pub(super) async fn data(
    State(app): State<App>,
    caller: Caller,
    Path((id, message_id)): Path<(String, String)>,
) -> ApiResult<axum::Json<Option<Value>>> {
    find(&app, &caller, &id).await?;
    let data = app.database.channel_messages().data(&id, &message_id).await?;
    data.map(axum::Json).ok_or_else(|| StorageError::ChannelMessageNotFound.into())
}
