//! The form of the page: answered at once with the tasks; the text arrives over the caller's sockets.

use super::form::CompletionForm;
use super::{model_not_found, params, requester};
use crate::App;
use crate::events::is_saved;
use crate::http::{ApiError, ApiResult, Caller};
use antiphon_generation::prompt::Turn;
use antiphon_generation::{Answer, Place, ReplyRequest};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub(super) async fn start(app: &App, caller: &Caller, form: CompletionForm) -> ApiResult<Response> {
    let mut answers = Vec::with_capacity(form.answers.len());
    for (message_id, model, model_index) in form.answers {
        let askable = app.models.askable(caller, &model).await?.ok_or_else(model_not_found)?;
        let defaults = params(app, &askable);
        let provider_model = askable.provider_id;
        answers.push(Answer { message_id, model, provider_model, model_index, defaults });
    }
    if answers.is_empty() {
        return Err(ApiError::bad_request(
            "The request names no message to write: \"id\" or \"message_ids\" is missing.",
        ));
    }
    let place = match form.chat_id {
        Some(chat_id) if !is_saved(&chat_id) => Place::Temporary {
            chat_id: own_temporary(app, caller, chat_id).await?,
            turns: turns(&form.body)?,
        },
        chat_id => {
            let Some(user_message) = form.user_message else {
                return Err(ApiError::bad_request(
                    "The request holds no question: \"user_message\" is missing.",
                ));
            };
            Place::Saved { chat_id, user_message }
        }
    };
    let request = ReplyRequest {
        user: requester(caller),
        session_id: form.session_id,
        place,
        answers,
        form: form.body,
        background: form.background,
    };
    let started = app.replies.start(request).await?;
    let answer = json!({ "status": true, "task_ids": started.task_ids, "chat_id": started.chat_id });
    Ok(axum::Json(answer).into_response())
}

/// A temporary chat belongs to the socket in its name; it must be the caller's, if it is known.
async fn own_temporary(app: &App, caller: &Caller, chat_id: String) -> ApiResult<String> {
    if let Some((_, sid)) = chat_id.split_once(':')
        && let Some(owner) = app.presence.session(sid).await
        && *owner.user_id != *caller.user_id()
    {
        return Err(ApiError::not_found("There is no such chat."));
    }
    Ok(chat_id)
}

/// The conversation of a chat that the client keeps.
pub(in crate::routes) fn turns(body: &serde_json::Map<String, Value>) -> ApiResult<Vec<Turn>> {
    let messages = body.get("messages").and_then(Value::as_array);
    let messages = messages.ok_or_else(|| {
        ApiError::bad_request("The request holds no conversation: \"messages\" is missing.")
    })?;
    let turns = messages.iter().filter_map(|message| {
        let role = message["role"].as_str()?;
        Turn::from_message(role, &message["content"], message.get("output"), message.get("files"))
    });
    let turns: Vec<Turn> = turns.collect();
    if turns.is_empty() {
        return Err(ApiError::bad_request("The conversation in \"messages\" says nothing."));
    }
    Ok(turns)
}
