//! Embeddings through `/api/embed`, in the OpenAI form.

use crate::error::ProviderError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The body of `/api/embed`.
pub(crate) fn request(mut body: Map<String, Value>, model: &str) -> Result<Value, ProviderError> {
    let Some(input) = body.remove("input").filter(|input| input.is_string() || input.is_array()) else {
        return Err(ProviderError::InvalidRequest {
            message: "The request has no input: a text or a list of texts.".into(),
        });
    };
    let mut request = Map::new();
    request.insert("model".into(), model.into());
    request.insert("input".into(), input);
    for name in ["dimensions", "truncate", "keep_alive", "options"] {
        if let Some(value) = body.remove(name).filter(|value| !value.is_null()) {
            request.insert(name.into(), value);
        }
    }
    Ok(Value::Object(request))
}

/// What `/api/embed` answers.
#[derive(Deserialize)]
pub(crate) struct Answer {
    embeddings: Vec<Vec<f32>>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
}

/// How the numbers are sent to the client (`encoding_format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As a JSON list.
    Float,
    /// As 32-bit little-endian floats in base64, the default of OpenAI's own clients.
    Base64,
}

impl Encoding {
    /// What the request asks for.
    pub(crate) fn asked(body: &Map<String, Value>) -> Result<Self, ProviderError> {
        match body.get("encoding_format") {
            None | Some(Value::Null) => Ok(Self::Float),
            Some(Value::String(name)) if name == "float" => Ok(Self::Float),
            Some(Value::String(name)) if name == "base64" => Ok(Self::Base64),
            Some(other) => Err(ProviderError::InvalidRequest {
                message: format!("The encoding_format {other} is not known; use \"float\" or \"base64\"."),
            }),
        }
    }
}

/// The answer as an OpenAI list of embeddings.
pub(crate) fn response(answer: Answer, model: &str, encoding: Encoding) -> Value {
    let tokens = answer.prompt_eval_count.unwrap_or_default();
    let data: Vec<Value> = answer
        .embeddings
        .into_iter()
        .enumerate()
        .map(|(index, embedding)| {
            let embedding = match encoding {
                Encoding::Float => Value::from(embedding),
                Encoding::Base64 => {
                    let bytes: Vec<u8> = embedding.iter().flat_map(|number| number.to_le_bytes()).collect();
                    STANDARD.encode(bytes).into()
                }
            };
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        })
        .collect();
    json!({
        "object": "list",
        "data": data,
        "model": answer.model.as_deref().unwrap_or(model),
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeddings_are_translated_in_both_encodings() {
        let answer =
            || serde_json::from_value(json!({"embeddings": [[1.0, -0.5]], "prompt_eval_count": 2})).unwrap();
        assert_eq!(
            response(answer(), "m", Encoding::Float),
            json!({"object": "list", "model": "m", "data": [
                {"object": "embedding", "index": 0, "embedding": [1.0, -0.5]}],
                "usage": {"prompt_tokens": 2, "total_tokens": 2}})
        );
        assert_eq!(response(answer(), "m", Encoding::Base64)["data"][0]["embedding"], "AACAPwAAAL8=");
    }

    #[test]
    fn only_known_members_are_sent() {
        let body =
            json!({"model": "x", "input": ["a"], "user": "u", "dimensions": 5, "encoding_format": "base64"});
        let body = body.as_object().cloned().unwrap();
        assert_eq!(Encoding::asked(&body).unwrap(), Encoding::Base64);
        assert_eq!(request(body, "m").unwrap(), json!({"model": "m", "input": ["a"], "dimensions": 5}));
        assert_eq!(request(Map::new(), "m").unwrap_err().kind(), "invalid_request");
    }
}
