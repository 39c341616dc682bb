//! `POST /api/chat/completions` in its two forms, and embeddings.
//!
//! With a `session_id` the answer goes to the caller's sockets ([`page`]); without, the call is the plain OpenAI form
//! ([`openai`]).

mod form;
mod openai;
mod page;

pub(super) use openai::whole;
pub(super) use page::turns;

use crate::App;
use crate::http::json::MAX_LARGE_BODY;
use crate::http::{Access, ApiError, ApiResult, Caller, Json, Route};
use crate::models::Askable;
use antiphon_provider::{RequestContext, Requester};
use axum::extract::State;
use axum::response::Response;
use form::CompletionForm;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

pub(super) fn routes() -> Vec<Route> {
    use Access::User;
    vec![
        Route::post("/api/chat/completions", User, completions),
        Route::post("/api/v1/chat/completions", User, completions),
        Route::post("/openai/chat/completions", User, completions),
        Route::post("/api/embeddings", User, embeddings),
        Route::post("/api/v1/embeddings", User, embeddings),
        Route::post("/openai/embeddings", User, embeddings),
    ]
}

async fn completions(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Map<String, Value>, MAX_LARGE_BODY>,
) -> ApiResult<Response> {
    let form = CompletionForm::read(body)?;
    if form.session_id.is_some() || form.chat_id.is_some() {
        page::start(&app, &caller, form).await
    } else {
        openai::answer(&app, &caller, form).await
    }
}

/// `POST /api/embeddings {model, input}` in the OpenAI form.
async fn embeddings(
    State(app): State<App>,
    caller: Caller,
    Json(mut body): Json<Map<String, Value>, MAX_LARGE_BODY>,
) -> ApiResult<Response> {
    let Some(Value::String(model)) = body.remove("model") else {
        return Err(ApiError::bad_request("The request names no model."));
    };
    let askable = app.models.askable(&caller, &model).await?.ok_or_else(model_not_found)?;
    let context = RequestContext::of_user(requester(&caller));
    let cancel = CancellationToken::new();
    let _ends_with_the_request = cancel.clone().drop_guard();
    let answer = app.providers.embeddings(&askable.provider_id, body, &context, &cancel).await;
    whole(answer)
}

pub(super) fn model_not_found() -> ApiError {
    ApiError::bad_request("Model not found")
}

/// The caller, as providers are told about it.
pub(super) fn requester(caller: &Caller) -> Requester {
    let identity = &caller.identity;
    Requester {
        id: identity.id.to_string(),
        name: identity.name.clone(),
        email: identity.email.clone(),
        role: match identity.role {
            antiphon_auth::Role::Admin => "admin",
            antiphon_auth::Role::User => "user",
            antiphon_auth::Role::Pending => "pending",
        }
        .to_owned(),
        groups: Vec::new(),
    }
}

/// What a model is asked with unless the request says otherwise: its record's parameters over those of all models.
fn params(app: &App, askable: &Askable) -> Map<String, Value> {
    let mut params = app.settings().models.default_params.clone();
    params.extend(askable.params.clone());
    params
}
