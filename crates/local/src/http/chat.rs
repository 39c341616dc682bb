//! `POST /v1/chat/completions`, whole or as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::failure::{self, Failure};
use super::models::{self, CHAT_MODEL};
use super::request::{self, ChatBody};
use super::{Service, TURN_LIMIT, now};
use crate::engine::chat::{ChatEvent, FinishReason};
use crate::error::LocalError;

/// A comment is sent this often while a prompt is read, so that nobody between takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Answers a conversation.
pub(super) async fn complete(
    State(service): State<Service>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let body: ChatBody = request::read(body)?;
    models::check(body.model.as_deref(), CHAT_MODEL)?;
    let (streams, streams_usage) = (body.streams(), body.streams_usage());
    let mut events = service.engine.chat(body.into_request()?)?;
    // Errors that come before the first word still get their own status.
    let prompt_tokens = match timeout(TURN_LIMIT, events.recv()).await {
        Ok(Some(ChatEvent::Started { prompt_tokens, .. })) => prompt_tokens,
        Ok(Some(ChatEvent::Failed(error))) => return Err(error.into()),
        Ok(_) => return Err(died().into()),
        Err(_) => return Err(LocalError::WaitedTooLong { seconds: TURN_LIMIT.as_secs() }.into()),
    };
    let frame =
        Frame { id: format!("chatcmpl-{}", uuid::Uuid::new_v4().simple()), created: now(), prompt_tokens };
    if streams {
        let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
        Ok(Sse::new(chunks(events, frame, streams_usage)).keep_alive(keep_alive).into_response())
    } else {
        Ok(Json(whole(events, &frame).await?).into_response())
    }
}

fn died() -> LocalError {
    LocalError::Internal("the answer ended without a reason".into())
}

/// What all parts of one answer share.
#[derive(Debug)]
struct Frame {
    id: String,
    created: u64,
    prompt_tokens: usize,
}

impl Frame {
    fn usage(&self, answer_tokens: usize) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": answer_tokens,
            "total_tokens": self.prompt_tokens + answer_tokens,
        })
    }

    fn chunk(&self, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": CHAT_MODEL,
            "choices": choices,
        })
    }

    fn delta(&self, delta: &Value, reason: Option<FinishReason>) -> Value {
        self.chunk(&json!([{ "index": 0, "delta": delta, "finish_reason": reason.map(reason_name) }]))
    }
}

fn reason_name(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    }
}

async fn whole(mut events: mpsc::Receiver<ChatEvent>, frame: &Frame) -> Result<Value, LocalError> {
    let mut answer = String::new();
    loop {
        match events.recv().await {
            Some(ChatEvent::Text(text)) => answer.push_str(&text),
            Some(ChatEvent::Finished { reason, answer_tokens }) => {
                return Ok(json!({
                    "id": frame.id,
                    "object": "chat.completion",
                    "created": frame.created,
                    "model": CHAT_MODEL,
                    "choices": [{
                        "index": 0,
                        "message": { "role": "assistant", "content": answer },
                        "finish_reason": reason_name(reason),
                    }],
                    "usage": frame.usage(answer_tokens),
                }));
            }
            Some(ChatEvent::Failed(error)) => return Err(error),
            Some(ChatEvent::Started { .. }) | None => return Err(died()),
        }
    }
}

/// Where a stream is.
enum Stage {
    Opening,
    Answering,
    Usage(usize),
    Done,
    Over,
}

/// The answer as events: the role, the texts, the reason, the usage if wanted, `[DONE]`. An error is an event with the error and the last.
fn chunks(
    events: mpsc::Receiver<ChatEvent>,
    frame: Frame,
    streams_usage: bool,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((events, frame, Stage::Opening), move |(mut events, frame, stage)| async move {
        let (data, stage) = match stage {
            Stage::Opening => (
                frame.delta(&json!({ "role": "assistant", "content": "" }), None).to_string(),
                Stage::Answering,
            ),
            Stage::Answering => match events.recv().await {
                Some(ChatEvent::Text(text)) => {
                    (frame.delta(&json!({ "content": text }), None).to_string(), Stage::Answering)
                }
                Some(ChatEvent::Finished { reason, answer_tokens }) => {
                    let next = if streams_usage { Stage::Usage(answer_tokens) } else { Stage::Done };
                    (frame.delta(&json!({}), Some(reason)).to_string(), next)
                }
                Some(ChatEvent::Failed(error)) => (failure::body(&error).to_string(), Stage::Over),
                Some(ChatEvent::Started { .. }) | None => (failure::body(&died()).to_string(), Stage::Over),
            },
            Stage::Usage(answer_tokens) => {
                let mut chunk = frame.chunk(&json!([]));
                chunk["usage"] = frame.usage(answer_tokens);
                (chunk.to_string(), Stage::Done)
            }
            Stage::Done => ("[DONE]".to_owned(), Stage::Over),
            Stage::Over => return None,
        };
        Some((Ok(Event::default().data(data)), (events, frame, stage)))
    })
}
