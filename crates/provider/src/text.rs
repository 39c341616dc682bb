//! Short texts by a model, for the server's own purposes.

use crate::catalog::Member;
use crate::context::RequestContext;
use crate::error::ProviderError;
use crate::exchange::Exchange;
use crate::reply::Reply;
use futures_util::StreamExt;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time for a short text when the caller sets no other.
pub const TEXT_TIMEOUT: Duration = Duration::from_mins(2);
/// Longest text that is collected, in bytes; the rest of a longer one is left out.
pub const TEXT_LIMIT: usize = 64 * 1024;
/// The marks that some models put around their thoughts.
const THOUGHT_MARKS: [(&str, &str); 3] =
    [("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reason>", "</reason>")];

/// A request for a short text.
#[derive(Debug, Clone, PartialEq)]
pub struct TextRequest {
    /// The model's id as clients know it.
    pub model: String,
    /// The messages in the OpenAI form.
    pub messages: Vec<Value>,
    /// The most tokens that the model may produce.
    pub max_tokens: Option<u32>,
    /// The sampling temperature.
    pub temperature: Option<f64>,
    /// The bound for the whole request; [`TEXT_TIMEOUT`] by default.
    pub timeout: Duration,
}

impl TextRequest {
    /// A request with one message of the user.
    pub fn of_prompt(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            messages: vec![serde_json::json!({ "role": "user", "content": prompt.into() })],
            max_tokens: None,
            temperature: None,
            timeout: TEXT_TIMEOUT,
        }
    }
}

impl Exchange {
    /// The text of a short answer, without thoughts.
    pub(crate) async fn complete_text(
        &self,
        member: &Member,
        model: &str,
        request: TextRequest,
        context: &RequestContext,
        cancel: &CancellationToken,
    ) -> Result<String, ProviderError> {
        let mut body = Map::new();
        body.insert("messages".into(), request.messages.into());
        body.insert("stream".into(), false.into());
        if let Some(limit) = request.max_tokens {
            body.insert("max_tokens".into(), limit.into());
        }
        if let Some(temperature) = request.temperature {
            body.insert("temperature".into(), temperature.into());
        }
        let text = match self.chat(member, model, body, context, cancel, Some(request.timeout)).await? {
            Reply::Whole(reply) => {
                let answer =
                    reply.pointer("/choices/0/message/content").or_else(|| reply.pointer("/choices/0/text"));
                match answer {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Array(parts)) => {
                        parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()
                    }
                    _ => String::new(),
                }
            }
            Reply::Stream(mut stream) => {
                let mut text = String::new();
                while let Some(chunk) = stream.next().await {
                    let chunk = chunk?;
                    if let Some(error) = stream.reported(&chunk) {
                        return Err(error);
                    }
                    text.push_str(chunk.delta().content.unwrap_or_default());
                    if text.len() > TEXT_LIMIT {
                        break;
                    }
                }
                text
            }
        };
        Ok(without_thoughts(&text).trim().to_owned())
    }
}

/// The text after the thoughts that it begins with.
fn without_thoughts(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some((open, close)) = THOUGHT_MARKS.iter().find(|(open, _)| rest.starts_with(open)) {
        // Thoughts without an end used up the limit; there is no answer after them.
        let Some(end) = rest.find(close) else { return &rest[..0] };
        debug_assert!(end >= open.len());
        rest = rest[end + close.len()..].trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::without_thoughts;

    #[test]
    fn thoughts_before_the_answer_are_left_out() {
        for (text, expected) in [
            ("Title", "Title"),
            ("<think>\nhm <b> \n</think>\n\nTitle", "Title"),
            ("<thinking>a</thinking><think>b</think>Title <think>", "Title <think>"),
            ("<think>never ends", ""),
            ("", ""),
        ] {
            assert_eq!(without_thoughts(text), expected);
        }
    }
}
