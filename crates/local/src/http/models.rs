//! `GET /v1/models`: what is served here.

use axum::Json;
use axum::extract::Path;
use serde::Serialize;
use serde_json::{Value, json};

use super::failure::Failure;
use crate::error::LocalError;

/// The id of the chat model.
pub const CHAT_MODEL: &str = "smollm2-135m-instruct";
/// The id of the embedding model.
pub const EMBEDDING_MODEL: &str = "all-minilm-l6-v2";

/// A model in the list.
#[derive(Debug, Clone, Copy, Serialize)]
struct Model {
    id: &'static str,
    object: &'static str,
    /// When its authors published it, in seconds since 1970.
    created: u64,
    owned_by: &'static str,
    name: &'static str,
    /// `chat` or `embedding`: which route takes it.
    #[serde(rename = "type")]
    kind: &'static str,
    description: &'static str,
}

const MODELS: [Model; 2] = [
    Model {
        id: CHAT_MODEL,
        object: "model",
        created: 1_730_332_800,
        owned_by: "local",
        name: "SmolLM2 135M (demonstration)",
        kind: "chat",
        description: "A very small model that runs on this machine. It shows how answers arrive; do not rely on what it says.",
    },
    Model {
        id: EMBEDDING_MODEL,
        object: "model",
        created: 1_630_281_600,
        owned_by: "local",
        name: "all-MiniLM-L6-v2",
        kind: "embedding",
        description: "Sentence embeddings of 384 numbers, computed on this machine.",
    },
];

/// The list of models.
pub(super) async fn list() -> Json<Value> {
    Json(json!({ "object": "list", "data": MODELS }))
}

/// One model.
pub(super) async fn one(Path(id): Path<String>) -> Result<Json<Value>, Failure> {
    let model = MODELS.iter().find(|model| model.id == id).ok_or_else(|| unknown(&id))?;
    Ok(Json(json!(model)))
}

/// Checks the `model` of a request for the route that serves `expected`; without one the route decides.
pub(super) fn check(requested: Option<&str>, expected: &'static str) -> Result<(), LocalError> {
    match requested {
        Some(model) if model != expected => Err(unknown(model)),
        _ => Ok(()),
    }
}

fn unknown(model: &str) -> LocalError {
    LocalError::UnknownModel {
        model: model.chars().take(100).collect(),
        available: format!("{CHAT_MODEL} (chat), {EMBEDDING_MODEL} (embeddings)"),
    }
}
