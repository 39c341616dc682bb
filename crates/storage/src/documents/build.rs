//! From rows to the document.

use std::collections::HashMap;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;

use crate::{
    Chat,
    messages::{MessageDocument, MessageRow},
};

/// Keys of the inner document that do not come from [`Chat::extra`].
const OWN_KEYS: [&str; 5] = ["id", "title", "history", "messages", "timestamp"];

/// Keys that clients rely on; an empty list stands in.
const LIST_KEYS: [&str; 3] = ["models", "files", "tags"];

/// A chat with all its messages; serialises to the `Chat` shape of the API.
///
/// Serialise it straight into the answer: messages come in their order, which a `serde_json::Value` would lose,
/// and their JSON is copied without being parsed.
#[derive(Debug)]
pub struct ChatDocument {
    chat: Chat,
    rows: Vec<MessageRow>,
}

impl ChatDocument {
    pub(crate) fn new(mut chat: Chat, rows: Vec<MessageRow>) -> Self {
        // A current message that is gone would leave the client with an empty page.
        let known = |id: &String| rows.iter().any(|row| row.id == *id);
        if !chat.current_message_id.as_ref().is_some_and(known) {
            chat.current_message_id = rows.last().map(|row| row.id.clone());
        }
        Self { chat, rows }
    }

    /// The chat without its messages.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// The chat without its messages, taken out.
    pub fn into_chat(self) -> Chat {
        self.chat
    }

    /// How many messages there are.
    pub fn message_count(&self) -> usize {
        self.rows.len()
    }

    /// Ids of the messages that are not done.
    pub fn unfinished(&self) -> Vec<String> {
        self.rows.iter().filter(|row| row.done == Some(false)).map(|row| row.id.clone()).collect()
    }

    /// Shows a message that is still being written as it is now, for this answer only.
    pub fn set_live(&mut self, id: &str, content: String, output: &Value) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.id == id) {
            row.content = Some(content);
            row.output = serde_json::value::to_raw_value(output).ok();
        }
    }

    /// Sets a key of the inner document for this answer only, such as `share_mode`.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.chat.extra.insert(key.into(), value.into());
    }
}

/// The tree: where each message is, and its children in their order.
struct Tree<'a> {
    rows: &'a [MessageRow],
    places: HashMap<&'a str, usize>,
    children: Vec<Vec<&'a str>>,
}

impl<'a> Tree<'a> {
    fn new(rows: &'a [MessageRow]) -> Self {
        let places: HashMap<&str, usize> =
            rows.iter().enumerate().map(|(place, row)| (row.id.as_str(), place)).collect();
        let mut children = vec![Vec::new(); rows.len()];
        for row in rows {
            if let Some(parent) = row.parent_id.as_deref().and_then(|id| places.get(id)) {
                children[*parent].push(row.id.as_str());
            }
        }
        Self { rows, places, children }
    }

    fn message(&self, place: usize) -> MessageDocument<'_> {
        self.rows[place].with_children(&self.children[place])
    }

    /// Places from the root to this message, root first.
    fn branch(&self, leaf: Option<&str>) -> Vec<usize> {
        let mut branch = Vec::new();
        let mut next = leaf.and_then(|id| self.places.get(id));
        // More steps than messages would be a circle.
        while let Some(place) = next
            && branch.len() < self.rows.len()
        {
            branch.push(*place);
            next = self.rows[*place].parent_id.as_deref().and_then(|id| self.places.get(id));
        }
        branch.reverse();
        branch
    }
}

impl Serialize for ChatDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let chat = &self.chat;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &chat.id)?;
        map.serialize_entry("user_id", &chat.user_id)?;
        map.serialize_entry("title", &chat.title)?;
        map.serialize_entry("chat", &Inner { chat, tree: Tree::new(&self.rows) })?;
        map.serialize_entry("updated_at", &chat.updated_at)?;
        map.serialize_entry("created_at", &chat.created_at)?;
        map.serialize_entry("share_id", &chat.share_id)?;
        map.serialize_entry("archived", &chat.archived)?;
        map.serialize_entry("pinned", &chat.pinned)?;
        map.serialize_entry("meta", &chat.meta_with_tags())?;
        map.serialize_entry("variables", &chat.variables)?;
        map.serialize_entry("folder_id", &chat.folder_id)?;
        map.serialize_entry("tasks", &())?;
        map.serialize_entry("summary", &())?;
        map.serialize_entry("current_message_id", &chat.current_message_id)?;
        map.serialize_entry("context_usage", &())?;
        map.end()
    }
}

/// The value of the key `chat`.
struct Inner<'a> {
    chat: &'a Chat,
    tree: Tree<'a>,
}

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let chat = self.chat;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &chat.id)?;
        map.serialize_entry("title", &chat.title)?;
        map.serialize_entry("history", &History(self))?;
        map.serialize_entry("messages", &Branch(self))?;
        for key in LIST_KEYS {
            if !chat.extra.contains_key(key) {
                map.serialize_entry(key, &[(); 0])?;
            }
        }
        for (key, value) in &chat.extra {
            if !OWN_KEYS.contains(&key.as_str()) {
                map.serialize_entry(key, value)?;
            }
        }
        map.serialize_entry("timestamp", &chat.timestamp_ms)?;
        map.end()
    }
}

struct History<'a>(&'a Inner<'a>);

impl Serialize for History<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("currentId", &self.0.chat.current_message_id)?;
        map.serialize_entry("messages", &AllMessages(&self.0.tree))?;
        map.end()
    }
}

struct AllMessages<'a>(&'a Tree<'a>);

impl Serialize for AllMessages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0.rows.iter().enumerate().map(|(place, row)| (row.id.as_str(), self.0.message(place))),
        )
    }
}

struct Branch<'a>(&'a Inner<'a>);

impl Serialize for Branch<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tree = &self.0.tree;
        let branch = tree.branch(self.0.chat.current_message_id.as_deref());
        serializer.collect_seq(branch.into_iter().map(|place| tree.message(place)))
    }
}
