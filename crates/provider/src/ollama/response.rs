//! From Ollama's answers to the OpenAI forms.

use super::list::{now, seconds_of_rfc3339};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// One line of a stream, or the whole answer, of `/api/chat`.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) message: Option<Message>,
    #[serde(default)]
    pub(super) done: bool,
    #[serde(default)]
    done_reason: Option<String>,
    #[serde(default)]
    pub(crate) error: Option<Value>,
    #[serde(default)]
    total_duration: Option<u64>,
    #[serde(default)]
    load_duration: Option<u64>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(default)]
    prompt_eval_duration: Option<u64>,
    #[serde(default)]
    eval_count: Option<u64>,
    #[serde(default)]
    eval_duration: Option<u64>,
}

/// The message, or the next piece of it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<Value>>,
}

impl Line {
    /// The OpenAI word for why the model stopped.
    pub(super) fn finish_reason(&self, called_tools: bool) -> &str {
        match self.done_reason.as_deref() {
            _ if called_tools => "tool_calls",
            Some("length") => "length",
            Some(other) if !other.is_empty() && !matches!(other, "load" | "unload") => other,
            _ => "stop",
        }
    }

    /// When the piece was made, in seconds since 1970.
    pub(super) fn created(&self) -> i64 {
        self.created_at.as_deref().and_then(seconds_of_rfc3339).unwrap_or_else(now)
    }

    /// Token counts under the OpenAI names, with Ollama's own figures (durations in nanoseconds) beside them.
    pub(super) fn usage(&self) -> Usage {
        let prompt_tokens = self.prompt_eval_count.unwrap_or_default();
        let completion_tokens = self.eval_count.unwrap_or_default();
        Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            response_rate: rate(self.eval_count, self.eval_duration),
            prompt_rate: rate(self.prompt_eval_count, self.prompt_eval_duration),
            total_duration: self.total_duration,
            load_duration: self.load_duration,
            prompt_eval_count: self.prompt_eval_count,
            prompt_eval_duration: self.prompt_eval_duration,
            eval_count: self.eval_count,
            eval_duration: self.eval_duration,
        }
    }
}

/// Token counts and timings.
#[derive(Debug, Serialize)]
pub(super) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(rename = "response_token/s", skip_serializing_if = "Option::is_none")]
    response_rate: Option<f64>,
    #[serde(rename = "prompt_token/s", skip_serializing_if = "Option::is_none")]
    prompt_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_eval_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_eval_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_duration: Option<u64>,
}

/// Tokens per second, to two places.
#[expect(clippy::cast_precision_loss, reason = "a rate for people; 52 bits are plenty")]
fn rate(count: Option<u64>, nanoseconds: Option<u64>) -> Option<f64> {
    let nanoseconds = nanoseconds.filter(|&nanoseconds| nanoseconds > 0)?;
    let rate = count? as f64 / (nanoseconds as f64 / 1e9);
    Some((rate * 100.0).round() / 100.0)
}

/// A tool call in the OpenAI form; none when it has no name.
pub(super) fn tool_call(call: &Value, index: usize) -> Option<Value> {
    let function = call.get("function")?;
    let name = function.get("name")?.as_str()?;
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "{}".into(),
        Some(arguments) => arguments.to_string(),
    };
    let id = match call.get("id").and_then(Value::as_str) {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => format!("call_{}", Uuid::new_v4().simple()),
    };
    Some(json!({
        "index": index,
        "id": id,
        "type": "function",
        "function": { "name": name, "arguments": arguments },
    }))
}

/// A whole answer in the OpenAI form.
pub(crate) fn completion(line: &Line, model: &str) -> Value {
    let empty = Message::default();
    let source = line.message.as_ref().unwrap_or(&empty);
    let calls: Vec<Value> =
        source.tool_calls.iter().flatten().enumerate().filter_map(|(i, c)| tool_call(c, i)).collect();
    let mut message =
        json!({ "role": "assistant", "content": source.content.as_deref().unwrap_or_default() });
    if let Some(thoughts) = source.thinking.as_deref().filter(|thoughts| !thoughts.is_empty()) {
        message["reasoning_content"] = thoughts.into();
    }
    let finish_reason = line.finish_reason(!calls.is_empty());
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    json!({
        "id": format!("chatcmpl-{}", Uuid::new_v4().simple()),
        "object": "chat.completion",
        "created": line.created(),
        "model": line.model.as_deref().unwrap_or(model),
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason }],
        "usage": line.usage(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_translated() {
        let line: Line = serde_json::from_value(json!({
            "model": "llama3", "created_at": "2024-05-01T10:00:00Z",
            "message": {"role": "assistant", "content": "Hi", "thinking": "hm",
                "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}, {"function": {}}]},
            "done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 10,
            "eval_duration": 2_000_000_000_u64}))
        .unwrap();
        let mut completion = completion(&line, "x");
        assert!(completion["id"].as_str().unwrap().starts_with("chatcmpl-"));
        let call = completion.pointer_mut("/choices/0/message/tool_calls/0/id").unwrap().take();
        assert!(call.as_str().unwrap().starts_with("call_"));
        assert_eq!(
            completion["choices"],
            json!([{"index": 0, "logprobs": null, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "Hi", "reasoning_content": "hm", "tool_calls": [
                    {"index": 0, "id": null, "type": "function", "function": {"name": "add", "arguments": "{\"a\":1}"}}]}}])
        );
        assert_eq!(
            completion["usage"],
            json!({"prompt_tokens": 3, "completion_tokens": 10, "total_tokens": 13, "response_token/s": 5.0,
                "prompt_eval_count": 3, "eval_count": 10, "eval_duration": 2_000_000_000_u64})
        );
        assert_eq!((&completion["model"], &completion["created"]), (&json!("llama3"), &json!(1_714_557_600)));
    }

    #[test]
    fn reasons_to_stop_are_translated() {
        for (reason, expected) in [
            (json!("length"), "length"),
            (json!("load"), "stop"),
            (json!(null), "stop"),
            (json!("stop"), "stop"),
        ] {
            let line: Line = serde_json::from_value(json!({"done": true, "done_reason": reason})).unwrap();
            assert_eq!(line.finish_reason(false), expected);
        }
    }
}
