//! Models as clients see them.

use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// One model of the joined list, in the shape of `/api/models` before what the server adds from its own records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Model {
    /// The id by which clients ask for it, with the connection's prefix.
    pub id: String,
    /// Always `model`.
    pub object: &'static str,
    /// Seconds since 1970, as the upstream says; 0 where it says nothing.
    pub created: i64,
    /// `openai` or `ollama`, by protocol.
    pub owned_by: &'static str,
    /// `external` or `local`.
    pub connection_type: String,
    /// The name that people see.
    pub name: String,
    /// The upstream's own entry, of an OpenAI-compatible service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openai: Option<Map<String, Value>>,
    /// The upstream's own entry, of Ollama; `urls` lists the connections that offer the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ollama: Option<Map<String, Value>>,
    /// A name for the product behind the connection; often empty.
    pub provider: String,
    /// The place of the connection in the operator's list of its kind.
    #[serde(rename = "urlIdx")]
    pub url_index: usize,
    /// The connection's tags.
    pub tags: Vec<Tag>,
}

/// A tag of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// The tag itself.
    pub name: String,
}

/// The joined list at one moment; cheap to clone.
#[derive(Debug, Clone)]
pub struct ModelList {
    /// The models, in the order of the connections.
    pub models: Arc<[Arc<Model>]>,
    /// Changes exactly when the list changes, so that what is derived from it can be kept.
    pub version: u64,
}

/// A model as one connection lists it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListedModel {
    /// The id at the upstream, without the prefix.
    pub(crate) upstream_id: Arc<str>,
    pub(crate) model: Arc<Model>,
}
