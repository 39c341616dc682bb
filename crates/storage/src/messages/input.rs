//! Messages as they come in, checked.

use serde_json::{Map, Value};

use super::{MAX_MESSAGE_BYTES, Message};
use crate::{Result, StorageError};

/// Longest id of a message, in bytes.
const MAX_ID_BYTES: usize = 128;

/// A message to be stored.
///
/// Keys of the client's message that have the expected type become fields; all others, and known keys with
/// another type (such as a `content` that is a list of parts), are kept in `extra` as they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewMessage {
    /// Id, unique within the chat.
    pub id: String,
    /// The message that this one answers or follows.
    pub parent_id: Option<String>,
    /// `user`, `assistant`, `system` or `tool`.
    pub role: String,
    /// Text.
    pub content: Option<String>,
    /// Model that answers.
    pub model: Option<String>,
    /// Whether the reply is complete; questions have none.
    pub done: Option<bool>,
    /// Unix seconds.
    pub timestamp: Option<i64>,
    /// Items of the reply.
    pub output: Option<Value>,
    /// What went wrong.
    pub error: Option<Value>,
    /// Tokens used.
    pub usage: Option<Value>,
    /// All other keys.
    pub extra: Map<String, Value>,
}

impl NewMessage {
    /// Reads a message of the client (`{id, parentId, childrenIds, role, content, …}`).
    ///
    /// `childrenIds` is dropped: the children say themselves whose they are.
    ///
    /// Errors: [`StorageError::Malformed`], [`StorageError::TooLarge`].
    pub fn from_document(document: Value) -> Result<Self> {
        Self::parse(document, "message").map(|(message, _children)| message)
    }

    /// The message and the ids in its `childrenIds`; `path` is named in errors.
    pub(crate) fn parse(document: Value, path: &str) -> Result<(Self, Vec<String>)> {
        let Value::Object(mut keys) = document else {
            return Err(StorageError::malformed(path, "an object is expected"));
        };
        let id = match keys.remove("id") {
            Some(Value::String(id)) => id,
            Some(_) => return Err(StorageError::malformed(format!("{path}.id"), "a text is expected")),
            None => return Err(StorageError::malformed(format!("{path}.id"), "is missing")),
        };
        let parent_id = match keys.remove("parentId") {
            None | Some(Value::Null) => None,
            Some(Value::String(parent)) => Some(parent),
            Some(_) => {
                return Err(StorageError::malformed(
                    format!("{path}.parentId"),
                    "a text or null is expected",
                ));
            }
        };
        let role = match keys.remove("role") {
            Some(Value::String(role)) => role,
            Some(_) => return Err(StorageError::malformed(format!("{path}.role"), "a text is expected")),
            None => return Err(StorageError::malformed(format!("{path}.role"), "is missing")),
        };
        let children = match keys.remove("childrenIds") {
            None | Some(Value::Null) => Vec::new(),
            Some(list) => serde_json::from_value(list).map_err(|_| {
                StorageError::malformed(format!("{path}.childrenIds"), "a list of texts is expected")
            })?,
        };
        let message = Self {
            id,
            parent_id,
            role,
            content: take(&mut keys, "content", |value| match value {
                Value::String(text) => Ok(text),
                other => Err(other),
            }),
            model: take(&mut keys, "model", |value| match value {
                Value::String(text) => Ok(text),
                other => Err(other),
            }),
            done: take(&mut keys, "done", |value| value.as_bool().ok_or(value)),
            timestamp: take(&mut keys, "timestamp", |value| value.as_i64().ok_or(value)),
            output: keys.remove("output"),
            error: keys.remove("error"),
            usage: keys.remove("usage"),
            extra: keys,
        };
        message.check(path)?;
        Ok((message, children))
    }

    /// Checks sizes.
    pub(crate) fn check(&self, path: &str) -> Result<()> {
        if self.id.is_empty() || self.id.len() > MAX_ID_BYTES {
            return Err(StorageError::malformed(
                format!("{path}.id"),
                format!("1 to {MAX_ID_BYTES} bytes are expected"),
            ));
        }
        if self.parent_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_ID_BYTES) {
            return Err(StorageError::malformed(
                format!("{path}.parentId"),
                format!("1 to {MAX_ID_BYTES} bytes are expected"),
            ));
        }
        if self.parent_id.as_ref() == Some(&self.id) {
            return Err(StorageError::malformed(
                format!("{path}.parentId"),
                "a message cannot follow itself",
            ));
        }
        check_size(self.bytes())
    }

    /// Bytes of the text and the JSON together, as stored.
    pub(crate) fn bytes(&self) -> usize {
        let json = [&self.output, &self.error, &self.usage];
        self.content.as_ref().map_or(0, String::len)
            + json.into_iter().flatten().map(json_bytes).sum::<usize>()
            + self.extra.iter().map(|(key, value)| key.len() + json_bytes(value)).sum::<usize>()
    }

    /// The JSON of `extra` as stored; `None` if there is none.
    pub(crate) fn extra_text(&self) -> Option<String> {
        if self.extra.is_empty() { None } else { serde_json::to_string(&self.extra).ok() }
    }
}

impl From<Message> for NewMessage {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            parent_id: message.parent_id,
            role: message.role,
            content: message.content,
            model: message.model,
            done: message.done,
            timestamp: message.timestamp,
            output: message.output,
            error: message.error,
            usage: message.usage,
            extra: message.extra,
        }
    }
}

/// Refuses a message that is too large.
pub(super) fn check_size(bytes: usize) -> Result<()> {
    if bytes > MAX_MESSAGE_BYTES {
        return Err(StorageError::TooLarge {
            what: "bytes of a message",
            size: bytes,
            limit: MAX_MESSAGE_BYTES,
        });
    }
    Ok(())
}

/// Bytes of the compact JSON text, without making it.
pub(super) fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail, and a Value always has a JSON text.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// Takes a key if it has the expected type, and leaves it where it is if not.
fn take<T>(keys: &mut Map<String, Value>, key: &str, read: impl Fn(Value) -> Result<T, Value>) -> Option<T> {
    match read(keys.remove(key)?) {
        Ok(value) => Some(value),
        Err(other) => {
            keys.insert(key.to_owned(), other);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_of_another_type_are_kept_as_they_came() {
        let message = NewMessage::from_document(json!({
            "id": "m", "parentId": null, "role": "user", "content": [{"type": "text", "text": "x"}],
            "timestamp": 1.5, "done": null, "model": "a", "files": []
        }))
        .unwrap();
        assert_eq!(message.content, None);
        assert_eq!(message.model.as_deref(), Some("a"));
        assert_eq!(
            Value::Object(message.extra),
            json!({"content": [{"type": "text", "text": "x"}], "timestamp": 1.5, "done": null, "files": []})
        );
    }

    #[test]
    fn wrong_structure_is_refused_with_its_place() {
        for (document, place) in [
            (json!([]), "message"),
            (json!({"role": "user"}), "message.id"),
            (json!({"id": 1, "role": "user"}), "message.id"),
            (json!({"id": "", "role": "user"}), "message.id"),
            (json!({"id": "x".repeat(200), "role": "user"}), "message.id"),
            (json!({"id": "a"}), "message.role"),
            (json!({"id": "a", "role": {}}), "message.role"),
            (json!({"id": "a", "role": "user", "parentId": 5}), "message.parentId"),
            (json!({"id": "a", "role": "user", "childrenIds": [1]}), "message.childrenIds"),
        ] {
            match NewMessage::from_document(document) {
                Err(StorageError::Malformed { path, .. }) => assert_eq!(path, place),
                other => panic!("{place}: {other:?}"),
            }
        }
    }

    #[test]
    fn size_counts_text_and_json() {
        let message = NewMessage {
            id: "m".into(),
            content: Some("abc".into()),
            output: Some(json!([1, 2])),
            extra: [("k".to_owned(), json!("v"))].into_iter().collect(),
            ..NewMessage::default()
        };
        assert_eq!(message.bytes(), 3 + 5 + 1 + 3);
        let large = NewMessage { content: Some("x".repeat(MAX_MESSAGE_BYTES + 1)), ..message };
        assert!(matches!(large.check("m"), Err(StorageError::TooLarge { .. })));
    }
}
