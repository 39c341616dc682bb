//! Tags for a conversation, asked for by the client itself.

use crate::App;
use crate::http::json::MAX_LARGE_BODY;
use crate::http::{ApiError, ApiResult, Caller, Json};
use crate::routes::completions::{model_not_found, requester, turns, whole};
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// `POST /api/v1/tasks/tags/completions {model, messages}`: a `chat.completion` whose content is `{"tags": […]}` as
/// JSON text. The list is empty when tags are switched off.
pub(super) async fn suggest(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Map<String, Value>, MAX_LARGE_BODY>,
) -> ApiResult<Response> {
    let Some(Value::String(model)) = body.get("model") else {
        return Err(ApiError::bad_request("The request names no model."));
    };
    let askable = app.models.askable(&caller, model).await?.ok_or_else(model_not_found)?;
    let turns = turns(&body)?;
    let cancel = CancellationToken::new();
    let _ends_with_the_request = cancel.clone().drop_guard();
    let asked = app.replies.suggest_tags(requester(&caller), &askable.provider_id, &turns, &cancel).await;
    whole(asked.map(|tags| completion(model, &tags, app.now())))
}

/// `created`: Unix seconds.
fn completion(model: &str, tags: &[String], created: i64) -> Value {
    let message = json!({ "role": "assistant", "content": json!({ "tags": tags }).to_string() });
    json!({
        "id": format!("chatcmpl-{}", uuid::Uuid::new_v4().simple()),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{ "index": 0, "finish_reason": "stop", "logprobs": null, "message": message }],
    })
}
