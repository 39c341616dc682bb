//! Documents as they come in, checked.

use std::{collections::HashSet, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use super::MAX_DOCUMENT_BYTES;
use crate::{MAX_MESSAGES_PER_CHAT, NewMessage, Result, StorageError, clock};

/// A chat document, or the part of one that is to be changed: the value of the key `chat` in a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatImport {
    pub(super) title: Option<String>,
    pub(super) timestamp_ms: Option<i64>,
    pub(super) history: Option<History>,
    /// The list of messages beside the tree; only looked at when there is no tree.
    pub(super) list: Vec<Value>,
    pub(super) extra: Map<String, Value>,
}

/// The tree of messages and the end of the shown branch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct History {
    pub(super) current: Current,
    /// In the order of the document; `None`: not given.
    pub(super) messages: Option<Vec<Incoming>>,
}

/// `currentId` of a tree: the message with which the shown branch ends.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Current {
    /// Not given.
    #[default]
    Unsaid,
    /// None.
    Nothing,
    /// This message.
    Message(String),
}

impl From<Option<String>> for Current {
    fn from(id: Option<String>) -> Self {
        // Clients write an empty text where they mean none.
        id.filter(|id| !id.is_empty()).map_or(Self::Nothing, Self::Message)
    }
}

/// A message and its `childrenIds`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Incoming {
    pub(super) message: NewMessage,
    pub(super) children: Vec<String>,
}

impl ChatImport {
    /// Reads the JSON text of a document, keeping the order of its messages.
    ///
    /// Keys `title`, `timestamp` and `history` are understood; `messages` follows from `history` and counts only
    /// without it; `id` is dropped; all others are kept as they are.
    ///
    /// Errors: [`StorageError::Malformed`] with the place, [`StorageError::TooLarge`].
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(StorageError::TooLarge {
                what: "bytes of a chat document",
                size: text.len(),
                limit: MAX_DOCUMENT_BYTES,
            });
        }
        let mut import = Self::default();
        for (key, raw) in object::<Box<RawValue>>(text, "chat")? {
            match key.as_str() {
                "id" => {}
                "title" => import.title = value(&raw, "chat.title", "a text or null")?,
                "timestamp" => import.timestamp_ms = timestamp(&raw)?,
                "history" => import.history = history(raw.get())?,
                "messages" => {
                    import.list =
                        value::<Option<_>>(&raw, "chat.messages", "a list or null")?.unwrap_or_default();
                }
                _ => {
                    let kept = value(&raw, &format!("chat.{key}"), "JSON")?;
                    import.extra.insert(key, kept);
                }
            }
        }
        Ok(import)
    }

    /// Reads a document that is parsed already; messages without an order of their own come in that of their ids.
    pub fn from_value(value: &Value) -> Result<Self> {
        Self::parse(&value.to_string())
    }

    /// The title, if the document has one.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Marks all messages of the tree as done.
    pub(super) fn end_messages(&mut self) {
        let messages = self.history.as_mut().and_then(|history| history.messages.as_mut());
        for incoming in messages.into_iter().flatten() {
            incoming.message.done = incoming.message.done.map(|_| true);
        }
    }

    /// Turns a list of messages without a tree into a tree of one branch.
    pub(super) fn list_to_history(&mut self) -> Result<()> {
        if self.history.is_some() || self.list.is_empty() {
            return Ok(());
        }
        let mut messages: Vec<Incoming> = Vec::with_capacity(self.list.len());
        for (index, mut document) in std::mem::take(&mut self.list).into_iter().enumerate() {
            let path = format!("chat.messages[{index}]");
            let previous = messages.last().map(|last| last.message.id.clone());
            if let Value::Object(keys) = &mut document {
                keys.entry("id").or_insert_with(|| clock::new_id().into());
                keys.insert("parentId".to_owned(), previous.into());
                keys.remove("childrenIds");
            }
            let (message, children) = NewMessage::parse(document, &path)?;
            messages.push(Incoming { message, children });
        }
        let current = messages.last().map(|last| last.message.id.clone()).into();
        check_tree(&messages)?;
        self.history = Some(History { current, messages: Some(messages) });
        Ok(())
    }
}

fn history(text: &str) -> Result<Option<History>> {
    if text.trim() == "null" {
        return Ok(None);
    }
    let mut history = History::default();
    for (key, raw) in object::<Box<RawValue>>(text, "chat.history")? {
        match key.as_str() {
            "currentId" => {
                let current: Option<String> = value(&raw, "chat.history.currentId", "a text or null")?;
                history.current = current.into();
            }
            "messages" => {
                let mut messages = Vec::new();
                for (id, document) in object::<Value>(raw.get(), "chat.history.messages")? {
                    let path = format!("chat.history.messages.{id}");
                    let (message, children) = NewMessage::parse(document, &path)?;
                    if message.id != id {
                        return Err(StorageError::malformed(format!("{path}.id"), "differs from its key"));
                    }
                    messages.push(Incoming { message, children });
                }
                check_tree(&messages)?;
                history.messages = Some(messages);
            }
            // The history of a document has no other keys; what a client adds there is its own cache.
            _ => {}
        }
    }
    Ok(Some(history))
}

fn check_tree(messages: &[Incoming]) -> Result<()> {
    if messages.len() > MAX_MESSAGES_PER_CHAT {
        return Err(StorageError::TooLarge {
            what: "messages of a chat",
            size: messages.len(),
            limit: MAX_MESSAGES_PER_CHAT,
        });
    }
    let mut seen = HashSet::new();
    for Incoming { message, .. } in messages {
        if !seen.insert(message.id.as_str()) {
            return Err(StorageError::malformed(
                format!("chat.history.messages.{}", message.id),
                "comes twice",
            ));
        }
    }
    Ok(())
}

fn timestamp(raw: &RawValue) -> Result<Option<i64>> {
    let number: Option<serde_json::Number> = value(raw, "chat.timestamp", "a number or null")?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds of a client; parts of them do not count"
    )]
    Ok(number.and_then(|number| number.as_i64().or_else(|| number.as_f64().map(|float| float as i64))))
}

fn value<T: DeserializeOwned>(raw: &RawValue, path: &str, expected: &str) -> Result<T> {
    serde_json::from_str(raw.get())
        .map_err(|_| StorageError::malformed(path, format!("{expected} is expected")))
}

/// The entries of a JSON object in their order.
fn object<T: DeserializeOwned>(text: &str, path: &str) -> Result<Vec<(String, T)>> {
    serde_json::from_str::<Entries<T>>(text)
        .map(|entries| entries.0)
        .map_err(|error| StorageError::malformed(path, format!("an object is expected ({error})")))
}

struct Entries<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Collect<T> {
            type Value = Entries<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(document: &str) -> String {
        match ChatImport::parse(document) {
            Err(StorageError::Malformed { path, .. }) => path,
            other => panic!("{document}: {other:?}"),
        }
    }

    #[test]
    fn wrong_shapes_are_refused_with_their_place() {
        for (document, expected) in [
            ("", "chat"),
            ("[]", "chat"),
            (r#"{"title": 5}"#, "chat.title"),
            (r#"{"timestamp": "now"}"#, "chat.timestamp"),
            (r#"{"messages": {}}"#, "chat.messages"),
            (r#"{"history": []}"#, "chat.history"),
            (r#"{"history": {"currentId": 7}}"#, "chat.history.currentId"),
            (r#"{"history": {"messages": []}}"#, "chat.history.messages"),
            (r#"{"history": {"messages": {"a": 1}}}"#, "chat.history.messages.a"),
            (
                r#"{"history": {"messages": {"a": {"id": "b", "role": "user"}}}}"#,
                "chat.history.messages.a.id",
            ),
            (
                r#"{"history": {"messages": {"a": {"id": "a", "role": "user"}, "a": {"id": "a", "role": "user"}}}}"#,
                "chat.history.messages.a",
            ),
        ] {
            assert_eq!(place(document), expected, "{document}");
        }
    }

    #[test]
    fn unknown_keys_are_kept_and_the_order_of_messages_too() {
        let import = ChatImport::parse(
            r#"{"id": "x", "title": "T", "models": ["m"], "odd": null, "timestamp": 5.7, "history": {"currentId": "",
                "messages": {"z": {"id": "z", "role": "user"}, "a": {"id": "a", "role": "user"}}}}"#,
        )
        .unwrap();
        assert_eq!(Value::Object(import.extra), json!({"models": ["m"], "odd": null}));
        assert_eq!(import.timestamp_ms, Some(5));
        let history = import.history.unwrap();
        assert_eq!(history.current, Current::Nothing);
        let ids: Vec<_> = history.messages.unwrap().into_iter().map(|incoming| incoming.message.id).collect();
        assert_eq!(ids, ["z", "a"]);
    }

    #[test]
    fn a_list_without_a_tree_becomes_one_branch() {
        let mut import = ChatImport::from_value(&json!({"messages": [
            {"role": "user", "content": "q"}, {"id": "b", "role": "assistant", "content": "a"}
        ]}))
        .unwrap();
        import.list_to_history().unwrap();
        let history = import.history.unwrap();
        let messages = history.messages.unwrap();
        assert_eq!(history.current, Current::Message("b".into()));
        assert_eq!(messages[1].message.parent_id.as_ref(), Some(&messages[0].message.id));
    }
}
