//! Reading requests: bodies, limits, and the sentences that say what is wrong with them.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::BODY_LIMIT;
use crate::engine::chat::{ChatRequest, LONGEST_ANSWER};
use crate::error::LocalError;
use crate::sampling::SamplingOptions;
use crate::text::template::{Role, Turn};

/// How many messages a conversation may have.
const MOST_MESSAGES: usize = 2_000;
/// How many stop sequences a request may have, and how long each may be in bytes.
const MOST_STOPS: usize = 8;
const LONGEST_STOP: usize = 256;
/// How many texts one embedding request may have, and how long each may be in bytes.
const MOST_TEXTS: usize = 512;
const LONGEST_TEXT: usize = 256 * 1024;

/// Reads a JSON body.
///
/// # Errors
/// [`LocalError::TooLarge`] or [`LocalError::Invalid`].
pub(super) fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, LocalError> {
    let bytes = body.map_err(|rejection| match rejection.status().as_u16() {
        413 => LocalError::TooLarge { limit: BODY_LIMIT },
        _ => LocalError::Invalid("The request body could not be read to its end.".into()),
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| invalid(format!("The request body is not understood: {error}.")))
}

fn invalid(message: impl Into<String>) -> LocalError {
    LocalError::Invalid(message.into())
}

/// The body of `POST /v1/chat/completions`; fields that this model has no use for (tools, log probabilities) are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct ChatBody {
    pub(super) model: Option<String>,
    messages: Vec<Message>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    stop: Option<OneOrMany>,
    seed: Option<i64>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    repetition_penalty: Option<f32>,
    n: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

impl ChatBody {
    /// True when the answer should come as server-sent events.
    pub(super) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// True when a stream should end with the numbers of tokens.
    pub(super) fn streams_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }

    /// Checks the fields and makes the request for the engine.
    ///
    /// # Errors
    /// [`LocalError::Invalid`] names the field, the value and what is allowed.
    pub(super) fn into_request(self) -> Result<ChatRequest, LocalError> {
        if self.n.unwrap_or(1) != 1 {
            return Err(invalid("`n` must be 1: this server gives one answer for each request."));
        }
        if self.messages.len() > MOST_MESSAGES {
            return Err(invalid(format!("`messages` may have {MOST_MESSAGES} entries at most.")));
        }
        let most_tokens = self.max_completion_tokens.or(self.max_tokens);
        if most_tokens == Some(0) {
            return Err(invalid("`max_tokens` must be 1 or more."));
        }
        let stops = self.stop.map(OneOrMany::into_vec).unwrap_or_default();
        if stops.len() > MOST_STOPS || stops.iter().any(|stop| stop.len() > LONGEST_STOP) {
            return Err(invalid(format!(
                "`stop` may have {MOST_STOPS} entries of {LONGEST_STOP} bytes at most."
            )));
        }
        let defaults = SamplingOptions::default();
        let sampling = SamplingOptions {
            temperature: within("temperature", self.temperature, defaults.temperature, 0.0, 2.0)?,
            top_p: within("top_p", self.top_p, defaults.top_p, 0.0, 1.0)?,
            repetition_penalty: within(
                "repetition_penalty",
                self.repetition_penalty,
                defaults.repetition_penalty,
                0.5,
                2.0,
            )?,
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, 0.0, -2.0, 2.0)?,
            presence_penalty: within("presence_penalty", self.presence_penalty, 0.0, -2.0, 2.0)?,
            seed: self.seed.map(i64::cast_unsigned),
        };
        let mut turns = Vec::with_capacity(self.messages.len());
        for message in self.messages {
            turns.push(message.into_turn()?);
        }
        Ok(ChatRequest {
            turns,
            sampling,
            most_tokens: most_tokens.and_then(|most| usize::try_from(most).ok()).unwrap_or(LONGEST_ANSWER),
            stops,
        })
    }
}

fn within(
    name: &str,
    value: Option<f32>,
    default: f32,
    lowest: f32,
    highest: f32,
) -> Result<f32, LocalError> {
    match value {
        None => Ok(default),
        Some(value) if (lowest..=highest).contains(&value) => Ok(value),
        Some(value) => Err(invalid(format!("`{name}` is {value}; allowed is {lowest} to {highest}."))),
    }
}

impl Message {
    fn into_turn(self) -> Result<Turn, LocalError> {
        let role = match self.role.as_str() {
            "system" | "developer" => Role::System,
            "assistant" => Role::Assistant,
            // The model knows no tools; what one returned is something that it was told.
            "user" | "tool" | "function" => Role::User,
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(invalid(format!(
                    "The role `{shown}` is not known; allowed are system, user, assistant and tool."
                )));
            }
        };
        Ok(Turn { role, text: content_text(self.content)? })
    }
}

/// The text of a message: a string, or parts of which all must be text.
fn content_text(content: Option<Value>) -> Result<String, LocalError> {
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(parts)) => {
            let mut texts = Vec::with_capacity(parts.len());
            for part in parts {
                match (part["type"].as_str(), part["text"].as_str()) {
                    (Some("text"), Some(text)) => texts.push(text.to_owned()),
                    (kind, _) => {
                        let kind: String = kind.unwrap_or("unknown").chars().take(40).collect();
                        return Err(invalid(format!(
                            "This small model reads only text; a message has a part of type `{kind}`. Remove it or choose another model."
                        )));
                    }
                }
            }
            Ok(texts.join("\n"))
        }
        Some(_) => Err(invalid("`content` must be a string or a list of text parts.")),
    }
}

/// How the vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EncodingFormat {
    /// As numbers.
    #[default]
    Float,
    /// As little-endian 32-bit floats in base64.
    Base64,
}

/// The body of `POST /v1/embeddings`.
#[derive(Debug, Deserialize)]
pub(super) struct EmbeddingBody {
    pub(super) model: Option<String>,
    input: Value,
    pub(super) encoding_format: Option<EncodingFormat>,
    dimensions: Option<u64>,
}

impl EmbeddingBody {
    /// Checks the fields and gives the texts; `width` is the length of the model's vectors.
    ///
    /// # Errors
    /// [`LocalError::Invalid`] names the field and what is allowed.
    pub(super) fn into_texts(self, width: u64) -> Result<Vec<String>, LocalError> {
        if self.dimensions.is_some_and(|dimensions| dimensions != width) {
            return Err(invalid(format!(
                "`dimensions` must be {width}: the vectors of this model have that length."
            )));
        }
        let texts = match self.input {
            Value::String(text) => vec![text],
            Value::Array(entries) => {
                let texts = entries.into_iter().map(|entry| match entry {
                    Value::String(text) => Ok(text),
                    _ => Err(invalid(
                        "`input` must be a string or a list of strings; token numbers are not supported.",
                    )),
                });
                texts.collect::<Result<_, _>>()?
            }
            _ => return Err(invalid("`input` must be a string or a list of strings.")),
        };
        if texts.is_empty() || texts.len() > MOST_TEXTS {
            return Err(invalid(format!(
                "`input` has {} texts; allowed are 1 to {MOST_TEXTS}.",
                texts.len()
            )));
        }
        if let Some(text) = texts.iter().find(|text| text.len() > LONGEST_TEXT) {
            return Err(invalid(format!(
                "A text of `input` has {} bytes; allowed are {LONGEST_TEXT}. Split it first.",
                text.len()
            )));
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(body: Value) -> Result<ChatRequest, LocalError> {
        serde_json::from_value::<ChatBody>(body).unwrap().into_request()
    }

    #[test]
    fn defaults_suit_the_model_and_given_values_count() {
        let messages = json!([{ "role": "user", "content": "hi" }]);
        let plain = request(json!({ "messages": messages, "stop": null, "temperature": null })).unwrap();
        assert_eq!(plain.sampling, SamplingOptions::default());
        assert_eq!(plain.most_tokens, LONGEST_ANSWER);
        let given = request(json!({
            "messages": messages, "temperature": 0, "top_p": 0.5, "max_tokens": 7, "stop": "x", "seed": -1
        }))
        .unwrap();
        assert_eq!((given.sampling.temperature, given.sampling.top_p), (0.0, 0.5));
        assert_eq!((given.most_tokens, given.stops), (7, vec!["x".to_owned()]));
        assert_eq!(given.sampling.seed, Some(u64::MAX));
    }

    #[test]
    fn content_is_text_or_parts_of_text() {
        let built = request(json!({ "messages": [
            { "role": "developer", "content": "s" },
            { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
            { "role": "assistant", "content": null, "tool_calls": [] },
            { "role": "tool", "content": "42" },
        ] }))
        .unwrap();
        let turns: Vec<_> = built.turns.iter().map(|turn| (turn.role, turn.text.as_str())).collect();
        assert_eq!(
            turns,
            [(Role::System, "s"), (Role::User, "a\nb"), (Role::Assistant, ""), (Role::User, "42")]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let messages = json!([{ "role": "user", "content": "hi" }]);
        for (body, named) in [
            (json!({ "messages": messages, "temperature": 3 }), "`temperature` is 3"),
            (json!({ "messages": messages, "top_p": -0.1 }), "`top_p`"),
            (json!({ "messages": messages, "n": 2 }), "`n`"),
            (json!({ "messages": messages, "max_tokens": 0 }), "`max_tokens`"),
            (json!({ "messages": messages, "stop": vec!["x"; 9] }), "`stop`"),
            (json!({ "messages": [{ "role": "robot", "content": "hi" }] }), "`robot`"),
            (json!({ "messages": [{ "role": "user", "content": 7 }] }), "`content`"),
            (
                json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": {} }] }] }),
                "image_url",
            ),
        ] {
            let message = request(body).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn embedding_input_is_checked() {
        let texts = |body| serde_json::from_value::<EmbeddingBody>(body).unwrap().into_texts(384);
        assert_eq!(texts(json!({ "input": "a" })).unwrap(), ["a"]);
        assert_eq!(texts(json!({ "input": ["a", "b"], "dimensions": 384 })).unwrap(), ["a", "b"]);
        for body in [
            json!({ "input": [] }),
            json!({ "input": [1, 2] }),
            json!({ "input": 1 }),
            json!({ "input": "a", "dimensions": 10 }),
            json!({ "input": "a".repeat(LONGEST_TEXT + 1) }),
            json!({ "input": vec!["a"; MOST_TEXTS + 1] }),
        ] {
            assert!(texts(body).is_err());
        }
    }
}
