//! The plain OpenAI form: JSON, or server-sent events as the provider sends them.

use super::form::CompletionForm;
use super::{model_not_found, params, requester};
use crate::App;
use crate::http::{ApiError, ApiResult, Caller};
use antiphon_generation::prompt;
use antiphon_provider::{ProviderError, Reply, ReplyStream, RequestContext};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Fields that only our own forms have; providers refuse what they do not know.
const OWN_FIELDS: [&str; 13] = [
    "session_id",
    "chat_id",
    "id",
    "parent_id",
    "params",
    "tool_ids",
    "tool_servers",
    "features",
    "variables",
    "chat_variables",
    "model_item",
    "files",
    "background_tasks",
];

/// Answers a plain request. The provider's errors pass through with their status and body.
pub(super) async fn answer(app: &App, caller: &Caller, form: CompletionForm) -> ApiResult<Response> {
    let askable = app.models.askable(caller, &form.model).await?.ok_or_else(model_not_found)?;
    let body = body(form.body, &params(app, &askable))?;
    let cancel = CancellationToken::new();
    // The provider is cut off as soon as the client goes away.
    let ends_with_the_response = cancel.clone().drop_guard();
    let context = RequestContext::of_user(requester(caller));
    match app.providers.chat(&askable.provider_id, body, &context, &cancel).await {
        Ok(Reply::Stream(chunks)) => Ok(events(chunks, ends_with_the_response)),
        Ok(Reply::Whole(completion)) => whole(Ok(completion)),
        Err(error) => whole(Err(error)),
    }
}

/// The request for the provider: what the client sent, with the record's parameters where it set none.
fn body(mut body: Map<String, Value>, params: &Map<String, Value>) -> ApiResult<Map<String, Value>> {
    if !body.get("messages").is_some_and(Value::is_array) {
        return Err(ApiError::unprocessable(
            "missing",
            &["body", "messages"],
            "The field \"messages\" must be a list.",
        ));
    }
    for field in OWN_FIELDS {
        body.remove(field);
    }
    if let (Some(system), Some(Value::Array(messages))) = (prompt::system(params), body.get_mut("messages"))
        && !messages.first().is_some_and(|message| message["role"] == "system")
    {
        messages.insert(0, json!({ "role": "system", "content": system }));
    }
    prompt::add_parameters(&mut body, params);
    Ok(body)
}

/// A whole answer, or the provider's refusal.
pub(in crate::routes) fn whole(answer: Result<Value, ProviderError>) -> ApiResult<Response> {
    let error = match answer {
        Ok(answer) => return Ok(axum::Json(answer).into_response()),
        Err(error) => error,
    };
    tracing::warn!(error = error.operator_message(), "a provider refused or failed a request");
    if let Some(upstream) = error.upstream_answer() {
        let mut response = Response::new(Body::from(upstream.body.clone()));
        *response.status_mut() = upstream.status;
        if let Ok(kind) = HeaderValue::from_str(upstream.content_type) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        return Ok(response);
    }
    let status = match &error {
        ProviderError::ModelNotFound { .. } | ProviderError::InvalidRequest { .. } => StatusCode::BAD_REQUEST,
        ProviderError::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        ProviderError::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    Err(ApiError::new(status, error.user_message()))
}

/// The chunks as `data:` lines, unchanged, and `[DONE]`; an error in the middle is a chunk with `error`.
fn events(chunks: Box<ReplyStream>, guard: DropGuard) -> Response {
    let lines = lines(chunks).map(move |line| {
        let _held_until_the_end = &guard;
        Ok::<_, Infallible>(line)
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn lines(chunks: Box<ReplyStream>) -> impl Stream<Item = Bytes> {
    stream::unfold(Some(chunks), |chunks| async move {
        let mut chunks = chunks?;
        match chunks.next().await {
            Some(Ok(chunk)) => Some((data(chunk.raw()), Some(chunks))),
            Some(Err(error)) => {
                tracing::warn!(
                    error = error.operator_message(),
                    "a provider failed in the middle of an answer"
                );
                let error = json!({ "error": { "message": error.user_message(), "type": error.kind() } });
                Some((data(error.to_string().as_bytes()), None))
            }
            None => Some((Bytes::from_static(b"data: [DONE]\n\n"), None)),
        }
    })
}

/// One event. JSON texts hold no line breaks that are not escaped, unless the provider formatted them.
fn data(json: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(json.len() + 8);
    line.extend_from_slice(b"data: ");
    line.extend(json.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    line.extend_from_slice(b"\n\n");
    line.into()
}
