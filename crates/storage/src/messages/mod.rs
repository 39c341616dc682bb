//! Messages of chats, one row each.

mod input;
mod store;
mod unfinished;

pub use input::NewMessage;
pub(crate) use store::{Existing, length, refuse_too_many, upsert_statements};
pub use store::{FinishMessage, MessageUpdate, Messages};
pub use unfinished::UnfinishedMessage;

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value, value::RawValue};

use crate::{Result, sql::Row};

/// Most messages of one chat.
pub const MAX_MESSAGES_PER_CHAT: usize = 10_000;

/// Largest message: the bytes of its text and of all its JSON together.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Most messages from a leaf to its root that are followed.
pub const MAX_BRANCH_LENGTH: i64 = 10_000;

/// One message as code works with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Id, unique within the chat; made by the client.
    pub id: String,
    /// The message that this one answers or follows.
    pub parent_id: Option<String>,
    /// Order within the chat.
    pub sequence: i64,
    /// `user`, `assistant`, `system` or `tool`.
    pub role: String,
    /// Text.
    pub content: Option<String>,
    /// Model that answers.
    pub model: Option<String>,
    /// Whether the reply is complete; questions have none.
    pub done: Option<bool>,
    /// Unix seconds, as the client gave it.
    pub timestamp: Option<i64>,
    /// Items of the reply.
    pub output: Option<Value>,
    /// What went wrong.
    pub error: Option<Value>,
    /// Tokens used.
    pub usage: Option<Value>,
    /// All other keys, as they came.
    pub extra: Map<String, Value>,
}

/// One message as the row holds it: JSON is passed on without being parsed.
///
/// Serialises to the message of the chat document, given the ids of its children.
#[derive(Debug)]
pub(crate) struct MessageRow {
    pub(crate) id: String,
    pub(crate) parent_id: Option<String>,
    pub(crate) role: String,
    pub(crate) content: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) done: Option<bool>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) output: Option<Box<RawValue>>,
    pub(crate) error: Option<Box<RawValue>>,
    pub(crate) usage: Option<Box<RawValue>>,
    pub(crate) extra: Option<Box<RawValue>>,
}

/// The columns of a message.
pub(crate) const MESSAGE_COLUMNS: &str = "messages.id, messages.parent_id, messages.sequence, messages.role, \
     messages.content, messages.model, messages.done, messages.timestamp, messages.output, messages.error, \
     messages.usage, messages.extra";

impl Message {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            parent_id: row.opt_text("parent_id")?,
            sequence: row.int("sequence")?,
            role: row.text("role")?,
            content: row.opt_text("content")?,
            model: row.opt_text("model")?,
            done: row.opt_boolean("done")?,
            timestamp: row.opt_int("timestamp")?,
            output: row.opt_json("output")?,
            error: row.opt_json("error")?,
            usage: row.opt_json("usage")?,
            extra: row.object("extra")?,
        })
    }
}

impl MessageRow {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            parent_id: row.opt_text("parent_id")?,
            role: row.text("role")?,
            content: row.opt_text("content")?,
            model: row.opt_text("model")?,
            done: row.opt_boolean("done")?,
            timestamp: row.opt_int("timestamp")?,
            output: row.raw("output")?,
            error: row.raw("error")?,
            usage: row.raw("usage")?,
            extra: row.raw("extra")?,
        })
    }

    /// The message with the ids of its children, ready to be serialised.
    pub(crate) fn with_children<'a>(&'a self, children: &'a [&'a str]) -> MessageDocument<'a> {
        MessageDocument { row: self, children }
    }
}

/// A message of the chat document.
pub(crate) struct MessageDocument<'a> {
    row: &'a MessageRow,
    children: &'a [&'a str],
}

/// A key of a stored object; one with escapes cannot be borrowed.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Serialize for MessageDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.row;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &row.id)?;
        map.serialize_entry("parentId", &row.parent_id)?;
        map.serialize_entry("childrenIds", self.children)?;
        map.serialize_entry("role", &row.role)?;
        if let Some(content) = &row.content {
            map.serialize_entry("content", content)?;
        }
        if let Some(model) = &row.model {
            map.serialize_entry("model", model)?;
        }
        if let Some(done) = row.done {
            map.serialize_entry("done", &done)?;
        }
        if let Some(timestamp) = row.timestamp {
            map.serialize_entry("timestamp", &timestamp)?;
        }
        for (key, value) in [("output", &row.output), ("error", &row.error), ("usage", &row.usage)] {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
            }
        }
        if let Some(extra) = &row.extra {
            // Only the first level is taken apart.
            let extra: BTreeMap<Key<'_>, &RawValue> =
                serde_json::from_str(extra.get()).map_err(serde::ser::Error::custom)?;
            for (key, value) in extra {
                map.serialize_entry(&key.0, value)?;
            }
        }
        map.end()
    }
}
