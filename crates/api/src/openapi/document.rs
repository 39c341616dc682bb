//! The OpenAPI document.

use super::{Body, Operation, Surface};
use crate::http::Access;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// Name of the schema of refusals.
pub(super) const REFUSAL: &str = "Refusal";

impl Surface {
    /// The surface as an OpenAPI 3.1 document.
    pub fn document(&self) -> Value {
        let mut paths = Map::new();
        for operation in &self.operations {
            let path = operation.path.replace("{*", "{");
            let methods = paths.entry(path).or_insert_with(|| json!({}));
            methods[operation.method.as_str().to_lowercase()] = described(operation);
        }
        let mut schemas: Map<String, Value> =
            self.shapes.iter().map(|(name, shape)| (name.clone(), shape.schema())).collect();
        schemas.insert(REFUSAL.to_owned(), refusal());
        let refused = self.operations.iter().flat_map(|operation| &operation.answers);
        let refused: Map<String, Value> = refused
            .filter(|(_, body)| **body == Body::Refusal)
            .map(|(status, _)| (refused_name(*status), refused_response(*status)))
            .collect();
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Antiphon",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "The HTTP surface of Antiphon, a self-hosted AI chat server. Answers may have more fields \
                    than are named here. A collection is reached with and without the slash at its end.",
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "paths": paths,
            "security": [{ "bearer": [] }, { "cookie": [] }, { "key": [] }],
            "components": {
                "schemas": schemas,
                "responses": refused,
                "securitySchemes": {
                    "bearer": {
                        "type": "http", "scheme": "bearer",
                        "description": "The token of a session, or an API key where it is let in.",
                    },
                    "cookie": { "type": "apiKey", "in": "cookie", "name": "token" },
                    "key": {
                        "type": "apiKey", "in": "header", "name": "x-api-key",
                        "description": "An API key; the header's name is the operator's (CUSTOM_API_KEY_HEADER).",
                    },
                },
            },
        })
    }
}

fn refusal() -> Value {
    let finding = json!({
        "type": "object",
        "properties": {
            "type": { "type": "string" }, "loc": { "type": "array", "items": { "type": "string" } },
            "msg": { "type": "string" },
        },
        "required": ["type", "loc", "msg"],
    });
    json!({
        "type": "object",
        "properties": { "detail": { "anyOf": [{ "type": "string" }, { "type": "array", "items": finding }] } },
        "required": ["detail"],
    })
}

fn described(operation: &Operation) -> Value {
    let captures = operation
        .captures()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query = operation.query.iter().map(|field| {
        json!({ "name": field.name, "in": "query", "required": field.required, "schema": field.shape.schema() })
    });
    let mut described = json!({
        "operationId": id(operation),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": captures.chain(query).collect::<Vec<_>>(),
        "responses": responses(operation),
    });
    match operation.access {
        Access::Public => described["security"] = json!([]),
        Access::Session => described["security"] = json!([{ "bearer": [] }, { "cookie": [] }]),
        Access::AnyRole | Access::User | Access::Admin => {}
    }
    if let Some(form) = &operation.form {
        described["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": form.schema() } } });
    }
    described
}

/// A name for generated clients: the method and the words of the path.
fn id(operation: &Operation) -> String {
    let words = operation.path.split(['/', '.', '_']).filter(|word| !matches!(*word, "" | "api" | "v1"));
    let mut id = operation.method.as_str().to_lowercase();
    for word in words {
        id.push('_');
        id.push_str(word.trim_matches(['{', '}', '*']));
    }
    // Names that differ by the version or by a slash alone.
    if operation.path.starts_with("/api/v1/") {
        id.push_str("_v1");
    }
    id
}

fn responses(operation: &Operation) -> Value {
    let mut responses: Map<String, Value> = operation
        .answers
        .iter()
        .map(|(status, body)| (status.to_string(), response(*status, body)))
        .collect();
    if operation.passes_on {
        let description = "The model service's own refusal, with its status and body.";
        responses.insert("default".to_owned(), json!({ "description": description }));
    }
    Value::Object(responses)
}

fn response(status: u16, body: &Body) -> Value {
    let content = match body {
        Body::Refusal => return json!({ "$ref": format!("#/components/responses/{}", refused_name(status)) }),
        Body::Nothing => json!({}),
        Body::Json(shape) => json!({ "application/json": { "schema": shape.schema() } }),
        Body::Media(types) => {
            types.iter().map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>().into()
        }
    };
    json!({ "description": reason(status), "content": content })
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Answered")
}

fn refused_name(status: u16) -> String {
    format!("Refused{status}")
}

fn refused_response(status: u16) -> Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{REFUSAL}") });
    json!({ "description": reason(status), "content": { "application/json": { "schema": schema } } })
}
