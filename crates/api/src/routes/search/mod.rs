//! `GET /api/v1/search`: one search over what the caller has. Today that is chats.

use crate::App;
use crate::http::{Access, ApiResult, Caller, Query, Route};
use antiphon_storage::CHATS_PER_PAGE;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Kinds of things that can be found.
const KINDS: [&str; 1] = ["chat"];

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/api/v1/search", Access::User, search)]
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    kind: Option<String>,
    page: Option<u32>,
}

/// `{items: [{id, kind, title, context, snippet, preview, url, updated_at, shared, pinned}], has_more, scopes, kinds}`
async fn search(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> ApiResult<axum::Json<Value>> {
    let wanted =
        asked.kind.as_deref().is_none_or(|kind| kind.is_empty() || kind == "all" || KINDS.contains(&kind));
    let mut items = Vec::new();
    let mut has_more = false;
    if wanted {
        let chats = app.database.chats();
        let found = chats.search(caller.user_id(), &asked.q, asked.page.unwrap_or(1)).await?;
        has_more = i64::try_from(found.len()).is_ok_and(|count| count >= CHATS_PER_PAGE);
        let ids: Vec<String> = found.iter().map(|item| item.id.clone()).collect();
        let places: HashMap<String, String> =
            chats.find_in_messages(caller.user_id(), &ids, &asked.q).await?.into_iter().collect();
        items = found
            .into_iter()
            .map(|item| {
                let url = match places.get(&item.id) {
                    Some(message_id) => format!("/c/{}?message={message_id}", item.id),
                    None => format!("/c/{}", item.id),
                };
                let snippet = item.snippet.unwrap_or_default();
                json!({
                    "id": format!("chat:{}", item.id), "kind": "chat", "title": item.title, "context": "",
                    "snippet": snippet, "preview": snippet, "url": url, "updated_at": item.updated_at,
                    "shared": false, "pinned": item.pinned,
                })
            })
            .collect();
    }
    Ok(axum::Json(json!({ "items": items, "has_more": has_more, "scopes": [], "kinds": KINDS })))
}
