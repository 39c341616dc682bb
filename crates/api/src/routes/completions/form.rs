//! The posted form, as far as it is understood; the rest is passed on.

use crate::http::{ApiError, ApiResult};
use antiphon_generation::Background;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest id of a model, chat or message, in bytes.
const MAX_ID: usize = 256;

/// A request for a completion.
#[derive(Debug)]
pub(super) struct CompletionForm {
    pub(super) model: String,
    pub(super) session_id: Option<String>,
    pub(super) chat_id: Option<String>,
    /// Answers to make: message id, model, column.
    pub(super) answers: Vec<(String, String, i64)>,
    pub(super) user_message: Option<Map<String, Value>>,
    pub(super) background: Background,
    /// The whole form, for what is passed on.
    pub(super) body: Map<String, Value>,
}

#[derive(Deserialize)]
struct MessageId {
    model_id: String,
    message_id: String,
    #[serde(default, rename = "modelIdx")]
    model_index: i64,
}

impl CompletionForm {
    /// Reads the parts that have a meaning here; each fault names its field.
    pub(super) fn read(mut body: Map<String, Value>) -> ApiResult<Self> {
        let model = text(&body, "model")?.ok_or_else(|| missing("model"))?;
        let session_id = text(&body, "session_id")?;
        let chat_id = text(&body, "chat_id")?.filter(|id| !id.is_empty());
        let id = text(&body, "id")?;
        flag(&body, "stream")?;
        let message_ids: Vec<Map<String, Value>> = part(&mut body, "message_ids")?.unwrap_or_default();
        let user_message = part(&mut body, "user_message")?;
        let tasks: Map<String, Value> = part(&mut body, "background_tasks")?.unwrap_or_default();
        let answers: Vec<_> = match (message_ids.is_empty(), id) {
            (false, _) => message_ids.into_iter().map(message_id).collect::<ApiResult<_>>()?,
            (true, Some(id)) => vec![(id, model.clone(), 0)],
            (true, None) => Vec::new(),
        };
        for (message_id, model_id, _) in &answers {
            for (name, value) in [("message_ids.message_id", message_id), ("message_ids.model_id", model_id)]
            {
                if value.is_empty() || value.len() > MAX_ID {
                    return Err(wrong(name, &format!("a text of 1 to {MAX_ID} bytes")));
                }
            }
        }
        // Any value but false asks for the task; templates may stand in its place.
        let wanted = |name| !matches!(tasks.get(name), None | Some(Value::Null | Value::Bool(false)));
        let background = Background {
            title: wanted("title_generation"),
            tags: wanted("tags_generation"),
            follow_ups: wanted("follow_up_generation"),
        };
        Ok(Self { model, session_id, chat_id, answers, user_message, background, body })
    }
}

fn message_id(entry: Map<String, Value>) -> ApiResult<(String, String, i64)> {
    serde_json::from_value(Value::Object(entry))
        .map(|MessageId { model_id, message_id, model_index }| (message_id, model_id, model_index))
        .map_err(|error| wrong("message_ids", &format!("another form: {error}")))
}

fn text(body: &Map<String, Value>, name: &str) -> ApiResult<Option<String>> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= MAX_ID => Ok(Some(text.clone())),
        Some(_) => Err(wrong(name, &format!("a text of at most {MAX_ID} bytes"))),
    }
}

fn flag(body: &Map<String, Value>, name: &str) -> ApiResult<()> {
    match body.get(name) {
        None | Some(Value::Null | Value::Bool(_)) => Ok(()),
        Some(_) => Err(wrong(name, "true or false")),
    }
}

fn part<T: serde::de::DeserializeOwned>(body: &mut Map<String, Value>, name: &str) -> ApiResult<Option<T>> {
    match body.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value)
            .map(Some)
            .map_err(|error| wrong(name, &format!("another form: {error}"))),
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::unprocessable("missing", &["body", name], format!("The field {name:?} is missing."))
}

fn wrong(name: &str, expected: &str) -> ApiError {
    ApiError::unprocessable("value_error", &["body", name], format!("The field {name:?} must be {expected}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> ApiResult<CompletionForm> {
        CompletionForm::read(value.as_object().cloned().unwrap())
    }

    #[test]
    fn the_form_of_the_page_is_understood() {
        let form = read(&json!({
            "model": "m", "stream": true, "session_id": "s", "chat_id": null, "id": "a",
            "message_ids": [{ "model_id": "m", "message_id": "a", "modelIdx": 0 }, { "model_id": "n", "message_id": "b", "modelIdx": 1 }],
            "user_message": { "id": "q" }, "background_tasks": { "title_generation": true, "tags_generation": false },
        }))
        .unwrap();
        assert_eq!(form.answers[1], ("b".into(), "n".into(), 1));
        assert_eq!(form.background, Background { title: true, tags: false, follow_ups: false });
        assert_eq!(form.user_message.unwrap()["id"], "q");
    }

    #[test]
    fn wrong_types_are_refused_by_name() {
        for wrong in [
            json!({}),
            json!({ "model": 1 }),
            json!({ "model": "m", "stream": "yes" }),
            json!({ "model": "m", "message_ids": {} }),
            json!({ "model": "m", "message_ids": [["n", "b"]] }),
            json!({ "model": "m", "background_tasks": [true] }),
            json!({ "model": "m", "id": "x".repeat(1000) }),
            json!({ "model": "m", "user_message": [] }),
        ] {
            assert_eq!(read(&wrong).unwrap_err().status(), 422, "{wrong}");
        }
    }
}
