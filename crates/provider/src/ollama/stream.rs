//! Decodes the JSON lines of `/api/chat` into chunks of the OpenAI form.

use super::response::{Line, Message, Usage, tool_call};
use crate::chunk::Chunk;
use crate::error::ProviderError;
use crate::http::{self, Target};
use crate::options::LINE_LIMIT;
use crate::reply::Decoded;
use crate::sse::lines::{LineEnds, LineSplitter, LineTooLong};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// From bytes to chunks.
#[derive(Debug)]
pub(crate) struct OllamaDecoder {
    lines: LineSplitter,
    id: String,
    model: String,
    tool_calls: usize,
    begun: bool,
    ended: bool,
}

#[derive(Serialize)]
struct OutChunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [OutChoice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct OutChoice<'a> {
    index: u32,
    delta: OutDelta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct OutDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
}

impl OllamaDecoder {
    pub(crate) fn new(model: &str) -> Self {
        Self {
            lines: LineSplitter::new(LineEnds::LineFeed, LINE_LIMIT),
            id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
            model: model.to_owned(),
            tool_calls: 0,
            begun: false,
            ended: false,
        }
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        self.lines.push(piece);
    }

    pub(crate) fn next(&mut self, target: &Target) -> Result<Option<Decoded>, ProviderError> {
        if self.ended {
            return Ok(Some(Decoded::End));
        }
        loop {
            let line = self.lines.next_line().map_err(|LineTooLong| ProviderError::TooLarge {
                connection: target.label.clone(),
                what: "a line of the stream",
                limit: LINE_LIMIT,
            })?;
            let Some(line) = line else { return Ok(None) };
            if !line.trim_ascii().is_empty() {
                return self.decode(target, &line).map(Some);
            }
        }
    }

    pub(crate) fn finish(&mut self, target: &Target) -> Result<Option<Decoded>, ProviderError> {
        if self.ended {
            return Ok(Some(Decoded::End));
        }
        let rest = self.lines.rest();
        if rest.trim_ascii().is_empty() {
            return Ok(None);
        }
        self.decode(target, &rest).map(Some)
    }

    fn decode(&mut self, target: &Target, text: &Bytes) -> Result<Decoded, ProviderError> {
        let line: Line = http::parse_object(target, text, "a line of an Ollama reply")?;
        let malformed = |error: &dyn std::fmt::Display| ProviderError::Malformed {
            connection: target.label.clone(),
            problem: format!("a line of the stream is not a piece of an Ollama reply ({error})"),
            excerpt: http::excerpt(target, text),
        };
        if line.error.as_ref().is_some_and(|error| !error.is_null()) {
            self.ended = true;
            return Chunk::parse(text.clone()).map(Decoded::Chunk).map_err(|error| malformed(&error));
        }
        let empty = Message::default();
        let message = line.message.as_ref().unwrap_or(&empty);
        let calls: Vec<Value> = message
            .tool_calls
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(offset, call)| tool_call(call, self.tool_calls + offset))
            .collect();
        self.tool_calls += calls.len();
        let role = (!self.begun).then_some("assistant");
        self.begun = true;
        let chunk = OutChunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: line.created(),
            model: line.model.as_deref().unwrap_or(&self.model),
            choices: [OutChoice {
                index: 0,
                delta: OutDelta {
                    role,
                    content: message.content.as_deref().filter(|text| !text.is_empty()),
                    reasoning_content: message.thinking.as_deref().filter(|text| !text.is_empty()),
                    tool_calls: calls,
                },
                logprobs: None,
                finish_reason: line.done.then(|| line.finish_reason(self.tool_calls > 0)),
            }],
            usage: line.done.then(|| line.usage()),
        };
        let raw = serde_json::to_vec(&chunk).map_err(|error| malformed(&error))?;
        self.ended = line.done;
        Chunk::parse(raw.into()).map(Decoded::Chunk).map_err(|error| malformed(&error))
    }
}
