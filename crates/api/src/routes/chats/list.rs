//! Lists of chats.

use crate::App;
use crate::http::{ApiResult, Caller, Json, Query};
use antiphon_storage::{ArchivedQuery, ChatItem, ChatOrder, ChatQuery, Direction, Tags};
use axum::extract::State;
use serde::Deserialize;
use std::collections::HashSet;

#[derive(Deserialize)]
pub(super) struct Page {
    page: Option<u32>,
    #[serde(default)]
    include_pinned: bool,
    #[serde(default)]
    include_folders: bool,
}

/// `GET /api/v1/chats/?page=`: newest first, without what has a list of its own.
pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<Page>,
) -> ApiResult<axum::Json<Vec<ChatItem>>> {
    let query = ChatQuery {
        page: page.page.unwrap_or(1),
        include_pinned: page.include_pinned,
        include_folders: page.include_folders,
    };
    let items = app.database.chats().list(caller.user_id(), &query).await?;
    Ok(axum::Json(with_activity(&app, items).await))
}

/// `GET /api/v1/chats/pinned`
pub(super) async fn pinned(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Vec<ChatItem>>> {
    let items = app.database.chats().list_pinned(caller.user_id()).await?;
    Ok(axum::Json(with_activity(&app, items).await))
}

#[derive(Deserialize)]
pub(super) struct Archived {
    page: Option<u32>,
    query: Option<String>,
    order_by: Option<String>,
    direction: Option<Direction>,
}

/// `GET /api/v1/chats/archived`
pub(super) async fn archived(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<Archived>,
) -> ApiResult<axum::Json<Vec<ChatItem>>> {
    let query = ArchivedQuery {
        text: asked.query.filter(|text| !text.is_empty()),
        order: asked.order_by.as_deref().and_then(ChatOrder::parse).unwrap_or_default(),
        direction: asked.direction.unwrap_or_default(),
        page: asked.page.unwrap_or(1),
    };
    Ok(axum::Json(app.database.chats().list_archived(caller.user_id(), &query).await?))
}

/// `GET /api/v1/chats/archived/count`
pub(super) async fn archived_count(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<i64>> {
    Ok(axum::Json(app.database.chats().count_archived(caller.user_id()).await?))
}

#[derive(Deserialize)]
pub(super) struct Search {
    text: String,
    page: Option<u32>,
}

/// `GET /api/v1/chats/search?text=`: in titles and messages; `tag:name` narrows it.
pub(super) async fn search(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<Search>,
) -> ApiResult<axum::Json<Vec<ChatItem>>> {
    let items = app.database.chats().search(caller.user_id(), &asked.text, asked.page.unwrap_or(1)).await?;
    Ok(axum::Json(with_activity(&app, items).await))
}

#[derive(Deserialize)]
pub(super) struct WithTag {
    name: String,
    page: Option<u32>,
}

/// `POST /api/v1/chats/tags {name}`: the chats with a tag.
pub(super) async fn with_tag(
    State(app): State<App>,
    caller: Caller,
    Json(asked): Json<WithTag>,
) -> ApiResult<axum::Json<Vec<ChatItem>>> {
    let tag = Tags::id_of(&asked.name);
    Ok(axum::Json(app.database.chats().list_by_tag(caller.user_id(), &tag, asked.page.unwrap_or(1)).await?))
}

/// Marks the chats in which a task runs.
async fn with_activity(app: &App, mut items: Vec<ChatItem>) -> Vec<ChatItem> {
    let active: HashSet<String> = {
        let ids = items.iter().map(|item| item.id.as_str());
        app.tasks.active_among(ids).await.into_iter().map(ToString::to_string).collect()
    };
    for item in &mut items {
        item.active = active.contains(&item.id);
    }
    items
}
