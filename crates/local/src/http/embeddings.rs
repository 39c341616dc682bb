//! `POST /v1/embeddings`: vectors of texts.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::failure::Failure;
use super::models::{self, EMBEDDING_MODEL};
use super::request::{self, EmbeddingBody, EncodingFormat};
use super::{Service, TURN_LIMIT};
use crate::error::LocalError;

/// The length of the vectors.
const WIDTH: u64 = 384;

/// Embeds one or more texts.
pub(super) async fn create(
    State(service): State<Service>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let body: EmbeddingBody = request::read(body)?;
    models::check(body.model.as_deref(), EMBEDDING_MODEL)?;
    let format = body.encoding_format.unwrap_or_default();
    let waiting = service.engine.embed(body.into_texts(WIDTH)?)?;
    let embeddings = match timeout(TURN_LIMIT, waiting).await {
        Ok(Ok(outcome)) => outcome?,
        Ok(Err(_)) => return Err(LocalError::Internal("the worker ended without an answer".into()).into()),
        Err(_) => return Err(LocalError::WaitedTooLong { seconds: TURN_LIMIT.as_secs() }.into()),
    };
    let entries: Vec<Value> = embeddings
        .vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| json!({ "object": "embedding", "index": index, "embedding": written(vector, format) }))
        .collect();
    Ok(Json(json!({
        "object": "list",
        "data": entries,
        "model": EMBEDDING_MODEL,
        "usage": { "prompt_tokens": embeddings.tokens, "total_tokens": embeddings.tokens },
    })))
}

fn written(vector: &[f32], format: EncodingFormat) -> Value {
    match format {
        EncodingFormat::Float => json!(vector),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            Value::String(STANDARD.encode(bytes))
        }
    }
}
