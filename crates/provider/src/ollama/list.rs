//! The models of an Ollama service, from `/api/tags`.

use crate::connection::Connection;
use crate::model::{ListedModel, Model};
use crate::openai::list::{connection_type, prefixed, tags};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The entries of `/api/tags`; none when it is something else.
pub(crate) fn entries(listing: Value) -> Option<Vec<Value>> {
    match listing {
        Value::Object(mut members) => match members.remove("models") {
            Some(Value::Array(entries)) => Some(entries),
            // A service without models may send null.
            Some(Value::Null) => Some(Vec::new()),
            _ => None,
        },
        _ => None,
    }
}

/// The models of a listing, or those of them that the operator named; entries without an id are left out.
pub(crate) fn models(connection: &Connection, entries: Vec<Value>) -> Vec<ListedModel> {
    let wanted = &connection.config.model_ids;
    entries
        .into_iter()
        .filter_map(|entry| match entry {
            Value::Object(entry) => Some(entry),
            _ => None,
        })
        .filter_map(|entry| {
            let id = ["model", "name"].into_iter().find_map(|name| entry.get(name)?.as_str())?.to_owned();
            let wanted = wanted.is_empty() || wanted.contains(&id);
            (wanted && !id.is_empty()).then(|| listed(connection, &id, entry))
        })
        .collect()
}

/// The models that the operator named, without asking the service; only those given with the connection itself, as
/// `model_ids` of Ollama is a filter.
pub(crate) fn static_models(connection: &Connection) -> Option<Vec<ListedModel>> {
    let models = &connection.static_models;
    let entry =
        |id: &str, name: &str| json!({ "model": id, "name": name }).as_object().cloned().unwrap_or_default();
    (!models.is_empty()).then(|| {
        models.iter().map(|model| listed(connection, &model.id, entry(&model.id, &model.name))).collect()
    })
}

fn listed(connection: &Connection, id: &str, mut entry: Map<String, Value>) -> ListedModel {
    let connection_type = connection_type(connection);
    let name = entry.get("name").and_then(Value::as_str).unwrap_or(id).to_owned();
    entry.insert("connection_type".into(), connection_type.clone().into());
    entry.insert("urls".into(), json!([connection.index]));
    ListedModel {
        upstream_id: id.into(),
        model: Arc::new(Model {
            id: prefixed(connection, id),
            object: "model",
            created: entry
                .get("modified_at")
                .and_then(Value::as_str)
                .and_then(seconds_of_rfc3339)
                .unwrap_or_default(),
            owned_by: "ollama",
            connection_type,
            name,
            openai: None,
            ollama: Some(entry),
            provider: connection.config.provider.clone(),
            url_index: connection.index,
            tags: tags(connection),
        }),
    }
}

/// Adds a connection to those that offer a model.
pub(crate) fn also_at(model: &Model, index: usize) -> Model {
    let mut model = model.clone();
    if let Some(Value::Array(urls)) = model.ollama.as_mut().and_then(|entry| entry.get_mut("urls")) {
        urls.push(index.into());
    }
    model
}

/// Seconds since 1970 of a time such as `2024-05-01T10:00:00.123+02:00`.
pub(crate) fn seconds_of_rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let time = rest.get(..8)?;
    let mut parts = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let zone = rest[8..].trim_start_matches(|character: char| character == '.' || character.is_ascii_digit());
    let offset = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)
        }
    };
    // Days since 1970 in the Gregorian calendar, with years that begin in March so that a leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Now, in seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionConfig;

    #[test]
    fn times_become_seconds() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2024-02-29T12:00:00.123456789Z", Some(1_709_208_000)),
            ("2024-05-01T10:00:00.5+02:00", Some(1_714_550_400)),
            ("2023-12-31T23:59:59-08:00", Some(1_704_095_999)),
            ("2023-13-01T00:00:00Z", None),
            ("yesterday", None),
            ("2023-01-01T0\u{e9}:00:00Z", None),
        ] {
            assert_eq!(seconds_of_rfc3339(text), expected, "{text}");
        }
    }

    #[test]
    fn a_model_has_the_shape_that_clients_expect() {
        let config: ConnectionConfig =
            serde_json::from_value(json!({"prefix_id": "lab", "model_ids": ["llama3:8b"]})).unwrap();
        let connection = Connection::ollama(1, "http://h:11434", "", config);
        let listing = json!({"models": [
            {"name": "llama3:8b", "model": "llama3:8b", "modified_at": "2024-05-01T10:00:00Z", "size": 5},
            {"name": "other:1b", "model": "other:1b"}, "x"]});
        let listed = models(&connection, entries(listing).unwrap());
        assert_eq!(listed.len(), 1);
        assert_eq!(
            serde_json::to_value(also_at(&listed[0].model, 2)).unwrap(),
            json!({"id": "lab.llama3:8b", "object": "model", "created": 1_714_557_600, "owned_by": "ollama",
                "connection_type": "external", "name": "llama3:8b", "provider": "", "urlIdx": 1, "tags": [],
                "ollama": {"name": "llama3:8b", "model": "llama3:8b", "modified_at": "2024-05-01T10:00:00Z", "size": 5,
                    "connection_type": "external", "urls": [1, 2]}})
        );
        assert!(entries(json!({"data": []})).is_none());
    }
}
