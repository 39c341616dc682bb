//! The models of an OpenAI-compatible service.

use crate::connection::{Connection, StaticModel};
use crate::model::{ListedModel, Model, Tag};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Parts of ids that OpenAI itself lists although they cannot chat.
const NOT_FOR_CHAT: [&str; 6] = ["babbage", "dall-e", "davinci", "embedding", "tts", "whisper"];

/// The entries of a listing: `{"data": […]}`, `{"models": […]}` or a bare list; none when it is something else.
pub(crate) fn entries(listing: Value) -> Option<Vec<Value>> {
    match listing {
        Value::Array(entries) => Some(entries),
        Value::Object(mut members) => {
            ["data", "models"].into_iter().find_map(|name| match members.remove(name) {
                Some(Value::Array(entries)) => Some(entries),
                _ => None,
            })
        }
        _ => None,
    }
}

/// The models of a listing; entries without an id are left out.
pub(crate) fn models(connection: &Connection, entries: Vec<Value>) -> Vec<ListedModel> {
    let official = connection.shown_url().contains("api.openai.com");
    entries
        .into_iter()
        .filter_map(|entry| match entry {
            Value::Object(entry) => Some(entry),
            _ => None,
        })
        .filter_map(|entry| {
            let id =
                ["id", "name", "model"].into_iter().find_map(|name| entry.get(name)?.as_str())?.to_owned();
            let chats = !official || !NOT_FOR_CHAT.iter().any(|part| id.contains(part));
            (chats && !id.is_empty()).then(|| listed(connection, &id, None, entry))
        })
        .collect()
}

/// The models that the operator named, without asking the service.
pub(crate) fn static_models(connection: &Connection) -> Option<Vec<ListedModel>> {
    let named = |model: &StaticModel| {
        let entry = json!({ "id": model.id, "object": "model", "owned_by": "openai" });
        listed(connection, &model.id, Some(&model.name), entry.as_object().cloned().unwrap_or_default())
    };
    if !connection.static_models.is_empty() {
        return Some(connection.static_models.iter().map(named).collect());
    }
    let ids = &connection.config.model_ids;
    let model = |id: &String| named(&StaticModel { id: id.clone(), name: id.clone() });
    (!ids.is_empty()).then(|| ids.iter().map(model).collect())
}

fn listed(
    connection: &Connection,
    id: &str,
    name: Option<&str>,
    mut entry: Map<String, Value>,
) -> ListedModel {
    let connection_type = connection_type(connection);
    let name = name.or_else(|| entry.get("name")?.as_str()).unwrap_or(id).to_owned();
    let created = entry.get("created").and_then(Value::as_i64).unwrap_or_default();
    entry.insert("connection_type".into(), connection_type.clone().into());
    ListedModel {
        upstream_id: id.into(),
        model: Arc::new(Model {
            id: prefixed(connection, id),
            object: "model",
            created,
            owned_by: "openai",
            connection_type,
            name,
            openai: Some(entry),
            ollama: None,
            provider: connection.config.provider.clone(),
            url_index: connection.index,
            tags: tags(connection),
        }),
    }
}

/// The id by which clients ask for a model.
pub(crate) fn prefixed(connection: &Connection, id: &str) -> String {
    match connection.config.prefix_id.as_str() {
        "" => id.to_owned(),
        prefix => format!("{prefix}.{id}"),
    }
}

/// The connection's tags in the shape of the model list.
pub(crate) fn tags(connection: &Connection) -> Vec<Tag> {
    connection.config.tags.iter().map(|name| Tag { name: name.clone() }).collect()
}

/// `external` unless the operator says otherwise.
pub(crate) fn connection_type(connection: &Connection) -> String {
    match connection.config.connection_type.as_str() {
        "" => "external".into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionConfig;

    fn ids(connection: &Connection, listing: Value) -> Vec<String> {
        models(connection, entries(listing).unwrap())
            .into_iter()
            .map(|listed| listed.model.id.clone())
            .collect()
    }

    #[test]
    fn the_usual_forms_of_a_listing_are_read() {
        let connection = Connection::openai(0, "http://h/v1", "", ConnectionConfig::default());
        for listing in [
            json!({"object": "list", "data": [{"id": "a"}, {"id": ""}, {"x": 1}, 7, {"name": "b"}]}),
            json!([{"id": "a"}, {"id": "b"}]),
            json!({"models": [{"model": "a"}, {"id": "b"}]}),
        ] {
            assert_eq!(ids(&connection, listing), ["a", "b"]);
        }
        assert!(entries(json!({"error": "x"})).is_none());
    }

    #[test]
    fn a_model_has_the_shape_that_clients_expect() {
        let config = serde_json::from_value(json!({"prefix_id": "p", "tags": [{"name": "t"}]})).unwrap();
        let connection = Connection::openai(3, "http://h/v1", "", config);
        let entry = json!({"id": "m", "object": "model", "created": 1_700_000_000, "owned_by": "mock"});
        let listed = models(&connection, vec![entry]).remove(0);
        assert_eq!(&*listed.upstream_id, "m");
        assert_eq!(
            serde_json::to_value(&*listed.model).unwrap(),
            json!({"id": "p.m", "object": "model", "created": 1_700_000_000, "owned_by": "openai",
                "connection_type": "external", "name": "m", "provider": "", "urlIdx": 3, "tags": [{"name": "t"}],
                "openai": {"id": "m", "object": "model", "created": 1_700_000_000, "owned_by": "mock",
                    "connection_type": "external"}})
        );
    }

    #[test]
    fn openai_itself_lists_models_that_cannot_chat() {
        let connection = Connection::openai(0, "https://api.openai.com/v1", "", ConnectionConfig::default());
        assert_eq!(
            ids(&connection, json!([{"id": "gpt-5"}, {"id": "whisper-1"}, {"id": "tts-1"}])),
            ["gpt-5"]
        );
    }
}
